/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be asked of tasks: which there are, their names, and what they wait for. */
#include "unit/task/task_fixture.h"

TEST(a_task_without_a_name_has_a_number)
{
    via_loop *loop = open_task_loop();
    via_future *a = create(loop, task_return_0, NULL), *b = create(loop, task_return_0, NULL);
    ck_assert_str_eq(via_task_name(b), "Task-2");
    ck_assert_str_eq(via_task_name(a), "Task-1");
    via_loop *other = open_task_loop();
    via_future *c = create(other, task_return_0, NULL);
    ck_assert_str_eq(via_task_name(c), "Task-1"); // each loop counts its own
    ck_assert_int_eq(run_task(loop, a) + run_task(loop, b) + run_task(other, c), 0);
    close_loop(other);
    close_loop(loop);
}

static int rename_self(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_str_eq(via_task_name(NULL), "first");
    ck_assert_int_eq(via_task_set_name(NULL, "second"), 0);
    ck_assert_str_eq(via_task_name(via_current_task()), "second");
    return 0;
}

TEST(a_name_is_copied_and_can_be_changed)
{
    via_loop *loop = open_task_loop();
    char name[] = "first";
    struct via_task_options options = {.name = name};
    via_future *task = via_create_task_with(loop, rename_self, NULL, &options);
    memset(name, 'x', sizeof name - 1);
    ck_assert_str_eq(via_task_name(task), "first");
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_str_eq(via_task_name(task), "second"); // also when it is done
    ck_assert_int_eq(via_task_set_name(task, "third"), 0);
    ck_assert_str_eq(via_task_name(task), "third");
    via_future_unref(task);
    close_loop(loop);
}

