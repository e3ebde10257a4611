/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <limits.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/time.h>

static via_cfuture *promise(void)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    return cf;
}

static via_cfuture *finished(void)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    return cf;
}

static via_cfuture *failed(void)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), 0);
    return cf;
}

static via_cfuture *cancelled(void)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    return cf;
}

static void unref_all(via_cfuture **cf, size_t count)
{
    for (size_t i = 0; i < count; i++)
        via_cfuture_unref(cf[i]);
}

struct waiter {
    struct via_test_thread thread;
    via_cfuture **cf;
    size_t count;
    int when;
    int rc;
};

static void *wait_for_them(void *arg)
{
    struct waiter *waiter = arg;

    waiter->rc = via_cfutures_wait(waiter->cf, waiter->count, VIA_FOREVER, waiter->when);
    return NULL;
}

/* Starts a thread that waits for the futures, and comes back once it blocks. */
static void start_waiter(struct waiter *waiter, via_cfuture **cf, size_t count, int when)
{
    *waiter = (struct waiter){.cf = cf, .count = count, .when = when, .rc = -1};
    via_test_thread_start(&waiter->thread, wait_for_them, waiter);
    via_test_thread_await_blocked(&waiter->thread);
}

static int join_waiter(struct waiter *waiter)
{
    via_test_thread_join(&waiter->thread);
    return waiter->rc;
}

TEST(a_future_listed_twice_counts_once)
{
    struct waiter waiter;
    via_cfuture *one = promise(), *two = promise();
    via_cfuture *cf[] = {one, two, one, one};

    start_waiter(&waiter, cf, 4, VIA_ALL_COMPLETED);
    ck_assert_int_eq(via_cfuture_set_result(one, NULL, NULL), 0);
    ck_assert_int_eq(via_cfuture_set_result(two, NULL, NULL), 0);
    ck_assert_int_eq(join_waiter(&waiter), 2);
    ck_assert_int_eq(via_cfutures_wait(cf, 4, 0, VIA_FIRST_COMPLETED), 2);
    via_cfuture_unref(one);
    via_cfuture_unref(two);
}

TEST(first_completed_ends_with_the_first)
{
    struct waiter waiter;
    via_cfuture *cf[] = {promise(), promise(), promise()};

    start_waiter(&waiter, cf, 3, VIA_FIRST_COMPLETED);
    ck_assert_int_eq(via_cfuture_set_result(cf[1], NULL, NULL), 0);
    ck_assert_int_eq(join_waiter(&waiter), 1);
    ck_assert_int_eq(via_cfuture_done(cf[0]), 0);
    unref_all(cf, 3);
}

TEST(first_completed_returns_at_once_when_some_are_done)
{
    via_cfuture *cf[] = {cancelled(), promise(), finished()};

    ck_assert_int_eq(via_cfutures_wait(cf, 3, VIA_FOREVER, VIA_FIRST_COMPLETED), 2);
    unref_all(cf, 3);
}

TEST(first_exception_ends_with_the_first_failure)
{
    struct waiter waiter;
    via_cfuture *cf[] = {promise(), promise(), promise()};

    start_waiter(&waiter, cf, 3, VIA_FIRST_EXCEPTION);
    ck_assert_int_eq(via_cfuture_set_result(cf[0], NULL, NULL), 0);
    via_test_thread_await_blocked(&waiter.thread);
    ck_assert_int_eq(via_cfuture_set_error(cf[1], VIA_EFAILED, 1, NULL), 0);
    ck_assert_int_eq(join_waiter(&waiter), 2);
    unref_all(cf, 3);
}

TEST(first_exception_is_not_ended_by_success_or_cancel_on_entry)
{
    struct waiter waiter;
    via_cfuture *cf[] = {finished(), cancelled(), promise(), promise()};

    start_waiter(&waiter, cf, 4, VIA_FIRST_EXCEPTION);
    ck_assert_int_eq(via_cfuture_set_error(cf[2], VIA_EPERM, 0, NULL), 0);
    ck_assert_int_eq(join_waiter(&waiter), 3);
    unref_all(cf, 4);
}

