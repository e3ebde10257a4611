/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps over bytes: results in the order of the items, whatever the chunks are, on executors of threads. */
#include "unit/executor/fixture.h"

#include <string.h>

#include <viaduct/map.h>

/* The numbers 0, 1, 2, ... as bytes, in memory that is used again for the next; or an error at `fail_at`. */
struct source {
    int taken, count, fail_at;
    int number;
};

#define SOURCE(n)                                                                                            \
    {                                                                                                        \
        .count = (n), .fail_at = -1                                                                          \
    }

static int next_number(void *arg, const void **in, size_t *in_bytes)
{
    struct source *source = arg;

    if (source->taken == source->fail_at)
        return VIA_EPERM;
    if (source->taken == source->count)
        return 0;
    source->number = source->taken++;
    *in = &source->number;
    *in_bytes = sizeof(source->number);
    return 1;
}

static _Atomic int calls; /* of square() */

static int square(via_bytes_call *call, const void *in, size_t in_bytes)
{
    int number;

    ck_assert_uint_eq(in_bytes, sizeof(number));
    memcpy(&number, in, sizeof(number));
    if (number == 33)
        return via_fail(33, "no %d", number);
    if (number == 34)
        return 34;
    if (number == 35)
        return VIA_EPERM;
    number *= number;
    memcpy(via_bytes_out(call, sizeof(number)), &number, sizeof(number));
    atomic_fetch_add(&calls, 1);
    return 0;
}

static struct via_map_options over(struct source *source)
{
    struct via_map_options options = {.next_bytes = next_number, .source = source, .bytes_fn = square};

    return options;
}

static via_map *map_on(via_executor *executor, const struct via_map_options *options)
{
    via_map *map = NULL;

    ck_assert_int_eq(via_map_new(executor, options, &map), 0);
    return map;
}

/* Expects the squares of these numbers. */
static void expect_squares(via_map *map, int from, int to)
{
    struct via_outcome outcome;

    for (int i = from; i < to; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_uint_eq(outcome.bytes, sizeof(int));
        ck_assert_int_eq(*(int *)outcome.value, i * i);
        outcome.destroy(outcome.value);
    }
}

static void expect_end(via_map *map)
{
    struct via_outcome outcome;

    ck_assert_int_eq(via_map_next(map, &outcome), 0);
    ck_assert_int_eq(via_map_next(map, &outcome), 0);
}

TEST(chunks_of_any_size_give_the_same_results)
{
    const size_t chunks[] = {0, 1, 2, 6, 29, 30, 31, 40, 1000};
    via_executor *pool = pool_of(2);

    for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
        for (size_t buffer = 0; buffer < 40; buffer += 13) {
            struct source source = SOURCE(30);
            struct via_map_options options = over(&source);
            options.chunk = chunks[i];
            options.buffer = buffer;
            via_map *map = map_on(pool, &options);
            expect_squares(map, 0, 30);
            expect_end(map);
            ck_assert_ptr_null(via_map_free(map));
        }
    }
    close_executor(pool);
}

TEST(every_kind_of_executor_runs_them)
{
    via_executor *pool = pool_of(2), *executors[3] = {NULL};

    ck_assert_int_eq(via_inline_new(&executors[0]), 0);
    ck_assert_int_eq(via_serial_new(pool, &executors[1]), 0);
    ck_assert_int_eq(via_pinned_new(NULL, &executors[2]), 0);
    for (int i = 0; i < 3; i++) {
        struct source source = SOURCE(20);
        struct via_map_options options = over(&source);
        options.chunk = 6;
        via_map *map = map_on(executors[i], &options);
        expect_squares(map, 0, 20);
        expect_end(map);
        via_map_free(map);
        close_executor(executors[i]);
    }
    close_executor(pool);
}

TEST(an_error_stands_in_its_place)
{
    via_executor *pool = pool_of(2);

    for (size_t chunk = 1; chunk < 50; chunk += 7) {
        struct source source = SOURCE(40);
        struct via_map_options options = over(&source);
        struct via_outcome outcome;
        options.chunk = chunk;
        via_map *map = map_on(pool, &options);
        expect_squares(map, 0, 33);
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert(outcome.status == VIA_EFAILED && outcome.code == 33 && !outcome.value);
        ck_assert_str_eq(outcome.message, "no 33");
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_msg(outcome.status == VIA_EFAILED && outcome.code == 34 && !outcome.message,
                      "%zu: %d %d %s", chunk, outcome.status, outcome.code, outcome.message);
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert(outcome.status == VIA_EPERM && outcome.code == 0 && !outcome.message);
        expect_squares(map, 36, 40);
        expect_end(map);
        via_map_free(map);
    }
    close_executor(pool);
}

/* Its own executor may call the function itself, so it is given each item by itself. */
static int run_here(void *self, via_job *job)
{
    int *jobs = self;

    ++*jobs;
    return via_job_run(job) < 0 ? VIA_EINVAL : 0;
}

TEST(an_executor_of_ones_own_gets_single_items)
{
    int jobs = 0;
    const struct via_executor_ops ops = {
        .kind = "own", .call_kinds = VIA_CALL_BYTES_IN_OUT, .submit = run_here};
    via_executor *own = NULL;
    struct source source = SOURCE(12);
    struct via_map_options options = over(&source);

    ck_assert_int_eq(via_executor_new(&ops, &jobs, &own), 0);
    options.chunk = 5;
    via_map *map = map_on(own, &options);
    expect_squares(map, 0, 12);
    expect_end(map);
    via_map_free(map);
    ck_assert_int_eq(jobs, 12);
    close_executor(own);
}

