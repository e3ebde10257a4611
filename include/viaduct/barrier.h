/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A barrier: tasks wait at it until there are enough of them, and then go on together.
 *
 *     int index;
 *     int rc = via_barrier_wait(&round, &index);
 *     if (rc == 0 && index == 0)
 *         report();                                    // one of them does
 *
 * It can be used again at once: who comes after the last of a round belongs to the next one, even before the
 * others have gone on.  How tasks wait is told in waiters.h.
 */
#ifndef VIADUCT_BARRIER_H
#define VIADUCT_BARRIER_H

#include <viaduct/attr.h>
#include <viaduct/waiters.h>

/** A barrier.  Its fields are the library's. */
struct via_barrier {
    via_loop *loop;             /**< whose tasks may wait at it */
    struct via_waiters waiters; /**< who waits */
    int parties;                /**< how many make a round */
    int broken;                 /**< it was aborted */
};

VIA_BEGIN_C

/**
 * Makes a barrier.
 *
 * - Ownership: borrows `loop`, and `barrier` until via_barrier_fini().
 * - Threads: any; the barrier is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Barrier`.
 *
 * @param loop the loop; NULL for the one that runs in this thread.
 * @param parties how many tasks go on together; 1 at least.
 * @param barrier the barrier.
 * @return 0; VIA_EINVAL, also for less than one party; VIA_ESTATE if no loop runs here; VIA_ECLOSED;
 *         VIA_EFORKED.
 */
VIA_PUBLIC int via_barrier_init(via_loop *loop, int parties, struct via_barrier *barrier);

/**
 * Ends the use of a barrier.
 *
 * - Ownership: gives `barrier` back.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: pthread_barrier_destroy().
 *
 * @param barrier the barrier.
 * @return 0; VIA_EBUSY, and it stays as it is, while a task waits; VIA_EINVAL.
 */
VIA_PUBLIC int via_barrier_fini(struct via_barrier *barrier);

/**
 * Waits in a task until enough tasks wait.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task; the last of a round goes on at once.
 * - Cancel: fails with VIA_ECANCELED, and the task does not count any more.
 * - Origin: asyncio `Barrier.wait`.
 *
 * @param barrier the barrier.
 * @param index receives a number from 0 on, another one for each task of the round, in the order in which
 * they came; untouched on failure; may be NULL.
 * @return 0; VIA_ECANCELED; VIA_EBROKEN if the barrier was aborted, or was reset while the task waited;
 *         VIA_ESTATE outside of a task; VIA_EFOREIGN in another loop or thread; VIA_EFORKED; VIA_ENOMEM;
 *         VIA_EINVAL.
 */
VIA_PUBLIC int via_barrier_wait(struct via_barrier *barrier, int *index) VIA_MUST_USE;

/**
 * Begins anew: those who wait fail with VIA_EBROKEN, and those who come wait for a new round.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Barrier.reset`.
 *
 * @param barrier the barrier, also one that was aborted.
 * @return 0; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_barrier_reset(struct via_barrier *barrier);

/**
 * Breaks the barrier: those who wait fail with VIA_EBROKEN, and so do those who come, until it is reset.
 *
 * For a task that cannot take part any more, so that the others do not wait for ever.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Barrier.abort`.
 *
 * @param barrier the barrier.
 * @return as via_barrier_reset().
 */
VIA_PUBLIC int via_barrier_abort(struct via_barrier *barrier);

/**
 * Tells how many tasks wait.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Barrier.n_waiting`.
 *
 * @param barrier the barrier.
 * @return how many; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_barrier_waiting(const struct via_barrier *barrier);

/**
 * Tells whether the barrier was aborted.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Barrier.broken`.
 *
 * @param barrier the barrier.
 * @return 1 or 0; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_barrier_is_broken(const struct via_barrier *barrier);

VIA_END_C

#endif
