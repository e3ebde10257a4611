/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/role.h"
#include "executor/executor.h"
#include "executor/packed.h"

#define ALIGNMENT 16

struct head {
    uint64_t number; // of items in the pack, or of bytes in the item
    uint64_t unused;
};
_Static_assert(sizeof(struct head) == ALIGNMENT, "what follows a head is aligned");

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

// ---- the input ----

static int reserve(struct via__pack *pack, size_t bytes)
{
    size_t capacity = pack->capacity ? pack->capacity : 256;
    if (bytes <= pack->capacity)
        return 0;
    while (capacity < bytes)
        capacity = capacity > SIZE_MAX / 2 ? bytes : 2 * capacity;
    char *grown = realloc(pack->bytes, capacity);
    if (!grown)
        return VIA_ENOMEM;
    pack->bytes = grown;
    pack->capacity = capacity;
    return 0;
}

int via__pack_add(struct via__pack *pack, const void *in, size_t in_bytes)
{
    size_t at = pack->used ? pack->used : sizeof(struct head);
    if (in_bytes > SIZE_MAX - at - 4 * ALIGNMENT)
        return VIA_ENOMEM;
    size_t used = at + sizeof(struct head) + aligned(in_bytes);
    int status = reserve(pack, used);
    if (status < 0)
        return status;
    struct head item = {in_bytes, 0}, whole = {++pack->count, 0};
    memcpy(pack->bytes, &whole, sizeof whole);
    memcpy(pack->bytes + at, &item, sizeof item);
    if (in_bytes)
        memcpy(pack->bytes + at + sizeof item, in, in_bytes);
    memset(pack->bytes + at + sizeof item + in_bytes, 0, aligned(in_bytes) - in_bytes);
    pack->used = used;
    return 0;
}

const void *via__pack_first(const struct via__pack *pack, size_t *in_bytes)
{
    struct head item;
    memcpy(&item, pack->bytes + sizeof item, sizeof item);
    *in_bytes = (size_t)item.number;
    return pack->bytes + 2 * sizeof item;
}

void via__pack_free(struct via__pack *pack)
{
    free(pack->bytes);
    *pack = (struct via__pack){NULL, 0, 0, 0};
}

// ---- the run ----

// The call as the function sees it for one item: its answer goes behind those of the items before.
struct item_call {
    struct via_bytes_call call; // first
    struct via_bytes_call *whole;
    size_t at;
};

static void *take_item(struct via_bytes_call *call, size_t bytes)
{
    struct item_call *item = (struct item_call *)(void *)call;
    if (bytes > SIZE_MAX - item->at)
        return NULL;
    char *out = via_bytes_out(item->whole, item->at + bytes);
    if (!out)
        return NULL;
    call->out = out + item->at;
    call->bytes = bytes;
    return call->out;
}

// Takes out what via_fail() has left, so that the next item finds nothing.
static struct via__failure take_failure(void)
{
    struct via__failure none = {0}, *failure = via__role.failure;
    struct via__failure taken = failure ? *failure : none;
    if (failure)
        *failure = none;
    return taken;
}

// A text that finds no room is dropped: the code still arrives.
static void say(struct item_call *item, const char *text, struct via__packed_row *row)
{
    size_t bytes = text ? strlen(text) : 0;
    char *room = bytes ? take_item(&item->call, bytes) : NULL;
    if (!room)
        return;
    memcpy(room, text, bytes);
    row->bytes = bytes;
}

static void run_item(via_bytes_fn fn, struct item_call *item, const void *in, size_t in_bytes,
                     struct via__packed_row *row)
{
    int returned = fn(&item->call, in, in_bytes);
    struct via__failure failure = take_failure();
    *row = (struct via__packed_row){.status = returned > 0 ? VIA_EFAILED : returned,
                                    .code = returned > 0 ? returned : 0};
    if (returned == VIA_EFAILED && failure.given)
        row->code = failure.code;
    if (returned == 0)
        row->bytes = item->call.bytes;
    else if (row->status == VIA_EFAILED)
        say(item, failure.message, row);
    // Where nothing stands there need not be any place.
    row->at = row->bytes ? item->at : 0;
    free(failure.message);
}

static void put_row(const struct via_bytes_call *call, size_t item, const struct via__packed_row *row)
{
    memcpy((char *)call->out + item * sizeof *row, row, sizeof *row);
}

// Makes the table: every item is cancelled unless it runs.
static int begin_answer(struct via_bytes_call *call, size_t count)
{
    struct via__packed_row row = {.status = VIA_ECANCELED};
    if (!via_bytes_out(call, aligned(count * sizeof row)))
        return VIA_ENOMEM;
    for (size_t i = 0; i < count; i++)
        put_row(call, i, &row);
    return 0;
}

// Whoever asks the call to stop does not have to wait for all its items.
static int run_all(via_bytes_fn fn, struct via_bytes_call *call, const char *in, size_t in_bytes)
{
    struct head head;
    memcpy(&head, in, sizeof head);
    size_t count = (size_t)head.number, from = sizeof head;
    int status = begin_answer(call, count);
    size_t end = aligned(count * sizeof(struct via__packed_row));
    for (size_t i = 0; status == 0 && i < count && from < in_bytes && !via_call_cancelled(); i++) {
        struct item_call item = {.call = {.take = take_item}, .whole = call, .at = end};
        struct via__packed_row row;
        memcpy(&head, in + from, sizeof head);
        from += sizeof head;
        run_item(fn, &item, in + from, (size_t)head.number, &row);
        from += aligned((size_t)head.number);
        put_row(call, i, &row);
        if (row.bytes)
            end = aligned((size_t)(row.at + row.bytes));
    }
    // What a failed item had asked for is not part of the answer.
    if (status == 0 && end < call->bytes && !via_bytes_out(call, end))
        status = VIA_ENOMEM;
    return status;
}

int via__packed_call(int is_packed, via_bytes_fn fn, via_bytes_call *call, const void *in, size_t in_bytes)
{
    return is_packed ? run_all(fn, call, in, in_bytes) : fn(call, in, in_bytes);
}

// ---- the answer ----

int via__packed_row(const void *out, size_t bytes, size_t count, size_t item, struct via__packed_row *row)
{
    struct via__packed_row copy;
    if (!out || item >= count || count > bytes / sizeof copy)
        return VIA_ECORRUPT;
    memcpy(&copy, (const char *)out + item * sizeof copy, sizeof copy);
    if (copy.at > bytes || copy.bytes > bytes - copy.at || copy.status > 0 ||
        (copy.code && copy.status != VIA_EFAILED))
        return VIA_ECORRUPT;
    *row = copy;
    return 0;
}
