/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for time to pass. */
#include "unit/task/task_fixture.h"

static int64_t now_ns(void)
{
    return via_loop_time_ns(via_loop_current());
}

static int sleep_and_look(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int64_t start_ns = now_ns();
    ck_assert_int_eq(via_sleep(3 * VIA_S), 0);
    ck_assert_int_eq(now_ns(), start_ns + 3 * VIA_S);
    ck_assert_int_eq(via_sleep_until(start_ns + 5 * VIA_S), 0);
    ck_assert_int_eq(now_ns(), start_ns + 5 * VIA_S);
    ck_assert_int_eq(via_sleep(1), 0);
    ck_assert_int_eq(now_ns(), start_ns + 5 * VIA_S + 1);
    return 0;
}

TEST(it_sleeps_exactly_as_long_as_asked)
{
    ck_assert_int_eq(run_main(sleep_and_look, NULL), 0);
}

static int sleep_no_time(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int64_t start_ns = now_ns();
    for (int64_t duration_ns = -1; duration_ns <= 0; duration_ns++) {
        call_soon(say, (void *)"turn");
        ck_assert_int_eq(via_sleep(duration_ns), 0);
        say((void *)"slept");
    }
    call_soon(say, (void *)"turn");
    ck_assert_int_eq(via_sleep(INT64_MIN), 0);
    call_soon(say, (void *)"turn");
    ck_assert_int_eq(via_sleep_until(start_ns - 1), 0);
    call_soon(say, (void *)"turn");
    ck_assert_int_eq(via_sleep_until(INT64_MIN), 0);
    ck_assert_int_eq(now_ns(), start_ns);
    return 0;
}

TEST(no_time_at_all_lets_the_others_run_once)
{
    ck_assert_int_eq(run_main(sleep_no_time, NULL), 0);
    ASSERT_RECORD(&history, "turn slept turn slept turn turn turn");
}

static int64_t wake_times[3];

static int sleep_and_say(void *at, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(*(int64_t *)at), 0);
    via_test_record(&history, "%d", (int)((int64_t *)at - wake_times));
    return 0;
}

static int sleep_in_three(void *arg, void **result)
{
    via_future *tasks[3];
    (void)arg;
    (void)result;
    wake_times[0] = 2 * VIA_S;
    wake_times[1] = VIA_S;
    wake_times[2] = 2 * VIA_S;
    for (int i = 0; i < 3; i++)
        tasks[i] = via_create_task(sleep_and_say, &wake_times[i]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_await(tasks[i], NULL), 0);
    return 0;
}

TEST(sleepers_wake_by_time_and_then_in_the_order_in_which_they_fell_asleep)
{
    ck_assert_int_eq(run_main(sleep_in_three, NULL), 0);
    ASSERT_RECORD(&history, "1 0 2");
}

/* A sleep that was cut short leaves no timer behind. */

static int nap_and_wait(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(3600 * VIA_S), VIA_ECANCELED);
    ck_assert_uint_eq(stats_of(via_loop_current()).timers, 0);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return via_sleep(VIA_FOREVER);
}

TEST(a_sleep_that_is_cancelled_takes_its_timer_with_it)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, nap_and_wait, NULL);
    settle(loop);
    ck_assert_uint_eq(stats_of(loop).timers, 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    // Nothing is left that could wake it, and no time passes until that is seen.
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), VIA_EDEADLK);
    ck_assert_int_eq(via_loop_time_ns(loop), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    close_loop(loop);
}

TEST(who_sleeps_for_ever_has_no_timer)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, task_wait_for_ever, NULL);
    settle(loop);
    ck_assert_uint_eq(stats_of(loop).timers, 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    close_loop(loop);
}

/* Futures that are done after a while. */

static int await_delay(void *arg, void **result)
{
    void *value = NULL;
    (void)arg;
    (void)result;
    via_future *later = via_sleep_future(2 * VIA_S, &value), *sooner = via_sleep_future(VIA_S, NULL);
    ck_assert_int_eq(via_await(later, &value), 0);
    ck_assert_ptr_eq(value, &value);
    ck_assert_int_eq(now_ns(), 2 * VIA_S);
    ck_assert_int_eq(via_future_done(sooner), 1);
    via_future_unref(sooner);
    ck_assert_int_eq(via_await(via_sleep_future(-1, NULL), NULL), 0);
    ck_assert_int_eq(now_ns(), 2 * VIA_S);
    return 0;
}

TEST(a_future_of_a_while_gives_its_value_when_that_is_over)
{
    ck_assert_int_eq(run_main(await_delay, NULL), 0);
}

static int cancel_delays(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_loop *loop = via_loop_current();
    via_future *delay = via_sleep_future(VIA_S, NULL);
    ck_assert_uint_eq(stats_of(loop).timers, 1);
    ck_assert_int_eq(via_future_cancel(delay), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_state(delay), VIA_CANCELLED);
    ck_assert_uint_eq(stats_of(loop).timers, 0);
    ck_assert_int_eq(via_future_cancel(delay), VIA_CANCEL_TOO_LATE);
    via_future_unref(delay);
    via_future_unref(via_sleep_future(VIA_S, NULL)); // it goes when its time has come
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    ck_assert_uint_eq(stats_of(loop).timers, 0);
    via_future_unref(via_sleep_future(VIA_FOREVER, NULL)); // or with the loop
    return 0;
}

TEST(a_future_of_a_while_can_be_cancelled_or_dropped)
{
    ck_assert_int_eq(run_main(cancel_delays, NULL), 0);
}

static int cancel_as_it_is_due(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *delay = via_future_ref(via_sleep_future(VIA_S, NULL));
    int64_t when_ns = now_ns() + VIA_S;
    via_future_unref(delay);
    // Both are due in one tick, and the second finds the first one's node in the ready queue.
    via_future *other = via_sleep_future(VIA_S, NULL);
    ck_assert_int_eq(via_call_at(via_loop_current(), when_ns - 1, cancel_it, other, NULL), 0);
    ck_assert_int_eq(via_await(other, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_await(delay, NULL), 0);
    return 0;
}

TEST(one_that_is_cancelled_leaves_the_others)
{
    ck_assert_int_eq(run_main(cancel_as_it_is_due, NULL), 0);
}

TEST(without_a_loop_there_is_no_while)
{
    via_future *future = via_sleep_future(VIA_S, NULL);
    ck_assert_int_eq(status_of(future), VIA_ESTATE);
    via_future_unref(future);
}

TEST_MAIN("task/sleep", it_sleeps_exactly_as_long_as_asked, no_time_at_all_lets_the_others_run_once,
          sleepers_wake_by_time_and_then_in_the_order_in_which_they_fell_asleep,
          a_sleep_that_is_cancelled_takes_its_timer_with_it, who_sleeps_for_ever_has_no_timer,
          a_future_of_a_while_gives_its_value_when_that_is_over,
          a_future_of_a_while_can_be_cancelled_or_dropped, one_that_is_cancelled_leaves_the_others,
          without_a_loop_there_is_no_while)
