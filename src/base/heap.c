/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include <viaduct/error.h>

#include "base/heap.h"

static int before(const struct via__heap_node *a, const struct via__heap_node *b)
{
    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->sequence < b->sequence;
}

static void place(struct via__heap *heap, struct via__heap_node *node, size_t at)
{
    heap->nodes[at] = node;
    node->index = at + 1;
}

static void sift_up(struct via__heap *heap, struct via__heap_node *node, size_t at)
{
    while (at > 0 && before(node, heap->nodes[(at - 1) / 2])) {
        place(heap, heap->nodes[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(heap, node, at);
}

static void sift_down(struct via__heap *heap, struct via__heap_node *node, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!before(heap->nodes[child], node))
            break;
        place(heap, heap->nodes[child], at);
    }
    place(heap, node, at);
}

void via__heap_fini(struct via__heap *heap)
{
    free(heap->nodes);
    *heap = (struct via__heap){0};
}

int via__heap_reserve(struct via__heap *heap, size_t count)
{
    const size_t most = PTRDIFF_MAX / sizeof *heap->nodes;
    size_t capacity = heap->capacity ? heap->capacity : 16;
    if (count > most)
        return VIA_ENOMEM;
    while (capacity < count)
        capacity = capacity <= most / 2 ? capacity * 2 : most;
    if (capacity == heap->capacity)
        return 0;
    struct via__heap_node **nodes = realloc(heap->nodes, capacity * sizeof *nodes);
    if (!nodes)
        return VIA_ENOMEM;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return 0;
}

int via__heap_insert(struct via__heap *heap, struct via__heap_node *node)
{
    int status = via__heap_reserve(heap, heap->count + 1);
    if (status < 0)
        return status;
    node->sequence = heap->next_sequence++;
    sift_up(heap, node, heap->count++);
    return 0;
}

void via__heap_remove(struct via__heap *heap, struct via__heap_node *node)
{
    if (!node->index)
        return;
    size_t at = node->index - 1;
    struct via__heap_node *last = heap->nodes[--heap->count];
    node->index = 0;
    if (last == node)
        return;
    if (at > 0 && before(last, heap->nodes[(at - 1) / 2]))
        sift_up(heap, last, at);
    else
        sift_down(heap, last, at);
}
