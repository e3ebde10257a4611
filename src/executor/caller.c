/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of a full pool that the submitting thread runs itself.
 *
 * Each stands in the pool's list `callers` from its acceptance until it is over, so that a shutdown waits for
 * it and reports it.  The entry is in allocated memory and is a life of the pool: a function that ends its
 * thread leaves the stack, and its entry goes with its frame (via__caller_exited()).
 */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/thread.h"
#include "executor/thread_pool.h"

struct caller {
    struct via__list link; // guarded by the pool's lock, as is:
    int asked;             // a shutdown has asked it to stop
    via_cfuture *cf;       // with a reference
    struct via_stuck_call call;
    int64_t started_ns;
};

static struct caller *caller_at(struct via__list *link)
{
    return VIA__CONTAINER_OF(link, struct caller, link);
}

int via__caller_begin(struct via__pool *pool, via_cfuture *job)
{
    struct caller *caller = malloc(sizeof *caller);
    if (!caller)
        return VIA_ENOMEM;
    *caller = (struct caller){.cf = via_cfuture_ref(job),
                              .call = via__job_describe(job, via__thread_id(), 0),
                              .started_ns = via_now_ns()};
    via__list_push_back(&pool->callers, &caller->link);
    via__executor_live(&pool->base);
    return 0;
}

// Takes the entry of a job off, if it has one, and drops its reference and its life.
static void leave(struct via__pool *pool, const via_cfuture *job, int ran)
{
    struct caller *found = NULL;
    pthread_mutex_lock(&pool->lock);
    for (struct via__list *at = pool->callers.next; at != &pool->callers && !found; at = at->next) {
        if (caller_at(at)->cf == job)
            found = caller_at(at);
    }
    if (found) {
        via__list_remove(&found->link);
        pool->retired_runs += (uint64_t)ran;
        // Relaxed: a count; whoever claimed it, as if it were queued, has added to it.
        atomic_fetch_sub_explicit(&pool->dead, (size_t)!ran, memory_order_relaxed);
        pthread_cond_broadcast(&pool->ended);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!found)
        return;
    via_cfuture_unref(found->cf);
    free(found);
    via__executor_die(&pool->base);
}

void via__caller_run(struct via__pool *pool, via_cfuture *job)
{
    int ran = via__job_execute(job);
    leave(pool, job, ran);
}

void via__caller_exited(via_executor *executor, const via_cfuture *job)
{
    leave((struct via__pool *)executor, job, 1);
}

// The first call that was not asked yet, with a reference, or NULL.
static via_cfuture *next_to_ask(struct via__pool *pool)
{
    via_cfuture *cf = NULL;
    pthread_mutex_lock(&pool->lock);
    for (struct via__list *at = pool->callers.next; at != &pool->callers && !cf; at = at->next) {
        if (!caller_at(at)->asked)
            cf = via_cfuture_ref(caller_at(at)->cf);
        caller_at(at)->asked = 1;
    }
    pthread_mutex_unlock(&pool->lock);
    return cf;
}

void via__callers_cancel(struct via__pool *pool)
{
    via_cfuture *cf;
    while ((cf = next_to_ask(pool)) != NULL) {
        (void)via_cfuture_cancel(cf);
        via_cfuture_unref(cf);
    }
}

void via__callers_each(struct via__pool *pool, via__call_look_fn look, void *arg)
{
    for (struct via__list *at = pool->callers.next; at != &pool->callers; at = at->next) {
        const struct caller *caller = caller_at(at);
        struct via_stuck_call call = caller->call;
        call.running_ns = via_now_ns() - caller->started_ns;
        // As with a worker, what is left of a call whose future is done is no call.
        if (!via__state_done(via__cf_state(caller->cf)))
            look(caller->cf, &call, arg);
    }
}
