/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_LOOP_TIMER_H
#define VIADUCT_LOOP_TIMER_H

#include <viaduct/time.h>

#include "loop/loop.h"

// When the first timer is due, or VIA_FOREVER.
static inline int64_t via__timers_next(const via_loop *loop)
{
    const struct via__heap_node *first = via__heap_first(&loop->timers);
    return first ? first->when_ns : VIA_FOREVER;
}

// A timer to be embedded in whatever waits for a time.  Zeroed memory is one that is not set; whoever embeds
// it sets `ready.kind`.  When it is due its node is queued, and it may be set again once that has run.
struct via__timer {
    struct via__heap_node node;
    struct via__ready ready;
};

// Sets a timer that is neither set nor queued, for a time of the loop's clock; with VIA_FOREVER it is never
// due.  0, or VIA_ENOMEM and it is not set.  Not once the loop has told its closers.
int via__timer_set(via_loop *loop, struct via__timer *timer, int64_t when_ns);

// 1 if the timer was set and is no more; 0 if it was not, or is due and queued already.
int via__timer_unset(via_loop *loop, struct via__timer *timer);

// Moves due timers to the ready queue, by deadline and then in the order they were set.
void via__timers_expire(via_loop *loop);

// The loop closes: drops every timer.
void via__timers_drop(via_loop *loop);

// For via_handle_cancel(): takes the timer of a handle out of the heap.  1 if it was still there, and its
// loop's reference is now the caller's.
int via__timer_take(via_handle *handle);

#endif
