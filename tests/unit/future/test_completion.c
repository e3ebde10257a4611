/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/time.h>

static via_cfuture *promise(void)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    return cf;
}

static void settle(via_cfuture *cf)
{
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
}

static via_completion *walk(via_cfuture *const *cf, size_t count, int64_t timeout_ns)
{
    via_completion *completion = NULL;

    ck_assert_int_eq(via_cfutures_as_completed(cf, count, timeout_ns, &completion), 0);
    ck_assert_ptr_nonnull(completion);
    return completion;
}

/* Expects this future next, and gives its reference back. */
static void next_is(via_completion *completion, const via_cfuture *expected)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_completion_next(completion, &cf), 1);
    ck_assert_ptr_eq(cf, expected);
    via_cfuture_unref(cf);
}

/* Expects the walk to say `rc` without a future. */
static void next_says(via_completion *completion, int rc)
{
    via_cfuture *untouched = (via_cfuture *)&rc, *cf = untouched;

    ck_assert_int_eq(via_completion_next(completion, &cf), rc);
    ck_assert_ptr_eq(cf, untouched);
}

static void unref_all(via_cfuture **cf, size_t count)
{
    for (size_t i = 0; i < count; i++)
        via_cfuture_unref(cf[i]);
}

TEST(those_done_already_come_first_then_in_order_of_completion)
{
    via_cfuture *cf[] = {promise(), promise(), promise(), promise()};
    via_completion *completion;

    settle(cf[3]);
    completion = walk(cf, 4, VIA_FOREVER);
    settle(cf[2]);
    settle(cf[0]);
    next_is(completion, cf[3]);
    next_is(completion, cf[2]);
    next_is(completion, cf[0]);
    settle(cf[1]);
    next_is(completion, cf[1]);
    next_says(completion, 0);
    next_says(completion, 0);
    ck_assert_ptr_null(via_completion_free(completion));
    unref_all(cf, 4);
}

TEST(every_kind_of_end_is_given)
{
    via_cfuture *cf[] = {promise(), promise(), promise()};
    via_completion *completion = walk(cf, 3, VIA_FOREVER);

    ck_assert_int_eq(via_cfuture_cancel(cf[1]), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_cfuture_set_error(cf[2], VIA_EPERM, 0, NULL), 0);
    settle(cf[0]);
    next_is(completion, cf[1]);
    next_is(completion, cf[2]);
    next_is(completion, cf[0]);
    next_says(completion, 0);
    via_completion_free(completion);
    unref_all(cf, 3);
}

TEST(with_timeout_zero_the_done_ones_come_and_then_the_timeout)
{
    via_cfuture *cf[] = {promise(), promise(), promise()};
    via_completion *completion;

    settle(cf[1]);
    completion = walk(cf, 3, 0);
    next_is(completion, cf[1]);
    next_says(completion, VIA_ETIMEDOUT);
    next_says(completion, VIA_ETIMEDOUT);
    via_completion_free(completion);
    unref_all(cf, 3);
}

TEST(the_timeout_is_for_the_whole_walk)
{
    int64_t start_ns;
    via_cfuture *cf[] = {promise(), promise()};
    via_completion *completion;

    start_ns = via_test_now_ns();
    completion = walk(cf, 2, 5 * VIA_MS);
    settle(cf[0]);
    next_is(completion, cf[0]);
    next_says(completion, VIA_ETIMEDOUT);
    ck_assert_int_ge(via_test_now_ns() - start_ns, 5 * VIA_MS);
    via_completion_free(completion);
    unref_all(cf, 2);
}

TEST(pending_says_two_of_four_unfinished)
{
    size_t total = 0;
    via_cfuture *cf[] = {promise(), promise(), promise(), promise()};
    via_completion *completion;

    settle(cf[0]);
    settle(cf[2]);
    completion = walk(cf, 4, 0);
    ck_assert_int_eq(via_completion_pending(completion, NULL), 4);
    for (int i = 0; i < 2; i++) {
        via_cfuture *next;

        ck_assert_int_eq(via_completion_next(completion, &next), 1);
        ck_assert(next == cf[0] || next == cf[2]);
        via_cfuture_unref(next);
    }
    next_says(completion, VIA_ETIMEDOUT);
    ck_assert_int_eq(via_completion_pending(completion, &total), 2);
    ck_assert_uint_eq(total, 4);
    via_completion_free(completion);
    unref_all(cf, 4);
}

TEST(a_future_listed_twice_is_given_once)
{
    size_t total = 0;
    via_cfuture *one = promise(), *two = promise();
    via_cfuture *cf[] = {one, one, two, one, two};
    via_completion *completion = walk(cf, 5, VIA_FOREVER);

    ck_assert_int_eq(via_completion_pending(completion, &total), 2);
    ck_assert_uint_eq(total, 2);
    settle(two);
    settle(one);
    next_is(completion, two);
    next_is(completion, one);
    next_says(completion, 0);
    via_completion_free(completion);
    via_cfuture_unref(one);
    via_cfuture_unref(two);
}

TEST(the_walk_keeps_no_reference_to_what_it_gave)
{
    static struct via_test_counted value;
    via_cfuture *cf[] = {promise(), promise()};
    via_completion *completion = walk(cf, 2, VIA_FOREVER);

    ck_assert_int_eq(via_cfuture_set_result(cf[0], &value, via_test_counted_destroy), 0);
    via_cfuture_unref(cf[0]);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    next_is(completion, cf[0]);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    via_completion_free(completion);
    via_cfuture_unref(cf[1]);
}

