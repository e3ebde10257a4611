/* SPDX-License-Identifier: BSD-3-Clause */
/* The pump of a strand: the call at the other executor that runs the strand's jobs.  The design is at the
   head of serial.h. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"
#include "base/role.h"
#include "base/thread.h"
#include "executor/serial.h"

#define PUMP_JOBS 32     // so many jobs, or
#define PUMP_NS   VIA_MS // so long, and then it is the others' turn

struct pump {
    struct via__strand *strand;
    uint64_t number;
};

uint64_t via__strand_begin_pump(struct via__strand *strand)
{
    strand->current = strand->submitting = ++strand->pumps;
    strand->submitter = pthread_self();
    strand->lost = 0;
    return strand->current;
}

// Under the lock: gives out the old future, to be dropped without the lock.
static via_cfuture *swap_pump_cf(struct via__strand *strand, via_cfuture *cf)
{
    via_cfuture *old = strand->pump_cf;
    strand->pump_cf = cf;
    return old;
}

// Takes the next job; with none left, there is no current pump any more.
static via_cfuture *take(struct via__strand *strand)
{
    via_cfuture *old = NULL;
    pthread_mutex_lock(&strand->lock);
    via_cfuture *cf = via__strand_pop(strand);
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
static via_cfuture *job_over(struct via__strand *strand)
{
    via_cfuture *running = strand->running;
    strand->completed += running != NULL;
    strand->running = NULL;
    strand->busy = 0;
    pthread_cond_broadcast(&strand->idle);
    return running;
}

static void dead_over(struct via__strand *strand)
{
    pthread_mutex_lock(&strand->lock);
    strand->dead--;
    strand->busy = 0;
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

static void note_running(struct via__strand *strand, via_cfuture *cf)
{
    pthread_mutex_lock(&strand->lock);
    strand->running = via_cfuture_ref(cf);
    strand->call = via__job_describe(cf, via__thread_id(), 0);
    strand->started_ns = via_now_ns();
    pthread_mutex_unlock(&strand->lock);
}

// The job is claimed before the strand tells of it: until then an outsider may be completing it.
static void run_job(struct via__strand *strand, via_cfuture *cf)
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
static int hand_on(struct via__strand *strand, struct pump *pump)
{
    uint64_t number = 0;
    pthread_mutex_lock(&strand->lock);
    if (strand->queue.count)
        number = via__strand_begin_pump(strand);
    pthread_mutex_unlock(&strand->lock);
    if (!number)
        return 0;
    // Without blocking: a submitter that runs the call itself would nest one pump in the other.
    if (via__strand_start_pump(strand, number, VIA__SUBMIT_MUST_NOT_BLOCK) == 0)
        return 1;
    pthread_mutex_lock(&strand->lock);
    strand->current = pump->number;
    pthread_mutex_unlock(&strand->lock);
    return 0;
}

// The pump has begun: 1 if inside its own submission.
static int pump_began(struct via__strand *strand, struct pump *pump, via_cfuture *cf)
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
    struct via__strand *strand = pump->strand;
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

void via__strand_end_taken(struct via__strand *strand, via_cfuture *cf, int status)
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

void via__strand_give_up(struct via__strand *strand, int status)
{
    via_cfuture *cf;
    while ((cf = take(strand)) != NULL)
        via__strand_end_taken(strand, cf, status);
    pthread_mutex_lock(&strand->lock);
    pthread_cond_broadcast(&strand->idle);
    pthread_mutex_unlock(&strand->lock);
}

// The payload of a pump is released: the pump is over, and if it is still current it was lost.
static void pump_over(void *arg)
{
    struct pump *pump = arg;
    struct via__strand *strand = pump->strand;
    via_cfuture *running = NULL;
    uint64_t number = 0;
    pthread_mutex_lock(&strand->lock);
    if (strand->current == pump->number && strand->submitting == pump->number) {
        strand->lost = 1; // its submitter sees to it
    } else if (strand->current == pump->number) {
        running = job_over(strand);
        number = via__strand_begin_pump(strand);
    }
    pthread_mutex_unlock(&strand->lock);
    via_cfuture_unref(running);
    int status = number ? via__strand_start_pump(strand, number, VIA__SUBMIT_MUST_NOT_BLOCK) : 0;
    if (status < 0)
        via__strand_give_up(strand, status);
    free(pump);
    via__executor_die(&strand->base);
}

static int submit_pump(struct via__strand *strand, struct pump *pump, enum via__submit how, via_cfuture **cf)
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
static int pump_submitted(struct via__strand *strand, uint64_t *number, int status, via_cfuture *cf)
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
        *number = via__strand_begin_pump(strand);
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

int via__strand_start_pump(struct via__strand *strand, uint64_t number, enum via__submit how)
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
