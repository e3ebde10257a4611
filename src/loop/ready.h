/* SPDX-License-Identifier: BSD-3-Clause */
/* The ready queue: what the loop will run, first in first out.  Touched only by the loop's thread. */
#ifndef VIADUCT_LOOP_READY_H
#define VIADUCT_LOOP_READY_H

#include <stddef.h>

#include <viaduct/attr.h>

struct via__ready;

// What becomes of a node.  Exactly one of the two is called for each time it was queued.
struct via__ready_kind {
    void (*run)(via_loop *loop, struct via__ready *node);
    // The loop was closed first.  May not run code of the program, nor queue anything.
    void (*drop)(via_loop *loop, struct via__ready *node);
    // A node that is queued during a tick may run in the same tick: see tick.c.
    int prompt;
};

// To be embedded in whatever is to run.  It belongs to the queue until `run` or `drop` is called.
struct via__ready {
    struct via__ready *next;
    const struct via__ready_kind *kind;
};

struct via__ready_queue {
    struct via__ready *first, *last;
    size_t count;
};

static inline void via__ready_push(struct via__ready_queue *queue, struct via__ready *node)
{
    node->next = NULL;
    if (queue->count++ == 0)
        queue->first = node;
    else
        queue->last->next = node;
    queue->last = node;
}

// The queue must not be empty.
static inline struct via__ready *via__ready_pop(struct via__ready_queue *queue)
{
    struct via__ready *node = queue->first;
    queue->first = node->next;
    queue->count--;
    return node;
}

#endif
