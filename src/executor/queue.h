/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A FIFO of pointers in chunks: no link inside the objects, so a batch is taken without touching them.
 * Not thread-safe: the pool's lock guards it.
 */
#ifndef VIADUCT_EXECUTOR_QUEUE_H
#define VIADUCT_EXECUTOR_QUEUE_H

#include <stddef.h>

struct via__queue_chunk;

struct via__queue {
    struct via__queue_chunk *head, *tail, *spare;
    size_t head_at, tail_at; // in their chunks
    size_t count;
};

// 0 or VIA_ENOMEM.
int via__queue_push(struct via__queue *queue, void *item);

// The same, before all others.
int via__queue_push_front(struct via__queue *queue, void *item);

// Makes sure that the next push succeeds.  0 or VIA_ENOMEM.
int via__queue_reserve(struct via__queue *queue);

// The oldest item, or NULL.
void *via__queue_pop(struct via__queue *queue);

// Moves the items for which `dead` says so out of the queue into `found`, at most `capacity`; returns how
// many.
size_t via__queue_sweep(struct via__queue *queue, int (*dead)(const void *item), void **found,
                        size_t capacity);

void via__queue_fini(struct via__queue *queue);

#endif
