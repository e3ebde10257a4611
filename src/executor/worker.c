/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a worker: how its thread starts, and the ways in which it ends. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include <viaduct/error.h>

#include "base/log.h"
#include "base/role.h"
#include "base/thread.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

// Under the lock: this worker comes for work no more.
void via__worker_count_off(struct via__worker *self)
{
    via__pool_close(self->pool);
    self->pool->worker_count--;
    self->leaving = 1;
}

// The thread is about to end: it can be joined, or cares for itself if nobody will.  Last use of the worker.
static void leave(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    via__pool_reap(pool); // those that ended before, so that a pool that breathes does not pile them up
    pthread_mutex_lock(&pool->lock);
    via__list_remove(&self->link);
    pool->retired_runs += via__worker_runs(self);
    int orphan = pool->released;
    if (orphan)
        pthread_detach(self->thread);
    else
        via__list_push_back(&pool->exited, &self->link);
    pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    if (orphan)
        free(self);
    via__executor_die(&pool->base);
}

// In the worker's thread, once for each time its initializer succeeded.
static void finalize(const struct via__pool *pool)
{
    if (pool->options.finalizer)
        pool->options.finalizer(pool->options.hook_arg);
}

// A function ended its thread.  What waited behind it goes back to where it was, at the head of the queue,
// and somebody takes its place.
static void died(void *arg)
{
    struct via__worker *self = arg;
    struct via__pool *pool = self->pool;
    via_cfuture *lost[VIA__BATCH_MAX];
    int lost_count = 0, status = 0;
    finalize(pool);
    pthread_mutex_lock(&pool->lock);
    for (int i = VIA__BATCH_MAX; i-- > 0;) {
        via_cfuture *cf = via__worker_take_slot(self, i);
        if (cf && via__queue_push_front(&pool->queues[VIA_PRIORITY_HIGH - via__job_priority(cf)], cf) < 0)
            lost[lost_count++] = cf;
    }
    via__pool_publish_count(pool);
    via__worker_count_off(self);
    self->batch = 0;
    int waits = !via__pool_may_lose_worker(pool);
    int wanted = waits ? pool->options.max_workers : pool->options.min_workers;
    if (pool->worker_count < wanted && (waits || !pool->stopping))
        status = via__worker_start(pool);
    int nobody = pool->worker_count == 0;
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < lost_count; i++)
        via__job_give_up(lost[i], VIA_ENOMEM);
    if (status < 0 && nobody)
        via__pool_flush(pool, status);
    leave(self);
}

// An initializer has returned, or has ended its thread: the pool can be used, or is broken.
static void initialized(struct via__worker *self, int status)
{
    struct via__pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    pool->started = 1;
    pool->waking = 0;
    if (status < 0) {
        pool->broken = 1;
        via__worker_count_off(self);
        pthread_cond_broadcast(&pool->room);
    }
    pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    if (status >= 0)
        return;
    via__log(VIA_LOG_ERROR, "pool %s is broken: its initializer failed: %s", pool->name,
             via_status_text(status));
    via__pool_flush(pool, VIA_EBROKEN);
}

static void died_in_initializer(void *arg)
{
    initialized(arg, VIA_EEXITED);
    leave(arg);
}

static void died_in_finalizer(void *arg)
{
    leave(arg);
}

static int initialize(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    char name[32];
    snprintf(name, sizeof name, "%.*s-%d", 15 - (self->number > 9) - (self->number > 99) - 2, pool->name,
             self->number);
    via__thread_set_name(name);
    via__thread_set_nice(pool->options.nice);
    // Relaxed: for reports.
    atomic_store_explicit(&self->thread_id, via__thread_id(), memory_order_relaxed);
    via__frame_set_activity(&self->activity);
    via__role.in_callbacks = &self->in_callbacks;
    via__frame_on_exit(died_in_initializer, self);
    int status = pool->options.initializer ? pool->options.initializer(pool->options.hook_arg) : 0;
    via__frame_on_exit(NULL, NULL);
    initialized(self, status);
    return status;
}

// A thread that would not be told of a function that ends it runs none.
static void cannot_be_watched(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    via__worker_count_off(self);
    int nobody = pool->worker_count == 0;
    // Another that is asleep comes for what waits.  None is started, which would fare no better.
    struct via__worker *woken = pool->idle_count ? via__pool_want_worker(pool, NULL) : NULL;
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    via__worker_unpark(woken);
    if (nobody)
        via__pool_flush(pool, VIA_ENOMEM);
}

static void *worker_main(void *arg)
{
    struct via__worker *self = arg;
    int guarded = via__frame_guard_thread() == 0;
    if (initialize(self) >= 0) {
        via__frame_on_exit(died, self);
        if (guarded)
            via__worker_run_jobs(self);
        via__frame_on_exit(died_in_finalizer, self);
        finalize(self->pool);
        via__frame_on_exit(NULL, NULL);
        if (!guarded)
            cannot_be_watched(self);
    }
    via__frame_set_activity(NULL);
    via__role.in_callbacks = NULL;
    leave(self);
    return NULL;
}

int via__worker_start(struct via__pool *pool)
{
    struct via__worker *worker = aligned_alloc(64, (sizeof *worker + 63) & ~(size_t)63);
    if (!worker)
        return VIA_ENOMEM;
    *worker = (struct via__worker){.pool = pool, .number = pool->next_number};
    via__parker_init(&worker->parker);
    struct via__thread_attr attr = {
        .stack_bytes = pool->options.stack_bytes, .cpus = pool->cpus, .cpu_count = pool->options.cpu_count};
    via__executor_live(&pool->base);
    int status = via__thread_start(&worker->thread, &attr, worker_main, worker);
    if (status < 0) {
        // Relaxed: the caller has a life of the executor's, so this is not the last.
        atomic_fetch_sub_explicit(&pool->base.lives, 1, memory_order_relaxed);
        free(worker);
        return status;
    }
    via__list_push_back(&pool->workers, &worker->link);
    pool->next_number++;
    pool->worker_count++;
    pool->waking = 1;
    if ((size_t)pool->worker_count > pool->worker_peak)
        pool->worker_peak = (size_t)pool->worker_count;
    return 0;
}
