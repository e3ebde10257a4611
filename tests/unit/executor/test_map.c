/* SPDX-License-Identifier: BSD-3-Clause */
/* Map: a function over many items, results in the order of the items. */
#include "unit/executor/fixture.h"

#include <limits.h>

#include <viaduct/map.h>

/* Items 0, 1, 2, ... up to `count`, each counted; or an error in place of item `fail_at`. */
struct source {
    int taken; /* how many items were read */
    int count;
    int fail_at;
    struct via_test_counted item[64];
};

#define SOURCE(n)                                                                                            \
    {                                                                                                        \
        .count = (n), .fail_at = -1                                                                          \
    }

static int next_item(void *arg, void **item)
{
    struct source *source = arg;

    if (source->taken == source->fail_at)
        return VIA_EPERM;
    if (source->taken == source->count)
        return 0;
    source->item[source->taken].value = source->taken;
    *item = &source->item[source->taken++];
    return 1;
}

/* Squares the item in place. */
static int square(void *arg, void **result)
{
    struct via_test_counted *item = arg;

    item->value *= item->value;
    *result = item;
    return 0;
}

static int fail_at_three(void *arg, void **result)
{
    struct via_test_counted *item = arg;

    *result = item;
    return item->value == 3 ? via_fail(33, "three") : 0;
}

static struct via_map_options over(struct source *source, via_call_fn fn)
{
    struct via_map_options options = {.next_item = next_item, .source = source, .fn = fn};

    return options;
}

static via_map *map_on(via_executor *executor, const struct via_map_options *options)
{
    via_map *map = NULL;

    ck_assert_int_eq(via_map_new(executor, options, &map), 0);
    ck_assert_ptr_nonnull(map);
    return map;
}

/* Expects the squares of all items and then the end. */
static void expect_squares(via_map *map, int count)
{
    struct via_outcome outcome;

    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_int_eq(((struct via_test_counted *)outcome.value)->value, i * i);
    }
    ck_assert_int_eq(via_map_next(map, &outcome), 0);
    ck_assert_int_eq(via_map_next(map, &outcome), 0);
}

TEST(results_come_in_the_order_of_the_items)
{
    struct source source = SOURCE(20);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(3);
    via_map *map = map_on(pool, &options);

    expect_squares(map, 20);
    ck_assert_ptr_null(via_map_free(map));
    close_executor(pool);
}

TEST(chunks_of_any_size_change_nothing_of_that)
{
    static const size_t chunk[] = {1, 2, 6, 7, 20, 40, SIZE_MAX};
    via_executor *pool = pool_of(3);

    for (size_t i = 0; i < sizeof(chunk) / sizeof(chunk[0]); i++) {
        struct source source = SOURCE(20);
        struct via_map_options options = over(&source, square);
        via_map *map;

        options.chunk = chunk[i];
        map = map_on(pool, &options);
        expect_squares(map, 20);
        via_map_free(map);
    }
    close_executor(pool);
}

TEST(a_chunk_goes_to_a_worker_in_one_call)
{
    struct source source = SOURCE(20);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(1);
    via_map *map;

    options.chunk = 6;
    map = map_on(pool, &options);
    expect_squares(map, 20);
    ck_assert_uint_eq(stats_of(pool).submitted, 4);
    via_map_free(map);
    close_executor(pool);
}

TEST(chunks_and_a_small_buffer_together)
{
    struct source source = SOURCE(30);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(2);
    via_map *map;

    options.chunk = 4;
    options.buffer = 6;
    map = map_on(pool, &options);
    ck_assert_int_le(source.taken, 6);
    expect_squares(map, 30);
    via_map_free(map);
    close_executor(pool);
}

TEST(an_empty_source_ends_at_once)
{
    static const size_t buffer[] = {0, 1, 5};
    via_executor *pool = pool_of(1);

    for (int i = 0; i < 3; i++) {
        struct source source = SOURCE(0);
        struct via_map_options options = over(&source, square);
        via_map *map;

        options.buffer = buffer[i];
        map = map_on(pool, &options);
        expect_squares(map, 0);
        via_map_free(map);
    }
    close_executor(pool);
}

