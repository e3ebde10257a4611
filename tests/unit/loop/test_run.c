/* SPDX-License-Identifier: BSD-3-Clause */
/* Running: stop, steps, nesting, which thread a loop belongs to. */
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

TEST(a_run_stopped_beforehand_runs_one_tick)
{
    via_loop *loop = open_loop();
    soon(loop, "ready");
    ck_assert_int_eq(via_loop_stop(loop), 0);
    run(loop);
    ASSERT_RECORD(&history, "ready");
    ck_assert_uint_eq(stats_of(loop).ticks, 1);
    close_loop(loop);
}

TEST(a_run_stopped_beforehand_does_not_wait)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_loop_stop(loop), 0);
    run(loop);
    ck_assert_uint_eq(stats_of(loop).ticks, 1);
    close_loop(loop);
}

static int stop_and_schedule(void *loop)
{
    ck_assert_int_eq(via_loop_stop(loop), 0);
    soon(loop, "next-run");
    return 0;
}

TEST(stop_lets_the_tick_finish_and_leaves_the_rest_to_the_next_run)
{
    via_loop *loop = open_loop();
    soon(loop, "before");
    ck_assert_int_eq(via_call_soon(loop, stop_and_schedule, loop, NULL), 0);
    soon(loop, "after");
    run(loop);
    ASSERT_RECORD(&history, "before after");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "before after next-run");
    close_loop(loop);
}

static int stop_twice(void *loop)
{
    ck_assert_int_eq(via_loop_stop(loop), 0);
    ck_assert_int_eq(via_loop_stop(loop), 0);
    return 0;
}

static int say_and_stop(void *loop)
{
    via_test_record(&history, "ran");
    return via_loop_stop(loop);
}

TEST(stopping_twice_stops_one_run)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, stop_twice, loop, NULL), 0);
    run(loop);
    ck_assert_int_eq(via_call_later(loop, 2 * VIA_MS, say_and_stop, loop, NULL), 0);
    run(loop);
    ASSERT_RECORD(&history, "ran");
    close_loop(loop);
}

struct nested {
    via_loop *outer;
    via_loop *inner;
};

static int try_nested_runs(void *arg)
{
    struct nested *nested = arg;
    ck_assert_int_eq(via_loop_run_forever(nested->outer), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_step(nested->outer, 0), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_run_forever(nested->inner), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_step(nested->inner, 0), VIA_ERUNNING);
    ck_assert_ptr_eq(via_loop_current(), nested->outer);
    ck_assert_int_eq(via_loop_is_running(nested->inner), 0);
    via_test_record(&history, "refused");
    return via_loop_stop(nested->outer);
}

TEST(a_run_inside_a_run_is_refused_and_the_outer_one_goes_on)
{
    struct nested nested = {open_loop(), open_loop()};
    ck_assert_int_eq(via_call_soon(nested.outer, try_nested_runs, &nested, NULL), 0);
    soon(nested.outer, "outer-goes-on");
    run(nested.outer);
    ASSERT_RECORD(&history, "refused outer-goes-on");
    close_loop(nested.outer);
    close_loop(nested.inner);
}

static int expect_inside(void *loop)
{
    ck_assert_ptr_eq(via_loop_current(), loop);
    ck_assert_int_eq(via_loop_is_running(loop), 1);
    via_test_record(&history, "inside");
    return via_loop_stop(loop);
}

TEST(a_loop_is_current_and_running_only_while_it_runs)
{
    via_loop *loop = open_loop();
    ck_assert_ptr_null(via_loop_current());
    ck_assert_int_eq(via_loop_is_running(loop), 0);
    ck_assert_int_eq(via_call_soon(loop, expect_inside, loop, NULL), 0);
    run(loop);
    ASSERT_RECORD(&history, "inside");
    ck_assert_ptr_null(via_loop_current());
    ck_assert_int_eq(via_loop_is_running(loop), 0);
    close_loop(loop);
}

static void *expect_no_current(void *loop)
{
    ck_assert_ptr_null(via_loop_current());
    ck_assert_int_eq(via_loop_is_running(loop), 1);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
    return NULL;
}

static int start_thread(void *thread)
{
    via_test_thread_start(thread, expect_no_current, via_loop_current());
    return 0;
}

TEST(the_current_loop_is_a_matter_of_each_thread)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_call_soon(loop, start_thread, &thread, NULL), 0);
    run(loop);
    via_test_thread_join(&thread);
    close_loop(loop);
}

TEST(a_step_tells_how_many_callbacks_ran)
{
    via_loop *loop = open_loop();
    soon(loop, "a");
    soon(loop, "b");
    later(loop, -1, "c");
    ck_assert_int_eq(via_loop_step(loop, 0), 3);
    ck_assert_int_eq(via_loop_step(loop, 0), 0);
    close_loop(loop);
}

