/* SPDX-License-Identifier: BSD-3-Clause */
/* Futures in the order in which they complete. */
#include "unit/combine/combine_fixture.h"

static int64_t naps_ns[] = {3 * VIA_S, VIA_S, 2 * VIA_S};

static via_completed *walk(via_future *const *futures, size_t count, int64_t timeout_ns)
{
    via_completed *it = NULL;
    ck_assert_int_eq(via_as_completed(futures, count, timeout_ns, &it), 0);
    ck_assert_ptr_nonnull(it);
    return it;
}

/* Starts three naps whose references the walk has. */
static via_completed *walk_over_naps(via_future *naps[3], int64_t timeout_ns)
{
    for (int i = 0; i < 3; i++)
        naps[i] = via_create_task(task_sleep, &naps_ns[i]);
    via_completed *it = walk(naps, 3, timeout_ns);
    for (int i = 0; i < 3; i++)
        via_future_unref(naps[i]);
    return it;
}

static void expect(via_completed *it, const via_future *expected)
{
    via_future *future = NULL;
    ck_assert_int_eq(via_completed_next(it, &future), 1);
    ck_assert_ptr_eq(future, expected);
    ck_assert_int_eq(via_future_done(future), 1);
}

static void expect_status(via_completed *it, int status)
{
    via_future *untouched = (via_future *)&history, *future = untouched;
    ck_assert_int_eq(via_completed_next(it, &future), status);
    ck_assert_ptr_eq(future, untouched);
}

static int in_order(void *arg, void **result)
{
    via_future *naps[3];
    size_t total = 0;
    (void)arg;
    (void)result;
    via_completed *it = walk_over_naps(naps, VIA_FOREVER);
    ck_assert_int_eq(via_completed_pending(it, &total), 3);
    ck_assert_uint_eq(total, 3);
    expect(it, naps[1]);
    expect(it, naps[2]);
    expect(it, naps[0]);
    expect_status(it, 0);
    expect_status(it, 0);
    ck_assert_int_eq(via_completed_pending(it, NULL), 0);
    ck_assert_ptr_null(via_completed_free(it));
    return 0;
}

TEST(futures_come_in_the_order_of_their_completion)
{
    ck_assert_int_eq(run_main(in_order, NULL), 0);
}

static int done_first(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    via_future *futures[] = {promise, done_with(NULL), cancelled(), via_create_task(NULL, NULL)};
    via_completed *it = walk(futures, 4, VIA_FOREVER);
    expect(it, futures[1]);
    expect(it, futures[2]);
    expect(it, futures[3]);
    call_soon(set_result, promise);
    expect(it, futures[0]);
    expect_status(it, 0);
    via_completed_free(it);
    for (int i = 0; i < 4; i++)
        via_future_unref(futures[i]);
    return 0;
}

TEST(those_done_already_come_first_in_the_order_of_the_list)
{
    ck_assert_int_eq(run_main(done_first, NULL), 0);
}

static int listed_twice(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_return_0, NULL), *done = done_with(NULL);
    via_future *futures[] = {task, done, task, done};
    via_completed *it = walk(futures, 4, VIA_FOREVER);
    ck_assert_int_eq(via_completed_pending(it, NULL), 2);
    expect(it, done);
    expect(it, task);
    expect_status(it, 0);
    via_completed_free(it);
    via_future_unref(task);
    via_future_unref(done);
    return 0;
}

TEST(a_future_listed_twice_is_given_once)
{
    ck_assert_int_eq(run_main(listed_twice, NULL), 0);
}

static int time_over(void *arg, void **result)
{
    via_future *naps[3];
    (void)arg;
    (void)result;
    via_completed *it = walk_over_naps(naps, VIA_S + VIA_S / 2);
    expect(it, naps[1]);
    expect_status(it, VIA_ETIMEDOUT);
    expect_status(it, VIA_ETIMEDOUT);
    ck_assert_int_eq(via_completed_pending(it, NULL), 2);
    ck_assert_int_eq(via_task_cancelling(naps[0]), 0);
    // They go on, and one that is done later is given.
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    expect(it, naps[2]);
    expect_status(it, VIA_ETIMEDOUT);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    expect(it, naps[0]);
    expect_status(it, 0);
    via_completed_free(it);
    return 0;
}

