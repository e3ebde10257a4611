/* SPDX-License-Identifier: BSD-3-Clause */
/* The inline executor: each call at once, in the thread that submits it. */
#include "unit/executor/fixture.h"

#include <string.h>

static via_executor *inline_executor(void)
{
    via_executor *executor = NULL;

    ck_assert_int_eq(via_inline_new(&executor), 0);
    return executor;
}

static int where(void *arg, void **result)
{
    *(pthread_t *)arg = pthread_self();
    *result = arg;
    return 0;
}

TEST(a_call_has_run_here_when_submit_returns)
{
    pthread_t thread;
    int before = via_test_threads();
    via_executor *executor = inline_executor();
    via_cfuture *cf = submit(executor, where, &thread);

    ck_assert_int_eq(via_cfuture_state(cf), VIA_FINISHED);
    ck_assert(pthread_equal(thread, pthread_self()));
    ck_assert_int_eq(via_test_threads(), before);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_TOO_LATE);
    ck_assert_ptr_eq(finish(cf), &thread);
    close_executor(executor);
}

TEST(argument_and_result_are_destroyed_once)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *executor = inline_executor();
    via_cfuture *cf;

    call.destroy = via_test_counted_destroy;
    cf = submit_call(executor, &call);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    via_cfuture_unref(cf);
    payload.destroyed = 0;
    call.destroy = NULL;
    call.destroy_result = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_submit(executor, &call, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    close_executor(executor);
}

static int end_badly(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_fail(8, "eight");
}

TEST(an_error_is_in_the_outcome_not_in_submit)
{
    struct via_outcome outcome;
    via_executor *executor = inline_executor();
    via_cfuture *cf = submit(executor, end_badly, NULL);

    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 8);
    ck_assert_str_eq(outcome.message, "eight");
    via_cfuture_unref(cf);
    close_executor(executor);
}

/* A call that submits to the same executor while it runs. */
struct nested {
    via_executor *executor;
    int depth;
};

static int nest(void *arg, void **result)
{
    struct nested *nested = arg, inner = {nested->executor, nested->depth - 1};

    (void)result;
    if (nested->depth > 0)
        finish(submit(nested->executor, nest, &inner));
    return via_call_cancelled();
}

TEST(calls_may_nest)
{
    struct nested nested = {inline_executor(), 30};

    finish(submit(nested.executor, nest, &nested));
    ck_assert_uint_eq(stats_of(nested.executor).completed, 31);
    ck_assert_uint_eq(stats_of(nested.executor).workers_max, 0);
    ck_assert_uint_eq(stats_of(nested.executor).running, 0);
    close_executor(nested.executor);
}

static int answer(via_bytes_call *call, const void *in, size_t in_bytes)
{
    memcpy(via_bytes_out(call, in_bytes), in, in_bytes);
    return 0;
}

TEST(bytes_calls_run_too)
{
    struct via_call call = VIA_CALL_BYTES(answer, "inline", 7);
    struct via_outcome outcome;
    via_executor *executor = inline_executor();
    via_cfuture *cf = submit_call(executor, &call);

    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_uint_eq(outcome.bytes, 7);
    ck_assert_str_eq(outcome.value, "inline");
    via_cfuture_unref(cf);
    close_executor(executor);
}

static int shut_down(void *arg, void **result)
{
    (void)result;
    return via_executor_shutdown(arg, 0, VIA_FOREVER);
}

TEST(shutting_down_from_its_own_call_is_a_deadlock)
{
    via_executor *executor = inline_executor();

    finish_with(submit(executor, shut_down, executor), VIA_EDEADLK);
    submit_refused(executor, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    close_executor(executor);
}

TEST(after_shutdown_nothing_is_run)
{
    via_executor *executor = inline_executor();

    ck_assert_int_eq(via_executor_shutdown(executor, 0, 0), 0);
    submit_refused(executor, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    via_executor_unref(executor);
}

/* A thread that runs a call at the gate on the executor. */
struct runner {
    struct via_test_thread thread;
    via_executor *executor;
    struct via_test_gate *gate;
};

static void *run_gate_call(void *arg)
{
    struct runner *runner = arg;

    finish(submit(runner->executor, via_test_gate_call, runner->gate));
    return NULL;
}

TEST(shutdown_waits_for_calls_in_other_threads)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct runner runner = {.executor = inline_executor(), .gate = &gate};

    via_test_thread_start(&runner.thread, run_gate_call, &runner);
    via_test_gate_await(&gate, 1);
    ck_assert_uint_eq(stats_of(runner.executor).running, 1);
    ck_assert_int_eq(via_executor_shutdown(runner.executor, 0, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_executor_stuck(runner.executor, NULL, 0), 1);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_executor_shutdown(runner.executor, 0, via_test_bound_ns()), 0);
    via_test_thread_join(&runner.thread);
    via_executor_unref(runner.executor);
}

static int end_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

/* A thread that a call of the inline executor ends, and what its payload sees when it is released. */
struct ending {
    struct via_test_thread thread;
    via_executor *executor;
    int released;
    size_t running;
    int shutdown_rc;
};

static void look_around(void *arg)
{
    struct ending *ending = arg;

    ending->released++;
    ending->running = stats_of(ending->executor).running;
    ending->shutdown_rc = via_executor_shutdown(ending->executor, 0, 0);
}

static void *run_ending_call(void *arg)
{
    struct ending *ending = arg;
    struct via_call call = VIA_CALL(end_thread, ending);

    call.destroy = look_around;
    via_executor_submit(ending->executor, &call, NULL);
    return arg; /* it does not come here */
}

TEST(a_call_that_ends_its_thread_counts_until_it_is_over)
{
    struct ending ending = {.executor = inline_executor()};

    via_test_thread_start(&ending.thread, run_ending_call, &ending);
    ck_assert_ptr_null(via_test_thread_join(&ending.thread));
    ck_assert_int_eq(ending.released, 1);
    ck_assert_uint_eq(ending.running, 1);
    ck_assert_int_eq(ending.shutdown_rc, VIA_ETIMEDOUT);
    ck_assert_uint_eq(stats_of(ending.executor).running, 0);
    ck_assert_uint_eq(stats_of(ending.executor).completed, 1);
    close_executor(ending.executor);
}

TEST(bad_arguments_are_refused)
{
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *executor = inline_executor();

    ck_assert_int_eq(via_inline_new(NULL), VIA_EINVAL);
    call.priority = 9;
    submit_refused(executor, call, VIA_EINVAL);
    call = VIA_CALL(echo, NULL);
    call.deadline_ns = 1;
    submit_refused(executor, call, VIA_ETIMEDOUT);
    close_executor(executor);
}

TEST_MAIN("executor/inline", a_call_has_run_here_when_submit_returns, argument_and_result_are_destroyed_once,
          an_error_is_in_the_outcome_not_in_submit, calls_may_nest, bytes_calls_run_too,
          shutting_down_from_its_own_call_is_a_deadlock, after_shutdown_nothing_is_run,
          shutdown_waits_for_calls_in_other_threads, a_call_that_ends_its_thread_counts_until_it_is_over,
          bad_arguments_are_refused)