TEST(a_failing_source_ends_the_map_after_what_came_before)
{
    via_executor *pool = pool_of(1);
    struct source source = SOURCE(20);
    struct via_map_options options = over(&source);
    struct via_outcome outcome;

    source.fail_at = 13;
    options.chunk = 5;
    options.buffer = 10;
    via_map *map = map_on(pool, &options);
    expect_squares(map, 0, 13);
    ck_assert_int_eq(via_map_next(map, &outcome), VIA_EPERM);
    via_map_free(map);
    close_executor(pool);
}

static int next_null(void *arg, const void **in, size_t *in_bytes)
{
    int *left = arg;

    *in = NULL;
    *in_bytes = *left == 1 ? 1 : 0;
    return (*left)-- > 0;
}

static int answer_nothing(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call;
    (void)in;
    ck_assert_uint_eq(in_bytes, 0);
    return 0;
}

TEST(items_without_bytes_are_items)
{
    via_executor *pool = pool_of(1);
    int left = 5;
    struct via_map_options options = {
        .next_bytes = next_null, .source = &left, .bytes_fn = answer_nothing, .chunk = 2, .buffer = 2};
    struct via_outcome outcome;
    via_map *map = map_on(pool, &options);

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert(outcome.status == 0 && !outcome.value && outcome.bytes == 0);
    }
    ck_assert_int_eq(via_map_next(map, &outcome), VIA_EINVAL);
    via_map_free(map);
    close_executor(pool);
}

TEST(closing_cancels_what_has_not_started)
{
    via_executor *pool = pool_of(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *busy = submit(pool, via_test_gate_call, &gate);
    struct source source = SOURCE(20);
    struct via_map_options options = over(&source);

    via_test_gate_await(&gate, 1);
    options.chunk = 5;
    atomic_store(&calls, 0);
    via_map_free(map_on(pool, &options));
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_wait(busy, via_test_bound_ns()), 0);
    via_cfuture_unref(busy);
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&calls), 0);
}

TEST(results_not_given_out_are_released)
{
    via_executor *pool = pool_of(2);
    struct source source = SOURCE(30);
    struct via_map_options options = over(&source);

    options.chunk = 4;
    via_map *map = map_on(pool, &options);
    expect_squares(map, 0, 6);
    via_map_free(map);
    close_executor(pool);
}

struct stopper {
    struct via_test_gate gate;
    int taken;
};

static int next_gate(void *arg, const void **in, size_t *in_bytes)
{
    static struct via_test_gate *gate;
    struct stopper *stopper = arg;

    gate = &stopper->gate;
    *in = &gate;
    *in_bytes = sizeof(gate);
    return stopper->taken++ < 3;
}

static int pass_and_answer(via_bytes_call *call, const void *in, size_t in_bytes)
{
    struct via_test_gate *gate;

    memcpy(&gate, in, in_bytes);
    via_test_gate_pass(gate);
    return via_bytes_out(call, 1) ? 0 : VIA_ENOMEM;
}

/* What ran before the request keeps its outcome; the rest count as cancelled. */
TEST(a_chunk_that_is_asked_to_stop_stops_between_its_items)
{
    via_executor *pool = pool_of(1);
    struct stopper stopper = {VIA_TEST_GATE_INITIALIZER, 0};
    struct via_map_options options = {
        .next_bytes = next_gate, .source = &stopper, .bytes_fn = pass_and_answer, .chunk = 3};
    struct via_outcome outcome;
    via_map *map = map_on(pool, &options);

    via_test_gate_await(&stopper.gate, 1);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_RUNNING, 0), VIA_ETIMEDOUT);
    via_test_gate_open(&stopper.gate);
    ck_assert_int_eq(via_map_next(map, &outcome), 1);
    ck_assert_int_eq(outcome.status, 0);
    outcome.destroy(outcome.value);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(outcome.status, VIA_ECANCELED);
        ck_assert_ptr_null(outcome.value);
    }
    via_map_free(map);
    close_executor(pool);
}

static int no_item(void *source, void **item)
{
    (void)source;
    (void)item;
    return 0;
}

static int no_call(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

TEST(bytes_and_pointers_are_not_mixed)
{
    via_executor *pool = pool_of(1);
    struct source source = SOURCE(1);
    struct via_map_options good = over(&source), wrong[6];
    via_map *map = NULL;

    for (int i = 0; i < 6; i++)
        wrong[i] = good;
    wrong[0].next_item = no_item;
    wrong[1].fn = no_call;
    wrong[2].destroy_item = free;
    wrong[3].destroy_result = free;
    wrong[4].next_bytes = NULL;
    wrong[5].bytes_fn = NULL;
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(via_map_new(pool, &wrong[i], &map), VIA_EINVAL);
    ck_assert_ptr_null(map);
    close_executor(pool);
}

TEST_MAIN("executor/map_bytes", chunks_of_any_size_give_the_same_results, every_kind_of_executor_runs_them,
          an_error_stands_in_its_place, an_executor_of_ones_own_gets_single_items,
          a_failing_source_ends_the_map_after_what_came_before, items_without_bytes_are_items,
          closing_cancels_what_has_not_started, results_not_given_out_are_released,
          a_chunk_that_is_asked_to_stop_stops_between_its_items, bytes_and_pointers_are_not_mixed)
