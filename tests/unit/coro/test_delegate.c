/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <errno.h>
#include <viaduct.h>

static struct via_test_recorder recorder = VIA_TEST_RECORDER_INITIALIZER;
static int marks[8];

/* Says what comes into each of its yields, until it is nothing; an error but VIA_ETIMEDOUT ends it. */
static int inner_fn(void *arg, void **result)
{
    void *sent = arg;
    int rc = 0;
    for (int i = 0; rc == 0 || rc == VIA_ETIMEDOUT; i++) {
        rc = via_coro_yield(&marks[i], &sent);
        if (rc < 0)
            via_test_record(&recorder, "inner:%s", via_status_name(rc));
        else if (!sent)
            break;
        else
            via_test_record(&recorder, "inner:%td", (int *)sent - marks);
    }
    *result = &marks[7];
    return rc;
}

static int outer_fn(void *arg, void **result)
{
    via_coro *inner = arg;
    void *got = NULL;
    int rc = via_coro_yield_from(inner, &got);
    via_test_record(&recorder, "outer:%s", via_status_name(rc));
    *result = got;
    return rc;
}

struct pair {
    via_coro *inner, *outer;
};

static struct pair pair_new(void)
{
    struct pair pair;
    ck_assert_int_eq(via_coro_new(inner_fn, NULL, NULL, &pair.inner), 0);
    ck_assert_int_eq(via_coro_new(outer_fn, pair.inner, NULL, &pair.outer), 0);
    return pair;
}

static void pair_free(struct pair pair)
{
    via_coro_free(pair.outer);
    via_coro_free(pair.inner);
}

static void assert_step(int rc, void **value, int mark)
{
    ck_assert_int_eq(rc, 1);
    ck_assert_ptr_eq(*value, &marks[mark]);
}

TEST(values_go_out_and_what_is_sent_goes_in)
{
    void *value;
    struct via_outcome outcome;
    struct pair pair = pair_new();
    assert_step(via_coro_next(pair.outer, &value), &value, 0);
    assert_step(via_coro_send(pair.outer, &marks[3], &value), &value, 1);
    assert_step(via_coro_send(pair.outer, &marks[4], &value), &value, 2);
    ck_assert_int_eq(via_coro_next(pair.outer, NULL), 0);
    ASSERT_RECORD(&recorder, "inner:3 inner:4 outer:VIA_OK");
    ck_assert_int_eq(via_coro_outcome(pair.outer, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &marks[7]);
    pair_free(pair);
}

TEST(an_error_goes_to_the_inner_one_first)
{
    void *value;
    struct pair pair = pair_new();
    assert_step(via_coro_next(pair.outer, &value), &value, 0);
    assert_step(via_coro_throw(pair.outer, VIA_ETIMEDOUT, &value), &value, 1);
    ck_assert_int_eq(via_coro_throw(pair.outer, VIA_EPERM, NULL), VIA_EPERM);
    ck_assert_int_eq(via_coro_state(pair.inner), VIA_CORO_DONE);
    ASSERT_RECORD(&recorder, "inner:VIA_ETIMEDOUT inner:VIA_EPERM outer:VIA_EPERM");
    pair_free(pair);
}

TEST(close_closes_the_inner_one_before_the_outer_goes_on)
{
    struct pair pair = pair_new();
    ck_assert_int_eq(via_coro_next(pair.outer, NULL), 1);
    ck_assert_int_eq(via_coro_close(pair.outer), 0);
    ASSERT_RECORD(&recorder, "inner:VIA_ECANCELED outer:VIA_ECANCELED");
    ck_assert_int_eq(via_coro_state(pair.inner), VIA_CORO_DONE);
    pair_free(pair);
}

static int fail_to_close(void *arg, void **result)
{
    (void)result;
    return via_coro_yield(arg, NULL) < 0 ? -EPIPE : 0;
}

TEST(a_failing_close_of_the_inner_one_is_what_the_outer_gets)
{
    struct pair pair;
    ck_assert_int_eq(via_coro_new(fail_to_close, NULL, NULL, &pair.inner), 0);
    ck_assert_int_eq(via_coro_new(outer_fn, pair.inner, NULL, &pair.outer), 0);
    ck_assert_int_eq(via_coro_next(pair.outer, NULL), 1);
    ck_assert_int_eq(via_coro_close(pair.outer), -EPIPE);
    pair_free(pair);
}

TEST(one_that_is_done_gives_its_result_without_a_yield)
{
    struct via_outcome outcome;
    struct pair pair = pair_new();
    while (via_coro_next(pair.inner, NULL) == 1)
        ;
    ck_assert_int_eq(via_coro_next(pair.outer, NULL), 0);
    ck_assert_int_eq(via_coro_outcome(pair.outer, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &marks[7]);
    pair_free(pair);
}

static int nested(void *arg, void **result)
{
    int level = *(int *)arg, below = level - 1;
    via_coro *inner;
    (void)result;
    if (level == 0)
        return via_coro_yield(&marks[5], NULL);
    int rc = via_coro_new(nested, &below, NULL, &inner);
    if (rc < 0)
        return rc;
    rc = via_coro_yield_from(inner, NULL);
    via_coro_free(inner);
    return rc;
}

TEST(it_reaches_through_many)
{
    int level = 100;
    void *value;
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(nested, &level, NULL, &coro), 0);
    assert_step(via_coro_next(coro, &value), &value, 5);
    ck_assert_int_eq(via_coro_throw(coro, VIA_EPERM, NULL), VIA_EPERM);
    via_coro_free(coro);
    ck_assert_int_eq(via_coro_new(nested, &level, NULL, &coro), 0);
    assert_step(via_coro_next(coro, &value), &value, 5);
    ck_assert_int_eq(via_coro_close(coro), 0);
    via_coro_free(coro);
}

TEST(null_is_refused)
{
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(outer_fn, NULL, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EINVAL);
    via_coro_free(coro);
}

TEST_MAIN("coro/delegate", values_go_out_and_what_is_sent_goes_in, an_error_goes_to_the_inner_one_first,
          close_closes_the_inner_one_before_the_outer_goes_on,
          a_failing_close_of_the_inner_one_is_what_the_outer_gets,
          one_that_is_done_gives_its_result_without_a_yield, it_reaches_through_many, null_is_refused)
