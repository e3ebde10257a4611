/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "sync/slots.h"

#define FIRST_CAPACITY 16

struct via__queue_slot {
    void *item;
    uint64_t sequence; // among equal priorities
};

// Capacities are powers of two, so that numbers wrap around.
static struct via__queue_slot *slot_at(const struct via_queue *queue, size_t at)
{
    return &queue->slots[(queue->head + at) & (queue->capacity - 1)];
}

int via__slots_reserve(struct via_queue *queue)
{
    if (queue->count < queue->capacity)
        return 0;
    size_t capacity = queue->capacity ? 2 * queue->capacity : FIRST_CAPACITY;
    if (capacity > PTRDIFF_MAX / sizeof *queue->slots)
        return VIA_ENOMEM;
    struct via__queue_slot *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return VIA_ENOMEM;
    for (size_t i = 0; i < queue->count; i++)
        slots[i] = *slot_at(queue, i);
    free(queue->slots);
    queue->slots = slots;
    queue->capacity = capacity;
    queue->head = 0;
    return 0;
}

static int before(const struct via_queue *queue, const struct via__queue_slot *a,
                  const struct via__queue_slot *b)
{
    int order = queue->options.compare(a->item, b->item);
    return order != 0 ? order < 0 : a->sequence < b->sequence;
}

static void sift_up(struct via_queue *queue, struct via__queue_slot slot)
{
    size_t at = queue->count - 1;
    while (at > 0 && before(queue, &slot, &queue->slots[(at - 1) / 2])) {
        queue->slots[at] = queue->slots[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->slots[at] = slot;
}

static void sift_down(struct via_queue *queue, struct via__queue_slot slot)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < queue->count; at = child) {
        if (child + 1 < queue->count && before(queue, &queue->slots[child + 1], &queue->slots[child]))
            child++;
        if (!before(queue, &queue->slots[child], &slot))
            break;
        queue->slots[at] = queue->slots[child];
    }
    queue->slots[at] = slot;
}

void via__slots_push(struct via_queue *queue, void *item)
{
    struct via__queue_slot slot = {item, queue->sequence++};
    queue->count++;
    if (queue->options.order == VIA_QUEUE_PRIORITY)
        sift_up(queue, slot);
    else
        *slot_at(queue, queue->count - 1) = slot;
}

static void *pop_heap(struct via_queue *queue)
{
    void *item = queue->slots[0].item;
    if (--queue->count)
        sift_down(queue, queue->slots[queue->count]);
    return item;
}

void *via__slots_pop(struct via_queue *queue)
{
    switch (queue->options.order) {
    case VIA_QUEUE_PRIORITY:
        return pop_heap(queue);
    case VIA_QUEUE_LIFO:
        return slot_at(queue, --queue->count)->item;
    default:
        queue->count--;
        return queue->slots[queue->head++ & (queue->capacity - 1)].item;
    }
}