TEST(first_exception_is_not_ended_by_a_cancel_meanwhile)
{
    struct waiter waiter;
    via_cfuture *cf[] = {promise(), promise()};

    start_waiter(&waiter, cf, 2, VIA_FIRST_EXCEPTION);
    ck_assert_int_eq(via_cfuture_cancel(cf[0]), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_cfutures_wait(cf, 2, VIA_MS, VIA_FIRST_EXCEPTION), 1);
    ck_assert_int_eq(via_cfuture_set_result(cf[1], NULL, NULL), 0);
    ck_assert_int_eq(join_waiter(&waiter), 2);
    unref_all(cf, 2);
}

TEST(first_exception_returns_at_once_when_one_has_failed)
{
    via_cfuture *cf[] = {promise(), failed(), promise()};

    ck_assert_int_eq(via_cfutures_wait(cf, 3, VIA_FOREVER, VIA_FIRST_EXCEPTION), 1);
    unref_all(cf, 3);
}

TEST(first_exception_without_any_ends_with_all)
{
    via_cfuture *cf[] = {finished(), cancelled(), finished()};

    ck_assert_int_eq(via_cfutures_wait(cf, 3, VIA_FOREVER, VIA_FIRST_EXCEPTION), 3);
    unref_all(cf, 3);
}

TEST(all_completed_waits_for_every_kind_of_end)
{
    struct waiter waiter;
    via_cfuture *cf[] = {finished(), cancelled(), failed(), promise(), promise()};

    ck_assert_int_eq(via_cfuture_set_running(cf[4]), 1);
    start_waiter(&waiter, cf, 5, VIA_ALL_COMPLETED);
    ck_assert_int_eq(via_cfuture_cancel(cf[3]), VIA_CANCEL_NEVER_RAN);
    via_test_thread_await_blocked(&waiter.thread);
    ck_assert_int_eq(via_cfuture_set_error(cf[4], VIA_EPERM, 0, NULL), 0);
    ck_assert_int_eq(join_waiter(&waiter), 5);
    unref_all(cf, 5);
}

TEST(a_timeout_is_no_error_and_tells_how_many_are_done)
{
    via_cfuture *cf[] = {finished(), promise(), cancelled()};

    ck_assert_int_eq(via_cfutures_wait(cf, 3, VIA_MS, VIA_ALL_COMPLETED), 2);
    ck_assert_int_eq(via_cfutures_wait(cf, 3, 0, VIA_ALL_COMPLETED), 2);
    ck_assert_int_eq(via_cfutures_wait(&cf[1], 1, VIA_MS, VIA_FIRST_COMPLETED), 0);
    unref_all(cf, 3);
}

TEST(an_empty_list_returns_at_once)
{
    via_cfuture *none[] = {NULL};

    ck_assert_int_eq(via_cfutures_wait(none, 0, VIA_FOREVER, VIA_ALL_COMPLETED), 0);
    ck_assert_int_eq(via_cfutures_wait(none, 0, VIA_FOREVER, VIA_FIRST_COMPLETED), 0);
    ck_assert_int_eq(via_cfutures_wait(NULL, 0, VIA_FOREVER, VIA_FIRST_EXCEPTION), 0);
}

