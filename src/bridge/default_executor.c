/* SPDX-License-Identifier: BSD-3-Clause */
/* The executor that a loop uses when none is named. */
#include <config.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>
#include <viaduct/thread_pool.h>

#include "bridge/shutdown.h"
#include "executor/executor.h"

// The bridge of a loop whose default executor was not shut down.
static int bridge_with_executor(via_loop *loop, struct via__bridge **bridge)
{
    int status = via__loop_check(loop);
    if (status < 0)
        return status;
    *bridge = via__bridge_of(loop);
    if (!*bridge)
        return VIA_ENOMEM;
    return (*bridge)->executor_shut ? VIA_ESHUTDOWN : 0;
}

int via_loop_set_default_executor(via_loop *loop, via_executor *executor)
{
    struct via__bridge *bridge;
    int status = bridge_with_executor(loop, &bridge);
    if (status < 0)
        return status;
    if (executor && !(executor->kind->call_kinds & VIA_CALL_POINTER))
        return VIA_ENOTSUP;
    if (executor && via__executor_forked(executor))
        return VIA_EFORKED;
    via_executor *before = bridge->executor;
    bridge->executor = via_executor_ref(executor);
    via_executor_unref(before);
    return 0;
}

int via_loop_default_executor(via_loop *loop, via_executor **executor)
{
    struct via__bridge *bridge;
    int status = executor ? bridge_with_executor(loop, &bridge) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (!bridge->executor)
        status = via_thread_pool_new(NULL, &bridge->executor);
    if (status == 0)
        *executor = bridge->executor;
    return status;
}

via_future *via_loop_shutdown_default_executor(via_loop *loop, int64_t timeout_ns)
{
    int status = timeout_ns < 0 ? VIA_EINVAL : via__loop_check(loop);
    struct via__bridge *bridge = status == 0 ? via__bridge_of(loop) : NULL;
    if (!bridge)
        return via__future_failed(status < 0 ? status : VIA_ENOMEM);
    bridge->executor_shut = 1;
    if (bridge->executor)
        return via_executor_shutdown_async(loop, bridge->executor, 0, timeout_ns);
    return via__shutdown_over(bridge);
}
