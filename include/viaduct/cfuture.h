/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Concurrent futures: thread-safe, and a thread may block on them.
 *
 * A concurrent future is PENDING, then perhaps RUNNING, and at last CANCELLED or FINISHED; it is *done* in
 * the last two.  An executor gives one for each call.  via_cfuture_new() makes one that the program settles
 * itself: a promise.
 *
 * Waiters are released, and callbacks run in order of their addition, in the thread that completes or
 * cancels the future; waiters are released first.  Cancelling and telling everybody is one step: a future
 * that says it is cancelled never leaves a waiter behind.
 */
#ifndef VIADUCT_CFUTURE_H
#define VIADUCT_CFUTURE_H

#include <viaduct/attr.h>
#include <viaduct/outcome.h>

/** The states of a future. */
enum via_state {
    VIA_PENDING,   /**< nothing has started */
    VIA_RUNNING,   /**< the function runs; never seen on a loop's future */
    VIA_CANCELLED, /**< done: cancelled */
    VIA_FINISHED   /**< done: with an outcome, good or bad; also VIA_ECANCELED if a function returned that */
};

/** What a cancel did. */
enum via_cancel {
    VIA_CANCEL_TOO_LATE = 0,  /**< the future was finished; nothing changed */
    VIA_CANCEL_NEVER_RAN = 1, /**< the future is cancelled; the function never ran and never will */
    VIA_CANCEL_REQUESTED =
        2, /**< the function runs and was asked to stop; its future is done when it returns */
    VIA_CANCEL_ABANDONED =
        3 /**< the future is cancelled; the function runs on, its result will be destroyed */
};

/** When a wait over several futures ends. */
enum via_return_when {
    VIA_ALL_COMPLETED,   /**< when all are done */
    VIA_FIRST_COMPLETED, /**< when any is done */
    /** When any finished with an error, or all are done.  VIA_CANCELLED is no error here; VIA_ECANCELED as
     *  the outcome of a function that was asked to stop is one. */
    VIA_FIRST_EXCEPTION
};

/** A callback of a concurrent future.  A negative return goes to the log hook.
 *
 *  In the thread that has run a call it may wait, as the call might: a call still queued in that pool is run
 *  here, and a wait that could never end is VIA_EDEADLK.  There it may also end the thread (pthread_exit());
 *  the callbacks added after it still run, and have to return.  In any other thread, one that cancels above
 *  all, and where a function has ended its thread already, it has to return: it would cut short whoever
 *  completes the future. */
typedef int (*via_cfuture_fn)(via_cfuture *cf, void *arg);

/** An iterator over futures in the order they complete. */
typedef struct via_completion via_completion;

VIA_BEGIN_C

/**
 * Makes a pending concurrent future that the program settles itself.
 *
 * - Ownership: gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: via_cfuture_cancel().
 * - Origin: concurrent.futures `Future()`.
 *
 * @param cf receives the future; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM.
 */
VIA_PUBLIC int via_cfuture_new(via_cfuture **cf);

/**
 * Takes a further reference.
 *
 * - Ownership: gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param cf the future, or NULL.
 * @return `cf`.
 */
VIA_PUBLIC via_cfuture *via_cfuture_ref(via_cfuture *cf);

/**
 * Gives a reference back.  With the last one goes the outcome's value, unless it was taken.
 *
 * A call that is still queued or running goes on: dropping is not cancelling.
 *
 * - Ownership: takes the caller's reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param cf the future, or NULL.
 * @return NULL, so that `cf = via_cfuture_unref(cf)` forgets it.
 */
VIA_PUBLIC via_cfuture *via_cfuture_unref(via_cfuture *cf);

/**
 * Tells the state, which may have moved on by the time it is looked at.
 *
 * - Ownership: borrows `cf`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures, whose CANCELLED_AND_NOTIFIED does not exist here.
 *
 * @param cf the future.
 * @return a value of enum via_state; VIA_EINVAL for NULL.
 */
VIA_PUBLIC int via_cfuture_state(const via_cfuture *cf);

/**
 * Tells whether the future is done: finished or cancelled.
 *
 * - Ownership: borrows `cf`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `Future.done`.
 *
 * @param cf the future.
 * @return 1 or 0; VIA_EINVAL for NULL.
 */
VIA_PUBLIC int via_cfuture_done(const via_cfuture *cf);

/**
 * Cancels, or asks a running call to stop.
 *
 * - Ownership: borrows `cf`; may run the call's `destroy` and `cancel` hooks and the future's callbacks here.
 * - Threads: any.
 * - Blocks: no, but for those hooks.
 * - Cancel: this is it.  Calling it again changes nothing.
 * - Origin: concurrent.futures `Future.cancel`; that a running call can be asked is Viaduct's.
 *
 * @param cf the future.
 * @return a value of enum via_cancel, the same again for a future that is cancelled; VIA_EINVAL for NULL;
 *         VIA_EFORKED.
 */
