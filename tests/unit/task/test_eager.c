/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that begin where they are made. */
#include "unit/task/task_fixture.h"

static via_future *create_eager(via_task_fn fn, void *arg)
{
    struct via_task_options options = {.eager = 1};
    return via_create_task_with(NULL, fn, arg, &options);
}

static int say_and_yield(void *word, void **result)
{
    via_test_record(&history, "%s1", (const char *)word);
    int status = via_yield();
    via_test_record(&history, "%s2", (const char *)word);
    *result = word;
    return status;
}

static int create_plain(void *arg, void **result)
{
    (void)arg;
    via_future *task = via_create_task(say_and_yield, (void *)"task");
    say((void *)"made");
    return via_await(task, result);
}

TEST(a_plain_task_does_not_begin_where_it_is_made)
{
    ck_assert_int_eq(run_main(create_plain, NULL), 0);
    ASSERT_RECORD(&history, "made task1 task2");
}

static int create_blocking(void *arg, void **result)
{
    void *value = NULL;
    (void)arg;
    (void)result;
    via_future *task = create_eager(say_and_yield, (void *)"task");
    say((void *)"made");
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_all_tasks(via_loop_current(), NULL, 0), 2);
    ck_assert_int_eq(via_await(task, &value), 0);
    ck_assert_str_eq(value, "task");
    ck_assert_int_eq(via_all_tasks(via_loop_current(), NULL, 0), 1);
    return 0;
}

TEST(an_eager_task_runs_up_to_its_first_wait_and_is_a_plain_one_from_then_on)
{
    ck_assert_int_eq(run_main(create_blocking, NULL), 0);
    ASSERT_RECORD(&history, "task1 made task2");
}

static int create_quick(void *arg, void **result)
{
    void *value = NULL;
    (void)result;
    size_t ready = stats_of(via_loop_current()).ready;
    via_future *task = create_eager(task_give_back, arg);
    ck_assert_int_eq(via_future_done(task), 1);
    ck_assert_uint_eq(stats_of(via_loop_current()).ready, ready);
    ck_assert_int_eq(via_all_tasks(via_loop_current(), NULL, 0), 1);
    ck_assert_int_eq(via_future_cancel(task), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_await(task, &value), 0);
    ck_assert_ptr_eq(value, arg);
    return 0;
}

TEST(one_that_never_waits_is_done_when_it_was_made)
{
    int arg = 0;
    ck_assert_int_eq(run_main(create_quick, &arg), 0);
}

static int await_done_future(void *future, void **result)
{
    ck_assert_int_eq(via_await(future, result), 0);
    return 0;
}

static int create_awaiting(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    ck_assert_int_eq(via_future_set_result(promise, NULL, NULL), 0);
    via_future *task = create_eager(await_done_future, promise);
    ck_assert_int_eq(via_future_done(task), 1);
    return via_await(task, NULL);
}

TEST(awaiting_what_is_done_does_not_stop_it)
{
    ck_assert_int_eq(run_main(create_awaiting, NULL), 0);
}

static int create_cancelled(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = create_eager(task_wait_for_ever, NULL);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    return 0;
}

TEST(one_that_waits_is_cancelled_like_any_other)
{
    ck_assert_int_eq(run_main(create_cancelled, NULL), 0);
}

static int look_at_self(void *outer, void **result)
{
    via_future *self = via_current_task();
    (void)result;
    ck_assert_ptr_ne(self, outer);
    ck_assert_str_eq(via_task_name(self), "Task-2");
    ck_assert_int_eq(via_all_tasks(via_loop_current(), NULL, 0), 2);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_ptr_eq(via_current_task(), self);
    return 0;
}

static int create_looking(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *self = via_current_task();
    via_future *task = create_eager(look_at_self, self);
    ck_assert_ptr_eq(via_current_task(), self);
    ck_assert_int_eq(via_await(task, NULL), 0);
    ck_assert_ptr_eq(via_current_task(), self);
    return 0;
}

TEST(it_is_the_current_task_while_it_runs_and_then_its_maker_is_again)
{
    ck_assert_int_eq(run_main(create_looking, NULL), 0);
}

static int create_nested(void *left, void **result)
{
    int *depth = left;
    if ((*depth)-- == 0)
        return via_yield();
    return via_await(create_eager(create_nested, left), result);
}

TEST(they_nest)
{
    int left = 50;
    ck_assert_int_eq(run_main(create_nested, &left), 0);
}

static int create_in_callback(void *kept)
{
    *(via_future **)kept = create_eager(say_and_yield, (void *)"task");
    ck_assert_ptr_null(via_current_task());
    ASSERT_RECORD(&history, "task1");
    return 0;
}

TEST(a_callback_can_make_one)
{
    via_loop *loop = open_task_loop();
    via_future *task = NULL;
    ck_assert_int_eq(via_call_soon(loop, create_in_callback, &task, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "task1 task2");
    close_loop(loop);
}

TEST(where_the_loop_does_not_run_it_begins_in_its_turn)
{
    via_loop *loop = open_task_loop();
    struct via_task_options options = {.eager = 1};
    via_future *task = via_create_task_with(loop, say_and_yield, (void *)"task", &options);
    ASSERT_RECORD(&history, "");
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "task1 task2");
    close_loop(loop);
}

/* A call that the task runs itself. */

static int create_in_call(void *kept, void **result)
{
    (void)result;
    *(via_future **)kept = create_eager(say_and_yield, (void *)"task");
    return 0;
}

static int run_call_here(void *arg, void **result)
{
    via_executor *inline_executor = NULL;
    via_future *task = NULL;
    (void)arg;
    ck_assert_int_eq(via_inline_new(&inline_executor), 0);
    struct via_call call = VIA_CALL(create_in_call, &task);
    ck_assert_int_eq(via_await_in_executor(inline_executor, &call, NULL), 0);
    via_executor_unref(inline_executor);
    return via_await(task, result);
}

TEST(a_call_that_a_task_runs_itself_can_make_one_that_waits)
{
    ck_assert_int_eq(run_main(run_call_here, NULL), 0);
    ASSERT_RECORD(&history, "task1 task2");
}

TEST_MAIN("task/eager", a_plain_task_does_not_begin_where_it_is_made,
          an_eager_task_runs_up_to_its_first_wait_and_is_a_plain_one_from_then_on,
          one_that_never_waits_is_done_when_it_was_made, awaiting_what_is_done_does_not_stop_it,
          one_that_waits_is_cancelled_like_any_other,
          it_is_the_current_task_while_it_runs_and_then_its_maker_is_again, they_nest,
          a_callback_can_make_one, where_the_loop_does_not_run_it_begins_in_its_turn,
          a_call_that_a_task_runs_itself_can_make_one_that_waits)
