/* SPDX-License-Identifier: BSD-3-Clause */
/* The watchdog comes and goes, and so do the loops and threads that it watches, and the process. */
#include <signal.h>
#include <sys/wait.h>

#include "unit/debug/watchdog_fixture.h"

/* A callback out of which its thread ends. */
static int end_thread(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static void *run_to_the_end(void *loop)
{
    via_loop_run_forever(loop);
    return NULL;
}

TEST(a_thread_that_has_ended_in_a_callback_is_not_reported)
{
    struct stuck stuck = {.name = "survivor", .let_go_at = VIA_BLOCKED_WAITS, .enough = 2};
    struct via_test_thread thread;
    via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_DESCRIPTORS, "the loop goes with its thread");
    struct via_watchdog_options patient = {.threshold_ns = via_test_bound_ns(), .report = hear};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    ck_assert_int_eq(via_watchdog_enable(&patient), 0);
    via_loop *lost = open_watched_loop(), *loop = open_watched_loop();
    ck_assert_int_eq(via_call_soon(lost, end_thread, NULL, NULL), 0);
    via_test_thread_start(&thread, run_to_the_end, lost);
    via_test_thread_join(&thread);
    enable(); /* from here on it seems to be blocked */
    run_task(loop, waiting_task, &stuck);
    disable();
    for (int i = 0; i < atomic_load(&heard_count); i++)
        ck_assert_ptr_ne(heard[i].loop, lost);
    close_loop(loop);
    finish(&stuck);
}

/* A report function that goes on when the loop is gone. */
static struct via_test_gate late_gate = VIA_TEST_GATE_INITIALIZER;

static void hear_slowly(const struct via_blockage *blockage, void *arg)
{
    hear(blockage, arg);
    if (blockage->task && strcmp(blockage->task, "short-lived") == 0)
        via_test_gate_pass(&late_gate);
}

