/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Futures of a loop: touched only in its thread, their callbacks always called from the loop's ready queue,
 * never from inside the function that settles or cancels the future.
 *
 * A future of a loop is VIA_PENDING, and at last VIA_CANCELLED or VIA_FINISHED.  The bridge (bridge.h) gives
 * one for each call; via_future_new() makes one that the program settles itself.
 *
 * Functions that give a future never give NULL.  What could not be started is a future that has failed
 * already, so that expressions compose and there is one place to look for errors.
 */
#ifndef VIADUCT_FUTURE_H
#define VIADUCT_FUTURE_H

#include <viaduct/attr.h>
#include <viaduct/cfuture.h>
#include <viaduct/outcome.h>

/** A callback of a loop's future.  A negative return goes to the loop's exception handler. */
typedef int (*via_future_fn)(via_future *future, void *arg);

VIA_BEGIN_C

/**
 * Makes a pending future that the program settles itself.
 *
 * - Ownership: gives a reference.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_future_cancel().
 * - Origin: asyncio `loop.create_future`.
 *
 * @param loop the loop.
 * @return the future; never NULL: one that failed with VIA_EINVAL, VIA_ENOMEM, VIA_ECLOSED, VIA_EFORKED, or
 *         VIA_EFOREIGN in debug mode if it could not be made.
 */
VIA_PUBLIC via_future *via_future_new(via_loop *loop);

/**
 * Takes a further reference.
 *
 * - Ownership: gives a reference.
 * - Threads: the loop's; debug mode tells the log hook of another.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param future the future, or NULL.
 * @return `future`.
 */
VIA_PUBLIC via_future *via_future_ref(via_future *future);

/**
 * Gives a reference back.  A call under way goes on, and its callbacks still run.
 *
 * An error that nobody looked at is reported to the exception handler when the last reference goes.  Reading
 * the outcome, cancelling, or a callback that was given the future counts as looking.
 *
 * - Ownership: takes the caller's reference.
 * - Threads: the loop's; any once the loop is closed.  Debug mode tells the log hook of another.
 * - Blocks: no.
 * - Cancel: dropping is not cancelling.
 * - Origin: asyncio's report of exceptions never retrieved.
 *
 * @param future the future, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_future *via_future_unref(via_future *future);

/**
 * Tells the state.
 *
 * - Ownership: borrows `future`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future`.
 *
 * @param future the future.
 * @return VIA_PENDING, VIA_CANCELLED or VIA_FINISHED; VIA_EINVAL for NULL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_state(const via_future *future);

/**
 * Tells whether the future is done.
 *
 * - Ownership: borrows `future`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.done`.
 *
 * @param future the future.
 * @return 1 or 0; VIA_EINVAL for NULL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_done(const via_future *future);

/**
 * Gives the loop of a future.
 *
 * - Ownership: the result is borrowed from the future.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.get_loop`.
 *
 * @param future the future.
 * @return the loop; NULL for NULL and for a future that could not be started for want of a loop or memory.
 */
VIA_PUBLIC via_loop *via_future_loop(const via_future *future);

/**
 * Cancels the future, or asks the running call behind it to stop.
 *
 * A promise, and a call that has not started, is cancelled at once.  A call that runs is asked to stop, and
 * the future is done when its function has returned; an abandonable one is cancelled at once.
 *
 * - Ownership: borrows `future`.
 * - Threads: the loop's.
 * - Blocks: no, but for the call's `cancel` hook.
 * - Cancel: this is it.
 * - Origin: asyncio `Future.cancel`; that a started call is done only when it has returned is Viaduct's.
 *
 * @param future the future.
 * @return a value of enum via_cancel, VIA_CANCEL_TOO_LATE also for a future that was cancelled before;
 *         VIA_EINVAL; VIA_ECLOSED; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_cancel(via_future *future);

/**
 * Settles a promise with a value.
 *
 * - Ownership: takes `value` if it returns 0; on failure the value stays the caller's.
 * - Threads: the loop's.
 * - Blocks: no; callbacks run in a later tick, those of via_future_cfuture() here.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.set_result`.
 *
 * @param future a future from via_future_new(), pending.
 * @param value the value.
 * @param destroy releases it, or NULL.
 * @return 0; VIA_ESTATE if it is done, or is not a promise; VIA_ENOMEM; VIA_ECLOSED; VIA_EINVAL; VIA_EFOREIGN
 *         in debug mode.
 */