TEST(an_error_stands_in_its_place_and_the_map_goes_on)
{
    static const size_t chunk[] = {1, 4};
    via_executor *pool = pool_of(2);

    for (int round = 0; round < 2; round++) {
        struct source source = SOURCE(6);
        struct via_map_options options = over(&source, fail_at_three);
        struct via_outcome outcome;
        via_map *map;

        options.chunk = chunk[round];
        map = map_on(pool, &options);
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(via_map_next(map, &outcome), 1);
            ck_assert_int_eq(outcome.status, i == 3 ? VIA_EFAILED : 0);
            ck_assert_int_eq(outcome.code, i == 3 ? 33 : 0);
            if (i == 3)
                ck_assert_str_eq(outcome.message, "three");
        }
        ck_assert_int_eq(via_map_next(map, &outcome), 0);
        via_map_free(map);
    }
    close_executor(pool);
}

static int time_out_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return VIA_ETIMEDOUT;
}

TEST(an_items_own_timeout_is_not_the_maps)
{
    struct source source = SOURCE(2);
    struct via_map_options options = over(&source, time_out_itself);
    struct via_outcome outcome;
    via_executor *pool = pool_of(1);
    via_map *map;

    options.timeout_ns = via_test_bound_ns();
    map = map_on(pool, &options);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    }
    ck_assert_int_eq(via_map_next(map, &outcome), 0);
    via_map_free(map);
    close_executor(pool);
}

TEST(without_a_buffer_everything_is_submitted_at_once)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct source source = SOURCE(20);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);
    via_map *map = map_on(pool, &options);

    ck_assert_int_eq(source.taken, 20);
    ck_assert_uint_eq(stats_of(pool).queued, 20);
    via_test_gate_open(&gate);
    finish(running);
    AWAIT(stats_of(pool).completed == 21);
    via_map_free(map);
    close_executor(pool);
}

TEST(exactly_the_buffer_is_read_ahead)
{
    struct source source = SOURCE(10);
    struct via_map_options options = over(&source, square);
    struct via_outcome outcome;
    via_executor *pool = pool_of(2);
    via_map *map;

    options.buffer = 3;
    map = map_on(pool, &options);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(source.taken, i + 3 < 10 ? i + 3 : 10);
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(((struct via_test_counted *)outcome.value)->value, i * i);
    }
    ck_assert_int_eq(source.taken, 10);
    ck_assert_int_eq(via_map_next(map, &outcome), 0);
    via_map_free(map);
    close_executor(pool);
}

static int count_for_ever(void *arg, void **item)
{
    int *count = arg;

    ++*count;
    *item = NULL;
    return 1;
}

TEST(a_source_without_end_is_read_as_far_as_needed)
{
    int count = 0;
    struct via_map_options options = {.next_item = count_for_ever, .source = &count, .fn = echo, .buffer = 4};
    struct via_outcome outcome;
    via_executor *pool = pool_of(2);
    via_map *map = map_on(pool, &options);

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
    ck_assert_int_eq(count, 104);
    via_map_free(map);
    close_executor(pool);
}

TEST(a_buffer_larger_than_the_source_is_fine)
{
    struct source source = SOURCE(5);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(2);
    via_map *map;

    options.buffer = SIZE_MAX;
    map = map_on(pool, &options);
    ck_assert_int_eq(source.taken, 5);
    expect_squares(map, 5);
    via_map_free(map);
    close_executor(pool);
}

/* A function that waits at a gate for every item but the first. */
static struct via_test_gate map_gate = VIA_TEST_GATE_INITIALIZER;

static int wait_after_first(void *arg, void **result)
{
    struct via_test_counted *item = arg;

    *result = item;
    if (item->value > 0)
        via_test_gate_pass(&map_gate);
    return 0;
}

TEST(the_timeout_comes_after_the_results_that_were_ready)
{
    struct source source = SOURCE(6);
    struct via_map_options options = over(&source, wait_after_first);
    struct via_outcome outcome;
    via_executor *pool = pool_of(1);
    via_map *map;

    options.timeout_ns = 50 * VIA_MS;
    options.destroy_item = via_test_counted_destroy;
    map = map_on(pool, &options);
    via_test_gate_await(&map_gate, 1); // the first is ready
    ck_assert_int_eq(via_map_next(map, &outcome), 1);
    ck_assert_ptr_eq(outcome.value, &source.item[0]);
    ck_assert_int_eq(via_map_next(map, &outcome), VIA_ETIMEDOUT);
    ck_assert_int_le(via_map_next(map, &outcome), 0);
    ck_assert_uint_eq(stats_of(pool).cancelled, 4);
    via_test_gate_open(&map_gate);
    via_map_free(map);
    close_executor(pool);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), 1);
    ck_assert_uint_eq(via_test_gate_arrived(&map_gate), 1);
}

