/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed calls: several items in one call over bytes, each with an outcome of its own. */
#include "unit/executor/fixture.h"

#include <string.h>

#include "executor/executor.h"
#include "executor/packed.h"

/* Runs a packed call as a thread would, on the heap; the answer is the test's. */
static void *run(const struct via__pack *pack, via_bytes_fn fn, size_t *bytes)
{
    struct via_bytes_call call = {0};

    ck_assert_int_eq(via__packed_call(1, fn, &call, pack->bytes, pack->used), 0);
    *bytes = call.bytes;
    return call.out;
}

static struct via__packed_row row_of(const void *out, size_t bytes, size_t count, size_t item)
{
    struct via__packed_row row;

    ck_assert_int_eq(via__packed_row(out, bytes, count, item, &row), 0);
    return row;
}

static int repeat(via_bytes_call *call, const void *in, size_t in_bytes)
{
    char *out = via_bytes_out(call, 2 * in_bytes);

    ck_assert_uint_eq((uintptr_t)in % 16, 0);
    ck_assert_uint_eq((uintptr_t)out % 16, 0);
    ck_assert_ptr_null(via_bytes_in_place(call));
    memcpy(out, in, in_bytes);
    memcpy(out + in_bytes, in, in_bytes);
    return 0;
}

TEST(each_item_has_its_own_answer)
{
    const char *texts[] = {"a", "", "sixteen bytes ..", "longer than sixteen bytes"};
    struct via__pack pack = {0};
    size_t bytes;

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(via__pack_add(&pack, texts[i], strlen(texts[i])), 0);
    ck_assert_uint_eq(pack.count, 4);
    char *out = run(&pack, repeat, &bytes);
    for (size_t i = 0; i < 4; i++) {
        size_t length = strlen(texts[i]);
        struct via__packed_row row = row_of(out, bytes, 4, i);
        ck_assert_int_eq(row.status, 0);
        ck_assert_uint_eq(row.bytes, 2 * length);
        ck_assert_mem_eq(out + row.at, texts[i], length);
        ck_assert_mem_eq(out + row.at + length, texts[i], length);
    }
    free(out);
    via__pack_free(&pack);
}

TEST(the_first_item_can_be_had_by_itself)
{
    struct via__pack pack = {0};
    size_t bytes = 9;

    ck_assert_int_eq(via__pack_add(&pack, "first", 5), 0);
    ck_assert_int_eq(via__pack_add(&pack, NULL, 0), 0);
    ck_assert_mem_eq(via__pack_first(&pack, &bytes), "first", 5);
    ck_assert_uint_eq(bytes, 5);
    via__pack_free(&pack);
    ck_assert_int_eq(via__pack_add(&pack, "x", SIZE_MAX), VIA_ENOMEM);
    ck_assert_ptr_null(pack.bytes);
}

/* The answer grows, shrinks and grows again; what stood in the common part stays. */
static int change_mind(via_bytes_call *call, const void *in, size_t in_bytes)
{
    char *out = via_bytes_out(call, in_bytes);

    memcpy(out, in, in_bytes);
    out = via_bytes_out(call, 100000);
    memset(out + in_bytes, 'x', 100000 - in_bytes);
    out = via_bytes_out(call, 1);
    out = via_bytes_out(call, 3);
    out[1] = out[2] = '!';
    return 0;
}

TEST(an_items_answer_may_change_its_length)
{
    struct via__pack pack = {0};
    size_t bytes;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via__pack_add(&pack, &"abc"[i], 1), 0);
    char *out = run(&pack, change_mind, &bytes);
    ck_assert_uint_lt(bytes, 200);
    for (size_t i = 0; i < 3; i++) {
        struct via__packed_row row = row_of(out, bytes, 3, i);
        ck_assert_uint_eq(row.bytes, 3);
        ck_assert_int_eq(out[row.at], "abc"[i]);
        ck_assert_mem_eq(out + row.at + 1, "!!", 2);
    }
    free(out);
    via__pack_free(&pack);
}

static int fail_by_letter(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)in_bytes;
    memset(via_bytes_out(call, 1001), 7, 1001);
    via_bytes_out(call, 1000);
    switch (*(const char *)in) {
    case 'c':
        return 42;
    case 't':
        return via_fail(-5, "text of %d", 5);
    case 'o':
        (void)via_fail(9, "dropped");
        return VIA_EPERM;
    default:
        return 0;
    }
}

static int run_failing(via_bytes_call *call, const void *in, size_t in_bytes)
{
    return via__packed_call(1, fail_by_letter, call, in, in_bytes);
}

