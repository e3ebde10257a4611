/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of what a run has left, and of a run that nothing can end. */
#include "unit/task/run_fixture.h"

#include <viaduct/log.h>

static int clean_up_slowly(void *word, void **result)
{
    struct via_scope scope;
    int status = sleep_for_ever(word, result);
    ck_assert_int_eq(via_shield_begin(&scope), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_shield_end(&scope), 0);
    via_test_record(&history, "clean:%s", (const char *)word);
    return status;
}

static int leave_two(void *arg, void **result)
{
    (void)arg;
    (void)result;
    drop(via_create_task(clean_up_slowly, "a"));
    drop(via_create_task(clean_up_slowly, "b"));
    return via_yield();
}

TEST(tasks_that_are_left_are_all_cancelled_and_then_run_to_their_ends)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_two, NULL), 0);
    ASSERT_RECORD(&history, "");
    close_runner(runner);
    ASSERT_RECORD(&history, "a:VIA_ECANCELED b:VIA_ECANCELED clean:a clean:b");
    ck_assert_int_eq(reports.count, 0);
}

static int fail_in_clean_up(void *word, void **result)
{
    (void)sleep_for_ever(word, result);
    return via_fail(3, "the disk is full");
}

static int leave_a_failing_one(void *arg, void **result)
{
    (void)result;
    drop(via_create_task(fail_in_clean_up, "a"));
    (void)arg;
    return via_yield();
}

TEST(the_error_of_a_task_that_is_left_is_reported_once)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_a_failing_one, NULL), 0);
    close_runner(runner);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EFAILED);
    ck_assert_str_eq(reports.message, "a task failed while the run was being shut down");
    ck_assert_str_eq(reports.text, "the disk is full");
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)fail_in_clean_up);
}

static int start_another(void *word, void **result)
{
    int status = sleep_for_ever(word, result);
    drop(via_create_task(sleep_for_ever, "late"));
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    return status;
}

static int leave_a_starter(void *arg, void **result)
{
    (void)result;
    drop(via_create_task(start_another, arg));
    return via_yield();
}

TEST(a_task_that_is_made_meanwhile_is_cancelled_in_the_next_round)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_a_starter, "early"), 0);
    close_runner(runner);
    ASSERT_RECORD(&history, "early:VIA_ECANCELED late:VIA_ECANCELED");
}

/* A clock that jumps stands still as long as anything runs. */
static int clean_up_by_turns(void *word, void **result)
{
    struct via_scope scope;
    int status = sleep_for_ever(word, result);
    ck_assert_int_eq(via_shield_begin(&scope), 0);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_shield_end(&scope), 0);
    via_test_record(&history, "clean:%s", (const char *)word);
    return status;
}

static int leave_a_deaf_one(void *arg, void **result)
{
    (void)arg;
    (void)result;
    drop(via_create_task(never_heed, NULL));
    drop(via_create_task(clean_up_by_turns, "good"));
    return via_yield();
}

TEST(a_task_that_does_not_heed_is_not_waited_for_and_the_others_are)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_a_deaf_one, NULL), 0);
    close_runner(runner);
    ASSERT_RECORD(&history, "good:VIA_ECANCELED clean:good");
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EEXITED);
}

/* ---- nothing left to wait for ---- */

TEST(a_run_that_nothing_can_end_names_the_waiting_task)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, await_nothing, NULL), VIA_EDEADLK);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EDEADLK);
    ck_assert_str_eq(reports.message, "nothing is left that could complete the main task");
    ck_assert_str_eq(reports.text, "main waits for a promise\n");
    struct via_outcome outcome = last_outcome(runner);
    ck_assert_int_eq(outcome.status, VIA_EDEADLK);
    ck_assert_str_eq(outcome.message, "main waits for a promise\n");
    ck_assert_int_eq(run_status(runner, succeed, NULL), 0);
    close_runner(runner);
    ck_assert_int_eq(via_run(await_nothing, NULL, NULL), VIA_EDEADLK);
}

