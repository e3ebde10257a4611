/* SPDX-License-Identifier: BSD-3-Clause */
/* Async map: order, look-ahead, errors, requests to stop, and the end. */
#include "unit/task/task_fixture.h"

#include <viaduct/async_map.h>
#include <viaduct/timeout.h>

/* A source that counts: gives the addresses of numbers, so many. */
struct numbers {
    int at, count, status;
    int number[64];
};

static int next_number(void *source, void **item)
{
    struct numbers *numbers = source;
    if (numbers->at == numbers->count)
        return numbers->status;
    numbers->number[numbers->at] = numbers->at;
    *item = &numbers->number[numbers->at++];
    return 1;
}

static via_async_map *start_on(via_executor *executor, const struct via_async_map_options *options)
{
    via_async_map *map = NULL;
    ck_assert_int_eq(via_async_map_new(executor, options, &map), 0);
    ck_assert_ptr_nonnull(map);
    return map;
}

/* Writes the numbers that the map gives to the history, up to its end. */
static int say_all(via_async_map *map)
{
    struct via_outcome outcome;
    int status;
    while ((status = via_async_map_next(map, &outcome)) == 1) {
        if (outcome.status == 0)
            via_test_record(&history, "%d", *(int *)outcome.value);
        else if (outcome.code)
            via_test_record(&history, "%d:%s", outcome.code, outcome.message);
        else
            via_test_record(&history, "%s", via_status_name(outcome.status));
    }
    return status;
}

/* ---- order and look-ahead ---- */

static int plain(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 10};
    struct via_async_map_options options = {
        .next_item = next_number, .source = &numbers, .fn = give_back, .ahead = 3};
    via_async_map *map = start_on(NULL, &options);
    ck_assert_int_eq(numbers.at, 3);
    int status = say_all(map);
    struct via_outcome untouched = {.status = 42};
    ck_assert_int_eq(via_async_map_next(map, &untouched), 0);
    ck_assert_int_eq(untouched.status, 42);
    ck_assert_ptr_null(via_async_map_free(map));
    return status;
}

TEST(results_come_in_the_order_of_the_items)
{
    ck_assert_int_eq(run_main(plain, NULL), 0);
    ASSERT_RECORD(&history, "0 1 2 3 4 5 6 7 8 9");
}

static int nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 0};
    struct via_async_map_options options = {.next_item = next_number, .source = &numbers, .fn = give_back};
    via_async_map *map = start_on(NULL, &options);
    int status = say_all(map);
    via_async_map_free(map);
    return status;
}

TEST(a_source_without_items_gives_no_results)
{
    ck_assert_int_eq(run_main(nothing, NULL), 0);
    ASSERT_RECORD(&history, "");
}

/* Each number has a gate that its function passes. */
static struct via_test_gate gates[4] = {VIA_TEST_GATE_INITIALIZER, VIA_TEST_GATE_INITIALIZER,
                                        VIA_TEST_GATE_INITIALIZER, VIA_TEST_GATE_INITIALIZER};

static int pass_gate(void *arg, void **result)
{
    *result = arg;
    via_test_gate_pass(&gates[*(int *)arg]);
    return 0;
}

struct map_case {
    struct via_async_map_options options;
    struct numbers numbers;
    via_executor *pool;
    struct via_scope limit;
};

static int say_mapped(void *arg, void **result)
{
    struct map_case *now = arg;
    (void)result;
    via_async_map *map = start_on(now->pool, &now->options);
    int status = say_all(map);
    via_async_map_free(map);
    return status;
}

static struct map_case gated_case(via_executor *pool, struct map_case *at)
{
    return (struct map_case){
        .options = {.next_item = next_number, .source = &at->numbers, .fn = pass_gate},
        .numbers = {.count = 3},
        .pool = pool,
    };
}

TEST(an_early_result_waits_for_those_before_it)
{
    via_loop *loop = open_task_loop();
    via_executor *pool = open_pool(3);
    struct map_case now = gated_case(pool, &now);
    via_future *task = create(loop, say_mapped, &now);
    RUN_UNTIL(loop, via_test_gate_arrived(&gates[0]) == 1);
    via_test_gate_open(&gates[2]);
    via_test_gate_open(&gates[1]);
    RUN_UNTIL(loop, stats_of(loop).in_flight == 1);
    RUN_TICKS(loop, 5);
    ASSERT_RECORD(&history, "");
    via_test_gate_open(&gates[0]);
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "0 1 2");
    close_loop(loop);
    close_pool(pool);
}

