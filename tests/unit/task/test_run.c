/* SPDX-License-Identifier: BSD-3-Clause */
/* via_run() and runners: what a run returns, how often there may be one, and where. */
#include "unit/task/run_fixture.h"

#include <viaduct/log.h>

static int fail_with_text(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_fail(42, "no %s", "luck");
}

static int fail_with_status(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return VIA_EBUSY;
}

static int cancel_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_task_cancel(via_current_task(), NULL);
    return via_yield();
}

TEST(a_run_gives_the_value_of_its_main_task)
{
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_run(succeed, &number, &value), 0);
    ck_assert_ptr_eq(value, &number);
    ck_assert_int_eq(via_run(succeed, &number, NULL), 0);
}

TEST(a_run_fails_as_its_main_task_does)
{
    void *value = &value;
    ck_assert_int_eq(via_run(fail_with_status, NULL, &value), VIA_EBUSY);
    ck_assert_int_eq(via_run(fail_with_text, NULL, &value), VIA_EFAILED);
    ck_assert_int_eq(via_run(cancel_itself, NULL, &value), VIA_ECANCELED);
    ck_assert_ptr_eq(value, &value);
}

TEST(a_run_without_a_function_is_refused)
{
    struct via_runner_options options;
    struct via_outcome outcome;
    via_runner *runner = open_runner(), *other = NULL;
    ck_assert_int_eq(via_run(NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_runner_run(runner, NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_runner_run(NULL, succeed, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_runner_outcome(runner, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_runner_outcome(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_runner_outcome(runner, &outcome), VIA_EPENDING);
    ck_assert_int_eq(via_runner_close(NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_runner_loop(NULL));
    ck_assert_ptr_null(via_runner_free(NULL));
    via_runner_options_init(NULL);
    via_runner_options_init(&options);
    ck_assert_int_eq(via_runner_new(&options, NULL), VIA_EINVAL);
    options.executor_timeout_ns = -1;
    ck_assert_int_eq(via_runner_new(&options, &other), VIA_EINVAL);
    via_runner_options_init(&options);
    options.stack_bytes = SIZE_MAX;
    ck_assert_int_eq(via_runner_new(&options, &other), VIA_EINVAL);
    ck_assert_ptr_null(other);
    close_runner(runner);
}

static int run_within(void *runner, void **result)
{
    (void)result;
    ck_assert_int_eq(via_run(succeed, NULL, NULL), VIA_ERUNNING);
    ck_assert_int_eq(via_runner_run(runner, succeed, NULL, NULL), VIA_ERUNNING);
    ck_assert_int_eq(via_runner_close(runner), VIA_ERUNNING);
    ck_assert_ptr_null(via_runner_free(runner));
    return 0;
}

TEST(a_run_inside_of_a_running_loop_is_refused)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, run_within, runner), 0);
    close_runner(runner);
}

TEST(a_runner_runs_several_times_on_one_loop)
{
    via_runner *runner = open_runner();
    via_loop *loop = via_runner_loop(runner);
    int numbers[2] = {1, 2};
    for (int i = 0; i < 2; i++) {
        void *value = NULL;
        ck_assert_int_eq(via_runner_run(runner, succeed, &numbers[i], &value), 0);
        ck_assert_ptr_eq(value, &numbers[i]);
        ck_assert_ptr_eq(via_runner_loop(runner), loop);
    }
    close_runner(runner);
}

static int start_sleeper(void *arg, void **result)
{
    (void)result;
    drop(via_create_task(sleep_for_ever, arg));
    return via_yield();
}

static int sleep_longer(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_sleep(2000 * VIA_S);
}

TEST(what_a_run_leaves_goes_on_in_the_next)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, start_sleeper, "sleeper"), 0);
    ASSERT_RECORD(&history, "");
    ck_assert_int_eq(run_status(runner, sleep_longer, NULL), 0);
    ASSERT_RECORD(&history, "sleeper:VIA_OK");
    close_runner(runner);
}

TEST(a_runner_may_be_closed_twice_and_runs_no_more)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, succeed, NULL), 0);
    ck_assert_int_eq(via_runner_close(runner), 0);
    ck_assert_int_eq(via_runner_close(runner), 0);
    ck_assert_int_eq(run_status(runner, succeed, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_is_closed(via_runner_loop(runner)), 1);
    ck_assert_int_eq(last_outcome(runner).status, 0);
    ck_assert_ptr_null(via_runner_free(runner));
}

TEST(a_runner_that_never_ran_can_be_closed)
{
    via_runner *runner = NULL;
    ck_assert_int_eq(via_runner_new(NULL, &runner), 0);
    ck_assert_ptr_null(via_runner_free(runner));
}

