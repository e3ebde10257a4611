/* SPDX-License-Identifier: BSD-3-Clause */
/* What every other test relies on: the bounded waits of the tests themselves. */
#include "support/support.h"

TEST(await_is_content_with_a_condition_that_was_true_at_one_look)
{
    int looks = 0;

    AWAIT(++looks == 3);
    ck_assert_int_eq(looks, 3);
}

TEST_MAIN("base/support", await_is_content_with_a_condition_that_was_true_at_one_look)
