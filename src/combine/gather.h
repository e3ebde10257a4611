/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gather: many futures as one.
 *
 * A gather is a driven future that watches its children.  Each child is known to be done when its callback
 * has come from the ready queue, or was when the gather was made.  gather_map makes its children itself, one
 * by one, as tasks.
 *
 * Who completes.  advance() does, in the callback of a child, or before the gather is given out.  It ends
 * early with the first error, unless it is to drain.  Once it was asked to stop it ends with its last child.
 *
 * What keeps it alive.  A reference of its own until it is done.  Until then it holds one to each child; what
 * it has not taken of them goes back with that.  The children's errors count as seen from the moment that the
 * gather ends: who wanted to know was told of the first.
 */
#ifndef VIADUCT_COMBINE_GATHER_H
#define VIADUCT_COMBINE_GATHER_H

#include "combine/outcomes.h"
#include <viaduct/task.h>

struct via__gather {
    struct via__driven driven; // first: the block goes with its future
    struct via__outcomes *outcomes;
    unsigned flags;
    int status, code; // the first error, or 0; a child's own rather than VIA_EABORTED
    char *message;
    size_t count;
    size_t pending;         // children that are not known to be done
    size_t begun, to_begin; // children that there are, and that there are to be
    size_t limit;           // of pending ones
    via_task_fn fn;         // gather_map: what makes children, and how
    struct via_task_options child;
    unsigned char aborted;  // the first error was that a child had been cancelled
    unsigned char asked;    // to stop
    unsigned char failed;   // some child did not succeed
    unsigned char draining; // it has asked the children to stop for the first error's sake
    unsigned char telling;  // it is in a list of those whose children are being asked to stop
    size_t told;            // so many places of the items have been
    struct via__gather *next_telling;
    struct via__item items[];
};

// Uninitialised, with the memory that it will need, or NULL.
struct via__gather *via__gather_alloc(size_t count);
void via__gather_free(struct via__gather *gather);

// Makes the future.  `count`, the items and what makes children are set; children that exist are watched.
via_future *via__gather_begin(struct via__gather *gather, struct via__bridge *bridge, unsigned flags);

// 1 for flags that exist.
static inline int via__gather_knows(unsigned flags)
{
    return !(flags & ~(unsigned)(VIA_GATHER_RETURN_ERRORS | VIA_GATHER_DRAIN));
}

#endif
