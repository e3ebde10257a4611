/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be asked of a loop, and the checks that come first in its functions. */
#include <config.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"

int via__loop_check_any(const via_loop *loop)
{
    if (!loop)
        return VIA_EINVAL;
    if (loop->generation != via__fork_generation())
        return VIA_EFORKED;
    return via__loop_is_closed(loop) ? VIA_ECLOSED : 0;
}

int via__loop_check_closely(const via_loop *loop)
{
    int status = via__loop_check_any(loop);
    if (status < 0)
        return status;
    // Relaxed, both: this thread wrote them, or uses the loop against the rules.
    if (atomic_load_explicit(&loop->debug, memory_order_relaxed) &&
        atomic_load_explicit(&loop->owner, memory_order_relaxed) != via__loop_thread())
        return VIA_EFOREIGN;
    return loop->closing ? VIA_ECLOSED : 0; // asked by code of the program that the closing calls
}

int via__loop_check_thread_closely(const via_loop *loop)
{
    if (via__loop_is_closed(loop) || loop->generation != via__fork_generation())
        return 0;
    // Relaxed: as above.
    return atomic_load_explicit(&loop->owner, memory_order_relaxed) == via__loop_thread() ? 0 : VIA_EFOREIGN;
}

void via__loop_note_thread_closely(const via_loop *loop, const char *function)
{
    if (via__loop_check_thread_closely(loop) < 0)
        via__log(VIA_LOG_ERROR, "%s() was called outside of the loop's thread", function);
}

int via__loop_leave_to_parent(const via_loop *loop, struct event *event)
{
    if (loop->generation == via__fork_generation())
        return 0;
    event_del(event);
    return 1;
}

int via_loop_is_running(const via_loop *loop)
{
    if (!loop)
        return VIA_EINVAL;
    // Relaxed: it may be over when the caller hears of it.
    return loop->generation == via__fork_generation() &&
           atomic_load_explicit(&loop->running, memory_order_relaxed);
}

int via_loop_is_closed(const via_loop *loop)
{
    return loop ? via__loop_is_closed(loop) : VIA_EINVAL;
}

via_loop *via_loop_current(void)
{
    return via__role.loop;
}

struct event_base *via_loop_base(const via_loop *loop)
{
    return loop && via__loop_check_thread(loop) == 0 ? loop->base : NULL;
}

int64_t via_loop_time_ns(const via_loop *loop)
{
    int status = loop ? via__loop_check_thread(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    return loop->vclock ? loop->vclock->now_ns : via_now_ns();
}

int via_loop_stats(via_loop *loop, struct via_loop_stats *stats)
{
    if (!loop || !stats)
        return VIA_EINVAL;
    if (loop->generation != via__fork_generation())
        return VIA_EFORKED;
    int status = via__loop_check_thread(loop);
    if (status < 0)
        return status;
    *stats = (struct via_loop_stats){
        .ticks = loop->ticks,
        .callbacks = via__loop_callbacks(loop),
        .posts = loop->posts,
        .wakes = loop->wakes,
        .ready = loop->ready.count,
        .timers = loop->timers.count,
        .watches = loop->watches,
        .in_flight = loop->in_flight,
        // Relaxed: a figure.
        .holds = atomic_load_explicit(&loop->holds, memory_order_relaxed),
        .longest_callback_ns = loop->longest_callback_ns,
        .latest_timer_ns = loop->latest_timer_ns,
    };
    return 0;
}
