/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls on executors with futures of the loop: one block for both futures of a call. */
#include <config.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>

#include "base/locals.h"
#include "bridge/future.h"
#include "executor/executor.h"

static via_future *fail(const struct via_call *call, int status)
{
    if (call && call->destroy)
        call->destroy(call->arg);
    return via__future_failed(status);
}

// A failure that has a loop and memory is a future like any other, with callbacks.
static via_future *fail_here(struct via__bridge *bridge, const struct via_call *call, int status)
{
    if (call && call->destroy)
        call->destroy(call->arg);
    via_future *future = via__promise_new(bridge);
    if (!future)
        return via__future_failed(VIA_ENOMEM);
    via__promise_fail(future, status);
    return future;
}

// `locals`: the function begins with the local values of its caller.
static via_future *launch(struct via__bridge *bridge, via_executor *executor, const struct via_call *call,
                          int locals)
{
    struct via__pair *pair = via__slab_alloc(bridge->slab);
    if (!pair)
        return fail(call, VIA_ENOMEM);
    // Relaxed: an option of the loop.
    int described = atomic_load_explicit(&bridge->loop->debug, memory_order_relaxed);
    uint32_t extra = described || (locals && via__role.locals) ? VIA__CALL_EXTRA : 0;
    void *vclock = via__role.vclock;
    via__role.vclock = bridge->loop->vclock; // also while the loop does not run
    int status = via__job_init(&pair->cf, executor, call, 2, VIA__SLAB | VIA__DELIVER | extra);
    via__role.vclock = vclock;
    via__future_init(&pair->future, bridge, &pair->cf, VIA__SORT_CALL);
    if (status < 0) {
        via__pair_fail(pair, status);
        return &pair->future;
    }
    if (locals && via__role.locals)
        via__job_extra(&pair->cf)->locals = via__locals_share();
    pair->cf.watchers = &bridge->delivery;
    pair->future.arg_borrowed = via__call_borrows(call);
    via__future_launch(&pair->future);
    status = via__job_submit(&pair->cf, VIA__SUBMIT_MUST_NOT_BLOCK);
    if (status < 0) {
        via__cf_fini(&pair->cf);
        via__pair_fail(pair, status);
        via__future_land(&pair->future);
    }
    return &pair->future;
}

static via_future *run(via_loop *loop, via_executor *executor, const struct via_call *call, int locals)
{
    int status = via__loop_check(loop);
    if (status < 0)
        return fail(call, status);
    struct via__bridge *bridge = via__bridge_of(loop);
    if (!bridge)
        return fail(call, VIA_ENOMEM);
    if (!call)
        return fail_here(bridge, call, VIA_EINVAL);
    if (!executor)
        status = via_loop_default_executor(loop, &executor);
    return status < 0 ? fail_here(bridge, call, status) : launch(bridge, executor, call, locals);
}

via_future *via_run_in_executor(via_loop *loop, via_executor *executor, const struct via_call *call)
{
    return run(loop, executor, call, 0);
}

via_future *via_to_thread(via_call_fn fn, void *arg)
{
    struct via_call call = VIA_CALL(fn, arg);
    via_loop *loop = via_loop_current();
    return loop ? run(loop, NULL, &call, 1) : via__future_failed(VIA_ESTATE);
}
