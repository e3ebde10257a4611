/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread-safe side of a loop's future: other threads wait for it and cancel it. */
#include <event2/event.h>

#include "unit/bridge/bridge_fixture.h"

static via_cfuture *thread_side(via_future *future)
{
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
    ck_assert_ptr_nonnull(cf);
    return cf;
}

/* A thread that waits for a concurrent future and keeps what it saw. */
struct waiter {
    struct via_test_thread thread;
    via_cfuture *cf;
    int status;
    void *value;
};

static void *wait_for_result(void *arg)
{
    struct waiter *waiter = arg;
    waiter->status = via_cfuture_result(waiter->cf, via_test_bound_ns(), &waiter->value);
    return NULL;
}

static void start_waiting(struct waiter *waiter, via_cfuture *cf)
{
    *waiter = (struct waiter){.cf = cf, .status = 77};
    via_test_thread_start(&waiter->thread, wait_for_result, waiter);
    via_test_thread_await_blocked(&waiter->thread);
}

TEST(a_thread_that_waits_is_released_with_the_value)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    struct waiter waiter;
    int number = 5;
    start_waiting(&waiter, cf);
    ck_assert_int_eq(via_future_set_result(future, &number, NULL), 0);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.status, 0);
    ck_assert_ptr_eq(waiter.value, &number);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(an_error_passes_with_code_and_text)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    struct via_outcome outcome;
    ck_assert_int_eq(via_future_set_error(future, VIA_EFAILED, 9, "nine"), 0);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 9);
    ck_assert_str_eq(outcome.message, "nine");
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_done_future_has_a_done_thread_side)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    via_cfuture *cf = thread_side(future);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_int_eq(via_cfuture_result(cf, 0, NULL), 0);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_cancelled_future_cancels_its_thread_side)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    struct waiter waiter;
    start_waiting(&waiter, cf);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.status, VIA_ECANCELED);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

static void *cancel_thread_side(void *cf)
{
    return (void *)(intptr_t)via_cfuture_cancel(cf);
}

TEST(cancelling_in_another_thread_is_posted_to_the_loop)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    struct via_test_thread thread;
    when_done(future, "cancelled");
    via_test_thread_start(&thread, cancel_thread_side, cf);
    ck_assert_int_eq((intptr_t)via_test_thread_join(&thread), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_future_done(future), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(cancelling_the_thread_side_of_a_done_future_is_too_late)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_TOO_LATE);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(closing_the_loop_releases_the_waiting_threads)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    struct waiter waiters[2];
    start_waiting(&waiters[0], cf);
    start_waiting(&waiters[1], cf);
    ck_assert_int_eq(via_loop_close(loop), 0);
    for (int i = 0; i < 2; i++) {
        via_test_thread_join(&waiters[i].thread);
        ck_assert_int_eq(waiters[i].status, VIA_ECLOSED);
    }
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    via_cfuture_unref(cf);
    via_future_unref(future);
    via_loop_unref(loop);
}

struct blocking {
    via_cfuture *cf;
    int forever;
    int bounded;
};

static int block_in_loop(void *arg)
{
    struct blocking *blocking = arg;
    blocking->forever = via_cfuture_wait(blocking->cf, VIA_FOREVER);
    blocking->bounded = via_cfuture_wait(blocking->cf, 5 * VIA_S);
    return 0;
}