TEST(the_walk_keeps_futures_alive_until_it_is_freed)
{
    static struct via_test_counted value;
    via_cfuture *cf[] = {promise()};
    via_completion *completion = walk(cf, 1, VIA_FOREVER);

    ck_assert_int_eq(via_cfuture_set_result(cf[0], &value, via_test_counted_destroy), 0);
    via_cfuture_unref(cf[0]);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    ck_assert_ptr_null(via_completion_free(completion));
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(freed_midway_the_futures_go_on)
{
    via_cfuture *cf[] = {promise(), promise()};
    via_completion *completion = walk(cf, 2, VIA_FOREVER);

    settle(cf[0]);
    via_completion_free(completion);
    ck_assert_int_eq(via_cfuture_state(cf[1]), VIA_PENDING);
    settle(cf[1]);
    unref_all(cf, 2);
    ck_assert_ptr_null(via_completion_free(NULL));
}

TEST(an_empty_walk_ends_at_once)
{
    size_t total = 9;
    via_completion *completion = walk(NULL, 0, VIA_FOREVER);

    next_says(completion, 0);
    ck_assert_int_eq(via_completion_pending(completion, &total), 0);
    ck_assert_uint_eq(total, 0);
    via_completion_free(completion);
}

TEST(bad_arguments_are_refused)
{
    via_cfuture *cf[] = {promise(), NULL};
    via_completion *untouched = (via_completion *)cf, *completion = untouched;

    ck_assert_int_eq(via_cfutures_as_completed(NULL, 1, 0, &completion), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_as_completed(cf, 2, 0, &completion), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_as_completed(cf, 1, -1, &completion), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_as_completed(cf, 1, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfutures_as_completed(cf, SIZE_MAX, 0, &completion), VIA_EINVAL);
    ck_assert_ptr_eq(completion, untouched);
    ck_assert_int_eq(via_completion_next(NULL, cf), VIA_EINVAL);
    ck_assert_int_eq(via_completion_pending(NULL, NULL), VIA_EINVAL);
    completion = walk(cf, 1, 0);
    ck_assert_int_eq(via_completion_next(completion, NULL), VIA_EINVAL);
    via_completion_free(completion);
    via_cfuture_unref(cf[0]);
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
        settle(settler->cf[i]);
    return NULL;
}

static int index_of(via_cfuture *const *cf, int count, const via_cfuture *wanted)
{
    for (int i = 0; i < count; i++)
        if (cf[i] == wanted)
            return i;
    return -1;
}

TEST(a_hundred_futures_done_at_once_are_each_given_once)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct settler settler[4];
    int given[100] = {0};
    via_cfuture *cf[100], *next;
    via_completion *completion;

    for (int i = 0; i < 100; i++)
        cf[i] = promise();
    for (int i = 0; i < 4; i++) {
        settler[i] = (struct settler){.gate = &gate, .cf = cf + 25 * (ptrdiff_t)i};
        via_test_thread_start(&settler[i].thread, settle_25, &settler[i]);
    }
    completion = walk(cf, 100, VIA_FOREVER);
    via_test_gate_open(&gate);
    for (int i = 0; i < 100; i++) {
        int which;

        ck_assert_int_eq(via_completion_next(completion, &next), 1);
        which = index_of(cf, 100, next);
        ck_assert_int_ge(which, 0);
        given[which]++;
        via_cfuture_unref(next);
    }
    next_says(completion, 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(given[i], 1);
    for (int i = 0; i < 4; i++)
        via_test_thread_join(&settler[i].thread);
    via_completion_free(completion);
    unref_all(cf, 100);
}

struct walker {
    struct via_test_thread thread;
    via_completion *completion;
    via_cfuture *cf;
    int rc;
};

static void *wait_for_next(void *arg)
{
    struct walker *walker = arg;

    walker->rc = via_completion_next(walker->completion, &walker->cf);
    return NULL;
}

TEST(a_blocked_next_is_released_by_a_cancel)
{
    via_cfuture *cf[] = {promise(), promise()};
    struct walker walker = {.completion = walk(cf, 2, VIA_FOREVER)};

    via_test_thread_start(&walker.thread, wait_for_next, &walker);
    via_test_thread_await_blocked(&walker.thread);
    ck_assert_int_eq(via_cfuture_cancel(cf[1]), VIA_CANCEL_NEVER_RAN);
    via_test_thread_join(&walker.thread);
    ck_assert_int_eq(walker.rc, 1);
    ck_assert_ptr_eq(walker.cf, cf[1]);
    via_cfuture_unref(walker.cf);
    via_completion_free(walker.completion);
    unref_all(cf, 2);
}

TEST_MAIN("future/completion", those_done_already_come_first_then_in_order_of_completion,
          every_kind_of_end_is_given, with_timeout_zero_the_done_ones_come_and_then_the_timeout,
          the_timeout_is_for_the_whole_walk, pending_says_two_of_four_unfinished,
          a_future_listed_twice_is_given_once, the_walk_keeps_no_reference_to_what_it_gave,
          the_walk_keeps_futures_alive_until_it_is_freed, freed_midway_the_futures_go_on,
          an_empty_walk_ends_at_once, bad_arguments_are_refused,
          a_hundred_futures_done_at_once_are_each_given_once, a_blocked_next_is_released_by_a_cancel)
