/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <limits.h>
#include <string.h>

#include <viaduct/error.h>

TEST(every_status_has_its_name_and_a_sentence)
{
    static const struct {
        int status;
        const char *name;
    } row[] = {
#define ROW(name, value, text) {name, #name},
        VIA_STATUS_MAP(ROW)
#undef ROW
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const char *text = via_status_text(row[i].status);

        ck_assert_str_eq(via_status_name(row[i].status), row[i].name);
        ck_assert_uint_gt(strlen(text), 0);
        ck_assert_int_ne(text[strlen(text) - 1], '.');
        for (size_t other = 0; other < i; other++)
            ck_assert_int_ne(row[i].status, row[other].status);
    }
}

TEST(statuses_are_errno_where_errno_has_a_word)
{
    ck_assert_int_eq(VIA_OK, 0);
    ck_assert_int_eq(VIA_EINVAL, -EINVAL);
    ck_assert_int_eq(VIA_ECANCELED, -ECANCELED);
    ck_assert_int_lt(VIA_EFAILED, -4000);
}

TEST(another_errno_has_a_text_of_the_systems)
{
    ck_assert_uint_gt(strlen(via_status_name(-ENOSPC)), 0);
    ck_assert_uint_gt(strlen(via_status_text(-ENOSPC)), 0);
}

TEST(unknown_numbers_are_answered_too)
{
    static const int unknown[] = {1, INT_MAX, INT_MIN, -3999, -4000, -5000};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        ck_assert_str_eq(via_status_name(unknown[i]), "VIA_E?");
        ck_assert_str_eq(via_status_text(unknown[i]), "unknown status");
    }
}

TEST_MAIN("base/error", every_status_has_its_name_and_a_sentence, statuses_are_errno_where_errno_has_a_word,
          another_errno_has_a_text_of_the_systems, unknown_numbers_are_answered_too)
