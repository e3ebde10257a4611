/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A lock for tasks, and conditions to wait for under it.
 *
 * Between two awaits a task is never interrupted, so what it changes there needs no lock.  A lock keeps
 * something together across awaits:
 *
 *     int rc = via_lock_acquire(&account->lock);
 *     if (rc < 0)
 *         return rc;
 *     rc = transfer(account);                  // awaits; others may look, but not change
 *     via_lock_release(&account->lock);
 *     return rc;
 *
 * A lock has an owner: the task that acquired it.  Another one cannot release it, and the same one cannot
 * acquire it again; both are mistakes that would otherwise show much later.  What one task takes and another
 * gives back is a semaphore (semaphore.h).
 *
 * A condition is a line of tasks that have given a lock up until something has changed:
 *
 *     while (rc == 0 && account->balance < amount)
 *         rc = via_condition_wait(&account->changed);
 *
 * Whoever changes it does so under the lock, and says via_condition_notify().  When the wait is over the task
 * has the lock again, whatever the wait returned.
 *
 * How tasks wait is told in waiters.h.
 */
#ifndef VIADUCT_LOCK_H
#define VIADUCT_LOCK_H

#include <viaduct/attr.h>
#include <viaduct/waiters.h>

/** A lock.  Its fields are the library's. */
struct via_lock {
    via_loop *loop;             /**< whose tasks may have it */
    struct via_waiters waiters; /**< who waits for it */
    uint64_t owner;             /**< the number of the task that has it, or 0 */
    size_t away;                /**< tasks that wait in its conditions, and will take it again */
};

/** A condition.  Its fields are the library's. */
struct via_condition {
    struct via_lock *lock;      /**< the lock that is given up meanwhile */
    struct via_waiters waiters; /**< who waits to be notified */
};

VIA_BEGIN_C

/**
 * Makes a lock that nobody has.
 *
 * - Ownership: borrows `loop`, and `lock` until via_lock_fini().
 * - Threads: any; the lock is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Lock`.
 *
 * @param loop the loop; NULL for the one that runs in this thread.
 * @param lock the lock.
 * @return 0; VIA_ESTATE if no loop runs here; VIA_ECLOSED; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_lock_init(via_loop *loop, struct via_lock *lock);

/**
 * Ends the use of a lock.
 *
 * - Ownership: gives `lock` back.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: pthread_mutex_destroy().
 *
 * @param lock the lock.
 * @return 0; VIA_EBUSY, and it stays as it is, while a task has it, waits for it, or waits in a condition of
 *         it; VIA_EINVAL.
 */
VIA_PUBLIC int via_lock_fini(struct via_lock *lock);

/**
 * Waits in a task until it has the lock.
 *
 * - Ownership: gives the lock to the task.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task while another one has the lock; tasks get it in the order in which they came.
 * - Cancel: fails with VIA_ECANCELED, and the task does not have it.
 * - Origin: asyncio `Lock.acquire`.
 *
 * @param lock the lock.
 * @return 0; VIA_ECANCELED; VIA_EDEADLK if this task has it already; VIA_ESTATE outside of a task;
 *         VIA_EFOREIGN in another loop or thread; VIA_EFORKED; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_lock_acquire(struct via_lock *lock) VIA_MUST_USE;

/**
 * Takes the lock if it is free.
 *
 * - Ownership: gives the lock to the task.
 * - Threads: the loop's, in a task.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: pthread_mutex_trylock().
 *
 * @param lock the lock.
 * @return 0; VIA_EBUSY if a task has it; otherwise as via_lock_acquire().
 */
VIA_PUBLIC int via_lock_try_acquire(struct via_lock *lock) VIA_MUST_USE;