TEST(results_may_come_as_they_are_there)
{
    via_loop *loop = open_task_loop();
    via_executor *pool = open_pool(3);
    struct map_case now = gated_case(pool, &now);
    now.options.as_completed = 1;
    via_future *task = create(loop, say_mapped, &now);
    RUN_UNTIL(loop, via_test_gate_arrived(&gates[0]) == 1);
    via_test_gate_open(&gates[2]);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    via_test_gate_open(&gates[0]);
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    via_test_gate_open(&gates[1]);
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "2 0 1");
    close_loop(loop);
    close_pool(pool);
}

static int bounded(void *arg, void **result)
{
    struct via_outcome outcome;
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 10};
    struct via_async_map_options options = {
        .next_item = next_number, .source = &numbers, .fn = give_back, .ahead = 4};
    for (options.as_completed = 0; options.as_completed < 2; options.as_completed++) {
        numbers.at = 0;
        via_async_map *map = start_on(NULL, &options);
        for (int given = 0; given < 10; given++) {
            ck_assert_int_eq(numbers.at, given + 4 < 10 ? given + 4 : 10);
            ck_assert_int_eq(via_async_map_next(map, &outcome), 1);
        }
        via_async_map_free(map);
    }
    return 0;
}

TEST(never_more_than_the_look_ahead_is_read_and_not_given_out)
{
    ck_assert_int_eq(run_main(bounded, NULL), 0);
}

/* ---- errors ---- */

static int fail_odd(void *arg, void **result)
{
    *result = arg;
    int number = *(int *)arg;
    return number % 2 ? via_fail(number, "odd") : 0;
}

static int some_fail(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 4, .status = VIA_EBADF};
    struct via_async_map_options options = {
        .next_item = next_number, .source = &numbers, .fn = fail_odd, .ahead = 2};
    via_async_map *map = start_on(NULL, &options);
    int status = say_all(map);
    via_async_map_free(map);
    return status;
}

TEST(an_error_is_its_items_outcome_and_that_of_the_source_comes_last)
{
    ck_assert_int_eq(run_main(some_fail, NULL), VIA_EBADF);
    ASSERT_RECORD(&history, "0 1:odd 2 3:odd");
}

TEST(a_call_that_cannot_be_started_is_its_items_outcome)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = open_bounded_pool(1, VIA_FULL_REJECT);
    via_cfuture *cf = occupy(pool, &gate);
    struct map_case now = {.options = {.next_item = next_number, .source = &now.numbers, .fn = give_back},
                           .numbers = {.count = 3},
                           .pool = pool};
    via_loop *loop = open_task_loop();
    now.options.as_completed = 1;
    via_future *task = create(loop, say_mapped, &now);
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    via_test_gate_open(&gate);
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "VIA_EBUSY VIA_EBUSY 0");
    close_loop(loop);
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    via_cfuture_unref(cf);
    close_pool(pool);
}

static int await_and_count(void *source, void **item)
{
    int status = via_sleep(VIA_MS);
    return status < 0 ? status : next_number(source, item);
}

static int with_slow_source(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 4};
    struct via_async_map_options options = {
        .next_item = await_and_count, .source = &numbers, .fn = give_back, .ahead = 2};
    via_async_map *map = start_on(NULL, &options);
    int status = say_all(map);
    via_async_map_free(map);
    return status;
}

TEST(the_source_may_await)
{
    ck_assert_int_eq(run_main(with_slow_source, NULL), 0);
    ASSERT_RECORD(&history, "0 1 2 3");
}

/* ---- requests to stop ---- */

static int next_in_limit(void *arg, void **result)
{
    struct map_case *now = arg;
    struct via_outcome outcome;
    (void)result;
    via_async_map *map = start_on(now->pool, &now->options);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &now->limit), 0);
    int status = via_timeout_end(&now->limit, via_async_map_next(map, &outcome));
    via_test_record(&history, "%s", via_status_name(status));
    via_test_gate_open(&gates[0]);
    status = say_all(map);
    via_async_map_free(map);
    return status;
}

TEST(a_wait_that_was_cut_short_may_be_begun_again)
{
    via_loop *loop = open_task_loop();
    via_executor *pool = open_pool(1);
    struct map_case now = gated_case(pool, &now);
    via_test_gate_open(&gates[1]);
    via_test_gate_open(&gates[2]);
    via_future *task = create(loop, next_in_limit, &now);
    RUN_UNTIL(loop, via_test_gate_arrived(&gates[0]) == 1);
    ck_assert_int_eq(via_timeout_reschedule(&now.limit, via_loop_time_ns(loop)), 0);
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "VIA_ETIMEDOUT 0 1 2");
    close_loop(loop);
    close_pool(pool);
}

