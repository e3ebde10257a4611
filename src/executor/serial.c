/* SPDX-License-Identifier: BSD-3-Clause */
/* Strands as executors: submitting, shutting down, figures, what a waiting thread asks.  The design is at the
   head of serial.h. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "executor/serial.h"

#define SWEEP_AT 128 // so many claimed jobs are worth looking through the queue

static int is_dead(const void *item)
{
    return (via__cf_state(item) & VIA__STATE_MASK) != VIA_PENDING;
}

// Claimed jobs would stay in the queue while a long one runs; a submitter clears them away.
static void sweep(struct via__strand *strand)
{
    void *found[SWEEP_AT];
    pthread_mutex_lock(&strand->lock);
    int wanted = strand->dead >= SWEEP_AT && strand->dead > strand->queue.count / 2;
    size_t count = wanted ? via__queue_sweep(&strand->queue, is_dead, found, SWEEP_AT) : 0;
    pthread_mutex_unlock(&strand->lock);
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        via__job_let_go(found[i]);
    pthread_mutex_lock(&strand->lock);
    strand->dead -= count;
    pthread_mutex_unlock(&strand->lock);
}

// Under the lock: queues a job; `number` receives that of a pump to be started.
static int enqueue(struct via__strand *strand, via_cfuture *job, uint64_t *number)
{
    int status = strand->stopping ? VIA_ESHUTDOWN : 0;
    if (status == 0 && strand->current)
        status = via__queue_push(&strand->queue, job);
    if (status < 0) {
        strand->rejected++;
        return status;
    }
    if (!strand->current) {
        strand->first = job;
        *number = via__strand_begin_pump(strand);
    }
    strand->submitted++;
    size_t count = via__strand_live_count(strand);
    if (count > strand->queued_peak)
        strand->queued_peak = count;
    return 0;
}

// No pump could be started for the job.  What others queued behind it ends with the same status.
static int take_back(struct via__strand *strand, via_cfuture *job, int status)
{
    pthread_mutex_lock(&strand->lock);
    int mine = strand->first == job;
    if (mine) {
        strand->first = NULL;
        strand->submitted--;
        strand->rejected++;
    }
    pthread_mutex_unlock(&strand->lock);
    via__strand_give_up(strand, status);
    return mine ? status : 0; // a shutdown may have cancelled it
}

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct via__strand *strand = (struct via__strand *)executor;
    uint64_t number = 0;
    sweep(strand);
    pthread_mutex_lock(&strand->lock);
    int status = enqueue(strand, job, &number);
    pthread_mutex_unlock(&strand->lock);
    if (number) {
        status = via__strand_start_pump(strand, number, how);
        if (status < 0)
            status = take_back(strand, job, status);
    }
    return status;
}

static void claimed(via_executor *executor, via_cfuture *job, enum via__claim why)
{
    struct via__strand *strand = (struct via__strand *)executor;
    (void)job;
    pthread_mutex_lock(&strand->lock);
    strand->dead++;
    strand->cancelled += why == VIA__CLAIM_CANCELLED;
    strand->expired += why == VIA__CLAIM_EXPIRED;
    if (why == VIA__CLAIM_HELPED) {
        strand->helped++;
        strand->completed++;
    }
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

static void cancel_queued(struct via__strand *strand)
{
    via_cfuture *cf;
    do {
        pthread_mutex_lock(&strand->lock);
        cf = via__strand_pop(strand);
        pthread_mutex_unlock(&strand->lock);
        if (cf)
            via__strand_end_taken(strand, cf, VIA_ECANCELED);
    } while (cf);
}

static void cancel_running(struct via__strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via_cfuture_ref(strand->running);
    pthread_mutex_unlock(&strand->lock);
    if (cf)
        (void)via_cfuture_cancel(cf);
    via_cfuture_unref(cf);
}

static int wait_for_end(struct via__strand *strand, int64_t deadline_ns)
{
    pthread_mutex_lock(&strand->lock);
    while ((strand->busy || via__strand_live_count(strand)) && deadline_ns > 0 && via_now_ns() < deadline_ns)
        via__cond_wait_until(&strand->idle, &strand->lock, deadline_ns);
    int left = strand->busy || via__strand_live_count(strand);
    pthread_mutex_unlock(&strand->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct via__strand *strand = (struct via__strand *)executor;
    pthread_mutex_lock(&strand->lock);
    strand->stopping = 1;
    pthread_mutex_unlock(&strand->lock);
    if (flags & VIA_SHUTDOWN_CANCEL_QUEUED)
        cancel_queued(strand);
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_running(strand);
    return wait_for_end(strand, deadline_ns);
}

static void fill_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct via__strand *strand = (struct via__strand *)executor;
    pthread_mutex_lock(&strand->lock);
    stats->queued = via__strand_live_count(strand);
    stats->queued_peak = strand->queued_peak;
    stats->running = strand->running != NULL;
    stats->submitted = strand->submitted;
    stats->completed = strand->completed;
    stats->cancelled = strand->cancelled;
    stats->expired = strand->expired;
    stats->rejected = strand->rejected;
    stats->helped = strand->helped;
    if (strand->running)
        stats->oldest_running_ns = via_now_ns() - strand->started_ns;
    pthread_mutex_unlock(&strand->lock);
}

static int list_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct via__strand *strand = (struct via__strand *)executor;
    pthread_mutex_lock(&strand->lock);
    int count = strand->running != NULL;
    if (count && capacity) {
        calls[0] = strand->call;
        calls[0].running_ns = via_now_ns() - strand->started_ns;
    }
    pthread_mutex_unlock(&strand->lock);
    return count;
}

static via_cfuture *current_pump(struct via__strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via_cfuture_ref(strand->pump_cf);
    pthread_mutex_unlock(&strand->lock);
    return cf;
}

// A queued pump may itself depend on another strand's.
static via_cfuture *depends(via_executor *executor, via_cfuture *job)
{
    struct via__strand *strand = (struct via__strand *)executor;
    (void)job;
    if (!strand->on->kind->depends)
        return NULL;
    via_cfuture *pump = current_pump(strand);
    if (!pump)
        return NULL;
    via_cfuture *deepest = strand->on->kind->depends(strand->on, pump);
    via_cfuture_unref(pump);
    return deepest;
}

// While a pump is being submitted nobody can run it in its stead, and its submitter may wait for room.
static int can_start(via_executor *executor, via_cfuture *job)
{
    struct via__strand *strand = (struct via__strand *)executor;
    (void)job;
    if (via__deadlock_blocked_in(executor) > 0)
        return via__deadlock_any_progress(executor); // its job under way waits
    pthread_mutex_lock(&strand->lock);
    int submitting = strand->submitting != 0;
    pthread_t submitter = strand->submitter;
    via_cfuture *pump = submitting ? NULL : via_cfuture_ref(strand->pump_cf);
    strand->asked |= submitting;
    pthread_mutex_unlock(&strand->lock);
    if (submitting)
        via__deadlock_unsettled();
    int possible = submitting ? via__deadlock_thread_progress(submitter)
                   : pump     ? via__deadlock_progress(pump)
                              : 1;
    via_cfuture_unref(pump);
    return possible;
}

static void destroy(via_executor *executor)
{
    struct via__strand *strand = (struct via__strand *)executor;
    via_cfuture_unref(strand->pump_cf);
    via__queue_fini(&strand->queue);
    pthread_cond_destroy(&strand->idle);
    pthread_mutex_destroy(&strand->lock);
    via_executor_unref(strand->on);
    free(strand);
}

static const struct via__executor_kind strand_kind = {.name = "strand",
                                                      .packs = 1,
                                                      .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT,
                                                      .submit = submit,
                                                      .claimed = claimed,
                                                      .shutdown = shut_down,
                                                      .stats = fill_stats,
                                                      .stuck = list_stuck,
                                                      .destroy = destroy,
                                                      .depends = depends,
                                                      .can_start = can_start};

int via_serial_new(via_executor *on, via_executor **executor)
{
    if (!on || !executor)
        return VIA_EINVAL;
    if (via__executor_forked(on))
        return VIA_EFORKED;
    if (!(on->kind->call_kinds & VIA_CALL_POINTER))
        return VIA_ENOTSUP;
    int status = via__executor_watch_forks();
    if (status < 0)
        return status;
    struct via__strand *strand = calloc(1, sizeof *strand);
    if (!strand)
        return VIA_ENOMEM;
    via__cond_init(&strand->idle);
    via__mutex_init(&strand->lock);
    strand->on = via_executor_ref(on);
    via__executor_init(&strand->base, &strand_kind);
    *executor = &strand->base;
    return 0;
}
