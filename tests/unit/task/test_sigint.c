/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGINT while a run goes on. */
#include "unit/task/run_fixture.h"

#include <unistd.h>

static volatile sig_atomic_t handled_elsewhere;

static void handle_elsewhere(int signo)
{
    (void)signo;
    handled_elsewhere++;
}

/* Whoever started this program may have SIGINT ignored or caught. */
static void set_sigint(void (*handler)(int signo))
{
    ck_assert(signal(SIGINT, handler) != SIG_ERR);
}

static void assert_sigint(void (*handler)(int signo))
{
    struct sigaction now;
    ck_assert_int_eq(sigaction(SIGINT, NULL, &now), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)now.sa_handler, (void *)(uintptr_t)handler);
}

static int interrupt(void *unused)
{
    (void)unused;
    return raise(SIGINT);
}

static void interrupt_soon(void)
{
    ck_assert_int_eq(via_call_soon(via_loop_current(), interrupt, NULL, NULL), 0);
}

static int yield_for_ever(void *arg, void **result)
{
    int status;
    (void)arg;
    (void)result;
    interrupt_soon();
    while ((status = via_yield()) == 0)
        continue;
    via_test_record(&history, "%s:%s", via_status_name(status), via_task_cancel_reason(NULL));
    return status;
}

TEST(sigint_cancels_a_main_task_that_never_rests)
{
    set_sigint(SIG_DFL);
    ck_assert_int_eq(via_run(yield_for_ever, NULL, NULL), VIA_EINTERRUPTED);
    ASSERT_RECORD(&history, "VIA_ECANCELED:interrupted by SIGINT");
    assert_sigint(SIG_DFL);
}

static int wait_interrupted(void *arg, void **result)
{
    interrupt_soon();
    return sleep_for_ever(arg, result);
}

TEST(sigint_cancels_what_the_main_task_awaits)
{
    set_sigint(SIG_DFL);
    ck_assert_int_eq(via_run(wait_interrupted, "main", NULL), VIA_EINTERRUPTED);
    ASSERT_RECORD(&history, "main:VIA_ECANCELED");
}

static int await_interrupted(void *arg, void **result)
{
    interrupt_soon();
    return await_nothing(arg, result);
}

TEST(a_run_that_waits_for_sigint_alone_takes_a_hold)
{
    set_sigint(SIG_DFL);
    via_runner *runner = open_runner();
    ck_assert_int_eq(via_loop_hold(via_runner_loop(runner)), 0);
    ck_assert_int_eq(run_status(runner, await_interrupted, NULL), VIA_EINTERRUPTED);
    ck_assert_int_eq(via_loop_release(via_runner_loop(runner)), 0);
    ck_assert_int_eq(last_outcome(runner).status, VIA_EINTERRUPTED);
    ck_assert_int_eq(run_status(runner, succeed, NULL), 0);
    close_runner(runner);
}

static int cancel_and_interrupt(void *task)
{
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    return raise(SIGINT);
}

static int wait_cancelled(void *arg, void **result)
{
    via_loop *loop = via_loop_current();
    ck_assert_int_eq(via_call_soon(loop, cancel_and_interrupt, via_current_task(), NULL), 0);
    return sleep_for_ever(arg, result);
}

TEST(sigint_to_a_main_task_that_was_cancelled_before_is_no_interruption)
{
    set_sigint(SIG_DFL);
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, wait_cancelled, "main"), VIA_ECANCELED);
    (void)via_runner_close(runner); /* hears of SIGINT now, and hurries */
    ck_assert_ptr_null(via_runner_free(runner));
    assert_sigint(SIG_DFL);
}

static int survive(void *arg, void **result)
{
    (void)wait_interrupted(arg, result);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_yield(), 0);
    *result = arg;
    return 0;
}

TEST(a_main_task_that_takes_sigint_back_succeeds)
{
    void *value = NULL;
    set_sigint(SIG_DFL);
    ck_assert_int_eq(via_run(survive, "main", &value), 0);
    ck_assert_str_eq(value, "main");
}

static int ignore_one(void *arg, void **result)
{
    (void)wait_interrupted(arg, result);
    struct via_scope scope;
    ck_assert_int_eq(via_shield_begin(&scope), 0);
    interrupt_soon();
    int status = via_sleep(1000 * VIA_S);
    via_test_record(&history, "again:%s", via_status_name(status));
    return status;
}

TEST(a_second_sigint_ends_the_run_at_once)
{
    struct via_runner_options options;
    set_sigint(SIG_DFL);
    via_runner_options_init(&options);
    via_runner *runner = open_runner_with(&options);
    ck_assert_int_eq(run_status(runner, ignore_one, "main"), VIA_EINTERRUPTED);
    ASSERT_RECORD(&history, "main:VIA_ECANCELED again:VIA_ECANCELED");
    ck_assert_int_eq(via_loop_is_closed(via_runner_loop(runner)), 1);
    assert_sigint(SIG_DFL);
    close_runner(runner);
}