TEST(blocking_on_it_in_the_loops_thread_is_refused)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct blocking blocking = {thread_side(future), 0, 0};
    ck_assert_int_eq(via_call_soon(loop, block_in_loop, &blocking, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(blocking.forever, VIA_EDEADLK);
    ck_assert_int_eq(blocking.bounded, VIA_EDEADLK);
    ck_assert_int_eq(via_future_done(future), 0);
    via_cfuture_unref(blocking.cf);
    via_future_unref(future);
    close_loop(loop);
}

static int poll_in_loop(void *arg)
{
    struct blocking *blocking = arg;
    blocking->forever = via_cfuture_wait(blocking->cf, VIA_FOREVER);
    return 0;
}

TEST(once_it_is_done_the_loops_thread_may_ask)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct blocking blocking = {thread_side(future), 77, 0};
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    RUN_UNTIL(loop, via_cfuture_done(blocking.cf) == 1);
    ck_assert_int_eq(via_call_soon(loop, poll_in_loop, &blocking, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(blocking.forever, 0);
    via_cfuture_unref(blocking.cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(the_thread_side_is_no_promise)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = thread_side(future);
    int value = 0;
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_running(cf), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_done(cf), 0);
    ck_assert_int_eq(via_future_set_result(future, &value, NULL), 0);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_future_may_have_several_thread_sides)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *first = thread_side(future);
    via_cfuture *second = thread_side(future);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    RUN_UNTIL(loop, via_cfuture_done(first) == 1 && via_cfuture_done(second) == 1);
    via_cfuture_unref(first);
    via_cfuture_unref(second);
    via_future_unref(future);
    close_loop(loop);
}

TEST(the_thread_side_may_be_dropped_first)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_test_counted value = {0};
    via_cfuture_unref(thread_side(future));
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    RUN_TICKS(loop, 2);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

TEST(the_value_lives_as_long_as_the_thread_side)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_test_counted counted = {0};
    void *value = NULL;
    via_cfuture *cf = thread_side(future);
    ck_assert_int_eq(via_future_set_result(future, &counted, via_test_counted_destroy), 0);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    via_future_unref(future);
    close_loop(loop);
    ck_assert_int_eq(via_cfuture_result(cf, 0, &value), 0);
    ck_assert_ptr_eq(value, &counted);
    ck_assert_int_eq(via_test_destroyed(&counted), 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

TEST(the_future_of_one_loop_can_be_followed_in_another)
{
    via_loop *a = open_loop();
    via_loop *b = open_loop();
    via_future *source = via_future_new(a);
    via_cfuture *cf = thread_side(source);
    via_future *follower = via_wrap_future(b, cf);
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_future_set_result(source, &number, NULL), 0);
    RUN_UNTIL(a, via_cfuture_done(cf) == 1);
    finish(b, follower);
    ck_assert_int_eq(via_future_result(follower, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(follower);
    via_cfuture_unref(cf);
    via_future_unref(source);
    close_loop(a);
    close_loop(b);
}

TEST(a_cancel_in_one_loop_reaches_the_future_in_another)
{
    via_loop *a = open_loop();
    via_loop *b = open_loop();
    via_future *source = via_future_new(a);
    via_cfuture *cf = thread_side(source);
    via_future *follower = via_wrap_future(b, cf);
    ck_assert_int_eq(via_future_cancel(follower), VIA_CANCEL_REQUESTED);
    finish(a, source);
    ck_assert_int_eq(via_future_state(source), VIA_CANCELLED);
    RUN_UNTIL(a, via_cfuture_done(cf) == 1);
    finish(b, follower);
    ck_assert_int_eq(via_future_state(follower), VIA_CANCELLED);
    via_future_unref(follower);
    via_cfuture_unref(cf);
    via_future_unref(source);
    close_loop(a);
    close_loop(b);
}

TEST(a_future_that_never_had_a_loop_has_a_failed_thread_side)
{
    via_future *future = via_future_new(NULL);
    via_cfuture *cf = (via_cfuture *)&history;
    int rc = via_future_cfuture(future, &cf);
    if (rc == 0) {
        ck_assert_int_eq(via_cfuture_result(cf, 0, NULL), VIA_EINVAL);
        via_cfuture_unref(cf);
    } else {
        ck_assert_int_eq(rc, VIA_EINVAL);
        ck_assert_ptr_eq(cf, (via_cfuture *)&history);
    }
    via_future_unref(future);
}

TEST(missing_arguments_are_refused)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_cfuture *cf = (via_cfuture *)&history;
    ck_assert_int_eq(via_future_cfuture(NULL, &cf), VIA_EINVAL);
    ck_assert_int_eq(via_future_cfuture(future, NULL), VIA_EINVAL);
    ck_assert_ptr_eq(cf, (via_cfuture *)&history);
    via_future_unref(future);
    close_loop(loop);
}

static via_future *watched_promise(via_loop *loop, via_cfuture_fn fn)
{
    via_future *future = via_future_new(loop);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, fn, future), 0);
    via_cfuture_unref(cf);
    return future;
}

static int drop_future(via_cfuture *cf, void *future)
{
    ck_assert_int_eq(via_cfuture_done(cf), 1);
    via_future_unref(future);
    return 0;
}

TEST(a_callback_of_the_concurrent_side_may_drop_the_future)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    via_future *future = watched_promise(loop, drop_future);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    ck_assert_int_eq(via_future_cancel(watched_promise(loop, drop_future)), VIA_CANCEL_NEVER_RAN);
    watched_promise(loop, drop_future);
    close_loop(loop);
}

static int settle_again(via_cfuture *cf, void *future)
{
    (void)cf;
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    ck_assert_int_eq(via_future_set_result(future, NULL, via_test_counted_destroy), VIA_ESTATE);
    return 0;
}

TEST(a_callback_of_the_concurrent_side_finds_the_future_settled)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    via_future *future = watched_promise(loop, settle_again);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