static int await_a_child(void *arg, void **result)
{
    struct via_task_options options = {.name = "child"};
    via_future *child = via_create_task_with(NULL, await_nothing, NULL, &options);
    (void)arg;
    return via_await(child, result);
}

TEST(a_run_that_nothing_can_end_names_every_waiting_task)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, await_a_child, NULL), VIA_EDEADLK);
    ck_assert_str_eq(reports.text, "main waits for child\nchild waits for a promise\n");
    close_runner(runner);
}

static int await_nothing_shielded(void *arg, void **result)
{
    struct via_scope scope;
    ck_assert_int_eq(via_shield_begin(&scope), 0);
    int status = await_nothing(arg, result);
    ck_assert_int_eq(via_shield_end(&scope), 0);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

TEST(a_main_task_that_cannot_even_be_cancelled_is_ended_by_closing)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, await_nothing_shielded, NULL), VIA_EDEADLK);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    ck_assert_int_eq(via_loop_is_closed(via_runner_loop(runner)), 1);
    ck_assert_int_eq(run_status(runner, succeed, NULL), VIA_ECLOSED);
    close_runner(runner);
}

static int leave_a_shielded_one(void *arg, void **result)
{
    struct via_task_options options = {.name = "stuck"};
    (void)result;
    drop(via_create_task_with(NULL, await_nothing_shielded, arg, &options));
    return via_yield();
}

TEST(a_task_that_is_left_and_that_nothing_can_end_is_named_and_ended_by_closing)
{
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_a_shielded_one, NULL), 0);
    ck_assert_int_eq(via_runner_close(runner), VIA_EDEADLK);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.text, "stuck waits for a promise\n");
    close_runner(runner);
}

static int run_and_describe(void *arg, void **result)
{
    (void)arg;
    return await_nothing(NULL, result);
}

TEST(who_runs_the_loop_for_a_task_can_have_the_waiting_ones_described)
{
    via_loop *loop = open_loop();
    char text[100];
    via_future *task = via_create_task_with(loop, run_and_describe, NULL, NULL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), VIA_EDEADLK);
    ck_assert_int_gt(via_tasks_describe(loop, sizeof text, text), 0);
    ck_assert_str_eq(text, "Task-1 waits for a promise\n");
    via_future_unref(task);
    close_loop(loop);
}

/* ---- the default executor ---- */

struct slow_call {
    struct via_test_gate gate;
    int returned;
};

static int pass_gate(void *arg, void **result)
{
    struct slow_call *call = arg;
    (void)result;
    via_test_gate_pass(&call->gate);
    call->returned = 1;
    return 0;
}

static int leave_a_call(void *arg, void **result)
{
    struct slow_call *call = arg;
    (void)result;
    drop(via_to_thread(pass_gate, arg));
    via_test_gate_await(&call->gate, 1);
    return 0;
}

static int leave_an_open_call(void *arg, void **result)
{
    struct slow_call *call = arg;
    int status = leave_a_call(arg, result);
    via_test_gate_open(&call->gate);
    return status;
}

TEST(closing_waits_for_the_calls_on_the_default_executor)
{
    struct slow_call call = {.gate = VIA_TEST_GATE_INITIALIZER};
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_an_open_call, &call), 0);
    close_runner(runner);
    ck_assert_int_eq(call.returned, 1);
    ck_assert_int_eq(reports.count, 0);
}

TEST(calls_that_do_not_return_in_time_are_left_behind_and_reported)
{
    struct slow_call call = {.gate = VIA_TEST_GATE_INITIALIZER};
    struct via_runner_options options;
    int threads = via_test_threads();
    via_runner_options_init(&options);
    options.executor_timeout_ns = VIA_MS;
    via_runner *runner = open_runner_with(&options);
    ck_assert_int_eq(run_status(runner, leave_a_call, &call), 0);
    ck_assert_int_eq(via_runner_close(runner), VIA_ETIMEDOUT);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_ETIMEDOUT);
    ck_assert_str_eq(reports.message, "calls on the default executor were left behind");
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)pass_gate);
    close_runner(runner);
    via_test_gate_open(&call.gate);
    via_test_await_threads(threads);
}

