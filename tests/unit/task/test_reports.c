/* SPDX-License-Identifier: BSD-3-Clause */
/* What is reported of tasks names them. */
#include "unit/task/task_fixture.h"

#include <viaduct/log.h>

static int waits_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_yield();
}

static via_loop *open_strict_loop(void)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, 0), 0);
    return loop;
}

static via_future *create_on(via_loop *loop, const char *name, via_task_fn fn, void *arg)
{
    struct via_task_options options = {.name = name};
    return via_create_task_with(loop, fn, arg, &options);
}

/* Every callback counts as slow. */

TEST(a_step_that_takes_too_long_names_its_task)
{
    via_loop *loop = open_strict_loop();
    via_future *task = create_on(loop, "walker", waits_once, NULL);
    for (int step = 1; step <= 2; step++) {
        reports = (struct reports){.count = 0};
        ck_assert_int_ge(via_loop_step(loop, 0), 0);
        ck_assert_int_eq(reports.count, 1);
        ck_assert_str_eq(reports.message, "a callback took too long");
        ck_assert_str_eq(reports.task, "walker");
    }
    ck_assert_int_eq(status_of(task), 0);
    via_future_unref(task);
    close_loop(loop);
}

static int sleep_a_second(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_sleep(VIA_S);
}

TEST(a_task_is_named_when_its_time_has_come_and_a_callback_names_none)
{
    via_loop *loop = open_strict_loop();
    via_future *task = create_on(loop, "sleeper", sleep_a_second, NULL);
    settle(loop);
    ck_assert_int_eq(via_call_soon(loop, say, (void *)"callback", NULL), 0);
    settle(loop);
    ck_assert_str_eq(reports.task, "");
    RUN_UNTIL(loop, via_future_done(task) == 1);
    ck_assert_str_eq(reports.task, "sleeper");
    via_future_unref(task);
    close_loop(loop);
}

static int begin_eagerly(void *arg)
{
    struct via_task_options options = {.name = "eager", .eager = 1};
    (void)arg;
    via_future_unref(via_create_task_with(NULL, task_return_0, NULL, &options));
    return 0;
}

TEST(a_task_that_a_callback_begins_is_named)
{
    via_loop *loop = open_strict_loop();
    ck_assert_int_eq(via_call_soon(loop, begin_eagerly, NULL, NULL), 0);
    settle(loop);
    ck_assert_str_eq(reports.task, "eager");
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)task_return_0);
    close_loop(loop);
}

/* The name that it was told is still there when another task has begun. */
static int begin_another_and_keep(const struct via_exception *exception, void *arg)
{
    struct via_task_options options = {.name = "another one", .eager = 1};
    via_future_unref(via_create_task_with(exception->loop, task_return_0, NULL, &options));
    return keep_report(exception, arg);
}

TEST(a_handler_may_begin_a_task)
{
    via_loop *loop = open_strict_loop();
    ck_assert_int_eq(via_loop_set_exception_handler(loop, begin_another_and_keep, &reports), 0);
    via_future *task = create_on(loop, "walker", task_return_0, NULL);
    ck_assert_int_ge(via_loop_step(loop, 0), 0);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.task, "walker");
    via_future_unref(task);
    close_loop(loop);
}

static void keep_line(enum via_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)arg;
    via_test_record(&history, "%s", line);
}

TEST(an_error_that_nobody_looked_at_names_the_task_that_failed)
{
    static int status = VIA_EBUSY;
    via_loop *loop = open_task_loop();
    via_future_unref(create_on(loop, "loser", task_fail, &status));
    settle(loop);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.message, "the error of a future was never looked at");
    ck_assert_str_eq(reports.task, "loser");
    close_loop(loop);
}

static int drop_failed_promise(void *arg, void **result)
{
    via_future *promise = new_promise();
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_future_set_error(promise, VIA_EBUSY, 0, NULL), 0);
    via_future_unref(promise);
    return 0;
}

TEST(or_the_task_that_dropped_the_future)
{
    via_loop *loop = open_task_loop();
    via_future *task = create_on(loop, "dropper", drop_failed_promise, NULL);
    ck_assert_int_eq(run_task(loop, task), 0);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.task, "dropper");
    close_loop(loop);
}

TEST(without_a_handler_the_log_hook_is_told_the_name)
{
    static int status = VIA_EBUSY;
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_exception_handler(loop, NULL, NULL), 0);
    via_future_unref(create_on(loop, "loser", task_fail, &status));
    via_set_log_hook(keep_line, NULL);
    settle(loop);
    via_set_log_hook(NULL, NULL);
    ASSERT_RECORD(&history, "the error of a future was never looked at in task loser: the object is in use, "
                            "or the queue is full (VIA_EBUSY)");
    close_loop(loop);
}

static int rename_and_fail(const struct via_exception *exception, void *arg)
{
    (void)arg;
    ck_assert_int_eq(via_task_set_name(exception->future, "the late loser, may it rest in peace"), 0);
    return VIA_EFAILED;
}

TEST(the_log_hook_is_told_the_name_that_a_handler_which_failed_has_given)
{
    static int status = VIA_EBUSY;
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_exception_handler(loop, rename_and_fail, NULL), 0);
    via_future_unref(create_on(loop, "loser", task_fail, &status));
    via_set_log_hook(keep_line, NULL);
    settle(loop);
    via_set_log_hook(NULL, NULL);
    ck_assert_ptr_nonnull(strstr(history.text, "in task the late loser, may it rest in peace: "));
    close_loop(loop);
}

TEST_MAIN("task/reports", a_step_that_takes_too_long_names_its_task,
          a_task_is_named_when_its_time_has_come_and_a_callback_names_none,
          a_task_that_a_callback_begins_is_named, a_handler_may_begin_a_task,
          an_error_that_nobody_looked_at_names_the_task_that_failed, or_the_task_that_dropped_the_future,
          without_a_handler_the_log_hook_is_told_the_name,
          the_log_hook_is_told_the_name_that_a_handler_which_failed_has_given)
