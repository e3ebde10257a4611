/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtual clock: time that stands still and jumps. */
#include "unit/loop/loop_fixture.h"

#define HOUR_NS (3600 * VIA_S)

struct moment {
    via_loop *loop;
    int64_t expected_ns;
};

static int expect_moment(void *arg)
{
    struct moment *moment = arg;
    ck_assert_int_eq(via_loop_time_ns(moment->loop), moment->expected_ns);
    via_test_record(&history, "t");
    return 0;
}

TEST(virtual_time_stands_still_while_callbacks_run)
{
    via_loop *loop = open_virtual_loop();
    struct moment moment = {loop, via_loop_time_ns(loop)};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_call_soon(loop, expect_moment, &moment, NULL), 0);
        run_one_tick(loop);
    }
    ASSERT_RECORD(&history, "t t t");
    close_loop(loop);
}

TEST(virtual_time_jumps_exactly_to_the_next_timer)
{
    via_loop *loop = open_virtual_loop();
    int64_t start_ns = via_loop_time_ns(loop);
    struct moment moments[3];
    for (int i = 0; i < 3; i++) {
        moments[i] = (struct moment){loop, start_ns + (i + 1) * HOUR_NS + i};
        ck_assert_int_eq(via_call_at(loop, moments[i].expected_ns, expect_moment, &moments[i], NULL), 0);
    }
    stop_after(loop, 30 * 24 * HOUR_NS);
    int64_t real_ns = via_test_now_ns();
    run(loop);
    ck_assert_int_lt(via_test_now_ns() - real_ns, HOUR_NS);
    ASSERT_RECORD(&history, "t t t");
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + 30 * 24 * HOUR_NS);
    close_loop(loop);
}

struct counter {
    via_loop *loop;
    int left;
};

static int count_down(void *arg)
{
    struct counter *counter = arg;
    if (counter->left-- > 0)
        return via_call_soon(counter->loop, count_down, counter, NULL);
    via_test_record(&history, "ready-is-done");
    return 0;
}

TEST(virtual_time_does_not_jump_while_something_is_ready)
{
    via_loop *loop = open_virtual_loop();
    struct counter counter = {loop, 50};
    later(loop, VIA_MS, "timer");
    ck_assert_int_eq(via_call_soon(loop, count_down, &counter, NULL), 0);
    stop_after(loop, 2 * VIA_MS);
    run(loop);
    ASSERT_RECORD(&history, "ready-is-done timer");
    close_loop(loop);
}

static int periodic(void *arg)
{
    struct counter *counter = arg;
    if (counter->left-- > 0)
        return via_call_later(counter->loop, HOUR_NS, periodic, counter, NULL);
    return via_loop_stop(counter->loop);
}

TEST(a_periodic_timer_does_not_drift)
{
    via_loop *loop = open_virtual_loop();
    int64_t start_ns = via_loop_time_ns(loop);
    struct counter counter = {loop, 1000};
    ck_assert_int_eq(via_call_soon(loop, periodic, &counter, NULL), 0);
    run(loop);
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + 1000 * HOUR_NS);
    close_loop(loop);
}

static void *release_hold(void *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, say, "posted", NULL), 0);
    ck_assert_int_eq(via_loop_release(loop), 0);
    return NULL;
}

TEST(virtual_time_waits_for_a_thread_that_will_post)
{
    via_loop *loop = open_virtual_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_hold(loop), 0);
    later(loop, HOUR_NS, "timer");
    RUN_TICKS(loop, 5);
    ASSERT_RECORD(&history, "");
    stop_after(loop, 2 * HOUR_NS);
    via_test_thread_start(&thread, release_hold, loop);
    run(loop);
    via_test_thread_join(&thread);
    ASSERT_RECORD(&history, "posted timer");
    close_loop(loop);
}

TEST(a_cancelled_timer_is_no_place_to_jump_to)
{
    via_loop *loop = open_virtual_loop();
    via_handle *handle = NULL;
    int64_t start_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, never_called, NULL, &handle), 0);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    via_handle_unref(handle);
    struct moment moment = {loop, start_ns + HOUR_NS};
    ck_assert_int_eq(via_call_later(loop, HOUR_NS, expect_moment, &moment, NULL), 0);
    stop_after(loop, HOUR_NS);
    run(loop);
    ASSERT_RECORD(&history, "t");
    close_loop(loop);
}

TEST(timers_due_at_one_virtual_moment_share_a_tick)
{
    via_loop *loop = open_virtual_loop();
    later(loop, HOUR_NS, "a");
    later(loop, HOUR_NS, "b");
    stop_after(loop, HOUR_NS);
    later(loop, HOUR_NS, "c");
    later(loop, HOUR_NS + 1, "d");
    run(loop);
    ASSERT_RECORD(&history, "a b c");
    close_loop(loop);
}

TEST_MAIN("loop/virtual_clock", virtual_time_stands_still_while_callbacks_run,
          virtual_time_jumps_exactly_to_the_next_timer, virtual_time_does_not_jump_while_something_is_ready,
          a_periodic_timer_does_not_drift, virtual_time_waits_for_a_thread_that_will_post,
          a_cancelled_timer_is_no_place_to_jump_to, timers_due_at_one_virtual_moment_share_a_tick)
