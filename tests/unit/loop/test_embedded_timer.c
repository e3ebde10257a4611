/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers embedded in what the layers above wait with. */
#include "unit/loop/loop_fixture.h"

#include "loop/timer.h"

/* What waits: it says its word when its time has come, and another when the loop was closed first. */
struct sleeper {
    struct via__timer timer;
    const char *word;
};

static struct sleeper *sleeper_of(struct via__ready *node)
{
    return VIA__CONTAINER_OF(node, struct sleeper, timer.ready);
}

static void run_sleeper(via_loop *loop, struct via__ready *node)
{
    struct sleeper *sleeper = sleeper_of(node);
    via__loop_note_function(loop, NULL);
    via_test_record(&history, "%s", sleeper->word);
}

static void drop_sleeper(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    via_test_record(&history, "dropped:%s", sleeper_of(node)->word);
}

static const struct via__ready_kind sleeper_kind = {.run = run_sleeper, .drop = drop_sleeper};

static struct sleeper sleeper_that_says(const char *word)
{
    return (struct sleeper){.timer = {.ready = {.kind = &sleeper_kind}}, .word = word};
}

static void set(via_loop *loop, struct sleeper *sleeper, int64_t when_ns)
{
    ck_assert_int_eq(via__timer_set(loop, &sleeper->timer, when_ns), 0);
}

TEST(embedded_timers_and_timed_handles_run_by_deadline_then_in_the_order_they_were_set)
{
    via_loop *loop = open_loop();
    struct sleeper a = sleeper_that_says("a"), b = sleeper_that_says("b"), c = sleeper_that_says("c");
    int64_t now_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_call_at(loop, now_ns, say, "1st", NULL), 0);
    set(loop, &a, now_ns);
    ck_assert_int_eq(via_call_at(loop, now_ns, say, "2nd", NULL), 0);
    set(loop, &b, now_ns);
    set(loop, &c, now_ns - 1);
    ck_assert_uint_eq(stats_of(loop).timers, 5);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "c 1st a 2nd b");
    ck_assert_uint_eq(stats_of(loop).callbacks, 5);
    close_loop(loop);
}

TEST(an_embedded_timer_wakes_the_loop)
{
    via_loop *loop = open_virtual_loop();
    struct sleeper late = sleeper_that_says("late"), early = sleeper_that_says("early");
    set(loop, &late, via_loop_time_ns(loop) + 20 * VIA_S);
    set(loop, &early, via_loop_time_ns(loop) + 10 * VIA_S);
    stop_after(loop, 30 * VIA_S);
    run(loop);
    ASSERT_RECORD(&history, "early late");
    close_loop(loop);
}

TEST(an_embedded_timer_wakes_the_loop_in_real_time)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("slept");
    int64_t when_ns = via_loop_time_ns(loop) + VIA_MS;
    set(loop, &sleeper, when_ns);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_ge(via_loop_time_ns(loop), when_ns);
    close_loop(loop);
}

TEST(an_unset_timer_does_not_run)
{
    via_loop *loop = open_loop();
    struct sleeper a = sleeper_that_says("a"), b = sleeper_that_says("b");
    set(loop, &a, 0);
    set(loop, &b, 0);
    ck_assert_int_eq(via__timer_unset(loop, &a.timer), 1);
    ck_assert_int_eq(via__timer_unset(loop, &a.timer), 0);
    ck_assert_uint_eq(stats_of(loop).timers, 1);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "b");
    ck_assert_int_eq(via__timer_unset(loop, &b.timer), 0);
    close_loop(loop);
}

TEST(a_timer_that_was_never_set_is_not_there_to_unset)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("x");
    ck_assert_int_eq(via__timer_unset(loop, &sleeper.timer), 0);
    close_loop(loop);
}

/* Unsets a timer that is due in the same tick, and is queued behind this. */
struct unsetter {
    via_loop *loop;
    struct sleeper *victim;
    int result;
};

static int unset_victim(void *arg)
{
    struct unsetter *unsetter = arg;
    unsetter->result = via__timer_unset(unsetter->loop, &unsetter->victim->timer);
    return 0;
}

TEST(a_timer_that_is_queued_is_not_there_to_unset)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("queued");
    struct unsetter unsetter = {loop, &sleeper, -1};
    ck_assert_int_eq(via_call_at(loop, 0, unset_victim, &unsetter, NULL), 0);
    set(loop, &sleeper, 0);
    run_one_tick(loop);
    ck_assert_int_eq(unsetter.result, 0);
    ASSERT_RECORD(&history, "queued");
    close_loop(loop);
}

