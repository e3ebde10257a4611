/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a pool: what is queued or runs is cancelled, threads are waited for and joined. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

// Ends a job that was taken out of queue, ring or slots.
static void end_popped(struct via__pool *pool, via_cfuture *cf, int status)
{
    if (status == VIA_ECANCELED ? via_cfuture_cancel(cf) == VIA_CANCEL_NEVER_RAN : 0) {
        // It was claimed under its lock, by the call just made or by somebody before.
    } else if (via__cf_claim(cf)) {
        via__job_end(cf, status);
        return;
    }
    // Relaxed: a count; via__pool_claimed() added to it.
    atomic_fetch_sub_explicit(&pool->dead, 1, memory_order_relaxed);
    via__job_let_go(cf);
}

// Under the lock: the oldest job that waits, or one that stands behind a running call; NULL if none is found.
static via_cfuture *look_for_any(struct via__pool *pool)
{
    via_cfuture *cf = NULL;
    for (int i = 0; i < VIA__LEVELS && !cf; i++)
        cf = via__pool_pop(pool, i);
    struct via__list *at = pool->workers.next;
    for (; !cf && at != &pool->workers; at = at->next) {
        struct via__worker *worker = via__worker_of(at);
        for (int i = 0; i < VIA__BATCH_MAX && !cf; i++)
            cf = via__worker_take_slot(worker, i);
    }
    return cf;
}

// The same; NULL only if there is none.
static via_cfuture *pop_any(struct via__pool *pool)
{
    via_cfuture *cf;
    pthread_mutex_lock(&pool->lock);
    // Behind a place in the ring that is not filled yet may be jobs that were accepted long ago.
    while ((cf = look_for_any(pool)) == NULL && !via__ring_is_empty(&pool->ring))
        via__pool_let_submitters_go_on(pool);
    via__pool_publish_count(pool);
    pthread_mutex_unlock(&pool->lock);
    return cf;
}

void via__pool_flush(struct via__pool *pool, int status)
{
    via_cfuture *cf;
    while ((cf = pop_any(pool)) != NULL)
        end_popped(pool, cf, status);
}

// The number of the worker that was started after this one, or -1.
static int number_after(struct via__pool *pool, int number)
{
    int next = -1;
    pthread_mutex_lock(&pool->lock);
    for (struct via__list *at = pool->workers.next; at != &pool->workers && next < 0; at = at->next) {
        struct via__worker *worker = via__worker_of(at);
        if (worker->number > number)
            next = worker->number;
    }
    pthread_mutex_unlock(&pool->lock);
    return next;
}

// The call at a depth of a worker's stack, with a reference, or NULL; see via__activity_call().
static via_cfuture *call_of(struct via__pool *pool, int number, const via_cfuture *root, size_t depth)
{
    via_cfuture *cf = NULL;
    pthread_mutex_lock(&pool->lock);
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = via__worker_of(at);
        if (worker->number == number)
            cf = via__activity_call(&worker->activity, root, depth);
    }
    pthread_mutex_unlock(&pool->lock);
    return cf;
}

// Asks every running call to stop, also those that a worker runs while it waits in another.  Hooks run
// without the lock, so the walk goes by number.
static void cancel_running(struct via__pool *pool)
{
    int number = -1;
    while ((number = number_after(pool, number)) >= 0) {
        via_cfuture *root = call_of(pool, number, NULL, 0), *cf = via_cfuture_ref(root);
        for (size_t depth = 1; cf; depth++) {
            via_cfuture_cancel(cf);
            via_cfuture_unref(cf);
            cf = call_of(pool, number, root, depth);
        }
        via_cfuture_unref(root);
    }
    via__callers_cancel(pool);
}

// Nothing new is accepted, and every worker comes to see that.
static void stop(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = 1;
    via__pool_close(pool);
    pthread_cond_broadcast(&pool->room);
    via__pool_wake_all(pool);
    pthread_mutex_unlock(&pool->lock);
}

// Under the lock: whether there are threads with calls, or for them.
static int is_busy(const struct via__pool *pool)
{
    return !via__list_empty(&pool->workers) || !via__list_empty(&pool->callers);
}

static int wait_for_end(struct via__pool *pool, int64_t deadline_ns)
{
    pthread_mutex_lock(&pool->lock);
    while (is_busy(pool) && deadline_ns > 0 && via_now_ns() < deadline_ns)
        via__cond_wait_until(&pool->ended, &pool->lock, deadline_ns);
    int left = is_busy(pool);
    pthread_mutex_unlock(&pool->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

void via__pool_reap(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!via__list_empty(&pool->exited)) {
        struct via__worker *worker = via__worker_of(pool->exited.next);
        via__list_remove(&worker->link);
        pthread_mutex_unlock(&pool->lock);
        // A worker that drops the last reference to its own pool cannot wait for itself.
        if (pthread_equal(worker->thread, pthread_self()))
            pthread_detach(worker->thread);
        else
            pthread_join(worker->thread, NULL);
        free(worker);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

int via__pool_shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct via__pool *pool = (struct via__pool *)executor;
    stop(pool);
    if (flags & VIA_SHUTDOWN_CANCEL_QUEUED)
        via__pool_flush(pool, VIA_ECANCELED);
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_running(pool);
    int status = wait_for_end(pool, deadline_ns);
    if (!via__executor_on_stack(executor))
        via__pool_reap(pool);
    return status;
}

void via__pool_at_exit(struct via__exit_node *node)
{
    struct via__pool *pool = VIA__CONTAINER_OF(node, struct via__pool, exit_node);
    if (via__executor_forked(&pool->base))
        return;
    stop(pool);
    if (pool->options.exit_timeout_ns && !via__executor_on_stack(&pool->base))
        (void)wait_for_end(pool, via__deadline(pool->options.exit_timeout_ns));
    via__pool_reap(pool);
}

void via__pool_released(via_executor *executor)
{
    struct via__pool *pool = (struct via__pool *)executor;
    stop(pool);
    pthread_mutex_lock(&pool->lock);
    pool->released = 1; // from now on workers that end care for themselves
    pthread_mutex_unlock(&pool->lock);
    via__pool_reap(pool);
}
