/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers: a heap of the loop, from which libevent sees only the first deadline.  They are embedded in what
 * waits; a timed handle is one of those.
 */
#include <config.h>

#include "base/clock.h"
#include "loop/handle.h"
#include "loop/tick.h"
#include "loop/timer.h"

#define TIMED_BYTES 128
_Static_assert(sizeof(struct via__timed) <= TIMED_BYTES, "a timed handle fits into its slab");
_Static_assert(offsetof(struct via__timed, handle.ready) == offsetof(struct via__timer, ready),
               "a timed handle begins with a timer");

static struct via__timer *timer_of(struct via__timed *timed)
{
    return (struct via__timer *)(void *)timed;
}

int via__timer_set(via_loop *loop, struct via__timer *timer, int64_t when_ns)
{
    timer->node.when_ns = when_ns;
    int status = via__heap_insert(&loop->timers, &timer->node);
    if (status < 0)
        return status;
    via__tick_by(loop, when_ns);
    return 0;
}

int via__timer_unset(via_loop *loop, struct via__timer *timer)
{
    if (!timer->node.index)
        return 0;
    via__heap_remove(&loop->timers, &timer->node);
    via__tick_no_timer(loop);
    return 1;
}

static int set_handle(via_loop *loop, int64_t when_ns, via_callback_fn fn, void *arg, via_handle **handle)
{
    if (!loop->timer_handles && !(loop->timer_handles = via__slab_new(TIMED_BYTES)))
        return VIA_ENOMEM;
    struct via__timed *timed = via__slab_alloc(loop->timer_handles);
    if (!timed)
        return VIA_ENOMEM;
    timed->node.index = 0;
    int status = via__timer_set(loop, timer_of(timed), when_ns);
    if (status < 0) {
        via__slab_free(timed);
        return status;
    }
    via__handle_init(&timed->handle, VIA__HANDLE_TIMED, loop, fn, arg, handle);
    return 0;
}

int via_call_at(via_loop *loop, int64_t when_ns, via_callback_fn fn, void *arg, via_handle **handle)
{
    int status = fn ? via__loop_check(loop) : VIA_EINVAL;
    return status < 0 ? status : set_handle(loop, when_ns, fn, arg, handle);
}

int via_call_later(via_loop *loop, int64_t delay_ns, via_callback_fn fn, void *arg, via_handle **handle)
{
    int status = fn ? via__loop_check(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    int64_t when_ns =
        delay_ns == VIA_FOREVER ? VIA_FOREVER : via__deadline_after(via_loop_time_ns(loop), delay_ns);
    return set_handle(loop, when_ns, fn, arg, handle);
}

int via_handle_when(const via_handle *handle, int64_t *when_ns)
{
    if (!handle || !when_ns || handle->sort != VIA__HANDLE_TIMED)
        return VIA_EINVAL;
    int status = via__loop_check_thread(handle->loop);
    if (status < 0)
        return status;
    *when_ns = via__timed_of(handle)->node.when_ns;
    return 0;
}

static struct via__ready *ready_of(struct via__heap_node *node)
{
    return &VIA__CONTAINER_OF(node, struct via__timer, node)->ready;
}

void via__timers_expire(via_loop *loop)
{
    struct via__heap_node *first = via__heap_first(&loop->timers);
    if (!first)
        return;
    int64_t now_ns = via_loop_time_ns(loop);
    for (; first && first->when_ns <= now_ns; first = via__heap_first(&loop->timers)) {
        // A deadline before the clock's zero counts as zero, so that the subtraction stays in range.
        int64_t late_ns = first->when_ns < 0 ? now_ns : now_ns - first->when_ns;
        if (late_ns > loop->latest_timer_ns)
            loop->latest_timer_ns = late_ns;
        via__heap_remove(&loop->timers, first);
        via__ready_push(&loop->ready, ready_of(first));
    }
}

void via__timers_drop(via_loop *loop)
{
    for (struct via__heap_node *first; (first = via__heap_first(&loop->timers));) {
        via__heap_remove(&loop->timers, first);
        struct via__ready *node = ready_of(first);
        node->kind->drop(loop, node);
    }
    via__heap_fini(&loop->timers);
}

int via__timer_take(via_handle *handle)
{
    return via__timer_unset(handle->loop, timer_of(via__timed_of(handle)));
}
