/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the objects that tasks wait in have in common: locks, events, conditions, semaphores, barriers,
 * queues.
 *
 * They are structs that are put where they are needed, in a variable or in a struct of the program's, and
 * belong to one loop.  Each begins with its `_init` and ends with its `_fini`, which refuses while tasks
 * wait; an object lies still in between.  Only queues allocate memory, so with the others nothing fails for
 * want of it, but for a time limit that cannot be watched.
 *
 * Who waits stands in line, and what is released goes straight to the first of the line: it is the new owner
 * from that moment, before it runs.  So nobody barges in, and what was granted to a task is kept, also if the
 * task is cancelled before it runs: the call succeeds, and the request is seen by the next await.  A task
 * that is cancelled in the line leaves it.  What can be had at once is had, also by a task that was
 * cancelled.
 *
 * A task waits.  Everything that does not wait may be called from callbacks of the loop too, and from where
 * no loop runs, but only in the loop's thread: other threads, and callbacks of other loops, are refused with
 * VIA_EFOREIGN.  The object may outlive its loop only to be finished.
 */
#ifndef VIADUCT_WAITERS_H
#define VIADUCT_WAITERS_H

#include <viaduct/attr.h>

struct via__waiter;

/** The line of tasks that wait.  Its fields are the library's. */
struct via_waiters {
    struct via__waiter *first; /**< the one that is next */
    struct via__waiter *last;  /**< the one that came last */
    size_t count;              /**< how many there are */
};

#endif
