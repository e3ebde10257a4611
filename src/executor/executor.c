/* SPDX-License-Identifier: BSD-3-Clause */
/* What all executors share: references, lives, submitting, shutting down.  The rules are in executor.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/role.h"
#include "executor/buffer.h"
#include "executor/executor.h"
#include "executor/frame.h"

static int request_stop(via_cfuture *cf, uint32_t state)
{
    return via__job_request(cf, state);
}

static void count_cancelled(via_cfuture *cf)
{
    via_executor *executor = via__job_executor(cf);
    if (executor->kind->claimed)
        executor->kind->claimed(executor, cf, VIA__CLAIM_CANCELLED);
}

static void dispose_cancelled(via_cfuture *cf)
{
    via__job_dispose(cf, cf->arg);
}

static void report_dropped(via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    via__log(VIA_LOG_DEBUG, "a pending call that does not own its argument was dropped: %s (%p)",
             extra->name ? extra->name : "no name", (void *)(uintptr_t)extra->fn);
}

static int is_only_here(via_executor *executor)
{
    return executor->kind->only_here && executor->kind->only_here(executor);
}

static int only_here(via_cfuture *cf)
{
    return is_only_here(via__job_executor(cf));
}

static const struct via__owner_ops job_owner_ops = {.request = request_stop,
                                                    .cancelled = count_cancelled,
                                                    .dispose = dispose_cancelled,
                                                    .only_here = only_here,
                                                    .dropped = report_dropped};

// What the threads of the parent were about is not the child's.
static void reset_in_child(void)
{
    via__buffer_reset();
    via__deadlock_reset();
    via__frame_reset();
    via__interrupt_reset();
    via__timekeeper_reset();
}

int via__executor_watch_forks(void)
{
    via__fork_on_child(reset_in_child);
    return via__fork_watch();
}

void via__executor_init(via_executor *executor, const struct via__executor_kind *kind)
{
    via__deadlock_install();
    // Release: pairs with the acquire in request_cancel().
    atomic_store_explicit(&via__job_ops, &job_owner_ops, memory_order_release);
    executor->owner = (struct via__owner){.ops = &job_owner_ops, .generation = via__fork_generation()};
    executor->kind = kind;
    executor->debug = via__debug_wanted();
    // Relaxed: the executor is not shared yet.
    atomic_store_explicit(&executor->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&executor->lives, 1, memory_order_relaxed);
}

int via__executor_forked(const via_executor *executor)
{
    return executor->owner.generation != via__fork_generation();
}

void via__executor_live(via_executor *executor)
{
    // Relaxed: a life is made from one that the caller knows to last.
    atomic_fetch_add_explicit(&executor->lives, 1, memory_order_relaxed);
}

void via__executor_die(via_executor *executor)
{
    // Release, for the thread that will free; acquire, for the case that it is this one.
    if (atomic_fetch_sub_explicit(&executor->lives, 1, memory_order_acq_rel) == 1) {
        via__deadlock_barrier();
        executor->kind->destroy(executor);
    }
}

via_executor *via_executor_ref(via_executor *executor)
{
    // Relaxed: a reference is made from one the caller has.
    if (executor)
        atomic_fetch_add_explicit(&executor->refs, 1, memory_order_relaxed);
    return executor;
}

via_executor *via_executor_unref(via_executor *executor)
{
    // A child that drops its parent's executor leaks it: its threads, and perhaps its locks, are not here.
    // Release and acquire: what every user did comes before the executor is released.
    if (executor && atomic_fetch_sub_explicit(&executor->refs, 1, memory_order_acq_rel) == 1 &&
        !via__executor_forked(executor)) {
        if (executor->kind->released)
            executor->kind->released(executor);
        via__executor_die(executor);
    }
    return NULL;
}

static void release_payload(const struct via_call *call)
{
    if (call && call->destroy)
        call->destroy(call->arg);
}

static int submit(via_executor *executor, const struct via_call *call, int is_packed, via_cfuture **cf)
{
    via_cfuture *job = executor && call ? malloc(sizeof *job) : NULL;
    if (!job) {
        release_payload(call);
        return executor && call ? VIA_ENOMEM : VIA_EINVAL;
    }
    // Who does not want the future cannot drop it by mistake.
    int tell = executor->debug && cf && via__call_borrows(call);
    int status = via__job_init(job, executor, call, cf ? 2 : 1, tell ? VIA__CALL_EXTRA | VIA__TELL_DROP : 0);
    if (status < 0) {
        free(job);
        return status;
    }
    if (is_packed)
        via__job_extra(job)->is_packed = 1;
    // Blocking for room in a loop's thread would stall the loop.
    status = via__job_submit(job, via__role.loop ? VIA__SUBMIT_MUST_NOT_BLOCK : VIA__SUBMIT_MAY_BLOCK);
    if (status < 0) {
        via__cf_fini(job);
        free(job);
        return status;
    }
    if (cf)
        *cf = job;
    return 0;
}

int via_executor_submit(via_executor *executor, const struct via_call *call, via_cfuture **cf)
{
    return submit(executor, call, 0, cf);
}

int via__executor_submit_packed(via_executor *executor, const struct via_call *call, via_cfuture **cf)
{
    return submit(executor, call, 1, cf);
}

int via_executor_shutdown(via_executor *executor, unsigned flags, int64_t timeout_ns)
{
    if (!executor || timeout_ns < 0 ||
        flags & ~(unsigned)(VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING))
        return VIA_EINVAL;
    if (via__executor_forked(executor))
        return VIA_EFORKED;
    if (!executor->kind->shutdown)
        return 0;
    if (timeout_ns > 0 && (via__role.loop || via__executor_on_stack(executor) || is_only_here(executor))) {
        executor->kind->shutdown(executor, flags, 0);
        return VIA_EDEADLK;
    }
    int64_t deadline_ns = timeout_ns == 0 ? 0 : via__deadline(timeout_ns);
    return executor->kind->shutdown(executor, flags, deadline_ns);
}

int via_executor_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    if (!executor || (!calls && capacity))
        return VIA_EINVAL;
    if (via__executor_forked(executor))
        return VIA_EFORKED;
    return executor->kind->stuck ? executor->kind->stuck(executor, calls, capacity) : 0;
}

int via_executor_stats(via_executor *executor, struct via_executor_stats *stats)
{
    if (!executor || !stats)
        return VIA_EINVAL;
    if (via__executor_forked(executor))
        return VIA_EFORKED;
    memset(stats, 0, sizeof *stats);
    if (executor->kind->stats)
        executor->kind->stats(executor, stats);
    return 0;
}

int via__executor_on_stack(const via_executor *executor)
{
    for (const struct via__frame *frame = via__role.frame; frame; frame = frame->outer) {
        if (frame->executor == executor)
            return 1;
    }
    return 0;
}
