/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shutting an executor down without blocking the loop.
 *
 * The executor refuses new calls, and cancels what it is to cancel, before this returns.  The waiting is done
 * by a thread of its own, which completes a concurrent future that the loop's wraps; nobody joins the thread,
 * and it outlives the loop if that is closed first.
 */
#include <config.h>

#include <stdlib.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>

#include "base/thread.h"
#include "bridge/shutdown.h"

struct shutdown {
    via_executor *executor;
    via_cfuture *done;
    unsigned flags;
    int64_t timeout_ns;
};

static void free_shutdown(struct shutdown *shutdown)
{
    via_executor_unref(shutdown->executor);
    via_cfuture_unref(shutdown->done);
    free(shutdown);
}

static void *shut_down(void *arg)
{
    struct shutdown *shutdown = arg;
    via__thread_set_name("via-shutdown");
    int status = via_executor_shutdown(shutdown->executor, shutdown->flags, shutdown->timeout_ns);
    // The executor goes first: who sees the future done may expect that this thread has let go of it.
    shutdown->executor = via_executor_unref(shutdown->executor);
    // Somebody may have cancelled the wait; then there is nobody to tell.
    if (status < 0)
        (void)via_cfuture_set_error(shutdown->done, status, 0, NULL);
    else
        (void)via_cfuture_set_result(shutdown->done, NULL, NULL);
    free_shutdown(shutdown);
    return NULL;
}

static int start_waiting(via_executor *executor, unsigned flags, int64_t timeout_ns, via_cfuture *done)
{
    pthread_t thread;
    struct shutdown *shutdown = malloc(sizeof *shutdown);
    if (!shutdown)
        return VIA_ENOMEM;
    *shutdown = (struct shutdown){.executor = via_executor_ref(executor),
                                  .done = via_cfuture_ref(done),
                                  .flags = flags,
                                  .timeout_ns = timeout_ns};
    int status = via__thread_start(&thread, NULL, shut_down, shutdown);
    if (status < 0) {
        free_shutdown(shutdown);
        return status;
    }
    pthread_detach(thread);
    return 0;
}

via_future *via__shutdown_over(struct via__bridge *bridge)
{
    via_future *future = via__promise_new(bridge);
    if (!future)
        return via__future_failed(VIA_ENOMEM);
    via__promise_finish(future, 0, 0, NULL, NULL);
    return future;
}

via_future *via_executor_shutdown_async(via_loop *loop, via_executor *executor, unsigned flags,
                                        int64_t timeout_ns)
{
    via_cfuture *done;
    int status = executor && timeout_ns >= 0 ? via__loop_check(loop) : VIA_EINVAL;
    struct via__bridge *bridge = status == 0 ? via__bridge_of(loop) : NULL;
    if (!bridge)
        return via__future_failed(status < 0 ? status : VIA_ENOMEM);
    // From now on, whatever becomes of the waiting.
    status = via_executor_shutdown(executor, flags, 0);
    if (status == VIA_EINVAL || status == VIA_EFORKED)
        return via__future_failed(status);
    if (status == 0)
        return via__shutdown_over(bridge);
    if (via_cfuture_new(&done) < 0)
        return via__future_failed(VIA_ENOMEM);
    // The wrap comes first: once the thread runs nothing may fail any more.
    via_future *future = via_wrap_future(loop, done);
    if (future->loop) {
        status = start_waiting(executor, flags, timeout_ns, done);
        if (status < 0)
            (void)via_cfuture_set_error(done, status, 0, NULL);
    }
    via_cfuture_unref(done);
    return future;
}
