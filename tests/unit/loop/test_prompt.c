/* SPDX-License-Identifier: BSD-3-Clause */
/* Generations: prompt nodes run in the tick that queued them, within limits. */
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

#include "loop/loop.h"

/* With a clock that stands still a tick runs what is ready, and this many generations. */
#define GENERATIONS 256
#define TICKS       8

/* A prompt node that calls a function of the test. */
struct step {
    struct via__ready ready;
    void (*fn)(via_loop *loop, struct step *step);
    struct step *other;
    const char *word;
    struct counts *counts;
};

/* How many nodes ran, in all and in each tick; and whether one was dropped. */
struct counts {
    int runs;
    int in_tick[TICKS];
    int drops;
};

static void run_step(via_loop *loop, struct via__ready *node)
{
    struct step *step = VIA__CONTAINER_OF(node, struct step, ready);
    via__loop_note_function(loop, NULL);
    step->counts->runs++;
    step->counts->in_tick[stats_of(loop).ticks % TICKS]++;
    step->fn(loop, step);
}

static void drop_step(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    VIA__CONTAINER_OF(node, struct step, ready)->counts->drops++;
}

static const struct via__ready_kind step_kind = {.run = run_step, .drop = drop_step, .prompt = 1};

static struct step step_of(struct counts *counts, void (*fn)(via_loop *loop, struct step *step))
{
    return (struct step){.ready = {.kind = &step_kind}, .fn = fn, .counts = counts};
}

static void wake(via_loop *loop, struct step *step)
{
    via__loop_ready(loop, &step->ready);
}

/* Queues itself again until the loop has run four ticks. */
static void go_on(via_loop *loop, struct step *step)
{
    if (stats_of(loop).ticks == 4)
        ck_assert_int_eq(via_loop_stop(loop), 0);
    wake(loop, step);
}

static void wake_other(via_loop *loop, struct step *step)
{
    go_on(loop, step->other);
}

TEST(steps_that_wake_each_other_run_many_times_per_tick)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step a = step_of(&counts, wake_other), b = step_of(&counts, wake_other);
    a.other = &b;
    b.other = &a;
    wake(loop, &a);
    run(loop);
    for (int tick = 1; tick < 4; tick++)
        ck_assert_int_eq(counts.in_tick[tick], 1 + GENERATIONS);
    ck_assert_int_eq(counts.in_tick[4], 1);
    ck_assert_uint_eq(stats_of(loop).ticks, 4);
    ck_assert_uint_eq(stats_of(loop).callbacks, (unsigned)counts.runs);
    close_loop(loop);
}

TEST(a_generation_is_all_that_was_queued_when_it_began)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step a = step_of(&counts, go_on), b = step_of(&counts, go_on), c = step_of(&counts, go_on);
    wake(loop, &a);
    wake(loop, &b);
    wake(loop, &c);
    run(loop);
    for (int tick = 1; tick < 4; tick++)
        ck_assert_int_eq(counts.in_tick[tick], 3 * (1 + GENERATIONS));
    close_loop(loop);
}

/* However slow the machine, the clock ends a tick only at its second look. */
TEST(by_the_real_clock_steps_run_several_times_per_tick_and_within_the_same_bound)
{
    via_loop *loop = open_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, go_on);
    wake(loop, &step);
    run(loop);
    for (int tick = 1; tick < 4; tick++) {
        ck_assert_int_ge(counts.in_tick[tick], 1 + 8);
        ck_assert_int_le(counts.in_tick[tick], 1 + GENERATIONS);
    }
    close_loop(loop);
}

static void go_on_slowly(via_loop *loop, struct step *step)
{
    int64_t end_ns = via_test_now_ns() + 50 * VIA_US;
    while (via_test_now_ns() < end_ns)
        continue;
    go_on(loop, step);
}

TEST(steps_that_take_long_run_only_a_few_times_per_tick)
{
    via_loop *loop = open_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, go_on_slowly);
    wake(loop, &step);
    run(loop);
    for (int tick = 1; tick < 4; tick++)
        ck_assert_int_eq(counts.in_tick[tick], 1 + 8);
    close_loop(loop);
}

