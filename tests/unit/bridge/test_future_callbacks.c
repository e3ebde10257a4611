/* SPDX-License-Identifier: BSD-3-Clause */
/* Done callbacks: deferred, in order, removable until they are scheduled. */
#include "unit/bridge/bridge_fixture.h"

TEST(callbacks_run_in_order_and_only_in_a_later_tick)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    when_done(future, "a");
    when_done(future, "b");
    when_done(future, "c");
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ASSERT_RECORD(&history, "");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "a b c");
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "a b c");
    via_future_unref(future);
    close_loop(loop);
}

TEST(callbacks_run_after_an_error)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    when_done(future, "a");
    when_done(future, "b");
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    ASSERT_RECORD(&history, "");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "a b");
    via_future_unref(future);
    close_loop(loop);
}

TEST(callbacks_run_after_a_cancel)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    when_done(future, "a");
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    ASSERT_RECORD(&history, "");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "a");
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_callback_added_to_a_done_future_is_deferred_too)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    when_done(future, "late");
    ASSERT_RECORD(&history, "");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "late");
    when_done(future, "later");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "late later");
    via_future_unref(future);
    close_loop(loop);
}

TEST(callbacks_take_their_place_among_the_ready)
{
    via_loop *loop = open_loop();
    via_future *first = via_future_new(loop);
    via_future *second = via_future_new(loop);
    when_done(first, "first");
    when_done(second, "second");
    soon(loop, "before");
    ck_assert_int_eq(via_future_set_result(second, NULL, NULL), 0);
    soon(loop, "between");
    ck_assert_int_eq(via_future_set_result(first, NULL, NULL), 0);
    soon(loop, "after");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "before second between first after");
    via_future_unref(first);
    via_future_unref(second);
    close_loop(loop);
}

/* Adds the callbacks a, b, c, removes some, and settles the future. */
static void expect_after_removal(const char *const *removed, int count, const char *expected)
{
    static char words[3][2] = {"a", "b", "c"};
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    for (int i = 0; i < 3; i++)
        when_done(future, words[i]);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(via_future_remove_done_callback(future, say_done, words[removed[i][0] - 'a']), 1);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, expected);
    via_future_unref(future);
    close_loop(loop);
}

TEST(the_first_callback_can_be_removed)
{
    expect_after_removal((const char *const[]){"a"}, 1, "b c");
}

TEST(the_first_and_second_callback_can_be_removed)
{
    expect_after_removal((const char *const[]){"a", "b"}, 2, "c");
}

TEST(the_third_callback_can_be_removed)
{
    expect_after_removal((const char *const[]){"c"}, 1, "a b");
}

TEST(all_callbacks_can_be_removed)
{
    expect_after_removal((const char *const[]){"b", "a", "c"}, 3, "");
}

TEST(removing_counts_every_instance)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    static char a[] = "a", b[] = "b";
    when_done(future, a);
    when_done(future, b);
    when_done(future, a);
    when_done(future, a);
    ck_assert_int_eq(via_future_remove_done_callback(future, never_done, a), 0);
    ck_assert_int_eq(via_future_remove_done_callback(future, say_done, a), 3);
    ck_assert_int_eq(via_future_remove_done_callback(future, say_done, a), 0);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "b");
    via_future_unref(future);
    close_loop(loop);
}

TEST(once_the_future_is_done_its_callbacks_stay)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    static char a[] = "a", b[] = "b";
    when_done(future, a);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    when_done(future, b);
    ck_assert_int_eq(via_future_remove_done_callback(future, say_done, a), 0);
    ck_assert_int_eq(via_future_remove_done_callback(future, say_done, b), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "a b");
    via_future_unref(future);
    close_loop(loop);
}

static char other_word[] = "other";

static int remove_other(via_future *future, void *arg)
{
    (void)arg;
    via_test_record(&history, "remover");
    ck_assert_int_eq(via_future_remove_done_callback(future, say_done, other_word), 0);
    return 0;
}

TEST(a_callback_may_try_to_remove_the_others)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, remove_other, NULL), 0);
    when_done(future, other_word);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "remover other");
    via_future_unref(future);
    close_loop(loop);
}

static int add_another(via_future *future, void *arg)
{
    (void)arg;
    via_test_record(&history, "adder");
    when_done(future, "added");
    return 0;
}

TEST(a_callback_may_add_another)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, add_another, NULL), 0);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "adder");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "adder added");
    via_future_unref(future);
    close_loop(loop);
}

static int settle_other(via_future *future, void *other)
{
    ck_assert_int_eq(via_future_done(future), 1);
    via_test_record(&history, "settles");
    return via_future_set_result(other, NULL, NULL);
}

TEST(a_callback_may_settle_another_future)
{
    via_loop *loop = open_loop();
    via_future *first = via_future_new(loop);
    via_future *second = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(first, settle_other, second), 0);
    when_done(second, "second");
    ck_assert_int_eq(via_future_set_result(first, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "settles");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "settles second");
    via_future_unref(first);
    via_future_unref(second);
    close_loop(loop);
}

TEST(the_future_lives_until_its_callbacks_have_run)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    via_future *future = via_future_new(loop);
    when_done(future, "a");
    when_done(future, "b");
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "a b");
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

static int drop(via_future *future, void *arg)
{
    (void)arg;
    via_future_unref(future);
    return 0;
}

TEST(a_callback_may_drop_the_programs_last_reference)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, drop, NULL), 0);
    when_done(future, "after");
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "after");
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

static int fail_busy(via_future *future, void *arg)
{
    (void)future;
    (void)arg;
    return VIA_EBUSY;
}

TEST(a_failing_callback_is_reported_and_the_others_run)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, fail_busy, NULL), 0);
    when_done(future, "next");
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "next");
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EBUSY);
    ck_assert_ptr_eq(reports.future, future);
    via_future_unref(future);
    close_loop(loop);
}

TEST(closing_the_loop_drops_callbacks_that_were_scheduled)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    via_future_unref(future);
    close_loop(loop);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST_MAIN("bridge/future_callbacks", callbacks_run_in_order_and_only_in_a_later_tick,
          callbacks_run_after_an_error, callbacks_run_after_a_cancel,
          a_callback_added_to_a_done_future_is_deferred_too, callbacks_take_their_place_among_the_ready,
          the_first_callback_can_be_removed, the_first_and_second_callback_can_be_removed,
          the_third_callback_can_be_removed, all_callbacks_can_be_removed, removing_counts_every_instance,
          once_the_future_is_done_its_callbacks_stay, a_callback_may_try_to_remove_the_others,
          a_callback_may_add_another, a_callback_may_settle_another_future,
          the_future_lives_until_its_callbacks_have_run, a_callback_may_drop_the_programs_last_reference,
          a_failing_callback_is_reported_and_the_others_run,
          closing_the_loop_drops_callbacks_that_were_scheduled)
