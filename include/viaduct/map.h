/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Map: a function over many items on an executor, results in the order of the items.
 */
#ifndef VIADUCT_MAP_H
#define VIADUCT_MAP_H

#include <viaduct/attr.h>
#include <viaduct/call.h>
#include <viaduct/executor.h>

/** Gives the next item: 1 with `*item` set, 0 at the end, or a negative status.  May go on for ever. */
typedef int (*via_map_source_fn)(void *source, void **item);

/** Gives the next item of a map over bytes: 1 with `*in` and `*in_bytes` set, 0 at the end, or a negative
 *  status.  The bytes are copied before it is called again.  May go on for ever. */
typedef int (*via_map_bytes_source_fn)(void *source, const void **in, size_t *in_bytes);

/** A map under way. */
typedef struct via_map via_map;

/** What to map, and how: pointers (`next_item` and `fn`), or bytes (`next_bytes` and `bytes_fn`), which also
 *  run in other processes. */
struct via_map_options {
    via_map_source_fn next_item; /**< where the items come from; called in the thread that drives the map */
    void *source;                /**< passed to it; borrowed until the map is freed */
    via_call_fn fn;              /**< the function; called with each item as its argument */
    void (*destroy_item)(void *item);     /**< releases an item, exactly once; NULL for none */
    void (*destroy_result)(void *result); /**< releases a result that nobody took; NULL for none */
    size_t chunk; /**< so many items go to a worker in one call; 0 for 1; never more than `buffer` */
    /** At most so many items are submitted and not yet given out; 0 submits all of them at once, so the
     *  source must end.  On an executor that refuses calls when its queue is full, `buffer / chunk` calls
     * have to find room, or the map ends with VIA_EBUSY. */
    size_t buffer;
    int64_t timeout_ns; /**< how long the whole map may take, in nanoseconds from its start; 0 for no limit */
    via_map_bytes_source_fn next_bytes; /**< where items that are bytes come from, instead of `next_item` */
    /** The function over bytes, instead of `fn`.  A chunk is one call to the executor: a worker process that
     *  crashes costs all its items, and via_call_cancelled() is that of the chunk.  The answers of a chunk
     *  together must not be longer than what the executor allows one call.  An executor of the program's own
     *  is given each item by itself. */
    via_bytes_fn bytes_fn;
    int64_t
        call_timeout_ns; /**< via_call::timeout_ns of each chunk, which fails as a whole; 0 for no limit */
    int call_retries;    /**< via_call::retries of each chunk, whose items then run again; 0 for never */
};

VIA_BEGIN_C

/**
 * Starts a map: submits as much as the buffer allows.
 *
 * - Ownership: copies `options`, takes items as it reads them, takes a reference of its own on `executor`;
 *   gives the map.
 * - Threads: any; the map is for one thread at a time.
 * - Blocks: no, but for the source.
 * - Cancel: via_map_free() cancels what has not started.
 * - Origin: concurrent.futures `Executor.map`, with `chunksize` and `buffersize`.
 *
 * @param executor the executor; it must run pointer calls, or bytes calls for a map over bytes.
 * @param options what to map.
 * @param map receives the map; untouched on failure.
 * @return 0; VIA_EINVAL for NULLs, a mixture of pointers and bytes, or a negative time or
 *         number; what via_executor_submit() returns, VIA_ENOTSUP also where `call_timeout_ns` or
 *         `call_retries` is set and the executor cannot end a function; the source's negative status;
 * VIA_ENOMEM.  On failure what was submitted is cancelled.
 */
VIA_PUBLIC int via_map_new(via_executor *executor, const struct via_map_options *options, via_map **map);

/**
 * Waits for the next result, in the order of the items.
 *
 * The error of one item does not end the map: it is that item's outcome, and the next call goes on.
 *
 * Where a call of several items has failed as a whole, as in a worker process that crashed, that is the
 * outcome of each of them, and the message says so.
 *
 * - Ownership: gives the value to the caller, with the outcome's `destroy`.  A message and
 *   via_outcome::process are good until the next call.
 * - Threads: one at a time.
 * - Blocks: until the result is there or the map's time is over.
 * - Cancel: not applicable.
 * - Origin: the iterator of concurrent.futures `Executor.map`; that an error does not end it is as in 3.15.
 *
 * @param map the map.
 * @param outcome receives the item's outcome; untouched otherwise.
 * @return 1 with an outcome; 0 at the end; VIA_ETIMEDOUT when the map's time is over, and then it has ended
 *         and what had not started is cancelled; the source's negative status, or what submitting the next
 *         items returned, once the results before it were given out; VIA_EDEADLK; VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_map_next(via_map *map, struct via_outcome *outcome);

/**
 * Ends the map: cancels what has not started and lets the rest run out.
 *
 * - Ownership: takes the map; results not given out are destroyed as they come.
 * - Threads: one at a time.
 * - Blocks: no.
 * - Cancel: this is it.
 * - Origin: closing the iterator of concurrent.futures `Executor.map`.
 *
 * @param map the map, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_map *via_map_free(via_map *map);

VIA_END_C

#endif
