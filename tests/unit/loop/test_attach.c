/* SPDX-License-Identifier: BSD-3-Clause */
/* Loops over a base of the program's, which the program runs itself. */
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/loop/evthread_fixture.h"
#include "unit/loop/loop_fixture.h"

static via_loop *attach(struct event_base *base)
{
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    ck_assert_ptr_eq(via_loop_base(loop), base);
    return loop;
}

/* event_base_dispatch() returns 1 when it ends because there is no event left. */
static void dispatch_to_the_end(struct event_base *base)
{
    ck_assert_int_eq(event_base_dispatch(base), 1);
}

static struct event_base *base_without(const char *first, const char *second)
{
    struct event_config *config = event_config_new();
    ck_assert_ptr_nonnull(config);
    if (first)
        event_config_avoid_method(config, first);
    if (second)
        event_config_avoid_method(config, second);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    ck_assert_ptr_nonnull(base);
    return base;
}

TEST(with_nothing_outstanding_the_program_may_end)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    dispatch_to_the_end(base);
    dispatch_to_the_end(base);
    close_loop(loop);
    event_base_free(base);
}

TEST(a_ready_callback_keeps_the_program_until_it_has_run)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    soon(loop, "a");
    soon(loop, "b");
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "a b");
    close_loop(loop);
    event_base_free(base);
}

TEST(a_timer_keeps_the_program_until_it_has_run)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    int64_t now_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_call_at(loop, now_ns + 2 * VIA_MS, say, "second", NULL), 0);
    ck_assert_int_eq(via_call_at(loop, now_ns + VIA_MS, say, "first", NULL), 0);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "first second");
    close_loop(loop);
    event_base_free(base);
}

TEST(a_cancelled_timer_does_not_keep_the_program)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, &handle), 0);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    via_handle_unref(handle);
    dispatch_to_the_end(base);
    close_loop(loop);
    event_base_free(base);
}

static void *post_and_release(void *loop)
{
    post(loop, "posted");
    ck_assert_int_eq(via_loop_release(loop), 0);
    return NULL;
}

TEST(a_hold_keeps_the_program_until_it_is_released_elsewhere)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_hold(loop), 0);
    via_test_thread_start(&thread, post_and_release, loop);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "posted");
    via_test_thread_join(&thread);
    close_loop(loop);
    event_base_free(base);
}

/* A program in a thread of its own: that thread attaches the loop, and runs the base. */
struct program {
    struct event_base *base;
    struct via_test_thread thread;
    struct via_test_gate attached;
    via_loop *loop;
    int holds;
};

static void *be_program(void *arg)
{
    struct program *program = arg;
    program->loop = attach(program->base);
    if (program->holds)
        ck_assert_int_eq(via_loop_hold(program->loop), 0);
    via_test_gate_pass(&program->attached);
    return (void *)(intptr_t)event_base_dispatch(program->base);
}

static void start_program(struct program *program)
{
    via_test_gate_open(&program->attached);
    via_test_thread_start(&program->thread, be_program, program);
    via_test_gate_await(&program->attached, 1);
    via_test_thread_await_blocked(&program->thread);
}

TEST(a_release_alone_lets_a_sleeping_program_end)
{
    struct program program = {.base = event_base_new(), .attached = VIA_TEST_GATE_INITIALIZER, .holds = 1};
    start_program(&program);
    ck_assert_int_eq(via_loop_release(program.loop), 0);
    ck_assert_int_eq((intptr_t)via_test_thread_join(&program.thread), 1);
    close_loop(program.loop);
    event_base_free(program.base);
}

static int remove_reader_of(void *fd)
{
    via_test_record(&history, "read");
    ck_assert_int_eq(via_loop_remove_reader(via_loop_current(), *(int *)fd), 1);
    return 0;
}

static void use_everything(struct event_base *base)
{
    via_loop *loop = attach(base);
    struct via_test_thread thread;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    via_test_recorder_clear(&history);
    soon(loop, "soon");
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], remove_reader_of, &fds[0]), 0);
    later(loop, VIA_MS, "timer");
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "soon read timer");
    ck_assert_int_eq(via_loop_hold(loop), 0);
    via_test_thread_start(&thread, post_and_release, loop);
    dispatch_to_the_end(base);
    via_test_thread_join(&thread);
    ASSERT_RECORD(&history, "soon read timer posted");
    close_loop(loop);
    close(fds[0]);
    close(fds[1]);
}

TEST(a_base_with_any_backend_will_do)
{
    static const char *const avoided[][2] = {{NULL, NULL}, {"epoll", NULL}, {"epoll", "poll"}};
    static const char *const expected[] = {"epoll", "poll", "select"};
    for (int i = 0; i < 3; i++) {
        struct event_base *base = base_without(avoided[i][0], avoided[i][1]);
        ck_assert_str_eq(event_base_get_method(base), expected[i]);
        use_everything(base);
        event_base_free(base);
    }
}