TEST(the_outcome_of_a_run_has_code_and_text)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, fail_with_text, NULL), VIA_EFAILED);
    struct via_outcome outcome = last_outcome(runner);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 42);
    ck_assert_str_eq(outcome.message, "no luck");
    ck_assert_int_eq(run_status(runner, succeed, NULL), 0);
    ck_assert_ptr_null(last_outcome(runner).message);
    close_runner(runner);
    ck_assert_int_eq(reports.count, 0);
}

static void keep_line(enum via_log_level level, const char *text, void *line)
{
    ck_assert_int_eq(level, VIA_LOG_ERROR);
    strncpy(line, text, 99);
}

TEST(the_text_of_a_failed_run_goes_to_the_log)
{
    char line[100] = "";
    via_set_log_hook(keep_line, line);
    ck_assert_int_eq(via_run(fail_with_text, NULL, NULL), VIA_EFAILED);
    ck_assert_str_eq(line, "the main task failed: no luck");
    via_set_log_hook(NULL, NULL);
}

static int name_of_main(void *name, void **result)
{
    (void)result;
    strncpy(name, via_task_name(NULL), 19);
    return via_loop_current() ? 0 : 1;
}

TEST(the_main_task_has_a_name_and_the_loop_its_options)
{
    struct via_runner_options options;
    char name[20] = "";
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, name_of_main, name), 0);
    ck_assert_str_eq(name, "main");
    close_runner(runner);
    via_runner_options_init(&options);
    options.name = "server";
    options.debug = 1;
    options.stack_bytes = 1 << 20;
    runner = open_runner_with(&options);
    ck_assert_int_eq(run_status(runner, name_of_main, name), 0);
    ck_assert_str_eq(name, "server");
    close_runner(runner);
}

static int stop_and_wait(void *arg, void **result)
{
    (void)result;
    ck_assert_int_eq(via_loop_stop(via_loop_current()), 0);
    return sleep_for_ever(arg, result);
}

TEST(a_loop_that_is_stopped_ends_the_run_and_its_main_task)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, stop_and_wait, "main"), VIA_ESTOPPED);
    ASSERT_RECORD(&history, "main:VIA_ECANCELED");
    ck_assert_int_eq(run_status(runner, succeed, NULL), 0);
    close_runner(runner);
}

static int stop_and_succeed(void *arg, void **result)
{
    (void)stop_and_wait(arg, result);
    *result = arg;
    return 0;
}

TEST(a_main_task_that_succeeds_after_a_stop_has_succeeded)
{
    via_runner *runner = open_runner();
    void *value = NULL;
    ck_assert_int_eq(via_runner_run(runner, stop_and_succeed, "main", &value), 0);
    ck_assert_str_eq(value, "main");
    close_runner(runner);
}

TEST(a_status_becomes_what_main_returns)
{
    ck_assert_int_eq(via_exit_status(0), 0);
    ck_assert_int_eq(via_exit_status(VIA_EINTERRUPTED), 130);
    ck_assert_int_eq(via_exit_status(VIA_EFAILED), 1);
    ck_assert_int_eq(via_exit_status(VIA_ECANCELED), 1);
    ck_assert_int_eq(via_exit_status(3), 3);
    ck_assert_int_eq(via_exit_status(125), 125);
    ck_assert_int_eq(via_exit_status(126), 1);
}

static int fork_and_run(void *arg)
{
    int number = 5;
    void *value = NULL;
    via_runner *runner = arg;
    if (via_current_task())
        return 3;
    if (via_runner_run(runner, succeed, NULL, NULL) != VIA_EFORKED || via_runner_close(runner) != VIA_EFORKED)
        return 1;
    return via_run(succeed, &number, &value) == 0 && value == &number ? 0 : 2;
}

static int fork_in_main(void *runner, void **result)
{
    (void)result;
    return via_test_fork(fork_and_run, runner);
}

TEST(a_forked_child_leaves_the_runner_to_its_parent_and_can_run_itself)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, fork_in_main, runner), 0);
    close_runner(runner);
}

TEST_MAIN("task/run", a_run_gives_the_value_of_its_main_task, a_run_fails_as_its_main_task_does,
          a_run_without_a_function_is_refused, a_run_inside_of_a_running_loop_is_refused,
          a_runner_runs_several_times_on_one_loop, what_a_run_leaves_goes_on_in_the_next,
          a_runner_may_be_closed_twice_and_runs_no_more, a_runner_that_never_ran_can_be_closed,
          the_outcome_of_a_run_has_code_and_text, the_text_of_a_failed_run_goes_to_the_log,
          the_main_task_has_a_name_and_the_loop_its_options,
          a_loop_that_is_stopped_ends_the_run_and_its_main_task,
          a_main_task_that_succeeds_after_a_stop_has_succeeded, a_status_becomes_what_main_returns,
          a_forked_child_leaves_the_runner_to_its_parent_and_can_run_itself)
