/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Async map: a function over many items on an executor, driven by a task, with bounded look-ahead.
 *
 *     struct via_async_map_options options = {.next_item = next_path, .source = &paths, .fn = checksum};
 *     via_async_map *map;
 *     int rc = via_async_map_new(NULL, &options, &map);
 *     if (rc < 0)
 *         return rc;
 *     struct via_outcome sum;
 *     while ((rc = via_async_map_next(map, &sum)) == 1)
 *         use(&sum);
 *     via_async_map_free(map);
 *     return rc;
 *
 * While the task uses one result the next ones are computed, but never more than `ahead`: a slow consumer
 * slows the source down.  map.h has the same for programs without a loop.
 */
#ifndef VIADUCT_ASYNC_MAP_H
#define VIADUCT_ASYNC_MAP_H

#include <viaduct/attr.h>
#include <viaduct/call.h>
#include <viaduct/executor.h>
#include <viaduct/map.h>
#include <viaduct/outcome.h>

/** An async map under way. */
typedef struct via_async_map via_async_map;

/** What to map, and how. */
struct via_async_map_options {
    via_map_source_fn next_item; /**< where the items come from; called in the task, where it may await */
    void *source;                /**< passed to it; borrowed until the map is freed */
    via_call_fn fn;              /**< the function; called on the executor, each item its argument */
    /** Releases an item, exactly once.  NULL if items are borrowed: then via_async_map_free() waits until no
     *  function uses one. */
    void (*destroy_item)(void *item);
    void (*destroy_result)(void *result); /**< releases a result that nobody took; NULL for none */
    size_t ahead;     /**< at most so many items are submitted and not yet given out; 0 for 32 */
    int as_completed; /**< 1: results come as they are there; 0: in the order of the items */
    unsigned flags;   /**< of each call: enum via_call_flags, or'ed */
    int priority;     /**< of each call: enum via_priority */
};

VIA_BEGIN_C

/**
 * Starts a map: submits as much as the look-ahead allows.
 *
 * - Ownership: copies `options`, takes items as it reads them, takes a reference of its own on `executor`;
 *   gives the map.
 * - Threads: a loop's, while it runs; in a task if the source awaits.
 * - Blocks: no, but for the source.
 * - Cancel: via_async_map_free().
 * - Origin: concurrent.futures `Executor.map` with `buffersize`, for tasks; asyncio has none.
 *
 * @param executor the executor; it must run pointer calls; NULL for the loop's default one.
 * @param options what to map.
 * @param map receives the map; untouched on failure.
 * @return 0; VIA_ESTATE if no loop runs here; VIA_ENOMEM; VIA_EINVAL; VIA_ECLOSED; VIA_EFORKED.
 */
VIA_PUBLIC int via_async_map_new(via_executor *executor, const struct via_async_map_options *options,
                                 via_async_map **map);

/**
 * Waits in a task for the next result.
 *
 * The error of one item does not end the map: it is that item's outcome, also if its call could not be
 * started, as on an executor whose queue is full.
 *
 * - Ownership: gives the value to the caller, with the outcome's `destroy`.  A message is good until the next
 *   call.
 * - Threads: the loop's, in a task, one at a time; where a result is there already, anywhere on the loop's
 *   thread.
 * - Blocks: suspends the task until a result is there.
 * - Cancel: fails with VIA_ECANCELED; nothing is lost, and it may be called again.
 * - Origin: concurrent.futures, the iterator of `Executor.map`.
 *
 * @param map the map.
 * @param outcome receives the item's outcome; untouched otherwise.
 * @return 1 with an outcome; 0 at the end; the source's negative status, once all results before it were
 *         given out; VIA_ECANCELED; VIA_EBUSY if another task is in the map; VIA_ESTATE outside of a task;
 *         VIA_EFOREIGN in a task of another loop; VIA_EINVAL.
 */
VIA_PUBLIC int via_async_map_next(via_async_map *map, struct via_outcome *outcome) VIA_MUST_USE;

/**
 * Ends the map: cancels what has not started, and asks the functions that run to stop.
 *
 * If the map borrows its items this comes back only when no function uses one any more.  Outside of a task it
 * cannot wait for that.
 *
 * - Ownership: takes the map; results not given out are destroyed.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the functions that run have returned, if the map borrows its items.
 * - Cancel: this is it; a request does not cut it short.
 * - Origin: concurrent.futures, closing the iterator of `Executor.map`.
 *
 * @param map the map, or NULL; no task waits in it.
 * @return NULL.
 */
VIA_PUBLIC via_async_map *via_async_map_free(via_async_map *map);

VIA_END_C

#endif
