/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing a loop while its calls are queued, running, or just completing. */
#include <event2/event.h>

#include "unit/bridge/bridge_fixture.h"

TEST(queued_calls_of_a_closed_loop_never_run)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted argument = {0};
    via_cfuture *running = occupy(pool, &gate);
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    via_future *future = via_run_in_executor(loop, pool, &call);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    via_test_gate_open(&gate);
    via_loop_unref(loop);
    close_pool(pool);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    via_future_unref(future);
    via_cfuture_unref(running);
}

/* A function that waits until it is asked to stop; its argument and result are counted. */
struct stoppable {
    struct via_test_gate gate;
    struct via_test_counted argument;
    struct via_test_counted result;
    int status_of_sleep;
};

static int sleep_until_asked(void *arg, void **result)
{
    struct stoppable *stoppable = arg;
    via_test_gate_pass(&stoppable->gate);
    stoppable->status_of_sleep = via_call_sleep(3600 * VIA_S);
    ck_assert_int_eq(via_test_destroyed(&stoppable->argument), 0);
    *result = &stoppable->result;
    return 0;
}

static void destroy_stoppable(void *arg)
{
    via_test_counted_destroy(&((struct stoppable *)arg)->argument);
}

static struct via_call stoppable_call(struct stoppable *stoppable)
{
    struct via_call call = VIA_CALL(sleep_until_asked, stoppable);
    via_test_gate_open(&stoppable->gate);
    call.destroy = destroy_stoppable;
    call.destroy_result = via_test_counted_destroy;
    return call;
}

TEST(running_calls_of_a_closed_loop_are_asked_to_stop)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct stoppable stoppable = {.gate = VIA_TEST_GATE_INITIALIZER};
    struct via_call call = stoppable_call(&stoppable);
    via_future *future = via_run_in_executor(loop, pool, &call);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    via_test_gate_await(&stoppable.gate, 1);
    close_loop(loop);
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    close_pool(pool);
    ck_assert_int_eq(stoppable.status_of_sleep, VIA_ECANCELED);
    ck_assert_int_eq(via_test_destroyed(&stoppable.argument), 1);
    via_future_unref(future);
    AWAIT(via_test_destroyed(&stoppable.result) == 1);
}

TEST(a_dropped_running_call_of_a_closed_loop_is_destroyed_once)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct stoppable stoppable = {.gate = VIA_TEST_GATE_INITIALIZER};
    struct via_call call = stoppable_call(&stoppable);
    via_future_unref(via_run_in_executor(loop, pool, &call));
    via_test_gate_await(&stoppable.gate, 1);
    close_loop(loop);
    close_pool(pool);
    ck_assert_int_eq(via_test_destroyed(&stoppable.argument), 1);
    ck_assert_int_eq(via_test_destroyed(&stoppable.result), 1);
}

TEST(a_completion_that_was_not_delivered_is_destroyed)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted value = {0};
    struct via_call call = VIA_CALL(give_back, &value);
    call.destroy_result = via_test_counted_destroy;
    via_future *future = via_run_in_executor(loop, pool, &call);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    close_pool(pool);
    close_loop(loop);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(a_delivered_outcome_can_be_read_after_the_close)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    int number = 5;
    void *value = NULL;
    via_future *future = submit(loop, pool, give_back, &number);
    finish(loop, future);
    close_loop(loop);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    close_pool(pool);
}

struct poster {
    via_loop *loop;
    struct via_test_gate gate;
    int status;
};

static int post_after_close(void *arg, void **result)
{
    struct poster *poster = arg;
    (void)result;
    via_test_gate_pass(&poster->gate);
    poster->status = via_call_soon_threadsafe(poster->loop, never_called, NULL, NULL);
    return 0;
}

TEST(a_function_that_posts_to_the_closed_loop_is_told)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct poster poster = {loop, VIA_TEST_GATE_INITIALIZER, 77};
    via_future *future = submit(loop, pool, post_after_close, &poster);
    via_test_gate_await(&poster.gate, 1);
    ck_assert_int_eq(via_loop_close(loop), 0);
    via_test_gate_open(&poster.gate);
    close_pool(pool);
    ck_assert_int_eq(poster.status, VIA_ECLOSED);
    via_future_unref(future);
    via_loop_unref(loop);
}

