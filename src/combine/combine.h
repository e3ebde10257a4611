/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gather, wait and as_completed share: a list of futures, each watched once.
 *
 * A future that stands in the list twice has one item that counts, its first; the others point to it.  A
 * watch is a callback embedded in the item.  It is called from the ready queue, once, and is taken off before
 * the item goes; all of it belongs to the loop's thread.
 *
 * A future that never had a loop, because it could not be started, is done and shared by all threads: it is
 * only read.
 */
#ifndef VIADUCT_COMBINE_COMBINE_H
#define VIADUCT_COMBINE_COMBINE_H

#include <viaduct/combine.h>
#include <viaduct/error.h>

#include "bridge/future.h"

// How many futures one call may be given.
#define VIA__ITEMS_MOST INT32_MAX

struct via__item {
    struct via__future_callback callback;
    void *owner; // who watches
    via_future *future;
    size_t first; // where this future stands for the first time
    union {
        void *arg;              // gather_map: for the task that is still to be made
        struct via__item *next; // as_completed: the next one that is done
    };
    unsigned char called; // it is known to be done
};

// Fills the items in, and counts the futures that are different: 0, or VIA_ENOMEM.
int via__items_fill(struct via__item *items, via_future *const *futures, size_t count, size_t *different);

// What futures of one list must be: no NULL (VIA_EINVAL), all of one loop (VIA_EFOREIGN), which is the one
// that runs in this thread if one does.  0 with the loop, or NULL where none of them has any.
int via__items_check(via_future *const *futures, size_t count, via_loop **loop);

// Gives back the references of a list that was not accepted, one for each different future.  The futures of
// other threads are sent there for that.
void via__items_refuse(via_future *const *futures, size_t count);

// Has `fn` called with the item once its future, which has a loop, is done.
void via__item_watch(struct via__item *item, via_future_fn fn, void *owner);

static inline int via__item_is_first(const struct via__item *items, size_t at)
{
    return items[at].first == at;
}

// The concurrent future behind; of one that never had a loop too.
static inline via_cfuture *via__item_cf(via_future *future)
{
    return future->loop ? future->cf : &VIA__CONTAINER_OF(future, struct via__pair, future)->cf;
}

// Tells whether a future has finished with an error, without looking at it for the program.
static inline int via__item_finished_badly(via_future *future)
{
    return future->state == VIA_FINISHED && via__item_cf(future)->status < 0;
}

// The next future from `*at` on that is not done, for reports; NULL at the end.
via_future *via__items_next_pending(const struct via__item *items, size_t count, size_t *at);

#endif
