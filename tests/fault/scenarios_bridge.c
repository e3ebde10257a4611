/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios where executors and loops meet. */
#include "scenario.h"

enum { BURST = 100 };

/* What a callback of the loop needs to call via_to_thread() there. */
struct round_trip {
    via_loop *loop;
    struct item item;
    via_call_fn fn;
    via_future *future;
};

static int start_round_trip(void *arg)
{
    struct round_trip *trip = arg;
    trip->future = via_to_thread(trip->fn, &trip->item);
    FAULT_WORKED(via_loop_stop(trip->loop));
    return 0;
}

static int run_item_plainly(void *arg, void **result)
{
    struct item *item = arg;
    atomic_fetch_add(&item->ran, 1);
    *result = item;
    return 0;
}

static void shut_default_executor(via_loop *loop)
{
    struct via_outcome outcome;
    via_future *future = via_loop_shutdown_default_executor(loop, 60 * VIA_S);
    loop_drive(loop, future);
    if (FAULT_CHECK(via_future_outcome(future, &outcome) == 0))
        FAULT_WORKED(outcome.status);
    via_future_unref(future);
}

static void run_to_thread(void)
{
    struct round_trip trip = {.fn = run_item_plainly, .loop = loop_open()};
    if (!trip.loop)
        return;
    if (FAULT_WORKED(via_call_soon(trip.loop, start_round_trip, &trip, NULL))) {
        for (int attempt = 0; !trip.future && attempt < 2; attempt++)
            if (!FAULT_WORKED(via_loop_run_forever(trip.loop)))
                fault_disarm();
        loop_drive(trip.loop, trip.future);
        future_finish(trip.future, &trip.item);
        shut_default_executor(trip.loop);
    }
    loop_shut(trip.loop);
}

static void start_burst(via_loop *loop, via_executor *pool, struct item *items, via_future **futures)
{
    for (int i = 0; i < BURST; i++) {
        struct via_call call = item_call(&items[i]);
        futures[i] = via_run_in_executor(loop, pool, &call);
        if (FAULT_CHECK(futures[i] != NULL) &&
            FAULT_WORKED(via_future_add_done_callback(futures[i], item_future_done, &items[i])))
            items[i].callbacks_due = 1;
    }
}

static void burst_on(via_loop *loop, via_executor *executor)
{
    static struct item items[BURST];
    via_future *futures[BURST];
    items_reset(items, BURST);
    start_burst(loop, executor, items, futures);
    for (int i = 0; i < BURST; i++)
        loop_drive(loop, futures[i]);
    for (int i = 0; i < BURST; i++)
        future_finish(futures[i], &items[i]);
    loop_settle(loop);
    pool_shut(executor);
    items_check(items, BURST);
}

static void run_burst(void)
{
    via_loop *loop = loop_open();
    if (!loop)
        return;
    via_executor *pool = pool_open(2);
    if (pool)
        burst_on(loop, pool);
    loop_shut(loop);
}

/* The loop is closed while half of the burst is under way: the futures stay, the payloads do not. */
static void run_close_in_burst(void)
{
    static struct item items[BURST];
    via_future *futures[BURST];
    via_loop *loop = loop_open();
    if (!loop)
        return;
    via_executor *pool = pool_open(2);
    if (pool) {
        items_reset(items, BURST);
        start_burst(loop, pool, items, futures);
        loop_drive(loop, futures[0]);
    }
    FAULT_CHECK(via_loop_close(loop) == 0);
    for (int i = 0; pool && i < BURST; i++) {
        via_future_unref(futures[i]);
        items[i].callbacks_due = atomic_load(&items[i].callbacks); /* dropped with the loop */
    }
    if (pool) {
        pool_shut(pool);
        items_check(items, BURST);
    }
    via_loop_unref(loop);
}

static void count_release(void *value)
{
    atomic_fetch_add((atomic_int *)value, 1);
}

/* A promise and the counter of its value's releases. */
struct promise {
    via_cfuture *cf;
    atomic_int released;
};

/* Settles the promise in a thread of its own. */
static void *settle_promise(void *arg)
{
    struct promise *promise = arg;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (FAULT_WORKED(via_cfuture_set_result(promise->cf, &promise->released, count_release)))
            return NULL;
        fault_disarm();
    }
    return NULL;
}

