/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The strand: jobs in order and one at a time, on the threads of another executor.
 *
 * Jobs wait in a queue of the strand's own.  While there are any, one call is at the other executor, the
 * *pump*, which runs a bounded number of them and then hands on to a fresh pump, behind what others submitted
 * there meanwhile.  Pumps are numbered.  `current` is the pump that may touch the queue; whoever changes it
 * from 0 starts a pump, and it becomes 0 only when the queue is empty.  So no two jobs run at once.
 *
 * A pump can end without having done its duty: it was cancelled by the other executor's shutdown, or a job
 * ended its thread.  Its payload is released however it ends (pump_over()), and if it is current even then,
 * it was lost: another one is started, or, if that is not possible, what is queued fails.
 *
 * What keeps it alive: one life for the references of users, one for each pump; where a job is queued or
 * runs, there is a pump.
 */
#include <config.h>

#include <stdlib.h>
#include <time.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/role.h"
#include "base/thread.h"
#include "executor/executor.h"
#include "executor/queue.h"

#define PUMP_JOBS 32     // so many jobs, or
#define PUMP_NS   VIA_MS // so long, and then it is the others' turn
#define SWEEP_AT  128    // so many claimed jobs are worth looking through the queue

struct strand {
    via_executor base; // first
    via_executor *on;

    pthread_mutex_t lock; // guards what follows; no function of the program runs under it
    pthread_cond_t idle;  // a job is over
    via_cfuture *first;   // before the queue: the job whose submission starts the pump
    struct via__queue queue;
    uint64_t current;           // the number of the pump, or 0
    uint64_t submitting;        // the number of the pump that is being submitted and has not begun
    int lost;                   // that one is over already
    int asked;                  // a search for deadlocks came meanwhile
    pthread_t submitter;        // who submits it
    uint64_t pumps;             // the last number given
    via_cfuture *pump_cf;       // the current pump's, with a reference; NULL where it is not known yet
    int busy, stopping;         // a job was taken and is not over; nothing new is accepted
    via_cfuture *running;       // with a reference
    struct via_stuck_call call; // describes it
    int64_t started_ns;
    size_t dead; // queued jobs that an outsider has claimed
    size_t queued_peak;
    uint64_t submitted, completed, cancelled, expired, rejected, helped;
};

struct pump {
    struct strand *strand;
    uint64_t number;
};

static int start_pump(struct strand *strand, uint64_t number, enum via__submit how);

// Under the lock: the next number becomes the current one, to be given to start_pump().
static uint64_t begin_pump(struct strand *strand)
{
    strand->current = strand->submitting = ++strand->pumps;
    strand->submitter = pthread_self();
    strand->lost = 0;
    return strand->current;
}

// Under the lock: gives out the old future, to be dropped without the lock.
static via_cfuture *swap_pump_cf(struct strand *strand, via_cfuture *cf)
{
    via_cfuture *old = strand->pump_cf;
    strand->pump_cf = cf;
    return old;
}

static size_t live_count(const struct strand *strand)
{
    size_t count = strand->queue.count + (strand->first != NULL);
    return count > strand->dead ? count - strand->dead : 0;
}

// Takes the next job; with none left, there is no current pump any more.
static via_cfuture *take(struct strand *strand)
{
    via_cfuture *old = NULL;
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = strand->first;
    strand->first = NULL;
    if (!cf)
        cf = via__queue_pop(&strand->queue);
    strand->busy = cf != NULL;
    if (!cf) {
        strand->current = strand->submitting = 0;
        old = swap_pump_cf(strand, NULL);
    }
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(old);
    return cf;
}

// Under the lock: no job runs any more; gives out its future.
static via_cfuture *job_over(struct strand *strand)
{
    via_cfuture *running = strand->running;
    strand->completed += running != NULL;
    strand->running = NULL;
    strand->busy = 0;
    pthread_cond_broadcast(&strand->idle);
    return running;
}

