/* SPDX-License-Identifier: BSD-3-Clause */
/* How calls come into a process pool, and how they leave it.  The design is at the head of pool.h. */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "executor/buffer.h"
#include "process/pointers.h"
#include "process/pool.h"

void via__process_lock(struct via__process_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

static void complete(struct via__pcall *call)
{
    if (call->outcome == VIA__PCALL_REFUSED)
        via__job_refused(call->cf);
    else
        via__job_answer(call->cf, &call->answer);
}

// Under the lock: takes the chain over.
static struct via__pcall *take_chain(struct via__process_pool *pool, size_t *count)
{
    struct via__pcall *chain = pool->done;
    *count = pool->done_count;
    pool->done_count = 0;
    pool->done = NULL;
    pool->done_end = &pool->done;
    pool->completing += *count;
    return chain;
}

void via__process_unlock(struct via__process_pool *pool)
{
    size_t count;
    struct via__pcall *chain = take_chain(pool, &count);
    pthread_mutex_unlock(&pool->lock);
    if (!chain)
        return;
    while (chain) {
        struct via__pcall *call = chain;
        chain = call->next;
        complete(call);
    }
    pthread_mutex_lock(&pool->lock);
    pool->completing -= count;
    int over = pool->stopping && !pool->completing;
    if (over)
        via__process_nudge(pool); // the pool may end now, and then it is gone when the lock is open
    pthread_mutex_unlock(&pool->lock);
}

void via__process_done(struct via__process_pool *pool, struct via__pcall *call)
{
    call->extra->apart = NULL;
    call->state = VIA__PCALL_DONE;
    call->next = NULL;
    *pool->done_end = call;
    pool->done_end = &call->next;
    pool->done_count++;
}

void via__process_fail(struct via__process_pool *pool, struct via__pcall *call, int status, char *message)
{
    call->outcome = VIA__PCALL_ANSWERED;
    call->answer.status = status;
    call->answer.message = message;
    via__process_done(pool, call);
}

static void refuse(struct via__process_pool *pool, struct via__pcall *call)
{
    call->outcome = VIA__PCALL_REFUSED;
    pool->cancelled++;
    via__process_done(pool, call);
}

// ---- the queue ----

static struct via__list *queue_of(struct via__process_pool *pool, const struct via__call_extra *extra)
{
    return &pool->queues[VIA_PRIORITY_HIGH - extra->priority];
}

static void count_in(struct via__process_pool *pool, const struct via__pcall *call)
{
    pool->queued_bytes += call->extra->in_bytes;
    if (++pool->queued > pool->queued_peak)
        pool->queued_peak = pool->queued;
}

static void count_out(struct via__process_pool *pool, const struct via__pcall *call)
{
    pool->queued--;
    pool->queued_bytes -= call->extra->in_bytes;
    if (pool->blocked_submitters)
        pthread_cond_broadcast(&pool->room);
}

void via__process_unqueue(struct via__process_pool *pool, struct via__pcall *call)
{
    via__list_remove(&call->link);
    count_out(pool, call);
}

void via__process_expire(struct via__process_pool *pool, struct via__pcall *call)
{
    pool->expired++;
    via__process_fail(pool, call, VIA_ETIMEDOUT, strdup(VIA__EXPIRED_TEXT));
}

void via__process_return(struct via__process_pool *pool, struct via__pcall *call)
{
    call->worker = NULL;
    // The timer could do nothing while the call was with a worker, and does not come again.
    if (!call->asked && !call->tries && via__process_has_expired(call)) {
        via__process_expire(pool, call);
        return;
    }
    if (call->asked || pool->cancelling || pool->broken) {
        if (pool->broken && !call->asked)
            via__process_fail(pool, call, pool->broken, strdup(pool->broken_why));
        else
            refuse(pool, call);
        return;
    }
    call->state = VIA__PCALL_QUEUED;
    via__list_push_front(&pool->returned, &call->link);
    count_in(pool, call);
    via__cf_take_back(call->cf);
}

static struct via__pcall *any_queued(struct via__process_pool *pool)
{
    struct via__list *at = &pool->returned;
    for (int i = 0; i < VIA__PROCESS_LEVELS && via__list_empty(at); i++)
        at = &pool->queues[i];
    return via__list_empty(at) ? NULL : VIA__CONTAINER_OF(at->next, struct via__pcall, link);
}

void via__process_flush(struct via__process_pool *pool, int status, const char *why)
{
    struct via__pcall *call;
    while ((call = any_queued(pool)) != NULL) {
        if (!via__cf_hand_over(call->cf)) {
            via__list_remove(&call->link); // an outsider has claimed it, and counts it out
            continue;
        }
        via__process_unqueue(pool, call);
        if (status == VIA_ECANCELED)
            refuse(pool, call);
        else
            via__process_fail(pool, call, status, strdup(why));
    }
}

void via__process_break(struct via__process_pool *pool, int status, const char *format, ...)
{
    va_list values;
    if (pool->broken)
        return;
    va_start(values, format);
    vsnprintf(pool->broken_why, sizeof pool->broken_why, format, values);
    va_end(values);
    pool->broken = status;
    via__process_flush(pool, status, pool->broken_why);
    pthread_cond_broadcast(&pool->room);
}

// ---- submitting ----

static int has_room(const struct via__process_pool *pool, size_t bytes)
{
    const struct via_process_pool_options *options = &pool->options;
    return (!options->max_queued || pool->queued < options->max_queued ||
            !via__list_empty(&pool->idle_workers)) &&
           (!options->max_queued_bytes || !pool->queued ||
            pool->queued_bytes + bytes <= options->max_queued_bytes);
}

// Under the lock: 0 if the call can be taken.
static int accepts(struct via__process_pool *pool, size_t bytes)
{
    if (pool->stopping)
        return VIA_ESHUTDOWN;
    return pool->broken || has_room(pool, bytes) ? 0 : VIA_EBUSY;
}

static int wait_for_room(struct via__process_pool *pool, size_t bytes)
{
    int status;
    if (via__process_is_served_here(pool))
        return VIA_EDEADLK; // in a callback: nobody else would make room
    pool->blocked_submitters++;
    while ((status = accepts(pool, bytes)) == VIA_EBUSY)
        pthread_cond_wait(&pool->room, &pool->lock);
    pool->blocked_submitters--;
    return status;
}

static void enqueue(struct via__process_pool *pool, struct via__pcall *call)
{
    call->state = VIA__PCALL_QUEUED;
    call->extra->apart = call;
    via__list_push_back(queue_of(pool, call->extra), &call->link);
    count_in(pool, call);
}

// What threads can be told and processes cannot.
static int asks_too_much(const struct via__call_extra *extra)
{
    return extra->flags & VIA_CALL_INTERRUPTIBLE || (extra->control && extra->control->cancel);
}

static struct via__pcall *new_call(via_cfuture *cf, struct via__call_extra *extra)
{
    struct via__pcall *call = via__job_apart(extra);
    via__cpu_clear(call, sizeof *call);
    call->cf = cf;
    call->extra = extra;
    return call;
}

static int take_in(struct via__process_pool *pool, struct via__pcall *call, enum via__submit how, int named,
                   const struct via__why *why)
{
    size_t bytes = call->extra->in_bytes;
    int status = accepts(pool, bytes);
    if (status == VIA_EBUSY && how == VIA__SUBMIT_MAY_BLOCK && pool->options.when_full == VIA_FULL_BLOCK)
        status = wait_for_room(pool, bytes);
    if (status < 0) {
        pool->rejected += status == VIA_EBUSY;
        return status;
    }
    pool->submitted++;
    if (named < 0 || pool->broken) {
        // A future that has failed can say why.
        (void)via__cf_claim(call->cf);
        via__process_fail(pool, call, named < 0 ? named : pool->broken,
                          strdup(named < 0 ? why->text : pool->broken_why));
        return 0;
    }
    // Whatever makes room feeds as well; so those before it in its queue, if any, cannot be given now.
    int is_behind = !via__list_empty(queue_of(pool, call->extra));
    enqueue(pool, call);
    if (is_behind)
        via__process_feed_behind(pool);
    else
        via__process_feed(pool);
    return 0;
}

// In debug mode: a pointer among the input is most likely a mistake.
static void warn_of_pointers(const struct via__call_extra *extra)
{
    long at = via__pointers_find(extra->in, extra->in_bytes);
    if (at >= 0)
        via__log(VIA_LOG_DEBUG,
                 "the input of %s (%p) seems to hold a pointer at byte %ld, which means nothing in "
                 "another process",
                 extra->name ? extra->name : "a call", (void *)(uintptr_t)extra->bytes_fn, at);
}

int via__process_submit(via_executor *executor, via_cfuture *cf, enum via__submit how)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    struct via__call_extra *extra = via__job_extra(cf);
    struct via__why why;
    if (extra->in_bytes > pool->options.max_in_bytes)
        return VIA_EMSGSIZE;
    if (asks_too_much(extra))
        return VIA_ENOTSUP;
    struct via__pcall *call = new_call(cf, extra);
    if (pool->base.debug)
        warn_of_pointers(extra);
    int named =
        via__directory_enter(pool->directory, (void *)(uintptr_t)extra->bytes_fn, &call->function, &why);
    via__process_lock(pool);
    int status = take_in(pool, call, how, named, &why);
    via__process_unlock(pool);
    return status;
}