/* A concurrent future wrapped for the loop, and settled in another thread. */
static void wrap_settled(via_loop *loop)
{
    struct promise promise = {.cf = NULL};
    if (!FAULT_WORKED(via_cfuture_new(&promise.cf)))
        return;
    via_future *future = via_wrap_future(loop, promise.cf);
    pthread_t thread = fault_own_thread(settle_promise, &promise);
    loop_drive(loop, future);
    pthread_join(thread, NULL);
    int rc = via_future_result(future, NULL);
    FAULT_WORKED(rc);
    via_future_unref(future);
    via_cfuture_unref(promise.cf);
    loop_settle(loop);
    FAULT_CHECK(atomic_load(&promise.released) == 1);
}

/* A future of the loop cancelled, and the concurrent one that it wraps with it. */
static void wrap_cancelled(via_loop *loop)
{
    via_cfuture *cf = NULL;
    if (!FAULT_WORKED(via_cfuture_new(&cf)))
        return;
    via_future *future = via_wrap_future(loop, cf);
    int was = via_future_cancel(future);
    FAULT_CHECK(was == VIA_CANCEL_NEVER_RAN || was == VIA_CANCEL_REQUESTED || fault_injected());
    if (was == VIA_CANCEL_TOO_LATE)
        via_cfuture_cancel(cf);
    FAULT_CHECK(via_cfuture_state(cf) == VIA_CANCELLED);
    loop_drive(loop, future);
    via_future_unref(future);
    via_cfuture_unref(cf);
    loop_settle(loop);
}

static void *wait_in_thread(void *arg)
{
    FAULT_CHECK(via_cfuture_wait(arg, VIA_FOREVER) == 0);
    FAULT_CHECK(via_cfuture_result(arg, 0, NULL) == 0);
    return NULL;
}

/* A future of the loop as other threads see it. */
static void expose_settled(via_loop *loop)
{
    atomic_int released = 0;
    via_cfuture *cf = NULL;
    via_future *future = via_future_new(loop);
    if (!via_future_loop(future)) {
        FAULT_WORKED(via_future_result(future, NULL));
        return;
    }
    if (FAULT_WORKED(via_future_cfuture(future, &cf))) {
        pthread_t thread = fault_own_thread(wait_in_thread, cf);
        if (!FAULT_WORKED(via_future_set_result(future, &released, count_release))) {
            fault_disarm();
            FAULT_CHECK(via_future_set_result(future, &released, count_release) == 0);
        }
        loop_settle(loop);
        pthread_join(thread, NULL);
        via_future_unref(future);
        via_cfuture_unref(cf);
        loop_settle(loop);
        FAULT_CHECK(atomic_load(&released) == 1);
    } else {
        FAULT_CHECK(!cf);
        via_future_unref(future);
    }
}

static void *cancel_in_thread(void *arg)
{
    int was = via_cfuture_cancel(arg);
    FAULT_CHECK(was == VIA_CANCEL_REQUESTED || fault_injected());
    return NULL;
}

/* Another thread cancels a future of the loop through its thread-safe side. */
static void expose_cancelled(via_loop *loop)
{
    via_cfuture *cf = NULL;
    via_future *future = via_future_new(loop);
    if (via_future_loop(future) && FAULT_WORKED(via_future_cfuture(future, &cf))) {
        pthread_t thread = fault_own_thread(cancel_in_thread, cf);
        pthread_join(thread, NULL);
        loop_settle(loop);
        if (fault_injected() && !via_future_done(future))
            via_future_cancel(future);
        FAULT_CHECK(via_future_state(future) == VIA_CANCELLED);
        loop_settle(loop);
        FAULT_CHECK(via_cfuture_done(cf) == 1);
        via_cfuture_unref(cf);
    }
    via_future_unref(future);
}

static void run_wrap(void)
{
    via_loop *loop = loop_open();
    if (!loop)
        return;
    wrap_settled(loop);
    wrap_cancelled(loop);
    loop_shut(loop);
}

static void run_expose(void)
{
    via_loop *loop = loop_open();
    if (!loop)
        return;
    expose_settled(loop);
    expose_cancelled(loop);
    loop_shut(loop);
}

const struct fault_scenario bridge_scenarios[] = {
    {"to_thread and back", run_to_thread, false, false},
    {"burst of a hundred calls", run_burst, false, false},
    {"loop closed in a burst of calls", run_close_in_burst, false, false},
    {"wrap_future: concurrent to loop", run_wrap, false, false},
    {"wrap_future: loop to concurrent", run_expose, false, false},
    {NULL, NULL, false, false},
};
