/* SPDX-License-Identifier: BSD-3-Clause */
/* Who looks for jobs: whether the short way in is open, and whether a worker is woken or started for what
   waits.  The design is at the head of thread_pool.h. */
#include <config.h>

#include <time.h>

#include "executor/pool_estimate.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

void via__pool_close(struct via__pool *pool)
{
    // Relaxed: only changed under the lock.  Sequentially consistent: comes before this thread's next look at
    // the ring, via__ring_has() or via__ring_pop(), as the slot comes before the second look at `open` in
    // submit_short().
    if (atomic_load_explicit(&pool->open, memory_order_relaxed))
        atomic_store_explicit(&pool->open, 0, memory_order_seq_cst);
}

// Under the lock: whether a worker is sure to look at the ring without being told.
static int may_open(const struct via__pool *pool)
{
    int active = pool->worker_count - pool->idle_count;
    if (pool->stopping || pool->broken || pool->options.max_queued || active <= 0)
        return 0;
    return pool->searching || (pool->sentry && via__pool_is_brisk(pool)) ||
           (!pool->idle_count && pool->worker_count == pool->options.max_workers);
}

void via__pool_settle(struct via__pool *pool)
{
    if (!may_open(pool))
        via__pool_close(pool);
    // Relaxed, both: only changed under the lock.  A submitter that sees it open, in submit_short(), is seen
    // by whoever closes it the next time.
    else if (!atomic_load_explicit(&pool->open, memory_order_relaxed))
        atomic_store_explicit(&pool->open, 1, memory_order_relaxed);
}

int via__pool_may_lose_worker(const struct via__pool *pool)
{
    return !via__pool_has(pool, 1) && via__ring_is_empty(&pool->ring);
}

void via__pool_let_submitters_go_on(struct via__pool *pool)
{
    static const struct timespec moment = {.tv_nsec = 20 * VIA_US};
    pthread_mutex_unlock(&pool->lock);
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&pool->lock);
}

// Whether the program's code runs in the worker, which may take as long as it likes.
static int in_function(struct via__worker *worker)
{
    // Relaxed, all: a batch is counted on under the lock, in count_begun(), and a call is counted off, in
    // via__activity_job_over(), before the completion by which anybody sees it done.  What
    // via__cf_tell_pool() says of callbacks is a hint.
    return atomic_load_explicit(&worker->activity.begun, memory_order_relaxed) !=
               atomic_load_explicit(&worker->activity.over, memory_order_relaxed) ||
           atomic_load_explicit(&worker->in_callbacks, memory_order_relaxed);
}

// Under the lock: some awake worker is between two jobs, and will come to the lock before it sleeps.
static int somebody_comes(const struct via__pool *pool, const struct via__worker *self)
{
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = via__worker_of(at);
        if (worker != self && !worker->parked && !worker->leaving && worker->batch <= 1 &&
            !in_function(worker))
            return 1;
    }
    return 0;
}

// Under the lock: takes the last that lay down off the stack, or else the sentry; its caller unparks it.
static struct via__worker *pop_idle(struct via__pool *pool)
{
    struct via__worker *worker = pool->idle;
    if (worker) {
        pool->idle = worker->idle_next;
    } else {
        worker = pool->sentry;
        pool->sentry = NULL;
    }
    if (worker) {
        worker->parked = 0;
        pool->idle_count--;
    }
    return worker;
}

static int can_grow(const struct via__pool *pool)
{
    return pool->worker_count < pool->options.max_workers;
}

struct via__worker *via__pool_want_worker(struct via__pool *pool, struct via__worker *self)
{
    size_t behind = self && self->batch > 1 ? (size_t)self->batch - 1 : 0;
    if (pool->searching || pool->waking || (!pool->idle_count && !can_grow(pool)) ||
        !(behind || via__pool_has(pool, 1)))
        return NULL;
    int active = pool->worker_count - pool->idle_count;
    if (active > 0 && !via__pool_worth_waking(pool, behind, active) &&
        (pool->sentry || somebody_comes(pool, self)))
        return NULL;
    if (active > 0 && !self && somebody_comes(pool, NULL))
        return NULL;
    struct via__worker *worker = pop_idle(pool);
    if (!worker && can_grow(pool))
        (void)via__worker_start(pool);
    pool->waking = worker != NULL || pool->waking;
    return worker;
}

void via__pool_wake_all(struct via__pool *pool)
{
    struct via__worker *worker;
    while ((worker = pop_idle(pool)) != NULL)
        via__worker_unpark(worker);
}
