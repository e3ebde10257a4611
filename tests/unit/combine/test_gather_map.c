/* SPDX-License-Identifier: BSD-3-Clause */
/* A gather that makes tasks, so many at a time. */
#include "unit/combine/combine_fixture.h"

static int running, most;

/* Runs for a second, or fails if its argument is negative. */
static int work(void *arg, void **result)
{
    running++;
    most = running > most ? running : most;
    via_test_record(&history, "%d", *(int *)arg);
    int status = via_sleep(VIA_S);
    running--;
    *result = arg;
    return status < 0 ? status : *(int *)arg < 0 ? VIA_EBUSY : 0;
}

static int numbers[] = {1, 2, 3, 4, 5, 6, 7};
static void *args[] = {&numbers[0], &numbers[1], &numbers[2], &numbers[3],
                       &numbers[4], &numbers[5], &numbers[6]};

static int map_with_limit(void *limit, void **result)
{
    int64_t start_ns = via_loop_time_ns(via_loop_current());
    via_future *gather = via_gather_map(work, args, 7, *(size_t *)limit, 0);
    void *value = NULL;
    (void)result;
    ck_assert_int_eq(via_await(gather, &value), 0);
    for (int i = 0; i < 7; i++)
        ck_assert_ptr_eq(((struct via_outcome *)value)[i].value, &numbers[i]);
    via_outcomes_free(value);
    via_test_record(&history, "%d", (int)((via_loop_time_ns(via_loop_current()) - start_ns) / VIA_S));
    return 0;
}

TEST(no_more_than_the_limit_run_at_once_and_results_are_in_order)
{
    size_t limit = 3;
    ck_assert_int_eq(run_main(map_with_limit, &limit), 0);
    ck_assert_int_eq(most, 3);
    ASSERT_RECORD(&history, "1 2 3 4 5 6 7 3");
}

TEST(without_a_limit_all_run_at_once)
{
    size_t limit = 0;
    ck_assert_int_eq(run_main(map_with_limit, &limit), 0);
    ck_assert_int_eq(most, 7);
    ASSERT_RECORD(&history, "1 2 3 4 5 6 7 1");
}

static int map_with_failure(void *flags, void **result)
{
    (void)result;
    numbers[1] = -2;
    via_future *gather = via_gather_map(work, args, 7, 2, *(unsigned *)flags);
    void *value = NULL;
    int status = via_await(gather, &value);
    if (value) {
        struct via_outcome *out = value;
        ck_assert_int_eq(out[1].status, VIA_EBUSY);
        ck_assert_ptr_eq(out[6].value, &numbers[6]);
        via_outcomes_free(out);
    }
    ck_assert_int_eq(via_sleep(10 * VIA_S), 0);
    ck_assert_int_eq(running, 0);
    return status;
}

TEST(a_failure_stops_new_tasks_and_those_that_run_go_on)
{
    unsigned flags = 0;
    ck_assert_int_eq(run_main(map_with_failure, &flags), VIA_EBUSY);
    // The first of the two ended just before, and a third had begun.
    ASSERT_RECORD(&history, "1 -2 3");
}

TEST(a_draining_map_cancels_those_that_run)
{
    unsigned flags = VIA_GATHER_DRAIN;
    ck_assert_int_eq(run_main(map_with_failure, &flags), VIA_EBUSY);
    ck_assert_int_eq(most, 2);
}

TEST(where_errors_are_outcomes_all_run)
{
    unsigned flags = VIA_GATHER_RETURN_ERRORS;
    ck_assert_int_eq(run_main(map_with_failure, &flags), 0);
    ASSERT_RECORD(&history, "1 -2 3 4 5 6 7");
}

static int cancel_the_map(void *flags, void **result)
{
    (void)result;
    via_future *gather = via_gather_map(work, args, 7, 2, *(unsigned *)flags);
    ck_assert_int_eq(via_sleep(VIA_S / 2), 0);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    ck_assert_int_eq(running, 0);
    return 0;
}

