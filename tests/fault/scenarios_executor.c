/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios of thread pools, strands and concurrent futures. */
#include "scenario.h"

#include <time.h>

enum { GROWTH = 8, QUEUED = 20, STRAND_CALLS = 30, FUTURES = 10, MAP_ITEMS = 20, WAIT_SLICE_MS = 5 };

/* Submits an item; NULL if that was refused. */
static via_cfuture *submit(via_executor *executor, struct item *item)
{
    via_cfuture *cf = NULL;
    struct via_call call = item_call(item);
    if (FAULT_WORKED(via_executor_submit(executor, &call, &cf)))
        return cf;
    FAULT_CHECK(!cf && atomic_load(&item->destroyed) == 1);
    return NULL;
}

/* Waits for a post, in slices, until a fault may have kept it from coming. */
static bool wait_unless_fault(sem_t *sem)
{
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WAIT_SLICE_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        if (sem_timedwait(sem, &until) == 0)
            return true;
        if (fault_injected())
            return false;
    }
}

static void check_peak(via_executor *pool, size_t peak)
{
    struct via_executor_stats stats;
    FAULT_CHECK(via_executor_stats(pool, &stats) == 0);
    FAULT_CHECK(stats.workers_peak <= peak);
    FAULT_CHECK(fault_injected() || stats.workers_peak == peak);
}

static void finish_each(via_cfuture *futures[], struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (futures[i])
            cfuture_finish(futures[i], &items[i]);
}

/* Eight calls that all hold their thread until the eighth has started. */
static void grow_pool(via_executor *pool, struct item *items, sem_t *started, sem_t *gate)
{
    via_cfuture *futures[GROWTH];
    for (int i = 0; i < GROWTH; i++) {
        items[i].started = started;
        items[i].gate = gate;
        futures[i] = submit(pool, &items[i]);
    }
    for (int i = 0; i < GROWTH && wait_unless_fault(started); i++)
        ;
    check_peak(pool, GROWTH);
    for (int i = 0; i < GROWTH; i++)
        sem_post(gate);
    finish_each(futures, items, GROWTH);
}

static void run_pool_growth(void)
{
    struct item items[GROWTH];
    sem_t started, gate;
    via_executor *pool = pool_open(GROWTH);
    if (!pool)
        return;
    sem_init(&started, 0, 0);
    sem_init(&gate, 0, 0);
    items_reset(items, GROWTH);
    grow_pool(pool, items, &started, &gate);
    pool_shut(pool);
    items_check(items, GROWTH);
    sem_destroy(&started);
    sem_destroy(&gate);
}

/* One call that holds the only thread, many behind it, and a shutdown while it does. */
static void shut_down_full_pool(via_executor *pool, struct item *items, unsigned flags, sem_t *gate)
{
    via_cfuture *futures[QUEUED];
    for (int i = 0; i < QUEUED; i++) {
        items[i].gate = i ? NULL : gate;
        futures[i] = submit(pool, &items[i]);
        if (futures[i] &&
            FAULT_WORKED(via_cfuture_add_done_callback(futures[i], item_cfuture_done, &items[i])))
            items[i].callbacks_due = 1;
    }
    int rc = via_executor_shutdown(pool, flags, 0);
    FAULT_CHECK(rc == 0 || rc == VIA_ETIMEDOUT);
    sem_post(gate);
    finish_each(futures, items, QUEUED);
    pool_shut(pool);
}

static void run_shutdown(unsigned flags)
{
    struct item items[QUEUED];
    sem_t gate;
    via_executor *pool = pool_open(1);
    if (!pool)
        return;
    sem_init(&gate, 0, 0);
    items_reset(items, QUEUED);
    shut_down_full_pool(pool, items, flags, &gate);
    items_check(items, QUEUED);
    sem_destroy(&gate);
}

static void run_shutdown_cancel(void)
{
    run_shutdown(VIA_SHUTDOWN_CANCEL_QUEUED);
}

static void run_shutdown_drain(void)
{
    run_shutdown(0);
}

/* What a strand's calls see: they come one at a time and in order. */
struct strand_call {
    struct item item;
    int number;
    int *last;
};

static int run_strand_call(void *arg, void **result)
{
    struct strand_call *call = arg;
    FAULT_CHECK(*call->last < call->number);
    *call->last = call->number;
    atomic_fetch_add(&call->item.ran, 1);
    *result = &call->item;
    return 0;
}

static via_cfuture *submit_to_strand(via_executor *strand, struct strand_call *entry)
{
    via_cfuture *cf = NULL;
    struct via_call call = item_call(&entry->item);
    call.fn = run_strand_call;
    return FAULT_WORKED(via_executor_submit(strand, &call, &cf)) ? cf : NULL;
}

static void run_strand_calls(via_executor *strand, struct strand_call *calls)
{
    via_cfuture *futures[STRAND_CALLS];
    int last = -1;
    for (int i = 0; i < STRAND_CALLS; i++) {
        calls[i] = (struct strand_call){.number = i, .last = &last};
        futures[i] = submit_to_strand(strand, &calls[i]);
    }
    for (int i = 0; i < STRAND_CALLS; i++)
        if (futures[i])
            cfuture_finish(futures[i], &calls[i].item);
    pool_shut(strand);
}

