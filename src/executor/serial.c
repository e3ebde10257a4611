/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The strand: calls one at a time and in order, on the threads of another executor.
 *
 * Jobs wait in a queue of the strand's own.  While there are any, one *pump* is submitted to the executor
 * below: a call that runs up to TURN jobs and then submits itself anew, so that others get a turn.  `pumping`
 * says that a pump is submitted or running; it is changed under `lock` only, and whoever sets it submits the
 * pump.  So at most one pump runs, and with it at most one job.
 *
 * What keeps it alive: the users' life, one for each unfinished job, one for the pump.
 *
 * Lock order: a job's hashed lock, then `lock`; with neither the executor below is called.
 */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "executor/executor.h"
#include "executor/queue.h"

#define TURN 32 // so many jobs before others of the executor below get their turn

struct strand {
    via_executor base; // first
    via_executor *below;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t idle;  // signalled when the pump has nothing left
    struct via__queue queue;
    size_t dead; // claimed jobs in the queue, or just taken from it
    int pumping, stopping;
    int entered;                   // pumps that ran and have not been disposed of
    int submitting;                // a pump is being submitted, by
    pthread_t submitter;           // this thread, which sees itself if that fails
    via_cfuture *pump;             // its future, while it is submitted or running
    via_cfuture *current;          // the running job, with the reference that its run consumes
    struct via_stuck_call running; // its description
    int64_t started_ns;
    size_t queued_peak;
    uint64_t submitted, completed, cancelled, expired, helped;
};

static int pump(void *arg, void **result);
static void pump_over(void *arg);

static void describe(struct strand *strand, via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    int bytes = extra && extra->kind == VIA_CALL_BYTES_IN_OUT;
    strand->running.name = extra ? extra->name : NULL;
    strand->running.function = bytes ? (void *)(uintptr_t)extra->bytes_fn : (void *)(uintptr_t)cf->function;
    strand->running.thread_id = via__thread_id();
    strand->started_ns = via_now_ns();
}

// The next job to run, or NULL: then the pump is over.
static via_cfuture *next_job(struct strand *strand, int turn_over)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = turn_over ? NULL : via__queue_pop(&strand->queue);
    if (cf) {
        strand->current = via_cfuture_ref(cf);
        describe(strand, cf);
    } else if (!strand->queue.count) {
        strand->pumping = 0;
        strand->pump = via_cfuture_unref(strand->pump);
        pthread_cond_broadcast(&strand->idle);
    }
    pthread_mutex_unlock(&strand->lock);
    return cf;
}

static void run_one(struct strand *strand, via_cfuture *cf)
{
    int ran = via__job_execute(cf);
    pthread_mutex_lock(&strand->lock);
    cf = strand->current;
    strand->current = NULL;
    strand->completed += ran != 0;
    strand->dead -= ran == 0;
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(cf);
}

// Submits a pump.  The caller has set `pumping`.
static int submit_pump(struct strand *strand)
{
    via_cfuture *cf = NULL;
    struct via_call call = VIA_CALL(pump, strand);
    call.destroy = pump_over;
    via__executor_live(&strand->base); // until pump_over()
    pthread_mutex_lock(&strand->lock);
    strand->submitting = 1;
    strand->submitter = pthread_self();
    pthread_mutex_unlock(&strand->lock);
    int status = via_executor_submit(strand->below, &call, &cf);
    pthread_mutex_lock(&strand->lock);
    strand->submitting = 0;
    if (status < 0) {
        pthread_mutex_unlock(&strand->lock);
        return status;
    }
    // The pump may be over already, and another may have been submitted: then this one's future is history.
    if (strand->pumping && !strand->pump && !via__state_done(via__cf_state(cf))) {
        strand->pump = cf;
        cf = NULL;
    }
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(cf);
    return 0;
}

static int is_empty(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    int empty = !strand->pumping;
    pthread_mutex_unlock(&strand->lock);
    return empty;
}

