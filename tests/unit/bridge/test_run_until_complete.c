/* SPDX-License-Identifier: BSD-3-Clause */
/* Running a loop until a future is done, and noticing that it never will be. */
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/bridge/bridge_fixture.h"

static int settle(void *future)
{
    return via_future_set_result(future, NULL, NULL);
}

static void complete(via_loop *loop, via_future *future)
{
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), 0);
    ck_assert_int_eq(via_future_done(future), 1);
}

TEST(a_done_future_runs_one_tick)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    soon(loop, "ready");
    complete(loop, future);
    ASSERT_RECORD(&history, "ready");
    ck_assert_uint_eq(stats_of(loop).ticks, 1);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_timer_may_complete_the_future)
{
    via_loop *loop = open_virtual_loop();
    via_future *future = via_future_new(loop);
    int64_t start_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, settle, future, NULL), 0);
    complete(loop, future);
    ck_assert_int_eq(via_loop_time_ns(loop) - start_ns, 3600 * VIA_S);
    via_future_unref(future);
    close_loop(loop);
}

TEST(it_takes_as_long_as_the_timer)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    int64_t start_ns = via_test_now_ns();
    ck_assert_int_eq(via_call_later(loop, 10 * VIA_MS, settle, future, NULL), 0);
    complete(loop, future);
    ck_assert_int_ge(via_test_now_ns() - start_ns, 10 * VIA_MS);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_call_may_complete_the_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    int number = 5;
    void *value = NULL;
    via_future *future = submit(loop, pool, give_back, &number);
    complete(loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

TEST(the_error_of_the_future_is_in_its_outcome)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    complete(loop, future);
    ck_assert_int_eq(status_of(future), VIA_EBUSY);
    via_future_unref(future);
    future = via_future_new(loop);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    complete(loop, future);
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    via_future_unref(future);
    close_loop(loop);
}

TEST(callbacks_added_before_run_before_it_returns)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    when_done(future, "callback");
    ck_assert_int_eq(via_call_soon(loop, settle, future, NULL), 0);
    complete(loop, future);
    ASSERT_RECORD(&history, "callback");
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_future_of_another_loop_is_refused)
{
    via_loop *loop = open_loop();
    via_loop *other = open_loop();
    via_future *future = via_future_new(other);
    soon(loop, "not-run");
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_EFOREIGN);
    ASSERT_RECORD(&history, "");
    via_future_unref(future);
    close_loop(other);
    close_loop(loop);
}

TEST(wrong_arguments_are_refused)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_future *failed = via_future_new(NULL);
    ck_assert_int_eq(via_loop_run_until_complete(NULL, future), VIA_EINVAL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, failed), VIA_EINVAL);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_ECLOSED);
    via_future_unref(failed);
    via_future_unref(future);
    via_loop_unref(loop);
}

TEST(an_attached_loop_is_run_by_its_program)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_ENOTSUP);
    via_future_unref(future);
    close_loop(loop);
    event_base_free(base);
}

TEST(a_loop_that_is_stopped_first_says_so)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_call_soon(loop, stop_loop, loop, NULL), 0);
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_ESTOPPED);
    ck_assert_int_eq(via_future_done(future), 0);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_stopped_run_leaves_no_callback_behind_that_stops_the_next)
{
    via_loop *loop = open_loop();
    via_future *orphan = via_future_new(loop);
    ck_assert_int_eq(via_call_soon(loop, stop_loop, loop, NULL), 0);
    ck_assert_int_eq(via_loop_run_until_complete(loop, orphan), VIA_ESTOPPED);
    via_future *second = via_future_new(loop);
    ck_assert_int_eq(via_call_soon(loop, settle, orphan, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, 2 * VIA_MS, settle, second, NULL), 0);
    complete(loop, second);
    ck_assert_int_eq(via_future_done(orphan), 1);
    via_future_unref(orphan);
    via_future_unref(second);
    close_loop(loop);
}

static int run_nested(void *arg)
{
    via_future *future = arg;
    via_loop *loop = via_future_loop(future);
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_ERUNNING);
    via_test_record(&history, "refused");
    return via_future_set_result(future, NULL, NULL);
}

TEST(a_nested_run_is_refused_and_the_outer_one_completes)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_call_soon(loop, run_nested, future, NULL), 0);
    complete(loop, future);
    ASSERT_RECORD(&history, "refused");
    via_future_unref(future);
    close_loop(loop);
}

