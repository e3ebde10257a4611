/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a loop with a base of its own, and stopping any.
 *
 * `running` is the claim of one thread on the loop: taken with acquire, given back with release, so that what
 * one runner did to the loop is visible to the next.
 */
#include <config.h>

#include "base/clock.h"
#include "loop/tick.h"
#include "loop/timer.h"

int via__loop_check_run(const via_loop *loop)
{
    int status = via__loop_check_any(loop);
    if (status < 0)
        return status;
    // Relaxed: enter_run() decides.
    if (via__role.loop || (!loop->is_attached && atomic_load_explicit(&loop->running, memory_order_relaxed)))
        return VIA_ERUNNING;
    return loop->is_attached ? VIA_ENOTSUP : 0;
}

static int enter_run(via_loop *loop, struct via__role_outer *outer)
{
    int status = via__loop_check_run(loop);
    if (status < 0)
        return status;
    int idle = 0;
    // Acquire: pairs with the release in leave_run() of the last runner.
    if (!atomic_compare_exchange_strong_explicit(&loop->running, &idle, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return VIA_ERUNNING;
    status = loop->check_thread ? loop->check_thread(loop) : 0;
    if (status < 0) {
        // Release: as in leave_run().
        atomic_store_explicit(&loop->running, 0, memory_order_release);
        return status;
    }
    via__loop_pin(loop);
    *outer = via__role_enter_loop(loop);
    via__role.vclock = loop->vclock;
    // Relaxed: for debug checks, which order nothing.
    atomic_store_explicit(&loop->owner, via__loop_thread(), memory_order_relaxed);
    return 0;
}

static void leave_run(via_loop *loop, struct via__role_outer outer)
{
    via__role_leave_loop(outer);
    // Relaxed: as in enter_run().
    atomic_store_explicit(&loop->owner, loop->maker, memory_order_relaxed);
    if (loop->close_requested)
        via__loop_close_now(loop); // a callback gave back the last reference
    // Release: pairs with the acquire in enter_run() and via_loop_close().
    atomic_store_explicit(&loop->running, 0, memory_order_release);
    via__loop_unpin(loop);
}

static int run_base(via_loop *loop)
{
    return event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? VIA_EAGAIN : 0;
}

int via__loop_run(via_loop *loop, int (*idle)(via_loop *loop, void *arg), void *arg)
{
    struct via__role_outer outer;
    int status = enter_run(loop, &outer);
    if (status < 0)
        return status;
    loop->idle = idle;
    loop->idle_arg = arg;
    via__tick_after_poll(loop);
    status = run_base(loop);
    loop->idle = NULL;
    leave_run(loop, outer);
    return status;
}

int via_loop_run_forever(via_loop *loop)
{
    return via__loop_run(loop, NULL, NULL);
}

// Has the tick of a step run when there is something to run, or the time is over.
static void arm_step(via_loop *loop, int64_t timeout_ns)
{
    if (timeout_ns == 0 || loop->ready.count || loop->stop_requested || !via__loop_caught_up(loop) ||
        !via__inbox_sleep(&loop->inbox))
        via__tick_after_poll(loop);
    else if (timeout_ns != VIA_FOREVER)
        via__tick_by_real(loop, via__deadline(timeout_ns));
}

int via_loop_step(via_loop *loop, int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return VIA_EINVAL;
    struct via__role_outer outer;
    int status = enter_run(loop, &outer);
    if (status < 0)
        return status;
    uint64_t before = via__loop_callbacks(loop);
    loop->stepping = 1;
    arm_step(loop, timeout_ns);
    status = run_base(loop);
    loop->stepping = 0;
    uint64_t ran = via__loop_callbacks(loop) - before;
    leave_run(loop, outer);
    return status < 0 ? status : ran > INT32_MAX ? INT32_MAX : (int)ran;
}

int via_loop_stop(via_loop *loop)
{
    int status = via__loop_check(loop);
    if (status < 0)
        return status;
    loop->stop_requested = 1;
    via__tick_after_poll(loop);
    return 0;
}
