/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that await functions on threads. */
#include "unit/task/run_fixture.h"

static int fail_on_thread(void *arg, void **result)
{
    (void)result;
    return via_fail(*(int *)arg, "no luck");
}

static int count_on_thread(void *counter, void **result)
{
    *result = counter;
    __atomic_add_fetch((int *)counter, 1, __ATOMIC_RELAXED);
    return 0;
}

static int await_value(void *arg, void **result)
{
    return via_await_to_thread(give_back, arg, result);
}

TEST(a_task_gets_what_a_function_on_a_thread_gives)
{
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_run(await_value, &number, &value), 0);
    ck_assert_ptr_eq(value, &number);
}

static int await_failure(void *arg, void **result)
{
    struct via_outcome outcome = {0};
    (void)result;
    ck_assert_int_eq(via_await_to_thread(fail_on_thread, arg, NULL), VIA_EFAILED);
    int status = via_await_outcome(via_to_thread(fail_on_thread, arg), &outcome);
    ck_assert_int_eq(status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 42);
    ck_assert_str_eq(outcome.message, "no luck");
    return 0;
}

TEST(a_task_gets_the_error_of_a_function_on_a_thread)
{
    int code = 42;
    ck_assert_int_eq(via_run(await_failure, &code, NULL), 0);
}

static int await_once(void *counter, void **result)
{
    return via_await_to_thread(count_on_thread, counter, result);
}

TEST(a_function_on_a_thread_is_called_once)
{
    int counter = 0;
    ck_assert_int_eq(via_run(await_once, &counter, NULL), 0);
    ck_assert_int_eq(counter, 1);
}

static int await_ten(void *counter, void **result)
{
    via_future *calls[10];
    int status = 0;
    (void)result;
    for (int i = 0; i < 10; i++)
        calls[i] = via_to_thread(count_on_thread, counter);
    for (int i = 0; i < 10; i++) {
        int one = via_await(calls[i], NULL);
        status = one < 0 ? one : status;
    }
    return status;
}

TEST(ten_functions_at_once_are_all_called)
{
    int counter = 0;
    ck_assert_int_eq(via_run(await_ten, &counter, NULL), 0);
    ck_assert_int_eq(counter, 10);
}

TEST_MAIN("task/to_thread", a_task_gets_what_a_function_on_a_thread_gives,
          a_task_gets_the_error_of_a_function_on_a_thread, a_function_on_a_thread_is_called_once,
          ten_functions_at_once_are_all_called)
