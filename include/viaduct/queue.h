/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Queues between tasks.
 *
 *     struct via_queue jobs;
 *     via_queue_init(NULL, &(struct via_queue_options){.max_items = 100, .destroy = free}, &jobs);
 *
 *     rc = via_queue_put(&jobs, job);                       // producers; waits while there are 100
 *
 *     while ((rc = via_queue_get(&jobs, &job)) == 0) {      // workers; waits while there are none
 *         work(job);
 *         via_queue_task_done(&jobs);
 *     }
 *     // VIA_ESHUTDOWN: that was all
 *
 *     rc = via_queue_join(&jobs);                           // until every job that was put is done
 *     via_queue_shutdown(&jobs, 0);                         // and send the workers home
 *
 * Items are pointers, NULL too.  They come out in the order they went in, or the last one first, or by
 * priority.  An item goes straight to the task that has waited longest for one, and room in a full queue to
 * the item that has waited longest to come in; so none is lost or taken by somebody else when a task is
 * cancelled. How tasks wait is told in waiters.h.
 */
#ifndef VIADUCT_QUEUE_H
#define VIADUCT_QUEUE_H

#include <viaduct/attr.h>
#include <viaduct/waiters.h>

/** In which order items come out. */
enum via_queue_order {
    VIA_QUEUE_FIFO,    /**< as they went in */
    VIA_QUEUE_LIFO,    /**< the last one first */
    VIA_QUEUE_PRIORITY /**< the one first that `compare` puts first; equal ones as they went in */
};

/** How a queue is to be; all zero is a plain one without a limit. */
struct via_queue_options {
    int order;         /**< an enum via_queue_order */
    int64_t max_items; /**< how many may be in it; 0 for no limit */
    /** By priority: less than 0 if `a` comes before `b`, more than 0 if after, as for qsort().  It must not
     * use the queue. */
    int (*compare)(const void *a, const void *b);
    void (*destroy)(void *item); /**< releases an item that is left inside; NULL for none */
};

struct via__queue_slot;

/** A queue.  Its fields are the library's. */
struct via_queue {
    via_loop *loop;                   /**< whose tasks may use it */
    struct via_queue_options options; /**< what was asked for */
    struct via_waiters getters;       /**< who waits for an item: there are none then */
    struct via_waiters putters;       /**< who waits for room: it is full then */
    struct via_waiters joiners;       /**< who waits until all items are done */
    struct via__queue_slot *slots;    /**< the items */
    size_t capacity;                  /**< how many slots there are: 0 or a power of two */
    size_t head;                      /**< in order: where the first item is */
    size_t count;                     /**< how many items there are */
    size_t unfinished;                /**< items that were put and are not done */
    uint64_t sequence;                /**< the next item's number */
    int is_shut;                      /**< nothing can be put any more */
};

VIA_BEGIN_C

/**
 * Makes a queue.
 *
 * - Ownership: copies `options`; borrows `loop`, and `queue` until via_queue_fini().
 * - Threads: any; the queue is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue`, `LifoQueue`, `PriorityQueue`.
 *
 * @param loop the loop; NULL for the one that runs in this thread.
 * @param options how it is to be; NULL for a plain one.
 * @param queue the queue.
 * @return 0; VIA_EINVAL, also for a negative limit, an unknown order, and priorities without `compare`;
 *         VIA_ESTATE if no loop runs here; VIA_ECLOSED; VIA_EFORKED.
 */
VIA_PUBLIC int via_queue_init(via_loop *loop, const struct via_queue_options *options,
                              struct via_queue *queue);

/**
 * Ends the use of a queue, and destroys the items that are left.
 *
 * - Ownership: gives `queue` back; its items are destroyed.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param queue the queue.
 * @return 0; VIA_EBUSY, and it stays as it is, while a task waits; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_fini(struct via_queue *queue);

/**
 * Puts an item in, and waits in a task for room if there is none.
 *
 * - Ownership: takes the item; on failure it stays the caller's.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task while the queue is full.
 * - Cancel: fails with VIA_ECANCELED, and the item is not in the queue.
 * - Origin: asyncio `Queue.put`.
 *
 * @param queue the queue.
 * @param item the item.
 * @return 0; VIA_ESHUTDOWN, also if it is shut down meanwhile; VIA_ECANCELED; VIA_ENOMEM; VIA_ESTATE outside
 * of a task; VIA_EFOREIGN in another loop or thread; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_put(struct via_queue *queue, void *item) VIA_MUST_USE;

/**
 * Puts an item in if there is room.
 *
 * - Ownership: takes the item; on failure it stays the caller's.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue.put_nowait`.
 *
 * @param queue the queue.
 * @param item the item.
 * @return 0; VIA_EBUSY if it is full; VIA_ESHUTDOWN; VIA_ENOMEM; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_try_put(struct via_queue *queue, void *item) VIA_MUST_USE;

/**
 * Takes an item out, and waits in a task for one if there is none.
 *
 * - Ownership: gives the item.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task while the queue is empty; tasks get items in the order in which they came.
 * - Cancel: fails with VIA_ECANCELED, and no item is lost.
 * - Origin: asyncio `Queue.get`.
 *
 * @param queue the queue.
 * @param item receives the item; untouched on failure.
 * @return 0; VIA_ESHUTDOWN when it was shut down and is empty; VIA_ECANCELED; VIA_ENOMEM; VIA_ESTATE outside
 * of a task; VIA_EFOREIGN in another loop or thread; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_get(struct via_queue *queue, void **item) VIA_MUST_USE;

/**
 * Takes an item out if there is one.
 *
 * - Ownership: gives the item.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue.get_nowait`.
 *
 * @param queue the queue.
 * @param item receives the item; untouched on failure.
 * @return 0; VIA_EAGAIN if it is empty; VIA_ESHUTDOWN when it was shut down and is empty; VIA_EFOREIGN;
 *         VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_try_get(struct via_queue *queue, void **item) VIA_MUST_USE;

/**
 * Says that the work on one item is done.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue.task_done`.
 *
 * @param queue the queue.
 * @return 0; VIA_ESTATE if all items that were put are done already; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_task_done(struct via_queue *queue);

/**
 * Waits in a task until the work on every item that was put is done.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until then; not at all if it is so.
 * - Cancel: fails with VIA_ECANCELED.
 * - Origin: asyncio `Queue.join`.
 *
 * @param queue the queue.
 * @return 0; VIA_ECANCELED; VIA_ENOMEM; VIA_ESTATE outside of a task; VIA_EFOREIGN in another loop or thread;
 *         VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_join(struct via_queue *queue) VIA_MUST_USE;

/**
 * Shuts the queue: nothing can be put any more, and who waits to put fails with VIA_ESHUTDOWN.
 *
 * What is inside can still be taken out, and only then getting fails with VIA_ESHUTDOWN.  If it is to be
 * immediate the items are destroyed here, and count as done.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue.shutdown`.
 *
 * @param queue the queue; one that was shut down before may be emptied this way.
 * @param immediate 1 to leave nothing inside.
 * @return 0; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_shutdown(struct via_queue *queue, int immediate);

/**
 * Counts the items that are inside.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue.qsize`, and `empty`, which is whether this is 0.
 *
 * @param queue the queue.
 * @return how many; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int64_t via_queue_size(const struct via_queue *queue);

/**
 * Tells whether the queue is full.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Queue.full`.
 *
 * @param queue the queue.
 * @return 1 or 0, which it always is without a limit; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_queue_is_full(const struct via_queue *queue);

VIA_END_C

#endif