VIA_PUBLIC int via_cfuture_cancel(via_cfuture *cf);

/**
 * Blocks this thread until the future is done.
 *
 * A worker that waits for a call which its own pool has not started runs that call itself.  A wait that
 * could never end is refused: for a future that this thread's loop must complete, and for a circle of
 * waiting calls, pools or strands.
 *
 * - Ownership: borrows `cf`.
 * - Threads: any.
 * - Blocks: up to `timeout_ns`.
 * - Cancel: the wait itself cannot be cancelled; completing or cancelling the future ends it.
 * - Origin: Viaduct; concurrent.futures waits inside `result`.
 *
 * @param cf the future.
 * @param timeout_ns how long at most, in nanoseconds; 0 polls, VIA_FOREVER waits for ever.
 * @return 0 once it is done, however it ended; VIA_ETIMEDOUT, the future is unaffected; VIA_EDEADLK;
 *         VIA_EINVAL for NULL or a negative timeout; VIA_EFORKED.
 */
VIA_PUBLIC int via_cfuture_wait(via_cfuture *cf, int64_t timeout_ns);

/**
 * Reads the outcome of a done future.
 *
 * - Ownership: borrows `cf`; the value is borrowed from the future.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: a cancelled future has an outcome too, with status VIA_ECANCELED.
 * - Origin: concurrent.futures `Future.exception`, with the result in the same struct.
 *
 * @param cf the future.
 * @param outcome receives it; untouched on failure.
 * @return 0 once the future is done; VIA_EPENDING; VIA_ETAKEN if the value was taken; VIA_EINVAL.
 */
VIA_PUBLIC int via_cfuture_outcome(via_cfuture *cf, struct via_outcome *outcome);

/**
 * Waits and reads the result: via_cfuture_wait() and via_cfuture_outcome() in one.
 *
 * - Ownership: borrows `cf`; the value is borrowed from the future.
 * - Threads: any.
 * - Blocks: up to `timeout_ns`.
 * - Cancel: completing or cancelling the future ends the wait.
 * - Origin: concurrent.futures `Future.result`.
 *
 * @param cf the future.
 * @param timeout_ns how long at most, in nanoseconds.
 * @param value receives the value if the call succeeded; untouched otherwise; may be NULL.
 * @return the outcome's status (0, VIA_ECANCELED, VIA_EFAILED, ...), or what via_cfuture_wait() and
 *         via_cfuture_outcome() return.
 */
VIA_PUBLIC int via_cfuture_result(via_cfuture *cf, int64_t timeout_ns, void **value);

/**
 * Takes the value out of a done future: from now on it is the caller's to release.
 *
 * Pointers borrowed from the future earlier stay good for as long as the taker keeps the value.
 *
 * - Ownership: gives the value; borrows `cf`.
 * - Threads: any; of several takers one gets it.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param cf the future.
 * @param outcome receives the outcome with the value and its `destroy`, which is now the caller's to call;
 *        untouched on failure.
 * @return 0; VIA_EPENDING; VIA_ETAKEN if somebody else took it; VIA_EINVAL.
 */
VIA_PUBLIC int via_cfuture_take(via_cfuture *cf, struct via_outcome *outcome);

/**
 * Has `fn` called when the future is done; at once, in this thread, if it is.
 *
 * - Ownership: borrows `arg` until the callback has run or was removed.  The callback borrows `cf`.
 * - Threads: any; the callback runs in the thread that completes or cancels the future.
 * - Blocks: no.
 * - Cancel: via_cfuture_remove_done_callback().
 * - Origin: concurrent.futures `Future.add_done_callback`; every callback runs, whatever the others return.
 *
 * @param cf the future.
 * @param fn the callback.
 * @param arg passed to it.
 * @return 0; VIA_EINVAL; VIA_ENOMEM, and then `fn` will not be called.
 */
VIA_PUBLIC int via_cfuture_add_done_callback(via_cfuture *cf, via_cfuture_fn fn, void *arg);

/**
 * Removes every callback with this function and argument that has not begun to run.
 *
 * - Ownership: gives `arg` back if the count is not 0.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Future.remove_done_callback`.
 *
 * @param cf the future.
 * @param fn the callback.
 * @param arg the argument it was added with.
 * @return how many were removed; VIA_EINVAL.
 */
VIA_PUBLIC int via_cfuture_remove_done_callback(via_cfuture *cf, via_cfuture_fn fn, void *arg);

