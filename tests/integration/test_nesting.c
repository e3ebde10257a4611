/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls, loops and coroutines within each other: whose failure it is, and what a yield may leave. */
#include "support/support.h"

#include <viaduct.h>

static int yields[4]; /* what they returned */

static void yield_in_destroy(void *arg)
{
    (void)arg;
    yields[1] = via_coro_yield(NULL, NULL);
    (void)via_fail(11, "of nobody");
}

static int yield_in_call(void *arg, void **result)
{
    (void)arg;
    (void)result;
    yields[0] = via_coro_yield(NULL, NULL);
    return via_fail(10, "of the call");
}

/* Runs a call within itself. */
static int run_call(void *arg, void **result)
{
    struct via_call call = VIA_CALL(yield_in_call, arg);
    via_executor *executor;
    via_cfuture **cf = arg;
    (void)result;
    int failed = via_fail(12, "of the coroutine");
    call.destroy = yield_in_destroy;
    ck_assert_int_eq(via_inline_new(&executor), 0);
    ck_assert_int_eq(via_executor_submit(executor, &call, cf), 0);
    yields[2] = via_coro_yield(NULL, NULL);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_FOREVER), 0);
    via_executor_unref(executor);
    return failed;
}

static void assert_failed(const struct via_outcome *outcome, int code, const char *message)
{
    ck_assert_int_eq(outcome->status, VIA_EFAILED);
    ck_assert_int_eq(outcome->code, code);
    ck_assert_pstr_eq(outcome->message, message);
}

TEST(a_call_in_a_coroutine_fails_for_itself_and_is_not_left_by_a_yield)
{
    struct via_outcome outcome;
    via_cfuture *cf = NULL;
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(run_call, &cf, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    ck_assert_int_eq(yields[0], VIA_ESTATE);
    ck_assert_int_eq(yields[1], VIA_ESTATE);
    ck_assert_int_eq(yields[2], 0);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    assert_failed(&outcome, 10, "of the call");
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    assert_failed(&outcome, 12, "of the coroutine");
    via_cfuture_unref(cf);
    via_coro_free(coro);
}

static int fail_in_coroutine(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_fail(1, "of the coroutine");
}

static int step_in_call(void *arg, void **result)
{
    struct via_outcome outcome;
    via_coro *coro;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_coro_new(fail_in_coroutine, NULL, NULL, &coro), 0);
    int failed = via_fail(2, "of the call");
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    assert_failed(&outcome, 1, "of the coroutine");
    via_coro_free(coro);
    return failed;
}

TEST(a_coroutine_in_a_call_fails_for_itself)
{
    struct via_call call = VIA_CALL(step_in_call, NULL);
    struct via_outcome outcome;
    via_executor *executor;
    via_cfuture *cf;
    ck_assert_int_eq(via_inline_new(&executor), 0);
    ck_assert_int_eq(via_executor_submit(executor, &call, &cf), 0);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    assert_failed(&outcome, 2, "of the call");
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_FOREVER), 0);
    via_executor_unref(executor);
}

static int yield_in_callback(void *arg)
{
    (void)arg;
    yields[3] = via_coro_yield(NULL, NULL);
    (void)via_fail(13, "of nobody");
    return 0;
}

static int run_loop(void *arg, void **result)
{
    via_loop *loop = arg;
    (void)result;
    ck_assert_int_eq(via_call_soon(loop, yield_in_callback, NULL, NULL), 0);
    ck_assert_int_eq(via_loop_step(loop, 0), 1);
    return via_coro_yield(NULL, NULL) < 0 ? VIA_EINVAL : VIA_EFAILED;
}

TEST(a_callback_of_a_loop_in_a_coroutine_can_neither_yield_nor_fail_for_it)
{
    struct via_outcome outcome;
    via_loop *loop;
    via_coro *coro;
    ck_assert_int_eq(via_loop_new(&loop), 0);
    ck_assert_int_eq(via_coro_new(run_loop, loop, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    ck_assert_int_eq(yields[3], VIA_ESTATE);
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    assert_failed(&outcome, 0, NULL);
    via_coro_free(coro);
    via_loop_unref(loop);
}

/* Waits for a turn of the loop before it fails. */
static int wait_and_fail(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_coro_yield(NULL, NULL), 0);
    ck_assert_int_eq(via_yield(), 0);
    return via_fail(21, "of the generator");
}

static int step_and_fail(void *arg, void **result)
{
    struct via_outcome outcome;
    via_coro *coro;
    (void)arg;
    (void)result;
    int failed = via_fail(20, "of the task");
    ck_assert_int_eq(via_coro_new(wait_and_fail, NULL, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    assert_failed(&outcome, 21, "of the generator");
    via_coro_free(coro);
    return failed;
}

TEST(a_task_and_a_generator_in_it_fail_each_for_itself)
{
    struct via_outcome outcome;
    via_loop *loop;
    ck_assert_int_eq(via_loop_new(&loop), 0);
    via_future *task = via_create_task_with(loop, step_and_fail, NULL, NULL);
    for (int i = 0; i < 10 && via_future_outcome(task, &outcome) == VIA_EPENDING; i++)
        ck_assert_int_ge(via_loop_step(loop, 0), 0);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    assert_failed(&outcome, 20, "of the task");
    via_future_unref(task);
    via_loop_unref(loop);
}

TEST_MAIN("integration/nesting", a_call_in_a_coroutine_fails_for_itself_and_is_not_left_by_a_yield,
          a_coroutine_in_a_call_fails_for_itself,
          a_callback_of_a_loop_in_a_coroutine_can_neither_yield_nor_fail_for_it,
          a_task_and_a_generator_in_it_fail_each_for_itself)