TEST(a_loop_may_be_closed_and_freed_during_its_report)
{
    struct stuck stuck = {.name = "short-lived", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct via_watchdog_options options = plain_options();
    options.report = hear_slowly;
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    close_loop(loop);
    via_test_gate_open(&late_gate);
    disable();
    find("short-lived", VIA_BLOCKED_WAITS);
    finish(&stuck);
}

TEST(it_may_be_enabled_again_with_other_options_but_not_with_another_signal)
{
    struct via_watchdog_options options = plain_options();
    struct stuck stuck = {.name = "late", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    int threads = via_test_threads();
    ck_assert_int_eq(via_watchdog_enable(NULL), 0);
    ck_assert_int_eq(via_watchdog_enable(NULL), 0);
    ck_assert_int_eq(via_test_threads(), threads + 1);
    options.signo = SIGUSR1;
    ck_assert_int_eq(via_watchdog_enable(&options), VIA_EBUSY);
    options.signo = SIGVTALRM;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    find("late", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

TEST(it_may_be_disabled_at_any_time_and_enabled_again)
{
    struct stuck stuck = {.name = "again", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    int threads = via_test_threads();
    disable();
    enable();
    via_loop *loop = open_watched_loop();
    RUN_TICKS(loop, 3);
    disable();
    disable();
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_test_threads(), threads);
    enable();
    run_task(loop, waiting_task, &stuck);
    disable();
    find("again", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

TEST(what_makes_no_sense_is_refused)
{
    const int no_signals[] = {-1, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 1000};
    struct via_watchdog_options options = {.threshold_ns = -1};
    ck_assert_int_eq(via_watchdog_enable(&options), VIA_EINVAL);
    options.threshold_ns = 0;
    for (size_t i = 0; i < sizeof no_signals / sizeof *no_signals; i++) {
        options.signo = no_signals[i];
        ck_assert_int_eq(via_watchdog_enable(&options), VIA_EINVAL);
    }
    options.signo = 0;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    disable();
}

static int status_in_report[2];
static char thread_name[32];
static sigset_t mask_in_report;

static void hear_and_try(const struct via_blockage *blockage, void *arg)
{
    status_in_report[0] = via_watchdog_enable(NULL);
    status_in_report[1] = via_watchdog_disable();
    pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_in_report);
    hear(blockage, arg);
}

TEST(its_thread_has_a_name_takes_no_signals_and_may_not_end_itself)
{
    struct stuck stuck = {.name = "any", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    struct via_watchdog_options options = plain_options();
    options.report = hear_and_try;
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    ck_assert_int_eq(via_watchdog_enable(&options), 0);
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    ck_assert_int_eq(status_in_report[0], VIA_EDEADLK);
    ck_assert_int_eq(status_in_report[1], VIA_EDEADLK);
    ck_assert_str_eq(thread_name, "via-watchdog");
    ck_assert_int_eq(sigismember(&mask_in_report, SIGINT), 1);
    ck_assert_int_eq(sigismember(&mask_in_report, SIGVTALRM), 1);
    close_loop(loop);
    finish(&stuck);
}

static _Atomic int chained_calls;

static void count_signal(int signo)
{
    (void)signo;
    atomic_fetch_add(&chained_calls, 1);
}

TEST(the_handler_that_was_there_gets_its_own_signals_only)
{
    struct stuck stuck = {.name = "signalled", .let_go_at = VIA_BLOCKED_WAITS, .enough = 2};
    struct sigaction action = {.sa_flags = SA_RESTART};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    action.sa_handler = count_signal;
    ck_assert_int_eq(sigaction(SIGVTALRM, &action, NULL), 0);
    enable();
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, &stuck);
    disable();
    ck_assert_int_gt(find("signalled", VIA_BLOCKED_WAITS)->frames, 0);
    ck_assert_int_eq(atomic_load(&chained_calls), 0);
    raise(SIGVTALRM);
    ck_assert_int_eq(atomic_load(&chained_calls), 1);
    close_loop(loop);
    finish(&stuck);
}

/* In the child nothing is watched until it says so itself. */
static int watch_in_child(void *arg)
{
    struct stuck *stuck = arg;
    if (via_test_threads() != 1 && !UNDER_THREAD_SANITIZER) /* it has one */
        return 1;
    struct via_watchdog_options options = plain_options();
    if (UNDER_THREAD_SANITIZER) /* which takes a new thread for one of the parent's */
        return via_watchdog_disable();
    if (via_watchdog_disable() < 0 || via_watchdog_enable(&options) < 0)
        return 2;
    via_loop *loop = open_watched_loop();
    run_task(loop, waiting_task, stuck);
    if (via_watchdog_disable() < 0)
        return 3;
    close_loop(loop);
    return is_heard(stuck->name, VIA_BLOCKED_WAITS) ? 0 : 4;
}

TEST(a_forked_child_may_have_a_watchdog_of_its_own)
{
    struct stuck stuck = {.name = "child", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    enable();
    via_loop *loop = open_watched_loop();
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_test_fork(watch_in_child, &stuck), 0);
    run_task(loop, waiting_task, &stuck);
    disable();
    find("child", VIA_BLOCKED_WAITS);
    close_loop(loop);
    finish(&stuck);
}

/* A report that never returns, once it has let the task go. */
static void hear_for_ever(const struct via_blockage *blockage, void *arg)
{
    hear(blockage, arg);
    while (atomic_load(&stuck_ones[0]->may_go))
        pause();
}

static void leave_during_a_report(struct stuck *stuck)
{
    struct via_watchdog_options options = plain_options();
    options.report = hear_for_ever;
    if (via_watchdog_enable(&options) < 0)
        _exit(98);
    run_task(open_watched_loop(), waiting_task, stuck);
}

static void leave_while_it_is_idle(struct stuck *stuck)
{
    enable();
    run_task(open_watched_loop(), waiting_task, stuck);
}

/* Runs it in a child that then leaves with exit(), and gives the status. */
static int status_of_exit(void (*fn)(struct stuck *stuck))
{
    struct stuck stuck = {.name = "last", .let_go_at = VIA_BLOCKED_WAITS, .enough = 1};
    int status = -1;
    prepare(&stuck);
    stuck_ones[0] = &stuck;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_THREADS | VIA_TEST_DESCRIPTORS,
                          "the process ends with the watchdog");
        fn(&stuck);
        exit(7);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    finish(&stuck);
    return status;
}

TEST(it_does_not_keep_the_process)
{
    ck_assert_int_eq(status_of_exit(leave_during_a_report), 7 << 8);
    ck_assert_int_eq(status_of_exit(leave_while_it_is_idle), 7 << 8);
}

TEST_MAIN("debug/watchdog_life", a_thread_that_has_ended_in_a_callback_is_not_reported,
          a_loop_may_be_closed_and_freed_during_its_report,
          it_may_be_enabled_again_with_other_options_but_not_with_another_signal,
          it_may_be_disabled_at_any_time_and_enabled_again, what_makes_no_sense_is_refused,
          its_thread_has_a_name_takes_no_signals_and_may_not_end_itself,
          the_handler_that_was_there_gets_its_own_signals_only, a_forked_child_may_have_a_watchdog_of_its_own,
          it_does_not_keep_the_process)
