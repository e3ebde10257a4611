/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps, inside: what drives a map (map.c), and the two kinds of chunks it is made of.
 *
 * Items that are pointers (map_items.c) go to an executor that shares memory; items that are bytes
 * (map_bytes.c) go anywhere, several packed into one call.
 */
#ifndef VIADUCT_EXECUTOR_MAP_H
#define VIADUCT_EXECUTOR_MAP_H

#include <stdatomic.h>
#include <stddef.h>

#include <viaduct/map.h>

#include "executor/packed.h"

struct via__map_slot {
    void *item;
    void *value;
    char *message;
    int status;
    int code;
    int ran; // the function returned; else the future of the chunk tells what became of the item
};

struct via__chunk {
    struct via__chunk *next;
    via_cfuture *cf;
    size_t given; // items whose outcome was given out
    size_t count;
    // Of pointers: its owners are the map, which gives out the outcomes, and the call, which runs the
    // function and releases the items; whoever lets go last releases what was not given out.
    _Atomic int refs;
    via_call_fn fn;
    void (*destroy_item)(void *item);
    void (*destroy_result)(void *result);
    size_t capacity;
    struct via__map_slot *slots;
    // Of bytes, until it is submitted.
    struct via__pack pack;
};

struct via__map_kind {
    // The next item into the chunk: 1; 0 at the end of the source; a negative status.
    int (*read)(via_map *map, struct via__chunk *chunk);
    // Hands the chunk over: 0 with `cf` set, or a negative status.
    int (*submit)(via_map *map, struct via__chunk *chunk);
    // The outcome of the item whose turn it is, of a chunk whose call is done.
    void (*give)(via_map *map, struct via__chunk *chunk, struct via_outcome *outcome);
    // The map lets go of the chunk.
    void (*drop)(struct via__chunk *chunk);
};

extern const struct via__map_kind via__map_items, via__map_bytes;

struct via_map {
    const struct via__map_kind *kind;
    struct via_map_options options;
    via_executor *executor;
    struct via__chunk *first; // chunks with outcomes to be given out, in order
    struct via__chunk **end;
    size_t chunk;       // items in a whole chunk
    size_t outstanding; // items submitted and not given out
    int64_t deadline_ns;
    char *message;     // of the outcome given out last, and the
    via_cfuture *held; // future that the rest of it lies in
    int exhausted;     // the source is not asked again
    int status;        // what ended the map early; told after the outcomes that came before it
};

// What became of an item of which nothing is known but what became of its chunk.
void via__map_give_whole(via_map *map, struct via__chunk *chunk, struct via_outcome *outcome);

#endif