TEST(cancelling_stops_those_that_run_and_begins_no_more)
{
    unsigned flags = 0;
    ck_assert_int_eq(run_main(cancel_the_map, &flags), 0);
    ASSERT_RECORD(&history, "1 2");
}

TEST(with_return_errors_too)
{
    unsigned flags = VIA_GATHER_RETURN_ERRORS;
    ck_assert_int_eq(run_main(cancel_the_map, &flags), 0);
    ASSERT_RECORD(&history, "1 2");
}

static int succeed_all_the_same(void *arg, void **result)
{
    (void)arg;
    (void)result;
    running++;
    ck_assert_int_lt(via_sleep(VIA_S), 0);
    return 0;
}

static int cancel_those_who_do_not_mind(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *gather = via_gather_map(succeed_all_the_same, args, 7, 2, 0);
    yield_times(3);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    ck_assert_int_eq(running, 2);
    return 0;
}

TEST(a_map_with_tasks_that_never_ran_is_cancelled_though_the_others_succeed)
{
    ck_assert_int_eq(run_main(cancel_those_who_do_not_mind, NULL), 0);
}

static int map_badly(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(status_of(via_gather_map(NULL, args, 1, 0, 0)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_gather_map(work, NULL, 1, 0, 0)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_gather_map(work, args, 1, 0, 8)), VIA_EINVAL);
    via_future *empty = via_gather_map(work, NULL, 0, 0, 0);
    ck_assert_int_eq(via_future_done(empty), 1);
    return via_await(empty, NULL);
}

TEST(bad_arguments_are_refused_and_no_arguments_give_an_empty_array)
{
    ck_assert_int_eq(status_of(via_gather_map(work, args, 1, 0, 0)), VIA_ESTATE);
    ck_assert_int_eq(run_main(map_badly, NULL), 0);
}

/* Each of many begins only when one has ended; none of them on the stack of another. */
static int map_many(void *arg, void **result)
{
    enum { MANY = 5000 };
    static void *many[MANY];
    (void)arg;
    (void)result;
    via_future *gather = via_gather_map(task_return_0, many, MANY, 1, 0);
    return via_await(gather, NULL);
}

TEST(thousands_one_after_the_other_need_no_deeper_stack)
{
    ck_assert_int_eq(run_main(map_many, NULL), 0);
}

/* ---- arguments and values with destructors ---- */

enum { PAYLOADS = 5 };

static struct via_test_counted owned[PAYLOADS], given[PAYLOADS];
static void *owned_args[] = {&owned[0], &owned[1], &owned[2], &owned[3], &owned[4]};

/* Gives the payload that belongs to its argument; after a second, but for the first one. */
static int give_payload(void *arg, void **result)
{
    ptrdiff_t at = (struct via_test_counted *)arg - owned;
    *result = &given[at];
    return at ? via_sleep(VIA_S) : 0;
}

static via_future *map_payloads(size_t limit, unsigned flags)
{
    const struct via_gather_map_options options = {.limit = limit,
                                                   .flags = flags,
                                                   .destroy = via_test_counted_destroy,
                                                   .destroy_result = via_test_counted_destroy};
    return via_gather_map_with(give_payload, owned_args, PAYLOADS, &options);
}

static void assert_destroyed(const struct via_test_counted *payloads, int times)
{
    for (int i = 0; i < PAYLOADS; i++)
        ck_assert_msg(via_test_destroyed(&payloads[i]) == times, "%d: %d times", i,
                      via_test_destroyed(&payloads[i]));
}

static int use_payloads(void *arg, void **result)
{
    void *value = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_await(map_payloads(2, 0), &value), 0);
    assert_destroyed(owned, 1);
    assert_destroyed(given, 0);
    ck_assert_ptr_eq(((struct via_outcome *)value)[4].value, &given[4]);
    via_outcomes_free(value);
    assert_destroyed(given, 1);
    return 0;
}

