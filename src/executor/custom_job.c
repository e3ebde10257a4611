/* SPDX-License-Identifier: BSD-3-Clause */
/* What an executor of the program's own does with its jobs.  The rules are at the head of custom.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/thread.h"
#include "executor/custom.h"

// The job counts as running from here on, a moment before it is claimed for that: a shutdown that asks the
// running calls to stop does not miss one that starts just now.
static void begin(via_job *job, long thread_id)
{
    struct via__custom *custom = job->custom;
    pthread_mutex_lock(&custom->lock);
    job->call.thread_id = thread_id;
    job->started_ns = via_now_ns();
    // Not in any list: somebody else has ended its future.
    if (!via__list_empty(&job->link)) {
        via__list_remove(&job->link);
        via__list_push_back(&custom->runs, &job->link);
    }
    pthread_mutex_unlock(&custom->lock);
}

// Fails the future of a job whose deadline has passed, unless it is done; the job stays with its executor.
static void expire_if_late(via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    via_executor *executor = via__job_executor(cf);
    if (!extra || !extra->deadline_ns || extra->deadline_ns > via_now_ns() ||
        !via__job_claim_outside(cf, VIA__CLAIM_EXPIRED))
        return;
    via__job_expire(via_cfuture_ref(cf));
    via__executor_die(executor); // the life from the claim
}

int via_job_run(via_job *job)
{
    if (!job)
        return VIA_EINVAL;
    if (job->started)
        return VIA_ESTATE;
    via_cfuture *cf = job->cf;
    expire_if_late(cf);
    begin(job, via__thread_id());
    int claimed = via__cf_claim(cf);
    if (claimed)
        via__job_run_claimed(cf);
    else
        via__job_let_go(cf);
    via__custom_over(job);
    return claimed;
}

// From here on a cancel calls the hook.  One that came before this found no run to stop, so it is done here.
static void begin_elsewhere(struct via__call_control *control)
{
    via__timekeeper_remove(control);
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
    if (!job)
        return VIA_EINVAL;
    if (job->started)
        return VIA_ESTATE;
    via_cfuture *cf = job->cf;
    struct via__call_extra *extra = via__job_extra(cf);
    expire_if_late(cf);
    if ((via__cf_state(cf) & VIA__STATE_MASK) != VIA_PENDING)
        return 0;
    // There is no thread of which it is known that the function runs in it.
    if (extra && extra->flags & VIA_CALL_INTERRUPTIBLE)
        return VIA_ENOTSUP;
    begin(job, 0);
    if (!via__cf_claim(cf))
        return 0;
    job->started = 1;
    if (extra && extra->control)
        begin_elsewhere(extra->control);
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
    if (!job || !outcome || outcome->status > 0)
        return VIA_EINVAL;
    if (!job->started)
        return VIA_ESTATE;
    via_cfuture *cf = job->cf;
    struct via__call_extra *extra = via__job_extra(cf);
    if (extra && extra->control)
        end_elsewhere(extra->control);
    via__job_dispose(cf, cf->arg);
    finish(cf, outcome);
    via__custom_over(job);
    return 0;
}

int via_job_fail(via_job *job, int status)
{
    if (!job || status >= 0)
        return VIA_EINVAL;
    if (job->started)
        return VIA_ESTATE;
    via_cfuture *cf = job->cf;
    if (status != VIA_ECANCELED && via__cf_claim(cf)) {
        via__job_end(cf, status);
    } else {
        if (status == VIA_ECANCELED)
            (void)via_cfuture_cancel(cf);
        via__job_let_go(cf);
    }
    via__custom_over(job);
    return 0;
}

int via_job_call(const via_job *job, struct via_call *call)
{
    if (!job || !call)
        return VIA_EINVAL;
    const via_cfuture *cf = job->cf;
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
