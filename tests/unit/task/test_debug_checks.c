/* SPDX-License-Identifier: BSD-3-Clause */
/* What debug mode finds: the functions of tasks belong to the thread of their loop. */
#include "unit/task/task_fixture.h"

#include <viaduct/log.h>

struct foreign {
    via_loop *loop;
    via_future *task;
};

static void *ask_from_outside(void *arg)
{
    const struct foreign *foreign = arg;
    struct via_task_info info;
    struct via_test_counted argument = {.value = 0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    char text[100];
    via_future *task = via_create_task_with(foreign->loop, task_never_runs, &argument, &options);
    ck_assert_int_eq(status_of(task), VIA_EFOREIGN);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    ck_assert_int_eq(via_task_cancel(foreign->task, "no"), VIA_EFOREIGN);
    ck_assert_int_eq(via_task_uncancel(foreign->task), VIA_EFOREIGN);
    ck_assert_int_eq(via_task_cancelling(foreign->task), VIA_EFOREIGN);
    ck_assert_ptr_null(via_task_cancel_reason(foreign->task));
    ck_assert_int_eq(via_task_info(foreign->task, &info), VIA_EFOREIGN);
    ck_assert_int_eq(via_all_tasks(foreign->loop, NULL, 0), VIA_EFOREIGN);
    ck_assert_int_eq(via_tasks_describe(foreign->loop, sizeof text, text), VIA_EFOREIGN);
    ck_assert_ptr_null(via_current_task());
    ck_assert_int_eq(status_of(via_create_task(task_never_runs, NULL)), VIA_ESTATE);
    return NULL;
}

TEST(another_thread_is_refused)
{
    via_loop *loop = open_task_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    struct foreign foreign = {loop, create(loop, task_say, (void *)"ran")};
    via_test_thread_start(&thread, ask_from_outside, &foreign);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_task_cancelling(foreign.task), 0);
    ck_assert_int_eq(run_task(loop, foreign.task), 0);
    ASSERT_RECORD(&history, "ran");
    close_loop(loop);
}

static int use_everything(void *arg, void **result)
{
    struct via_task_info info;
    struct via_scope shield;
    (void)arg;
    (void)result;
    via_future *child = via_create_task(task_wait_for_ever, NULL);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_info(child, &info), 0);
    ck_assert_int_eq(via_task_cancel(child, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(child, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    ck_assert_int_eq(via_await_to_thread(give_back, NULL, NULL), 0);
    ck_assert_int_eq(via_await(via_sleep_future(VIA_S, NULL), NULL), 0);
    return 0;
}

TEST(the_thread_of_the_loop_is_not)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    /* However slow the machine, no step is. */
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, 100 * VIA_S), 0);
    ck_assert_int_eq(run_main_on(loop, use_everything, NULL), 0);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

/* A slow step is reported with the task's function. */
static int be_slow(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int64_t end_ns = via_test_now_ns() + 2 * VIA_MS;
    while (via_test_now_ns() < end_ns)
        via_test_yield();
    return via_yield();
}

TEST(a_step_that_takes_too_long_is_reported_with_its_function)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, VIA_MS), 0);
    via_future *task = create(loop, be_slow, NULL);
    run_one_tick(loop);
    ck_assert_int_ge(reports.count, 1);
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)be_slow);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, 100 * VIA_S), 0);
    ck_assert_int_eq(run_task(loop, task), 0);
    close_loop(loop);
}

TEST_MAIN("task/debug_checks", another_thread_is_refused, the_thread_of_the_loop_is_not,
          a_step_that_takes_too_long_is_reported_with_its_function)
