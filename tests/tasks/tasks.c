/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model test of tasks: random programs leave the same trace when the library runs them and when a model
 * does.
 *
 * VIADUCT_TASKS_PROGRAMS says how many (default 3000, `make check-tasks` 100000), VIADUCT_TASKS_SEED which is
 * the first.  The seed is printed.  A program that fails is made smaller and printed with both traces.
 */
#include "tasks/program.h"

#include <stdlib.h>
#include <viaduct/time.h>

enum { DEFAULT_PROGRAMS = 3000 };

static struct trace run, model;

static unsigned long number_from(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static bool fails(const struct program *program)
{
    run_program(program, &run);
    model_program(program, &model);
    return trace_differs(&run, &model) >= 0;
}

static void show(struct program *program, unsigned long seed)
{
    shrink(program, fails);
    (void)fails(program);
    printf("# VIADUCT_TASKS_SEED=%lu VIADUCT_TASKS_PROGRAMS=1; made smaller:\n", seed);
    program_print(program, stdout);
    printf("# the library, and the model\n");
    trace_print_both(program, &run, &model, stdout);
    fflush(stdout);
}

int main(void)
{
    static struct program program;
    unsigned long seed = number_from("VIADUCT_TASKS_SEED", (unsigned long)via_now_ns() % 1000000007);
    unsigned long count = number_from("VIADUCT_TASKS_PROGRAMS", DEFAULT_PROGRAMS);
    unsigned long most = number_from("VIADUCT_TASKS_FAILURES", 1);
    unsigned long failed = 0, events = 0, full = 0;
    int64_t start_ns = via_now_ns();
    printf("1..1\n# VIADUCT_TASKS_SEED=%lu VIADUCT_TASKS_PROGRAMS=%lu\n", seed, count);
    fflush(stdout);
    unsigned long ran = 0;
    for (; ran < count && failed < most; ran++) {
        program_make(&program, seed + ran);
        if (fails(&program)) {
            failed++;
            show(&program, seed + ran);
        }
        events += (unsigned long)run.count;
        full += run.full;
    }
    printf("# %lu programs, %lu events in %.1f s, %lu traces cut\n", ran, events,
           (double)(via_now_ns() - start_ns) / VIA_S, full);
    printf("%sok 1 - what random programs of tasks do is what the model of them does\n",
           failed ? "not " : "");
    return failed != 0;
}