VIA_PUBLIC int via_future_set_result(via_future *future, void *value, void (*destroy)(void *value));

/**
 * Settles a promise with an error.
 *
 * - Ownership: copies `message`.
 * - Threads: the loop's.
 * - Blocks: no; callbacks run in a later tick, those of via_future_cfuture() here.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.set_exception`.
 *
 * @param future a future from via_future_new(), pending.
 * @param status a negative status; VIA_EFAILED if `code` matters.
 * @param code the code for VIA_EFAILED, else 0.
 * @param message a text, or NULL.  Dropped if memory runs out.
 * @return 0; VIA_ESTATE if it is done, or is not a promise; VIA_ECLOSED; VIA_EINVAL; VIA_EFOREIGN in debug
 *         mode.
 */
VIA_PUBLIC int via_future_set_error(via_future *future, int status, int code, const char *message);

/**
 * Reads the outcome of a done future.
 *
 * - Ownership: borrows `future`; the value is borrowed from it.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: a cancelled future has an outcome too, with status VIA_ECANCELED.
 * - Origin: asyncio `Future.exception`, with the result in the same struct.
 *
 * @param future the future.
 * @param outcome receives it; untouched on failure.
 * @return 0 once the future is done; VIA_EPENDING; VIA_ETAKEN if the value was taken; VIA_EINVAL;
 *         VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_outcome(via_future *future, struct via_outcome *outcome);

/**
 * Reads the result of a done future.
 *
 * - Ownership: borrows `future`; the value is borrowed from it.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.result`.
 *
 * @param future the future.
 * @param value receives the value if the future succeeded; untouched otherwise; may be NULL.
 * @return the outcome's status, or what via_future_outcome() returns.
 */
VIA_PUBLIC int via_future_result(via_future *future, void **value);

/**
 * Takes the value out of a done future: from now on it is the caller's to release.
 *
 * - Ownership: gives the value; borrows `future`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param future the future.
 * @param outcome receives the outcome with the value and its `destroy`; untouched on failure.
 * @return 0; VIA_EPENDING; VIA_ETAKEN if somebody else took it; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_take(via_future *future, struct via_outcome *outcome);

/**
 * Has `fn` called from the ready queue once the future is done, in the order of addition; also if it is done
 * already.  Never at once.
 *
 * What a callback of the loop settles has its callbacks in a later tick.  A call that finished in another
 * thread is settled by the tick that hears of it, before anything else of that tick runs, and its callbacks
 * follow in the same tick.
 *
 * The future stays alive until its callbacks have run, so the caller may drop its reference at once.
 *
 * - Ownership: borrows `arg` until the callback has run or was removed.  The callback borrows `future`.
 * - Threads: the loop's; the callback runs there.
 * - Blocks: no.
 * - Cancel: via_future_remove_done_callback().
 * - Origin: asyncio `Future.add_done_callback`.
 *
 * @param future the future.
 * @param fn the callback.
 * @param arg passed to it.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_ECLOSED; VIA_EFOREIGN in debug mode; for a future that never had a
 *         loop its own status, and then `fn` will not be called.
 */
VIA_PUBLIC int via_future_add_done_callback(via_future *future, via_future_fn fn, void *arg);

/**
 * Removes every callback with this function and argument that has not been scheduled yet.
 *
 * - Ownership: gives `arg` back if the count is not 0.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.remove_done_callback`; once the future is done its callbacks stay.
 *
 * @param future the future.
 * @param fn the callback.
 * @param arg the argument it was added with.
 * @return how many were removed; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_remove_done_callback(via_future *future, via_future_fn fn, void *arg);

VIA_END_C

#endif
