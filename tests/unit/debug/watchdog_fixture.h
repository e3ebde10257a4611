/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of the watchdog share: something that blocks, and a report function that keeps what it
 * hears.
 *
 * Nothing here waits for a time: what blocks is let go by the report itself, or by the test when it has heard
 * enough.  A machine that is slow may have other things reported than the test is about, so reports are found
 * by their task or function.
 */
#ifndef VIA_TEST_WATCHDOG_FIXTURE_H
#define VIA_TEST_WATCHDOG_FIXTURE_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/sanitizers.h"
#include "unit/loop/loop_fixture.h"

#include <viaduct/future.h>
#include <viaduct/task.h>
#include <viaduct/watchdog.h>

#define MOST_HEARD 256

/* The functions that block lie together, so that an address of theirs is known by its range. */
#define BLOCKING __attribute__((noinline, unused, section("blocking")))
extern char __start_blocking[], __stop_blocking[];

/* Something that blocks until enough was heard of it. */
struct stuck {
    const char *name; /* of the task; NULL if it is known by its function */
    void *function;
    enum via_blocked let_go_at; /* what the reports that count have to say */
    int enough;                 /* so many of them; 0 if the test lets it go */
    int fds[2];
    sem_t semaphore;
    _Atomic int begun, may_go;
    int heard; /* in the watchdog's thread */
    int got;   /* what it waited for has come, and not EINTR */
};

/* A report. */
struct heard {
    via_loop *loop;
    char task[80];
    void *function;
    int64_t blocked_ns, cpu_ns;
    enum via_blocked state;
    int reports, frames, in_blocking, symbols;
};

static struct heard heard[MOST_HEARD];
static _Atomic int heard_count;
static struct stuck *stuck_ones[2] __attribute__((unused)); /* by name */

static inline void prepare(struct stuck *stuck)
{
    ck_assert_int_eq(pipe(stuck->fds), 0);
    ck_assert_int_eq(sem_init(&stuck->semaphore, 0, 0), 0);
}

static inline void finish(struct stuck *stuck)
{
    sem_destroy(&stuck->semaphore);
    close(stuck->fds[0]);
    close(stuck->fds[1]);
}

static inline void let_go(struct stuck *stuck)
{
    atomic_store(&stuck->may_go, 1);
    ck_assert_int_eq(write(stuck->fds[1], "x", 1), 1);
    ck_assert_int_eq(sem_post(&stuck->semaphore), 0);
}

static inline int count_blocking(const struct via_blockage *blockage)
{
    int count = 0;
    for (int i = 0; i < blockage->frame_count; i++)
        count +=
            (char *)blockage->frames[i] >= __start_blocking && (char *)blockage->frames[i] <= __stop_blocking;
    return count;
}

static inline int count_symbols(const struct via_blockage *blockage)
{
    int count = 0;
    for (int i = 0; i < blockage->frame_count; i++)
        count += blockage->symbols[i][0] != '\0';
    return count;
}

static inline void keep(const struct via_blockage *blockage)
{
    int at = atomic_load(&heard_count);
    if (at == MOST_HEARD)
        return;
    struct heard *kept = &heard[at];
    *kept = (struct heard){.loop = blockage->loop,
                           .function = blockage->function,
                           .blocked_ns = blockage->blocked_ns,
                           .cpu_ns = blockage->cpu_ns,
                           .state = blockage->state,
                           .reports = blockage->reports,
                           .frames = blockage->frame_count,
                           .in_blocking = count_blocking(blockage),
                           .symbols = count_symbols(blockage)};
    snprintf(kept->task, sizeof kept->task, "%s", blockage->task ? blockage->task : "(none)");
    atomic_store(&heard_count, at + 1);
}

static inline int is_about(const struct via_blockage *blockage, const struct stuck *stuck)
{
    if (!stuck || !stuck->name)
        return stuck && !blockage->task && blockage->function == stuck->function;
    return blockage->task && strcmp(blockage->task, stuck->name) == 0;
}

/* The report function: keeps what it hears, and lets go of what it has heard enough of. */
static inline void hear(const struct via_blockage *blockage, void *arg)
{
    (void)arg;
    keep(blockage);
    for (int i = 0; i < 2; i++) {
        struct stuck *stuck = stuck_ones[i];
        if (is_about(blockage, stuck) && blockage->state == stuck->let_go_at &&
            ++stuck->heard == stuck->enough)
            let_go(stuck);
    }
}

static inline struct via_watchdog_options plain_options(void)
{
    return (struct via_watchdog_options){.threshold_ns = VIA_MS, .report = hear};
}

static inline void enable(void)
{
    struct via_watchdog_options options = plain_options();
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
}

static inline void disable(void)
{
    ck_assert_int_eq(via_watchdog_disable(), 0);
}

/* ThreadSanitizer puts signal handlers off until read() has returned. */
BLOCKING static int wait_in_the_system(struct stuck *stuck)
{
    char byte;
    atomic_store(&stuck->begun, 1);
    if (UNDER_THREAD_SANITIZER)
        stuck->got = sem_wait(&stuck->semaphore) == 0;
    else
        stuck->got = read(stuck->fds[0], &byte, 1) == 1;
    return 0;
}

/* It calls something, since ThreadSanitizer runs signal handlers only there. */
BLOCKING static int compute(struct stuck *stuck)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    while (!atomic_load(&stuck->may_go)) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}

static inline int waiting_task(void *arg, void **result)
{
    (void)result;
    return wait_in_the_system(arg);
}

static inline int computing_task(void *arg, void **result)
{
    (void)result;
    return compute(arg);
}

static inline int waiting_callback(void *arg)
{
    return wait_in_the_system(arg);
}

static inline via_loop *open_watched_loop(void)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, VIA_FOREVER), 0);
    return loop;
}

static inline void run_task(via_loop *loop, via_task_fn fn, struct stuck *stuck)
{
    const struct via_task_options options = {.name = stuck->name};
    via_future *task = via_create_task_with(loop, fn, stuck, &options);
    RUN_UNTIL(loop, via_future_done(task));
    via_future_unref(task);
}

/* The first report of a task that said this. */
static inline const struct heard *find(const char *task, enum via_blocked state)
{
    for (int i = 0; i < atomic_load(&heard_count); i++)
        if (strcmp(heard[i].task, task) == 0 && heard[i].state == state)
            return &heard[i];
    ck_abort_msg("this was not heard of %s", task);
    return NULL;
}

/* The same of something that was told by its function alone. */
static inline const struct heard *find_function(void *function, enum via_blocked state)
{
    for (int i = 0; i < atomic_load(&heard_count); i++)
        if (heard[i].function == function && heard[i].state == state && strcmp(heard[i].task, "(none)") == 0)
            return &heard[i];
    ck_abort_msg("this was not heard of the function");
    return NULL;
}

static inline int is_heard(const char *task, enum via_blocked state)
{
    int found = 0;
    for (int i = 0; i < atomic_load(&heard_count); i++)
        found |= strcmp(heard[i].task, task) == 0 && heard[i].state == state;
    return found;
}

#endif
