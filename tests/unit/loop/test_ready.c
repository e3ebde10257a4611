/* SPDX-License-Identifier: BSD-3-Clause */
/* The ready queue: what a tick runs, and in which order. */
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

/* A callback that schedules itself again for as long as its loop runs. */
struct again {
    via_loop *loop;
    int runs;
};

static int run_again(void *arg)
{
    struct again *again = arg;
    again->runs++;
    return via_call_soon(again->loop, run_again, again, NULL);
}

TEST(a_callback_never_runs_at_once)
{
    via_loop *loop = open_loop();
    int runs = 0;
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, NULL), 0);
    ck_assert_int_eq(runs, 0);
    run_one_tick(loop);
    ck_assert_int_eq(runs, 1);
    close_loop(loop);
}

TEST(ready_callbacks_run_first_in_first_out)
{
    via_loop *loop = open_loop();
    soon(loop, "a");
    soon(loop, "b");
    soon(loop, "c");
    soon(loop, "d");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "a b c d");
    close_loop(loop);
}

struct numbered {
    int number;
    int *next;
};

static int expect_number(void *arg)
{
    struct numbered *numbered = arg;
    ck_assert_int_eq(numbered->number, *numbered->next);
    (*numbered->next)++;
    return 0;
}

TEST(a_thousand_callbacks_run_in_order_in_one_tick)
{
    via_loop *loop = open_loop();
    static struct numbered callbacks[1000];
    int next = 0;
    for (int i = 0; i < 1000; i++) {
        callbacks[i] = (struct numbered){i, &next};
        ck_assert_int_eq(via_call_soon(loop, expect_number, &callbacks[i], NULL), 0);
    }
    ck_assert_int_eq(via_loop_step(loop, 0), 1000);
    ck_assert_int_eq(next, 1000);
    close_loop(loop);
}

TEST(a_callback_runs_exactly_once)
{
    via_loop *loop = open_loop();
    int runs = 0;
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, NULL), 0);
    RUN_TICKS(loop, 5);
    ck_assert_int_eq(runs, 1);
    close_loop(loop);
}

TEST(the_same_function_and_argument_may_be_scheduled_twice)
{
    via_loop *loop = open_loop();
    int runs = 0;
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(runs, 2);
    close_loop(loop);
}

static int say_and_schedule(void *loop)
{
    via_test_record(&history, "outer");
    soon(loop, "inner");
    return 0;
}

TEST(what_a_callback_schedules_runs_in_the_next_tick)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, say_and_schedule, loop, NULL), 0);
    soon(loop, "neighbour");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "outer neighbour");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "outer neighbour inner");
    close_loop(loop);
}

TEST(one_tick_runs_the_ready_then_descriptors_then_timers)
{
    via_loop *loop = open_loop();
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], say, "reader"), 0);
    later(loop, -1, "timer");
    soon(loop, "soon");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "soon reader timer");
    close_loop(loop);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

TEST(one_tick_runs_ready_and_posted_in_order_then_timers_by_deadline)
{
    via_loop *loop = open_loop();
    soon(loop, "soon1");
    later(loop, 0, "later(0)");
    soon(loop, "soon2");
    post(loop, "threadsafe");
    later(loop, -VIA_S, "later(-1)");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "soon1 soon2 threadsafe later(-1) later(0)");
    close_loop(loop);
}

TEST(a_callback_that_schedules_itself_does_not_starve_a_descriptor)
{
    via_loop *loop = open_loop();
    struct again again = {loop, 0};
    int pipe_fds[2];
    int reads = 0;
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], count_up, &reads), 0);
    ck_assert_int_eq(via_call_soon(loop, run_again, &again, NULL), 0);
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(reads, 0);
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    RUN_TICKS(loop, 2);
    ck_assert_int_ge(reads, 1);
    ck_assert_int_eq(again.runs, 5);
    close_loop(loop);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

TEST(a_callback_that_schedules_itself_does_not_starve_a_timer)
{
    via_loop *loop = open_loop();
    struct again again = {loop, 0};
    ck_assert_int_eq(via_call_soon(loop, run_again, &again, NULL), 0);
    stop_after(loop, VIA_MS);
    run(loop);
    ck_assert_int_ge(again.runs, 1);
    close_loop(loop);
}

static void *post_stop(void *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
    return NULL;
}

TEST(a_callback_that_schedules_itself_does_not_starve_other_threads)
{
    via_loop *loop = open_loop();
    struct again again = {loop, 0};
    ck_assert_int_eq(via_call_soon(loop, run_again, &again, NULL), 0);
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_stop, loop);
    run(loop);
    via_test_thread_join(&thread);
    ck_assert_int_ge(again.runs, 1);
    close_loop(loop);
}

TEST(a_ready_callback_counts_as_ready_and_not_as_timer)
{
    via_loop *loop = open_loop();
    soon(loop, "a");
    soon(loop, "b");
    ck_assert_uint_eq(stats_of(loop).ready, 2);
    ck_assert_uint_eq(stats_of(loop).timers, 0);
    run_one_tick(loop);
    ck_assert_uint_eq(stats_of(loop).ready, 0);
    ck_assert_uint_eq(stats_of(loop).callbacks, 2);
    close_loop(loop);
}

TEST(a_tick_with_nothing_to_do_runs_nothing)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_step(loop, 0), 0);
    ck_assert_uint_eq(stats_of(loop).callbacks, 0);
    close_loop(loop);
}

TEST(call_soon_refuses_a_missing_loop_or_function)
{
    via_loop *loop = open_loop();
    via_handle *handle = (via_handle *)&history;
    ck_assert_int_eq(via_call_soon(NULL, say, "x", &handle), VIA_EINVAL);
    ck_assert_int_eq(via_call_soon(loop, NULL, "x", &handle), VIA_EINVAL);
    ck_assert_ptr_eq(handle, (via_handle *)&history);
    ck_assert_int_eq(via_loop_step(loop, 0), 0);
    close_loop(loop);
}

TEST_MAIN("loop/ready", a_callback_never_runs_at_once, ready_callbacks_run_first_in_first_out,
          a_thousand_callbacks_run_in_order_in_one_tick, a_callback_runs_exactly_once,
          the_same_function_and_argument_may_be_scheduled_twice,
          what_a_callback_schedules_runs_in_the_next_tick,
          one_tick_runs_the_ready_then_descriptors_then_timers,
          one_tick_runs_ready_and_posted_in_order_then_timers_by_deadline,
          a_callback_that_schedules_itself_does_not_starve_a_descriptor,
          a_callback_that_schedules_itself_does_not_starve_a_timer,
          a_callback_that_schedules_itself_does_not_starve_other_threads,
          a_ready_callback_counts_as_ready_and_not_as_timer, a_tick_with_nothing_to_do_runs_nothing,
          call_soon_refuses_a_missing_loop_or_function)