TEST(when_the_time_is_over_the_rest_is_not_cancelled)
{
    ck_assert_int_eq(run_main(time_over, NULL), 0);
}

static int time_enough(void *arg, void **result)
{
    via_future *naps[3];
    (void)arg;
    (void)result;
    via_completed *it = walk_over_naps(naps, 10 * VIA_S);
    expect(it, naps[1]);
    expect(it, naps[2]);
    expect(it, naps[0]);
    via_completed_free(it);
    int64_t now_ns = via_loop_time_ns(via_loop_current());
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), now_ns);
    return 0;
}

TEST(a_timeout_that_is_not_needed_leaves_no_timer)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, time_enough, NULL), 0);
    ck_assert_int_eq((int)stats_of(loop).timers, 0);
    close_loop(loop);
}

static int no_time(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    via_completed *it = walk(&promise, 1, 0);
    expect_status(it, VIA_ETIMEDOUT);
    // Done, though its callback is still to come.
    succeed(promise, NULL);
    expect(it, promise);
    expect_status(it, 0);
    via_completed_free(it);
    via_future_unref(promise);
    return 0;
}

TEST(without_time_what_is_done_is_given)
{
    ck_assert_int_eq(run_main(no_time, NULL), 0);
}

static int walk_on(void *arg, void **result)
{
    via_future *naps[3], *future;
    (void)arg;
    (void)result;
    via_completed *it = walk_over_naps(naps, VIA_FOREVER);
    while (via_completed_next(it, &future) == 1)
        if (future == naps[1])
            break;
    ck_assert_int_eq(via_sleep(5 * VIA_S), 0);
    expect(it, naps[2]);
    expect(it, naps[0]);
    expect_status(it, 0);
    via_completed_free(it);
    return 0;
}

TEST(a_walk_that_was_left_can_be_taken_up_again)
{
    ck_assert_int_eq(run_main(walk_on, NULL), 0);
}

static int walk_away(void *arg, void **result)
{
    via_future *naps[3];
    (void)arg;
    (void)result;
    via_future *kept = via_future_ref(done_with(NULL));
    via_future_unref(kept);
    via_completed *it = walk_over_naps(naps, VIA_FOREVER);
    via_future_ref(naps[0]);
    expect(it, naps[1]);
    via_completed_free(it);
    int status = via_await(naps[0], NULL);
    via_future_unref(kept);
    return status;
}

TEST(the_futures_go_on_when_the_walk_is_freed)
{
    ck_assert_int_eq(run_main(walk_away, NULL), 0);
}

/* ---- several tasks ---- */

struct taker {
    via_completed *it;
    const char *name;
    via_future **names; // a, b, c
};

static int take_one(void *arg, void **result)
{
    struct taker *taker = arg;
    via_future *future = NULL;
    (void)result;
    int status = via_completed_next(taker->it, &future);
    if (status == 1)
        via_test_record(&history, "%s:%c", taker->name,
                        future == taker->names[0]   ? 'a'
                        : future == taker->names[1] ? 'b'
                                                    : 'c');
    else
        via_test_record(&history, "%s:%s", taker->name, status ? via_status_name(status) : "end");
    return status < 0 ? status : 0;
}

static int take_at_once(void *arg, void **result)
{
    via_future *promises[] = {new_promise(), new_promise(), new_promise()}, *tasks[4];
    (void)arg;
    (void)result;
    via_completed *it = walk(promises, 3, VIA_FOREVER);
    struct taker takers[] = {
        {it, "1", promises}, {it, "2", promises}, {it, "3", promises}, {it, "4", promises}};
    for (int i = 0; i < 4; i++)
        tasks[i] = via_create_task(take_one, &takers[i]);
    yield_times(3);
    succeed(promises[2], NULL);
    succeed(promises[0], NULL);
    yield_times(3);
    ASSERT_RECORD(&history, "1:c 2:a");
    succeed(promises[1], NULL);
    ck_assert_int_eq(via_await_all(tasks, 4, 0, NULL), 0);
    ASSERT_RECORD(&history, "1:c 2:a 3:b 4:end");
    via_completed_free(it);
    for (int i = 0; i < 3; i++)
        via_future_unref(promises[i]);
    return 0;
}

