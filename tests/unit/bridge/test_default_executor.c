/* SPDX-License-Identifier: BSD-3-Clause */
/* The executor that a loop uses when none is named: made, replaced, shut down. */
#include "unit/bridge/bridge_fixture.h"

#include <string.h>

static via_executor *default_of(via_loop *loop)
{
    via_executor *executor = NULL;
    ck_assert_int_eq(via_loop_default_executor(loop, &executor), 0);
    ck_assert_ptr_nonnull(executor);
    return executor;
}

/* A callback that calls via_to_thread() and keeps the future. */
struct thread_call {
    via_call_fn fn;
    void *arg;
    via_future *future;
};

static int start_thread_call(void *arg)
{
    struct thread_call *call = arg;
    call->future = via_to_thread(call->fn, call->arg);
    return 0;
}

static via_future *to_thread(via_loop *loop, via_call_fn fn, void *arg)
{
    struct thread_call call = {fn, arg, NULL};
    ck_assert_int_eq(via_call_soon(loop, start_thread_call, &call, NULL), 0);
    run_one_tick(loop);
    ck_assert_ptr_nonnull(call.future);
    return call.future;
}

static uint64_t submitted_to(via_executor *executor)
{
    struct via_executor_stats stats;
    ck_assert_int_eq(via_executor_stats(executor, &stats), 0);
    return stats.submitted;
}