TEST(bad_arguments_are_refused)
{
    via_cfuture *cf[] = {promise(), NULL};

    ck_assert_int_eq(via_cfutures_wait(NULL, 1, 0, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_wait(cf, 2, 0, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_wait(cf, 1, -1, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_wait(cf, 1, 0, -1), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_wait(cf, 1, 0, VIA_FIRST_EXCEPTION + 1), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_wait(cf, SIZE_MAX, 0, VIA_ALL_COMPLETED), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_wait(cf, (size_t)INT_MAX + 1, 0, VIA_ALL_COMPLETED), VIA_EINVAL);
    via_cfuture_unref(cf[0]);
}

TEST(a_cancel_in_another_thread_ends_the_wait)
{
    struct waiter all, first;
    via_cfuture *cf[] = {promise()};

    start_waiter(&all, cf, 1, VIA_ALL_COMPLETED);
    start_waiter(&first, cf, 1, VIA_FIRST_COMPLETED);
    ck_assert_int_eq(via_cfuture_cancel(cf[0]), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(join_waiter(&all), 1);
    ck_assert_int_eq(join_waiter(&first), 1);
    via_cfuture_unref(cf[0]);
}

TEST(a_future_cancelled_before_the_wait_is_done)
{
    via_cfuture *cf[] = {cancelled()};

    ck_assert_int_eq(via_cfutures_wait(cf, 1, VIA_FOREVER, VIA_ALL_COMPLETED), 1);
    ck_assert_int_eq(via_cfutures_wait(cf, 1, VIA_FOREVER, VIA_FIRST_COMPLETED), 1);
    ck_assert_int_eq(via_cfutures_wait(cf, 1, VIA_FOREVER, VIA_FIRST_EXCEPTION), 1);
    via_cfuture_unref(cf[0]);
}

TEST(a_wait_leaves_nothing_behind_on_the_futures)
{
    via_cfuture *cf[] = {promise(), finished()};

    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(via_cfutures_wait(cf, 2, VIA_FOREVER, VIA_FIRST_COMPLETED), 1);
    ck_assert_int_eq(via_cfuture_set_result(cf[0], NULL, NULL), 0);
    ck_assert_int_eq(via_cfutures_wait(cf, 2, VIA_FOREVER, VIA_ALL_COMPLETED), 2);
    unref_all(cf, 2);
}

TEST(overlapping_waits_in_opposite_order_both_end)
{
    struct waiter one, two;
    via_cfuture *a = promise(), *b = promise();
    via_cfuture *forward[] = {a, b}, *backward[] = {b, a};

    start_waiter(&one, forward, 2, VIA_ALL_COMPLETED);
    start_waiter(&two, backward, 2, VIA_ALL_COMPLETED);
    ck_assert_int_eq(via_cfuture_set_result(a, NULL, NULL), 0);
    ck_assert_int_eq(via_cfuture_set_result(b, NULL, NULL), 0);
    ck_assert_int_eq(join_waiter(&one), 2);
    ck_assert_int_eq(join_waiter(&two), 2);
    via_cfuture_unref(a);
    via_cfuture_unref(b);
}

struct settler {
    struct via_test_thread thread;
    struct via_test_gate *gate;
    via_cfuture **cf;
};

static void *settle_25(void *arg)
{
    struct settler *settler = arg;

    via_test_gate_pass(settler->gate);
    for (int i = 0; i < 25; i++)
        ck_assert_int_eq(via_cfuture_set_result(settler->cf[i], NULL, NULL), 0);
    return NULL;
}

TEST(a_hundred_futures_done_at_once_never_lose_a_count)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct settler settler[4];
    struct waiter waiter;
    via_cfuture *cf[100];

    for (int i = 0; i < 100; i++)
        cf[i] = promise();
    for (int i = 0; i < 4; i++) {
        settler[i] = (struct settler){.gate = &gate, .cf = cf + 25 * (ptrdiff_t)i};
        via_test_thread_start(&settler[i].thread, settle_25, &settler[i]);
    }
    via_test_gate_await(&gate, 4);
    start_waiter(&waiter, cf, 100, VIA_ALL_COMPLETED);
    via_test_gate_open(&gate);
    ck_assert_int_eq(join_waiter(&waiter), 100);
    for (int i = 0; i < 4; i++)
        via_test_thread_join(&settler[i].thread);
    unref_all(cf, 100);
}

TEST_MAIN("future/wait", a_future_listed_twice_counts_once, first_completed_ends_with_the_first,
          first_completed_returns_at_once_when_some_are_done, first_exception_ends_with_the_first_failure,
          first_exception_is_not_ended_by_success_or_cancel_on_entry,
          first_exception_is_not_ended_by_a_cancel_meanwhile,
          first_exception_returns_at_once_when_one_has_failed, first_exception_without_any_ends_with_all,
          all_completed_waits_for_every_kind_of_end, a_timeout_is_no_error_and_tells_how_many_are_done,
          an_empty_list_returns_at_once, bad_arguments_are_refused, a_cancel_in_another_thread_ends_the_wait,
          a_future_cancelled_before_the_wait_is_done, a_wait_leaves_nothing_behind_on_the_futures,
          overlapping_waits_in_opposite_order_both_end, a_hundred_futures_done_at_once_never_lose_a_count)
