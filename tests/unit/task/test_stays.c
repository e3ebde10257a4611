/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that take back that the end of their run has asked them to stop. */
#include "unit/task/run_fixture.h"

static const char goes_on[] =
    "a task has taken its request to stop back and goes on, while the end of the run waits for it";

/* For how long the task goes on after it was cancelled. */
static int go_on(void *duration_ns, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_sleep(*(int64_t *)duration_ns), 0);
    via_test_record(&history, "done");
    return 0;
}

static int leave_one(void *duration_ns, void **result)
{
    struct via_task_options options = {.name = "stayer"};
    (void)result;
    via_future_unref(via_create_task_with(NULL, go_on, duration_ns, &options));
    return via_yield();
}

static void expect_reports(int64_t duration_ns, int count)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_one, &duration_ns), 0);
    close_runner(runner);
    ASSERT_RECORD(&history, "done");
    ck_assert_int_eq(reports.count, count);
}

TEST(one_that_goes_on_is_waited_for_and_named_once)
{
    expect_reports(60 * VIA_S, 1);
    ck_assert_str_eq(reports.message, goes_on);
    ck_assert_str_eq(reports.task, "stayer");
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)go_on);
}

TEST(one_that_cleans_up_for_a_moment_is_not_reported)
{
    expect_reports(VIA_S, 0);
}

static int wait_for_what_never_comes(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    int status = via_await(via_future_new(via_loop_current()), NULL);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int leave_one_that_waits(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future_unref(via_create_task(wait_for_what_never_comes, NULL));
    return via_yield();
}

TEST(one_that_nothing_can_end_is_still_found_and_ended)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_one_that_waits, NULL), 0);
    ck_assert_int_eq(via_runner_close(runner), VIA_EDEADLK);
    ck_assert_int_eq(reports.count, 2);
    ck_assert_int_eq(reports.status, VIA_EDEADLK);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    ck_assert_ptr_null(via_runner_free(runner));
}

static int main_stays(void *duration_ns, void **result)
{
    (void)result;
    ck_assert_int_eq(via_loop_stop(via_loop_current()), 0);
    return go_on(duration_ns, result);
}

TEST(a_main_task_is_named_too_and_the_next_run_is_as_always)
{
    via_runner *runner = open_runner();
    int64_t long_ns = 60 * VIA_S, short_ns = VIA_S;
    ck_assert_int_eq(run_status(runner, main_stays, &long_ns), 0);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.task, "main");
    ck_assert_int_eq(run_status(runner, main_stays, &short_ns), 0);
    ck_assert_int_eq(stats_of(via_runner_loop(runner)).timers, 0);
    ck_assert_int_eq(reports.count, 1);
    close_runner(runner);
}

/* Nobody has asked this one. */
static int take_nothing_back(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_sleep(60 * VIA_S), 0);
    via_test_record(&history, "other");
    return 0;
}

static int go_on_with_another(void *duration_ns, void **result)
{
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    via_future_unref(via_create_task(take_nothing_back, NULL));
    (void)result;
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_sleep(*(int64_t *)duration_ns), 0);
    return 0;
}

static int leave_one_with_another(void *duration_ns, void **result)
{
    struct via_task_options options = {.name = "stayer"};
    (void)result;
    via_future_unref(via_create_task_with(NULL, go_on_with_another, duration_ns, &options));
    return via_yield();
}

TEST(one_that_was_not_asked_has_taken_nothing_back)
{
    int64_t duration_ns = 100 * VIA_S;
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_one_with_another, &duration_ns), 0);
    close_runner(runner);
    ASSERT_RECORD(&history, "other");
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.task, "stayer");
}

/* Succeeded, so it was never asked. */
static int leave_done_and_tell(void *task, void **result)
{
    *(via_future **)task = via_create_task(succeed, NULL);
    (void)result;
    return via_yield();
}

TEST(nothing_is_taken_back_when_the_run_has_ended)
{
    via_future *task = NULL;
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_done_and_tell, &task), 0);
    ck_assert_int_eq(via_runner_close(runner), 0);
    ck_assert_int_eq(via_task_uncancel(task), 0);
    via_future_unref(task);
    ck_assert_ptr_null(via_runner_free(runner));
}

TEST_MAIN("task/stays", one_that_goes_on_is_waited_for_and_named_once,
          one_that_cleans_up_for_a_moment_is_not_reported, one_that_nothing_can_end_is_still_found_and_ended,
          a_main_task_is_named_too_and_the_next_run_is_as_always,
          one_that_was_not_asked_has_taken_nothing_back, nothing_is_taken_back_when_the_run_has_ended)
