/* SPDX-License-Identifier: BSD-3-Clause */
/* Task groups whose loop closes, or whose task is lost. */
#include "unit/combine/group_fixture.h"
#include <viaduct/combine.h>
#include <viaduct/log.h>

static int five_children(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    for (int i = 0; i < 5; i++)
        add_plan(group, arg);
    ck_assert_int_eq(end_group(group, 0), VIA_ECANCELED);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    return VIA_ECANCELED;
}

TEST(closing_the_loop_ends_the_tasks_of_a_group_and_then_its_holder)
{
    struct plan plan = {.name = "x", .sleep_ns = VIA_S};
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, five_children, &plan);
    settle(loop);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED); /* counted once by its end */
    close_loop(loop);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    ASSERT_RECORD(&history, "x! x! x! x! x!");
}

static int never_ends(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    add_plan(group, arg);
    add(group, task_return_0, NULL);
    while (via_sleep(VIA_S) < 0) {
    }
    return 0;
}

TEST(a_task_that_is_lost_leaves_its_group_to_the_tasks_in_it)
{
    struct plan plan = {.name = "x", .sleep_ns = 10 * VIA_S};
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, never_ends, &plan);
    settle(loop);
    close_loop(loop);
    ck_assert_int_eq(status_of(task), VIA_EEXITED);
    via_future_unref(task);
    ASSERT_RECORD(&history, "x!");
}

static int never_end(void *arg, void **result)
{
    (void)arg;
    (void)result;
    while (via_sleep(VIA_S) != 0) {
    }
    return 0;
}

static int never_end_with_another(void *arg, void **result)
{
    via_future_unref(via_group_create_task(begin_group(), never_end, NULL));
    return never_end(arg, result);
}

TEST(a_task_that_is_lost_before_those_of_its_group_leaves_nothing_behind)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, never_end_with_another, NULL);
    settle(loop);
    close_loop(loop);
    ck_assert_int_eq(status_of(task), VIA_EEXITED);
    via_future_unref(task);
}

/* ---- the loop was run by a thread that has ended ---- */

static int hold_limited(void *arg, void **result)
{
    struct via_group_options options = {.limit = 1};
    via_group *group = NULL;
    (void)result;
    ck_assert_int_eq(via_group_begin(&options, &group), 0);
    via_future_unref(via_group_create_task(group, task_wait_for_ever, arg));
    via_future_unref(via_group_create_task(group, task_never_runs, arg));
    return via_group_end(group, 0);
}

static int wait_for_both(void *futures, void **result)
{
    (void)result;
    return via_wait(futures, 2, VIA_FOREVER, VIA_ALL_COMPLETED);
}

static void *run_for_a_while(void *loop)
{
    settle(loop);
    return NULL;
}

static void ignore_line(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    (void)arg;
}

TEST(tasks_that_another_thread_has_run_leave_nothing_behind)
{
    via_loop *loop = open_task_loop();
    struct via_test_thread thread;
    via_future *held[] = {create(loop, hold_limited, NULL), create(loop, task_wait_for_ever, NULL)};
    via_future *waits = create(loop, wait_for_both, held);
    via_set_log_hook(ignore_line, NULL); /* the thread's stacks are lost */
    via_test_thread_start(&thread, run_for_a_while, loop);
    via_test_thread_join(&thread);
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(status_of(held[0]), VIA_EEXITED);
    ck_assert_int_eq(status_of(waits), VIA_EEXITED);
    via_future_unref(held[0]);
    via_future_unref(held[1]);
    via_future_unref(waits);
    via_loop_unref(loop);
}

TEST_MAIN("combine/group_lost", closing_the_loop_ends_the_tasks_of_a_group_and_then_its_holder,
          a_task_that_is_lost_leaves_its_group_to_the_tasks_in_it,
          a_task_that_is_lost_before_those_of_its_group_leaves_nothing_behind,
          tasks_that_another_thread_has_run_leave_nothing_behind)