static void dead_over(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    strand->dead--;
    strand->busy = 0;
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

static void note_running(struct strand *strand, via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    int bytes = extra && extra->kind == VIA_CALL_BYTES_IN_OUT;
    pthread_mutex_lock(&strand->lock);
    strand->running = via_cfuture_ref(cf);
    strand->call.name = extra ? extra->name : NULL;
    strand->call.function = bytes ? (void *)(uintptr_t)extra->bytes_fn : (void *)(uintptr_t)cf->function;
    strand->call.thread_id = via__thread_id();
    strand->started_ns = via_now_ns();
    pthread_mutex_unlock(&strand->lock);
}

// The job is claimed before the strand tells of it: until then an outsider may be completing it.
static void run_job(struct strand *strand, via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    int expired = extra && extra->deadline_ns && extra->deadline_ns <= via_now_ns();
    if (expired || !via__cf_claim(cf)) {
        if (expired)
            (void)via__job_execute(cf);
        else
            via__job_let_go(cf);
        dead_over(strand);
        return;
    }
    note_running(strand, cf);
    via__job_run_claimed(cf);
    pthread_mutex_lock(&strand->lock);
    cf = job_over(strand);
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(cf);
}

// The rest goes to a fresh pump: 1; 0 if none can be had, so that this one goes on.
static int hand_on(struct strand *strand, struct pump *pump)
{
    uint64_t number = 0;
    pthread_mutex_lock(&strand->lock);
    if (strand->queue.count)
        number = begin_pump(strand);
    pthread_mutex_unlock(&strand->lock);
    if (!number)
        return 0;
    // Without blocking: a submitter that runs the call itself would nest one pump in the other.
    if (start_pump(strand, number, VIA__SUBMIT_MUST_NOT_BLOCK) == 0)
        return 1;
    pthread_mutex_lock(&strand->lock);
    strand->current = pump->number;
    pthread_mutex_unlock(&strand->lock);
    return 0;
}

// The pump has begun: 1 if inside its own submission.
static int pump_began(struct strand *strand, struct pump *pump, via_cfuture *cf)
{
    pthread_mutex_lock(&strand->lock);
    int submitting = strand->submitting == pump->number;
    int nested = submitting && pthread_equal(strand->submitter, pthread_self());
    if (submitting)
        strand->submitting = strand->asked = 0; // it runs: nobody need run it in its stead
    via_cfuture *old = cf ? swap_pump_cf(strand, via_cfuture_ref(cf)) : NULL;
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(old);
    return nested;
}

static int run_pump(void *arg, void **result)
{
    struct pump *pump = arg;
    struct strand *strand = pump->strand;
    struct via__frame *frame = via__role.frame;
    int mine = frame && frame->fn == run_pump && frame->arg == arg;
    int nested = pump_began(strand, pump, mine ? frame->cf : NULL);
    (void)result;
    for (;;) {
        int64_t until_ns = via_now_ns() + PUMP_NS;
        for (int i = 0; i < PUMP_JOBS && (i == 0 || via_now_ns() < until_ns); i++) {
            via_cfuture *cf = take(strand);
            if (!cf)
                return 0;
            run_job(strand, cf);
        }
        // A nested pump that handed on would nest the next one, and so on to the end of the stack.
        if (!nested && hand_on(strand, pump))
            return 0;
    }
}

// Ends a job that was taken out of the queue and will not run.
static void end_taken(struct strand *strand, via_cfuture *cf, int status)
{
    if (status == VIA_ECANCELED || status == VIA_ESHUTDOWN) {
        (void)via_cfuture_cancel(cf); // counted as dead, unless somebody claimed it before and so did that
    } else if (via__cf_claim(cf)) {
        via__job_end(cf, status);
        return;
    }
    via__job_let_go(cf);
    pthread_mutex_lock(&strand->lock);
    strand->dead--;
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

// There will be no pump: ends what is queued.
static void give_up(struct strand *strand, int status)
{
    via_cfuture *cf;
    while ((cf = take(strand)) != NULL)
        end_taken(strand, cf, status);
    pthread_mutex_lock(&strand->lock);
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

// The payload of a pump is released: the pump is over, and if it is still current it was lost.
static void pump_over(void *arg)
{
    struct pump *pump = arg;
    struct strand *strand = pump->strand;
    via_cfuture *running = NULL;
    uint64_t number = 0;
    pthread_mutex_lock(&strand->lock);
    if (strand->current == pump->number && strand->submitting == pump->number) {
        strand->lost = 1; // its submitter sees to it
    } else if (strand->current == pump->number) {
        running = job_over(strand);
        number = begin_pump(strand);
    }
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(running);
    int status = number ? start_pump(strand, number, VIA__SUBMIT_MUST_NOT_BLOCK) : 0;
    if (status < 0)
        give_up(strand, status);
    free(pump);
    via__executor_die(&strand->base);
}

static int submit_pump(struct strand *strand, struct pump *pump, enum via__submit how, via_cfuture **cf)
{
    struct via_call call = VIA_CALL(run_pump, pump);
    call.destroy = pump_over;
    pump->strand = strand;
    via__executor_live(&strand->base); // until pump_over()
    via_cfuture *job = malloc(sizeof *job);
    if (!job) {
        pump_over(pump);
        return VIA_ENOMEM;
    }
    int status = via__job_init(job, strand->on, &call, 2, 0);
    if (status == 0) {
        status = via__job_submit(job, how);
        if (status < 0)
            via__cf_fini(job);
    }
    if (status < 0)
        free(job);
    else
        *cf = job;
    return status;
}

// Settles a submission: 1 if the pump was accepted and lost, so that another is wanted.  A thread that was
// about to wait when the pump was not known is told of it.
static int pump_submitted(struct strand *strand, uint64_t *number, int status, via_cfuture *cf)
{
    via_cfuture *old = cf;
    int again = 0, asked = 0;
    pthread_mutex_lock(&strand->lock);
    if (strand->current == *number) {
        again = status == 0 && strand->submitting == *number && strand->lost;
        if (status == 0 && !again)
            old = swap_pump_cf(strand, cf);
    }
    if (strand->submitting == *number)
        strand->submitting = 0;
    if (again) {
        *number = begin_pump(strand);
    } else {
        asked = strand->asked;
        strand->asked = 0;
    }
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(old);
    if (asked)
        via__deadlock_look_again();
    return again;
}

// Submits the pump of this number.  On failure `current` stays as it is, and the caller decides what becomes
// of it.
static int start_pump(struct strand *strand, uint64_t number, enum via__submit how)
{
    int status, again;
    do {
        via_cfuture *cf = NULL;
        struct pump *pump = malloc(sizeof *pump);
        if (pump)
            pump->number = number;
        status = pump ? submit_pump(strand, pump, how, &cf) : VIA_ENOMEM;
        again = pump_submitted(strand, &number, status, cf);
    } while (again);
    return status;
}

static int is_dead(const void *item)
{
    return (via__cf_state(item) & VIA__STATE_MASK) != VIA_PENDING;
}

// Claimed jobs would stay in the queue while a long one runs; a submitter clears them away.
static void sweep(struct strand *strand)
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
static int enqueue(struct strand *strand, via_cfuture *job, uint64_t *number)
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
        *number = begin_pump(strand);
    }
    strand->submitted++;
    size_t count = live_count(strand);
    if (count > strand->queued_peak)
        strand->queued_peak = count;
    return 0;
}

// No pump could be started for the job.  What others queued behind it ends with the same status.
static int take_back(struct strand *strand, via_cfuture *job, int status)
{
    pthread_mutex_lock(&strand->lock);
    int mine = strand->first == job;
    if (mine) {
        strand->first = NULL;
        strand->submitted--;
        strand->rejected++;
    }
    pthread_mutex_unlock(&strand->lock);
    give_up(strand, status);
    return mine ? status : 0; // a shutdown may have cancelled it
}

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct strand *strand = (struct strand *)executor;
    uint64_t number = 0;
    sweep(strand);
    pthread_mutex_lock(&strand->lock);
    int status = enqueue(strand, job, &number);
    pthread_mutex_unlock(&strand->lock);
    if (number) {
        status = start_pump(strand, number, how);
        if (status < 0)
            status = take_back(strand, job, status);
    }
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
    if (why == VIA__CLAIM_HELPED) {
        strand->helped++;
        strand->completed++;
    }
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

static void cancel_queued(struct strand *strand)
{
    via_cfuture *cf;
    do {
        pthread_mutex_lock(&strand->lock);
        cf = strand->first;
        strand->first = NULL;
        if (!cf)
            cf = via__queue_pop(&strand->queue);
        pthread_mutex_unlock(&strand->lock);
        if (cf)
            end_taken(strand, cf, VIA_ECANCELED);
    } while (cf);
}

static void cancel_running(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via_cfuture_ref(strand->running);
    pthread_mutex_unlock(&strand->lock);
    if (cf)
        (void)via_cfuture_cancel(cf);
    via_cfuture_unref(cf);
}

static int wait_for_end(struct strand *strand, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    pthread_mutex_lock(&strand->lock);
    while ((strand->busy || live_count(strand)) && deadline_ns > 0 && via_now_ns() < deadline_ns) {
        if (deadline_ns == VIA_FOREVER)
            pthread_cond_wait(&strand->idle, &strand->lock);
        else
            pthread_cond_timedwait(&strand->idle, &strand->lock, &until);
    }
    int left = strand->busy || live_count(strand);
    pthread_mutex_unlock(&strand->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct strand *strand = (struct strand *)executor;
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
    struct strand *strand = (struct strand *)executor;
    pthread_mutex_lock(&strand->lock);
    stats->queued = live_count(strand);
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
    struct strand *strand = (struct strand *)executor;
    pthread_mutex_lock(&strand->lock);
    int count = strand->running != NULL;
    if (count && capacity) {
        calls[0] = strand->call;
        calls[0].running_ns = via_now_ns() - strand->started_ns;
    }
    pthread_mutex_unlock(&strand->lock);
    return count;
}

static via_cfuture *current_pump(struct strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via_cfuture_ref(strand->pump_cf);
    pthread_mutex_unlock(&strand->lock);
    return cf;
}

// A queued pump may itself depend on another strand's.
static via_cfuture *depends(via_executor *executor, via_cfuture *job)
{
    struct strand *strand = (struct strand *)executor;
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
    struct strand *strand = (struct strand *)executor;
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
    struct strand *strand = (struct strand *)executor;
    via_cfuture_unref(strand->pump_cf);
    via__queue_fini(&strand->queue);
    pthread_cond_destroy(&strand->idle);
    pthread_mutex_destroy(&strand->lock);
    via_executor_unref(strand->on);
    free(strand);
}

static const struct via__executor_kind strand_kind = {.name = "strand",
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
    struct strand *strand = calloc(1, sizeof *strand);
    if (!strand)
        return VIA_ENOMEM;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&strand->idle, &attr);
    pthread_condattr_destroy(&attr);
    via__mutex_init(&strand->lock);
    strand->on = via_executor_ref(on);
    via__executor_init(&strand->base, &strand_kind);
    *executor = &strand->base;
    return 0;
}
