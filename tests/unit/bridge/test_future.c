/* SPDX-License-Identifier: BSD-3-Clause */
/* Futures of a loop that the program settles itself: states, outcomes, ownership, unseen errors. */
#include "unit/bridge/bridge_fixture.h"

#include <viaduct/log.h>

TEST(a_new_future_is_pending)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_outcome outcome = {.status = 77};
    void *value = &outcome;
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    ck_assert_int_eq(via_future_done(future), 0);
    ck_assert_ptr_eq(via_future_loop(future), loop);
    ck_assert_int_eq(via_future_result(future, &value), VIA_EPENDING);
    ck_assert_int_eq(via_future_outcome(future, &outcome), VIA_EPENDING);
    ck_assert_int_eq(via_future_take(future, &outcome), VIA_EPENDING);
    ck_assert_int_eq(outcome.status, 77);
    ck_assert_ptr_eq(value, &outcome);
    ck_assert_ptr_null(via_future_unref(future));
    close_loop(loop);
}

TEST(a_future_is_cancelled_once)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_outcome outcome;
    int value = 1;
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    ck_assert_int_eq(via_future_done(future), 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_future_result(future, NULL), VIA_ECANCELED);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_ECANCELED);
    ck_assert_ptr_null(outcome.value);
    ck_assert_int_eq(via_future_set_result(future, &value, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_value_set_on_a_cancelled_future_stays_the_callers)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_test_counted value = {0};
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), VIA_ESTATE);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    close_loop(loop);
}

TEST(a_result_is_set_once_and_read_often)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_test_counted first = {0}, second = {0};
    struct via_outcome outcome;
    void *value = NULL;
    ck_assert_int_eq(via_future_set_result(future, &first, via_test_counted_destroy), 0);
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    ck_assert_int_eq(via_future_set_result(future, &second, via_test_counted_destroy), VIA_ESTATE);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_future_result(future, &value), 0);
        ck_assert_ptr_eq(value, &first);
        ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_ptr_eq(outcome.value, &first);
    }
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_test_destroyed(&first), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&first), 1);
    ck_assert_int_eq(via_test_destroyed(&second), 0);
    close_loop(loop);
}

TEST(an_error_is_set_once_with_code_and_text)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_outcome outcome;
    char text[] = "row 7 is bad";
    int value = 0;
    void *seen = &value;
    ck_assert_int_eq(via_future_set_error(future, VIA_EFAILED, 42, text), 0);
    text[0] = 'X';
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_set_result(future, &value, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_result(future, &seen), VIA_EFAILED);
    ck_assert_ptr_eq(seen, &value);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 42);
    ck_assert_str_eq(outcome.message, "row 7 is bad");
    ck_assert_ptr_null(outcome.value);
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    via_future_unref(future);
    close_loop(loop);
}

TEST(an_error_must_be_negative)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, 0, 0, "no error"), VIA_EINVAL);
    ck_assert_int_eq(via_future_set_error(future, 5, 0, "no status"), VIA_EINVAL);
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_value_is_taken_once)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_test_counted value = {0};
    struct via_outcome outcome, other = {.status = 77};
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    ck_assert_int_eq(via_future_take(future, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &value);
    ck_assert_ptr_eq((void *)(uintptr_t)outcome.destroy, (void *)(uintptr_t)via_test_counted_destroy);
    ck_assert_int_eq(via_future_take(future, &other), VIA_ETAKEN);
    ck_assert_int_eq(via_future_outcome(future, &other), VIA_ETAKEN);
    ck_assert_int_eq(via_future_result(future, NULL), VIA_ETAKEN);
    ck_assert_int_eq(other.status, 77);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    outcome.destroy(outcome.value);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

TEST(the_error_of_a_failed_future_can_be_taken_too)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    struct via_outcome outcome;
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, "busy"), 0);
    ck_assert_int_eq(via_future_take(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EBUSY);
    ck_assert_ptr_null(outcome.value);
    via_future_unref(future);
    close_loop(loop);
}

TEST(an_error_that_nobody_looked_at_is_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, VIA_EFAILED, 3, "lost in the mail"), 0);
    ck_assert_int_eq(reports.count, 0);
    via_future_unref(future);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EFAILED);
    ck_assert_ptr_eq(reports.future, future);
    ck_assert_uint_gt(strlen(reports.message), 0);
    ck_assert_str_eq(reports.text, "lost in the mail");
    close_loop(loop);
}

