/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model test of tasks: random programs leave the same trace when the library runs them and when a model
 * does.
 *
 * VIADUCT_TASKS_PROGRAMS says how many (default 3000, `make check-tasks` 100000), VIADUCT_TASKS_SEED which is
 * the first.  The seed is printed.  A program that fails is made smaller and printed with both traces.
 */
#include "tasks/program.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <viaduct/time.h>

enum { DEFAULT_PROGRAMS = 3000, ENOUGH_FOR_ALL = 1000, STALL_SECONDS = 60 };

static struct trace run, model;
static bool seen[OP_COUNT];
static volatile sig_atomic_t at, at_alarm = -1;

/* Every minute: a program that does not come to an end is named by its place, with the seed already printed.
 */
static void on_alarm(int signo)
{
    char text[] = "Bail out! program          does not end\n";
    (void)signo;
    if (at == at_alarm) {
        char *digit = text + 25;
        for (int rest = at; rest; rest /= 10)
            *digit-- = (char)('0' + rest % 10);
        (void)!write(STDOUT_FILENO, text, sizeof text - 1);
        abort();
    }
    at_alarm = at;
    alarm(STALL_SECONDS);
}

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

static void look_at_trace(const struct program *program)
{
    for (int i = 0; i < run.count; i++) {
        if (run.events[i].statement >= 0)
            seen[program->statements[run.events[i].statement].operation] = true;
    }
}

/* A return writes nothing to the trace. */
static bool all_seen(void)
{
    bool all = true;
    for (int i = 0; i < OP_COUNT; i++)
        all &= seen[i] || i == OP_RETURN;
    return all;
}

int main(void)
{
    static struct program program;
    unsigned long seed = number_from("VIADUCT_TASKS_SEED", (unsigned long)via_now_ns() % 1000000007);
    unsigned long count = number_from("VIADUCT_TASKS_PROGRAMS", DEFAULT_PROGRAMS);
    unsigned long ran = 0, events = 0;
    bool failed = false;
    int64_t start_ns = via_now_ns();
    printf("1..2\n# VIADUCT_TASKS_SEED=%lu VIADUCT_TASKS_PROGRAMS=%lu\n", seed, count);
    fflush(stdout);
    signal(SIGALRM, on_alarm);
    alarm(STALL_SECONDS);
    for (; ran < count && !failed; ran++) {
        at = (sig_atomic_t)ran;
        program_make(&program, seed + ran);
        failed = fails(&program);
        events += (unsigned long)run.count;
        look_at_trace(&program);
        if (failed)
            show(&program, seed + ran);
    }
    bool enough = failed || ran < ENOUGH_FOR_ALL || all_seen();
    printf("# %lu programs, %lu events in %.1f s\n", ran, events, (double)(via_now_ns() - start_ns) / VIA_S);
    printf("%sok 1 - what random programs of tasks do is what the model of them does\n",
           failed ? "not " : "");
    printf("%sok 2 - every kind of statement occurred\n", enough ? "" : "not ");
    return failed || !enough;
}
