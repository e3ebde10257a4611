/* SPDX-License-Identifier: BSD-3-Clause */
/* One future that several await, at a time or after each other, and one whose value was taken before. */
#include "unit/task/task_fixture.h"

#include <string.h>

static int number;

/* Awaits the future, which it shares with others, and says what came. */
static int await_shared(void *future, void **result)
{
    void *value = NULL;
    (void)result;
    int status = via_await(via_future_ref(future), &value);
    via_test_record(&history, "%s", status < 0 ? via_status_name(status) : value == &number ? "it" : "wrong");
    return status;
}

static int await_at_a_time(void *arg, void **result)
{
    via_future *shared = new_promise();
    (void)arg;
    (void)result;
    via_future *a = via_create_task(await_shared, shared), *b = via_create_task(await_shared, shared);
    yield_times(2);
    ASSERT_RECORD(&history, "");
    ck_assert_int_eq(via_future_set_result(shared, &number, NULL), 0);
    ck_assert_int_eq(via_await(a, NULL), 0);
    ck_assert_int_eq(via_await(b, NULL), 0);
    ck_assert_int_eq(await_shared(shared, NULL), 0);
    via_future_unref(shared);
    return 0;
}

TEST(all_who_await_one_future_are_woken_with_its_value)
{
    ck_assert_int_eq(run_main(await_at_a_time, NULL), 0);
    ASSERT_RECORD(&history, "it it it");
}

static int cancel_one_of_two(void *arg, void **result)
{
    via_future *shared = new_promise();
    (void)arg;
    (void)result;
    via_future *a = via_create_task(await_shared, shared), *b = via_create_task(await_shared, shared);
    yield_times(2);
    ck_assert_int_ge(via_task_cancel(a, NULL), 0);
    ck_assert_int_eq(via_await(a, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_await(b, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_future_state(shared), VIA_CANCELLED);
    via_future_unref(shared);
    return 0;
}

TEST(a_request_to_one_of_two_cancels_what_both_await)
{
    ck_assert_int_eq(run_main(cancel_one_of_two, NULL), 0);
    ASSERT_RECORD(&history, "VIA_ECANCELED VIA_EABORTED");
}

/* Waits, while somebody takes what it waits for. */
static int take_first(via_future *future, void *arg)
{
    struct via_outcome outcome;
    (void)arg;
    return via_future_take(future, &outcome);
}

static int await_taken(void *arg, void **result)
{
    via_future *future = new_promise();
    struct via_outcome outcome = {.code = 7};
    void *value = &history;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_future_add_done_callback(future, take_first, NULL), 0);
    call_soon(set_result, future);
    ck_assert_int_eq(via_await(via_future_ref(future), &value), VIA_ETAKEN);
    ck_assert_int_eq(via_await(via_future_ref(future), &value), VIA_ETAKEN);
    ck_assert_int_eq(via_await(via_future_ref(future), NULL), VIA_ETAKEN);
    ck_assert_ptr_eq(value, &history);
    ck_assert_int_eq(via_await_outcome(future, &outcome), VIA_ETAKEN);
    ck_assert_int_eq(outcome.code, 7);
    return 0;
}

TEST(a_value_that_somebody_took_is_not_given_to_who_awaits_it)
{
    ck_assert_int_eq(run_main(await_taken, NULL), 0);
}

static int await_error_that_was_looked_at(void *arg, void **result)
{
    via_future *future = new_promise();
    struct via_outcome outcome;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    ck_assert_int_eq(via_future_take(future, &outcome), 0);
    return via_await(future, NULL);
}

TEST(an_error_is_there_for_everybody)
{
    ck_assert_int_eq(run_main(await_error_that_was_looked_at, NULL), VIA_EBUSY);
}

TEST_MAIN("task/await_shared", all_who_await_one_future_are_woken_with_its_value,
          a_request_to_one_of_two_cancels_what_both_await,
          a_value_that_somebody_took_is_not_given_to_who_awaits_it, an_error_is_there_for_everybody)