static int asked_when_done(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 2};
    struct via_async_map_options options = {
        .next_item = next_number, .source = &numbers, .fn = give_back, .ahead = 2};
    struct via_outcome outcome;
    for (options.as_completed = 0; options.as_completed < 2; options.as_completed++) {
        numbers.at = 0;
        via_async_map *map = start_on(NULL, &options);
        while (stats_of(via_loop_current()).in_flight)
            ck_assert_int_eq(via_yield(), 0);
        via_task_cancel(via_current_task(), NULL);
        ck_assert_int_eq(via_async_map_next(map, &outcome), 1);
        ck_assert_int_eq(via_async_map_next(map, &outcome), 1);
        ck_assert_int_eq(via_async_map_next(map, &outcome), 0);
        via_async_map_free(map);
        ck_assert_int_eq(via_task_uncancel(NULL), 0);
    }
    return 0;
}

TEST(what_is_there_is_given_out_also_after_a_request)
{
    ck_assert_int_eq(run_main(asked_when_done, NULL), 0);
}

/* The functions write to items that lie in the task's function; some only when they are asked to stop. */
static int until_asked;

static int write_item(void *arg, void **result)
{
    int number = *(int *)arg;
    *result = arg;
    via_test_gate_pass(&gates[number]);
    if (until_asked)
        AWAIT(via_call_cancelled());
    *(int *)arg = -1;
    return 0;
}

static int cancelled_with_borrowed(void *arg, void **result)
{
    via_executor *pool = arg;
    struct via_outcome outcome;
    (void)result;
    struct numbers numbers = {.count = 4};
    struct via_async_map_options options = {.next_item = next_number, .source = &numbers, .fn = write_item};
    via_async_map *map = start_on(pool, &options);
    int status = via_async_map_next(map, &outcome);
    ck_assert_int_eq(status, VIA_ECANCELED);
    say("cut");
    via_async_map_free(map);
    ck_assert_int_eq(numbers.number[0], -1);
    ck_assert_int_eq(numbers.number[1], -1);
    ck_assert_int_eq(numbers.number[2], 2); /* it never ran */
    say("free");
    return status;
}