TEST(closing_cancels_what_has_not_started)
{
    struct source source = SOURCE(6);
    struct via_map_options options = over(&source, wait_after_first);
    struct via_outcome outcome;
    via_executor *pool = pool_of(1);
    via_map *map;

    options.destroy_item = via_test_counted_destroy;
    map = map_on(pool, &options);
    ck_assert_int_eq(via_map_next(map, &outcome), 1);
    via_test_gate_await(&map_gate, 1);
    via_map_free(map);
    ck_assert_uint_eq(stats_of(pool).cancelled, 4);
    via_test_gate_open(&map_gate);
    close_executor(pool);
    ck_assert_int_eq(via_test_gate_arrived(&map_gate), 1);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), 1);
}

TEST(results_not_given_out_are_destroyed_once)
{
    struct source source = SOURCE(8);
    struct via_map_options options = over(&source, square);
    struct via_outcome outcome;
    via_executor *pool = pool_of(2);
    via_map *map;

    options.destroy_result = via_test_counted_destroy;
    map = map_on(pool, &options);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert(outcome.destroy == via_test_counted_destroy);
    }
    AWAIT(stats_of(pool).completed == 8);
    via_map_free(map);
    close_executor(pool);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), i >= 2);
}

TEST(the_map_keeps_nothing_of_a_result_it_gave)
{
    struct source source = SOURCE(3);
    struct via_map_options options = over(&source, square);
    struct via_outcome outcome;
    via_executor *pool = pool_of(1);
    via_map *map;

    options.destroy_result = via_test_counted_destroy;
    options.chunk = 3;
    map = map_on(pool, &options);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), 0);
        outcome.destroy(outcome.value);
    }
    via_map_free(map);
    close_executor(pool);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), 1);
}

TEST(a_failing_source_ends_the_start)
{
    struct source source = {.count = 20, .fail_at = 4};
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(1);
    via_map *untouched = NULL;

    options.destroy_item = via_test_counted_destroy;
    ck_assert_int_eq(via_map_new(pool, &options, &untouched), VIA_EPERM);
    ck_assert_ptr_null(untouched);
    close_executor(pool);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), 1);
}

TEST(a_source_that_fails_later_is_told_by_next)
{
    struct source source = {.count = 20, .fail_at = 4};
    struct via_map_options options = over(&source, square);
    struct via_outcome outcome;
    int rc, given = 0;
    via_executor *pool = pool_of(1);
    via_map *map;

    options.buffer = 2;
    options.destroy_item = via_test_counted_destroy;
    map = map_on(pool, &options);
    while ((rc = via_map_next(map, &outcome)) == 1)
        given++;
    ck_assert_int_eq(rc, VIA_EPERM);
    ck_assert_int_le(given, 4);
    via_map_free(map);
    close_executor(pool);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), 1);
}

TEST(an_executor_that_refuses_is_told_and_the_items_destroyed)
{
    struct source source = SOURCE(5);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(1);
    via_map *untouched = NULL;

    options.destroy_item = via_test_counted_destroy;
    options.chunk = 2;
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_map_new(pool, &options, &untouched), VIA_ESHUTDOWN);
    ck_assert_ptr_null(untouched);
    via_executor_unref(pool);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(via_test_destroyed(&source.item[i]), i < source.taken);
}

TEST(threads_are_not_ended_for_a_map)
{
    via_executor *pool = pool_of(1);
    via_map *untouched = NULL;

    for (int i = 0; i < 2; i++) {
        struct source source = SOURCE(5);
        struct via_map_options options = over(&source, square);
        options.destroy_item = via_test_counted_destroy;
        options.call_timeout_ns = i ? VIA_S : 0;
        options.call_retries = !i;
        ck_assert_int_eq(via_map_new(pool, &options, &untouched), VIA_ENOTSUP);
        ck_assert_ptr_null(untouched);
        ck_assert_int_eq(source.taken, 1);
        ck_assert_int_eq(via_test_destroyed(&source.item[0]), 1);
    }
    close_executor(pool);
}