TEST(an_embedded_timer_can_be_set_again_when_it_has_run_or_was_unset)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("again");
    set(loop, &sleeper, 0);
    run_one_tick(loop);
    set(loop, &sleeper, VIA_FOREVER);
    ck_assert_int_eq(via__timer_unset(loop, &sleeper.timer), 1);
    set(loop, &sleeper, 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "again again");
    close_loop(loop);
}

TEST(an_embedded_timer_that_is_never_due_keeps_no_loop_waiting)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("x");
    set(loop, &sleeper, VIA_FOREVER);
    ck_assert_int_eq(via__loop_outstanding(loop), 0);
    RUN_TICKS(loop, 3);
    ck_assert_uint_eq(stats_of(loop).callbacks, 0);
    ck_assert_int_eq(via__timer_unset(loop, &sleeper.timer), 1);
    close_loop(loop);
}

TEST(the_last_unset_timer_does_not_end_the_loops_sleep)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("x");
    set(loop, &sleeper, via_loop_time_ns(loop) + VIA_MS);
    ck_assert_int_eq(via__timer_unset(loop, &sleeper.timer), 1);
    stop_after(loop, 20 * VIA_MS);
    run(loop);
    ck_assert_uint_le(stats_of(loop).ticks, 3);
    close_loop(loop);
}

TEST(the_lateness_of_an_embedded_timer_is_kept_in_the_figures)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("late");
    set(loop, &sleeper, via_loop_time_ns(loop) - VIA_S);
    run_one_tick(loop);
    ck_assert_int_ge(stats_of(loop).latest_timer_ns, VIA_S);
    close_loop(loop);
}

TEST(a_closing_loop_drops_the_timers_in_its_heap)
{
    via_loop *loop = open_loop();
    struct sleeper heaped = sleeper_that_says("heaped"), unset = sleeper_that_says("unset");
    set(loop, &heaped, VIA_FOREVER);
    set(loop, &unset, VIA_FOREVER);
    ck_assert_int_eq(via__timer_unset(loop, &unset.timer), 1);
    close_loop(loop);
    ASSERT_RECORD(&history, "dropped:heaped");
    ck_assert_uint_eq(heaped.timer.node.index, 0);
}

static int drop_last_reference(void *loop)
{
    via_loop_unref(loop);
    return 0;
}

TEST(a_closing_loop_drops_the_timers_that_are_due)
{
    via_loop *loop = open_loop();
    struct sleeper due = sleeper_that_says("due");
    ck_assert_int_eq(via_call_at(loop, 0, drop_last_reference, loop, NULL), 0);
    set(loop, &due, 0);
    run(loop);
    ASSERT_RECORD(&history, "dropped:due");
}

TEST(a_timer_without_room_in_the_heap_is_not_set)
{
    via_loop *loop = open_loop();
    struct sleeper sleeper = sleeper_that_says("x");
    loop->timers.count = SIZE_MAX / sizeof(void *);
    int status = via__timer_set(loop, &sleeper.timer, 0);
    loop->timers.count = 0;
    ck_assert_int_eq(status, VIA_ENOMEM);
    ck_assert_int_eq(via__timer_unset(loop, &sleeper.timer), 0);
    RUN_TICKS(loop, 2);
    ck_assert_uint_eq(stats_of(loop).callbacks, 0);
    close_loop(loop);
}

TEST_MAIN("loop/embedded_timer",
          embedded_timers_and_timed_handles_run_by_deadline_then_in_the_order_they_were_set,
          an_embedded_timer_wakes_the_loop, an_embedded_timer_wakes_the_loop_in_real_time,
          an_unset_timer_does_not_run, a_timer_that_was_never_set_is_not_there_to_unset,
          a_timer_that_is_queued_is_not_there_to_unset,
          an_embedded_timer_can_be_set_again_when_it_has_run_or_was_unset,
          an_embedded_timer_that_is_never_due_keeps_no_loop_waiting,
          the_last_unset_timer_does_not_end_the_loops_sleep,
          the_lateness_of_an_embedded_timer_is_kept_in_the_figures,
          a_closing_loop_drops_the_timers_in_its_heap, a_closing_loop_drops_the_timers_that_are_due,
          a_timer_without_room_in_the_heap_is_not_set)