static void expect_deadlock(via_loop *loop, via_future *future)
{
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_EDEADLK);
    ck_assert_int_eq(via_future_done(future), 0);
}

TEST(a_future_that_nothing_can_complete_is_noticed)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    expect_deadlock(loop, future);
    soon(loop, "last");
    later(loop, VIA_MS, "timer");
    expect_deadlock(loop, future);
    ASSERT_RECORD(&history, "last timer");
    via_future_unref(future);
    close_loop(loop);
}

TEST(after_the_last_call_a_deadlock_is_noticed)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    via_future *future = via_future_new(loop);
    via_future *call = submit(loop, pool, give_back, NULL);
    expect_deadlock(loop, future);
    ck_assert_int_eq(via_future_done(call), 1);
    via_future_unref(call);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_cancelled_timer_completes_nothing)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, settle, future, &handle), 0);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    via_handle_unref(handle);
    expect_deadlock(loop, future);
    via_future_unref(future);
    close_loop(loop);
}

struct holding {
    via_loop *loop;
    via_future *future;
    int settles;
};

static void *post_and_release(void *arg)
{
    struct holding *holding = arg;
    if (holding->settles)
        ck_assert_int_eq(via_call_soon_threadsafe(holding->loop, settle, holding->future, NULL), 0);
    ck_assert_int_eq(via_loop_release(holding->loop), 0);
    return NULL;
}

static void run_while_held(int settles, int expected)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct holding holding = {loop, future, settles};
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_hold(loop), 0);
    via_test_thread_start(&thread, post_and_release, &holding);
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), expected);
    via_test_thread_join(&thread);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_hold_may_complete_the_future)
{
    run_while_held(1, 0);
}

TEST(a_hold_that_is_released_without_a_post_ends_in_a_deadlock)
{
    run_while_held(0, VIA_EDEADLK);
}

static int settle_on_read(void *arg)
{
    struct holding *holding = arg;
    return via_future_set_result(holding->future, NULL, NULL);
}

static void *write_byte(void *fd)
{
    ck_assert_int_eq(write(*(int *)fd, "x", 1), 1);
    return NULL;
}

TEST(a_watched_descriptor_may_complete_the_future)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct holding holding = {loop, future, 1};
    struct via_test_thread thread;
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], settle_on_read, &holding), 0);
    via_test_thread_start(&thread, write_byte, &fds[1]);
    complete(loop, future);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 1);
    via_future_unref(future);
    close_loop(loop);
    close(fds[0]);
    close(fds[1]);
}

static void settle_from_event(evutil_socket_t fd, short what, void *future)
{
    (void)fd;
    (void)what;
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
}

TEST(a_timer_of_the_programs_own_may_complete_the_future)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct timeval delay = {0, 5000};
    struct event *timer = event_new(via_loop_base(loop), -1, 0, settle_from_event, future);
    ck_assert_int_eq(event_add(timer, &delay), 0);
    complete(loop, future);
    event_free(timer);
    via_future_unref(future);
    close_loop(loop);
}

static void settle_from_bufferevent(struct bufferevent *buffer, void *future)
{
    (void)buffer;
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
}

TEST(a_bufferevent_may_complete_the_future)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_test_thread thread;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct bufferevent *buffer = bufferevent_socket_new(via_loop_base(loop), fds[0], 0);
    bufferevent_setcb(buffer, settle_from_bufferevent, NULL, NULL, future);
    ck_assert_int_eq(bufferevent_enable(buffer, EV_READ), 0);
    via_test_thread_start(&thread, write_byte, &fds[1]);
    complete(loop, future);
    via_test_thread_join(&thread);
    bufferevent_free(buffer);
    via_future_unref(future);
    close_loop(loop);
    close(fds[0]);
    close(fds[1]);
}

struct promise {
    struct via_test_gate gate;
    via_cfuture *cf;
};

static void *settle_promise(void *arg)
{
    struct promise *promise = arg;
    via_test_gate_pass(&promise->gate);
    ck_assert_int_eq(via_cfuture_set_result(promise->cf, NULL, NULL), 0);
    return NULL;
}

static int open_gate(void *gate)
{
    via_test_gate_open(gate);
    return 0;
}