int via__process_copy_in(via_executor *executor, const void *in, size_t bytes, via_buffer **buffer)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    if (bytes > pool->options.max_in_bytes)
        return VIA_EMSGSIZE;
    return via__buffer_copy(pool->cache, in, bytes, buffer);
}

// ---- cancelling ----

// Under a hashed lock: a queued job was ended by an outsider, who has a reference of its own.
void via__process_claimed(via_executor *executor, via_cfuture *cf, enum via__claim why)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    pthread_mutex_lock(&pool->lock);
    struct via__pcall *call = via__job_extra(cf)->apart;
    if (call) {
        via__process_unqueue(pool, call);
        call->extra->apart = NULL;
        pool->cancelled += why == VIA__CLAIM_CANCELLED;
        pool->expired += why == VIA__CLAIM_EXPIRED;
        if (pool->stopping)
            via__process_nudge(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    if (call)
        via_cfuture_unref(cf);
}

// Under the lock: a call that was given to a worker.
static int request_given(struct via__process_pool *pool, struct via__pcall *call)
{
    struct via__process_worker *worker = call->worker;
    if (worker->killed != VIA__KILL_CORRUPT && via__channel_cancel(worker->channel, call->place)) {
        via__process_leave(worker, call);
        refuse(pool, call);
        return VIA_CANCEL_NEVER_RAN;
    }
    if (!call->asked) {
        call->asked = 1;
        call->asked_ns = via_now_ns();
        via__process_look(worker, call->asked_ns);
    }
    return VIA_CANCEL_REQUESTED;
}

// Under the lock: a call that is over, and whose future somebody is completing just now or has completed.
static int what_became(via_cfuture *cf)
{
    const struct via__pcall *call = via__job_apart(via__job_extra(cf));
    return call->outcome == VIA__PCALL_REFUSED ? VIA_CANCEL_NEVER_RAN : VIA_CANCEL_TOO_LATE;
}

int via__process_request(via_executor *executor, via_cfuture *cf)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    for (;;) {
        via__process_lock(pool);
        struct via__pcall *call = via__job_extra(cf)->apart;
        int queued = call && call->state == VIA__PCALL_QUEUED;
        int cancelled = call ? 0 : what_became(cf);
        if (call && !queued)
            cancelled = request_given(pool, call);
        via__process_feed(pool); // what stood behind it may go elsewhere
        via__process_unlock(pool);
        if (!queued)
            return cancelled;
        // It went back to the queue meanwhile, where it is cancelled like any other.
        if (via__cf_cancel_pending(cf))
            return VIA_CANCEL_NEVER_RAN;
    }
}
