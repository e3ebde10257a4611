/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread pool.
 *
 * Jobs wait in one queue for each priority, under `lock`.  A worker takes a *batch* of them at a time - one
 * if calls are long, up to VIA__BATCH_MAX if they are short - into its slots, and runs them in order.  Each
 * slot is emptied by an atomic exchange, by its worker or by a thief, so a job in a slot belongs to whoever
 * got it.
 *
 * Waking.  A worker is woken (or a thread started) by the thread that holds the lock and sees that the
 * backlog is worth it: the estimated time to run it exceeds the price of a wake-up.  At most one worker is
 * *waking* at a time; when it comes for its batch it looks again, and wakes the next.  One worker at a time
 * may *search*: spin briefly on `queued_hint` and the ring before it sleeps; while it does, nobody is woken.
 * The most recently parked worker is woken first.
 *
 * Estimates can be wrong: a call expected to be short may block, with a batch behind it.  So whenever there
 * is a backlog that was not worth a wake, one idle worker is the *sentry*: it sleeps in short naps, and when
 * a worker made no progress during one, it takes over what waits behind.  The invariant: if a job waits, then
 * a worker is waking, searching, on sentry, or between two jobs on its way to the lock; or every thread there
 * may be is inside a function.
 *
 * The short way in.  While a worker is sure to look for jobs without being told, `open` says so, and plain
 * jobs come through the ring, without the lock.  It is open only if a worker searches; or one is awake, calls
 * are brisk and a sentry cares for what that one may leave; or no worker sleeps and there may be no more of
 * them.  Whoever holds the lock and ends such a state closes the way first and then looks at the ring
 * (via__pool_close()); a submitter fills its slot first and then looks at `open` again (submit_short()).  So
 * one of the two sees the other, and a job that no worker was to look for finds its submitter at the lock.
 * The ring's jobs are the youngest of the normal priority: those in the queue go first, and what comes
 * through the lock moves the ring's into the queue before it.
 *
 * Settling.  The rule above is may_open() in pool_wake.c.  via__pool_settle() applies it at the end of each
 * section in which a worker took jobs, goes to search or to sleep, or leaves.  What ends such a state:
 *
 *   - A worker ends its search, lies down or leaves, or the pool stops or breaks.  The way is closed
 *     first, and the ring looked at after that, by this thread or by the workers that it wakes.
 *   - A worker is taken off the idle stack or the sentry's place.  The way may stay open: that worker is
 *     being woken, and when it comes it closes the way and then looks.
 *   - A batch shows that calls are not brisk any more.  The way is closed when the ring has been looked
 *     at, and nobody looks again: the sentry, for whom it was open, is still there.
 *
 * Gathering.  While jobs stream in by the ring a worker that has just run several does not go to the lock for
 * the first one that comes: it waits for as many as it took last, and one more, but about 2 us at most.  It
 * is between two jobs all the while and comes to the lock however that ends, so the invariant holds, and the
 * short way stays as it was.
 *
 * What keeps it alive: one life for the users' references, one for each worker thread, one for each call that
 * its submitter runs.
 *
 * Lock order: a job's hashed lock, then `lock`; no function of the program runs under it.
 *
 * Where it is: thread_pool.c makes and frees pools; pool_submit.c has the ways in, and caller.c the calls
 * that a submitter runs itself; pool_wake.c decides who is woken and whether the short way is open, and
 * pool_estimate.h what a call is expected to take; worker.c is the life of a worker's thread, worker_batch.c
 * its work and worker_idle.c its leisure; pool_shutdown.c ends a pool, and pool_report.c tells of it.
 */
#ifndef VIADUCT_EXECUTOR_THREAD_POOL_H
#define VIADUCT_EXECUTOR_THREAD_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include <viaduct/thread_pool.h>

#include "base/exit.h"
#include "base/list.h"
#include "executor/executor.h"
#include "executor/frame.h"
#include "executor/queue.h"
#include "executor/ring.h"

#define VIA__BATCH_MAX 32
#define VIA__LEVELS    3 // priorities

struct via__worker;

struct via__pool {
    via_executor base; // first
    struct via_thread_pool_options options;
    char name[16];
    int *cpus; // copied
    struct via__exit_node exit_node;

    pthread_mutex_t lock; // guards what follows
    struct via__queue queues[VIA__LEVELS];
    struct via__list workers, exited;
    struct via__list callers; // calls that their submitters run: see caller.c
    struct via__worker *idle; // a stack: the last parked is woken first
    struct via__worker *sentry;
    int worker_count, idle_count, next_number;
    int searching, waking;
    int stopping, broken, released, started;
    int blocked_submitters;
    pthread_cond_t room;  // for submitters that wait
    pthread_cond_t ended; // a worker has ended, or its initializer has
    int64_t mean_ns;      // what a call took lately; -1 before the first
    unsigned takes;       // counts batches, for the turn of the lowest level
    int search_failures, search_skips;
    size_t queued_peak, worker_peak;
    uint64_t submitted, retired_runs, cancelled, expired, rejected, helped;