TEST(who_asked_first_gets_the_first_that_is_done)
{
    ck_assert_int_eq(run_main(take_at_once, NULL), 0);
}

static int cancel_takers(void *arg, void **result)
{
    via_future *promises[] = {new_promise(), new_promise(), new_promise()}, *tasks[4];
    (void)arg;
    (void)result;
    via_completed *it = walk(promises, 3, VIA_FOREVER);
    struct taker takers[] = {
        {it, "1", promises}, {it, "2", promises}, {it, "3", promises}, {it, "4", promises}};
    for (int i = 0; i < 4; i++)
        tasks[i] = via_create_task(take_one, &takers[i]);
    via_task_cancel(tasks[0], NULL); // before it begins
    yield_times(3);
    via_task_cancel(tasks[1], NULL); // while it waits
    yield_times(2);
    ASSERT_RECORD(&history, "2:VIA_ECANCELED");
    succeed(promises[0], NULL);
    via_task_cancel(tasks[2], NULL); // done, but not resumed: the one it was to get is its own
    yield_times(2);
    ASSERT_RECORD(&history, "2:VIA_ECANCELED 3:a");
    succeed(promises[1], NULL);
    yield_times(2);
    ASSERT_RECORD(&history, "2:VIA_ECANCELED 3:a 4:b");
    ck_assert_int_eq(via_completed_pending(it, NULL), 1);
    ck_assert_int_eq(via_await_all(tasks, 4, VIA_GATHER_RETURN_ERRORS, NULL), 0);
    via_completed_free(it);
    for (int i = 0; i < 3; i++)
        via_future_unref(promises[i]);
    return 0;
}

TEST(a_task_that_is_cancelled_loses_nothing_and_takes_nothing_along)
{
    ck_assert_int_eq(run_main(cancel_takers, NULL), 0);
}

