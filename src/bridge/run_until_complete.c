/* SPDX-License-Identifier: BSD-3-Clause */
/* Running a loop for the sake of one future. */
#include <config.h>

#include <stdint.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>

#include "bridge/future.h"

// Stops the loop, unless the run that wanted it has ended: a callback that is queued already cannot be
// removed any more.
int via__stop_when_done(via_future *future, void *run)
{
    return via__future_bridge(future)->runs == (uintptr_t)run ? via_loop_stop(future->loop) : 0;
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
    if (future->loop != loop)
        return VIA_EFOREIGN;
    // Asked before anything hangs on the future: a callback of a done one would stop whoever runs the loop.
    return via__loop_check_run(loop);
}

int via_loop_run_until_complete(via_loop *loop, via_future *future)
{
    int idle = 0, status = check(loop, future);
    if (status < 0)
        return status;
    struct via__bridge *bridge = via__future_bridge(future);
    void *run = (void *)++bridge->runs;
    status = via_future_add_done_callback(future, via__stop_when_done, run);
    if (status < 0)
        return status;
    via_future_ref(future); // and with it the bridge
    status = via__loop_run(loop, nothing_left, &idle);
    bridge->runs++;
    via_future_remove_done_callback(future, via__stop_when_done, run);
    if (status == 0 && future->state == VIA_PENDING)
        status = idle ? VIA_EDEADLK : VIA_ESTOPPED;
    via_future_unref(future);
    return status;
}