    _Atomic size_t dead; // jobs in ring, queue or slots that an outsider has claimed
    // Changed under the lock only, and seldom; read by everybody.
    _Alignas(64) _Atomic int open;           // the short way in
    _Alignas(64) _Atomic size_t queued_hint; // how many are in the queues; read by the searcher
    struct via__ring ring;                   // emptied under the lock
};

static inline size_t via__pool_queued(const struct via__pool *pool)
{
    return pool->queues[0].count + pool->queues[1].count + pool->queues[2].count;
}

// How many jobs wait, for reports and limits.
static inline size_t via__pool_count(const struct via__pool *pool)
{
    return via__pool_queued(pool) + via__ring_count(&pool->ring);
}

// Whether at least `count` jobs wait, without a look at the submitters' end of the ring.
static inline int via__pool_has(const struct via__pool *pool, size_t count)
{
    size_t queued = via__pool_queued(pool);
    return count <= queued || (count - queued <= VIA__RING_SLOTS &&
                               via__ring_has(&pool->ring, via__ring_head(&pool->ring) + count - queued - 1));
}

static inline void via__pool_publish_count(struct via__pool *pool)
{
    size_t queued = via__pool_queued(pool);
    // Relaxed, both: the searcher looks again under the lock.  What has not changed is left in its cache.
    if (queued != atomic_load_explicit(&pool->queued_hint, memory_order_relaxed))
        atomic_store_explicit(&pool->queued_hint, queued, memory_order_relaxed);
}

static inline struct via__queue *via__pool_normal_queue(struct via__pool *pool)
{
    return &pool->queues[VIA_PRIORITY_HIGH - VIA_PRIORITY_NORMAL];
}

// Under the lock: the oldest job of a level, or NULL.
static inline via_cfuture *via__pool_pop(struct via__pool *pool, int level)
{
    struct via__queue *queue = &pool->queues[level];
    if (queue->count)
        return via__queue_pop(queue);
    return queue == via__pool_normal_queue(pool) ? via__ring_pop(&pool->ring) : NULL;
}

// Under the lock: how many jobs wait that nobody else has claimed.
static inline size_t via__pool_live_count(const struct via__pool *pool)
{
    // Relaxed: a count; it may run ahead of the queue for a moment.
    size_t count = via__pool_count(pool), dead = atomic_load_explicit(&pool->dead, memory_order_relaxed);
    return count > dead ? count - dead : 0;
}

// pool_submit.c: what the executor's kind wants of a pool.
int via__pool_submit(via_executor *executor, via_cfuture *job, enum via__submit how);
void via__pool_claimed(via_executor *executor, via_cfuture *job, enum via__claim why);
int via__pool_can_start(via_executor *executor, via_cfuture *job);

// pool_wake.c

// Under the lock: closes the short way in.  What the ring shows afterwards is all that came by it, but for
// jobs whose submitters are on their way to the lock.
void via__pool_close(struct via__pool *pool);

// Under the lock, after anything has changed: opens or closes the short way in.
void via__pool_settle(struct via__pool *pool);

// Under the lock: whether a worker that has looked for jobs may end.  Not while a submitter is about to fill
// its place in the ring: behind it may be jobs that were accepted long ago.
int via__pool_may_lose_worker(const struct via__pool *pool);

// Under the lock, which it opens meanwhile: some submitter is about to fill its place, as soon as it is let.
void via__pool_let_submitters_go_on(struct via__pool *pool);

// Under the lock: wakes a worker or starts one if the backlog wants it.  `self` is the worker that asks, or
// NULL.  Returns the worker to unpark once the lock is open.
struct via__worker *via__pool_want_worker(struct via__pool *pool, struct via__worker *self);

// Under the lock: takes the whole idle stack and the sentry off, and unparks them.
void via__pool_wake_all(struct via__pool *pool);

// caller.c.  Under the lock: enters a call that this thread is to run; 0 or VIA_ENOMEM.
int via__caller_begin(struct via__pool *pool, via_cfuture *job);

// Runs an entered call.  Not under the lock.
void via__caller_run(struct via__pool *pool, via_cfuture *job);

// For the pool's kind: the call may have ended the thread of its submitter.
void via__caller_exited(via_executor *executor, const via_cfuture *job);

// Asks each of them to stop.  Not under the lock.
void via__callers_cancel(struct via__pool *pool);

// Under the lock: shows each of them.
void via__callers_each(struct via__pool *pool, via__call_look_fn look, void *arg);

// pool_shutdown.c

// Takes every queued and slotted job out and ends it: cancelled, or failed with a status.
void via__pool_flush(struct via__pool *pool, int status);

int via__pool_shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns);
void via__pool_released(via_executor *executor);
void via__pool_at_exit(struct via__exit_node *node);

// pool_report.c
void via__pool_stats(via_executor *executor, struct via_executor_stats *stats);
int via__pool_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity);

// Joins the threads that have ended.  Not under the lock.
void via__pool_reap(struct via__pool *pool);

#endif