static int await_a_borrowing_call(void *arg, void **result)
{
    struct slow_call call = {.gate = VIA_TEST_GATE_INITIALIZER}, **shown = arg;
    *shown = &call;
    int status = via_await_to_thread(pass_gate, &call, result);
    via_test_record(&history, "returned:%d", call.returned);
    return status;
}

static int leave_a_borrower(void *arg, void **result)
{
    struct slow_call **shown = arg;
    (void)result;
    drop(via_create_task(await_a_borrowing_call, arg));
    while (!*shown || !via_test_gate_arrived(&(*shown)->gate)) {
        int status = via_yield();
        if (status < 0)
            return status;
    }
    via_test_gate_open(&(*shown)->gate);
    return 0;
}

TEST(a_task_is_waited_for_until_the_function_that_uses_its_stack_has_returned)
{
    struct slow_call *shown = NULL;
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, leave_a_borrower, &shown), 0);
    close_runner(runner);
    ASSERT_RECORD(&history, "returned:1");
}

/* ---- reports ---- */

static via_runner *reporting;

static int enter_from_report(const struct via_exception *exception, void *arg)
{
    (void)arg;
    (void)exception;
    ck_assert_int_eq(run_status(reporting, succeed, NULL), VIA_ERUNNING);
    ck_assert_int_eq(via_runner_close(reporting), VIA_ERUNNING);
    ck_assert_ptr_null(via_runner_free(reporting));
    return say("reported");
}

static int stay_hidden(void *arg, void **result)
{
    struct via_scope shield;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = await_nothing(arg, result);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
}

static int leave_a_hidden_one(void *arg, void **result)
{
    (void)result;
    drop(via_create_task(stay_hidden, arg));
    return via_yield();
}

static void ignore_line(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    (void)arg;
}

TEST(a_report_may_not_run_close_or_free_its_runner)
{
    struct via_runner_options options;
    via_runner_options_init(&options);
    options.exception_fn = enter_from_report;
    via_set_log_hook(ignore_line, NULL);
    ck_assert_int_eq(via_runner_new(&options, &reporting), 0);
    ck_assert_int_eq(run_status(reporting, await_nothing, NULL), VIA_EDEADLK);
    ck_assert_int_eq(run_status(reporting, leave_a_hidden_one, NULL), 0);
    ck_assert_int_eq(via_runner_close(reporting), VIA_EDEADLK);
    ck_assert_ptr_null(via_runner_free(reporting));
    via_set_log_hook(NULL, NULL);
    ASSERT_RECORD(&history, "reported reported");
}

TEST_MAIN("task/run_ends", tasks_that_are_left_are_all_cancelled_and_then_run_to_their_ends,
          the_error_of_a_task_that_is_left_is_reported_once,
          a_task_that_is_made_meanwhile_is_cancelled_in_the_next_round,
          a_task_that_does_not_heed_is_not_waited_for_and_the_others_are,
          a_run_that_nothing_can_end_names_the_waiting_task,
          a_run_that_nothing_can_end_names_every_waiting_task,
          a_main_task_that_cannot_even_be_cancelled_is_ended_by_closing,
          a_task_that_is_left_and_that_nothing_can_end_is_named_and_ended_by_closing,
          who_runs_the_loop_for_a_task_can_have_the_waiting_ones_described,
          closing_waits_for_the_calls_on_the_default_executor,
          calls_that_do_not_return_in_time_are_left_behind_and_reported,
          a_task_is_waited_for_until_the_function_that_uses_its_stack_has_returned,
          a_report_may_not_run_close_or_free_its_runner)
