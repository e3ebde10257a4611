/* SPDX-License-Identifier: BSD-3-Clause */
/* Concurrent futures seen from a loop: outcomes and cancels in both directions. */
#include "unit/bridge/bridge_fixture.h"

static via_cfuture *new_promise(void)
{
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    return cf;
}

struct where {
    pthread_t thread;
};

static int note_thread(void *arg, void **result)
{
    struct where *where = arg;
    where->thread = pthread_self();
    *result = where;
    return 0;
}

TEST(the_outcome_of_a_pools_call_comes_to_the_loop)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct where where;
    struct via_call call = VIA_CALL(note_thread, &where);
    via_cfuture *cf = NULL;
    void *value = NULL;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), 0);
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_ptr_eq(via_future_loop(future), loop);
    finish(loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &where);
    ck_assert(!pthread_equal(where.thread, pthread_self()));
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_finished_concurrent_future_finishes_its_wrapper)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_cfuture_set_result(cf, &number, NULL), 0);
    via_future *future = via_wrap_future(loop, cf);
    when_done(future, "done");
    ASSERT_RECORD(&history, "");
    finish(loop, future);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(a_cancelled_concurrent_future_cancels_its_wrapper)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via_future *future = via_wrap_future(loop, cf);
    finish(loop, future);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(a_cancel_elsewhere_reaches_the_wrapper)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    via_future *future = via_wrap_future(loop, cf);
    when_done(future, "done");
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_future_done(future), 0);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(cancelling_the_wrapper_cancels_a_pending_promise)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_ge(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1 && via_future_done(future) == 1);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(cancelling_the_wrapper_asks_a_running_promise)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_cfuture_set_running(cf), 1);
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_future_done(future), 0);
    ck_assert_int_eq(via_cfuture_set_result(cf, &number, NULL), 0);
    finish(loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(cancelling_the_wrapper_of_a_queued_call_keeps_it_from_running)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *running = occupy(pool, &gate);
    struct via_call call = VIA_CALL(never_run, NULL);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), 0);
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1 && via_future_done(future) == 1);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    via_test_gate_open(&gate);
    via_future_unref(future);
    via_cfuture_unref(cf);
    via_cfuture_unref(running);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_finished_concurrent_future_keeps_its_result_when_the_wrapper_is_cancelled)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    int number = 5;
    void *value = NULL;
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_cfuture_set_result(cf, &number, NULL), 0);
    int did = via_future_cancel(future);
    ck_assert_int_ge(did, 0);
    finish(loop, future);
    ck_assert_int_eq(via_cfuture_result(cf, 0, &value), 0);
    ck_assert_ptr_eq(value, &number);
    ck_assert_int_eq(status_of(future), did == VIA_CANCEL_TOO_LATE ? 0 : VIA_ECANCELED);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(an_error_is_copied_with_code_and_text)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    struct via_outcome outcome;
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EFAILED, -12, "twelve"), 0);
    finish(loop, future);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, -12);
    ck_assert_str_eq(outcome.message, "twelve");
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(a_value_lives_as_long_as_either_future)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    struct via_test_counted counted = {0};
    void *value = NULL;
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_cfuture_set_result(cf, &counted, via_test_counted_destroy), 0);
    finish(loop, future);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&counted), 0);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &counted);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
    close_loop(loop);
}

TEST(of_two_takers_one_gets_the_value)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    struct via_test_counted counted = {0};
    struct via_outcome outcome;
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_cfuture_set_result(cf, &counted, via_test_counted_destroy), 0);
    finish(loop, future);
    ck_assert_int_eq(via_future_take(future, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &counted);
    ck_assert_int_eq(via_cfuture_take(cf, &outcome), VIA_ETAKEN);
    via_future_unref(future);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&counted), 0);
    close_loop(loop);
}