TEST(a_promise_of_another_thread_may_complete_the_future)
{
    via_loop *loop = open_loop();
    struct promise promise = {VIA_TEST_GATE_INITIALIZER, NULL};
    struct via_test_thread thread;
    ck_assert_int_eq(via_cfuture_new(&promise.cf), 0);
    via_future *future = via_wrap_future(loop, promise.cf);
    via_test_thread_start(&thread, settle_promise, &promise);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, open_gate, &promise.gate, NULL), 0);
    complete(loop, future);
    via_test_thread_join(&thread);
    via_future_unref(future);
    via_cfuture_unref(promise.cf);
    close_loop(loop);
}

static int cancel_future(void *future)
{
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    return 0;
}

TEST(a_cancelled_future_is_complete)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_call_soon(loop, cancel_future, future, NULL), 0);
    complete(loop, future);
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_hundred_runs_in_a_row)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    for (int i = 0; i < 100; i++) {
        via_future *future = submit(loop, pool, give_back, NULL);
        complete(loop, future);
        via_future_unref(future);
    }
    close_loop(loop);
    close_pool(pool);
}

static int run_again(void *future)
{
    ck_assert_int_eq(via_loop_run_until_complete(via_loop_current(), future), VIA_ERUNNING);
    return 0;
}

struct countdown {
    via_loop *loop;
    int ticks;
};

static int count_down(void *arg)
{
    struct countdown *countdown = arg;
    if (--countdown->ticks == 0)
        return via_loop_stop(countdown->loop);
    return via_call_soon(countdown->loop, count_down, countdown, NULL);
}

TEST(a_refused_run_does_not_stop_the_one_under_way)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct countdown countdown = {loop, 5};
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, run_again, future, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, count_down, &countdown, NULL), 0);
    ck_assert_int_eq(via_loop_run_forever(loop), 0);
    ck_assert_int_eq(countdown.ticks, 0);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_refused_run_does_not_end_the_dispatch_of_an_attached_base)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), VIA_ENOTSUP);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_int_eq(event_base_got_break(base), 0);
    via_future_unref(future);
    close_loop(loop);
    event_base_free(base);
}

static int settle_and_stop(void *future)
{
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    return via_loop_stop(via_future_loop(future));
}

TEST(a_run_that_was_stopped_as_its_future_was_settled_stops_no_later_run)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct countdown countdown = {loop, 5};
    ck_assert_int_eq(via_call_soon(loop, settle_and_stop, future, NULL), 0);
    complete(loop, future);
    ck_assert_int_eq(via_call_soon(loop, count_down, &countdown, NULL), 0);
    ck_assert_int_eq(via_loop_run_forever(loop), 0);
    ck_assert_int_eq(countdown.ticks, 0);
    via_future_unref(future);
    close_loop(loop);
}

static int settle_badly(void *future)
{
    return via_future_set_error(future, VIA_EBUSY, 0, NULL);
}

static int look(via_future *future, void *unused)
{
    (void)unused;
    ck_assert_int_eq(status_of(future), VIA_EBUSY);
    return 0;
}

TEST(an_error_that_a_callback_looked_at_meanwhile_is_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, look, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, settle_badly, future, NULL), 0);
    complete(loop, future);
    via_future_unref(future);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST_MAIN("bridge/run_until_complete", a_done_future_runs_one_tick, a_timer_may_complete_the_future,
          it_takes_as_long_as_the_timer, a_call_may_complete_the_future,
          the_error_of_the_future_is_in_its_outcome, callbacks_added_before_run_before_it_returns,
          a_future_of_another_loop_is_refused, wrong_arguments_are_refused,
          an_attached_loop_is_run_by_its_program, a_loop_that_is_stopped_first_says_so,
          a_stopped_run_leaves_no_callback_behind_that_stops_the_next,
          a_nested_run_is_refused_and_the_outer_one_completes, a_future_that_nothing_can_complete_is_noticed,
          after_the_last_call_a_deadlock_is_noticed, a_cancelled_timer_completes_nothing,
          a_hold_may_complete_the_future, a_hold_that_is_released_without_a_post_ends_in_a_deadlock,
          a_watched_descriptor_may_complete_the_future, a_timer_of_the_programs_own_may_complete_the_future,
          a_bufferevent_may_complete_the_future, a_promise_of_another_thread_may_complete_the_future,
          a_cancelled_future_is_complete, a_hundred_runs_in_a_row,
          a_refused_run_does_not_stop_the_one_under_way,
          a_refused_run_does_not_end_the_dispatch_of_an_attached_base,
          a_run_that_was_stopped_as_its_future_was_settled_stops_no_later_run,
          an_error_that_a_callback_looked_at_meanwhile_is_not_reported)