TEST(an_error_whose_outcome_was_read_is_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    struct via_outcome outcome;
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    via_future_unref(future);
    future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    ck_assert_int_eq(via_future_take(future, &outcome), 0);
    via_future_unref(future);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(an_error_whose_result_was_read_is_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    ck_assert_int_eq(via_future_result(future, NULL), VIA_EBUSY);
    via_future_unref(future);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(an_error_that_a_callback_was_told_of_is_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    when_done(future, "told");
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    via_future_unref(future);
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "told");
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(a_cancelled_future_is_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    via_future_unref(future);
    future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), 0);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    via_future_unref(future);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(a_pending_future_that_is_dropped_is_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future_unref(via_future_new(loop));
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(a_result_that_nobody_reads_is_destroyed_and_not_reported)
{
    via_loop *loop = open_loop();
    struct reports reports = {0};
    struct via_test_counted value = {0};
    keep_reports(loop, &reports);
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(every_reference_keeps_the_value)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    via_future *future = via_future_new(loop);
    ck_assert_ptr_eq(via_future_ref(future), future);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

TEST(a_future_without_a_loop_has_failed)
{
    via_future *future = via_future_new(NULL);
    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(via_future_done(future), 1);
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    ck_assert_int_eq(via_future_result(future, NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_future_loop(future));
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_remove_done_callback(future, never_done, NULL), 0);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    ck_assert_ptr_eq(via_future_ref(future), future);
    via_future_unref(future);
    ck_assert_ptr_null(via_future_unref(future));
}

TEST(a_future_of_a_closed_loop_has_failed)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_future *future = via_future_new(loop);
    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(via_future_done(future), 1);
    ck_assert_int_eq(via_future_result(future, NULL), VIA_ECLOSED);
    via_future_unref(future);
    via_loop_unref(loop);
}

static void *drop_future(void *future)
{
    return via_future_unref(future);
}

TEST(futures_outlive_their_loop)
{
    via_loop *loop = open_loop();
    struct via_test_counted value = {0};
    struct via_test_thread thread;
    void *seen = NULL;
    via_future *done = via_future_new(loop);
    via_future *pending = via_future_new(loop);
    ck_assert_int_eq(via_future_set_result(done, &value, via_test_counted_destroy), 0);
    ck_assert_int_eq(via_future_add_done_callback(pending, never_done, NULL), 0);
    ck_assert_int_eq(via_future_add_done_callback(done, never_done, NULL), 0);
    close_loop(loop);
    ck_assert_int_eq(via_future_result(done, &seen), 0);
    ck_assert_ptr_eq(seen, &value);
    ck_assert_int_eq(via_future_state(pending), VIA_PENDING);
    ck_assert_int_eq(via_future_set_result(pending, &value, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_future_set_error(pending, VIA_EBUSY, 0, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_future_cancel(pending), VIA_ECLOSED);
    ck_assert_int_eq(via_future_add_done_callback(pending, never_done, NULL), VIA_ECLOSED);
    via_test_thread_start(&thread, drop_future, done);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    via_future_unref(pending);
}

static int lines_heard;

static void count_line(enum via_log_level level, const char *text, void *count)
{
    (void)level;
    (void)text;
    ++*(int *)count;
}

static void *settle_foreign_future(void *future)
{
    int value = 0;
    ck_assert_int_eq(via_future_set_result(future, &value, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_cancel(future), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_remove_done_callback(future, never_done, NULL), VIA_EFOREIGN);
    struct via_outcome outcome;
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_future_state(future), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_done(future), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_outcome(future, &outcome), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_result(future, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_take(future, &outcome), VIA_EFOREIGN);
    ck_assert_int_eq(via_future_cfuture(future, &cf), VIA_EFOREIGN);
    ck_assert_ptr_null(cf);
    via_set_log_hook(count_line, &lines_heard);
    ck_assert_ptr_null(via_future_unref(via_future_ref(future)));
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(lines_heard, 2);
    return NULL;
}

TEST(debug_mode_refuses_to_settle_from_a_foreign_thread)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    via_future *future = via_future_new(loop);
    via_test_thread_start(&thread, settle_foreign_future, future);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_missing_future_is_refused_everywhere)
{
    struct via_outcome outcome;
    int value = 0;
    ck_assert_int_eq(via_future_state(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_done(NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_future_loop(NULL));
    ck_assert_int_eq(via_future_cancel(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_set_result(NULL, &value, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_set_error(NULL, VIA_EBUSY, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_outcome(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_future_result(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_take(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_future_add_done_callback(NULL, never_done, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_remove_done_callback(NULL, never_done, NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_future_ref(NULL));
    ck_assert_ptr_null(via_future_unref(NULL));
}

TEST(missing_arguments_are_refused)
{
    via_loop *loop = open_loop();
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ck_assert_int_eq(via_future_outcome(future, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_take(future, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_future_result(future, NULL), 0);
    via_future_unref(future);
    close_loop(loop);
}

TEST_MAIN("bridge/future", a_new_future_is_pending, a_future_is_cancelled_once,
          a_value_set_on_a_cancelled_future_stays_the_callers, a_result_is_set_once_and_read_often,
          an_error_is_set_once_with_code_and_text, an_error_must_be_negative, a_value_is_taken_once,
          the_error_of_a_failed_future_can_be_taken_too, an_error_that_nobody_looked_at_is_reported,
          an_error_whose_outcome_was_read_is_not_reported, an_error_whose_result_was_read_is_not_reported,
          an_error_that_a_callback_was_told_of_is_not_reported, a_cancelled_future_is_not_reported,
          a_pending_future_that_is_dropped_is_not_reported,
          a_result_that_nobody_reads_is_destroyed_and_not_reported, every_reference_keeps_the_value,
          a_future_without_a_loop_has_failed, a_future_of_a_closed_loop_has_failed,
          futures_outlive_their_loop, debug_mode_refuses_to_settle_from_a_foreign_thread,
          a_missing_future_is_refused_everywhere, missing_arguments_are_refused)
