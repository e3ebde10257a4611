/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "executor/queue.h"

#define CHUNK_ITEMS 511 // with the link, 4 KiB

struct via__queue_chunk {
    struct via__queue_chunk *next;
    void *items[CHUNK_ITEMS];
};

static int add_chunk(struct via__queue *queue)
{
    struct via__queue_chunk *chunk = queue->spare;
    if (!chunk)
        chunk = malloc(sizeof *chunk);
    if (!chunk)
        return VIA_ENOMEM;
    queue->spare = NULL;
    chunk->next = NULL;
    if (queue->tail)
        queue->tail->next = chunk;
    else
        queue->head = chunk;
    queue->tail = chunk;
    queue->tail_at = 0;
    return 0;
}

int via__queue_reserve(struct via__queue *queue)
{
    if (queue->spare || (queue->tail && queue->tail_at < CHUNK_ITEMS))
        return 0;
    queue->spare = malloc(sizeof *queue->spare);
    return queue->spare ? 0 : VIA_ENOMEM;
}

int via__queue_push(struct via__queue *queue, void *item)
{
    if (!queue->tail || queue->tail_at == CHUNK_ITEMS) {
        int status = add_chunk(queue);
        if (status < 0)
            return status;
    }
    queue->tail->items[queue->tail_at++] = item;
    queue->count++;
    return 0;
}

static int add_chunk_in_front(struct via__queue *queue)
{
    struct via__queue_chunk *chunk = queue->spare ? queue->spare : malloc(sizeof *chunk);
    if (!chunk)
        return VIA_ENOMEM;
    queue->spare = NULL;
    chunk->next = queue->head;
    queue->head = chunk;
    queue->head_at = CHUNK_ITEMS;
    return 0;
}

int via__queue_push_front(struct via__queue *queue, void *item)
{
    if (queue->count == 0)
        return via__queue_push(queue, item);
    if (queue->head_at == 0) {
        int status = add_chunk_in_front(queue);
        if (status < 0)
            return status;
    }
    queue->head->items[--queue->head_at] = item;
    queue->count++;
    return 0;
}

// One empty chunk is kept, so that a queue that breathes does not allocate.
static void drop_head(struct via__queue *queue)
{
    struct via__queue_chunk *chunk = queue->head;
    queue->head = chunk->next;
    queue->head_at = 0;
    if (!queue->head)
        queue->tail = NULL;
    free(queue->spare);
    queue->spare = chunk;
}

void *via__queue_pop(struct via__queue *queue)
{
    if (queue->count == 0)
        return NULL;
    void *item = queue->head->items[queue->head_at++];
    queue->count--;
    if (queue->count == 0)
        queue->head_at = queue->tail_at = 0; // nothing left means that head and tail are one chunk
    else if (queue->head_at == CHUNK_ITEMS)
        drop_head(queue);
    return item;
}

size_t via__queue_sweep(struct via__queue *queue, int (*dead)(const void *item), void **found,
                        size_t capacity)
{
    size_t swept = 0;
    // Each item is popped once and, unless it is dead, pushed again.  With a spare chunk in hand a push never
    // allocates: the next one is needed only after a whole chunk was popped.
    if (!queue->spare)
        queue->spare = malloc(sizeof *queue->spare);
    if (!queue->spare)
        return 0;
    for (size_t left = queue->count; left > 0; left--) {
        void *item = via__queue_pop(queue);
        if (swept < capacity && dead(item))
            found[swept++] = item;
        else
            (void)via__queue_push(queue, item);
    }
    return swept;
}

void via__queue_fini(struct via__queue *queue)
{
    while (queue->head)
        drop_head(queue);
    free(queue->spare);
    *queue = (struct via__queue){0};
}
