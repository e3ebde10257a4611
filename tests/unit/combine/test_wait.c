/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for some of several futures, in a task. */
#include "unit/combine/combine_fixture.h"

static int64_t naps_ns[] = {VIA_S, 2 * VIA_S, 3 * VIA_S};

static void begin_naps(via_future *naps[3])
{
    for (int i = 0; i < 3; i++)
        naps[i] = via_create_task(task_sleep, &naps_ns[i]);
}

static void release(via_future **futures, int count)
{
    for (int i = 0; i < count; i++)
        via_future_unref(futures[i]);
}

static int seconds(void)
{
    return (int)((via_loop_time_ns(via_loop_current()) + VIA_MS) / VIA_S);
}

static int wait_for_all(void *arg, void **result)
{
    via_future *naps[3];
    (void)arg;
    (void)result;
    begin_naps(naps);
    int start = seconds();
    ck_assert_int_eq(via_wait(naps, 3, VIA_FOREVER, VIA_ALL_COMPLETED), 3);
    ck_assert_int_eq(seconds() - start, 3);
    // Again, with all of them done: it does not wait.
    call_soon(say, (void *)(uintptr_t) "tick");
    ck_assert_int_eq(via_wait(naps, 3, VIA_FOREVER, VIA_ALL_COMPLETED), 3);
    ASSERT_RECORD(&history, "");
    release(naps, 3);
    return 0;
}

TEST(all_completed_waits_for_the_last)
{
    ck_assert_int_eq(run_main(wait_for_all, NULL), 0);
}

static int wait_for_first(void *arg, void **result)
{
    via_future *naps[3];
    (void)arg;
    (void)result;
    begin_naps(naps);
    ck_assert_int_eq(via_wait(naps, 3, VIA_FOREVER, VIA_FIRST_COMPLETED), 1);
    ck_assert_int_eq(via_future_done(naps[0]), 1);
    ck_assert_int_eq(via_future_done(naps[1]), 0);
    ck_assert_int_eq(via_wait(naps + 1, 2, VIA_FOREVER, VIA_FIRST_COMPLETED), 1);
    ck_assert_int_eq(via_task_cancelling(naps[2]), 0);
    ck_assert_int_eq(via_await(naps[2], NULL), 0);
    release(naps, 2);
    return 0;
}

TEST(first_completed_ends_with_the_first_and_leaves_the_others_alone)
{
    ck_assert_int_eq(run_main(wait_for_first, NULL), 0);
}

static int settle_both(void *arg)
{
    via_future **futures = arg;
    succeed(futures[0], NULL);
    succeed(futures[1], NULL);
    return 0;
}

static int wait_for_two_at_once(void *arg, void **result)
{
    via_future *futures[] = {new_promise(), new_promise(), new_promise()};
    (void)arg;
    (void)result;
    call_soon(settle_both, futures);
    ck_assert_int_eq(via_wait(futures, 3, VIA_FOREVER, VIA_FIRST_COMPLETED), 2);
    release(futures, 3);
    return 0;
}

TEST(one_that_is_done_when_the_wait_ends_is_counted)
{
    ck_assert_int_eq(run_main(wait_for_two_at_once, NULL), 0);
}

static int many_twice(void *arg, void **result)
{
    enum { MANY = 30 };
    via_future *futures[2 * MANY];
    (void)arg;
    (void)result;
    for (int i = 0; i < MANY; i++)
        futures[i] = futures[2 * MANY - 1 - i] = via_create_task(task_return_0, NULL);
    ck_assert_int_eq(via_wait(futures, 2 * MANY, VIA_FOREVER, VIA_ALL_COMPLETED), MANY);
    release(futures, MANY);
    return 0;
}

TEST(a_future_listed_twice_counts_once)
{
    ck_assert_int_eq(run_main(many_twice, NULL), 0);
}

static int fail_at_2(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = via_sleep(2 * VIA_S);
    return status < 0 ? status : VIA_EBUSY;
}

static int wait_for_an_error(void *arg, void **result)
{
    via_future *futures[] = {via_create_task(task_sleep, &naps_ns[0]), via_create_task(fail_at_2, NULL),
                             via_create_task(task_sleep, &naps_ns[2])};
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_wait(futures, 3, VIA_FOREVER, VIA_FIRST_EXCEPTION), 2);
    ck_assert_int_eq(via_future_done(futures[2]), 0);
    // One that has failed already: at once.
    ck_assert_int_eq(via_wait(futures, 3, VIA_FOREVER, VIA_FIRST_EXCEPTION), 2);
    ck_assert_int_eq(status_of(futures[1]), VIA_EBUSY);
    release(futures, 3);
    return 0;
}