TEST(a_base_with_any_number_of_priorities_will_do)
{
    static const int priorities[] = {1, 2, 3, 8, 255};
    for (int i = 0; i < 5; i++) {
        struct event_base *base = event_base_new();
        ck_assert_int_eq(event_base_priority_init(base, priorities[i]), 0);
        use_everything(base);
        event_base_free(base);
    }
}

TEST(a_base_with_locks_will_do)
{
    use_evthread();
    struct event_base *base = event_base_new();
    use_everything(base);
    event_base_free(base);
}

static void break_base(evutil_socket_t fd, short what, void *base)
{
    (void)fd;
    (void)what;
    via_test_record(&history, "program");
    event_base_loopbreak(base);
}

static int break_program(void *base)
{
    via_test_record(&history, "posted");
    return event_base_loopbreak(base);
}

static void post_to_sleeping_program(struct event_base *base)
{
    struct program program = {.base = base, .attached = VIA_TEST_GATE_INITIALIZER};
    struct event *own = event_new(base, -1, EV_PERSIST, break_base, base);
    struct timeval hour = {3600, 0};
    ck_assert_int_eq(event_add(own, &hour), 0);
    start_program(&program);
    ck_assert_int_eq(via_call_soon_threadsafe(program.loop, break_program, base, NULL), 0);
    ck_assert_int_eq((intptr_t)via_test_thread_join(&program.thread), 0);
    ASSERT_RECORD(&history, "posted");
    event_free(own);
    close_loop(program.loop);
    event_base_free(base);
}

TEST(a_post_reaches_a_program_that_sleeps_over_its_own_events)
{
    post_to_sleeping_program(event_base_new());
}

TEST(a_post_reaches_a_program_with_locks_that_sleeps_over_its_own_events)
{
    use_evthread();
    post_to_sleeping_program(event_base_new());
}

TEST(a_post_reaches_a_program_that_sleeps_in_poll)
{
    post_to_sleeping_program(base_without("epoll", NULL));
}

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

/* Ends the program when both sides have had their turn. */
static void break_after_the_loop_ran(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct again *again = arg;
    if (again->runs >= 3)
        event_base_loopbreak(via_loop_base(again->loop));
}

/* The program's event has to be served although the loop always has something ready, and the other way round.
 * The loop has the priority that libevent gives to every event; what the program puts below that waits, as
 * libevent has it. */
static void compete_with_program(int priorities, int program_priority)
{
    struct event_base *base = event_base_new();
    ck_assert_int_eq(event_base_priority_init(base, priorities), 0);
    via_loop *loop = attach(base);
    struct again again = {loop, 0};
    struct timeval often = {0, 1000};
    struct event *program = event_new(base, -1, EV_PERSIST, break_after_the_loop_ran, &again);
    ck_assert_int_eq(event_priority_set(program, program_priority), 0);
    ck_assert_int_eq(event_add(program, &often), 0);
    ck_assert_int_eq(via_call_soon(loop, run_again, &again, NULL), 0);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_int_ge(again.runs, 3);
    event_free(program);
    close_loop(loop);
    event_base_free(base);
}

TEST(a_busy_loop_does_not_starve_the_program)
{
    compete_with_program(1, 0);
}

TEST(a_busy_loop_does_not_starve_the_program_among_three_priorities)
{
    compete_with_program(3, 1);
}

TEST(a_busy_loop_does_not_starve_the_program_among_eight_priorities)
{
    compete_with_program(8, 4);
}

TEST(a_busy_loop_gives_way_to_a_higher_priority)
{
    compete_with_program(8, 0);
}

static int expect_running(void *loop)
{
    ck_assert_ptr_eq(via_loop_current(), loop);
    ck_assert_int_eq(via_loop_is_running(loop), 1);
    ck_assert_int_eq(via_loop_run_forever(loop) < 0, 1);
    via_test_record(&history, "inside");
    return 0;
}

TEST(an_attached_loop_runs_while_one_of_its_callbacks_does)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    ck_assert_ptr_null(via_loop_current());
    ck_assert_int_eq(via_loop_is_running(loop), 0);
    ck_assert_int_eq(via_call_soon(loop, expect_running, loop, NULL), 0);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "inside");
    ck_assert_ptr_null(via_loop_current());
    ck_assert_int_eq(via_loop_is_running(loop), 0);
    close_loop(loop);
    event_base_free(base);
}

TEST(an_attached_loop_is_run_by_its_program_only)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_ENOTSUP);
    ck_assert_int_eq(via_loop_step(loop, 0), VIA_ENOTSUP);
    close_loop(loop);
    event_base_free(base);
}

TEST(stop_breaks_the_programs_loop)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    ck_assert_int_eq(via_call_soon(loop, stop_loop, loop, NULL), 0);
    soon(loop, "same-tick");
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ASSERT_RECORD(&history, "same-tick");
    close_loop(loop);
    event_base_free(base);
}