/* That is the tests' own way to step. */
TEST(run_until_is_content_with_a_condition_that_was_true_at_one_look)
{
    via_loop *loop = open_loop();
    int looks = 0;
    soon(loop, "a");
    RUN_UNTIL(loop, ++looks == 2);
    ck_assert_int_eq(looks, 2);
    close_loop(loop);
}

TEST(a_step_does_not_wait_when_something_is_ready)
{
    via_loop *loop = open_loop();
    soon(loop, "a");
    ck_assert_int_eq(via_loop_step(loop, VIA_FOREVER), 1);
    close_loop(loop);
}

TEST(a_step_waits_no_longer_than_its_timeout)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    int64_t before_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_loop_step(loop, 2 * VIA_MS), 0);
    ck_assert_int_ge(via_loop_time_ns(loop) - before_ns, VIA_MS);
    close_loop(loop);
}

TEST(a_step_ends_when_a_timer_is_due)
{
    via_loop *loop = open_loop();
    later(loop, VIA_MS, "timer");
    while (via_test_recorded(&history) == 0)
        ck_assert_int_ge(via_loop_step(loop, VIA_FOREVER), 0);
    ASSERT_RECORD(&history, "timer");
    close_loop(loop);
}

TEST(a_step_refuses_a_negative_timeout)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_step(loop, -1), VIA_EINVAL);
    ck_assert_int_eq(via_loop_step(loop, INT64_MIN), VIA_EINVAL);
    close_loop(loop);
}

TEST(a_foreign_main_loop_can_drive_a_loop_by_steps)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, expect_inside, loop, NULL), 0);
    later(loop, VIA_MS, "timer");
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    ASSERT_RECORD(&history, "inside timer");
    ck_assert_int_eq(via_loop_is_running(loop), 0);
    close_loop(loop);
}

static void *run_in_this_thread(void *loop)
{
    return (void *)(intptr_t)via_loop_run_forever(loop);
}

TEST(a_loop_may_be_run_by_another_thread_than_the_one_that_made_it)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, expect_inside, loop, NULL), 0);
    struct via_test_thread thread;
    via_test_thread_start(&thread, run_in_this_thread, loop);
    ck_assert_ptr_null(via_test_thread_join(&thread));
    ck_assert_int_eq(via_call_soon(loop, expect_inside, loop, NULL), 0);
    run(loop);
    ASSERT_RECORD(&history, "inside inside");
    close_loop(loop);
}

TEST(two_threads_cannot_run_one_loop_at_once)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_test_thread_start(&thread, run_in_this_thread, loop);
    AWAIT(via_loop_is_running(loop) == 1);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_step(loop, 0), VIA_ERUNNING);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
    ck_assert_ptr_null(via_test_thread_join(&thread));
    close_loop(loop);
}

/* A ball that two loops, each in a thread of its own, throw to each other. */
struct player {
    via_loop *loop;
    struct player *other;
    int *throws_left;
};

static int throw_ball(void *arg)
{
    struct player *player = arg;
    ck_assert_ptr_eq(via_loop_current(), player->loop);
    if ((*player->throws_left)-- > 0)
        return via_call_soon_threadsafe(player->other->loop, throw_ball, player->other, NULL);
    ck_assert_int_eq(via_call_soon_threadsafe(player->other->loop, stop_loop, player->other->loop, NULL), 0);
    return via_loop_stop(player->loop);
}

TEST(loops_in_several_threads_post_to_each_other)
{
    int throws_left = 200;
    struct player players[2] = {{open_loop(), &players[1], &throws_left},
                                {open_loop(), &players[0], &throws_left}};
    struct via_test_thread threads[2];
    for (int i = 0; i < 2; i++)
        via_test_thread_start(&threads[i], run_in_this_thread, players[i].loop);
    ck_assert_int_eq(via_call_soon_threadsafe(players[0].loop, throw_ball, &players[0], NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_ptr_null(via_test_thread_join(&threads[i]));
    ck_assert_int_eq(throws_left, -1);
    close_loop(players[0].loop);
    close_loop(players[1].loop);
}

TEST(a_descriptor_with_something_to_read_is_reported_once_in_each_stopped_run)
{
    via_loop *loop = open_loop();
    int pipe_fds[2];
    int calls = 0;
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], count_up, &calls), 0);
    run_one_tick(loop);
    ck_assert_int_eq(calls, 1);
    run_one_tick(loop);
    ck_assert_int_eq(calls, 2);
    close_loop(loop);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static int refuse_close(void *loop)
{
    ck_assert_int_eq(via_loop_close(loop), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_is_closed(loop), 0);
    via_test_record(&history, "refused");
    return via_loop_stop(loop);
}

