/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways into a pool: the short one and the one through the lock.  The design is at the head of
   thread_pool.h. */
#include <config.h>

#include <viaduct/error.h>

#include "executor/thread_pool.h"
#include "executor/worker.h"

#define SWEEP_AT 128 // so many claimed jobs are worth looking through the queue

// Under the lock: whether the pool takes a job now.
static int accepts(const struct via__pool *pool)
{
    if (pool->broken)
        return VIA_EBROKEN;
    if (pool->stopping)
        return VIA_ESHUTDOWN;
    return pool->options.max_queued && via__pool_live_count(pool) >= pool->options.max_queued ? VIA_EBUSY : 0;
}

// Under the lock: moves the ring's jobs to the end of their queue.  VIA_ENOMEM if some had to stay.
static int spill(struct via__pool *pool)
{
    while (via__ring_has(&pool->ring, via__ring_head(&pool->ring))) {
        int status = via__queue_reserve(via__pool_normal_queue(pool));
        if (status < 0)
            return status;
        (void)via__queue_push(via__pool_normal_queue(pool), via__ring_pop(&pool->ring));
    }
    via__pool_publish_count(pool);
    return 0;
}

// Under the lock: as accepts(), and there is a worker: without any a job would be lost, so its start must be
// known to have succeeded.
static int accepts_and_runs(struct via__pool *pool)
{
    int status = accepts(pool);
    return status == 0 && pool->worker_count == 0 ? via__worker_start(pool) : status;
}

// Under the lock: the ring has a place whose submitter is about to fill it, and what is behind it cannot be
// moved.  A normal job must not pass that, so it goes behind it: 1.  0 if there is no such place; or an
// error.
static int push_behind(struct via__pool *pool, via_cfuture *job)
{
    int status;
    while ((status = spill(pool)) == 0 && !via__ring_is_empty(&pool->ring)) {
        if (via__ring_push(&pool->ring, job))
            return 1;
        via__pool_let_submitters_go_on(pool);
        if ((status = accepts_and_runs(pool)) < 0)
            break;
    }
    return status;
}

static void note_peak(struct via__pool *pool)
{
    size_t count = via__pool_count(pool);
    if (count > pool->queued_peak)
        pool->queued_peak = count;
}

// Under the lock, when the pool accepts jobs: queues one, for which there is a worker then.
static int push_job(struct via__pool *pool, via_cfuture *job)
{
    int level = VIA_PRIORITY_HIGH - via__job_priority(job);
    int status = accepts_and_runs(pool);
    if (status == 0 && &pool->queues[level] == via__pool_normal_queue(pool))
        status = push_behind(pool, job);
    if (status < 0)
        return status;
    if (status == 0) {
        status = via__queue_push(&pool->queues[level], job);
        if (status < 0)
            return status;
        pool->submitted++; // the ring counts its own
    }
    via__pool_publish_count(pool);
    note_peak(pool);
    return 0;
}

// Waits for room, unless that could last for ever, because every worker waits for this thread.  The search
// for that comes before the pool's lock.  `waited` says that its end is to be told when the lock is open.
static int wait_for_room(struct via__pool *pool, int *waited)
{
    int status;
    pthread_mutex_unlock(&pool->lock);
    int possible = via__deadlock_begin_room(&pool->base);
    pthread_mutex_lock(&pool->lock);
    pool->blocked_submitters++;
    while ((status = accepts(pool)) == VIA_EBUSY && possible == 0)
        pthread_cond_wait(&pool->room, &pool->lock);
    pool->blocked_submitters--;
    *waited = possible == 0;
    if (*waited)
        via__deadlock_has_room();
    return status == VIA_EBUSY ? possible : status;
}

// The ring is full: makes room.
static int make_room(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    note_peak(pool);
    int status = spill(pool);
    pthread_mutex_unlock(&pool->lock);
    return status;
}

// Takes out what came in by the short way just when the last worker left.
static void turn_away(struct via__pool *pool, int status)
{
    via_cfuture *job;
    do {
        pthread_mutex_lock(&pool->lock);
        job = pool->worker_count ? NULL : via__ring_pop(&pool->ring);
        pthread_mutex_unlock(&pool->lock);
        if (job)
            via__job_give_up(job, status);
    } while (job);
}

// The way was closed behind a job: sees to it that a worker comes for it.
static void look_after(struct via__pool *pool)
{
    int status = 0;
    pthread_mutex_lock(&pool->lock);
    if (!pool->worker_count)
        status = pool->broken ? VIA_EBROKEN : pool->stopping ? VIA_ESHUTDOWN : via__worker_start(pool);
    // Else none may be started any more.
    struct via__worker *woken = status == 0 ? via__pool_want_worker(pool, NULL) : NULL;
    pthread_mutex_unlock(&pool->lock);
    via__worker_unpark(woken);
    if (status < 0)
        turn_away(pool, status);
}

