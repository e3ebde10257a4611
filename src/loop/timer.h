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

// Moves due timers to the ready queue, by deadline and then in the order they were set.
void via__timers_expire(via_loop *loop);

// The loop closes: drops every timer.
void via__timers_drop(via_loop *loop);

// For via_handle_cancel(): takes a timer out of the heap.  1 if it was still there, and its loop's reference
// is now the caller's.
int via__timer_take(via_handle *handle);

#endif
