/* SPDX-License-Identifier: BSD-3-Clause */
/* What a pool tells of itself: figures, and the calls that run. */
#include <config.h>

#include <stdlib.h>

#include "executor/thread_pool.h"
#include "executor/worker.h"

// Under the lock: shows every call under way.
static void each_call(struct via__pool *pool, via__call_look_fn look, void *arg)
{
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = via__worker_of(at);
        // Relaxed: a figure; initialize() writes it.
        long thread_id = atomic_load_explicit(&worker->thread_id, memory_order_relaxed);
        via__activity_each(&worker->activity, thread_id, look, arg);
    }
    via__callers_each(pool, look, arg);
}

struct running {
    const via_executor *executor;
    struct via_executor_stats *stats;
};

static void count_running(const via_cfuture *cf, const struct via_stuck_call *call, void *arg)
{
    const struct running *running = arg;
    // What runs inside, a strand's call or one of another pool's, is counted there.
    if (via__job_executor(cf) != running->executor)
        return;
    running->stats->running++;
    if (call->running_ns > running->stats->oldest_running_ns)
        running->stats->oldest_running_ns = call->running_ns;
}

void via__pool_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct via__pool *pool = (struct via__pool *)executor;
    struct running running = {executor, stats};
    pthread_mutex_lock(&pool->lock);
    stats->workers = (size_t)pool->worker_count;
    stats->workers_max = (size_t)pool->options.max_workers;
    stats->workers_idle = (size_t)pool->idle_count;
    stats->workers_peak = pool->worker_peak;
    stats->queued = via__pool_live_count(pool);
    if (stats->queued > pool->queued_peak)
        pool->queued_peak = stats->queued;
    stats->queued_peak = pool->queued_peak;
    stats->submitted = pool->submitted + via__ring_pushed(&pool->ring);
    stats->completed = pool->retired_runs;
    stats->cancelled = pool->cancelled;
    stats->expired = pool->expired;
    stats->rejected = pool->rejected;
    stats->helped = pool->helped;
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next)
        stats->completed += via__worker_runs(via__worker_of(at));
    each_call(pool, count_running, &running);
    pthread_mutex_unlock(&pool->lock);
}

struct listing {
    struct via_stuck_call *calls;
    size_t capacity, count;
};

static void list_call(const via_cfuture *cf, const struct via_stuck_call *call, void *arg)
{
    struct listing *listing = arg;
    (void)cf;
    if (listing->count++ < listing->capacity)
        listing->calls[listing->count - 1] = *call;
}

static int longest_first(const void *left, const void *right)
{
    int64_t a = ((const struct via_stuck_call *)left)->running_ns;
    int64_t b = ((const struct via_stuck_call *)right)->running_ns;
    return (a < b) - (a > b);
}

int via__pool_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct via__pool *pool = (struct via__pool *)executor;
    struct listing listing = {.calls = calls, .capacity = capacity};
    pthread_mutex_lock(&pool->lock);
    each_call(pool, list_call, &listing);
    pthread_mutex_unlock(&pool->lock);
    if (capacity)
        qsort(calls, listing.count < capacity ? listing.count : capacity, sizeof *calls, longest_first);
    return (int)listing.count;
}
