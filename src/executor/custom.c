/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Executors that a program wrote itself, and what they do with their jobs.
 *
 * Lives.  The program's object must stay until each job was given back, also one that was cancelled or whose
 * deadline passed.  The life of a job that is cancelled stays with it; that of one that expires goes with its
 * future, so the claim makes another.  Hence giving back a job that did not run always ends one life.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "executor/executor.h"

struct custom {
    via_executor base; // first
    struct via__executor_kind kind;
    const struct via_executor_ops *ops;
    void *self;
    _Atomic int stopping;
};

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct custom *custom = (struct custom *)executor;
    (void)how;
    // Relaxed: a submission that runs beside the shutdown may come before it.
    if (atomic_load_explicit(&custom->stopping, memory_order_relaxed))
        return VIA_ESHUTDOWN;
    int status = custom->ops->submit(custom->self, (via_job *)job);
    return status > 0 ? VIA_EFAILED : status; // a code of its own, as a function may return one
}

static void claimed(via_executor *executor, via_cfuture *job, enum via__claim why)
{
    struct custom *custom = (struct custom *)executor;
    if (why == VIA__CLAIM_CANCELLED && custom->ops->cancelled)
        custom->ops->cancelled(custom->self, (via_job *)job);
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct custom *custom = (struct custom *)executor;
    // Relaxed: see submit().
    atomic_store_explicit(&custom->stopping, 1, memory_order_relaxed);
    return custom->ops->shutdown ? custom->ops->shutdown(custom->self, flags, deadline_ns) : 0;
}

static void fill_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct custom *custom = (struct custom *)executor;
    if (custom->ops->stats)
        custom->ops->stats(custom->self, stats);
}

static void destroy(via_executor *executor)
{
    struct custom *custom = (struct custom *)executor;
    if (custom->ops->free)
        custom->ops->free(custom->self);
    free(custom);
}

int via_executor_new(const struct via_executor_ops *ops, void *self, via_executor **executor)
{
    if (!ops || !ops->submit || !executor)
        return VIA_EINVAL;
    struct custom *custom = calloc(1, sizeof *custom);
    if (!custom)
        return VIA_ENOMEM;
    custom->kind = (struct via__executor_kind){.name = ops->kind,
                                               .call_kinds = ops->call_kinds,
                                               .jobs_live = 1,
                                               .submit = submit,
                                               .claimed = claimed,
                                               .shutdown = shut_down,
                                               .stats = fill_stats,
                                               .destroy = destroy};
    custom->ops = ops;
    custom->self = self;
    via__executor_init(&custom->base, &custom->kind);
    *executor = &custom->base;
    return 0;
}

// Whether the job's run goes on elsewhere: then via_job_finish() alone may end it.
static int is_started(const via_cfuture *cf)
{
    return (via__cf_state(cf) & VIA__STARTED) != 0;
}

int via_job_run(via_job *job)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!cf)
        return VIA_EINVAL;
    return is_started(cf) ? VIA_ESTATE : via__job_execute(cf);
}

// Fails the future of a job whose deadline has passed; the job itself stays with its executor.
static void expire(via_cfuture *cf)
{
    via_executor *executor = via__job_executor(cf);
    if (!via__job_claim_outside(cf, VIA__CLAIM_EXPIRED))
        return;
    via__job_end(via_cfuture_ref(cf), VIA_ETIMEDOUT);
    via__executor_die(executor); // the life from the claim
}

// From here on a cancel calls the hook.  One that came before this found no run to stop, so it is done here.
// There is no thread to be interrupted, so an interruptible call only sees its flag.
static void begin_elsewhere(struct via__call_control *control, unsigned flags)
{
    via__timekeeper_remove(control);
    if (flags & VIA_CALL_INTERRUPTIBLE)
        return;
    pthread_mutex_lock(&control->lock);
    uint32_t state = via__cf_state(control->cf);
    int asked = (state & VIA__STATE_MASK) != VIA_RUNNING || state & VIA__REQUESTED;
    control->running = !asked;
    pthread_mutex_unlock(&control->lock);
    if (asked && control->cancel)
        control->cancel(control->cancel_arg);
}

