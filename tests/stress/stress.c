/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stress test: random submits, cancels, shutdowns, waits, wraps and posts from four threads and two
 * loops, with every future accounted for.
 *
 * VIADUCT_STRESS_OPS says how many operations (default 100000, `make check-stress` a million),
 * VIADUCT_STRESS_SEED which choices.  The seed is printed.
 */
#include "stress.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_OPERATIONS = 100000, ARENA_ITEMS = 8192, STALL_SECONDS = 60 };

static atomic_ulong progress;
static int tests;
static int failures;

/* Every minute: a test that does not move any more is ended, with the seed already printed. */
static void on_alarm(int signo)
{
    static const char stalled[] = "Bail out! the stress test stalled\n";
    static unsigned long seen;
    unsigned long now = atomic_load_explicit(&progress, memory_order_relaxed); /* it only has to move */
    (void)signo;
    if (now == seen) {
        (void)!write(STDOUT_FILENO, stalled, sizeof(stalled) - 1);
        abort();
    }
    seen = now;
    alarm(STALL_SECONDS);
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static void tell(bool holds, const char *what)
{
    tests++;
    failures += !holds;
    printf("%sok %d - %s\n", holds ? "" : "not ", tests, what);
}

static bool run_operators(uint64_t seed, unsigned long operations)
{
    static struct operator operators[STRESS_THREADS];
    pthread_t threads[STRESS_THREADS];
    for (unsigned i = 0; i < STRESS_THREADS; i++) {
        operators[i].choices = choices_of(seed, i);
        operators[i].operations = operations / STRESS_THREADS;
        operators[i].progress = &progress;
        if (arena_init(&operators[i].arena, ARENA_ITEMS) < 0 ||
            pthread_create(&threads[i], NULL, operator_run, &operators[i]))
            return false;
    }
    for (unsigned i = 0; i < STRESS_THREADS; i++)
        pthread_join(threads[i], NULL);
    mail_fini();
    loops_fini();
    mail_fini();
    places_fini();
    for (unsigned i = 0; i < STRESS_THREADS; i++)
        arena_fini(&operators[i].arena);
    return true;
}

static void report(double seconds)
{
    printf("# %lu operations in %.1f s: %lu finished, %lu failed, %lu cancelled, %lu expired, %lu refused; "
           "%lu posts, %lu waits\n",
           atomic_load(&progress), seconds, atomic_load(&totals.finished), atomic_load(&totals.failed),
           atomic_load(&totals.cancelled), atomic_load(&totals.expired), atomic_load(&totals.refused),
           atomic_load(&totals.posts), atomic_load(&totals.waits));
}

int main(void)
{
    uint64_t seed = number_from("VIADUCT_STRESS_SEED", (unsigned long)via_now_ns() % 1000000007);
    unsigned long operations = number_from("VIADUCT_STRESS_OPS", DEFAULT_OPERATIONS);
    int64_t start_ns = via_now_ns();
    printf("# VIADUCT_STRESS_SEED=%llu VIADUCT_STRESS_OPS=%lu\n", (unsigned long long)seed, operations);
    fflush(stdout);
    signal(SIGALRM, on_alarm);
    alarm(STALL_SECONDS);
    bool ready = via_thread_interrupt_enable(0) == 0 && places_init(seed) == 0 && loops_init() == 0;
    tell(ready, "executors and loops are made");
    if (ready) {
        tell(run_operators(seed, operations), "every thread came to its end");
        report((double)(via_now_ns() - start_ns) / VIA_S);
        tell(complaints() == 0, "every future is accounted for, every payload was released once");
        tell(atomic_load(&totals.finished) && atomic_load(&totals.cancelled) && atomic_load(&totals.failed) &&
                 atomic_load(&totals.refused) + atomic_load(&totals.expired),
             "every kind of end occurred");
    }
    printf("1..%d\n", tests);
    return failures != 0;
}