// Submits without the lock: 1; 0 if the way is closed, or the job or the moment is not plain.
static int submit_short(struct via__pool *pool, via_cfuture *job)
{
    // Relaxed: what via__pool_settle() wrote is looked at again below.
    if (!atomic_load_explicit(&pool->open, memory_order_relaxed) ||
        via__job_priority(job) != VIA_PRIORITY_NORMAL)
        return 0;
    if (!via__ring_push(&pool->ring, job) && (make_room(pool) < 0 || !via__ring_push(&pool->ring, job)))
        return 0;
    // Sequentially consistent: comes after the slot in via__ring_push(), as in via__pool_close() the look at
    // the ring comes after `open`.
    if (!atomic_load_explicit(&pool->open, memory_order_seq_cst))
        look_after(pool);
    return 1;
}

static int submit_through_lock(struct via__pool *pool, via_cfuture *job, enum via__submit how)
{
    struct via__worker *woken = NULL;
    int waited = 0;
    pthread_mutex_lock(&pool->lock);
    int status = accepts(pool);
    int caller_runs = status == VIA_EBUSY && how == VIA__SUBMIT_MAY_BLOCK &&
                      pool->options.when_full == VIA_FULL_CALLER_RUNS;
    if (status == VIA_EBUSY && how == VIA__SUBMIT_MAY_BLOCK && pool->options.when_full == VIA_FULL_BLOCK)
        status = wait_for_room(pool, &waited);
    if (status == 0)
        status = push_job(pool, job);
    if (status == 0)
        woken = via__pool_want_worker(pool, NULL);
    else if (caller_runs)
        status = via__caller_begin(pool, job);
    if (status == 0 && caller_runs)
        pool->submitted++;
    else if (status < 0)
        pool->rejected++;
    pthread_mutex_unlock(&pool->lock);
    if (waited)
        via__deadlock_end_room();
    via__worker_unpark(woken);
    if (status == 0 && caller_runs)
        via__caller_run(pool, job);
    return status;
}

static int is_dead(const void *item)
{
    return (via__cf_state(item) & VIA__STATE_MASK) != VIA_PENDING;
}

// Jobs that were cancelled while every worker is busy would stay in the queue; a submitter clears them away
// when they are most of it.
static void sweep(struct via__pool *pool)
{
    via_cfuture *found[SWEEP_AT];
    size_t count = 0;
    pthread_mutex_lock(&pool->lock);
    (void)spill(pool);
    for (int i = 0; i < VIA__LEVELS; i++)
        count += via__queue_sweep(&pool->queues[i], is_dead, (void **)found + count, SWEEP_AT - count);
    via__pool_publish_count(pool);
    // Relaxed: a count; via__pool_claimed() added to it, or is about to.
    atomic_fetch_sub_explicit(&pool->dead, count, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < count; i++)
        via__job_let_go(found[i]);
}

int via__pool_submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct via__pool *pool = (struct via__pool *)executor;
    // Relaxed, both: hints; sweep() looks under the lock.
    size_t dead = atomic_load_explicit(&pool->dead, memory_order_relaxed);
    if (dead >= SWEEP_AT && dead > atomic_load_explicit(&pool->queued_hint, memory_order_relaxed) / 2)
        sweep(pool);
    return submit_short(pool, job) ? 0 : submit_through_lock(pool, job, how);
}

// Under a hashed lock: a job that waits will not run, so there is room.  It stays where it is until a worker
// or sweep() comes upon it, who let it go without holding either lock.
void via__pool_claimed(via_executor *executor, via_cfuture *job, enum via__claim why)
{
    struct via__pool *pool = (struct via__pool *)executor;
    (void)job;
    pthread_mutex_lock(&pool->lock);
    pool->cancelled += why == VIA__CLAIM_CANCELLED;
    pool->expired += why == VIA__CLAIM_EXPIRED;
    if (why == VIA__CLAIM_HELPED) {
        pool->helped++;
        pool->retired_runs++;
    }
    // Relaxed: a count; whoever takes the job out counts it off.
    atomic_fetch_add_explicit(&pool->dead, 1, memory_order_relaxed);
    if (pool->blocked_submitters)
        pthread_cond_broadcast(&pool->room);
    pthread_mutex_unlock(&pool->lock);
}

int via__pool_can_start(via_executor *executor, via_cfuture *job)
{
    struct via__pool *pool = (struct via__pool *)executor;
    pthread_mutex_lock(&pool->lock);
    int workers = pool->worker_count, can_grow = workers < pool->options.max_workers;
    int room = !job && accepts(pool) != VIA_EBUSY;
    pthread_mutex_unlock(&pool->lock);
    if (can_grow || room || via__deadlock_blocked_in(executor) < workers)
        return 1;
    return via__deadlock_any_progress(executor);
}
