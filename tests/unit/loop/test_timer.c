/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers: order, ties, cancelling, extreme times. */
#include "unit/loop/loop_fixture.h"

TEST(timers_run_by_deadline)
{
    via_loop *loop = open_virtual_loop();
    later(loop, 30 * VIA_MS, "30");
    later(loop, 10 * VIA_MS, "10");
    later(loop, 20 * VIA_MS, "20");
    stop_after(loop, 40 * VIA_MS);
    run(loop);
    ASSERT_RECORD(&history, "10 20 30");
    close_loop(loop);
}

TEST(equal_deadlines_run_in_the_order_they_were_set)
{
    via_loop *loop = open_loop();
    int64_t when = via_loop_time_ns(loop);
    static const char *const words[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(via_call_at(loop, when, say, (void *)words[i], NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "0 1 2 3 4 5 6 7");
    close_loop(loop);
}

TEST(negative_delays_run_by_deadline)
{
    via_loop *loop = open_loop();
    later(loop, -VIA_S, "-1");
    later(loop, -2 * VIA_S, "-2");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "-2 -1");
    close_loop(loop);
}

TEST(the_most_negative_delay_and_time_are_due_at_once)
{
    via_loop *loop = open_loop();
    later(loop, INT64_MIN, "delay");
    ck_assert_int_eq(via_call_at(loop, INT64_MIN, say, "time", NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(via_test_recorded(&history), 2);
    close_loop(loop);
}

TEST(forever_never_comes)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_at(loop, VIA_FOREVER, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, VIA_FOREVER, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, VIA_FOREVER - 1, never_called, NULL, NULL), 0);
    RUN_TICKS(loop, 3);
    stop_after(loop, VIA_MS);
    run(loop);
    ck_assert_uint_eq(stats_of(loop).timers, 3);
    close_loop(loop);
}

struct due {
    via_loop *loop;
    int64_t when_ns;
    int64_t ran_ns;
};

static int note_time_and_stop(void *arg)
{
    struct due *due = arg;
    due->ran_ns = via_loop_time_ns(due->loop);
    return via_loop_stop(due->loop);
}

TEST(a_timer_is_never_early)
{
    via_loop *loop = open_loop();
    for (int i = 1; i <= 5; i++) {
        struct due due = {loop, via_loop_time_ns(loop) + i * 300 * VIA_US, 0};
        ck_assert_int_eq(via_call_at(loop, due.when_ns, note_time_and_stop, &due, NULL), 0);
        run(loop);
        ck_assert_int_ge(due.ran_ns, due.when_ns);
    }
    close_loop(loop);
}

TEST(a_timer_counts_as_timer_and_not_as_ready)
{
    via_loop *loop = open_loop();
    later(loop, 3600 * VIA_S, "x");
    ck_assert_uint_eq(stats_of(loop).timers, 1);
    ck_assert_uint_eq(stats_of(loop).ready, 0);
    close_loop(loop);
}

struct chain {
    via_loop *loop;
    int next;
};

static int set_next_of_chain(void *arg)
{
    static const int64_t delays_ns[] = {10 * VIA_MS, 100 * VIA_US, VIA_US, 10, 1};
    struct chain *chain = arg;
    if (chain->next == 5)
        return via_loop_stop(chain->loop);
    return via_call_later(chain->loop, delays_ns[chain->next++], set_next_of_chain, chain, NULL);
}

TEST(tiny_delays_do_not_make_the_loop_spin)
{
    via_loop *loop = open_loop();
    struct chain chain = {loop, 0};
    ck_assert_int_eq(via_call_soon(loop, set_next_of_chain, &chain, NULL), 0);
    run(loop);
    ck_assert_int_eq(chain.next, 5);
    ck_assert_uint_le(stats_of(loop).ticks, 20);
    close_loop(loop);
}

TEST(a_delay_counts_from_the_time_of_the_loop)
{
    via_loop *loop = open_virtual_loop();
    via_handle *handle = NULL;
    int64_t when = 0;
    ck_assert_int_eq(via_call_later(loop, 5 * VIA_S, say, "x", &handle), 0);
    ck_assert_int_eq(via_handle_when(handle, &when), 0);
    ck_assert_int_eq(when, via_loop_time_ns(loop) + 5 * VIA_S);
    via_handle_unref(handle);
    ck_assert_int_eq(via_call_at(loop, 12345, say, "x", &handle), 0);
    ck_assert_int_eq(via_handle_when(handle, &when), 0);
    ck_assert_int_eq(when, 12345);
    via_handle_unref(handle);
    close_loop(loop);
}

TEST(a_callback_that_is_not_timed_has_no_time)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    int64_t when = 77;
    ck_assert_int_eq(via_call_soon(loop, say, "x", &handle), 0);
    ck_assert_int_eq(via_handle_when(handle, &when), VIA_EINVAL);
    ck_assert_int_eq(via_handle_when(NULL, &when), VIA_EINVAL);
    ck_assert_int_eq(when, 77);
    via_handle_unref(handle);
    ck_assert_int_eq(via_call_later(loop, 0, say, "x", &handle), 0);
    ck_assert_int_eq(via_handle_when(handle, NULL), VIA_EINVAL);
    via_handle_unref(handle);
    close_loop(loop);
}

