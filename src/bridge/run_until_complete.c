/* SPDX-License-Identifier: BSD-3-Clause */
/* Running a loop for the sake of one future. */
#include <config.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>

#include "bridge/future.h"

static int stop_loop(via_future *future, void *arg)
{
    (void)arg;
    return via_loop_stop(future->loop);
}

// Nothing can happen any more, so the future will never be done.
static int nothing_left(via_loop *loop, void *idle)
{
    (void)loop;
    *(int *)idle = 1;
    return 1;
}

static int check(via_loop *loop, via_future *future)
{
    struct via_outcome outcome;
    int status = future ? via__loop_check(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (!future->loop)
        return via_future_outcome(future, &outcome) < 0 ? VIA_EINVAL : outcome.status;
    return future->loop == loop ? 0 : VIA_EFOREIGN;
}

int via_loop_run_until_complete(via_loop *loop, via_future *future)
{
    int idle = 0, status = check(loop, future);
    if (status < 0)
        return status;
    int looked = future->looked;
    status = via_future_add_done_callback(future, stop_loop, &idle);
    if (status < 0)
        return status;
    via_future_ref(future);
    status = via__loop_run(loop, nothing_left, &idle);
    // A callback that was not run must not stop a later run.
    via_future_remove_done_callback(future, stop_loop, &idle);
    if (status == 0 && future->state == VIA_PENDING)
        status = idle ? VIA_EDEADLK : VIA_ESTOPPED;
    // That this function's own callback was given the future does not mean that anybody has looked.
    future->looked = future->state == VIA_CANCELLED || (looked != 0);
    via_future_unref(future);
    return status;
}
