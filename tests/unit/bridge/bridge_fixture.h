/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of the bridge share: pools, functions for them, and callbacks that write to the history.
 */
#ifndef VIA_TEST_BRIDGE_FIXTURE_H
#define VIA_TEST_BRIDGE_FIXTURE_H

#include "unit/loop/loop_fixture.h"
#include <viaduct/bridge.h>
#include <viaduct/call.h>
#include <viaduct/cfuture.h>
#include <viaduct/executor.h>
#include <viaduct/future.h>
#include <viaduct/thread_pool.h>

static inline via_executor *open_pool(int workers)
{
    struct via_thread_pool_options options;
    via_thread_pool_options_init(&options);
    options.max_workers = workers;
    via_executor *pool = NULL;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

/* A pool of one worker whose queue takes `max_queued` calls. */
static inline via_executor *open_bounded_pool(size_t max_queued, int when_full)
{
    struct via_thread_pool_options options;
    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.max_queued = max_queued;
    options.when_full = when_full;
    via_executor *pool = NULL;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

static inline void close_pool(via_executor *pool)
{
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_ptr_null(via_executor_unref(pool));
}

/* Fills the only worker of a pool: the call waits at the gate, and the worker has come to it. */
static inline via_cfuture *occupy(via_executor *pool, struct via_test_gate *gate)
{
    int before = via_test_gate_arrived(gate);
    struct via_call call = VIA_CALL(via_test_gate_call, gate);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), 0);
    via_test_gate_await(gate, before + 1);
    return cf;
}

/* A work function that gives its argument back. */
static inline int give_back(void *arg, void **result)
{
    *result = arg;
    return 0;
}

/* A work function that must not run. */
static inline int never_run(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_abort_msg("a function ran that must not");
    return 0;
}

static inline via_future *submit(via_loop *loop, via_executor *executor, via_call_fn fn, void *arg)
{
    struct via_call call = VIA_CALL(fn, arg);
    via_future *future = via_run_in_executor(loop, executor, &call);
    ck_assert_ptr_nonnull(future);
    return future;
}

/* Runs the loop until the future is done. */
static inline void finish(via_loop *loop, via_future *future)
{
    RUN_UNTIL(loop, via_future_done(future) == 1);
}

/* The status of a done future; the value goes unread. */
static inline int status_of(via_future *future)
{
    return via_future_result(future, NULL);
}

/* A done callback that writes its argument, a word, to the history. */
static inline int say_done(via_future *future, void *word)
{
    ck_assert_int_eq(via_future_done(future), 1);
    via_test_record(&history, "%s", (const char *)word);
    return 0;
}

static inline int never_done(via_future *future, void *arg)
{
    (void)future;
    (void)arg;
    ck_abort_msg("a done callback ran that must not");
    return 0;
}

static inline int stop_when_done(via_future *future, void *loop)
{
    ck_assert_int_eq(via_future_done(future), 1);
    return via_loop_stop(loop);
}

static inline void when_done(via_future *future, const char *word)
{
    ck_assert_int_eq(via_future_add_done_callback(future, say_done, (void *)word), 0);
}

/* Reports to the exception handler, counted and kept. */
struct reports {
    int count;
    int status;
    via_future *future;
    void *function;
    char message[256];
    char text[256];
    char task[64];
};

static inline int keep_report(const struct via_exception *exception, void *arg)
{
    struct reports *reports = arg;
    reports->count++;
    reports->status = exception->status;
    reports->future = exception->future;
    reports->function = exception->function;
    strncpy(reports->message, exception->message ? exception->message : "", sizeof reports->message - 1);
    strncpy(reports->text, exception->text ? exception->text : "", sizeof reports->text - 1);
    strncpy(reports->task, exception->task ? exception->task : "", sizeof reports->task - 1);
    return 0;
}

static inline void keep_reports(via_loop *loop, struct reports *reports)
{
    ck_assert_int_eq(via_loop_set_exception_handler(loop, keep_report, reports), 0);
}

#endif
