/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a queue keeps its items: a ring for those that come out in order or last first, a heap for those that
 * come out by priority.  Nobody waits here.
 */
#ifndef VIADUCT_SYNC_SLOTS_H
#define VIADUCT_SYNC_SLOTS_H

#include <viaduct/queue.h>

// Makes room for one more: 0 or VIA_ENOMEM.
int via__slots_reserve(struct via_queue *queue);

// There is room.
void via__slots_push(struct via_queue *queue, void *item);

// There is an item.
void *via__slots_pop(struct via_queue *queue);

#endif
