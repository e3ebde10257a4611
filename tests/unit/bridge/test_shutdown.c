/* SPDX-License-Identifier: BSD-3-Clause */
/* Executors that a loop shuts down without being blocked. */
#include "unit/bridge/bridge_fixture.h"

#include <sched.h>

static void expect(via_future *future, int status)
{
    ck_assert_int_eq(via_future_done(future), 1);
    ck_assert_int_eq(status_of(future), status);
    via_future_unref(future);
}

TEST(the_future_is_done_when_every_call_has_returned_and_the_loop_goes_on)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_future *running = submit(loop, pool, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    via_future *queued = submit(loop, pool, give_back, NULL);
    via_future *shutdown = via_executor_shutdown_async(loop, pool, 0, via_test_bound_ns());
    via_future *refused = submit(loop, pool, never_run, NULL);
    soon(loop, "loop-lives");
    RUN_TICKS(loop, 5);
    ASSERT_RECORD(&history, "loop-lives");
    ck_assert_int_eq(via_future_done(shutdown), 0);
    via_test_gate_open(&gate);
    finish(loop, shutdown);
    expect(shutdown, 0);
    finish(loop, queued);
    finish(loop, running);
    expect(queued, 0);
    expect(running, 0);
    expect(refused, VIA_ESHUTDOWN);
    close_loop(loop);
    via_executor_unref(pool);
}

TEST(queued_calls_are_cancelled_at_once_if_that_was_asked_for)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_future *running = submit(loop, pool, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    via_future *queued = submit(loop, pool, never_run, NULL);
    via_future *shutdown =
        via_executor_shutdown_async(loop, pool, VIA_SHUTDOWN_CANCEL_QUEUED, via_test_bound_ns());
    finish(loop, queued);
    expect(queued, VIA_ECANCELED);
    ck_assert_int_eq(via_future_done(running), 0);
    ck_assert_int_eq(via_future_done(shutdown), 0);
    via_test_gate_open(&gate);
    finish(loop, shutdown);
    finish(loop, running);
    expect(shutdown, 0);
    expect(running, 0);
    close_loop(loop);
    via_executor_unref(pool);
}

/* Runs until it is asked to stop. */
static int run_until_cancelled(void *gate, void **result)
{
    (void)result;
    via_test_gate_pass(gate);
    while (!via_call_cancelled())
        sched_yield();
    return VIA_ECANCELED;
}

TEST(running_calls_are_asked_to_stop_too)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_test_gate_open(&gate);
    via_future *running = submit(loop, pool, run_until_cancelled, &gate);
    via_test_gate_await(&gate, 1);
    via_future *shutdown = via_executor_shutdown_async(
        loop, pool, VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING, via_test_bound_ns());
    finish(loop, shutdown);
    finish(loop, running);
    expect(shutdown, 0);
    via_future_unref(running);
    close_loop(loop);
    via_executor_unref(pool);
}

TEST(after_the_deadline_the_calls_left_are_listed_and_it_may_be_called_again)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_stuck_call stuck;
    via_future *running = submit(loop, pool, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    via_future *shutdown = via_executor_shutdown_async(loop, pool, 0, VIA_MS);
    finish(loop, shutdown);
    expect(shutdown, VIA_ETIMEDOUT);
    ck_assert_int_eq(via_executor_stuck(pool, &stuck, 1), 1);
    ck_assert_ptr_eq(stuck.function, (void *)(uintptr_t)via_test_gate_call);
    shutdown = via_executor_shutdown_async(loop, pool, 0, via_test_bound_ns());
    via_test_gate_open(&gate);
    finish(loop, shutdown);
    finish(loop, running);
    expect(shutdown, 0);
    expect(running, 0);
    close_loop(loop);
    via_executor_unref(pool);
}

TEST(what_has_nothing_to_wait_for_is_done_at_once_without_a_thread)
{
    via_loop *loop = open_loop();
    via_executor *executor = NULL;
    int threads = via_test_threads();
    ck_assert_int_eq(via_inline_new(&executor), 0);
    via_future *shutdown = via_executor_shutdown_async(loop, executor, 0, via_test_bound_ns());
    expect(shutdown, 0);
    ck_assert_int_eq(via_test_threads(), threads);
    close_loop(loop);
    via_executor_unref(executor);
}

TEST(cancelling_it_stops_the_waiting_and_so_does_closing_the_loop)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int threads = via_test_threads();
    via_cfuture *running = occupy(pool, &gate);
    via_future *cancelled = via_executor_shutdown_async(loop, pool, 0, VIA_FOREVER);
    via_future *closed = via_executor_shutdown_async(loop, pool, 0, VIA_FOREVER);
    ck_assert_int_ge(via_future_cancel(cancelled), VIA_CANCEL_NEVER_RAN);
    finish(loop, cancelled);
    expect(cancelled, VIA_ECANCELED);
    close_loop(loop);
    ck_assert_int_eq(via_future_done(closed), 0);
    via_future_unref(closed);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_wait(running, via_test_bound_ns()), 0);
    via_cfuture_unref(running);
    via_executor_unref(pool);
    via_test_await_threads(threads);
}

TEST(bad_arguments_and_closed_loops_are_refused)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(status_of(via_executor_shutdown_async(NULL, pool, 0, 0)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_executor_shutdown_async(loop, NULL, 0, 0)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_executor_shutdown_async(loop, pool, 0, -1)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_executor_shutdown_async(loop, pool, 1U << 9, 0)), VIA_EINVAL);
    via_future *call = submit(loop, pool, give_back, NULL);
    finish(loop, call);
    expect(call, 0); // none of these has shut it down
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(status_of(via_executor_shutdown_async(loop, pool, 0, 0)), VIA_ECLOSED);
    via_loop_unref(loop);
    close_pool(pool);
}

TEST_MAIN("bridge/shutdown", the_future_is_done_when_every_call_has_returned_and_the_loop_goes_on,
          queued_calls_are_cancelled_at_once_if_that_was_asked_for, running_calls_are_asked_to_stop_too,
          after_the_deadline_the_calls_left_are_listed_and_it_may_be_called_again,
          what_has_nothing_to_wait_for_is_done_at_once_without_a_thread,
          cancelling_it_stops_the_waiting_and_so_does_closing_the_loop,
          bad_arguments_and_closed_loops_are_refused)
