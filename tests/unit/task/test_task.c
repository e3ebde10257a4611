/* SPDX-License-Identifier: BSD-3-Clause */
/* What a task is: how it begins, what becomes of its value, its argument and its error. */
#include "unit/task/task_fixture.h"

TEST(a_task_runs_and_gives_its_value)
{
    via_loop *loop = open_task_loop();
    int word = 0;
    void *value = NULL;
    via_future *task = create(loop, task_give_back, &word);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_future_result(task, &value), 0);
    ck_assert_ptr_eq(value, &word);
    via_future_unref(task);
    close_loop(loop);
}

TEST_MAIN("task/task", a_task_runs_and_gives_its_value)
