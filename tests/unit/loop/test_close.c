/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing: what is dropped, what is refused afterwards, who may close. */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

TEST(closing_again_does_nothing)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_is_closed(loop), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    via_loop_unref(loop);
}

TEST(a_closed_loop_refuses_to_run_and_to_schedule)
{
    via_loop *loop = open_loop();
    via_handle *handle = (via_handle *)&history;
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_step(loop, 0), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_stop(loop), VIA_ECLOSED);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, &handle), VIA_ECLOSED);
    ck_assert_int_eq(via_call_later(loop, 0, never_called, NULL, &handle), VIA_ECLOSED);
    ck_assert_int_eq(via_call_at(loop, 0, never_called, NULL, &handle), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_hold(loop), VIA_ECLOSED);
    ck_assert_ptr_eq(handle, (via_handle *)&history);
    ck_assert_ptr_null(via_loop_base(loop));
    ck_assert_int_eq(via_loop_is_running(loop), 0);
    via_loop_unref(loop);
}

TEST(a_closed_loop_refuses_to_watch)
{
    via_loop *loop = open_loop();
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], never_called, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_add_writer(loop, pipe_fds[1], never_called, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), VIA_ECLOSED);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    via_loop_unref(loop);
}

TEST(a_closed_loop_has_nothing_to_remove)
{
    via_loop *loop = open_loop();
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], never_called, NULL), 0);
    ck_assert_int_eq(via_loop_add_writer(loop, pipe_fds[1], never_called, NULL), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_remove_reader(loop, pipe_fds[0]), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_remove_writer(loop, pipe_fds[1]), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), VIA_ECLOSED);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    via_loop_unref(loop);
}

TEST(closing_drops_what_was_ready_timed_and_posted)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, -1, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, never_called, NULL, NULL), 0);
    close_loop(loop);
}

static void *post_one(void *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, never_called, NULL, NULL), 0);
    return NULL;
}

TEST(closing_drops_the_posts_of_other_threads)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_one, loop);
    via_test_thread_join(&thread);
    close_loop(loop);
}

TEST(closing_lets_go_of_watched_descriptors)
{
    via_loop *loop = open_loop();
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], never_called, NULL), 0);
    close_loop(loop);
    loop = open_loop();
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], say, "second-loop"), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "second-loop");
    close_loop(loop);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void *try_to_close(void *loop)
{
    int rc = via_loop_close(loop);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
    return (void *)(intptr_t)rc;
}

static int start_closing_thread(void *thread)
{
    via_test_thread_start(thread, try_to_close, via_loop_current());
    return 0;
}

TEST(another_thread_cannot_close_a_running_loop)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_call_soon(loop, start_closing_thread, &thread, NULL), 0);
    run(loop);
    ck_assert_int_eq((intptr_t)via_test_thread_join(&thread), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_is_closed(loop), 0);
    close_loop(loop);
}

TEST(dropping_the_last_reference_closes)
{
    via_loop *loop = open_loop();
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, pipe_fds[0], never_called, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, NULL), 0);
    ck_assert_ptr_null(via_loop_unref(loop));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void *drop_reference(void *loop)
{
    return via_loop_unref(loop);
}

TEST(any_thread_may_drop_the_last_reference_of_a_closed_loop)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_close(loop), 0);
    struct via_test_thread thread;
    via_test_thread_start(&thread, drop_reference, loop);
    ck_assert_ptr_null(via_test_thread_join(&thread));
}

static int drop_own_loop(void *loop)
{
    via_test_record(&history, "dropped");
    via_loop_unref(loop);
    return 0;
}

TEST(a_callback_may_drop_the_last_reference_of_the_running_loop)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, drop_own_loop, loop, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_loop_run_forever(loop), 0);
    ASSERT_RECORD(&history, "dropped");
    ck_assert_ptr_null(via_loop_current());
}

TEST(opening_and_closing_a_hundred_loops_leaves_nothing)
{
    int descriptors = via_test_descriptors();
    size_t blocks = via_test_heap_blocks();
    for (int i = 0; i < 100; i++) {
        via_loop *loop = open_loop();
        soon(loop, "x");
        run_one_tick(loop);
        close_loop(loop);
    }
    ck_assert_int_eq(via_test_descriptors(), descriptors);
    ck_assert_uint_le(via_test_heap_blocks(), blocks);
}

TEST(loops_are_independent_of_each_other)
{
    via_loop *a = open_loop();
    via_loop *b = open_loop();
    soon(a, "a");
    soon(b, "b");
    run_one_tick(b);
    ASSERT_RECORD(&history, "b");
    close_loop(b);
    run_one_tick(a);
    ASSERT_RECORD(&history, "b a");
    close_loop(a);
}

struct late_drop {
    via_loop *loop;
    struct event event;
    int polls; // still to come before the drop, so that the first tick is over
};

static void drop_loop(evutil_socket_t fd, short what, void *arg)
{
    struct late_drop *drop = arg;
    struct timeval at_once = {0, 0};
    (void)fd;
    (void)what;
    if (drop->polls-- > 0)
        event_add(&drop->event, &at_once);
    else
        via_loop_unref(drop->loop);
}

TEST(the_last_reference_may_go_in_an_event_of_the_program)
{
    struct late_drop drop = {.loop = open_loop(), .polls = 3};
    struct timeval at_once = {0, 0};
    evtimer_assign(&drop.event, via_loop_base(drop.loop), drop_loop, &drop);
    ck_assert_int_eq(event_add(&drop.event, &at_once), 0);
    ck_assert_int_eq(via_loop_run_forever(drop.loop), 0);
}

struct runner {
    via_loop *loop;
    struct via_test_gate gate;
};

static int come_to_gate(void *gate)
{
    via_test_gate_pass(gate);
    return 0;
}

static void *run_until_closed(void *arg)
{
    struct runner *runner = arg;
    ck_assert_int_eq(via_loop_run_forever(runner->loop), 0);
    return NULL;
}

TEST(the_last_reference_may_go_in_another_thread_while_the_loop_runs)
{
    struct runner runner = {open_loop(), VIA_TEST_GATE_INITIALIZER};
    struct via_test_thread thread;
    ck_assert_int_eq(via_call_soon(runner.loop, come_to_gate, &runner.gate, NULL), 0);
    via_test_gate_open(&runner.gate);
    via_test_thread_start(&thread, run_until_closed, &runner);
    via_test_gate_await(&runner.gate, 1);
    via_loop_unref(runner.loop);
    via_test_thread_join(&thread);
}

TEST_MAIN("loop/close", closing_again_does_nothing, a_closed_loop_refuses_to_run_and_to_schedule,
          a_closed_loop_refuses_to_watch, a_closed_loop_has_nothing_to_remove,
          closing_drops_what_was_ready_timed_and_posted, closing_drops_the_posts_of_other_threads,
          closing_lets_go_of_watched_descriptors, another_thread_cannot_close_a_running_loop,
          dropping_the_last_reference_closes, any_thread_may_drop_the_last_reference_of_a_closed_loop,
          a_callback_may_drop_the_last_reference_of_the_running_loop,
          opening_and_closing_a_hundred_loops_leaves_nothing, loops_are_independent_of_each_other,
          the_last_reference_may_go_in_an_event_of_the_program,
          the_last_reference_may_go_in_another_thread_while_the_loop_runs)