/* What else the loop serves: how many steps had run when it was served last, and the most between two. */
struct served {
    struct counts *counts;
    via_loop *loop;
    int times, before, most;
};

static int serve(void *arg)
{
    struct served *served = arg;
    int waited = served->counts->runs - served->before;
    served->before = served->counts->runs;
    if (waited > served->most)
        served->most = waited;
    served->times++;
    return 0;
}

static int serve_and_set_again(void *arg)
{
    struct served *served = arg;
    serve(served);
    return via_call_later(served->loop, 0, serve_and_set_again, served, NULL);
}

TEST(a_descriptor_and_a_timer_are_served_within_the_bound)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, go_on);
    struct served reader = {&counts, loop, 0, 0, 0}, timer = reader;
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], serve, &reader), 0);
    ck_assert_int_eq(via_call_later(loop, 0, serve_and_set_again, &timer, NULL), 0);
    wake(loop, &step);
    run(loop);
    ck_assert_int_eq(reader.times, 4);
    ck_assert_int_eq(reader.most, 1 + GENERATIONS);
    ck_assert_int_eq(timer.times, 4);
    ck_assert_int_eq(timer.most, 1 + GENERATIONS);
    close_loop(loop);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void say_word(via_loop *loop, struct step *step)
{
    via_test_record(&history, "%d:%s", (int)stats_of(loop).ticks, step->word);
}

static int say_tick(void *loop)
{
    via_test_record(&history, "%d:soon", (int)stats_of(loop).ticks);
    return 0;
}

static int say_tick_and_stop(void *loop)
{
    say_tick(loop);
    return via_loop_stop(loop);
}

static void wake_around_call_soon(via_loop *loop, struct step *step)
{
    say_word(loop, step);
    wake(loop, step->other);
    ck_assert_int_eq(via_call_soon(loop, say_tick, loop, NULL), 0);
    wake(loop, step->other + 1);
    ck_assert_int_eq(via_call_soon(loop, say_tick_and_stop, loop, NULL), 0);
}

TEST(what_a_step_schedules_waits_for_the_next_tick_and_keeps_its_place)
{
    via_loop *loop = open_loop();
    struct counts counts = {0};
    struct step others[2] = {step_of(&counts, say_word), step_of(&counts, say_word)};
    struct step first = step_of(&counts, wake_around_call_soon);
    first.other = others;
    first.word = "first";
    others[0].word = "before";
    others[1].word = "behind";
    wake(loop, &first);
    run(loop);
    ASSERT_RECORD(&history, "1:first 1:before 2:soon 2:behind 2:soon");
    close_loop(loop);
}

static int count_ticks(void *arg)
{
    struct served *served = arg;
    served->times++;
    if (stats_of(served->loop).ticks == 4)
        return via_loop_stop(served->loop);
    return via_call_soon(served->loop, count_ticks, served, NULL);
}

TEST(what_call_soon_schedules_is_not_prompt)
{
    via_loop *loop = open_virtual_loop();
    struct served served = {NULL, loop, 0, 0, 0};
    ck_assert_int_eq(via_call_soon(loop, count_ticks, &served, NULL), 0);
    run(loop);
    ck_assert_int_eq(served.times, 4);
    close_loop(loop);
}

static void stop_at_tenth(via_loop *loop, struct step *step)
{
    if (step->counts->runs == 10)
        ck_assert_int_eq(via_loop_stop(loop), 0);
    wake(loop, step);
}

TEST(a_stop_ends_the_generations)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step a = step_of(&counts, stop_at_tenth), b = a, c = a;
    wake(loop, &a);
    wake(loop, &b);
    wake(loop, &c);
    run(loop);
    ck_assert_int_eq(counts.runs, 10);
    ck_assert_uint_eq(stats_of(loop).ready, 3);
    close_loop(loop);
    ck_assert_int_eq(counts.drops, 3);
}

static void unref_at_tenth(via_loop *loop, struct step *step)
{
    wake(loop, step);
    if (step->counts->runs == 10)
        via_loop_unref(loop);
}

