/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of things by number. */
#include "support/support.h"

#include <viaduct/error.h>

#include "process/numbers.h"

static char things[4096];

TEST(an_empty_table_finds_nothing)
{
    struct via__numbers numbers = {0};
    uint32_t at = 0;

    ck_assert_ptr_null(via__numbers_find(&numbers, 1));
    ck_assert_ptr_null(via__numbers_remove(&numbers, 1));
    ck_assert_ptr_null(via__numbers_next(&numbers, &at));
    via__numbers_free(&numbers);
}

TEST(what_was_added_is_found_until_it_is_removed)
{
    struct via__numbers numbers = {0};

    for (uint64_t i = 1; i < sizeof(things); i++)
        ck_assert_int_eq(via__numbers_add(&numbers, i, &things[i]), 0);
    ck_assert_uint_eq(numbers.count, sizeof(things) - 1);
    for (uint64_t i = 1; i < sizeof(things); i++)
        ck_assert_ptr_eq(via__numbers_find(&numbers, i), &things[i]);
    ck_assert_ptr_null(via__numbers_find(&numbers, 0));
    ck_assert_ptr_null(via__numbers_find(&numbers, sizeof(things)));
    for (uint64_t i = 1; i < sizeof(things); i++) {
        ck_assert_ptr_eq(via__numbers_remove(&numbers, i), &things[i]);
        ck_assert_ptr_null(via__numbers_find(&numbers, i));
    }
    ck_assert_uint_eq(numbers.count, 0);
    via__numbers_free(&numbers);
}

/* Against an array that says which numbers are there; numbers far apart meet in the same places. */
TEST(removing_in_any_order_loses_nothing)
{
    struct via__numbers numbers = {0};
    char there[64] = {0};
    uint32_t seed = 1;

    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned which = seed >> 26;
        uint64_t number = ((uint64_t)which << 58) + which * 16 + 1;
        if (there[which])
            ck_assert_ptr_eq(via__numbers_remove(&numbers, number), &things[which]);
        else
            ck_assert_int_eq(via__numbers_add(&numbers, number, &things[which]), 0);
        there[which] = !there[which];
        for (unsigned k = 0; k < 64; k++)
            ck_assert_ptr_eq(via__numbers_find(&numbers, ((uint64_t)k << 58) + k * 16 + 1),
                             there[k] ? &things[k] : NULL);
    }
    via__numbers_free(&numbers);
}

TEST(going_through_meets_each_thing_once)
{
    struct via__numbers numbers = {0};
    int met[100] = {0};
    const char *thing;

    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(via__numbers_add(&numbers, i * i + 1, &things[i]), 0);
    for (uint32_t at = 0; (thing = via__numbers_next(&numbers, &at));)
        met[thing - things]++;
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(met[i], 1);
    via__numbers_free(&numbers);
}

TEST_MAIN("process/numbers", an_empty_table_finds_nothing, what_was_added_is_found_until_it_is_removed,
          removing_in_any_order_loses_nothing, going_through_meets_each_thing_once)
