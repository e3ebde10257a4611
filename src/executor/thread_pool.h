/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread pool.
 *
 * Jobs wait in one queue for each priority, under `lock`.  A worker takes a *batch* of them at a time - one
 * if calls are long, up to BATCH_MAX if they are short - into its slots, and runs them in order.  Each slot
 * is emptied by an atomic exchange, by its worker or by a thief, so a job in a slot belongs to whoever got
 * it.
 *
 * Waking.  A worker is woken (or a thread started) by the thread that holds the lock and sees that the
 * backlog is worth it: the estimated time to run it exceeds the price of a wake-up.  At most one worker is
 * *waking* at a time; when it comes for its batch it looks again, and wakes the next.  One worker at a time
 * may *search*: spin briefly on `queued_hint` before it sleeps; while it does, nobody is woken.  The most
 * recently parked worker is woken first.
 *
 * Estimates can be wrong: a call expected to be short may block, with a batch behind it.  So whenever there
 * is a backlog that was not worth a wake, one idle worker is the *sentry*: it sleeps in short naps, and when
 * a worker made no progress during one, it takes over what waits behind.  The invariant: if a job waits, then
 * a worker is waking, searching, on sentry, or between two jobs on its way to the lock; or every thread there
 * may be is inside a function.
 *
 * The short way in.  While a worker is sure to look for jobs without being told, `open` says so, and plain
 * jobs come through the ring, without the lock.  It is open only if a worker searches; or one is awake and a
 * sentry cares for what that one may leave; or no worker sleeps and there may be no more of them.  Whoever
 * holds the lock and ends such a state closes the way first and then looks at the ring (via__pool_close());
 * a submitter fills its slot first and then looks at `open` again (submit_short()).  So one of the two sees
 * the other, and a job that no worker was to look for finds its submitter at the lock.  The ring's jobs are
 * the youngest of the normal priority: those in the queue go first, and what comes through the lock moves the
 * ring's into the queue before it.
 *
 * What keeps it alive: one life for the users' references, one for each worker thread.
 *
 * Lock order: a job's hashed lock, then `lock`; no function of the program runs under it.
 */
#ifndef VIADUCT_EXECUTOR_THREAD_POOL_H
#define VIADUCT_EXECUTOR_THREAD_POOL_H

#include <pthread.h>

#include <viaduct/thread_pool.h>

#include "base/exit.h"
#include "base/list.h"
#include "base/park.h"
#include "executor/executor.h"
#include "executor/frame.h"
#include "executor/queue.h"
#include "executor/ring.h"

#define VIA__BATCH_MAX 16
#define VIA__LEVELS    3 // priorities
#define VIA__BRISK_NS  500

struct via__pool;

struct via__worker {
    struct via__list link; // in `workers` or, after its end, in `exited`
    struct via__worker *idle_next;
    struct via__pool *pool;
    pthread_t thread;
    int number;
    struct via__parker parker;
    int parked;               // on the idle stack or on sentry; guarded by the pool's lock
    int batch;                // how many it took last; guarded by the pool's lock
    int leaving;              // it does not come for work any more; guarded by the pool's lock
    uint64_t seen_runs;       // what the sentry saw; guarded by the pool's lock
    int64_t nap_ns;           // the worker's own, while on sentry
    uint64_t ring_head;       // the worker's own: where the ring stood after its last batch
    int ran;                  // the worker's own: the calls of its last batch, and
    int64_t took_ns;          // how long they took
    _Atomic int in_callbacks; // it runs callbacks of a concurrent future
    _Atomic uint64_t runs;    // jobs run; written by the worker
    _Atomic long thread_id;
    _Alignas(64) struct via__activity activity;
    _Alignas(64) _Atomic(via_cfuture *) slots[VIA__BATCH_MAX];
};

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

extern const struct via__executor_kind via__pool_kind;

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

// Under the lock: whether calls were so short lately that to wait for a sentry's nap costs little.
static inline int via__pool_is_brisk(const struct via__pool *pool)
{
    return pool->mean_ns >= 0 && pool->mean_ns < VIA__BRISK_NS;
}

// Under the lock: the oldest job of a level, or NULL.
via_cfuture *via__pool_pop(struct via__pool *pool, int level);

// Under the lock: closes the short way in.  What the ring shows afterwards is all that came by it, but for
// jobs whose submitters are on their way to the lock.
void via__pool_close(struct via__pool *pool);

// Under the lock, after anything has changed: opens or closes the short way in.
void via__pool_settle(struct via__pool *pool);

// Under the lock: starts a worker.  0, VIA_ENOMEM or VIA_EAGAIN.
int via__worker_start(struct via__pool *pool);

// Under the lock: wakes a worker or starts one if the backlog wants it.  `self` is the worker that asks, or
// NULL.  Returns the worker to unpark once the lock is open.
struct via__worker *via__pool_want_worker(struct via__pool *pool, struct via__worker *self);

static inline void via__worker_unpark(struct via__worker *worker)
{
    if (worker)
        via__unpark(&worker->parker);
}

// Under the lock: takes the whole idle stack and the sentry off, to be unparked.
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

// Takes every queued and slotted job out and ends it: cancelled, or failed with a status.
void via__pool_flush(struct via__pool *pool, int status);

// Joins the threads that have ended.  Not under the lock.
void via__pool_reap(struct via__pool *pool);

#endif
