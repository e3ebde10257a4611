/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker of a thread pool, as the pool's files see it.  The design is at the head of thread_pool.h. */
#ifndef VIADUCT_EXECUTOR_WORKER_H
#define VIADUCT_EXECUTOR_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/park.h"
#include "executor/frame.h"
#include "executor/thread_pool.h"

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

static inline struct via__worker *via__worker_of(struct via__list *link)
{
    return VIA__CONTAINER_OF(link, struct via__worker, link);
}

static inline uint64_t via__worker_runs(const struct via__worker *worker)
{
    // Relaxed: a count; the sentry compares two readings of it.
    return atomic_load_explicit(&worker->runs, memory_order_relaxed);
}

// Under the lock: the worker, or a thief for itself, has a job to run.
static inline void via__worker_put_in_slot(struct via__worker *worker, int at, via_cfuture *cf)
{
    // Release: pairs with the acquire in via__worker_take_slot(): the job was queued before.
    atomic_store_explicit(&worker->slots[at], cf, memory_order_release);
}

// Any thread: the job is the caller's; NULL if there is none, or somebody else was quicker.
static inline via_cfuture *via__worker_take_slot(struct via__worker *worker, int at)
{
    // Acquire: pairs with the release in via__worker_put_in_slot().  That it is an exchange gives the job to
    // one of the worker, its thieves and a shutdown.
    return atomic_exchange_explicit(&worker->slots[at], NULL, memory_order_acquire);
}

static inline void via__worker_unpark(struct via__worker *worker)
{
    if (worker)
        via__unpark(&worker->parker);
}

// worker.c

// Under the lock: starts a worker.  0, VIA_ENOMEM or VIA_EAGAIN.
int via__worker_start(struct via__pool *pool);

// Under the lock: this worker comes for work no more.
void via__worker_count_off(struct via__worker *self);

// worker_batch.c: runs jobs until the worker is to end, and then has left the pool's count.
void via__worker_run_jobs(struct via__worker *self);

// worker_idle.c: waits for work: 1; 0 if the worker is to end, and then it has left the pool's count.
int via__worker_wait(struct via__worker *self);

#endif
