/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Map: a function over many items, results in the order of the items.
 *
 * The items go to the executor in chunks, one call each.  A map can be freed while its calls still run: what
 * a call needs is its own.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>

#include "base/clock.h"
#include "executor/executor.h"
#include "executor/map.h"

static struct via__chunk *new_chunk(void)
{
    struct via__chunk *chunk = calloc(1, sizeof *chunk);
    if (chunk)
        atomic_init(&chunk->refs, 1);
    return chunk;
}

// Reads items until the chunk is whole or the source ends.
static int read_chunk(via_map *map, struct via__chunk *chunk)
{
    while (chunk->count < map->chunk) {
        int status = map->kind->read(map, chunk);
        if (status <= 0) {
            map->exhausted = 1;
            return status;
        }
    }
    return 0;
}

// Hands the chunk over; an empty one is dropped.
static int submit_chunk(via_map *map, struct via__chunk *chunk)
{
    int status = chunk->count > 0 ? map->kind->submit(map, chunk) : 0;
    if (!chunk->cf) {
        map->kind->drop(chunk);
        return status;
    }
    *map->end = chunk;
    map->end = &chunk->next;
    map->outstanding += chunk->count;
    return 0;
}

// Reads and submits one chunk.  What was read before an error of the source is submitted all the same.
static int add_chunk(via_map *map)
{
    struct via__chunk *chunk = new_chunk();
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
    struct via__chunk *chunk = map->first;
    map->first = chunk->next;
    if (!map->first)
        map->end = &map->first;
    via_cfuture_unref(chunk->cf);
    map->kind->drop(chunk);
}

// Cancels what has not started and forgets the rest, which cleans up after itself.
static void abandon(via_map *map)
{
    // A running call is let alone, also one that starts just now: to cancel it would ask it to stop.
    for (struct via__chunk *chunk = map->first; chunk; chunk = chunk->next) {
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

// 0 or VIA_EINVAL.
static int choose_kind(const struct via_map_options *options, const struct via__map_kind **kind)
{
    int items = options->next_item && options->fn;
    int bytes = options->next_bytes && options->bytes_fn;
    int any_items = options->next_item || options->fn || options->destroy_item || options->destroy_result;
    int any_bytes = options->next_bytes || options->bytes_fn;
    if (items == bytes || (any_items && any_bytes) || options->timeout_ns < 0 ||
        options->call_timeout_ns < 0 || options->call_retries < 0)
        return VIA_EINVAL;
    *kind = bytes ? &via__map_bytes : &via__map_items;
    return 0;
}

int via_map_new(via_executor *executor, const struct via_map_options *options, via_map **map)
{
    const struct via__map_kind *kind;
    if (!executor || !options || !map || choose_kind(options, &kind) < 0)
        return VIA_EINVAL;
    via_map *made = calloc(1, sizeof *made);
    if (!made)
        return VIA_ENOMEM;
    made->kind = kind;
    made->options = *options;
    made->executor = via_executor_ref(executor);
    made->end = &made->first;
    // An executor of the program's own may call the function itself, with one item.
    made->chunk = options->bytes_fn && !executor->kind->packs ? 1 : whole_chunk(options);
    made->deadline_ns = options->timeout_ns ? via__deadline(options->timeout_ns) : VIA_FOREVER;
    fill(made);
    int status = made->status;
    if (status < 0)
        via_map_free(made);
    else
        *map = made;
    return status;
}

// A text for one of several items, if their call has failed as a whole.
static char *tell_whole(const struct via__chunk *chunk, const struct via_outcome *whole)
{
    char *text = NULL;
    if (chunk->count == 1 || whole->status == VIA_ECANCELED)
        return NULL;
    if (asprintf(
            &text,
            "%s (this is item %zu of %zu that were given to a worker together: any of them may be to blame)",
            whole->message ? whole->message : via_status_text(whole->status), chunk->given + 1,
            chunk->count) < 0)
        return NULL;
    return text;
}

void via__map_give_whole(via_map *map, struct via__chunk *chunk, struct via_outcome *outcome)
{
    struct via_outcome whole = {.status = VIA_ECANCELED};
    via_cfuture_outcome(chunk->cf, &whole);
    map->held = via_cfuture_ref(chunk->cf);
    map->message = tell_whole(chunk, &whole);
    *outcome = (struct via_outcome){.status = whole.status,
                                    .code = whole.code,
                                    .message = map->message ? map->message : whole.message,
                                    .process = whole.process};
}

// The first outcome of the first chunk, which is done.
static void give_out(via_map *map, struct via_outcome *outcome)
{
    struct via__chunk *chunk = map->first;
    map->kind->give(map, chunk, outcome);
    chunk->given++;
    map->outstanding--;
    if (chunk->given == chunk->count)
        drop_first(map);
}

// What the outcome given out last has borrowed.
static void let_go_of_last(via_map *map)
{
    free(map->message);
    map->message = NULL;
    map->held = via_cfuture_unref(map->held);
}

int via_map_next(via_map *map, struct via_outcome *outcome)
{
    if (!map || !outcome)
        return VIA_EINVAL;
    let_go_of_last(map);
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
    let_go_of_last(map);
    free(map);
    return NULL;
}