TEST(a_map_that_borrows_is_freed_only_when_the_functions_have_returned)
{
    via_loop *loop = open_task_loop();
    via_executor *pool = open_pool(2);
    via_future *task = create(loop, cancelled_with_borrowed, pool);
    RUN_UNTIL(loop, via_test_gate_arrived(&gates[0]) == 1 && via_test_gate_arrived(&gates[1]) == 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    RUN_TICKS(loop, 10);
    ASSERT_RECORD(&history, "cut");
    via_test_gate_open(&gates[0]);
    RUN_UNTIL(loop, stats_of(loop).in_flight == 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED); /* that changes nothing */
    RUN_TICKS(loop, 10);
    ASSERT_RECORD(&history, "cut");
    via_test_gate_open(&gates[1]);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    ASSERT_RECORD(&history, "cut free");
    close_loop(loop);
    close_pool(pool);
}

static int free_at_once(void *arg, void **result)
{
    struct map_case *now = arg;
    (void)result;
    via_async_map_free(start_on(now->pool, &now->options));
    return 0;
}

/* Items and results that count. */
static struct via_test_counted items[3];

static int next_counted(void *source, void **item)
{
    int *at = source;
    if (*at == 3)
        return 0;
    *item = &items[(*at)++];
    return 1;
}

static int hold_counted(void *arg, void **result)
{
    (void)arg;
    static struct via_test_counted value;
    *result = &value;
    via_test_gate_pass(&gates[0]);
    return 0;
}

TEST(a_map_that_owns_its_items_is_freed_without_a_wait)
{
    via_loop *loop = open_task_loop();
    via_executor *pool = open_pool(1);
    int at = 0;
    struct map_case now = {.options = {.next_item = next_counted,
                                       .source = &at,
                                       .fn = hold_counted,
                                       .destroy_item = via_test_counted_destroy},
                           .pool = pool};
    /* The worker may or may not have begun with the first one; nobody waits for it. */
    ck_assert_int_eq(run_main_on(loop, free_at_once, &now), 0);
    via_test_gate_open(&gates[0]);
    for (int i = 0; i < 3; i++)
        AWAIT(via_test_destroyed(&items[i]) == 1);
    close_loop(loop);
    close_pool(pool);
}

static int value_is_owned(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static int take_one(void *arg, void **result)
{
    struct map_case *now = arg;
    struct via_outcome outcome;
    (void)result;
    via_async_map *map = start_on(now->pool, &now->options);
    ck_assert_int_eq(via_async_map_next(map, &outcome), 1);
    ck_assert_ptr_eq(outcome.value, &items[0]);
    ck_assert_ptr_nonnull((void *)(uintptr_t)outcome.destroy);
    outcome.destroy(outcome.value);
    while (stats_of(via_loop_current()).in_flight)
        ck_assert_int_eq(via_yield(), 0);
    via_async_map_free(map);
    return 0;
}

TEST(results_that_nobody_took_are_destroyed_with_the_map)
{
    int at = 0;
    struct map_case now = {.options = {.next_item = next_counted,
                                       .source = &at,
                                       .fn = value_is_owned,
                                       .destroy_result = via_test_counted_destroy}};
    ck_assert_int_eq(run_main(take_one, &now), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_test_destroyed(&items[i]), 1);
}

TEST(closing_the_loop_waits_for_the_functions_that_a_map_runs)
{
    via_loop *loop = open_task_loop();
    via_executor *pool = open_pool(2);
    until_asked = 1;
    via_test_gate_open(&gates[0]);
    via_test_gate_open(&gates[1]);
    via_future *task = create(loop, cancelled_with_borrowed, pool);
    RUN_UNTIL(loop, via_test_gate_arrived(&gates[0]) == 1 && via_test_gate_arrived(&gates[1]) == 1);
    close_loop(loop);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    ASSERT_RECORD(&history, "cut free");
    close_pool(pool);
}

/* ---- misuse ---- */

static int arguments(void *arg, void **result)
{
    struct via_outcome outcome;
    (void)arg;
    (void)result;
    struct numbers numbers = {.count = 1};
    struct via_async_map_options options = {.next_item = next_number, .source = &numbers, .fn = give_back},
                                 bad = options;
    via_async_map *map = NULL;
    ck_assert_int_eq(via_async_map_new(NULL, NULL, &map), VIA_EINVAL);
    ck_assert_int_eq(via_async_map_new(NULL, &options, NULL), VIA_EINVAL);
    bad.fn = NULL;
    ck_assert_int_eq(via_async_map_new(NULL, &bad, &map), VIA_EINVAL);
    bad = options;
    bad.next_item = NULL;
    ck_assert_int_eq(via_async_map_new(NULL, &bad, &map), VIA_EINVAL);
    bad = options;
    bad.ahead = SIZE_MAX / 2;
    ck_assert_int_eq(via_async_map_new(NULL, &bad, &map), VIA_ENOMEM);
    ck_assert_ptr_null(map);
    ck_assert_int_eq(via_async_map_next(NULL, &outcome), VIA_EINVAL);
    ck_assert_ptr_null(via_async_map_free(NULL));
    map = start_on(NULL, &options);
    ck_assert_int_eq(via_async_map_next(map, NULL), VIA_EINVAL);
    via_async_map_free(map);
    return 0;
}

TEST(arguments_are_checked)
{
    struct numbers numbers = {.count = 1};
    struct via_async_map_options options = {.next_item = next_number, .source = &numbers, .fn = give_back};
    via_async_map *map = NULL;
    ck_assert_int_eq(via_async_map_new(NULL, &options, &map), VIA_ESTATE);
    ck_assert_int_eq(run_main(arguments, NULL), 0);
}

static via_async_map *shared_map;

static int next_of_shared(void *arg, void **result)
{
    struct via_outcome outcome;
    (void)arg;
    (void)result;
    return via_async_map_next(shared_map, &outcome);
}

static int two_tasks(void *arg, void **result)
{
    struct map_case *now = arg;
    (void)result;
    shared_map = start_on(now->pool, &now->options);
    via_future *first = via_create_task(next_of_shared, NULL);
    via_future *second = via_create_task(next_of_shared, NULL);
    ck_assert_int_eq(via_await(second, NULL), VIA_EBUSY);
    via_test_gate_open(&gates[0]);
    ck_assert_int_eq(via_await(first, NULL), VIA_EFAILED); /* 1, seen as a code of its own */
    for (int i = 1; i < 3; i++)
        via_test_gate_open(&gates[i]);
    via_async_map_free(shared_map);
    return 0;
}

TEST(a_second_task_is_refused_while_one_waits)
{
    via_executor *pool = open_pool(3);
    struct map_case now = gated_case(pool, &now);
    ck_assert_int_eq(run_main(two_tasks, &now), 0);
    close_pool(pool);
}

TEST_MAIN("combine/async_map", results_come_in_the_order_of_the_items,
          a_source_without_items_gives_no_results, an_early_result_waits_for_those_before_it,
          results_may_come_as_they_are_there, never_more_than_the_look_ahead_is_read_and_not_given_out,
          an_error_is_its_items_outcome_and_that_of_the_source_comes_last,
          a_call_that_cannot_be_started_is_its_items_outcome, the_source_may_await,
          a_wait_that_was_cut_short_may_be_begun_again, what_is_there_is_given_out_also_after_a_request,
          a_map_that_borrows_is_freed_only_when_the_functions_have_returned,
          a_map_that_owns_its_items_is_freed_without_a_wait,
          results_that_nobody_took_are_destroyed_with_the_map,
          closing_the_loop_waits_for_the_functions_that_a_map_runs, arguments_are_checked,
          a_second_task_is_refused_while_one_waits)
