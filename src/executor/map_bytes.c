/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks of a map whose items are bytes: one packed call, or a plain one for a single item. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>

#include "executor/executor.h"
#include "executor/map.h"

static int read_bytes(via_map *map, struct via__chunk *chunk)
{
    const void *in = NULL;
    size_t in_bytes = 0;
    int status = map->options.next_bytes(map->options.source, &in, &in_bytes);
    if (status <= 0)
        return status;
    if (!in && in_bytes)
        return VIA_EINVAL;
    int added = via__pack_add(&chunk->pack, in, in_bytes);
    chunk->count = chunk->pack.count;
    return added < 0 ? added : 1;
}

static int submit_bytes(via_map *map, struct via__chunk *chunk)
{
    struct via_call call = VIA_CALL_BYTES(map->options.bytes_fn, chunk->pack.bytes, chunk->pack.used);
    int status;
    call.timeout_ns = map->options.call_timeout_ns;
    call.retries = map->options.call_retries;
    if (chunk->count == 1) {
        call.in = via__pack_first(&chunk->pack, &call.in_bytes);
        status = via_executor_submit(map->executor, &call, &chunk->cf);
    } else {
        status = via__executor_submit_packed(map->executor, &call, &chunk->cf);
    }
    via__pack_free(&chunk->pack);
    return status;
}

static void give_single(via_map *map, struct via__chunk *chunk, struct via_outcome *outcome)
{
    // A future that is the map's alone can be taken from; nothing else is asked of it.
    if (via_cfuture_take(chunk->cf, outcome) < 0)
        via_cfuture_outcome(chunk->cf, outcome);
    map->held = via_cfuture_ref(chunk->cf);
}

static char *copy_text(const char *text, size_t bytes)
{
    char *copy = bytes ? malloc(bytes + 1) : NULL;
    if (copy) {
        memcpy(copy, text, bytes);
        copy[bytes] = 0;
    }
    return copy;
}

// One item's part of the answer.
static void give_part(via_map *map, const struct via_outcome *whole, const struct via__packed_row *row,
                      struct via_outcome *outcome)
{
    const char *at = (const char *)whole->value + row->at;
    size_t bytes = (size_t)row->bytes;
    *outcome = (struct via_outcome){.status = row->status, .code = row->code, .process = whole->process};
    if (row->status == VIA_EFAILED)
        outcome->message = map->message = copy_text(at, bytes);
    if (row->status < 0 || !bytes)
        return;
    void *value = malloc(bytes);
    if (!value) {
        outcome->status = VIA_ENOMEM;
        return;
    }
    memcpy(value, at, bytes);
    outcome->value = value;
    outcome->bytes = bytes;
    outcome->destroy = free;
}

static void give_bytes(via_map *map, struct via__chunk *chunk, struct via_outcome *outcome)
{
    struct via_outcome whole = {.status = VIA_ECANCELED};
    struct via__packed_row row;
    if (chunk->count == 1) {
        give_single(map, chunk, outcome);
        return;
    }
    via_cfuture_outcome(chunk->cf, &whole);
    if (whole.status < 0) {
        via__map_give_whole(map, chunk, outcome);
        return;
    }
    map->held = via_cfuture_ref(chunk->cf);
    int status = via__packed_row(whole.value, whole.bytes, chunk->count, chunk->given, &row);
    if (status < 0)
        *outcome = (struct via_outcome){.status = status, .process = whole.process};
    else
        give_part(map, &whole, &row, outcome);
}

static void drop_bytes(struct via__chunk *chunk)
{
    via__pack_free(&chunk->pack);
    free(chunk);
}

const struct via__map_kind via__map_bytes = {read_bytes, submit_bytes, give_bytes, drop_bytes};
