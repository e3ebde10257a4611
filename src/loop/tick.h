/* SPDX-License-Identifier: BSD-3-Clause */
/* What makes ticks happen.  Called in the loop's thread. */
#ifndef VIADUCT_LOOP_TICK_H
#define VIADUCT_LOOP_TICK_H

#include "loop/loop.h"

// Tells whether the next tick need not wait for anything.
static inline int via__something_to_run(const via_loop *loop)
{
    return loop->ready.count || loop->backlog || loop->stop_requested || loop->close_requested;
}

// Calls in flight and holds: somebody else will send something.  To be asked before the inbox is looked at.
static inline int via__loop_awaits_others(const via_loop *loop)
{
    // Acquire: pairs with the release in via_loop_release(): what its thread sent before is in the inbox.
    return loop->in_flight || atomic_load_explicit(&loop->holds, memory_order_acquire);
}

// With a virtual clock: somebody else will send something before the time moves.  Calls that sleep, or wait
// for what needs time themselves, will not.  To be asked before the inbox is looked at.
static inline int via__time_is_held(via_loop *loop)
{
    // Acquire: as above.
    return atomic_load_explicit(&loop->holds, memory_order_acquire) ||
           (loop->in_flight && loop->calls_need_time(loop) < loop->in_flight);
}

// The callbacks of `tick_event` and `wake_event`.
void via__on_tick(evutil_socket_t fd, short what, void *arg);
void via__on_wake(evutil_socket_t fd, short what, void *arg);

// Has a tick run after this poll; only from the callback of an event.
void via__tick_this_poll(via_loop *loop);

// The same by a time of the real clock.
void via__tick_by_real(via_loop *loop, int64_t when_ns);

// The earliest deadline has become `when_ns`, or earlier.
void via__tick_by(via_loop *loop, int64_t when_ns);

// Prepares for the next tick when one has ended: at once, at the first deadline, or when something is sent.
void via__tick_arm(via_loop *loop);

// nap.c: the time until which the loop should sleep without being signalled; 0 if it should not.
int64_t via__nap_until(via_loop *loop);

// A timer was taken out: if it was the last, no tick is due for it.
void via__tick_no_timer(via_loop *loop);

#endif
