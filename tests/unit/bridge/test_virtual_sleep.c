/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that sleep by the virtual clock of their loop. */
#include "unit/bridge/bridge_fixture.h"
#include <viaduct/thread_pool.h>

#define HOUR_NS (3600 * VIA_S)

/* A call that sleeps, and says its word after each of its sleeps. */
struct sleeper {
    const char *word;
    int64_t duration_ns;
    int times;
    int status; /* of the last sleep */
};

static int sleep_in_call(void *arg, void **result)
{
    struct sleeper *sleeper = arg;
    (void)result;
    for (int i = 0; i < sleeper->times; i++) {
        sleeper->status = via_call_sleep(sleeper->duration_ns);
        via_test_record(&history, "%s", sleeper->word);
    }
    return sleeper->status;
}

static via_executor *small_pool(int workers)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;
    via_thread_pool_options_init(&options);
    options.max_workers = workers;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

static void end_pool(via_executor *pool)
{
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    via_executor_unref(pool);
}

static via_future *start(via_loop *loop, via_executor *pool, struct sleeper *sleeper)
{
    struct via_call call = VIA_CALL(sleep_in_call, sleeper);
    return via_run_in_executor(loop, pool, &call);
}

/* Runs the loop until the future is done, and drops it. */
static int await_status(via_loop *loop, via_future *future)
{
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), 0);
    int status = status_of(future);
    via_future_unref(future);
    return status;
}

TEST(a_call_sleeps_by_the_clock_of_its_loop)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(1);
    struct sleeper sleeper = {.word = "up", .duration_ns = HOUR_NS, .times = 3};
    int64_t start_ns = via_loop_time_ns(loop);
    later(loop, 2 * HOUR_NS + 1, "timer");
    ck_assert_int_eq(await_status(loop, start(loop, pool, &sleeper)), 0);
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + 3 * HOUR_NS);
    ASSERT_RECORD(&history, "up up timer up");
    end_pool(pool);
    close_loop(loop);
}

TEST(sleeps_end_in_the_order_of_their_times_and_then_of_their_calls)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(4);
    struct sleeper sleepers[] = {{.word = "a", .duration_ns = 6 * HOUR_NS, .times = 2},
                                 {.word = "b", .duration_ns = 4 * HOUR_NS, .times = 3},
                                 {.word = "c", .duration_ns = 3 * HOUR_NS, .times = 4},
                                 {.word = "d", .duration_ns = 12 * HOUR_NS, .times = 1}};
    via_future *futures[4];
    for (int i = 0; i < 4; i++)
        futures[i] = start(loop, pool, &sleepers[i]);
    later(loop, 12 * HOUR_NS, "timer");
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(await_status(loop, futures[i]), 0);
    ASSERT_RECORD(&history, "c b a c b c timer a b c d");
    end_pool(pool);
    close_loop(loop);
}

TEST(time_moves_while_calls_wait_for_workers_that_sleep)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(2), *strand = NULL;
    struct sleeper sleeper = {.word = "up", .duration_ns = HOUR_NS, .times = 1};
    via_future *futures[12];
    int64_t start_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    for (int i = 0; i < 12; i++)
        futures[i] = start(loop, i < 8 ? pool : strand, &sleeper);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(await_status(loop, futures[i]), 0);
    int64_t took_ns = via_loop_time_ns(loop) - start_ns;
    ck_assert_int_ge(took_ns, 6 * HOUR_NS);
    ck_assert_int_le(took_ns, 8 * HOUR_NS);
    via_executor_unref(strand);
    end_pool(pool);
    close_loop(loop);
}

TEST(time_stands_still_while_a_call_is_awake)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(2);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(via_test_gate_call, &gate);
    struct sleeper sleeper = {.word = "up", .duration_ns = HOUR_NS, .times = 1};
    int64_t start_ns = via_loop_time_ns(loop);
    via_future *awake = via_run_in_executor(loop, pool, &call), *asleep = start(loop, pool, &sleeper);
    via_test_gate_await(&gate, 1);
    RUN_TICKS(loop, 20);
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns);
    via_test_gate_open(&gate);
    ck_assert_int_eq(await_status(loop, asleep), 0);
    ck_assert_int_eq(await_status(loop, awake), 0);
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + HOUR_NS);
    end_pool(pool);
    close_loop(loop);
}

static int cancel_future(void *future)
{
    return via_future_cancel(future) < 0 ? VIA_ESTATE : 0;
}