TEST(first_exception_ends_with_an_error_which_stays_where_it_is)
{
    ck_assert_int_eq(run_main(wait_for_an_error, NULL), 0);
}

static int cancelled_is_no_error(void *arg, void **result)
{
    via_future *victim = via_create_task(task_wait_for_ever, NULL);
    via_future *futures[] = {victim, via_create_task(task_sleep, &naps_ns[0])};
    (void)arg;
    (void)result;
    call_soon(cancel_it, victim);
    ck_assert_int_eq(via_wait(futures, 2, VIA_FOREVER, VIA_FIRST_EXCEPTION), 2);
    release(futures, 2);
    return 0;
}

TEST(a_cancelled_future_does_not_end_first_exception)
{
    ck_assert_int_eq(run_main(cancelled_is_no_error, NULL), 0);
}

static int wait_and_drop(void *arg, void **result)
{
    via_future *futures[] = {via_create_task(fail_at_2, NULL)};
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_wait(futures, 1, VIA_FOREVER, VIA_ALL_COMPLETED), 1);
    release(futures, 1);
    return 0;
}

TEST(waiting_is_not_looking_at_an_error)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, wait_and_drop, NULL), 0);
    ck_assert_int_eq(reports.count, 1);
    close_loop(loop);
}

/* ---- time ---- */

static int wait_with_timeout(void *arg, void **result)
{
    via_future *naps[3];
    (void)arg;
    (void)result;
    begin_naps(naps);
    ck_assert_int_eq(via_wait(naps, 3, VIA_S / 2, VIA_ALL_COMPLETED), 0);
    ck_assert_int_eq(via_wait(naps, 3, 2 * VIA_S, VIA_ALL_COMPLETED), 2);
    ck_assert_int_eq(via_wait(naps, 3, 0, VIA_ALL_COMPLETED), 2);
    ck_assert_int_eq(via_wait(naps, 3, VIA_FOREVER, VIA_ALL_COMPLETED), 3);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    ck_assert_int_eq((int)stats_of(via_loop_current()).timers, 0);
    release(naps, 3);
    return 0;
}

TEST(a_timeout_is_no_error_and_cancels_nothing)
{
    ck_assert_int_eq(run_main(wait_with_timeout, NULL), 0);
}

static int timeout_with_completion(void *arg, void **result)
{
    via_future *promise = new_promise();
    (void)arg;
    (void)result;
    call_later(VIA_S, set_result, promise);
    ck_assert_int_eq(via_wait(&promise, 1, VIA_S, VIA_ALL_COMPLETED), 1);
    via_future_unref(promise);
    return 0;
}

TEST(what_completes_at_the_same_moment_as_the_timeout_is_counted)
{
    ck_assert_int_eq(run_main(timeout_with_completion, NULL), 0);
}

/* ---- what is refused ---- */

