/* SPDX-License-Identifier: BSD-3-Clause */
/* via_fail() in a task: the code and the text reach whoever looks at the task. */
#include "unit/bridge/bridge_fixture.h"

#include <viaduct/task.h>

static int fail_with_text(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_fail(42, "no %s", "luck");
}

static int note_and_succeed(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_fail(42, "it was nothing");
    return 0;
}

static int fail_by_code(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_fail(42, "the text stays");
    return 7;
}

/* Runs a function as a task, and reads its outcome. */
static via_future *run_task(via_loop *loop, via_task_fn fn, struct via_outcome *outcome)
{
    via_future *task = via_create_task_with(loop, fn, NULL, NULL);
    finish(loop, task);
    ck_assert_int_eq(via_future_outcome(task, outcome), 0);
    return task;
}

TEST(the_code_and_the_text_of_a_failed_task_are_its_outcome)
{
    via_loop *loop = open_loop();
    struct via_outcome outcome;
    via_future *task = run_task(loop, fail_with_text, &outcome);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 42);
    ck_assert_str_eq(outcome.message, "no luck");
    via_future_unref(task);
    close_loop(loop);
}

TEST(a_failure_that_is_not_returned_does_not_count)
{
    via_loop *loop = open_loop();
    struct via_outcome outcome;
    via_future *task = run_task(loop, note_and_succeed, &outcome);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert_ptr_null(outcome.message);
    via_future_unref(task);
    task = run_task(loop, fail_by_code, &outcome);
    ck_assert_int_eq(outcome.code, 7);
    ck_assert_str_eq(outcome.message, "the text stays");
    via_future_unref(task);
    close_loop(loop);
}

static int await_failed_child(void *arg, void **result)
{
    struct via_outcome *seen = arg;
    (void)result;
    return via_await_outcome(via_create_task(fail_with_text, NULL), seen) == VIA_EFAILED &&
                   strcmp(seen->message, "no luck") == 0
               ? via_fail(1, "mine")
               : 0;
}

TEST(the_text_of_a_child_is_not_the_text_of_its_parent)
{
    via_loop *loop = open_loop();
    struct via_outcome seen = {0}, outcome;
    via_future *task = via_create_task_with(loop, await_failed_child, &seen, NULL);
    finish(loop, task);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    ck_assert_int_eq(seen.code, 42);
    ck_assert_int_eq(outcome.code, 1);
    ck_assert_str_eq(outcome.message, "mine");
    via_future_unref(task);
    close_loop(loop);
}

/* A call that the task runs itself keeps its failure to itself. */
static int await_inline_failure(void *arg, void **result)
{
    struct via_call call = VIA_CALL(fail_with_text, NULL);
    struct via_outcome outcome = {0};
    (void)result;
    int status = via_await_in_executor(arg, &call, &outcome);
    return status == VIA_EFAILED && outcome.code == 42 ? via_fail(2, NULL) : 0;
}

TEST(a_call_inside_of_a_task_has_a_failure_of_its_own)
{
    via_loop *loop = open_loop();
    struct via_outcome outcome;
    via_executor *executor = NULL;
    ck_assert_int_eq(via_inline_new(&executor), 0);
    via_future *task = via_create_task_with(loop, await_inline_failure, executor, NULL);
    finish(loop, task);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    ck_assert_int_eq(outcome.code, 2);
    ck_assert_ptr_null(outcome.message);
    via_future_unref(task);
    via_executor_unref(executor);
    close_loop(loop);
}

static int fail_on_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_fail(7, "the disk is full");
}

static int pass_on(void *arg, void **result)
{
    (void)arg;
    return via_await_to_thread(fail_on_thread, NULL, result);
}

static int pass_on_twice(void *arg, void **result)
{
    (void)arg;
    return via_await(via_create_task(pass_on, NULL), result);
}

static int own_code_instead(void *arg, void **result)
{
    (void)arg;
    int status = via_await_to_thread(fail_on_thread, NULL, result);
    return status == VIA_EFAILED ? 5 : status;
}

static int own_text_instead(void *arg, void **result)
{
    (void)arg;
    int status = via_await_to_thread(fail_on_thread, NULL, result);
    return status < 0 ? via_fail(6, "saving failed") : 0;
}

static void assert_failure(via_task_fn fn, int code, const char *text)
{
    via_loop *loop = open_loop();
    via_future *task = via_create_task_with(loop, fn, NULL, NULL);
    struct via_outcome outcome;
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, code);
    ck_assert_pstr_eq(outcome.message, text);
    via_future_unref(task);
    close_loop(loop);
}

TEST(who_returns_the_failure_of_an_await_fails_with_its_code_and_text)
{
    assert_failure(pass_on, 7, "the disk is full");
    assert_failure(pass_on_twice, 7, "the disk is full");
}

TEST(who_says_something_else_fails_with_that)
{
    assert_failure(own_code_instead, 5, NULL);
    assert_failure(own_text_instead, 6, "saving failed");
}

TEST_MAIN("task/fail", the_code_and_the_text_of_a_failed_task_are_its_outcome,
          a_failure_that_is_not_returned_does_not_count, the_text_of_a_child_is_not_the_text_of_its_parent,
          a_call_inside_of_a_task_has_a_failure_of_its_own,
          who_returns_the_failure_of_an_await_fails_with_its_code_and_text,
          who_says_something_else_fails_with_that)