static void end_elsewhere(struct via__call_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->running = 0;
    while (control->hooks)
        pthread_cond_wait(&control->idle, &control->lock);
    pthread_mutex_unlock(&control->lock);
}

int via_job_start(via_job *job)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!cf)
        return VIA_EINVAL;
    if (is_started(cf))
        return VIA_ESTATE;
    struct via__call_extra *extra = via__job_extra(cf);
    if (extra && extra->deadline_ns && extra->deadline_ns <= via_now_ns()) {
        expire(cf);
        return 0;
    }
    if (!via__cf_claim(cf))
        return 0;
    // Relaxed: read by the job's executor alone, which hands the job from thread to thread by its own means.
    atomic_fetch_or_explicit(&cf->state, VIA__STARTED, memory_order_relaxed);
    if (extra && extra->control)
        begin_elsewhere(extra->control, extra->flags);
    return 1;
}

// Makes room for what a plain call's outcome does not have: 0 or VIA_ENOMEM.
static int attach(via_cfuture *cf, const struct via_outcome *outcome)
{
    if (!cf->extra && (outcome->destroy || outcome->bytes))
        cf->extra = calloc(1, sizeof *cf->extra);
    if (!cf->extra)
        return outcome->destroy || outcome->bytes ? VIA_ENOMEM : 0;
    if (outcome->destroy)
        cf->extra->destroy = outcome->destroy;
    cf->extra->bytes = outcome->bytes;
    return 0;
}

static void finish(via_cfuture *cf, const struct via_outcome *outcome)
{
    int status = attach(cf, outcome);
    void *value = outcome->value;
    if (status == 0)
        status = outcome->status;
    if (status < 0 && value) {
        void (*release)(void *) = cf->extra ? cf->extra->destroy : outcome->destroy;
        if (release)
            release(value);
        value = NULL;
    }
    // A text that finds no room is dropped: the code still arrives.
    char *message = status == VIA_EFAILED && outcome->message ? strdup(outcome->message) : NULL;
    via__cf_finish(cf, status, status == VIA_EFAILED ? outcome->code : 0, value, message);
}

int via_job_finish(via_job *job, const struct via_outcome *outcome)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!cf || !outcome || outcome->status > 0)
        return VIA_EINVAL;
    uint32_t state = via__cf_state(cf);
    if ((state & VIA__STATE_MASK) != VIA_RUNNING && !(state & VIA__ABANDONED))
        return VIA_ESTATE;
    via_executor *executor = via__job_executor(cf);
    struct via__call_extra *extra = via__job_extra(cf);
    if (extra && extra->control)
        end_elsewhere(extra->control);
    via__job_dispose(cf, cf->arg);
    finish(cf, outcome);
    via__executor_die(executor);
    return 0;
}

int via_job_fail(via_job *job, int status)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!cf || status >= 0)
        return VIA_EINVAL;
    if (is_started(cf))
        return VIA_ESTATE;
    if (status != VIA_ECANCELED && via__cf_claim(cf)) {
        via__job_end(cf, status);
        return 0;
    }
    if (status == VIA_ECANCELED)
        (void)via_cfuture_cancel(cf);
    via__job_let_go(cf);
    return 0;
}

int via_job_call(const via_job *job, struct via_call *call)
{
    const via_cfuture *cf = (const via_cfuture *)job;
    if (!cf || !call)
        return VIA_EINVAL;
    const struct via__call_extra *extra = via__job_extra(cf);
    struct via_call seen = VIA_CALL((via_call_fn)cf->function, cf->arg);
    if (extra) {
        seen.kind = extra->kind;
        seen.flags = extra->flags;
        seen.bytes_fn = extra->bytes_fn;
        seen.in = extra->in;
        seen.in_bytes = extra->in_bytes;
        seen.destroy = extra->destroy;
        seen.destroy_result = extra->outcome.destroy;
        seen.priority = extra->priority;
        seen.deadline_ns = extra->deadline_ns;
        seen.name = extra->name;
    }
    if (extra && extra->control) {
        seen.cancel = extra->control->cancel;
        seen.cancel_arg = extra->control->cancel_arg;
    }
    *call = seen;
    return 0;
}