// Lets others have their turn: 0 if the pump must go on itself, because no other could be submitted.
static int hand_over(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    strand->pump = via_cfuture_unref(strand->pump);
    pthread_mutex_unlock(&strand->lock);
    return submit_pump(strand) == 0;
}

// Takes every queued job out and ends it.
static void flush(struct strand *strand, int status, const via_cfuture *except)
{
    for (;;) {
        pthread_mutex_lock(&strand->lock);
        via_cfuture *cf = via__queue_pop(&strand->queue);
        if (!cf && status != VIA_ECANCELED) {
            strand->pumping = 0;
            pthread_cond_broadcast(&strand->idle);
        }
        pthread_mutex_unlock(&strand->lock);
        if (!cf)
            return;
        if (cf == except)
            continue;
        if (status == VIA_ECANCELED)
            via_cfuture_cancel(cf);
        int claimed = via__cf_claim(cf);
        if (claimed) {
            via__job_end(cf, status);
            continue;
        }
        pthread_mutex_lock(&strand->lock);
        strand->dead--;
        pthread_mutex_unlock(&strand->lock);
        via__job_let_go(cf);
    }
}

// A function ended the pump's thread: another pump goes on.
static void resume(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    int more = strand->queue.count > 0;
    strand->pumping = more;
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
    int status = more ? submit_pump(strand) : 0;
    if (status < 0)
        flush(strand, status, NULL);
}

// The executor below is done with a pump.  One that never ran leaves nobody to run what is queued.
static void pump_over(void *arg)
{
    struct strand *strand = arg;
    pthread_mutex_lock(&strand->lock);
    int ran = strand->entered > 0, lost = ran && !strand->returned;
    int failed_to_start = !ran && strand->submitting && pthread_equal(strand->submitter, pthread_self());
    via_cfuture *last = lost ? strand->current : NULL;
    strand->entered -= ran;
    strand->returned -= ran && !lost;
    if (lost)
        strand->current = NULL;
    if (lost || (!ran && !failed_to_start))
        strand->pump = via_cfuture_unref(strand->pump);
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(last);
    if (lost)
        resume(strand);
    else if (!ran && !failed_to_start)
        flush(strand, VIA_ESHUTDOWN, NULL);
    via__executor_die(&strand->base);
}

static int pump(void *arg, void **result)
{
    struct strand *strand = arg;
    int over = 0;
    (void)result;
    pthread_mutex_lock(&strand->lock);
    strand->entered++;
    pthread_mutex_unlock(&strand->lock);
    while (!over) {
        via_cfuture *cf;
        for (int ran = 0; (cf = next_job(strand, ran == TURN)) != NULL; ran++)
            run_one(strand, cf);
        over = is_empty(strand) || hand_over(strand);
    }
    pthread_mutex_lock(&strand->lock);
    strand->returned++;
    pthread_mutex_unlock(&strand->lock);
    return 0;
}

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct strand *strand = (struct strand *)executor;
    (void)how;
    pthread_mutex_lock(&strand->lock);
    int status = strand->stopping ? VIA_ESHUTDOWN : via__queue_push(&strand->queue, job);
    int start = status == 0 && !strand->pumping;
    if (status == 0) {
        strand->pumping = 1;
        strand->submitted++;
        if (strand->queue.count > strand->queued_peak)
            strand->queued_peak = strand->queue.count;
    }
    pthread_mutex_unlock(&strand->lock);
    if (!start)
        return status;
    // Without a pump nothing of the queue would run: this job is refused, and what came behind it meanwhile
    // fails.
    status = submit_pump(strand);
    if (status < 0)
        flush(strand, status, job);
    return status;
}

static void claimed(via_executor *executor, via_cfuture *job, enum via__claim why)
{
    struct strand *strand = (struct strand *)executor;
    (void)job;
    pthread_mutex_lock(&strand->lock);
    strand->dead++;
    strand->cancelled += why == VIA__CLAIM_CANCELLED;
    strand->expired += why == VIA__CLAIM_EXPIRED;
    strand->helped += why == VIA__CLAIM_HELPED;
    pthread_mutex_unlock(&strand->lock);
}