TEST(one_concurrent_future_may_have_wrappers_in_several_loops)
{
    via_loop *a = open_loop();
    via_loop *b = open_loop();
    via_cfuture *cf = new_promise();
    int number = 5;
    via_future *futures[3] = {via_wrap_future(a, cf), via_wrap_future(a, cf), via_wrap_future(b, cf)};
    ck_assert_int_eq(via_cfuture_set_result(cf, &number, NULL), 0);
    finish(a, futures[0]);
    finish(a, futures[1]);
    finish(b, futures[2]);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(status_of(futures[i]), 0);
        via_future_unref(futures[i]);
    }
    via_cfuture_unref(cf);
    close_loop(a);
    close_loop(b);
}

TEST(cancelling_one_wrapper_cancels_its_siblings)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    via_future *first = via_wrap_future(loop, cf);
    via_future *second = via_wrap_future(loop, cf);
    ck_assert_int_ge(via_future_cancel(first), VIA_CANCEL_NEVER_RAN);
    finish(loop, first);
    finish(loop, second);
    ck_assert_int_eq(via_future_state(second), VIA_CANCELLED);
    via_future_unref(first);
    via_future_unref(second);
    via_cfuture_unref(cf);
    close_loop(loop);
}

static void *settle_promise(void *cf)
{
    static int number = 5;
    ck_assert_int_eq(via_cfuture_set_result(cf, &number, NULL), 0);
    return NULL;
}

static int start_settling(void *arg)
{
    void **both = arg;
    via_test_thread_start(both[0], settle_promise, both[1]);
    return 0;
}

TEST(a_promise_settled_by_another_thread_wakes_the_loop)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    struct via_test_thread thread;
    void *both[2] = {&thread, cf};
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_future_add_done_callback(future, stop_when_done, loop), 0);
    ck_assert_int_eq(via_call_soon(loop, start_settling, both, NULL), 0);
    run(loop);
    via_test_thread_join(&thread);
    ck_assert_int_eq(status_of(future), 0);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(a_wrapper_may_be_dropped_before_the_promise_is_settled)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    struct via_test_counted counted = {0};
    via_future_unref(via_wrap_future(loop, cf));
    ck_assert_int_eq(via_cfuture_set_result(cf, &counted, via_test_counted_destroy), 0);
    RUN_TICKS(loop, 3);
    via_cfuture_unref(cf);
    RUN_TICKS(loop, 1);
    close_loop(loop);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

TEST(a_wrapper_is_no_promise)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    int value = 0;
    via_future *future = via_wrap_future(loop, cf);
    ck_assert_int_eq(via_future_set_result(future, &value, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_done(future), 0);
    ck_assert_int_ge(via_future_cancel(future), 0);
    finish(loop, future);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(wrapping_without_loop_or_future_has_failed)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = new_promise();
    via_future *futures[2] = {via_wrap_future(NULL, cf), via_wrap_future(loop, NULL)};
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(futures[i]);
        ck_assert_int_eq(via_future_done(futures[i]), 1);
        ck_assert_int_eq(status_of(futures[i]), VIA_EINVAL);
        via_future_unref(futures[i]);
    }
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_future *closed = via_wrap_future(loop, cf);
    ck_assert_int_eq(status_of(closed), VIA_ECLOSED);
    via_future_unref(closed);
    via_loop_unref(loop);
    via_cfuture_unref(cf);
}

TEST_MAIN("bridge/wrap", the_outcome_of_a_pools_call_comes_to_the_loop,
          a_finished_concurrent_future_finishes_its_wrapper,
          a_cancelled_concurrent_future_cancels_its_wrapper, a_cancel_elsewhere_reaches_the_wrapper,
          cancelling_the_wrapper_cancels_a_pending_promise, cancelling_the_wrapper_asks_a_running_promise,
          cancelling_the_wrapper_of_a_queued_call_keeps_it_from_running,
          a_finished_concurrent_future_keeps_its_result_when_the_wrapper_is_cancelled,
          an_error_is_copied_with_code_and_text, a_value_lives_as_long_as_either_future,
          of_two_takers_one_gets_the_value, one_concurrent_future_may_have_wrappers_in_several_loops,
          cancelling_one_wrapper_cancels_its_siblings, a_promise_settled_by_another_thread_wakes_the_loop,
          a_wrapper_may_be_dropped_before_the_promise_is_settled, a_wrapper_is_no_promise,
          wrapping_without_loop_or_future_has_failed)