static int walk_in_clean_up(void *arg, void **result)
{
    struct taker *taker = arg;
    struct via_scope shield;
    int status = via_sleep(VIA_FOREVER);
    expect_status(taker->it, VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(take_one(arg, result), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
}

static int cancel_in_clean_up(void *arg, void **result)
{
    via_future *promise = new_promise();
    (void)arg;
    (void)result;
    struct taker taker = {walk(&promise, 1, VIA_FOREVER), "1", &promise};
    via_future *task = via_create_task(walk_in_clean_up, &taker);
    yield_times(2);
    via_task_cancel(task, NULL);
    yield_times(2);
    via_task_cancel(task, NULL);
    yield_times(2);
    succeed(promise, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "1:a");
    via_completed_free(taker.it);
    via_future_unref(promise);
    return 0;
}

TEST(in_clean_up_it_waits_only_when_shielded)
{
    ck_assert_int_eq(run_main(cancel_in_clean_up, NULL), 0);
}

static int several_time_out(void *arg, void **result)
{
    via_future *promise = new_promise(), *tasks[2];
    (void)arg;
    (void)result;
    via_completed *it = walk(&promise, 1, VIA_S);
    struct taker takers[] = {{it, "1", &promise}, {it, "2", &promise}};
    for (int i = 0; i < 2; i++)
        tasks[i] = via_create_task(take_one, &takers[i]);
    ck_assert_int_eq(via_await_all(tasks, 2, VIA_GATHER_RETURN_ERRORS, NULL), 0);
    ASSERT_RECORD(&history, "1:VIA_ETIMEDOUT 2:VIA_ETIMEDOUT");
    via_completed_free(it);
    via_future_unref(promise);
    return 0;
}

TEST(the_time_is_over_for_all_who_wait)
{
    ck_assert_int_eq(run_main(several_time_out, NULL), 0);
}

static int free_under_them(void *arg, void **result)
{
    via_future *promise = new_promise(), *tasks[2];
    (void)arg;
    (void)result;
    via_completed *it = walk(&promise, 1, VIA_FOREVER);
    struct taker takers[] = {{it, "1", &promise}, {it, "2", &promise}};
    for (int i = 0; i < 2; i++)
        tasks[i] = via_create_task(take_one, &takers[i]);
    yield_times(2);
    via_completed_free(it);
    via_task_cancel(tasks[0], NULL); // woken already
    ck_assert_int_eq(via_await_all(tasks, 2, VIA_GATHER_RETURN_ERRORS, NULL), 0);
    ASSERT_RECORD(&history, "1:VIA_ESTATE 2:VIA_ESTATE");
    via_future_unref(promise);
    return 0;
}

TEST(those_who_wait_are_told_that_the_walk_was_freed)
{
    ck_assert_int_eq(run_main(free_under_them, NULL), 0);
}

/* ---- the rest ---- */

static int walk_badly(void *other, void **result)
{
    via_future *none = NULL, *foreign = via_future_new(other), *future;
    via_completed *it = NULL;
    (void)result;
    ck_assert_int_eq(via_as_completed(&none, 1, VIA_FOREVER, &it), VIA_EINVAL);
    ck_assert_int_eq(via_as_completed(NULL, 1, VIA_FOREVER, &it), VIA_EINVAL);
    ck_assert_int_eq(via_as_completed(NULL, 0, -1, &it), VIA_EINVAL);
    ck_assert_int_eq(via_as_completed(NULL, 0, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_as_completed(&foreign, 1, VIA_FOREVER, &it), VIA_EFOREIGN);
    ck_assert_ptr_null(it);
    ck_assert_int_eq(via_completed_next(NULL, &future), VIA_EINVAL);
    ck_assert_int_eq(via_completed_pending(NULL, NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_completed_free(NULL));
    it = walk(NULL, 0, 0);
    expect_status(it, 0);
    via_completed_free(it);
    via_future_unref(foreign);
    return 0;
}

TEST(bad_arguments_are_refused)
{
    via_loop *other = open_loop();
    ck_assert_int_eq(run_main(walk_badly, other), 0);
    via_future *future = via_future_new(other);
    via_completed *it = walk(&future, 1, VIA_FOREVER);
    expect_status(it, VIA_ESTATE);
    via_completed_free(it);
    via_future_unref(future);
    close_loop(other);
}

static int fail_soon(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return VIA_EBUSY;
}

static int walk_over_an_error(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(fail_soon, NULL), *future;
    via_completed *it = walk(&task, 1, VIA_FOREVER);
    ck_assert_int_eq(via_completed_next(it, &future), 1);
    via_future_unref(task);
    via_completed_free(it);
    return 0;
}

TEST(walking_is_not_looking_at_an_error)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, walk_over_an_error, NULL), 0);
    ck_assert_int_eq(reports.count, 1);
    close_loop(loop);
}

TEST(closing_the_loop_ends_the_waits_and_the_walk_may_be_freed_afterwards)
{
    via_loop *loop = open_task_loop();
    via_future *promise = via_future_new(loop);
    struct taker taker = {walk(&promise, 1, VIA_FOREVER), "1", &promise};
    via_future_unref(create(loop, take_one, &taker));
    RUN_TICKS(loop, 3);
    close_loop(loop);
    ASSERT_RECORD(&history, "1:VIA_ECANCELED");
    via_future_unref(promise);
    via_completed_free(taker.it);
}

TEST_MAIN("combine/as_completed", futures_come_in_the_order_of_their_completion,
          those_done_already_come_first_in_the_order_of_the_list, a_future_listed_twice_is_given_once,
          when_the_time_is_over_the_rest_is_not_cancelled, a_timeout_that_is_not_needed_leaves_no_timer,
          without_time_what_is_done_is_given, a_walk_that_was_left_can_be_taken_up_again,
          the_futures_go_on_when_the_walk_is_freed, who_asked_first_gets_the_first_that_is_done,
          a_task_that_is_cancelled_loses_nothing_and_takes_nothing_along,
          in_clean_up_it_waits_only_when_shielded, the_time_is_over_for_all_who_wait,
          those_who_wait_are_told_that_the_walk_was_freed, bad_arguments_are_refused,
          walking_is_not_looking_at_an_error,
          closing_the_loop_ends_the_waits_and_the_walk_may_be_freed_afterwards)
