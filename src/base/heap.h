/* SPDX-License-Identifier: BSD-3-Clause */
/* An intrusive binary heap of deadlines.  Equal deadlines come out in the order they went in. */
#ifndef VIADUCT_BASE_HEAP_H
#define VIADUCT_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct via__heap_node {
    int64_t when_ns;
    uint64_t sequence; // given by the heap
    size_t index;      // its place plus one; 0 while it is in no heap
};

struct via__heap {
    struct via__heap_node **nodes;
    size_t count, capacity;
    uint64_t next_sequence;
};

// Zeroed memory is an empty heap.
void via__heap_fini(struct via__heap *heap);

// Makes room for `count` nodes in all, so that inserting that many cannot fail.  0 or VIA_ENOMEM.
int via__heap_reserve(struct via__heap *heap, size_t count);

// 0 or VIA_ENOMEM.
int via__heap_insert(struct via__heap *heap, struct via__heap_node *node);

// Takes a node out, wherever it is; does nothing if it is in no heap.
void via__heap_remove(struct via__heap *heap, struct via__heap_node *node);

static inline struct via__heap_node *via__heap_first(const struct via__heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}

#endif