TEST(a_close_ends_the_generations)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, unref_at_tenth);
    wake(loop, &step);
    run(loop);
    ck_assert_int_eq(counts.runs, 10);
    ck_assert_int_eq(counts.drops, 1);
}

TEST(a_step_of_the_loop_runs_one_generation)
{
    via_loop *loop = open_loop();
    struct counts counts = {0};
    struct step a = step_of(&counts, go_on), b = a;
    wake(loop, &a);
    wake(loop, &b);
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(via_loop_step(loop, 0), 2);
        ck_assert_int_eq(counts.runs, 2 * i);
    }
    close_loop(loop);
}

static void *post_say_tick(void *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, say_tick, loop, NULL), 0);
    return NULL;
}

/* At the fifth run another thread sends a message. */
static void send_at_fifth(via_loop *loop, struct step *step)
{
    struct via_test_thread thread;
    if (step->counts->runs == 5) {
        via_test_thread_start(&thread, post_say_tick, loop);
        via_test_thread_join(&thread);
    }
    go_on(loop, step);
}

TEST(a_message_that_comes_meanwhile_waits_for_the_next_tick)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, send_at_fifth);
    wake(loop, &step);
    run(loop);
    ASSERT_RECORD(&history, "2:soon");
    ck_assert_int_eq(counts.in_tick[1], 1 + GENERATIONS);
    close_loop(loop);
}

TEST(messages_that_are_left_over_come_before_generations)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.virtual_clock = 1;
    options.drain_budget = 1;
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    struct counts counts = {0};
    struct step step = step_of(&counts, go_on);
    wake(loop, &step);
    post(loop, "one");
    post(loop, "two");
    run(loop);
    ASSERT_RECORD(&history, "one two");
    ck_assert_int_eq(counts.in_tick[1], 1);
    ck_assert_int_eq(counts.in_tick[2], 1 + GENERATIONS);
    close_loop(loop);
}

static int count_slow(const struct via_exception *exception, void *reports)
{
    (void)exception;
    return count_up(reports);
}

TEST(debug_mode_times_each_step)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, stop_at_tenth);
    int reports = 0;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, 0), 0);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, count_slow, &reports), 0);
    wake(loop, &step);
    run(loop);
    ck_assert_int_eq(reports, 10);
    close_loop(loop);
}

/* Runs 200 times without the clock moving. */
static void expect_no_time_to_pass(via_loop *loop, struct step *step)
{
    ck_assert_int_eq(via_loop_time_ns(loop), 0);
    if (step->counts->runs < 200)
        wake(loop, step);
}

TEST(a_clock_that_stands_still_jumps_only_when_the_last_step_has_run)
{
    via_loop *loop = open_virtual_loop();
    struct counts counts = {0};
    struct step step = step_of(&counts, expect_no_time_to_pass);
    ck_assert_int_eq(via_call_at(loop, VIA_S, stop_loop, loop, NULL), 0);
    wake(loop, &step);
    run(loop);
    ck_assert_int_eq(counts.runs, 200);
    ck_assert_int_eq(via_loop_time_ns(loop), VIA_S);
    close_loop(loop);
}

TEST_MAIN("loop/prompt", steps_that_wake_each_other_run_many_times_per_tick,
          a_generation_is_all_that_was_queued_when_it_began,
          by_the_real_clock_steps_run_several_times_per_tick_and_within_the_same_bound,
          steps_that_take_long_run_only_a_few_times_per_tick,
          a_descriptor_and_a_timer_are_served_within_the_bound,
          what_a_step_schedules_waits_for_the_next_tick_and_keeps_its_place,
          what_call_soon_schedules_is_not_prompt, a_stop_ends_the_generations, a_close_ends_the_generations,
          a_step_of_the_loop_runs_one_generation, a_message_that_comes_meanwhile_waits_for_the_next_tick,
          messages_that_are_left_over_come_before_generations, debug_mode_times_each_step,
          a_clock_that_stands_still_jumps_only_when_the_last_step_has_run)