static void cancel_current(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via_cfuture_ref(strand->current);
    pthread_mutex_unlock(&strand->lock);
    if (cf)
        via_cfuture_cancel(cf);
    via_cfuture_unref(cf);
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct strand *strand = (struct strand *)executor;
    pthread_mutex_lock(&strand->lock);
    strand->stopping = 1;
    pthread_mutex_unlock(&strand->lock);
    if (flags & VIA_SHUTDOWN_CANCEL_QUEUED)
        flush(strand, VIA_ECANCELED, NULL);
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_current(strand);
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    pthread_mutex_lock(&strand->lock);
    while (strand->pumping && deadline_ns > 0 && via_now_ns() < deadline_ns) {
        if (deadline_ns == VIA_FOREVER)
            pthread_cond_wait(&strand->idle, &strand->lock);
        else
            pthread_cond_timedwait(&strand->idle, &strand->lock, &until);
    }
    int left = strand->pumping;
    pthread_mutex_unlock(&strand->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

static void released(via_executor *executor)
{
    (void)shut_down(executor, 0, 0);
}

static void stats(via_executor *executor, struct via_executor_stats *figures)
{
    struct strand *strand = (struct strand *)executor;
    pthread_mutex_lock(&strand->lock);
    figures->queued = strand->queue.count > strand->dead ? strand->queue.count - strand->dead : 0;
    figures->queued_peak = strand->queued_peak;
    figures->running = strand->current != NULL;
    figures->submitted = strand->submitted;
    figures->completed = strand->completed;
    figures->cancelled = strand->cancelled;
    figures->expired = strand->expired;
    figures->helped = strand->helped;
    figures->oldest_running_ns = strand->current ? via_now_ns() - strand->started_ns : 0;
    pthread_mutex_unlock(&strand->lock);
}

static int stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct strand *strand = (struct strand *)executor;
    pthread_mutex_lock(&strand->lock);
    int count = strand->current != NULL;
    if (count && capacity) {
        calls[0] = strand->running;
        calls[0].running_ns = via_now_ns() - strand->started_ns;
    }
    pthread_mutex_unlock(&strand->lock);
    return count;
}

static via_cfuture *the_pump(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via_cfuture_ref(strand->pump);
    pthread_mutex_unlock(&strand->lock);
    return cf;
}

static via_cfuture *depends(via_executor *executor, via_cfuture *job)
{
    (void)job;
    return the_pump((struct strand *)executor);
}

// A queued job starts when the pump gets to it: if that is queued, as the executor below can; if it runs,
// unless its thread waits for ever.
static int can_start(via_executor *executor, via_cfuture *job)
{
    via_cfuture *cf = the_pump((struct strand *)executor);
    (void)job;
    int can = !cf || via__deadlock_progress(cf);
    via_cfuture_unref(cf);
    return can;
}

static void destroy(via_executor *executor)
{
    struct strand *strand = (struct strand *)executor;
    via_executor *below = strand->below;
    via__queue_fini(&strand->queue);
    pthread_cond_destroy(&strand->idle);
    pthread_mutex_destroy(&strand->lock);
    free(strand);
    via_executor_unref(below);
}

static const struct via__executor_kind serial_kind = {.name = "strand",
                                                      .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT,
                                                      .jobs_live = 1,
                                                      .submit = submit,
                                                      .claimed = claimed,
                                                      .shutdown = shut_down,
                                                      .released = released,
                                                      .stats = stats,
                                                      .stuck = stuck,
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
    struct strand *strand = calloc(1, sizeof *strand);
    if (!strand)
        return VIA_ENOMEM;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&strand->idle, &attr);
    pthread_condattr_destroy(&attr);
    via__mutex_init(&strand->lock);
    strand->below = via_executor_ref(on);
    via__executor_init(&strand->base, &serial_kind);
    *executor = &strand->base;
    return 0;
}
