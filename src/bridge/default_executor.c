/* SPDX-License-Identifier: BSD-3-Clause */
/* The executor that a loop uses when none is named. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>
#include <viaduct/thread_pool.h>

#include "base/thread.h"
#include "bridge/future.h"
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

// A shutdown under way, in a thread of its own so that the loop goes on.
struct shutdown {
    via_executor *executor;
    via_cfuture *done;
    int64_t timeout_ns;
};

static void *shut_down(void *arg)
{
    struct shutdown *shutdown = arg;
    via__thread_set_name("via-shutdown");
    int status = via_executor_shutdown(shutdown->executor, 0, shutdown->timeout_ns);
    via_executor_unref(shutdown->executor);
    // Somebody may have cancelled the wait; then there is nobody to tell.
    if (status < 0)
        (void)via_cfuture_set_error(shutdown->done, status, 0, NULL);
    else
        (void)via_cfuture_set_result(shutdown->done, NULL, NULL);
    via_cfuture_unref(shutdown->done);
    free(shutdown);
    return NULL;
}

static int start_shutdown(via_executor *executor, int64_t timeout_ns, via_cfuture *done)
{
    pthread_t thread;
    struct shutdown *shutdown = malloc(sizeof *shutdown);
    if (!shutdown)
        return VIA_ENOMEM;
    *shutdown = (struct shutdown){
        .executor = via_executor_ref(executor), .done = via_cfuture_ref(done), .timeout_ns = timeout_ns};
    int status = via__thread_start(&thread, NULL, shut_down, shutdown);
    if (status < 0) {
        via_executor_unref(shutdown->executor);
        via_cfuture_unref(shutdown->done);
        free(shutdown);
        return status;
    }
    pthread_detach(thread);
    return 0;
}

static via_future *settled(struct via__bridge *bridge, int status)
{
    via_future *future = via__promise_new(bridge);
    if (!future)
        return via__future_failed(VIA_ENOMEM);
    via__promise_finish(future, status, 0, NULL, NULL);
    return future;
}

via_future *via_loop_shutdown_default_executor(via_loop *loop, int64_t timeout_ns)
{
    via_cfuture *done;
    int status = timeout_ns < 0 ? VIA_EINVAL : via__loop_check(loop);
    struct via__bridge *bridge = status == 0 ? via__bridge_of(loop) : NULL;
    if (!bridge)
        return via__future_failed(status < 0 ? status : VIA_ENOMEM);
    bridge->executor_shut = 1;
    if (!bridge->executor)
        return settled(bridge, 0);
    (void)via_executor_shutdown(bridge->executor, 0, 0); // from now on, whatever becomes of the waiting
    status = via_cfuture_new(&done);
    if (status < 0)
        return via__future_failed(VIA_ENOMEM);
    // The wrap comes first: once the thread runs nothing may fail any more.
    via_future *future = via_wrap_future(loop, done);
    if (future->loop) {
        status = start_shutdown(bridge->executor, timeout_ns, done);
        if (status < 0)
            (void)via_cfuture_set_error(done, status, 0, NULL);
    }
    via_cfuture_unref(done);
    return future;
}
