/* SPDX-License-Identifier: BSD-3-Clause */
#include "scenario.h"

#include <string.h>

enum { ATTEMPTS = 3, SETTLE_TICKS = 1000 };

void items_reset(struct item *items, size_t count)
{
    memset(items, 0, count * sizeof(*items));
}

static int item_run(void *arg, void **result)
{
    struct item *item = arg;
    atomic_fetch_add(&item->ran, 1);
    if (item->started)
        sem_post(item->started);
    while (item->gate && sem_wait(item->gate))
        ;
    *result = item;
    return 0;
}

static void item_destroy(void *arg)
{
    atomic_fetch_add(&((struct item *)arg)->destroyed, 1);
}

static void item_destroy_result(void *result)
{
    atomic_fetch_add(&((struct item *)result)->results_destroyed, 1);
}

struct via_call item_call(struct item *item)
{
    struct via_call call = VIA_CALL(item_run, item);
    call.destroy = item_destroy;
    call.destroy_result = item_destroy_result;
    item->given = 1;
    return call;
}

void items_check(struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        FAULT_CHECK(atomic_load(&items[i].destroyed) == items[i].given);
        FAULT_CHECK(atomic_load(&items[i].ran) <= 1);
        FAULT_CHECK(atomic_load(&items[i].results_destroyed) == atomic_load(&items[i].ran));
        FAULT_CHECK(atomic_load(&items[i].callbacks) == items[i].callbacks_due);
    }
}

int item_called(void *arg)
{
    atomic_fetch_add(&((struct item *)arg)->callbacks, 1);
    return 0;
}

int item_future_done(via_future *future, void *arg)
{
    FAULT_CHECK(via_future_done(future) == 1);
    return item_called(arg);
}

int item_cfuture_done(via_cfuture *cf, void *arg)
{
    FAULT_CHECK(via_cfuture_done(cf) == 1);
    return item_called(arg);
}

void item_check_outcome(const struct item *item, const struct via_outcome *outcome)
{
    bool worked = outcome->status == VIA_ECANCELED || FAULT_WORKED(outcome->status);
    FAULT_CHECK(atomic_load(&item->ran) == (outcome->status == 0));
    FAULT_CHECK(!worked || outcome->status || outcome->value == item);
}

via_loop *loop_open(void)
{
    via_loop *loop = NULL;
    if (FAULT_WORKED(via_loop_new(&loop)))
        return loop;
    FAULT_CHECK(!loop);
    return NULL;
}

via_executor *pool_open(int max_workers)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;
    via_thread_pool_options_init(&options);
    options.max_workers = max_workers;
    options.name = "fault";
    if (FAULT_WORKED(via_thread_pool_new(&options, &pool)))
        return pool;
    FAULT_CHECK(!pool);
    return NULL;
}

void loop_drive(via_loop *loop, via_future *future)
{
    if (!FAULT_CHECK(future != NULL) || !via_future_loop(future)) {
        FAULT_CHECK(!future || via_future_done(future) == 1);
        return;
    }
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (FAULT_WORKED(via_loop_run_until_complete(loop, future)))
            break;
        if (attempt == ATTEMPTS - 2)
            fault_disarm();
    }
    FAULT_CHECK(via_future_done(future) == 1);
}

void loop_settle(via_loop *loop)
{
    for (int tick = 0; tick < SETTLE_TICKS; tick++) {
        int ran = via_loop_step(loop, 0);
        if (ran == 0)
            return;
        if (!FAULT_WORKED(ran))
            fault_disarm();
    }
    FAULT_CHECK(!"the loop came to rest");
}

void loop_shut(via_loop *loop)
{
    FAULT_CHECK(via_loop_close(loop) == 0);
    FAULT_CHECK(via_loop_is_closed(loop) == 1);
    via_loop_unref(loop);
}

void pool_shut(via_executor *pool)
{
    FAULT_CHECK(via_executor_shutdown(pool, 0, VIA_FOREVER) == 0);
    via_executor_unref(pool);
}

void cfuture_finish(via_cfuture *cf, const struct item *item)
{
    struct via_outcome outcome;
    FAULT_CHECK(via_cfuture_wait(cf, VIA_FOREVER) == 0);
    if (FAULT_CHECK(via_cfuture_outcome(cf, &outcome) == 0))
        item_check_outcome(item, &outcome);
    via_cfuture_unref(cf);
}

void future_finish(via_future *future, const struct item *item)
{
    struct via_outcome outcome;
    if (FAULT_CHECK(via_future_outcome(future, &outcome) == 0))
        item_check_outcome(item, &outcome);
    via_future_unref(future);
}
