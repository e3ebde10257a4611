/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Map: a function over many items, results in the order of the items.
 *
 * The items go to the executor in chunks, one call each.  A chunk belongs to the map, which gives out its
 * outcomes, and to its call, which runs the function and releases the items; whoever lets go last releases
 * what was not given out.  So a map can be freed while its calls still run.
 */
#include <config.h>

#include <stdatomic.h>
#include <stdlib.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/map.h>

#include "base/clock.h"
#include "base/role.h"
#include "executor/executor.h"

struct slot {
    void *item;
    void *value;
    char *message;
    int status;
    int code;
    int ran; // the function returned; else the future of the chunk tells what became of the item
};

struct chunk {
    _Atomic int refs;
    via_call_fn fn;
    void (*destroy_item)(void *item);
    void (*destroy_result)(void *result);
    struct chunk *next; // this and the next two are the map's alone
    via_cfuture *cf;
    size_t given; // slots whose outcome was given out
    size_t count;
    size_t capacity;
    struct slot *slots;
};

struct via_map {
    struct via_map_options options;
    via_executor *executor;
    struct chunk *first; // chunks with outcomes to be given out, in order
    struct chunk **end;
    size_t chunk;       // items in a whole chunk
    size_t outstanding; // items submitted and not given out
    int64_t deadline_ns;
    char *message; // of the outcome given out last
    int exhausted; // the source is not asked again
    int status;    // what ended the map early; told after the outcomes that came before it
};

static struct chunk *new_chunk(const struct via_map_options *options)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    atomic_init(&chunk->refs, 1);
    chunk->fn = options->fn;
    chunk->destroy_item = options->destroy_item;
    chunk->destroy_result = options->destroy_result;
    return chunk;
}

static void unref_chunk(struct chunk *chunk)
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
    struct chunk *chunk = arg;
    for (size_t i = 0; chunk->destroy_item && i < chunk->count; i++)
        chunk->destroy_item(chunk->slots[i].item);
    unref_chunk(chunk);
}

// Moves what via_fail() left in the frame of this call to the slot, so that the next item finds none.
static void take_failure(struct slot *slot, const struct chunk *chunk)
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

static void run_item(struct slot *slot, const struct chunk *chunk)
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
    struct chunk *chunk = arg;
    (void)result;
    for (size_t i = 0; i < chunk->count; i++) {
        if (via_call_cancelled())
            return VIA_ECANCELED;
        run_item(&chunk->slots[i], chunk);
    }
    return 0;
}

static int reserve_slot(struct chunk *chunk, size_t most)
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
    struct slot *slots = realloc(chunk->slots, capacity * sizeof *slots);
    if (!slots)
        return VIA_ENOMEM;
    chunk->slots = slots;
    chunk->capacity = capacity;
    return 0;
}

// Reads items until the chunk is whole or the source ends.  A slot is there before its item is taken.
static int read_chunk(via_map *map, struct chunk *chunk)
{
    while (chunk->count < map->chunk) {
        void *item = NULL;
        int status = reserve_slot(chunk, map->chunk);
        if (status == 0)
            status = map->options.next_item(map->options.source, &item);
        if (status <= 0) {
            map->exhausted = 1;
            return status;
        }
        chunk->slots[chunk->count++] = (struct slot){.item = item};
    }
    return 0;
}

// Hands the chunk over, with the reference of the caller; an empty one is dropped.
static int submit_chunk(via_map *map, struct chunk *chunk)
{
    struct via_call call = VIA_CALL(run_chunk, chunk);
    size_t count = chunk->count;
    int status = 0;
    call.destroy = destroy_call;
    if (count > 0) {
        // Relaxed: submitting makes the chunk known to others, and orders all that was written before.
        atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
        status = via_executor_submit(map->executor, &call, &chunk->cf);
    }
    if (count == 0 || status < 0) {
        unref_chunk(chunk);
        return status;
    }
    *map->end = chunk;
    map->end = &chunk->next;
    map->outstanding += count;
    return 0;
}

// Reads and submits one chunk.  What was read before an error of the source is submitted all the same.
static int add_chunk(via_map *map)
{
    struct chunk *chunk = new_chunk(&map->options);
    if (!chunk)
        return VIA_ENOMEM;
    int read = read_chunk(map, chunk);
    int submitted = submit_chunk(map, chunk);
    return submitted < 0 ? submitted : read;
}