static int start_another(via_cfuture *cf, void *failed)
{
    (void)failed;
    struct via_outcome outcome;
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    via_test_record(&history, "%s", via_status_name(outcome.status));
    via_loop *loop = via_loop_current();
    ck_assert_ptr_nonnull(loop);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(status_of(future), VIA_ECLOSED);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_future_unref(future);
    return 0;
}

TEST(nothing_new_begins_while_the_loop_closes)
{
    via_loop *loop = open_loop();
    via_future *future = watched_promise(loop, start_another);
    close_loop(loop);
    ASSERT_RECORD(&history, "VIA_ECLOSED");
    via_future_unref(future);
}

TEST(the_thread_of_an_attached_base_does_not_wait_for_its_own_promise)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), VIA_EDEADLK);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
    event_base_free(base);
}

TEST(a_request_before_the_dispatch_of_an_attached_base_arrives)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    via_cfuture_unref(cf);
    via_future_unref(future);
    close_loop(loop);
    event_base_free(base);
}

/* A thread that asks again and again until the future is done. */
static void *keep_asking(void *cf)
{
    while (via_cfuture_cancel(cf) == VIA_CANCEL_REQUESTED)
        via_test_yield();
    return via_cfuture_unref(cf);
}

TEST(a_request_may_race_with_the_end_of_the_loop)
{
    for (int round = 0; round < 100; round++) {
        via_loop *loop = open_loop();
        via_future *future = via_future_new(loop);
        via_cfuture *cf = NULL;
        struct via_test_thread thread;
        ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
        via_test_thread_start(&thread, keep_asking, cf);
        for (int i = 0; i < round % 4; i++)
            via_test_yield();
        ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
        via_future_unref(future);
        close_loop(loop);
        via_test_thread_join(&thread);
    }
}

struct speaker {
    via_loop *loop;
    const char *word;
};

static int post_the_word(via_cfuture *cf, void *arg)
{
    struct speaker *speaker = arg;
    (void)cf;
    return via_call_soon_threadsafe(speaker->loop, say, (void *)speaker->word, NULL);
}

static void *cancel_both(void *cfs)
{
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(via_cfuture_cancel(((via_cfuture **)cfs)[i]), VIA_CANCEL_REQUESTED);
    return NULL;
}

TEST(what_requests_of_other_threads_post_keeps_its_order)
{
    via_loop *loop = open_loop();
    struct speaker speakers[2] = {{loop, "first"}, {loop, "second"}};
    struct via_test_thread thread;
    via_future *futures[2];
    via_cfuture *cfs[2];
    for (int i = 0; i < 2; i++) {
        futures[i] = via_future_new(loop);
        cfs[i] = thread_side(futures[i]);
        ck_assert_int_eq(via_cfuture_add_done_callback(cfs[i], post_the_word, &speakers[i]), 0);
    }
    via_test_thread_start(&thread, cancel_both, cfs);
    via_test_thread_join(&thread);
    RUN_TICKS(loop, 3);
    ASSERT_RECORD(&history, "first second");
    for (int i = 0; i < 2; i++) {
        via_cfuture_unref(cfs[i]);
        via_future_unref(futures[i]);
    }
    close_loop(loop);
}

TEST_MAIN("bridge/cfuture_of_future", a_thread_that_waits_is_released_with_the_value,
          an_error_passes_with_code_and_text, a_done_future_has_a_done_thread_side,
          a_cancelled_future_cancels_its_thread_side, cancelling_in_another_thread_is_posted_to_the_loop,
          cancelling_the_thread_side_of_a_done_future_is_too_late,
          closing_the_loop_releases_the_waiting_threads, blocking_on_it_in_the_loops_thread_is_refused,
          once_it_is_done_the_loops_thread_may_ask, the_thread_side_is_no_promise,
          a_future_may_have_several_thread_sides, the_thread_side_may_be_dropped_first,
          the_value_lives_as_long_as_the_thread_side, the_future_of_one_loop_can_be_followed_in_another,
          a_cancel_in_one_loop_reaches_the_future_in_another,
          a_future_that_never_had_a_loop_has_a_failed_thread_side, missing_arguments_are_refused,
          a_callback_of_the_concurrent_side_may_drop_the_future,
          a_callback_of_the_concurrent_side_finds_the_future_settled,
          nothing_new_begins_while_the_loop_closes,
          the_thread_of_an_attached_base_does_not_wait_for_its_own_promise,
          a_request_before_the_dispatch_of_an_attached_base_arrives,
          a_request_may_race_with_the_end_of_the_loop, what_requests_of_other_threads_post_keeps_its_order)
