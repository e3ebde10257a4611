/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks that stand in line for something.
 *
 * A waiter lies on the stack of its task, from the moment it joins a line until the wait has returned, and is
 * in one line at most.  Everything here belongs to the loop's thread, so nothing is atomic.
 *
 * Who ends a wait.  Either what is waited for is granted, by via__waiter_end(), or the task is interrupted,
 * and via__waiter_cut() ends the wait with VIA_ECANCELED.  Both take the waiter out of the line and wake the
 * task; a task that was woken is not interrupted any more (task.h).  So each wait ends once, and whoever
 * grants something has changed the owner already: the woken task has nothing to look at again, nothing can be
 * taken from it, and nobody has to pass anything on.  That is why there is no state in which an object is
 * free while tasks wait for it, and every object keeps to that.
 */
#ifndef VIADUCT_SYNC_WAITERS_H
#define VIADUCT_SYNC_WAITERS_H

#include <viaduct/waiters.h>

#include "task/task.h"

struct via__waiter {
    struct via__wait wait; // first
    struct via__waiter *next, *prev;
    struct via_waiters *line; // the one in which it stands, or NULL
    struct via__task *task;
    int status; // what its wait ends with
    union {
        void *item; // of a queue: what it brings, or has got
        int index;  // at a barrier
    };
};

// Who uses an object of the loop: 0, VIA_EFOREIGN, VIA_EFORKED, or VIA_EINVAL if there is no loop.
static inline int via__sync_check(const via_loop *loop)
{
    if (!loop)
        return VIA_EINVAL;
    if (via__loop_is_here(loop))
        return 0;
    // Outside of every callback of a loop this is fine where the loop would run.  Relaxed: this thread wrote
    // it, or is told that the loop is not its own.
    if (via__role.loop || atomic_load_explicit(&loop->owner, memory_order_relaxed) != via__loop_thread())
        return VIA_EFOREIGN;
    return loop->generation == via__fork_generation() ? 0 : VIA_EFORKED;
}

// The loop of a new object: 0 with `*bound`, or a negative status.
int via__sync_bind(via_loop *loop, via_loop **bound);

void via__waiters_push(struct via_waiters *line, struct via__waiter *waiter);
void via__waiters_remove(struct via__waiter *waiter);

// Out of the line, with this status; its task goes on in its turn.
void via__waiter_end(struct via__waiter *waiter, int status);

// All of a line, in its order.
void via__waiters_end(struct via_waiters *line, int status);

// via__wait.cancel of those who just leave.
void via__waiter_cut(struct via__task *task, struct via__wait *wait);

// Suspends the running task, when via__task_check_wait() has said 0, until somebody ends this wait: with
// its status; or VIA_ENOMEM.
int via__waiters_wait(struct via_waiters *line, struct via__task *task, const char *what,
                      struct via__waiter *waiter);

#endif
