/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the executor layer share: executors that start and end tidily, and short forms. */
#ifndef VIA_TEST_EXECUTOR_FIXTURE_H
#define VIA_TEST_EXECUTOR_FIXTURE_H

#include "support/sanitizers.h"
#include "support/support.h"

#include <stdatomic.h>

#include <viaduct/call.h>
#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/executor.h>
#include <viaduct/thread_pool.h>
#include <viaduct/time.h>

/* ThreadSanitizer cannot follow a child that starts threads after a fork of a process with several. */
enum { CHILD_MAY_START_THREADS = !UNDER_THREAD_SANITIZER };

/* A pool with at most so many workers. */
static inline via_executor *pool_of(int workers)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;

    via_thread_pool_options_init(&options);
    options.max_workers = workers;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

/* Shuts an executor down, waits until its threads have ended, and gives the reference back. */
static inline void close_executor(via_executor *executor)
{
    ck_assert_int_eq(via_executor_shutdown(executor, 0, via_test_bound_ns()), 0);
    ck_assert_ptr_null(via_executor_unref(executor));
}

/* A deadline that passes in the test, but not before the call is submitted, however slow the machine. */
static inline int64_t deadline_soon_ns(void)
{
    return via_now_ns() + via_test_bound_ns() / 600;
}

static inline via_cfuture *submit_call(via_executor *executor, const struct via_call *call)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_executor_submit(executor, call, &cf), 0);
    ck_assert_ptr_nonnull(cf);
    return cf;
}

static inline via_cfuture *submit(via_executor *executor, via_call_fn fn, void *arg)
{
    struct via_call call = VIA_CALL(fn, arg);

    return submit_call(executor, &call);
}

/* Expects a submission to be refused with `status`, its future untouched and its payload destroyed at once.
 */
static inline void submit_refused(via_executor *executor, struct via_call call, int status)
{
    struct via_test_counted payload = {0};
    via_cfuture *untouched = (via_cfuture *)&payload, *cf = untouched;

    call.arg = &payload;
    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_submit(executor, &call, &cf), status);
    ck_assert_ptr_eq(cf, untouched);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

/* Waits for a future and gives its status; keeps the reference. */
static inline int status_of(via_cfuture *cf)
{
    return via_cfuture_result(cf, via_test_bound_ns(), NULL);
}

/* Waits for a future that must succeed, gives its value, and drops the reference. */
static inline void *finish(via_cfuture *cf)
{
    void *value = NULL;

    ck_assert_int_eq(via_cfuture_result(cf, via_test_bound_ns(), &value), 0);
    via_cfuture_unref(cf);
    return value;
}

/* Waits for a future that must end with this status, and drops the reference. */
static inline void finish_with(via_cfuture *cf, int status)
{
    ck_assert_int_eq(status_of(cf), status);
    via_cfuture_unref(cf);
}

static inline struct via_executor_stats stats_of(via_executor *executor)
{
    struct via_executor_stats stats;

    ck_assert_int_eq(via_executor_stats(executor, &stats), 0);
    return stats;
}

/* A call that returns its argument as its result. */
static inline int echo(void *arg, void **result)
{
    *result = arg;
    return 0;
}

/* A call that counts: `arg` is an atomic_int. */
static inline int count_up(void *arg, void **result)
{
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Fills a pool's only worker with a call that waits at the gate, and comes back once it runs. */
static inline via_cfuture *occupy(via_executor *executor, struct via_test_gate *gate)
{
    int before = via_test_gate_arrived(gate);
    via_cfuture *cf = submit(executor, via_test_gate_call, gate);

    via_test_gate_await(gate, before + 1);
    return cf;
}

#endif