TEST(cancelled_timers_are_cleaned_up_long_before_they_are_due)
{
    via_loop *loop = open_loop();
    later(loop, 3600 * VIA_S, "stays");
    size_t blocks = via_test_heap_blocks();
    static via_handle *handles[1000];
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, &handles[i]), 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(via_handle_cancel(handles[i]), 1);
        via_handle_unref(handles[i]);
    }
    RUN_TICKS(loop, 2);
    ck_assert_uint_eq(stats_of(loop).timers, 1);
    ck_assert_uint_le(via_test_heap_blocks(), blocks + 200);
    close_loop(loop);
}

TEST(a_cancelled_timer_does_not_end_the_loops_sleep)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_later(loop, VIA_MS, never_called, NULL, &handle), 0);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    via_handle_unref(handle);
    stop_after(loop, 30 * VIA_MS);
    run(loop);
    ck_assert_uint_le(stats_of(loop).ticks, 3);
    close_loop(loop);
}

struct canceller {
    via_handle *victim;
    int result;
};

static int cancel_victim(void *arg)
{
    struct canceller *canceller = arg;
    canceller->result = via_handle_cancel(canceller->victim);
    return 0;
}

TEST(a_due_timer_can_be_cancelled_by_an_earlier_callback_of_its_tick)
{
    via_loop *loop = open_loop();
    struct canceller canceller = {NULL, -1};
    ck_assert_int_eq(via_call_later(loop, -2, cancel_victim, &canceller, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, -1, never_called, NULL, &canceller.victim), 0);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(canceller.result, 1);
    ck_assert_int_eq(via_handle_cancelled(canceller.victim), 1);
    via_handle_unref(canceller.victim);
    close_loop(loop);
}

static int set_due_timer(void *loop)
{
    via_test_record(&history, "first");
    later(loop, -VIA_S, "second");
    return 0;
}

TEST(a_timer_set_by_a_timer_waits_for_a_later_tick)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_later(loop, 0, set_due_timer, loop, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "first");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "first second");
    close_loop(loop);
}

/* Timers whose deadlines come from a fixed pseudo-random sequence, so that the heap is exercised. */
struct ordered {
    int64_t when_ns;
    int64_t *last_ns;
    int *runs;
};

static int expect_later_than_last(void *arg)
{
    struct ordered *ordered = arg;
    ck_assert_int_ge(ordered->when_ns, *ordered->last_ns);
    *ordered->last_ns = ordered->when_ns;
    (*ordered->runs)++;
    return 0;
}

static void set_many_timers(via_loop *loop, struct ordered *timers, via_handle **handles, int count,
                            int64_t *last_ns, int *runs)
{
    uint32_t random = 12345;
    for (int i = 0; i < count; i++) {
        random = random * 1664525U + 1013904223U;
        timers[i] = (struct ordered){via_loop_time_ns(loop) - (int64_t)(random >> 12), last_ns, runs};
        ck_assert_int_eq(
            via_call_at(loop, timers[i].when_ns, expect_later_than_last, &timers[i], &handles[i]), 0);
    }
}

