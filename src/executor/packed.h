/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed calls: one bytes call that runs its function over several items, each with an outcome of its own.
 *
 * The input is a head and the items one after the other, each behind its length.  The answer is a table with
 * a row for each item and then what the items answered.  Everything begins at a multiple of 16 bytes, so that
 * functions find any object aligned.  The answer may come from a worker process: a row is copied and then
 * checked, whatever it says.
 */
#ifndef VIADUCT_EXECUTOR_PACKED_H
#define VIADUCT_EXECUTOR_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include <viaduct/call.h>

// The input while it is put together; begins with zeros.
struct via__pack {
    char *bytes;
    size_t used, capacity;
    size_t count;
};

// Copies an item in: 0 or VIA_ENOMEM, and then the pack is as before.
int via__pack_add(struct via__pack *pack, const void *in, size_t in_bytes);

// The first item, as it was added.  Of a pack that has one.
const void *via__pack_first(const struct via__pack *pack, size_t *in_bytes);
void via__pack_free(struct via__pack *pack);

// What one item has answered.
struct via__packed_row {
    int32_t status, code; // of its outcome
    uint64_t at;          // where its value is, or the text if its status is VIA_EFAILED
    uint64_t bytes;
};

// Calls a bytes function with its input; if `is_packed`, with each item.
int via__packed_call(int is_packed, via_bytes_fn fn, via_bytes_call *call, const void *in, size_t in_bytes);

// The row of an item in the answer for `count` items: 0, or VIA_ECORRUPT if it cannot be.
int via__packed_row(const void *out, size_t bytes, size_t count, size_t item, struct via__packed_row *row);

#endif
