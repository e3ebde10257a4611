/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers: handles in a heap of the loop, from which libevent sees only the first deadline. */
#include <config.h>

#include "base/clock.h"
#include "loop/handle.h"
#include "loop/tick.h"
#include "loop/timer.h"

struct timer {
    via_handle handle;
    struct via__heap_node node;
};

#define TIMER_BYTES 128
_Static_assert(sizeof(struct timer) <= TIMER_BYTES, "a timer fits into its slab");

static struct timer *timer_of(struct via__heap_node *node)
{
    return VIA__CONTAINER_OF(node, struct timer, node);
}

static struct timer *timer_new(via_loop *loop)
{
    if (!loop->timer_handles && !(loop->timer_handles = via__slab_new(TIMER_BYTES)))
        return NULL;
    struct timer *timer = via__slab_alloc(loop->timer_handles);
    if (timer)
        timer->node.index = 0;
    return timer;
}

static int set_timer(via_loop *loop, int64_t when_ns, via_callback_fn fn, void *arg, via_handle **handle)
{
    struct timer *timer = timer_new(loop);
    if (!timer)
        return VIA_ENOMEM;
    timer->node.when_ns = when_ns;
    if (via__heap_insert(&loop->timers, &timer->node) < 0) {
        via__slab_free(timer);
        return VIA_ENOMEM;
    }
    via__handle_init(&timer->handle, VIA__HANDLE_TIMED, loop, fn, arg, handle);
    via__tick_by(loop, when_ns);
    return 0;
}

int via_call_at(via_loop *loop, int64_t when_ns, via_callback_fn fn, void *arg, via_handle **handle)
{
    int status = fn ? via__loop_check(loop) : VIA_EINVAL;
    return status < 0 ? status : set_timer(loop, when_ns, fn, arg, handle);
}

int via_call_later(via_loop *loop, int64_t delay_ns, via_callback_fn fn, void *arg, via_handle **handle)
{
    int status = fn ? via__loop_check(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    int64_t when_ns =
        delay_ns == VIA_FOREVER ? VIA_FOREVER : via__deadline_after(via_loop_time_ns(loop), delay_ns);
    return set_timer(loop, when_ns, fn, arg, handle);
}

int via_handle_when(const via_handle *handle, int64_t *when_ns)
{
    if (!handle || !when_ns || handle->sort != VIA__HANDLE_TIMED)
        return VIA_EINVAL;
    int status = via__loop_check_thread(handle->loop);
    if (status < 0)
        return status;
    *when_ns = ((const struct timer *)handle)->node.when_ns;
    return 0;
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
        via__ready_push(&loop->ready, &timer_of(first)->handle.ready);
    }
}

void via__timers_drop(via_loop *loop)
{
    for (struct via__heap_node *first; (first = via__heap_first(&loop->timers));) {
        via__heap_remove(&loop->timers, first);
        struct via__ready *node = &timer_of(first)->handle.ready;
        node->kind->drop(loop, node);
    }
    via__heap_fini(&loop->timers);
}

int via__timer_take(via_handle *handle)
{
    struct timer *timer = (struct timer *)handle;
    if (!timer->node.index)
        return 0;
    via__heap_remove(&handle->loop->timers, &timer->node);
    via__tick_no_timer(handle->loop);
    return 1;
}
