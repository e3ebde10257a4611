/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of tasks share: loops with a virtual clock that run one main task to its end, tasks that
 * write to the history, and reports that nobody expected.
 *
 *     static int main_task(void *arg, void **result)
 *     {
 *         ck_assert_int_eq(via_sleep(VIA_S), 0);
 *         return 0;
 *     }
 *
 *     TEST(a_task_sleeps)
 *     {
 *         ck_assert_int_eq(run_main(main_task, NULL), 0);
 *     }
 */
#ifndef VIA_TEST_TASK_FIXTURE_H
#define VIA_TEST_TASK_FIXTURE_H

#include "unit/bridge/bridge_fixture.h"
#include <viaduct/task.h>

/* What the exception handlers of the loops below were told. */
static struct reports reports __attribute__((unused));

/* A loop whose clock stands still, and whose reports are counted. */
static inline via_loop *open_task_loop(void)
{
    via_loop *loop = open_virtual_loop();
    keep_reports(loop, &reports);
    return loop;
}

/* A task of a loop that does not run yet. */
static inline via_future *create(via_loop *loop, via_task_fn fn, void *arg)
{
    via_future *task = via_create_task_with(loop, fn, arg, NULL);
    ck_assert_ptr_nonnull(task);
    return task;
}

/* A task with a name, in the loop that runs. */
static inline via_future *create_named(const char *name, via_task_fn fn, void *arg)
{
    struct via_task_options options = {.name = name};
    return via_create_task_with(NULL, fn, arg, &options);
}

/* Runs the loop until the task is done, and tells with which status; takes the reference. */
static inline int run_task(via_loop *loop, via_future *task)
{
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    int status = status_of(task);
    via_future_unref(task);
    return status;
}

/* Runs a function as a task on a loop, to its end. */
static inline int run_main_on(via_loop *loop, via_task_fn fn, void *arg)
{
    return run_task(loop, create(loop, fn, arg));
}

/* The same on a loop of its own, which is closed afterwards.  Nothing may have been reported. */
static inline int run_main(via_task_fn fn, void *arg)
{
    via_loop *loop = open_task_loop();
    int status = run_main_on(loop, fn, arg);
    close_loop(loop);
    ck_assert_msg(reports.count == 0, "reported: %s", reports.message);
    return status;
}

/* Runs whatever is ready, and what that makes ready, without letting time pass. */
static inline void settle(via_loop *loop)
{
    while (stats_of(loop).ready)
        ck_assert_int_ge(via_loop_step(loop, 0), 0);
}

/* In a task: lets the others run so many times. */
static inline void yield_times(int times)
{
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(via_yield(), 0);
}

/* Tasks. */

static inline int task_return_0(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

/* Gives its argument back. */
static inline int task_give_back(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static inline int task_never_runs(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_abort_msg("a task ran that must not");
    return 0;
}

/* Fails with the status that its argument points to. */
static inline int task_fail(void *status, void **result)
{
    (void)result;
    return *(int *)status;
}

/* Writes its argument, a word, to the history. */
static inline int task_say(void *word, void **result)
{
    (void)result;
    return say(word);
}

/* Waits to be cancelled. */
static inline int task_wait_for_ever(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_sleep(VIA_FOREVER);
}

/* Sleeps for the nanoseconds that its argument points to, and gives its argument back. */
static inline int task_sleep(void *duration_ns, void **result)
{
    *result = duration_ns;
    return via_sleep(*(int64_t *)duration_ns);
}

/* Awaits the future that is its argument, whose reference it takes. */
static inline int task_await(void *future, void **result)
{
    return via_await(future, result);
}

/* In a task: a future of the loop that runs, for somebody to settle. */
static inline via_future *new_promise(void)
{
    via_future *future = via_future_new(via_loop_current());
    ck_assert_ptr_nonnull(via_future_loop(future));
    return future;
}

/* A callback of the loop that settles the promise that is its argument. */
static inline int set_result(void *future)
{
    return via_future_set_result(future, future, NULL);
}

/* A callback that cancels the future, task or not, that is its argument. */
static inline int cancel_it(void *future)
{
    return via_future_cancel(future) < 0 ? VIA_ESTATE : 0;
}

/* Has it called in the loop that runs. */
static inline void call_soon(via_callback_fn fn, void *arg)
{
    ck_assert_int_eq(via_call_soon(via_loop_current(), fn, arg, NULL), 0);
}

static inline void call_later(int64_t delay_ns, via_callback_fn fn, void *arg)
{
    ck_assert_int_eq(via_call_later(via_loop_current(), delay_ns, fn, arg, NULL), 0);
}

#endif
