/* SPDX-License-Identifier: BSD-3-Clause */
/* Holds: the count of what the loop cannot see. */
#include "unit/loop/loop_fixture.h"

TEST(holds_are_counted)
{
    via_loop *loop = open_loop();
    ck_assert_uint_eq(stats_of(loop).holds, 0);
    ck_assert_int_eq(via_loop_hold(loop), 0);
    ck_assert_int_eq(via_loop_hold(loop), 0);
    RUN_TICKS(loop, 1);
    ck_assert_uint_eq(stats_of(loop).holds, 2);
    ck_assert_int_eq(via_loop_release(loop), 0);
    ck_assert_int_eq(via_loop_release(loop), 0);
    RUN_TICKS(loop, 1);
    ck_assert_uint_eq(stats_of(loop).holds, 0);
    close_loop(loop);
}

TEST(a_release_without_hold_is_refused)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_release(loop), VIA_ESTATE);
    ck_assert_int_eq(via_loop_hold(loop), 0);
    ck_assert_int_eq(via_loop_release(loop), 0);
    ck_assert_int_eq(via_loop_release(loop), VIA_ESTATE);
    close_loop(loop);
}

TEST(a_hold_may_be_released_after_the_loop_was_closed)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_hold(loop), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_loop_hold(loop), VIA_ECLOSED);
    ck_assert_int_eq(via_loop_release(loop), 0);
    via_loop_unref(loop);
}

static void *hold_and_release(void *loop)
{
    for (int i = 0; i < 500; i++) {
        ck_assert_int_eq(via_loop_hold(loop), 0);
        ck_assert_int_eq(via_loop_release(loop), 0);
    }
    ck_assert_int_eq(via_loop_hold(loop), 0);
    return NULL;
}

TEST(any_thread_may_hold_and_release)
{
    via_loop *loop = open_loop();
    struct via_test_thread threads[2];
    for (int i = 0; i < 2; i++)
        via_test_thread_start(&threads[i], hold_and_release, loop);
    RUN_TICKS(loop, 10);
    for (int i = 0; i < 2; i++)
        via_test_thread_join(&threads[i]);
    RUN_TICKS(loop, 1);
    ck_assert_uint_eq(stats_of(loop).holds, 2);
    ck_assert_int_eq(via_loop_release(loop), 0);
    ck_assert_int_eq(via_loop_release(loop), 0);
    close_loop(loop);
}

TEST(holds_refuse_a_missing_loop)
{
    ck_assert_int_eq(via_loop_hold(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_release(NULL), VIA_EINVAL);
}

TEST_MAIN("loop/hold", holds_are_counted, a_release_without_hold_is_refused,
          a_hold_may_be_released_after_the_loop_was_closed, any_thread_may_hold_and_release,
          holds_refuse_a_missing_loop)
