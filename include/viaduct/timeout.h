/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Time limits for a part of a task.
 *
 *     struct via_scope limit;
 *     int rc = via_timeout_begin(2 * VIA_S, &limit);
 *     if (rc == 0)
 *         rc = via_timeout_end(&limit, talk(connection));
 *
 * When the time is over, what the task awaits is cancelled, and every await up to the end of the section
 * fails with VIA_ECANCELED; the end turns that status into VIA_ETIMEDOUT.  The task itself is not cancelled
 * (via_task_cancelling() does not count it), so a request to stop and a time limit are never mistaken for
 * each other.  A limit may be inside another: the outermost that is over says VIA_ETIMEDOUT.
 *
 * Time is noticed where the task waits: code that runs through is not interrupted, and what was done in time
 * is delivered.
 */
#ifndef VIADUCT_TIMEOUT_H
#define VIADUCT_TIMEOUT_H

#include <viaduct/attr.h>
#include <viaduct/task.h>

VIA_BEGIN_C

/**
 * Limits the time of what the task does from here on.
 *
 * - Ownership: borrows `scope`, which lives in the function, until via_timeout_end().
 * - Threads: the loop's, in a task.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `timeout`.
 *
 * @param timeout_ns how long, in nanoseconds; 0 or less is over at once; VIA_FOREVER for no limit yet.
 * @param scope the section.
 * @return 0; VIA_ESTATE outside of a task, and for a section that is open; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_timeout_begin(int64_t timeout_ns, struct via_scope *scope);

/**
 * Limits the time to a moment of the loop's clock.
 *
 * - Ownership: borrows `scope`, which lives in the function, until via_timeout_end().
 * - Threads: the loop's, in a task.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `timeout_at`.
 *
 * @param when_ns the moment, as of via_loop_time_ns(); VIA_FOREVER for no limit yet.
 * @param scope the section.
 * @return as via_timeout_begin().
 */
VIA_PUBLIC int via_timeout_begin_at(int64_t when_ns, struct via_scope *scope);

/**
 * Ends the section.
 *
 * - Ownership: gives `scope` back.
 * - Threads: the loop's, in the same task.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the end of asyncio's `async with timeout()`.
 *
 * @param scope the section.
 * @param status how what it limits has ended.
 * @return `status`; but VIA_ETIMEDOUT if it is VIA_ECANCELED, an await was cut short by this limit, and
 * neither the task was asked to stop nor an outer limit is over; VIA_ESTATE if it is not the innermost open
 *         section of this task; VIA_EINVAL.
 */
VIA_PUBLIC int via_timeout_end(struct via_scope *scope, int status) VIA_MUST_USE;

/**
 * Moves the limit.
 *
 * - Ownership: borrows `scope`.
 * - Threads: the loop's; also from other tasks and callbacks.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Timeout.reschedule`.
 *
 * @param scope an open section that has not cut anything short.
 * @param when_ns the moment; VIA_FOREVER for none.
 * @return 0; VIA_ESTATE if it is not open, or has cut an await short; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_timeout_reschedule(struct via_scope *scope, int64_t when_ns);

/**
 * Tells when the time is over.
 *
 * - Ownership: borrows `scope`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Timeout.when`.
 *
 * @param scope the section.
 * @return the moment, as of via_loop_time_ns(); VIA_FOREVER for none, and for NULL.
 */
VIA_PUBLIC int64_t via_timeout_when(const struct via_scope *scope);

/**
 * Tells whether the limit has cut an await short; also after the end.
 *
 * - Ownership: borrows `scope`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Timeout.expired`.
 *
 * @param scope the section.
 * @return 1 or 0; VIA_EINVAL.
 */
VIA_PUBLIC int via_timeout_expired(const struct via_scope *scope);

/**
 * Awaits a future, but not for ever: when the time is over it is cancelled.
 *
 * This waits until the future has ended, however long its clean-up takes; a value that it gives all the same
 * is delivered.
 *
 * - Ownership: takes the caller's reference to `future`, also on failure; gives the value.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the future is done.
 * - Cancel: fails with VIA_ECANCELED; the future is cancelled too.
 * - Origin: asyncio `wait_for`; that what is done always wins over the limit is Viaduct's.
 *
 * @param future the future.
 * @param timeout_ns how long, in nanoseconds; 0 or less for a look without waiting; VIA_FOREVER for no limit.
 * @param result receives the value if the future succeeded, untouched otherwise; may be NULL.
 * @return as via_await(); VIA_ETIMEDOUT if the time was over first.
 */
VIA_PUBLIC int via_wait_for(via_future *future, int64_t timeout_ns, void **result) VIA_MUST_USE;

VIA_END_C

#endif
