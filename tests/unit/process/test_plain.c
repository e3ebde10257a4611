/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain structs as inputs and answers. */
#include "pool_fixture.h"

struct rect {
    double width, height;
    char name[3];
};

struct area {
    double value;
    short sides;
};

static int measure(const struct rect *in, struct area *out)
{
    if (in->width < 0)
        return via_fail(9, "%s is narrower than nothing", in->name);
    out->value = in->width * in->height;
    out->sides = 4;
    return 0;
}

VIA_PLAIN_CALL(measure, (struct rect, width, height, name), (struct area, value, sides))

static void expect_area(via_executor *executor)
{
    struct rect rect = {.width = 3, .height = 4, .name = "r"};
    struct via_call call = measure_call(&rect);
    via_cfuture *cf = submit_call(executor, &call);
    struct via_outcome outcome = wait_outcome(cf);
    struct area area = {0};
    ck_assert_int_eq(measure_result(&outcome, &area), 0);
    ck_assert(area.value == 12);
    ck_assert_int_eq(area.sides, 4);
    via_cfuture_unref(cf);
}

TEST(a_plain_struct_crosses_to_a_process_and_back)
{
    via_executor *pool = open_pool(1);
    expect_area(pool);
    close_pool(pool);
}

TEST(the_same_function_runs_in_a_thread)
{
    via_executor *pool = NULL;
    ck_assert_int_eq(via_thread_pool_new(NULL, &pool), 0);
    expect_area(pool);
    close_pool(pool);
}

TEST(an_error_is_the_result_and_the_struct_stays)
{
    via_executor *pool = open_pool(1);
    struct rect rect = {.width = -1, .name = "r"};
    struct via_call call = measure_call(&rect);
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    struct area area = {.sides = 77};
    ck_assert_int_eq(measure_result(&outcome, &area), VIA_EFAILED);
    ck_assert_int_eq(area.sides, 77);
    ck_assert_int_eq(outcome.code, 9);
    ck_assert_str_eq(outcome.message, "r is narrower than nothing");
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(an_input_of_another_length_is_refused)
{
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(finish(submit(pool, measure_bytes, "x", 1)), VIA_EINVAL);
    close_pool(pool);
}

PROCESS_TEST_MAIN("process/plain", a_plain_struct_crosses_to_a_process_and_back,
                  the_same_function_runs_in_a_thread, an_error_is_the_result_and_the_struct_stays,
                  an_input_of_another_length_is_refused)