static int wait_badly(void *other, void **result)
{
    via_future *future = new_promise(), *none = NULL, *foreign = via_future_new(other),
               *self = via_current_task();
    via_future *two[] = {self, future};
    (void)result;
    ck_assert_int_eq(via_wait(NULL, 0, VIA_FOREVER, VIA_ALL_COMPLETED), 0);
    ck_assert_int_eq(via_wait(NULL, 1, VIA_FOREVER, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_wait(&none, 1, VIA_FOREVER, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_wait(&future, 1, -1, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_wait(&future, 1, VIA_FOREVER, -1), VIA_EINVAL);
    ck_assert_int_eq(via_wait(&future, 1, VIA_FOREVER, VIA_FIRST_EXCEPTION + 1), VIA_EINVAL);
    ck_assert_int_eq(via_wait(&foreign, 1, VIA_FOREVER, VIA_ALL_COMPLETED), VIA_EFOREIGN);
    ck_assert_int_eq(via_wait(&self, 1, VIA_FOREVER, VIA_FIRST_COMPLETED), VIA_EDEADLK);
    ck_assert_int_eq(via_wait(two, 2, VIA_FOREVER, VIA_ALL_COMPLETED), VIA_EDEADLK);
    via_future_unref(foreign);
    via_future_unref(future);
    return 0;
}

TEST(bad_arguments_are_refused)
{
    via_loop *other = open_loop();
    ck_assert_int_eq(run_main(wait_badly, other), 0);
    via_future *future = via_future_new(other);
    ck_assert_int_eq(via_wait(&future, 1, VIA_FOREVER, VIA_ALL_COMPLETED), VIA_ESTATE);
    via_future_unref(future);
    close_loop(other);
}

/* ---- cancelling ---- */

static int wait_for_promise(void *promise, void **result)
{
    via_future *future = promise;
    (void)result;
    int status = via_wait(&future, 1, VIA_FOREVER, VIA_ALL_COMPLETED);
    via_test_record(&history, "%d", status == VIA_ECANCELED ? -1 : status);
    return status < 0 ? status : via_yield();
}

static int cancel_in_wait(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    ck_assert_int_eq(via_future_add_done_callback(promise, say_done, (void *)(uintptr_t) "done"), 0);
    // Before it begins.
    via_future *task = via_create_task(wait_for_promise, promise);
    via_task_cancel(task, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "");
    // While it waits.
    task = via_create_task(wait_for_promise, promise);
    yield_times(2);
    via_task_cancel(task, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "-1");
    ck_assert_int_eq(via_future_done(promise), 0);
    // Completed but not resumed: what is done is told.
    task = via_create_task(wait_for_promise, promise);
    yield_times(2);
    succeed(promise, NULL);
    via_task_cancel(task, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "-1 done 1");
    via_future_unref(promise);
    return 0;
}

TEST(cancelling_the_wait_leaves_the_futures_alone)
{
    ck_assert_int_eq(run_main(cancel_in_wait, NULL), 0);
}

static int wait_in_clean_up(void *promise, void **result)
{
    via_future *future = promise;
    struct via_scope shield;
    (void)result;
    int status = via_sleep(VIA_FOREVER);
    ck_assert_int_eq(via_wait(&future, 1, VIA_FOREVER, VIA_ALL_COMPLETED), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_wait(&future, 1, VIA_FOREVER, VIA_ALL_COMPLETED), 1);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
}

static int cancel_again_in_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *promise = new_promise(), *task = via_create_task(wait_in_clean_up, promise);
    yield_times(2);
    via_task_cancel(task, NULL);
    yield_times(2);
    via_task_cancel(task, NULL);
    yield_times(2);
    ck_assert_int_eq(via_future_done(task), 0);
    succeed(promise, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    via_future_unref(promise);
    return 0;
}

TEST(in_clean_up_it_waits_only_when_shielded)
{
    ck_assert_int_eq(run_main(cancel_again_in_clean_up, NULL), 0);
}

static int limit_the_wait(void *arg, void **result)
{
    via_future *future = new_promise();
    struct via_scope limit;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    int status = via_wait(&future, 1, VIA_FOREVER, VIA_ALL_COMPLETED);
    ck_assert_int_eq(via_timeout_end(&limit, status), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_future_done(future), 0);
    via_future_unref(future);
    return 0;
}

TEST(a_time_limit_around_it_cuts_it_short)
{
    ck_assert_int_eq(run_main(limit_the_wait, NULL), 0);
}

TEST(closing_the_loop_ends_the_wait)
{
    via_loop *loop = open_task_loop();
    via_future *promise = via_future_new(loop);
    via_future_unref(create(loop, wait_for_promise, promise));
    RUN_TICKS(loop, 3);
    close_loop(loop);
    ASSERT_RECORD(&history, "-1");
    via_future_unref(promise);
}

static int look_in_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *self = via_current_task(), *futures[] = {done_with(NULL), new_promise()};
    ck_assert_int_eq(via_task_cancel(self, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_wait(futures, 2, 0, VIA_ALL_COMPLETED), 1);
    ck_assert_int_eq(via_wait(&self, 1, 0, VIA_ALL_COMPLETED), 0);
    ck_assert_int_eq(via_wait(futures, 2, 1, VIA_ALL_COMPLETED), VIA_ECANCELED);
    ck_assert_int_eq(via_wait(&self, 1, 1, VIA_ALL_COMPLETED), VIA_EDEADLK);
    release(futures, 2);
    return 0;
}

TEST(a_look_is_no_wait)
{
    ck_assert_int_eq(run_main(look_in_clean_up, NULL), 0);
}

TEST_MAIN("combine/wait", all_completed_waits_for_the_last,
          first_completed_ends_with_the_first_and_leaves_the_others_alone,
          one_that_is_done_when_the_wait_ends_is_counted, a_future_listed_twice_counts_once,
          first_exception_ends_with_an_error_which_stays_where_it_is,
          a_cancelled_future_does_not_end_first_exception, waiting_is_not_looking_at_an_error,
          a_timeout_is_no_error_and_cancels_nothing,
          what_completes_at_the_same_moment_as_the_timeout_is_counted, bad_arguments_are_refused,
          cancelling_the_wait_leaves_the_futures_alone, in_clean_up_it_waits_only_when_shielded,
          a_time_limit_around_it_cuts_it_short, closing_the_loop_ends_the_wait, a_look_is_no_wait)