static int clean_up_for_long(void *arg, void **result)
{
    struct via_scope scope;
    (void)arg;
    (void)result;
    (void)!via_sleep(1000 * VIA_S);
    ck_assert_int_eq(via_shield_begin(&scope), 0);
    interrupt_soon();
    int status = via_sleep(1000 * VIA_S);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int leave_a_slow_one(void *arg, void **result)
{
    *result = arg;
    drop(via_create_task(clean_up_for_long, NULL));
    return via_yield();
}

TEST(sigint_during_the_clean_up_ends_that_at_once)
{
    void *value = NULL;
    set_sigint(SIG_DFL);
    ck_assert_int_eq(via_run(leave_a_slow_one, "main", &value), 0);
    ck_assert_str_eq(value, "main");
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    assert_sigint(SIG_DFL);
}

static int block_in_main(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++)
        raise(SIGINT);
    return 0;
}

static int run_blocked(void *unused)
{
    (void)unused;
    signal(SIGINT, SIG_DFL);
    return via_exit_status(via_run(block_in_main, NULL, NULL));
}

TEST(a_third_sigint_ends_the_process)
{
    ck_assert_int_eq(via_test_fork(run_blocked, NULL), -SIGINT);
}

static int run_interrupted(void *unused)
{
    (void)unused;
    signal(SIGINT, SIG_DFL);
    return via_exit_status(via_run(wait_interrupted, "main", NULL));
}

TEST(an_interrupted_program_exits_as_a_shell_expects)
{
    ck_assert_int_eq(via_test_fork(run_interrupted, NULL), 130);
}

static int interrupt_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    raise(SIGINT);
    return via_yield();
}

TEST(sigint_that_does_something_else_is_left_alone)
{
    set_sigint(handle_elsewhere);
    ck_assert_int_eq(via_run(interrupt_itself, NULL, NULL), 0);
    ck_assert_int_eq(handled_elsewhere, 1);
    assert_sigint(handle_elsewhere);
    set_sigint(SIG_DFL);
}

static int take_over(void *arg, void **result)
{
    (void)arg;
    (void)result;
    set_sigint(handle_elsewhere);
    return 0;
}

TEST(a_handler_that_the_main_task_installs_stays)
{
    set_sigint(SIG_DFL);
    ck_assert_int_eq(via_run(take_over, NULL, NULL), 0);
    assert_sigint(handle_elsewhere);
    set_sigint(SIG_DFL);
}

static int look_at_sigint(void *arg, void **result)
{
    (void)arg;
    (void)result;
    assert_sigint(SIG_DFL);
    return 0;
}

static void *run_elsewhere(void *unused)
{
    (void)unused;
    ck_assert_int_eq(via_run(look_at_sigint, NULL, NULL), 0);
    return NULL;
}

TEST(another_thread_leaves_sigint_alone)
{
    struct via_test_thread thread;
    set_sigint(SIG_DFL);
    via_test_thread_start(&thread, run_elsewhere, NULL);
    via_test_thread_join(&thread);
}

TEST(a_runner_can_be_told_to_leave_sigint_alone)
{
    struct via_runner_options options;
    set_sigint(SIG_DFL);
    via_runner_options_init(&options);
    options.handle_sigint = 0;
    via_runner *runner = open_runner_with(&options);
    ck_assert_int_eq(run_status(runner, look_at_sigint, NULL), 0);
    close_runner(runner);
}

static int child_of_a_run(void *unused)
{
    (void)unused;
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
        return 1;
    return via_run(wait_interrupted, "child", NULL) == VIA_EINTERRUPTED ? 0 : 2;
}

static int fork_in_main(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_test_fork(child_of_a_run, NULL);
}

TEST(a_forked_child_has_the_default_action_again)
{
    set_sigint(SIG_DFL);
    ck_assert_int_eq(via_run(fork_in_main, NULL, NULL), 0);
}

TEST_MAIN("task/sigint", sigint_cancels_a_main_task_that_never_rests,
          sigint_cancels_what_the_main_task_awaits, a_run_that_waits_for_sigint_alone_takes_a_hold,
          sigint_to_a_main_task_that_was_cancelled_before_is_no_interruption,
          a_main_task_that_takes_sigint_back_succeeds, a_second_sigint_ends_the_run_at_once,
          sigint_during_the_clean_up_ends_that_at_once, a_third_sigint_ends_the_process,
          an_interrupted_program_exits_as_a_shell_expects, sigint_that_does_something_else_is_left_alone,
          a_handler_that_the_main_task_installs_stays, another_thread_leaves_sigint_alone,
          a_runner_can_be_told_to_leave_sigint_alone, a_forked_child_has_the_default_action_again)