static void run_strand(void)
{
    struct strand_call calls[STRAND_CALLS];
    via_executor *strand = NULL;
    via_executor *pool = pool_open(2);
    if (!pool)
        return;
    bool made = FAULT_WORKED(via_serial_new(pool, &strand));
    if (made)
        run_strand_calls(strand, calls);
    pool_shut(pool);
    for (int i = 0; made && i < STRAND_CALLS; i++)
        items_check(&calls[i].item, 1);
}

/* Waits in the way of concurrent.futures wait(); memory may run out, and then each is waited for alone. */
static void wait_for_all(via_cfuture *const *futures, size_t count)
{
    int first = via_cfutures_wait(futures, count, VIA_FOREVER, VIA_FIRST_COMPLETED);
    FAULT_CHECK(!FAULT_WORKED(first) || first >= 1 || count == 0);
    int all = via_cfutures_wait(futures, count, VIA_FOREVER, VIA_ALL_COMPLETED);
    FAULT_CHECK(!FAULT_WORKED(all) || all == (int)count);
}

static void walk_completions(via_cfuture *const *futures, size_t count)
{
    via_completion *walk = NULL;
    via_cfuture *cf = NULL;
    size_t seen = 0;
    int rc = 0;
    if (!FAULT_WORKED(via_cfutures_as_completed(futures, count, VIA_FOREVER, &walk)))
        return;
    while ((rc = via_completion_next(walk, &cf)) == 1) {
        FAULT_CHECK(via_cfuture_done(cf) == 1);
        via_cfuture_unref(cf);
        seen++;
    }
    FAULT_CHECK(rc == 0 && seen == count);
    via_completion_free(walk);
}

/* Submits ten calls and keeps those that were accepted. */
static size_t submit_ten(via_executor *pool, struct item *items, via_cfuture **futures,
                         struct item **accepted)
{
    size_t count = 0;
    for (int i = 0; i < FUTURES; i++) {
        futures[count] = submit(pool, &items[i]);
        if (futures[count])
            accepted[count++] = &items[i];
    }
    return count;
}

static void wait_for_ten(via_executor *pool, struct item *items, void (*wait)(via_cfuture *const *, size_t))
{
    struct item *accepted[FUTURES];
    via_cfuture *futures[FUTURES];
    size_t count = submit_ten(pool, items, futures, accepted);
    wait(futures, count);
    for (size_t i = 0; i < count; i++)
        cfuture_finish(futures[i], accepted[i]);
}

static void run_wait(void)
{
    struct item items[2 * FUTURES];
    via_executor *pool = pool_open(2);
    if (!pool)
        return;
    items_reset(items, 2 * FUTURES);
    wait_for_ten(pool, items, wait_for_all);
    wait_for_ten(pool, items + FUTURES, walk_completions);
    pool_shut(pool);
    items_check(items, 2 * FUTURES);
}

/* The source of a map: one item after the other. */
struct source {
    struct item items[MAP_ITEMS];
    size_t next;
};

static int next_item(void *arg, void **item)
{
    struct source *source = arg;
    if (source->next == MAP_ITEMS)
        return 0;
    source->items[source->next].given = 1;
    *item = &source->items[source->next++];
    return 1;
}

static void drain_map(via_map *map)
{
    struct via_outcome outcome;
    int rc = 0;
    while ((rc = via_map_next(map, &outcome)) == 1) {
        FAULT_WORKED(outcome.status);
        if (outcome.value && outcome.destroy)
            outcome.destroy(outcome.value);
    }
    FAULT_WORKED(rc);
    via_map_free(map);
}

static void run_map(void)
{
    struct source source = {.next = 0};
    struct via_map_options options = {.next_item = next_item, .source = &source, .chunk = 3, .buffer = 9};
    struct item pattern;
    via_map *map = NULL;
    via_executor *pool = pool_open(2);
    if (!pool)
        return;
    struct via_call call = item_call(&pattern);
    options.fn = call.fn;
    options.destroy_item = call.destroy;
    options.destroy_result = call.destroy_result;
    if (FAULT_WORKED(via_map_new(pool, &options, &map)))
        drain_map(map);
    pool_shut(pool);
    FAULT_CHECK(fault_injected() || source.next == MAP_ITEMS);
    items_check(source.items, MAP_ITEMS);
}

static void run_pinned(void)
{
    struct item items[2];
    via_executor *pinned = NULL;
    items_reset(items, 2);
    if (!FAULT_WORKED(via_pinned_new(NULL, &pinned)))
        return;
    via_cfuture *futures[2] = {submit(pinned, &items[0]), submit(pinned, &items[1])};
    finish_each(futures, items, 2);
    pool_shut(pinned);
    items_check(items, 2);
}

const struct fault_scenario executor_scenarios[] = {
    {"pool growth from 0 to 8", run_pool_growth, false, false},
    {"shutdown that cancels the queue", run_shutdown_cancel, false, false},
    {"shutdown that drains the queue", run_shutdown_drain, false, false},
    {"strand over a pool", run_strand, false, false},
    {"wait and as_completed over ten futures", run_wait, false, false},
    {"map over a pool", run_map, false, false},
    {"pinned thread", run_pinned, false, false},
    {NULL, NULL, false, false},
};