TEST(a_cancelled_call_sleeps_no_longer)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(1);
    struct sleeper sleeper = {.word = "up", .duration_ns = VIA_FOREVER, .times = 2};
    int64_t start_ns = via_loop_time_ns(loop);
    via_future *future = start(loop, pool, &sleeper);
    ck_assert_int_eq(via_call_later(loop, HOUR_NS, cancel_future, future, NULL), 0);
    ck_assert_int_eq(await_status(loop, future), VIA_ECANCELED);
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + HOUR_NS);
    ASSERT_RECORD(&history, "up up");
    end_pool(pool);
    close_loop(loop);
}

/* A call that submits another one, and waits for it. */
struct nested {
    via_executor *executor;
    struct sleeper *sleeper;
};

static int submit_and_wait(void *arg, void **result)
{
    struct nested *nested = arg;
    struct via_call call = VIA_CALL(sleep_in_call, nested->sleeper);
    via_cfuture *cf = NULL;
    (void)result;
    ck_assert_int_eq(via_executor_submit(nested->executor, &call, &cf), 0);
    int status = via_cfuture_result(cf, VIA_FOREVER, NULL);
    via_cfuture_unref(cf);
    return status;
}

TEST(a_call_that_waits_for_a_sleeping_one_does_not_hold_time)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(1), *other = small_pool(1);
    struct sleeper sleeper = {.word = "up", .duration_ns = HOUR_NS, .times = 2};
    /* In the other pool it has a thread of its own; in the same one it is run by the call that waits. */
    struct nested nested[] = {{other, &sleeper}, {pool, &sleeper}};
    int64_t start_ns = via_loop_time_ns(loop);
    for (int i = 0; i < 2; i++) {
        struct via_call call = VIA_CALL(submit_and_wait, &nested[i]);
        ck_assert_int_eq(await_status(loop, via_run_in_executor(loop, pool, &call)), 0);
    }
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + 4 * HOUR_NS);
    end_pool(pool);
    end_pool(other);
    close_loop(loop);
}

static int wait_for_promise(void *cf, void **result)
{
    return via_cfuture_result(cf, VIA_FOREVER, result);
}

static int keep_promise(void *future)
{
    return via_future_set_result(future, future, NULL);
}

TEST(a_call_that_waits_for_its_loop_does_not_hold_time)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(1);
    via_future *promise = via_future_new(loop);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_future_cfuture(promise, &cf), 0);
    struct via_call call = VIA_CALL(wait_for_promise, cf);
    int64_t start_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(via_call_later(loop, HOUR_NS, keep_promise, promise, NULL), 0);
    ck_assert_int_eq(await_status(loop, via_run_in_executor(loop, pool, &call)), 0);
    ck_assert_int_eq(via_loop_time_ns(loop), start_ns + HOUR_NS);
    via_cfuture_unref(cf);
    via_future_unref(promise);
    end_pool(pool);
    close_loop(loop);
}

static int submit_to_pool(void *arg)
{
    struct nested *nested = arg;
    struct via_call call = VIA_CALL(sleep_in_call, nested->sleeper);
    return via_executor_submit(nested->executor, &call, NULL);
}

TEST(a_call_submitted_by_a_callback_sleeps_by_that_loops_clock)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(1);
    struct sleeper sleeper = {.word = "up", .duration_ns = HOUR_NS, .times = 1};
    struct nested nested = {pool, &sleeper};
    ck_assert_int_eq(via_call_soon(loop, submit_to_pool, &nested, NULL), 0);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    end_pool(pool);
    close_loop(loop);
}

TEST(when_the_loop_closes_sleepers_go_on_by_the_real_clock)
{
    via_loop *loop = open_virtual_loop();
    via_executor *pool = small_pool(1);
    struct sleeper sleeper = {.word = "up", .duration_ns = VIA_MS, .times = 2};
    struct nested nested = {pool, &sleeper};
    /* Not a call of the loop's: closing the loop does not cancel it. */
    ck_assert_int_eq(via_call_soon(loop, submit_to_pool, &nested, NULL), 0);
    ck_assert_int_eq(via_loop_hold(loop), 0); /* so that its time does not move */
    RUN_TICKS(loop, 3);
    close_loop(loop);
    end_pool(pool);
    ck_assert_int_eq(sleeper.status, 0);
    ASSERT_RECORD(&history, "up up");
}

TEST_MAIN("bridge/virtual_sleep", a_call_sleeps_by_the_clock_of_its_loop,
          sleeps_end_in_the_order_of_their_times_and_then_of_their_calls,
          time_moves_while_calls_wait_for_workers_that_sleep, time_stands_still_while_a_call_is_awake,
          a_cancelled_call_sleeps_no_longer, a_call_that_waits_for_a_sleeping_one_does_not_hold_time,
          a_call_that_waits_for_its_loop_does_not_hold_time,
          a_call_submitted_by_a_callback_sleeps_by_that_loops_clock,
          when_the_loop_closes_sleepers_go_on_by_the_real_clock)