TEST(a_program_may_poll_its_base_without_waiting)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    later(loop, 3600 * VIA_S, "never");
    soon(loop, "a");
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    ASSERT_RECORD(&history, "a");
    close_loop(loop);
    event_base_free(base);
}

static int close_own_loop(void *loop)
{
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_test_record(&history, "closing");
    return 0;
}

TEST(a_callback_may_close_its_own_loop)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    ck_assert_int_eq(via_call_soon(loop, close_own_loop, loop, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "closing");
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_loop_unref(loop);
    event_base_free(base);
}

static int close_own_loop_and_drop_it(void *loop)
{
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_loop_unref(loop);
    via_test_record(&history, "gone");
    return 0;
}

TEST(a_callback_may_close_and_drop_its_own_loop)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    ck_assert_int_eq(via_call_later(loop, 0, close_own_loop_and_drop_it, loop, NULL), 0);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "gone");
    event_base_free(base);
}

TEST(a_reader_may_close_its_own_loop)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], close_own_loop, loop), 0);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "closing");
    via_loop_unref(loop);
    event_base_free(base);
    close(fds[0]);
    close(fds[1]);
}

TEST(the_base_is_usable_after_the_loop_was_closed)
{
    struct event_base *base = event_base_new();
    close_loop(attach(base));
    struct timeval now = {0, 0};
    struct event *program = event_new(base, -1, 0, break_base, base);
    ck_assert_int_eq(event_add(program, &now), 0);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ASSERT_RECORD(&history, "program");
    via_loop *loop = attach(base);
    soon(loop, "again");
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "program again");
    close_loop(loop);
    event_free(program);
    event_base_free(base);
}

static void break_and_schedule(evutil_socket_t fd, short what, void *loop)
{
    (void)fd;
    (void)what;
    via_test_record(&history, "program");
    soon(loop, "from-program");
    later(loop, VIA_MS, "timer-from-program");
}

TEST(the_programs_own_events_may_schedule_callbacks)
{
    struct event_base *base = event_base_new();
    via_loop *loop = attach(base);
    struct timeval now = {0, 0};
    struct event *program = event_new(base, -1, 0, break_and_schedule, loop);
    ck_assert_int_eq(event_add(program, &now), 0);
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "program from-program timer-from-program");
    event_free(program);
    close_loop(loop);
    event_base_free(base);
}

TEST(two_loops_may_share_a_base)
{
    struct event_base *base = event_base_new();
    via_loop *a = attach(base);
    via_loop *b = attach(base);
    soon(a, "a");
    later(b, VIA_MS, "b");
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "a b");
    close_loop(a);
    soon(b, "b-alone");
    dispatch_to_the_end(base);
    ASSERT_RECORD(&history, "a b b-alone");
    close_loop(b);
    event_base_free(base);
}

TEST(attaching_refuses_missing_arguments)
{
    struct event_base *base = event_base_new();
    via_loop *loop = (via_loop *)&history;
    ck_assert_int_eq(via_loop_attach(NULL, &loop), VIA_EINVAL);
    ck_assert_int_eq(via_loop_attach(base, NULL), VIA_EINVAL);
    ck_assert_ptr_eq(loop, (via_loop *)&history);
    event_base_free(base);
}

TEST_MAIN("loop/attach", with_nothing_outstanding_the_program_may_end,
          a_ready_callback_keeps_the_program_until_it_has_run, a_timer_keeps_the_program_until_it_has_run,
          a_cancelled_timer_does_not_keep_the_program,
          a_hold_keeps_the_program_until_it_is_released_elsewhere,
          a_release_alone_lets_a_sleeping_program_end, a_base_with_any_backend_will_do,
          a_base_with_any_number_of_priorities_will_do, a_base_with_locks_will_do,
          a_post_reaches_a_program_that_sleeps_over_its_own_events,
          a_post_reaches_a_program_with_locks_that_sleeps_over_its_own_events,
          a_post_reaches_a_program_that_sleeps_in_poll, a_busy_loop_does_not_starve_the_program,
          a_busy_loop_does_not_starve_the_program_among_three_priorities,
          a_busy_loop_does_not_starve_the_program_among_eight_priorities,
          a_busy_loop_gives_way_to_a_higher_priority, an_attached_loop_runs_while_one_of_its_callbacks_does,
          an_attached_loop_is_run_by_its_program_only, stop_breaks_the_programs_loop,
          a_program_may_poll_its_base_without_waiting, a_callback_may_close_its_own_loop,
          a_callback_may_close_and_drop_its_own_loop, a_reader_may_close_its_own_loop,
          the_base_is_usable_after_the_loop_was_closed, the_programs_own_events_may_schedule_callbacks,
          two_loops_may_share_a_base, attaching_refuses_missing_arguments)