TEST(bad_options_are_refused)
{
    struct source source = SOURCE(5);
    struct via_map_options good = over(&source, square), bad;
    struct via_outcome outcome;
    via_executor *pool = pool_of(1);
    via_map *untouched = NULL;

    ck_assert_int_eq(via_map_new(NULL, &good, &untouched), VIA_EINVAL);
    ck_assert_int_eq(via_map_new(pool, NULL, &untouched), VIA_EINVAL);
    ck_assert_int_eq(via_map_new(pool, &good, NULL), VIA_EINVAL);
    bad = good, bad.next_item = NULL;
    ck_assert_int_eq(via_map_new(pool, &bad, &untouched), VIA_EINVAL);
    bad = good, bad.fn = NULL;
    ck_assert_int_eq(via_map_new(pool, &bad, &untouched), VIA_EINVAL);
    bad = good, bad.timeout_ns = -1;
    ck_assert_int_eq(via_map_new(pool, &bad, &untouched), VIA_EINVAL);
    bad = good, bad.call_timeout_ns = -1;
    ck_assert_int_eq(via_map_new(pool, &bad, &untouched), VIA_EINVAL);
    bad = good, bad.call_retries = -1;
    ck_assert_int_eq(via_map_new(pool, &bad, &untouched), VIA_EINVAL);
    ck_assert_ptr_null(untouched);
    ck_assert_int_eq(source.taken, 0);
    ck_assert_int_eq(via_map_next(NULL, &outcome), VIA_EINVAL);
    ck_assert_ptr_null(via_map_free(NULL));
    close_executor(pool);
}

TEST(a_map_runs_on_an_inline_executor_too)
{
    struct source source = SOURCE(7);
    struct via_map_options options = over(&source, square);
    via_executor *executor = NULL;
    via_map *map;

    ck_assert_int_eq(via_inline_new(&executor), 0);
    options.buffer = 2;
    map = map_on(executor, &options);
    expect_squares(map, 7);
    via_map_free(map);
    close_executor(executor);
}

/* A map that is driven by a worker of the pool it runs on. */
static int map_on_own_pool(void *arg, void **result)
{
    struct source source = SOURCE(10);
    struct via_map_options options = over(&source, square);
    via_map *map;

    (void)result;
    options.buffer = 3;
    map = map_on(arg, &options);
    expect_squares(map, 10);
    via_map_free(map);
    return 0;
}

TEST(a_worker_may_map_on_its_own_pool)
{
    via_executor *pool = pool_of(1);

    finish(submit(pool, map_on_own_pool, pool));
    close_executor(pool);
}

TEST(a_map_keeps_its_executor_alive)
{
    int before = via_test_threads();
    struct source source = SOURCE(5);
    struct via_map_options options = over(&source, square);
    via_executor *pool = pool_of(1);
    via_map *map;

    options.buffer = 1;
    map = map_on(pool, &options);
    via_executor_unref(pool);
    expect_squares(map, 5);
    via_map_free(map);
    via_test_await_threads(before);
}

static atomic_int asked_to_stop;

static int look_whether_asked(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 20; i++)
        atomic_fetch_add(&asked_to_stop, via_call_cancelled());
    return 0;
}

TEST(closing_never_asks_a_call_to_stop_that_starts_just_now)
{
    via_executor *pool = pool_of(1);

    for (int round = 0; round < 2000; round++) {
        struct source source = SOURCE(8);
        struct via_map_options options = over(&source, look_whether_asked);

        via_map_free(map_on(pool, &options));
    }
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&asked_to_stop), 0);
}

TEST_MAIN("executor/map", results_come_in_the_order_of_the_items, chunks_of_any_size_change_nothing_of_that,
          a_chunk_goes_to_a_worker_in_one_call, chunks_and_a_small_buffer_together,
          an_empty_source_ends_at_once, an_error_stands_in_its_place_and_the_map_goes_on,
          an_items_own_timeout_is_not_the_maps, without_a_buffer_everything_is_submitted_at_once,
          exactly_the_buffer_is_read_ahead, a_source_without_end_is_read_as_far_as_needed,
          a_buffer_larger_than_the_source_is_fine, the_timeout_comes_after_the_results_that_were_ready,
          closing_cancels_what_has_not_started, results_not_given_out_are_destroyed_once,
          the_map_keeps_nothing_of_a_result_it_gave, a_failing_source_ends_the_start,
          a_source_that_fails_later_is_told_by_next, an_executor_that_refuses_is_told_and_the_items_destroyed,
          bad_options_are_refused, threads_are_not_ended_for_a_map, a_map_runs_on_an_inline_executor_too,
          a_worker_may_map_on_its_own_pool, a_map_keeps_its_executor_alive,
          closing_never_asks_a_call_to_stop_that_starts_just_now)