/**
 * Marks a promise as running, before the work that will settle it begins.
 *
 * - Ownership: borrows `cf`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: from here on via_cfuture_cancel() only requests.
 * - Origin: concurrent.futures `Future.set_running_or_notify_cancel`.
 *
 * @param cf a future from via_cfuture_new().
 * @return 1 if it is running now; 0 if it was cancelled, and there is nothing to do; VIA_ESTATE if it was
 *         running or finished already, or belongs to an executor or loop; VIA_EINVAL.
 */
VIA_PUBLIC int via_cfuture_set_running(via_cfuture *cf);

/**
 * Settles a promise with a value.
 *
 * - Ownership: takes `value` if it returns 0; on failure the value stays the caller's.
 * - Threads: any; callbacks run here.
 * - Blocks: no, but for the callbacks.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `Future.set_result`.
 *
 * @param cf a future from via_cfuture_new(), pending or running.
 * @param value the value.
 * @param destroy releases it, or NULL.
 * @return 0; VIA_ESTATE if it is done already, or belongs to an executor or loop; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_cfuture_set_result(via_cfuture *cf, void *value, void (*destroy)(void *value));

/**
 * Settles a promise with an error.
 *
 * - Ownership: copies `message`.
 * - Threads: any; callbacks run here.
 * - Blocks: no, but for the callbacks.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `Future.set_exception`.
 *
 * @param cf a future from via_cfuture_new(), pending or running.
 * @param status a negative status; VIA_EFAILED if `code` matters.
 * @param code the code for VIA_EFAILED, else 0.
 * @param message a text, or NULL.  Dropped if memory runs out.
 * @return 0; VIA_ESTATE if it is done already, or belongs to an executor or loop; VIA_EINVAL.
 */
VIA_PUBLIC int via_cfuture_set_error(via_cfuture *cf, int status, int code, const char *message);

/**
 * Blocks until some or all of the futures are done.
 *
 * Look at each future afterwards to see which.  Futures of different executors and promises may be mixed; a
 * future that stands there twice counts once.
 *
 * - Ownership: borrows the futures.
 * - Threads: any.
 * - Blocks: up to `timeout_ns`.
 * - Cancel: a future that is cancelled is done.
 * - Origin: concurrent.futures `wait`; a cancelled future is never missed.
 *
 * @param futures the futures.
 * @param count how many; 0 returns at once.
 * @param timeout_ns how long at most, in nanoseconds.
 * @param when a value of enum via_return_when.
 * @return how many futures of the array are done, 0 on a timeout without any; VIA_EINVAL; VIA_ENOMEM;
 *         VIA_EDEADLK if this thread could wait for ever; VIA_EFORKED.
 */
VIA_PUBLIC int via_cfutures_wait(via_cfuture *const *futures, size_t count, int64_t timeout_ns, int when);

/**
 * Begins to go through futures in the order they complete; those done already come first.
 *
 * - Ownership: takes a reference of its own on each future; gives the iterator.
 * - Threads: any; the iterator is for one thread at a time.
 * - Blocks: no.
 * - Cancel: via_completion_free() at any time.
 * - Origin: concurrent.futures `as_completed`.
 *
 * @param futures the futures; one that stands there twice counts once.
 * @param count how many.
 * @param timeout_ns how long the whole walk may take, in nanoseconds from now.
 * @param completion receives the iterator; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM.
 */
VIA_PUBLIC int via_cfutures_as_completed(via_cfuture *const *futures, size_t count, int64_t timeout_ns,
                                         via_completion **completion);

/**
 * Waits for the next future.
 *
 * - Ownership: gives the iterator's reference to the caller.
 * - Threads: one at a time.
 * - Blocks: until a future is done or the walk's time is over.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `as_completed`.
 *
 * @param completion the iterator.
 * @param cf receives the future; untouched otherwise.
 * @return 1 with a future; 0 when all were given; VIA_ETIMEDOUT, and via_completion_pending() says how many
 *         are unfinished; VIA_EDEADLK; VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_completion_next(via_completion *completion, via_cfuture **cf);

/**
 * Tells how many futures have not been given yet.
 *
 * - Ownership: borrows `completion`.
 * - Threads: one at a time.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the text of concurrent.futures' TimeoutError, "2 (of 4) futures unfinished".
 *
 * @param completion the iterator.
 * @param total receives how many there were; may be NULL.
 * @return how many are left; VIA_EINVAL.
 */
VIA_PUBLIC int via_completion_pending(const via_completion *completion, size_t *total);

/**
 * Ends the walk.  The futures go on.
 *
 * - Ownership: takes the iterator, and drops its references.
 * - Threads: one at a time.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param completion the iterator, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_completion *via_completion_free(via_completion *completion);

VIA_END_C

#endif