TEST(what_is_no_task_has_no_name)
{
    via_loop *loop = open_task_loop();
    struct via_task_info info;
    via_future *promise = via_future_new(loop), *failed = via_create_task(NULL, NULL);
    ck_assert_ptr_null(via_task_name(promise));
    ck_assert_ptr_null(via_task_name(failed));
    ck_assert_ptr_null(via_task_name(NULL));
    ck_assert_int_eq(via_task_set_name(promise, "x"), VIA_EINVAL);
    ck_assert_int_eq(via_task_set_name(NULL, "x"), VIA_EINVAL);
    ck_assert_int_eq(via_task_info(promise, &info), VIA_EINVAL);
    ck_assert_int_eq(via_task_info(NULL, &info), VIA_EINVAL);
    ck_assert_int_eq(via_task_cancel(promise, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_task_cancel(failed, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_task_cancel(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_task_uncancel(promise), VIA_EINVAL);
    ck_assert_int_eq(via_task_uncancel(NULL), VIA_ESTATE);
    ck_assert_int_eq(via_task_cancelling(promise), VIA_EINVAL);
    ck_assert_int_eq(via_task_cancelling(NULL), VIA_ESTATE);
    ck_assert_ptr_null(via_task_cancel_reason(promise));
    ck_assert_ptr_null(via_task_cancel_reason(NULL));
    ck_assert_ptr_null(via_current_task());
    via_future_cancel(promise);
    via_future_unref(promise);
    close_loop(loop);
}

/* Who runs. */

static int look_for_self(void *kept, void **result)
{
    via_future *self = *(via_future **)kept;
    (void)result;
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(via_current_task(), self);
        ck_assert_int_eq(via_yield(), 0);
    }
    return 0;
}

static int is_nobody(void *arg)
{
    (void)arg;
    ck_assert_ptr_null(via_current_task());
    return 0;
}

TEST(tasks_that_take_turns_are_each_the_current_one)
{
    via_loop *loop = open_task_loop();
    via_future *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = create(loop, look_for_self, &tasks[i]);
    ck_assert_int_eq(via_call_soon(loop, is_nobody, NULL, NULL), 0);
    ck_assert_int_eq(run_task(loop, tasks[0]), 0);
    ck_assert_int_eq(run_task(loop, tasks[1]), 0);
    ck_assert_ptr_null(via_current_task());
    close_loop(loop);
}

TEST(all_tasks_are_those_that_are_not_done_the_oldest_first)
{
    via_loop *loop = open_task_loop();
    via_future *found[3] = {NULL, NULL, NULL};
    ck_assert_int_eq(via_all_tasks(loop, NULL, 0), 0);
    via_future *a = create(loop, task_wait_for_ever, NULL), *promise = via_future_new(loop);
    via_future *b = create(loop, task_return_0, NULL), *c = create(loop, task_wait_for_ever, NULL);
    ck_assert_int_eq(via_all_tasks(loop, found, 2), 3);
    ck_assert_ptr_eq(found[0], a);
    ck_assert_ptr_eq(found[1], b);
    ck_assert_ptr_null(found[2]);
    settle(loop);
    ck_assert_int_eq(via_all_tasks(loop, found, 3), 2);
    ck_assert_ptr_eq(found[1], c);
    ck_assert_int_eq(via_all_tasks(NULL, NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_all_tasks(loop, NULL, 1), VIA_EINVAL);
    via_future_unref(a);
    via_future_unref(b);
    via_future_unref(c);
    via_future_unref(promise);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_all_tasks(loop, found, 3), 0);
    via_loop_unref(loop);
}

/* What they wait for. */

TEST(a_tasks_info_tells_what_it_waits_for)
{
    via_loop *loop = open_task_loop();
    struct via_task_info info = {.id = 77};
    struct via_task_options options = {.stack_bytes = 20000};
    via_future *promise = via_future_new(loop);
    via_future *task = via_create_task_with(loop, task_await, via_future_ref(promise), &options);
    ck_assert_int_eq(via_task_info(task, &info), 0);
    ck_assert_uint_eq(info.id, 1);
    ck_assert_str_eq(info.name, "Task-1");
    ck_assert_ptr_null(info.waits);
    ck_assert_ptr_null(info.awaited);
    ck_assert_uint_eq(info.stack_bytes, 32768);
    ck_assert_ptr_eq(info.function, (void *)(uintptr_t)task_await);
    settle(loop);
    ck_assert_int_eq(via_task_info(task, &info), 0);
    ck_assert_str_eq(info.waits, "a future");
    ck_assert_ptr_eq(info.awaited, promise);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_task_info(task, &info), 0);
    ck_assert_uint_eq(info.cancelling, 1);
    ck_assert_int_eq(via_task_info(task, NULL), VIA_EINVAL);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    via_future_unref(promise);
    close_loop(loop);
}

static char text[1000];

static int describe_from_inside(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int bytes = via_tasks_describe(via_loop_current(), sizeof text, text);
    ck_assert_int_eq(bytes, (int)strlen(text));
    return 0;
}

static int hold_call(void *gate, void **result)
{
    return via_await_to_thread(via_test_gate_call, gate, result);
}

TEST(a_description_has_a_line_for_each_task)
{
    via_loop *loop = open_task_loop();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(via_loop_set_default_executor(loop, pool), 0);
    int64_t second = VIA_S;
    via_future *promise = via_future_new(loop);
    via_future *sleeper = create(loop, task_sleep, &second);
    via_future *waits = create(loop, task_await, via_future_ref(sleeper));
    via_future *other = create(loop, task_await, promise), *calls = create(loop, hold_call, &gate);
    settle(loop);
    ck_assert_int_eq(via_task_set_name(sleeper, "sleeper"), 0);
    via_future *runs = create(loop, describe_from_inside, NULL), *begins = create(loop, task_return_0, NULL);
    ck_assert_int_eq(run_task(loop, runs), 0);
    ck_assert_str_eq(text, "sleeper waits for a time\nTask-2 waits for sleeper\nTask-3 waits for a promise\n"
                           "Task-4 waits for a call\nTask-5 runs\nTask-6 is ready to begin\n");
    char small[10];
    int bytes = via_tasks_describe(loop, sizeof small, small);
    ck_assert_int_gt(bytes, 10);
    ck_assert_str_eq(small, "sleeper w");
    ck_assert_int_eq(via_tasks_describe(loop, 0, NULL), bytes);
    ck_assert_int_eq(via_tasks_describe(loop, 1, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_tasks_describe(NULL, sizeof text, text), VIA_EINVAL);
    via_test_gate_open(&gate);
    via_future *rest[] = {sleeper, waits, other, calls, begins};
    for (int i = 0; i < 5; i++)
        via_future_unref(rest[i]);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_tasks_describe(loop, sizeof text, text), 0);
    ck_assert_str_eq(text, "");
    via_loop_unref(loop);
    close_pool(pool);
}

/* Loops in threads of their own see their own tasks. */

enum { THREADS = 10, TASKS = 20 };

static void *run_own_loop(void *arg)
{
    via_loop *loop = open_virtual_loop();
    via_future *tasks[TASKS], *found[TASKS + 1];
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        tasks[i] = create(loop, task_wait_for_ever, NULL);
    settle(loop);
    ck_assert_int_eq(via_all_tasks(loop, found, TASKS + 1), TASKS);
    for (int i = 0; i < TASKS; i++) {
        ck_assert_ptr_eq(found[i], tasks[i]);
        via_future_cancel(tasks[i]);
        via_future_unref(tasks[i]);
    }
    settle(loop);
    ck_assert_int_eq(via_all_tasks(loop, found, TASKS + 1), 0);
    close_loop(loop);
    return NULL;
}

TEST(loops_in_ten_threads_each_have_their_own_tasks)
{
    struct via_test_thread threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        via_test_thread_start(&threads[i], run_own_loop, NULL);
    for (int i = 0; i < THREADS; i++)
        via_test_thread_join(&threads[i]);
}

TEST_MAIN("task/names", a_task_without_a_name_has_a_number, a_name_is_copied_and_can_be_changed,
          what_is_no_task_has_no_name, tasks_that_take_turns_are_each_the_current_one,
          all_tasks_are_those_that_are_not_done_the_oldest_first, a_tasks_info_tells_what_it_waits_for,
          a_description_has_a_line_for_each_task, loops_in_ten_threads_each_have_their_own_tasks)