TEST(a_promise_wrapped_by_a_closed_loop_can_still_be_settled)
{
    via_loop *loop = open_loop();
    via_cfuture *cf = NULL;
    struct via_test_counted value = {0};
    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    via_future *future = via_wrap_future(loop, cf);
    close_loop(loop);
    int rc = via_cfuture_set_result(cf, &value, via_test_counted_destroy);
    ck_assert_int_eq(via_future_done(future), 0);
    via_future_unref(future);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&value), rc == 0 ? 1 : 0);
}

/* The loop is closed at ever different moments of the lives of a few calls. */
static void close_while_calls_complete(via_executor *pool, int round)
{
    enum { CALLS = 6 };
    via_loop *loop = open_loop();
    struct via_test_counted arguments[CALLS] = {{0}};
    via_future *futures[CALLS];
    for (int i = 0; i < CALLS; i++) {
        struct via_call call = VIA_CALL(give_back, &arguments[i]);
        call.destroy = via_test_counted_destroy;
        futures[i] = via_run_in_executor(loop, pool, &call);
    }
    for (int i = 0; i < round % 5; i++)
        via_test_yield();
    RUN_TICKS(loop, round % 3);
    if (round % 2 == 0)
        for (int i = 0; i < CALLS; i++)
            via_future_unref(futures[i]);
    close_loop(loop);
    if (round % 2 == 1)
        for (int i = 0; i < CALLS; i++)
            via_future_unref(futures[i]);
    for (int i = 0; i < CALLS; i++)
        AWAIT(via_test_destroyed(&arguments[i]) == 1);
}

TEST(loops_may_be_closed_while_workers_complete)
{
    via_executor *pool = open_pool(2);
    for (int round = 0; round < 200; round++)
        close_while_calls_complete(pool, round);
    close_pool(pool);
}

static int close_loop_when_done(via_future *future, void *loop)
{
    ck_assert_int_eq(via_future_done(future), 1);
    via_test_record(&history, "closing");
    return via_loop_close(loop);
}

TEST(a_done_callback_may_close_its_attached_loop)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    via_executor *pool = open_pool(1);
    struct stoppable stoppable = {.gate = VIA_TEST_GATE_INITIALIZER};
    struct via_call endless = stoppable_call(&stoppable);
    via_future *first = submit(loop, pool, give_back, NULL);
    via_future *second = via_run_in_executor(loop, pool, &endless);
    ck_assert_int_eq(via_future_add_done_callback(first, close_loop_when_done, loop), 0);
    ck_assert_int_eq(via_future_add_done_callback(first, never_done, NULL), 0);
    ck_assert_int_eq(via_future_add_done_callback(second, never_done, NULL), 0);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ASSERT_RECORD(&history, "closing");
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    via_loop_unref(loop);
    close_pool(pool);
    ck_assert_int_eq(via_test_destroyed(&stoppable.argument), 1);
    via_future_unref(first);
    via_future_unref(second);
    AWAIT(via_test_destroyed(&stoppable.result) == (stoppable.status_of_sleep ? 1 : 0));
    event_base_free(base);
}

TEST(a_pool_freed_with_work_queued_still_runs_it)
{
    via_loop *loop = open_loop();
    int threads = via_test_threads();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *running = occupy(pool, &gate);
    via_future *future = submit(loop, pool, give_back, NULL);
    ck_assert_ptr_null(via_executor_unref(pool));
    via_test_gate_open(&gate);
    finish(loop, future);
    ck_assert_int_eq(status_of(future), 0);
    via_future_unref(future);
    via_cfuture_unref(running);
    close_loop(loop);
    via_test_await_threads(threads);
}

TEST_MAIN("bridge/close_race", queued_calls_of_a_closed_loop_never_run,
          running_calls_of_a_closed_loop_are_asked_to_stop,
          a_dropped_running_call_of_a_closed_loop_is_destroyed_once,
          a_completion_that_was_not_delivered_is_destroyed, a_delivered_outcome_can_be_read_after_the_close,
          a_function_that_posts_to_the_closed_loop_is_told,
          a_promise_wrapped_by_a_closed_loop_can_still_be_settled, loops_may_be_closed_while_workers_complete,
          a_done_callback_may_close_its_attached_loop, a_pool_freed_with_work_queued_still_runs_it)
