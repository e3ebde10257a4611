/* SPDX-License-Identifier: BSD-3-Clause */
/* Executors that a program wrote itself.  The rules are at the head of custom.h. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "executor/custom.h"

static via_job *new_job(struct via__custom *custom, via_cfuture *cf)
{
    via_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->custom = custom;
    job->cf = via_cfuture_ref(cf);
    // Relaxed: the submitter sees it, and nobody else has a reference yet.
    atomic_fetch_or_explicit(&cf->state, VIA__KEPT, memory_order_relaxed);
    job->call = via__job_describe(cf, 0, 0);
    via__list_init(&job->link);
    cf->link = (uintptr_t)job; // free until the future is done; for claimed()
    via__executor_live(&custom->base);
    return job;
}

// Under the lock.
static void leave_list(via_job *job)
{
    via__list_remove(&job->link);
    pthread_cond_broadcast(&job->custom->ended);
}

void via__custom_over(via_job *job)
{
    struct via__custom *custom = job->custom;
    pthread_mutex_lock(&custom->lock);
    leave_list(job);
    pthread_mutex_unlock(&custom->lock);
    via_cfuture_unref(job->cf);
    free(job);
    via__executor_die(&custom->base);
}

static int submit(via_executor *executor, via_cfuture *cf, enum via__submit how)
{
    struct via__custom *custom = (struct via__custom *)executor;
    via_job *job = new_job(custom, cf);
    (void)how;
    if (!job)
        return VIA_ENOMEM;
    pthread_mutex_lock(&custom->lock);
    int status = custom->stopping ? VIA_ESHUTDOWN : 0;
    if (status == 0)
        via__list_push_back(&custom->queued, &job->link);
    pthread_mutex_unlock(&custom->lock);
    if (status == 0)
        status = custom->ops->submit(custom->self, job);
    if (status > 0)
        status = VIA_EFAILED; // a code of its own, as a function may return one
    if (status < 0)
        via__custom_over(job);
    return status;
}

// The future is done as far as a shutdown is concerned; the job stays the program's.
static void claimed(via_executor *executor, via_cfuture *cf, enum via__claim why)
{
    struct via__custom *custom = (struct via__custom *)executor;
    via_job *job = (via_job *)cf->link;
    pthread_mutex_lock(&custom->lock);
    leave_list(job);
    pthread_mutex_unlock(&custom->lock);
    if (why == VIA__CLAIM_CANCELLED && custom->ops->cancelled)
        custom->ops->cancelled(custom->self, job);
}

static void exited(via_executor *executor, const via_cfuture *cf)
{
    struct via__custom *custom = (struct via__custom *)executor;
    via_job *job = NULL;
    pthread_mutex_lock(&custom->lock);
    for (struct via__list *at = custom->runs.next; at != &custom->runs && !job; at = at->next) {
        via_job *running = VIA__CONTAINER_OF(at, via_job, link);
        if (running->cf == cf)
            job = running;
    }
    pthread_mutex_unlock(&custom->lock);
    if (job)
        via__custom_over(job);
}

// The first job of a list that was not asked yet; gives a reference on its future, or NULL.
static via_cfuture *next_to_ask(struct via__custom *custom, struct via__list *list)
{
    via_cfuture *cf = NULL;
    pthread_mutex_lock(&custom->lock);
    for (struct via__list *at = list->next; at != list && !cf; at = at->next) {
        via_job *job = VIA__CONTAINER_OF(at, via_job, link);
        if (!job->asked)
            cf = via_cfuture_ref(job->cf);
        job->asked = 1;
    }
    pthread_mutex_unlock(&custom->lock);
    return cf;
}

// Hooks and payloads run without the lock.
static void cancel_queued(struct via__custom *custom)
{
    via_cfuture *cf;
    while ((cf = next_to_ask(custom, &custom->queued)) != NULL) {
        (void)via__cf_cancel_pending(cf);
        via_cfuture_unref(cf);
    }
}

static void cancel_running(struct via__custom *custom)
{
    via_cfuture *cf;
    while ((cf = next_to_ask(custom, &custom->runs)) != NULL) {
        (void)via_cfuture_cancel(cf);
        via_cfuture_unref(cf);
    }
}

static int wait_for_end(struct via__custom *custom, int64_t deadline_ns)
{
    int left;
    pthread_mutex_lock(&custom->lock);
    while ((left = !via__list_empty(&custom->queued) || !via__list_empty(&custom->runs)) && deadline_ns > 0 &&
           via_now_ns() < deadline_ns)
        via__cond_wait_until(&custom->ended, &custom->lock, deadline_ns);
    pthread_mutex_unlock(&custom->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

// The program's part of a shutdown.  It is not asked again once it has said that all is done.
static int close_own(struct via__custom *custom, unsigned flags, int64_t deadline_ns)
{
    pthread_mutex_lock(&custom->lock);
    custom->stopping = 1;
    int closed = custom->closed;
    pthread_mutex_unlock(&custom->lock);
    if (closed || !custom->ops->shutdown)
        return 0;
    int status = custom->ops->shutdown(custom->self, flags, deadline_ns);
    pthread_mutex_lock(&custom->lock);
    custom->closed |= status == 0;
    pthread_mutex_unlock(&custom->lock);
    return status;
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct via__custom *custom = (struct via__custom *)executor;
    pthread_mutex_lock(&custom->lock);
    custom->stopping = 1;
    pthread_mutex_unlock(&custom->lock);
    if (flags & VIA_SHUTDOWN_CANCEL_QUEUED)
        cancel_queued(custom);
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_running(custom);
    int status = close_own(custom, flags, deadline_ns);
    return status < 0 ? status : wait_for_end(custom, deadline_ns);
}

static void released(via_executor *executor)
{
    (void)close_own((struct via__custom *)executor, 0, 0);
}

static void fill_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct via__custom *custom = (struct via__custom *)executor;
    if (custom->ops->stats)
        custom->ops->stats(custom->self, stats);
}

static int list_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct via__custom *custom = (struct via__custom *)executor;
    int64_t now_ns = via_now_ns();
    size_t count = 0;
    pthread_mutex_lock(&custom->lock);
    for (struct via__list *at = custom->runs.next; at != &custom->runs; at = at->next, count++) {
        via_job *job = VIA__CONTAINER_OF(at, via_job, link);
        if (count >= capacity)
            continue;
        calls[count] = job->call;
        calls[count].running_ns = now_ns - job->started_ns;
    }
    pthread_mutex_unlock(&custom->lock);
    return (int)count;
}

static void destroy(via_executor *executor)
{
    struct via__custom *custom = (struct via__custom *)executor;
    if (custom->ops->free)
        custom->ops->free(custom->self);
    pthread_cond_destroy(&custom->ended);
    pthread_mutex_destroy(&custom->lock);
    free(custom);
}

static void init_sync(struct via__custom *custom)
{
    via__cond_init(&custom->ended);
    via__mutex_init(&custom->lock);
    via__list_init(&custom->queued);
    via__list_init(&custom->runs);
}

int via_executor_new(const struct via_executor_ops *ops, void *self, via_executor **executor)
{
    if (!ops || !ops->submit || !executor)
        return VIA_EINVAL;
    int status = via__executor_watch_forks();
    if (status < 0)
        return status;
    struct via__custom *custom = calloc(1, sizeof *custom);
    if (!custom)
        return VIA_ENOMEM;
    custom->kind = (struct via__executor_kind){.name = ops->kind,
                                               .call_kinds = ops->call_kinds,
                                               .submit = submit,
                                               .claimed = claimed,
                                               .exited = exited,
                                               .shutdown = shut_down,
                                               .released = released,
                                               .stats = fill_stats,
                                               .stuck = list_stuck,
                                               .destroy = destroy};
    custom->ops = ops;
    custom->self = self;
    init_sync(custom);
    via__executor_init(&custom->base, &custom->kind);
    *executor = &custom->base;
    return 0;
}
