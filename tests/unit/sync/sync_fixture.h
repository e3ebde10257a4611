/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of locks, queues and the like share: tasks that are run to where they wait, and checked.
 */
#ifndef VIA_TEST_SYNC_FIXTURE_H
#define VIA_TEST_SYNC_FIXTURE_H

#include "unit/loop/loop_fixture.h"
#include <viaduct/bridge.h>
#include <viaduct/future.h>
#include <viaduct/task.h>

static inline via_future *start(via_loop *loop, via_task_fn fn, void *arg)
{
    via_future *task = via_create_task_with(loop, fn, arg, NULL);
    ck_assert_int_eq(via_future_done(task), 0);
    return task;
}

/* Runs everything that is ready, and what that makes ready, until all tasks wait or are done. */
static inline void settle(via_loop *loop)
{
    struct via_loop_stats before, after = stats_of(loop);
    do {
        before = after;
        RUN_TICKS(loop, 2);
        after = stats_of(loop);
    } while (after.callbacks != before.callbacks);
}

/* The task is done with this status; the reference goes. */
static inline void expect_end(via_future *task, int status)
{
    ck_assert_int_eq(via_future_done(task), 1);
    ck_assert_int_eq(via_future_result(task, NULL), status);
    via_future_unref(task);
}

static inline void cancel(via_future *task)
{
    ck_assert_int_ge(via_task_cancel(task, NULL), 0);
}

/* Runs one task in a loop of its own, with a virtual clock, to its end. */
static inline void run_task(via_task_fn fn, void *arg)
{
    via_loop *loop = open_virtual_loop();
    via_future *task = start(loop, fn, arg);
    RUN_UNTIL(loop, via_future_done(task) == 1);
    expect_end(task, 0);
    close_loop(loop);
}

/* A promise that tasks of the test wait for; it is kept until it is opened. */
static inline via_future *open_gate(via_loop *loop)
{
    via_future *gate = via_future_new(loop);
    ck_assert_ptr_nonnull(gate);
    return gate;
}

static inline int pass_gate(via_future *gate)
{
    return via_await(via_future_ref(gate), NULL);
}

static inline void let_pass(via_future *gate)
{
    ck_assert_int_eq(via_future_set_result(gate, NULL, NULL), 0);
    via_future_unref(gate);
}

/* Calls a function in another thread, and gives what it returned. */
struct elsewhere {
    int (*fn)(void *arg);
    void *arg;
    int status;
};

static inline void *call_elsewhere(void *arg)
{
    struct elsewhere *call = arg;
    call->status = call->fn(call->arg);
    return NULL;
}

static inline int in_another_thread(int (*fn)(void *arg), void *arg)
{
    struct elsewhere call = {fn, arg, 0};
    struct via_test_thread thread;
    via_test_thread_start(&thread, call_elsewhere, &call);
    via_test_thread_join(&thread);
    return call.status;
}

#endif
