/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks of a map whose items are pointers: the call works on the map's own slots. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>

#include "base/role.h"
#include "executor/executor.h"
#include "executor/map.h"

static void unref_chunk(struct via__chunk *chunk)
{
    // Release and acquire: what the other owner did to the slots comes before they are freed here.
    if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = chunk->given; i < chunk->count; i++) {
        if (chunk->slots[i].value && chunk->destroy_result)
            chunk->destroy_result(chunk->slots[i].value);
        free(chunk->slots[i].message);
    }
    free(chunk->slots);
    free(chunk);
}

// The call's payload is over, run or not.
static void destroy_call(void *arg)
{
    struct via__chunk *chunk = arg;
    for (size_t i = 0; chunk->destroy_item && i < chunk->count; i++)
        chunk->destroy_item(chunk->slots[i].item);
    unref_chunk(chunk);
}

// Moves what via_fail() left in the frame of this call to the slot, so that the next item finds none.
static void take_failure(struct via__map_slot *slot, const struct via__chunk *chunk)
{
    struct via__frame *frame = via__role.frame;
    // An executor that calls the function by itself has no frame; then there is no text either.
    if (!frame || frame->arg != chunk)
        return;
    if (slot->status == VIA_EFAILED) {
        slot->message = frame->failure.message;
        frame->failure.message = NULL;
        if (frame->failure.given && slot->code == 0)
            slot->code = frame->failure.code;
    }
    free(frame->failure.message);
    frame->failure.message = NULL;
    frame->failure.given = 0;
    frame->failure.code = 0;
}

static void run_item(struct via__map_slot *slot, const struct via__chunk *chunk)
{
    void *value = NULL;
    int returned = chunk->fn(slot->item, &value);
    slot->status = returned > 0 ? VIA_EFAILED : returned;
    slot->code = returned > 0 ? returned : 0;
    take_failure(slot, chunk);
    // A failed item has no value, as a failed call has none.
    if (slot->status == 0)
        slot->value = value;
    else if (value && chunk->destroy_result)
        chunk->destroy_result(value);
    slot->ran = 1;
}

// Whoever asks the call to stop does not have to wait for all its items: the rest count as cancelled.
static int run_chunk(void *arg, void **result)
{
    struct via__chunk *chunk = arg;
    (void)result;
    for (size_t i = 0; i < chunk->count; i++) {
        if (via_call_cancelled())
            return VIA_ECANCELED;
        run_item(&chunk->slots[i], chunk);
    }
    return 0;
}

static int reserve_slot(struct via__chunk *chunk, size_t most)
{
    if (chunk->count < chunk->capacity)
        return 0;
    size_t capacity = chunk->capacity ? chunk->capacity : 4;
    if (chunk->capacity) {
        if (capacity > SIZE_MAX / 2 / sizeof *chunk->slots)
            return VIA_ENOMEM;
        capacity *= 2;
    }
    if (capacity > most)
        capacity = most;
    struct via__map_slot *slots = realloc(chunk->slots, capacity * sizeof *slots);
    if (!slots)
        return VIA_ENOMEM;
    chunk->slots = slots;
    chunk->capacity = capacity;
    return 0;
}

// A slot is there before its item is taken.
static int read_item(via_map *map, struct via__chunk *chunk)
{
    void *item = NULL;
    int status = reserve_slot(chunk, map->chunk);
    if (status == 0)
        status = map->options.next_item(map->options.source, &item);
    if (status > 0)
        chunk->slots[chunk->count++] = (struct via__map_slot){.item = item};
    return status;
}

static int submit_items(via_map *map, struct via__chunk *chunk)
{
    struct via_call call = VIA_CALL(run_chunk, chunk);
    call.destroy = destroy_call;
    call.timeout_ns = map->options.call_timeout_ns;
    call.retries = map->options.call_retries;
    chunk->fn = map->options.fn;
    chunk->destroy_item = map->options.destroy_item;
    chunk->destroy_result = map->options.destroy_result;
    // Relaxed: submitting makes the chunk known to others, and orders all that was written before.
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
    return via_executor_submit(map->executor, &call, &chunk->cf);
}

static void give_item(via_map *map, struct via__chunk *chunk, struct via_outcome *outcome)
{
    struct via__map_slot *slot = &chunk->slots[chunk->given];
    if (!slot->ran) {
        // The call was cancelled or ended early, and so were those of its items that did not run.
        via__map_give_whole(map, chunk, outcome);
        return;
    }
    map->message = slot->message;
    *outcome = (struct via_outcome){.status = slot->status,
                                    .code = slot->code,
                                    .value = slot->value,
                                    .destroy = slot->value ? chunk->destroy_result : NULL,
                                    .message = slot->message};
}

const struct via__map_kind via__map_items = {read_item, submit_items, give_item, unref_chunk};