TEST(values_go_with_the_array_and_arguments_with_their_tasks)
{
    ck_assert_int_eq(run_main(use_payloads, NULL), 0);
}

/* One task has succeeded, one runs, and three were never begun. */
static int cancel_payloads(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *gather = map_payloads(1, 0);
    yield_times(4);
    ck_assert_int_eq(via_test_destroyed(&owned[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&owned[1]), 0);
    ck_assert_int_eq(via_test_destroyed(&given[0]), 0);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_cancelled_map_releases_what_was_given_and_what_was_never_used)
{
    ck_assert_int_eq(run_main(cancel_payloads, NULL), 0);
    assert_destroyed(owned, 1);
    ck_assert_int_eq(via_test_destroyed(&given[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&given[1]), 1);
    ck_assert_int_eq(via_test_destroyed(&given[2]), 0);
}

static int await_payloads(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_await(map_payloads(2, 0), NULL);
}

TEST(a_map_whose_loop_is_closed_releases_them_too)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, await_payloads, NULL);
    settle(loop);
    assert_destroyed(given, 0);
    close_loop(loop);
    via_future_unref(task);
    assert_destroyed(owned, 1);
}

static int fail_or_give(void *arg, void **result)
{
    return arg == &owned[2] ? VIA_EBUSY : give_payload(arg, result);
}

static int fail_payloads(void *arg, void **result)
{
    const struct via_gather_map_options options = {
        .limit = 3, .destroy = via_test_counted_destroy, .destroy_result = via_test_counted_destroy};
    (void)arg;
    (void)result;
    int status = via_await(via_gather_map_with(fail_or_give, owned_args, PAYLOADS, &options), NULL);
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    return status;
}

TEST(a_map_that_fails_releases_what_was_given_and_what_was_never_used)
{
    ck_assert_int_eq(run_main(fail_payloads, NULL), VIA_EBUSY);
    assert_destroyed(owned, 1);
    ck_assert_int_eq(via_test_destroyed(&given[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&given[1]), 1);
}

static int map_payloads_badly(void *arg, void **result)
{
    const struct via_gather_map_options options = {.stack_bytes = SIZE_MAX,
                                                   .destroy = via_test_counted_destroy};
    (void)arg;
    (void)result;
    ck_assert_int_eq(status_of(map_payloads(0, 8)), VIA_EINVAL);
    assert_destroyed(owned, 1);
    int status = via_await(via_gather_map_with(give_payload, owned_args, PAYLOADS, &options), NULL);
    assert_destroyed(owned, 2);
    return status;
}

TEST(a_map_that_is_refused_releases_its_arguments)
{
    ck_assert_int_eq(run_main(map_payloads_badly, NULL), VIA_EINVAL);
    ck_assert_int_eq(status_of(map_payloads(0, 0)), VIA_ESTATE);
    assert_destroyed(owned, 3);
}

TEST_MAIN("combine/gather_map", no_more_than_the_limit_run_at_once_and_results_are_in_order,
          without_a_limit_all_run_at_once, a_failure_stops_new_tasks_and_those_that_run_go_on,
          a_draining_map_cancels_those_that_run, where_errors_are_outcomes_all_run,
          cancelling_stops_those_that_run_and_begins_no_more, with_return_errors_too,
          a_map_with_tasks_that_never_ran_is_cancelled_though_the_others_succeed,
          bad_arguments_are_refused_and_no_arguments_give_an_empty_array,
          thousands_one_after_the_other_need_no_deeper_stack,
          values_go_with_the_array_and_arguments_with_their_tasks,
          a_cancelled_map_releases_what_was_given_and_what_was_never_used,
          a_map_whose_loop_is_closed_releases_them_too,
          a_map_that_fails_releases_what_was_given_and_what_was_never_used,
          a_map_that_is_refused_releases_its_arguments)
