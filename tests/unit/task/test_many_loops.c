/* SPDX-License-Identifier: BSD-3-Clause */
/* Loops with tasks in many threads at once: each has its own. */
#include "unit/task/run_fixture.h"

#define LOOPS 10
#define TASKS 20

static int count_siblings(void *arg, void **result)
{
    via_future *all[TASKS + 2];
    int *counts = arg;
    (void)result;
    for (int i = 1; i <= TASKS; i++) {
        drop(via_create_task(await_nothing, NULL));
        counts[i] = via_all_tasks(via_loop_current(), all, TASKS + 2);
        ck_assert_ptr_eq(all[0], via_current_task());
        for (int j = 0; j < counts[i]; j++)
            ck_assert_ptr_eq(via_future_loop(all[j]), via_loop_current());
        if (i % 3 == 0 && via_yield() < 0)
            return VIA_ESTATE;
    }
    return 0;
}

static void *run_a_loop(void *counts)
{
    ck_assert_int_eq(via_run(count_siblings, counts, NULL), 0);
    return NULL;
}

TEST(each_loop_lists_exactly_its_own_tasks)
{
    static int counts[LOOPS][TASKS + 1];
    struct via_test_thread threads[LOOPS];
    for (int i = 0; i < LOOPS; i++)
        via_test_thread_start(&threads[i], run_a_loop, counts[i]);
    for (int i = 0; i < LOOPS; i++)
        via_test_thread_join(&threads[i]);
    for (int i = 0; i < LOOPS; i++)
        for (int j = 1; j <= TASKS; j++)
            ck_assert_int_eq(counts[i][j], j + 1);
}

static int ask_elsewhere(void *loop, void **result)
{
    via_future *task = NULL;
    (void)result;
    return via_all_tasks(loop, &task, 1) == VIA_EFOREIGN && !task ? 0 : 1;
}

static int ask_from_a_thread(void *arg, void **result)
{
    (void)arg;
    return via_await_to_thread(ask_elsewhere, via_loop_current(), result);
}

TEST(in_debug_mode_another_thread_is_not_told_the_tasks_of_a_loop)
{
    struct via_runner_options options;
    via_runner_options_init(&options);
    options.debug = 1;
    via_runner *runner = open_runner_with(&options);
    ck_assert_int_eq(run_status(runner, ask_from_a_thread, NULL), 0);
    close_runner(runner);
}

static void *drop_task(void *task)
{
    via_future_unref(task);
    return NULL;
}

TEST(a_task_of_a_closed_loop_can_be_dropped_in_any_thread)
{
    struct via_test_thread thread;
    via_loop *loop = open_loop();
    struct via_task_options options = {.name = "left over"};
    via_future *task = via_create_task_with(loop, await_nothing, NULL, &options);
    RUN_TICKS(loop, 2);
    close_loop(loop);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_test_thread_start(&thread, drop_task, task);
    via_test_thread_join(&thread);
}

TEST_MAIN("task/many_loops", each_loop_lists_exactly_its_own_tasks,
          in_debug_mode_another_thread_is_not_told_the_tasks_of_a_loop,
          a_task_of_a_closed_loop_can_be_dropped_in_any_thread)
