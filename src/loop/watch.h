/* SPDX-License-Identifier: BSD-3-Clause */
/* What is watched through an event of libevent's: a descriptor for one direction, or a signal. */
#ifndef VIADUCT_LOOP_WATCH_H
#define VIADUCT_LOOP_WATCH_H

#include "loop/loop.h"

// Watches, or gives an existing watch a new callback.  `slot` is its place in `table`; `what` are libevent's
// EV_ flags.  0, VIA_ENOMEM or another negative errno.
int via__watch_set(via_loop *loop, struct via__watch_table *table, size_t slot, int fd, short what,
                   via_callback_fn fn, void *arg);

// 1 if there was one.
int via__watch_clear(via_loop *loop, struct via__watch_table *table, size_t slot);

// The loop closes.
void via__watch_clear_all(via_loop *loop, struct via__watch_table *table);

#endif
