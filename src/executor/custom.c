/* SPDX-License-Identifier: BSD-3-Clause */
/* Executors of the program's own, and how they end the jobs they are given. */
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
    // Relaxed: who shuts down while another submits has to expect either.
    if (atomic_load_explicit(&custom->stopping, memory_order_relaxed))
        return VIA_ESHUTDOWN;
    int status = custom->ops->submit(custom->self, (via_job *)job);
    return status > 0 ? 0 : status;
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
    // Relaxed: as in submit().
    atomic_store_explicit(&custom->stopping, 1, memory_order_relaxed);
    return custom->ops->shutdown ? custom->ops->shutdown(custom->self, flags, deadline_ns) : 0;
}

static void released(via_executor *executor)
{
    struct custom *custom = (struct custom *)executor;
    // Relaxed: as in submit(); nobody has a reference to submit with.
    if (!atomic_exchange_explicit(&custom->stopping, 1, memory_order_relaxed) && custom->ops->shutdown)
        (void)custom->ops->shutdown(custom->self, 0, 0);
}

static void stats(via_executor *executor, struct via_executor_stats *figures)
{
    struct custom *custom = (struct custom *)executor;
    if (custom->ops->stats)
        custom->ops->stats(custom->self, figures);
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
    custom->ops = ops;
    custom->self = self;
    custom->kind = (struct via__executor_kind){.name = ops->kind,
                                               .call_kinds = ops->call_kinds,
                                               .jobs_live = 1,
                                               .submit = submit,
                                               .claimed = claimed,
                                               .shutdown = shut_down,
                                               .released = released,
                                               .stats = stats,
                                               .destroy = destroy};
    via__executor_init(&custom->base, &custom->kind);
    *executor = &custom->base;
    return 0;
}

int via_job_run(via_job *job)
{
    return job ? via__job_execute((via_cfuture *)job) : VIA_EINVAL;
}

int via_job_start(via_job *job)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!job)
        return VIA_EINVAL;
    const struct via__call_extra *extra = via__job_extra(cf);
    if (extra && extra->deadline_ns && extra->deadline_ns <= via_now_ns())
        return 0;
    return via__cf_claim(cf);
}

// The struct of a call, or for a plain call one that holds just the outcome's parts.
static int keep_parts(via_cfuture *cf, const struct via_outcome *outcome)
{
    if (!cf->extra && (outcome->destroy || outcome->bytes))
        cf->extra = calloc(1, sizeof *cf->extra);
    if (!cf->extra)
        return outcome->destroy || outcome->bytes ? VIA_ENOMEM : 0;
    cf->extra->destroy = outcome->destroy;
    cf->extra->bytes = outcome->bytes;
    return 0;
}

int via_job_finish(via_job *job, const struct via_outcome *outcome)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!job || !outcome || outcome->status > 0)
        return VIA_EINVAL;
    uint32_t state = via__cf_state(cf);
    // An abandoned job was started too: what it brings is destroyed.
    if ((state & VIA__STATE_MASK) != VIA_RUNNING && !(state & VIA__ABANDONED))
        return VIA_ESTATE;
    via_executor *executor = via__job_executor(cf);
    int status = outcome->status, kept = keep_parts(cf, outcome);
    void *value = outcome->value;
    if ((kept < 0 || status < 0) && value && outcome->destroy) {
        outcome->destroy(value);
        value = NULL;
    }
    via__job_dispose(cf, cf->arg);
    via__cf_finish(cf, kept < 0 ? kept : status, status == VIA_EFAILED ? outcome->code : 0,
                   status < 0 ? NULL : value, outcome->message ? strdup(outcome->message) : NULL);
    via__executor_die(executor);
    return 0;
}

int via_job_fail(via_job *job, int status)
{
    via_cfuture *cf = (via_cfuture *)job;
    if (!job || status >= 0)
        return VIA_EINVAL;
    if (status == VIA_ECANCELED) {
        via_cfuture_cancel(cf);
        via__job_let_go(cf);
    } else {
        via__job_give_up(cf, status);
    }
    return 0;
}

int via_job_call(const via_job *job, struct via_call *call)
{
    const via_cfuture *cf = (const via_cfuture *)job;
    if (!job || !call)
        return VIA_EINVAL;
    const struct via__call_extra *extra = via__job_extra(cf);
    *call = via_call_pointer((via_call_fn)cf->function, cf->arg);
    if (!extra)
        return 0;
    call->kind = extra->kind;
    call->flags = extra->flags;
    call->bytes_fn = extra->bytes_fn;
    call->in = extra->in;
    call->in_bytes = extra->in_bytes;
    call->destroy = extra->destroy;
    call->destroy_result = extra->outcome.destroy;
    call->priority = extra->priority;
    call->deadline_ns = extra->deadline_ns;
    call->cancel = extra->control ? extra->control->cancel : NULL;
    call->cancel_arg = extra->control ? extra->control->cancel_arg : NULL;
    call->name = extra->name;
    return 0;
}