TEST(the_default_executor_is_made_at_first_use_and_kept)
{
    via_loop *loop = open_loop();
    int number = 5;
    void *value = NULL;
    via_future *future = submit(loop, NULL, give_back, &number);
    finish(loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    via_executor *executor = default_of(loop);
    ck_assert_ptr_eq(default_of(loop), executor);
    ck_assert_uint_eq(submitted_to(executor), 1);
    future = to_thread(loop, give_back, &number);
    finish(loop, future);
    ck_assert_int_eq(status_of(future), 0);
    ck_assert_uint_eq(submitted_to(executor), 2);
    via_future_unref(future);
    close_loop(loop);
}

TEST(any_executor_for_pointer_calls_can_be_the_default)
{
    via_loop *loop = open_loop();
    via_executor *executor = NULL;
    int threads = via_test_threads();
    ck_assert_int_eq(via_inline_new(&executor), 0);
    ck_assert_int_eq(via_loop_set_default_executor(loop, executor), 0);
    ck_assert_ptr_eq(default_of(loop), executor);
    via_executor_unref(executor);
    via_future *future = to_thread(loop, give_back, NULL);
    finish(loop, future);
    ck_assert_int_eq(status_of(future), 0);
    ck_assert_int_eq(via_test_threads(), threads);
    ck_assert_uint_eq(submitted_to(default_of(loop)), 1);
    via_future_unref(future);
    close_loop(loop);
}

TEST(null_goes_back_to_a_pool_of_the_loops_own)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(via_loop_set_default_executor(loop, pool), 0);
    ck_assert_int_eq(via_loop_set_default_executor(loop, NULL), 0);
    ck_assert_ptr_ne(default_of(loop), pool);
    via_future *future = to_thread(loop, give_back, NULL);
    finish(loop, future);
    ck_assert_int_eq(status_of(future), 0);
    ck_assert_uint_eq(submitted_to(pool), 0);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

static int refuse_job(void *self, via_job *job)
{
    (void)self;
    (void)job;
    return VIA_ENOTSUP;
}

static const struct via_executor_ops bytes_only = {
    .kind = "bytes-only", .call_kinds = VIA_CALL_BYTES_IN_OUT, .submit = refuse_job};

TEST(an_executor_that_cannot_run_pointer_calls_is_refused)
{
    via_loop *loop = open_loop();
    via_executor *executor = NULL;
    ck_assert_int_eq(via_executor_new(&bytes_only, NULL, &executor), 0);
    ck_assert_int_eq(via_loop_set_default_executor(loop, executor), VIA_ENOTSUP);
    ck_assert_ptr_ne(default_of(loop), executor);
    via_executor_unref(executor);
    close_loop(loop);
}

TEST(shutting_down_waits_for_the_calls_without_blocking_the_loop)
{
    via_loop *loop = open_loop();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_future *call = to_thread(loop, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    via_future *shutdown = via_loop_shutdown_default_executor(loop, via_test_bound_ns());
    when_done(shutdown, "shut-down");
    soon(loop, "loop-lives");
    RUN_TICKS(loop, 5);
    ASSERT_RECORD(&history, "loop-lives");
    ck_assert_int_eq(via_future_done(shutdown), 0);
    via_test_gate_open(&gate);
    finish(loop, shutdown);
    ck_assert_int_eq(status_of(shutdown), 0);
    finish(loop, call);
    ck_assert_int_eq(status_of(call), 0);
    via_future_unref(call);
    via_future_unref(shutdown);
    close_loop(loop);
}

TEST(after_the_shutdown_only_explicit_executors_work)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    via_executor *executor = (via_executor *)&history;
    via_future *shutdown = via_loop_shutdown_default_executor(loop, via_test_bound_ns());
    via_future *refused = to_thread(loop, never_run, NULL);
    ck_assert_int_eq(status_of(refused), VIA_ESHUTDOWN);
    via_future_unref(refused);
    refused = submit(loop, NULL, never_run, NULL);
    ck_assert_int_eq(status_of(refused), VIA_ESHUTDOWN);
    via_future_unref(refused);
    ck_assert_int_eq(via_loop_default_executor(loop, &executor), VIA_ESHUTDOWN);
    ck_assert_ptr_eq(executor, (via_executor *)&history);
    ck_assert_int_eq(via_loop_set_default_executor(loop, pool), VIA_ESHUTDOWN);
    finish(loop, shutdown);
    ck_assert_int_eq(status_of(shutdown), 0);
    via_future_unref(shutdown);
    via_future *explicit_call = submit(loop, pool, give_back, NULL);
    finish(loop, explicit_call);
    ck_assert_int_eq(status_of(explicit_call), 0);
    via_future_unref(explicit_call);
    close_loop(loop);
    close_pool(pool);
}

TEST(shutting_down_twice_is_fine)
{
    via_loop *loop = open_loop();
    via_future *call = to_thread(loop, give_back, NULL);
    via_future *first = via_loop_shutdown_default_executor(loop, via_test_bound_ns());
    via_future *second = via_loop_shutdown_default_executor(loop, via_test_bound_ns());
    finish(loop, first);
    finish(loop, second);
    ck_assert_int_eq(status_of(first), 0);
    ck_assert_int_eq(status_of(second), 0);
    finish(loop, call);
    via_future_unref(call);
    via_future_unref(first);
    via_future_unref(second);
    close_loop(loop);
}

TEST(a_stuck_call_makes_the_shutdown_time_out)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_stuck_call stuck;
    ck_assert_int_eq(via_loop_set_default_executor(loop, pool), 0);
    via_future *call = to_thread(loop, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    via_future *shutdown = via_loop_shutdown_default_executor(loop, 2 * VIA_MS);
    finish(loop, shutdown);
    ck_assert_int_eq(status_of(shutdown), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_executor_stuck(pool, &stuck, 1), 1);
    ck_assert_ptr_eq(stuck.function, (void *)(uintptr_t)via_test_gate_call);
    via_test_gate_open(&gate);
    finish(loop, call);
    via_future_unref(call);
    via_future_unref(shutdown);
    close_loop(loop);
    close_pool(pool);
}

TEST(cancelling_the_shutdown_stops_the_waiting)
{
    via_loop *loop = open_loop();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_future *call = to_thread(loop, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    via_future *shutdown = via_loop_shutdown_default_executor(loop, VIA_FOREVER);
    ck_assert_int_ge(via_future_cancel(shutdown), VIA_CANCEL_NEVER_RAN);
    finish(loop, shutdown);
    ck_assert_int_eq(status_of(shutdown), VIA_ECANCELED);
    via_future *refused = to_thread(loop, never_run, NULL);
    ck_assert_int_eq(status_of(refused), VIA_ESHUTDOWN);
    via_future_unref(refused);
    via_test_gate_open(&gate);
    finish(loop, call);
    ck_assert_int_eq(status_of(call), 0);
    via_future_unref(call);
    via_future_unref(shutdown);
    close_loop(loop);
}

TEST(closing_the_loop_does_not_wait_for_its_default_executor)
{
    via_loop *loop = open_loop();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int threads = via_test_threads();
    via_future *call = to_thread(loop, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    ck_assert_int_gt(via_test_threads(), threads);
    close_loop(loop);
    ck_assert_int_eq(via_future_done(call), 0);
    via_test_gate_open(&gate);
    via_future_unref(call);
    via_test_await_threads(threads);
}

TEST(two_loops_have_default_executors_of_their_own)
{
    via_loop *a = open_loop();
    via_loop *b = open_loop();
    ck_assert_ptr_ne(default_of(a), default_of(b));
    close_loop(a);
    via_future *future = submit(b, NULL, give_back, NULL);
    finish(b, future);
    ck_assert_int_eq(status_of(future), 0);
    via_future_unref(future);
    close_loop(b);
}

TEST(missing_and_closed_loops_are_refused)
{
    via_loop *loop = open_loop();
    via_executor *executor = (via_executor *)&history;
    ck_assert_int_eq(via_loop_default_executor(NULL, &executor), VIA_EINVAL);
    ck_assert_int_eq(via_loop_default_executor(loop, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_set_default_executor(NULL, NULL), VIA_EINVAL);
    via_future *refused = via_loop_shutdown_default_executor(NULL, 0);
    ck_assert_int_eq(status_of(refused), VIA_EINVAL);
    via_future_unref(refused);
    refused = via_loop_shutdown_default_executor(loop, -1);
    ck_assert_int_eq(status_of(refused), VIA_EINVAL);
    via_future_unref(refused);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_default_executor(loop, &executor), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_set_default_executor(loop, NULL), VIA_ECLOSED);
    ck_assert_ptr_eq(executor, (via_executor *)&history);
    refused = via_loop_shutdown_default_executor(loop, 0);
    ck_assert_int_eq(status_of(refused), VIA_ECLOSED);
    via_future_unref(refused);
    via_loop_unref(loop);
}

static void expect_advice(via_future *future, int status, const char *word)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, status);
    ck_assert_ptr_nonnull(outcome.message);
    ck_assert_msg(strstr(outcome.message, word), "%s", outcome.message);
    via_future_unref(future);
}

static void *start_in_foreign_loop(void *loop)
{
    struct via_call call = VIA_CALL(give_back, NULL);
    expect_advice(via_run_in_executor(loop, NULL, &call), VIA_EFOREIGN, "via_call_soon_threadsafe()");
    return NULL;
}

TEST(what_could_not_be_started_says_what_to_do)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    struct via_call call = VIA_CALL(NULL, NULL);
    expect_advice(via_to_thread(give_back, NULL), VIA_ESTATE, "via_run_in_executor()");
    expect_advice(via_run_in_executor(NULL, NULL, &call), VIA_EINVAL, "argument");
    expect_advice(via_run_in_executor(loop, NULL, NULL), VIA_EINVAL, "argument");
    expect_advice(via_run_in_executor(loop, NULL, &call), VIA_EINVAL, "argument");
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    via_test_thread_start(&thread, start_in_foreign_loop, loop);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_loop_close(loop), 0);
    expect_advice(via_future_new(loop), VIA_ECLOSED, "closed");
    via_loop_unref(loop);
}

TEST_MAIN("bridge/default_executor", what_could_not_be_started_says_what_to_do,
          the_default_executor_is_made_at_first_use_and_kept,
          any_executor_for_pointer_calls_can_be_the_default, null_goes_back_to_a_pool_of_the_loops_own,
          an_executor_that_cannot_run_pointer_calls_is_refused,
          shutting_down_waits_for_the_calls_without_blocking_the_loop,
          after_the_shutdown_only_explicit_executors_work, shutting_down_twice_is_fine,
          a_stuck_call_makes_the_shutdown_time_out, cancelling_the_shutdown_stops_the_waiting,
          closing_the_loop_does_not_wait_for_its_default_executor,
          two_loops_have_default_executors_of_their_own, missing_and_closed_loops_are_refused)