TEST(a_running_loop_cannot_be_closed)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, refuse_close, loop, NULL), 0);
    run(loop);
    ASSERT_RECORD(&history, "refused");
    ck_assert_int_eq(via_call_soon(loop, refuse_close, loop, NULL), 0);
    ck_assert_int_eq(via_loop_step(loop, 0), 1);
    close_loop(loop);
}

TEST(the_defaults_of_the_options_make_a_loop)
{
    struct via_loop_options options;
    memset(&options, 0xff, sizeof options);
    via_loop_options_init(&options);
    ck_assert_ptr_null(options.base);
    ck_assert_int_eq(options.linger_ns, 20 * VIA_US);
    ck_assert_int_eq(options.nap_ns, 200 * VIA_US);
    ck_assert_int_eq(options.drain_budget, 1024);
    ck_assert_int_eq(options.virtual_clock, 0);
    via_loop_options_init(NULL);
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    close_loop(loop);
    ck_assert_int_eq(via_loop_new_with(NULL, &loop), 0);
    close_loop(loop);
}

TEST(options_out_of_range_are_refused)
{
    struct via_loop_options options;
    via_loop *loop = (via_loop *)&history;
    via_loop_options_init(&options);
    options.linger_ns = -1;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), VIA_EINVAL);
    via_loop_options_init(&options);
    options.drain_budget = 0;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), VIA_EINVAL);
    options.drain_budget = -5;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), VIA_EINVAL);
    via_loop_options_init(&options);
    ck_assert_int_eq(via_loop_new_with(&options, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_new(NULL), VIA_EINVAL);
    ck_assert_ptr_eq(loop, (via_loop *)&history);
}

TEST(a_missing_loop_is_refused_everywhere)
{
    struct via_loop_stats stats;
    ck_assert_int_eq(via_loop_run_forever(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_step(NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_loop_stop(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_close(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_is_running(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_is_closed(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_time_ns(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_stats(NULL, &stats), VIA_EINVAL);
    ck_assert_ptr_null(via_loop_base(NULL));
    ck_assert_ptr_null(via_loop_ref(NULL));
    ck_assert_ptr_null(via_loop_unref(NULL));
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_stats(loop, NULL), VIA_EINVAL);
    close_loop(loop);
}

TEST(the_last_reference_closes_the_loop)
{
    via_loop *loop = open_loop();
    soon(loop, "dropped");
    ck_assert_ptr_eq(via_loop_ref(loop), loop);
    ck_assert_ptr_null(via_loop_unref(loop));
    ck_assert_int_eq(via_loop_is_closed(loop), 0);
    ck_assert_ptr_null(via_loop_unref(loop));
    ASSERT_RECORD(&history, "");
}

TEST(the_time_of_a_loop_is_the_monotonic_clock)
{
    via_loop *loop = open_loop();
    int64_t before_ns = via_now_ns();
    int64_t time_ns = via_loop_time_ns(loop);
    ck_assert_int_le(before_ns, time_ns);
    ck_assert_int_le(time_ns, via_now_ns());
    ck_assert_int_le(time_ns, via_loop_time_ns(loop));
    close_loop(loop);
}

TEST_MAIN("loop/run", a_run_stopped_beforehand_runs_one_tick, a_run_stopped_beforehand_does_not_wait,
          stop_lets_the_tick_finish_and_leaves_the_rest_to_the_next_run, stopping_twice_stops_one_run,
          a_run_inside_a_run_is_refused_and_the_outer_one_goes_on,
          a_loop_is_current_and_running_only_while_it_runs, the_current_loop_is_a_matter_of_each_thread,
          a_step_tells_how_many_callbacks_ran,
          run_until_is_content_with_a_condition_that_was_true_at_one_look,
          a_step_does_not_wait_when_something_is_ready, a_step_waits_no_longer_than_its_timeout,
          a_step_ends_when_a_timer_is_due, a_step_refuses_a_negative_timeout,
          a_foreign_main_loop_can_drive_a_loop_by_steps,
          a_loop_may_be_run_by_another_thread_than_the_one_that_made_it,
          two_threads_cannot_run_one_loop_at_once, loops_in_several_threads_post_to_each_other,
          a_descriptor_with_something_to_read_is_reported_once_in_each_stopped_run,
          a_running_loop_cannot_be_closed, the_defaults_of_the_options_make_a_loop,
          options_out_of_range_are_refused, a_missing_loop_is_refused_everywhere,
          the_last_reference_closes_the_loop, the_time_of_a_loop_is_the_monotonic_clock)