// Submits as much as the buffer allows, in whole chunks.
static void fill(via_map *map)
{
    size_t buffer = map->options.buffer ? map->options.buffer : SIZE_MAX;
    while (!map->exhausted && map->status == 0 && buffer - map->outstanding >= map->chunk)
        map->status = add_chunk(map);
}

static void drop_first(via_map *map)
{
    struct chunk *chunk = map->first;
    map->first = chunk->next;
    if (!map->first)
        map->end = &map->first;
    via_cfuture_unref(chunk->cf);
    unref_chunk(chunk);
}

// Cancels what has not started and forgets the rest, which cleans up after itself.
static void abandon(via_map *map)
{
    // A running call is let alone, also one that starts just now: to cancel it would ask it to stop.
    for (struct chunk *chunk = map->first; chunk; chunk = chunk->next) {
        if (!via__cf_forked(chunk->cf))
            (void)via__cf_cancel_pending(chunk->cf);
    }
    while (map->first)
        drop_first(map);
    map->outstanding = 0;
    map->exhausted = 1;
}

static int64_t time_left(const via_map *map)
{
    if (map->deadline_ns == VIA_FOREVER)
        return VIA_FOREVER;
    int64_t left_ns = map->deadline_ns - via_now_ns();
    return left_ns > 0 ? left_ns : 0;
}

static size_t whole_chunk(const struct via_map_options *options)
{
    size_t chunk = options->chunk ? options->chunk : 1;
    return options->buffer && options->buffer < chunk ? options->buffer : chunk;
}

int via_map_new(via_executor *executor, const struct via_map_options *options, via_map **map)
{
    if (!executor || !options || !map || !options->next_item || !options->fn || options->timeout_ns < 0)
        return VIA_EINVAL;
    via_map *made = calloc(1, sizeof *made);
    if (!made)
        return VIA_ENOMEM;
    made->options = *options;
    made->executor = via_executor_ref(executor);
    made->end = &made->first;
    made->chunk = whole_chunk(options);
    made->deadline_ns = options->timeout_ns ? via__deadline(options->timeout_ns) : VIA_FOREVER;
    fill(made);
    int status = made->status;
    if (status < 0)
        via_map_free(made);
    else
        *map = made;
    return status;
}

// The first outcome of the first chunk, which is done; the map keeps the text until the next call.
static void give_out(via_map *map, struct via_outcome *outcome)
{
    struct chunk *chunk = map->first;
    struct slot *slot = &chunk->slots[chunk->given++];
    map->outstanding--;
    if (slot->ran) {
        map->message = slot->message;
        *outcome = (struct via_outcome){.status = slot->status,
                                        .code = slot->code,
                                        .value = slot->value,
                                        .destroy = slot->value ? chunk->destroy_result : NULL,
                                        .message = slot->message};
    } else {
        // The call was cancelled or ended early, and so were those of its items that did not run.
        struct via_outcome whole = {.status = VIA_ECANCELED};
        via_cfuture_outcome(chunk->cf, &whole);
        *outcome = (struct via_outcome){.status = whole.status, .code = whole.code};
    }
    if (chunk->given == chunk->count)
        drop_first(map);
}

int via_map_next(via_map *map, struct via_outcome *outcome)
{
    if (!map || !outcome)
        return VIA_EINVAL;
    free(map->message);
    map->message = NULL;
    if (!map->first)
        return map->status;
    int status = via_cfuture_wait(map->first->cf, time_left(map));
    if (status == VIA_ETIMEDOUT) {
        map->status = status;
        abandon(map);
    }
    if (status < 0)
        return status;
    give_out(map, outcome);
    // Outcomes that were ready are given out late, but nothing new is begun when the time is over.
    if (!map->exhausted && map->status == 0 && time_left(map) == 0)
        map->status = VIA_ETIMEDOUT;
    fill(map);
    return 1;
}

via_map *via_map_free(via_map *map)
{
    if (!map)
        return NULL;
    abandon(map);
    via_executor_unref(map->executor);
    free(map->message);
    free(map);
    return NULL;
}
