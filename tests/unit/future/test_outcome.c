/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <limits.h>
#include <string.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/outcome.h>

static via_cfuture *promise(void)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    return cf;
}

static struct via_outcome outcome_of(via_cfuture *cf)
{
    struct via_outcome outcome;

    memset(&outcome, 0x5a, sizeof(outcome));
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    return outcome;
}

TEST(a_success_has_value_and_destructor)
{
    static struct via_test_counted value;
    struct via_outcome outcome;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &value, via_test_counted_destroy), 0);
    outcome = outcome_of(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert_ptr_eq(outcome.value, &value);
    ck_assert_uint_eq(outcome.bytes, 0);
    ck_assert(outcome.destroy == via_test_counted_destroy);
    ck_assert_ptr_null(outcome.message);
    via_cfuture_unref(cf);
}

TEST(an_error_has_code_and_message_and_no_value)
{
    struct via_outcome outcome;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EFAILED, -17, "seventeen"), 0);
    outcome = outcome_of(cf);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, -17);
    ck_assert_ptr_null(outcome.value);
    ck_assert_uint_eq(outcome.bytes, 0);
    ck_assert(outcome.destroy == NULL);
    ck_assert_str_eq(outcome.message, "seventeen");
    via_cfuture_unref(cf);
}

TEST(a_cancel_has_a_status_and_nothing_else)
{
    struct via_outcome outcome;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    outcome = outcome_of(cf);
    ck_assert_int_eq(outcome.status, VIA_ECANCELED);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert_ptr_null(outcome.value);
    ck_assert(outcome.destroy == NULL);
    ck_assert_ptr_null(outcome.message);
    via_cfuture_unref(cf);
}

TEST(any_code_arrives_unchanged)
{
    static const int code[] = {INT_MIN, -1, 0, 1, INT_MAX};

    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        via_cfuture *cf = promise();

        ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EFAILED, code[i], NULL), 0);
        ck_assert_int_eq(outcome_of(cf).status, VIA_EFAILED);
        ck_assert_int_eq(outcome_of(cf).code, code[i]);
        ck_assert_ptr_null(outcome_of(cf).message);
        via_cfuture_unref(cf);
    }
}

TEST(a_message_is_copied)
{
    char text[] = "before";
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, text), 0);
    memcpy(text, "after!", sizeof("after!"));
    ck_assert_str_eq(outcome_of(cf).message, "before");
    via_cfuture_unref(cf);
}

TEST(a_long_message_arrives_whole)
{
    char text[20000];
    via_cfuture *cf = promise();

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, text), 0);
    ck_assert_str_eq(outcome_of(cf).message, text);
    via_cfuture_unref(cf);
}

TEST(a_message_stays_after_the_outcome_was_taken)
{
    struct via_outcome outcome;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EFAILED, 4, "still here"), 0);
    ck_assert_int_eq(via_cfuture_take(cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 4);
    ck_assert_str_eq(outcome.message, "still here");
    via_cfuture_unref(cf);
}

TEST(a_success_without_a_value_has_no_destructor)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, via_test_counted_destroy), 0);
    ck_assert(outcome_of(cf).destroy == NULL);
    via_cfuture_unref(cf);
}

TEST_MAIN("future/outcome", a_success_has_value_and_destructor, an_error_has_code_and_message_and_no_value,
          a_cancel_has_a_status_and_nothing_else, any_code_arrives_unchanged, a_message_is_copied,
          a_long_message_arrives_whole, a_message_stays_after_the_outcome_was_taken,
          a_success_without_a_value_has_no_destructor)
