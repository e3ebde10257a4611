/* SPDX-License-Identifier: BSD-3-Clause */
/* Signal handlers that run in the loop. */
#include <signal.h>
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

static void (*disposition_of(int signo))(int)
{
    struct sigaction action;
    ck_assert_int_eq(sigaction(signo, NULL, &action), 0);
    return action.sa_handler;
}

static void earlier_handler(int signo)
{
    (void)signo;
}

TEST(a_signal_runs_its_handler_in_the_loop)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, say, "usr1"), 0);
    ck_assert_uint_eq(stats_of(loop).watches, 1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ASSERT_RECORD(&history, "");
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ASSERT_RECORD(&history, "usr1");
    close_loop(loop);
}

TEST(each_signal_has_its_own_handler_and_argument)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, say, "usr1"), 0);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR2, say, "usr2"), 0);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    ASSERT_RECORD(&history, "usr2 usr1");
    close_loop(loop);
}

TEST(a_new_handler_replaces_the_old_one)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), 0);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, say, "second"), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), 1);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), 0);
    close_loop(loop);
}

TEST(signals_that_cannot_be_handled_are_refused)
{
    via_loop *loop = open_loop();
    const int bad[] = {-1, 0, SIGKILL, SIGSTOP, NSIG + 1, 12345};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(via_loop_add_signal_handler(loop, bad[i], never_called, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_add_signal_handler(NULL, SIGUSR1, say, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_remove_signal_handler(NULL, SIGUSR1), VIA_EINVAL);
    ck_assert_uint_eq(stats_of(loop).watches, 0);
    close_loop(loop);
}

TEST(removing_a_handler_restores_what_the_signal_did_before)
{
    signal(SIGUSR1, earlier_handler);
    signal(SIGUSR2, SIG_DFL);
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), 0);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), 0);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR2, say, "usr2"), 0);
    ck_assert_ptr_ne((void *)disposition_of(SIGUSR1), (void *)earlier_handler);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), 1);
    ck_assert_ptr_eq((void *)disposition_of(SIGUSR1), (void *)earlier_handler);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR2), 1);
    ck_assert_ptr_eq((void *)disposition_of(SIGUSR2), (void *)SIG_DFL);
    close_loop(loop);
}

TEST(closing_the_loop_restores_all_signals)
{
    signal(SIGUSR1, earlier_handler);
    signal(SIGUSR2, SIG_IGN);
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), 0);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR2, never_called, NULL), 0);
    close_loop(loop);
    ck_assert_ptr_eq((void *)disposition_of(SIGUSR1), (void *)earlier_handler);
    ck_assert_ptr_eq((void *)disposition_of(SIGUSR2), (void *)SIG_IGN);
}

TEST(a_handler_removed_before_its_turn_is_not_called)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), 1);
    RUN_TICKS(loop, 3);
    close_loop(loop);
}

static int remove_own_handler(void *loop)
{
    via_test_record(&history, "removed");
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), 1);
    return 0;
}

TEST(a_handler_may_remove_itself)
{
    signal(SIGUSR1, SIG_IGN);
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, remove_own_handler, loop), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    RUN_TICKS(loop, 3);
    ASSERT_RECORD(&history, "removed");
    close_loop(loop);
}

TEST(a_system_call_that_a_handled_signal_interrupts_is_restarted)
{
    via_loop *loop = open_loop();
    struct sigaction action;
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &action), 0);
    ck_assert(action.sa_flags & SA_RESTART);
    close_loop(loop);
}

static void *run_in_this_thread(void *loop)
{
    return (void *)(intptr_t)via_loop_run_forever(loop);
}

TEST(a_signal_wakes_a_sleeping_loop)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, stop_loop, loop), 0);
    via_test_thread_start(&thread, run_in_this_thread, loop);
    via_test_thread_await_blocked(&thread);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    ck_assert_ptr_null(via_test_thread_join(&thread));
    close_loop(loop);
}

TEST(a_handler_stays_until_it_is_removed)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, stop_loop, loop), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(raise(SIGUSR1), 0);
        run(loop);
    }
    close_loop(loop);
}

TEST_MAIN("loop/signal", a_signal_runs_its_handler_in_the_loop, each_signal_has_its_own_handler_and_argument,
          a_new_handler_replaces_the_old_one, signals_that_cannot_be_handled_are_refused,
          removing_a_handler_restores_what_the_signal_did_before, closing_the_loop_restores_all_signals,
          a_handler_removed_before_its_turn_is_not_called, a_handler_may_remove_itself,
          a_system_call_that_a_handled_signal_interrupts_is_restarted, a_signal_wakes_a_sleeping_loop,
          a_handler_stays_until_it_is_removed)
