/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A semaphore: so many units, each of which one task may have at a time.
 *
 *     struct via_semaphore slots;
 *     via_semaphore_init(NULL, 10, 10, &slots);        // at most ten downloads at once
 *     ...
 *     int rc = via_semaphore_acquire(&slots);
 *     if (rc < 0)
 *         return rc;
 *     rc = download(url);
 *     via_semaphore_release(&slots);
 *     return rc;
 *
 * A unit has no owner: one task may take it and another one, or a callback, give it back.  With a bound, one
 * that is given back too often is noticed.  How tasks wait is told in waiters.h.
 */
#ifndef VIADUCT_SEMAPHORE_H
#define VIADUCT_SEMAPHORE_H

#include <viaduct/attr.h>
#include <viaduct/waiters.h>

/** A semaphore.  Its fields are the library's. */
struct via_semaphore {
    via_loop *loop;             /**< whose tasks may wait for it */
    struct via_waiters waiters; /**< who waits for a unit */
    int value;                  /**< units that nobody has */
    int bound;                  /**< how many there may be */
};

VIA_BEGIN_C

/**
 * Makes a semaphore.
 *
 * - Ownership: borrows `loop`, and `semaphore` until via_semaphore_fini().
 * - Threads: any; the semaphore is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Semaphore`, `BoundedSemaphore`.
 *
 * @param loop the loop; NULL for the one that runs in this thread.
 * @param value how many units there are to begin with.
 * @param bound how many there may ever be; 0 for no bound.
 * @param semaphore the semaphore.
 * @return 0; VIA_EINVAL, also for a negative value or bound, and for a value above the bound; VIA_ESTATE if
 * no loop runs here; VIA_ECLOSED; VIA_EFORKED.
 */
VIA_PUBLIC int via_semaphore_init(via_loop *loop, int value, int bound, struct via_semaphore *semaphore);

/**
 * Ends the use of a semaphore.
 *
 * - Ownership: gives `semaphore` back.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: sem_destroy().
 *
 * @param semaphore the semaphore.
 * @return 0; VIA_EBUSY, and it stays as it is, while a task waits; VIA_EINVAL.
 */
VIA_PUBLIC int via_semaphore_fini(struct via_semaphore *semaphore);

/**
 * Waits in a task until it has a unit.
 *
 * - Ownership: gives a unit to the caller.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task while there is none; tasks get them in the order in which they came.
 * - Cancel: fails with VIA_ECANCELED, without a unit.
 * - Origin: asyncio `Semaphore.acquire`.
 *
 * @param semaphore the semaphore.
 * @return 0; VIA_ECANCELED; VIA_ESTATE outside of a task; VIA_EFOREIGN in another loop or thread;
 * VIA_EFORKED; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_semaphore_acquire(struct via_semaphore *semaphore) VIA_MUST_USE;

/**
 * Takes a unit if there is one.
 *
 * - Ownership: gives a unit to the caller.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: sem_trywait().
 *
 * @param semaphore the semaphore.
 * @return 0; VIA_EBUSY if there is none; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_semaphore_try_acquire(struct via_semaphore *semaphore) VIA_MUST_USE;

/**
 * Gives a unit back: to the task that has waited longest, or to whoever comes.
 *
 * - Ownership: takes a unit from the caller.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Semaphore.release`.
 *
 * @param semaphore the semaphore.
 * @return 0; VIA_ESTATE, and nothing changes, if there would be more than the bound, or than an int can
 * count; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_semaphore_release(struct via_semaphore *semaphore);

/**
 * Tells how many units nobody has.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Semaphore.locked`, which is whether this is 0; sem_getvalue().
 *
 * @param semaphore the semaphore.
 * @return how many; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_semaphore_value(const struct via_semaphore *semaphore);

VIA_END_C

#endif