TEST(an_items_error_is_its_own)
{
    via_executor *pool = pool_of(1);
    struct via__pack pack = {0};
    struct via_outcome outcome;

    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(via__pack_add(&pack, &"ctogg"[i], 1), 0);
    struct via_call call = VIA_CALL_BYTES(run_failing, pack.bytes, pack.used);
    via_cfuture *cf = submit_call(pool, &call);
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, 0);
    struct via__packed_row rows[5];
    for (size_t i = 0; i < 5; i++)
        rows[i] = row_of(outcome.value, outcome.bytes, 5, i);
    ck_assert(rows[0].status == VIA_EFAILED && rows[0].code == 42 && rows[0].bytes == 0);
    ck_assert(rows[1].status == VIA_EFAILED && rows[1].code == -5 && rows[1].bytes == 9);
    ck_assert_mem_eq((char *)outcome.value + rows[1].at, "text of 5", 9);
    ck_assert(rows[2].status == VIA_EPERM && rows[2].code == 0 && rows[2].bytes == 0);
    ck_assert(rows[3].status == 0 && rows[3].bytes == 1000);
    ck_assert(rows[4].status == 0 && rows[4].bytes == 1000);
    via_cfuture_unref(cf);
    via__pack_free(&pack);
    close_executor(pool);
}

/* Nothing follows the text, so the answer ends with it. */
TEST(an_item_without_bytes_may_be_the_last)
{
    struct via_bytes_call call = {0};
    struct via__pack pack = {0};

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(via__pack_add(&pack, &"gc"[i], 1), 0);
    ck_assert_int_eq(via__packed_call(1, fail_by_letter, &call, pack.bytes, pack.used), 0);
    ck_assert_uint_eq(row_of(call.out, call.bytes, 2, 0).bytes, 1000);
    ck_assert_int_eq(row_of(call.out, call.bytes, 2, 1).code, 42);
    free(call.out);
    via__pack_free(&pack);
}

/* Gives memory for so much in all, and refuses more, as a worker does at its limit. */
static void *take_up_to_200(struct via_bytes_call *call, size_t bytes)
{
    static char room[200];

    if (bytes > sizeof(room))
        return NULL;
    call->out = room;
    call->bytes = bytes;
    return room;
}

static int answer_80(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)in;
    (void)in_bytes;
    return via_bytes_out(call, 80) ? 0 : VIA_ENOMEM;
}

TEST(an_item_that_finds_no_room_fails_by_itself)
{
    struct via_bytes_call call = {.take = take_up_to_200};
    struct via__pack pack = {0};

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via__pack_add(&pack, NULL, 0), 0);
    ck_assert_int_eq(via__packed_call(1, answer_80, &call, pack.bytes, pack.used), 0);
    ck_assert_int_eq(row_of(call.out, call.bytes, 3, 0).status, 0);
    ck_assert_int_eq(row_of(call.out, call.bytes, 3, 1).status, VIA_ENOMEM);
    ck_assert_int_eq(row_of(call.out, call.bytes, 3, 2).status, VIA_ENOMEM);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(via__pack_add(&pack, NULL, 0), 0);
    ck_assert_int_eq(via__packed_call(1, answer_80, &call, pack.bytes, pack.used), VIA_ENOMEM);
    via__pack_free(&pack);
}

/* The answer may be a worker's: whatever stands there, nothing beyond it is read. */
TEST(an_answer_that_cannot_be_is_found_out)
{
    const struct via__packed_row wrong[] = {
        {0, 0, 49, 0},         {0, 0, 48, 1}, {0, 0, 0, 49}, {0, 0, UINT64_MAX, 1},
        {0, 0, 1, UINT64_MAX}, {1, 0, 0, 0},  {0, 1, 0, 0},  {-1, 7, 0, 0},
    };
    struct via__packed_row rows[2] = {{0, 0, 48, 0}, {VIA_EFAILED, 7, 0, 48}}, row;

    ck_assert_int_eq(via__packed_row(rows, 48, 2, 0, &row), 0);
    ck_assert_int_eq(via__packed_row(rows, 48, 2, 1, &row), 0);
    ck_assert_int_eq(via__packed_row(rows, 47, 2, 0, &row), VIA_ECORRUPT);
    ck_assert_int_eq(via__packed_row(rows, 48, 3, 0, &row), VIA_ECORRUPT);
    ck_assert_int_eq(via__packed_row(rows, 48, 2, 2, &row), VIA_ECORRUPT);
    ck_assert_int_eq(via__packed_row(rows, 48, SIZE_MAX / 8, 0, &row), VIA_ECORRUPT);
    ck_assert_int_eq(via__packed_row(NULL, 0, 2, 0, &row), VIA_ECORRUPT);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        rows[0] = wrong[i];
        ck_assert_int_eq(via__packed_row(rows, 48, 2, 0, &row), VIA_ECORRUPT);
    }
}

TEST_MAIN("executor/packed", each_item_has_its_own_answer, the_first_item_can_be_had_by_itself,
          an_items_answer_may_change_its_length, an_items_error_is_its_own,
          an_item_without_bytes_may_be_the_last, an_item_that_finds_no_room_fails_by_itself,
          an_answer_that_cannot_be_is_found_out)