TEST(many_timers_run_sorted_also_when_some_are_cancelled)
{
    via_loop *loop = open_virtual_loop();
    static struct ordered timers[600];
    static via_handle *handles[600];
    int64_t last_ns = INT64_MIN;
    int runs = 0;
    set_many_timers(loop, timers, handles, 600, &last_ns, &runs);
    for (int i = 0; i < 600; i += 3)
        ck_assert_int_eq(via_handle_cancel(handles[i]), 1);
    ck_assert_uint_eq(stats_of(loop).timers, 400);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(runs, 400);
    for (int i = 0; i < 600; i++)
        via_handle_unref(handles[i]);
    close_loop(loop);
}

/* Sets itself again and again, with another timer beside it, so that the memory of each is used again. */
struct relay {
    via_loop *loop;
    int laps, others;
};

static int run_relay(void *arg)
{
    struct relay *relay = arg;
    if (++relay->laps == 1000)
        return via_loop_stop(relay->loop);
    ck_assert_int_eq(via_call_later(relay->loop, 1, count_up, &relay->others, NULL), 0);
    return via_call_later(relay->loop, 1, run_relay, relay, NULL);
}

TEST(the_memory_of_a_timer_that_ran_serves_the_next)
{
    via_loop *loop = open_virtual_loop();
    struct relay relay = {loop, 0, 0};
    ck_assert_int_eq(via_call_later(loop, 0, run_relay, &relay, NULL), 0);
    run(loop);
    ck_assert_int_eq(relay.others, 999);
    ck_assert_uint_eq(stats_of(loop).timers, 0);
    close_loop(loop);
}

TEST(timers_refuse_a_missing_loop_or_function)
{
    via_loop *loop = open_loop();
    via_handle *handle = (via_handle *)&history;
    ck_assert_int_eq(via_call_later(NULL, 0, say, "x", &handle), VIA_EINVAL);
    ck_assert_int_eq(via_call_later(loop, 0, NULL, "x", &handle), VIA_EINVAL);
    ck_assert_int_eq(via_call_at(NULL, 0, say, "x", &handle), VIA_EINVAL);
    ck_assert_int_eq(via_call_at(loop, 0, NULL, "x", &handle), VIA_EINVAL);
    ck_assert_ptr_eq(handle, (via_handle *)&history);
    ck_assert_uint_eq(stats_of(loop).timers, 0);
    close_loop(loop);
}

TEST(the_lateness_of_a_timer_is_kept_in_the_figures)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_at(loop, via_loop_time_ns(loop) - VIA_S, stop_loop, loop, NULL), 0);
    run(loop);
    ck_assert_int_ge(stats_of(loop).latest_timer_ns, VIA_S);
    close_loop(loop);
}

TEST_MAIN("loop/timer", timers_run_by_deadline, equal_deadlines_run_in_the_order_they_were_set,
          negative_delays_run_by_deadline, the_most_negative_delay_and_time_are_due_at_once,
          forever_never_comes, a_timer_is_never_early, a_timer_counts_as_timer_and_not_as_ready,
          tiny_delays_do_not_make_the_loop_spin, a_delay_counts_from_the_time_of_the_loop,
          a_callback_that_is_not_timed_has_no_time, cancelled_timers_are_cleaned_up_long_before_they_are_due,
          a_cancelled_timer_does_not_end_the_loops_sleep,
          a_due_timer_can_be_cancelled_by_an_earlier_callback_of_its_tick,
          a_timer_set_by_a_timer_waits_for_a_later_tick, many_timers_run_sorted_also_when_some_are_cancelled,
          the_memory_of_a_timer_that_ran_serves_the_next, timers_refuse_a_missing_loop_or_function,
          the_lateness_of_a_timer_is_kept_in_the_figures)
