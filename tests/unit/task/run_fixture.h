/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of runs share: runners whose reports are kept, and tasks for them.
 */
#ifndef VIA_TEST_RUN_FIXTURE_H
#define VIA_TEST_RUN_FIXTURE_H

#include <signal.h>

#include "unit/bridge/bridge_fixture.h"
#include <viaduct/run.h>
#include <viaduct/task.h>

/* What the exception handler of the runner was told last, and how often. */
static struct reports reports __attribute__((unused));

static inline via_runner *open_runner_with(struct via_runner_options *options)
{
    via_runner *runner = NULL;
    options->exception_fn = keep_report;
    options->exception_arg = &reports;
    ck_assert_int_eq(via_runner_new(options, &runner), 0);
    ck_assert_ptr_nonnull(runner);
    return runner;
}

/* A runner whose clock jumps. */
static inline via_runner *open_runner(void)
{
    struct via_runner_options options;
    via_runner_options_init(&options);
    options.loop.virtual_clock = 1;
    return open_runner_with(&options);
}

static inline void close_runner(via_runner *runner)
{
    ck_assert_int_eq(via_runner_close(runner), 0);
    ck_assert_ptr_null(via_runner_free(runner));
}

/* What a run with this main task returns. */
static inline int run_status(via_runner *runner, via_task_fn fn, void *arg)
{
    return via_runner_run(runner, fn, arg, NULL);
}

static inline struct via_outcome last_outcome(via_runner *runner)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_runner_outcome(runner, &outcome), 0);
    return outcome;
}

/* ---- tasks ---- */

static inline int succeed(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static inline int say_and_end(void *word, void **result)
{
    (void)result;
    return say(word);
}

/* Sleeps until it is cancelled, and says what the sleep returned. */
static inline int sleep_for_ever(void *word, void **result)
{
    (void)result;
    int status = via_sleep(1000 * VIA_S);
    via_test_record(&history, "%s:%s", (const char *)word, via_status_name(status));
    return status;
}

/* Waits for what nobody will ever do. */
static inline int await_nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_await(via_future_new(via_loop_current()), NULL);
}

/* Awaits again and again though every await fails. */
static inline int never_heed(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (;;)
        (void)!via_sleep(VIA_S);
    return 0;
}

static inline void drop(via_future *future)
{
    ck_assert_ptr_nonnull(via_future_loop(future));
    via_future_unref(future);
}

#endif