/**
 * Gives the lock up: to the task that has waited longest, or to whoever comes.
 *
 * - Ownership: takes the lock from the task.
 * - Threads: the loop's, in the task that has it.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Lock.release`; that only the owner may is Viaduct's.
 *
 * @param lock the lock.
 * @return 0; VIA_ESTATE if this task does not have it; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_lock_release(struct via_lock *lock);

/**
 * Tells whether a task has the lock.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Lock.locked`.
 *
 * @param lock the lock.
 * @return 1 or 0; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_lock_locked(const struct via_lock *lock);

/**
 * Makes a condition.  A lock may have several.
 *
 * - Ownership: borrows `lock` and `condition` until via_condition_fini().
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Condition(lock)`.
 *
 * @param lock the lock.
 * @param condition the condition.
 * @return 0; VIA_EINVAL.
 */
VIA_PUBLIC int via_condition_init(struct via_lock *lock, struct via_condition *condition);

/**
 * Ends the use of a condition.
 *
 * - Ownership: gives `condition` back.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: pthread_cond_destroy().
 *
 * @param condition the condition.
 * @return 0; VIA_EBUSY, and it stays as it is, while a task waits; VIA_EINVAL.
 */
VIA_PUBLIC int via_condition_fini(struct via_condition *condition);

/**
 * Gives the lock up, waits in a task to be notified, and takes the lock again.
 *
 * There are no wake-ups without a notification, but others may have had the lock between it and this task, so
 * it should look again at what it waits for, or use via_condition_wait_for().
 *
 * - Ownership: takes the lock from the task, and gives it back.
 * - Threads: the loop's, in the task that has the lock.
 * - Blocks: suspends the task until it is notified and the lock is free.
 * - Cancel: fails with VIA_ECANCELED as soon as the task has the lock again.  A task that was notified before
 *   it was cancelled succeeds.
 * - Origin: asyncio `Condition.wait`.
 *
 * @param condition the condition.
 * @return 0; VIA_ECANCELED; VIA_ESTATE if this task does not have the lock; VIA_EFOREIGN; VIA_EFORKED;
 *         VIA_ENOMEM; VIA_EINVAL.  After all of these the lock is as it was.  VIA_EDEADLK, without the lock,
 *         when the loop is being closed and nobody will release it any more.
 */
VIA_PUBLIC int via_condition_wait(struct via_condition *condition) VIA_MUST_USE;

/**
 * Waits until a predicate holds; it is asked at once, and after each notification, under the lock.
 *
 * - Ownership: takes the lock from the task, and gives it back; borrows `arg`.
 * - Threads: the loop's, in the task that has the lock.
 * - Blocks: suspends the task until the predicate holds.
 * - Cancel: fails with VIA_ECANCELED as soon as the task has the lock again.
 * - Origin: asyncio `Condition.wait_for`.
 *
 * @param condition the condition.
 * @param predicate says 0 while it does not hold; a negative status ends the wait as well.
 * @param arg its argument.
 * @return what the predicate said in the end; otherwise as via_condition_wait().
 */
VIA_PUBLIC int via_condition_wait_for(struct via_condition *condition, int (*predicate)(void *arg),
                                      void *arg) VIA_MUST_USE;

/**
 * Tells some of those who wait that something has changed, those first who have waited longest.
 *
 * - Ownership: nothing changes hands; they get the lock one after the other once it is released.
 * - Threads: the loop's, in the task that has the lock.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Condition.notify`.
 *
 * @param condition the condition.
 * @param count how many at most.
 * @return 0; VIA_ESTATE if this task does not have the lock; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL, also for
 * a negative count.
 */
VIA_PUBLIC int via_condition_notify(struct via_condition *condition, int count);

/**
 * Tells all of those who wait.
 *
 * - Ownership: as via_condition_notify().
 * - Threads: the loop's, in the task that has the lock.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Condition.notify_all`.
 *
 * @param condition the condition.
 * @return as via_condition_notify().
 */
VIA_PUBLIC int via_condition_notify_all(struct via_condition *condition);

VIA_END_C

#endif
