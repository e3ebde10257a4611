/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Several futures together: gather, wait, as_completed; and shield.
 *
 *     via_future *both[] = {via_to_thread(load, job), via_create_task(refresh, NULL)};
 *     struct via_outcome out[2];
 *     int rc = via_await_all(both, 2, 0, out);
 *
 * A *gather* makes one future of many.  It takes them over: cancelling it cancels them, and its value is what
 * they gave, in the order of the list.  A *wait*, and a walk in the order of completion, only look on: the
 * futures stay the caller's and go on, whatever becomes of the wait.
 *
 * A gather without VIA_GATHER_DRAIN is done with the first error, while the others go on.  So what they use
 * must not lie in the function that awaits the gather; where it does, drain.
 *
 * A future may stand in a list twice.  It counts once, and one reference to it is taken.
 */
#ifndef VIADUCT_COMBINE_H
#define VIADUCT_COMBINE_H

#include <viaduct/attr.h>
#include <viaduct/future.h>
#include <viaduct/outcome.h>
#include <viaduct/task.h>
#include <viaduct/time.h>

/** What a gather does about errors. */
enum via_gather_flags {
    /** Errors, and children that were cancelled, are outcomes like others. */
    VIA_GATHER_RETURN_ERRORS = 1,
    /** The first error is told when every child has ended.  Those that go on are cancelled: what they would
     *  give cannot be delivered any more. */
    VIA_GATHER_DRAIN = 2
};

/** What a map is to do. */
struct via_gather_map_options {
    size_t limit;                         /**< how many tasks there are at once; 0 for no limit */
    unsigned flags;                       /**< of enum via_gather_flags */
    size_t stack_bytes;                   /**< of each task, as in struct via_task_options */
    void (*destroy)(void *arg);           /**< releases an argument, exactly once; NULL for none */
    void (*destroy_result)(void *result); /**< releases a result that nobody took; NULL for none */
};

/** An iterator over futures of a loop in the order they complete. */
typedef struct via_completed via_completed;

VIA_BEGIN_C

/**
 * Makes one future of many: its value is an array of `count` struct via_outcome, in the order of the list.
 *
 * Values that have to be destroyed are taken out of the children, and go with the array, unless whoever took
 * the array sets `destroy` of a part to NULL.  Where a future stands twice the first place owns its value.
 *
 * The first error is the gather's, at once; the others go on, and their errors are not reported.  A child
 * that was cancelled by somebody counts as failed with VIA_EABORTED.  If all are done already, so is the
 * gather.
 *
 * - Ownership: takes the caller's references, also on failure; gives a reference.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: all children that are not done are cancelled, and the gather is done when the last one has ended:
 *   with its value if they succeeded all the same, with the first error of a child's own, or else cancelled.
 *   When all children are done it is too late.
 * - Origin: asyncio `gather`; the drain is Viaduct's.
 *
 * @param futures futures of one loop.
 * @param count how many; 0 gives an empty array.
 * @param flags of enum via_gather_flags.
 * @return the future; never NULL: one that has failed with VIA_EINVAL for a NULL or unknown flags,
 *         VIA_EFOREIGN for futures of different loops, or of another than runs in this thread, VIA_ESTATE if
 *         there is no loop at all, VIA_ECLOSED, VIA_EFORKED, VIA_ENOMEM.
 */
VIA_PUBLIC via_future *via_gather(via_future *const *futures, size_t count, unsigned flags);

/**
 * Gathers what a function gives for many arguments, each in a task of its own, at most so many at a time.
 *
 * The value is as of via_gather().  After an error no further task is begun, unless errors are outcomes.
 * What the tasks give is not released if nobody takes it: see via_gather_map_with() for values that have to
 * be.
 *
 * - Ownership: copies `args`; borrows each argument until its task is done; gives a reference.
 * - Threads: a loop's, while it runs.
 * - Blocks: no.
 * - Cancel: no further task is begun; those that there are, as via_gather().
 * - Origin: Viaduct; a limit for asyncio `gather`.
 *
 * @param fn the function.
 * @param args the arguments.
 * @param count how many.
 * @param limit how many tasks there are at once; 0 for no limit.
 * @param flags of enum via_gather_flags.
 * @return the future; never NULL, as via_gather().
 */
VIA_PUBLIC via_future *via_gather_map(via_task_fn fn, void *const *args, size_t count, size_t limit,
                                      unsigned flags);

/**
 * As via_gather_map(), with options.
 *
 * With `destroy_result` the outcomes own their values: they go with the array, and so does what tasks give
 * that have succeeded in a map which fails or is cancelled.
 *
 * - Ownership: copies `options` and `args`; takes the arguments, also on failure, if there is a `destroy`:
 *   each is released when its task is done, those of tasks that are never begun when the map is; gives a
 *   reference.
 * - Threads: a loop's, while it runs.
 * - Blocks: no.
 * - Cancel: as via_gather_map().
 * - Origin: Viaduct.
 *
 * @param fn the function.
 * @param args the arguments.
 * @param count how many.
 * @param options what to do; NULL for the defaults.
 * @return the future; never NULL, as via_gather(); also VIA_EINVAL for a stack that is too large.
 */
VIA_PUBLIC via_future *via_gather_map_with(via_task_fn fn, void *const *args, size_t count,
                                           const struct via_gather_map_options *options);

/**
 * Gathers futures, and waits in a task for what they give.
 *
 * - Ownership: takes the caller's references, also on failure; gives the values, each with the `destroy` of
 *   its outcome.  Texts are good until the task awaits again.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the gather is done.
 * - Cancel: fails with VIA_ECANCELED; all futures are cancelled too.
 * - Origin: asyncio `await gather()`.
 *
 * @param futures futures of this loop.
 * @param count how many.
 * @param flags of enum via_gather_flags.
 * @param outcomes receives `count` outcomes; untouched on failure; NULL to have the values destroyed.
 * @return 0 with all outcomes; the first error; VIA_ECANCELED if this task was asked to stop; VIA_EABORTED if
 *         one of the futures was cancelled; VIA_ESTATE outside of a task; what via_gather() fails with.
 */
VIA_PUBLIC int via_await_all(via_future *const *futures, size_t count, unsigned flags,
                             struct via_outcome *outcomes) VIA_MUST_USE;

/**
 * Releases the value of a gather: the array, and the values in it whose `destroy` is set.
 *
 * - Ownership: takes the array.
 * - Threads: any.
 * - Blocks: no, but for the destructors.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param outcomes the value of a via_gather(), via_gather_map() or via_gather_map_with(), or NULL.
 * @return NULL.
 */
VIA_PUBLIC struct via_outcome *via_outcomes_free(struct via_outcome *outcomes);

/**
 * Waits in a task until some or all of the futures are done.
 *
 * Look at each future afterwards to see which.  If enough of them are done already it does not wait.
 *
 * - Ownership: borrows the futures.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task, up to `timeout_ns`.
 * - Cancel: fails with VIA_ECANCELED; the futures go on.
 * - Origin: asyncio `wait`.
 *
 * @param futures futures of this loop.
 * @param count how many; 0 returns at once.
 * @param timeout_ns how long at most, in nanoseconds; 0 for a look without waiting.
 * @param when a value of enum via_return_when.
 * @return how many different futures are done, 0 on a timeout without any; VIA_ECANCELED; VIA_ESTATE outside
 *         of a task; VIA_EDEADLK if the task could only wait for itself; VIA_EFOREIGN; VIA_EINVAL;
 *         VIA_ENOMEM.
 */
VIA_PUBLIC int via_wait(via_future *const *futures, size_t count, int64_t timeout_ns, int when) VIA_MUST_USE;

/**
 * Begins to go through futures in the order they complete; those done already come first.
 *
 * - Ownership: takes a reference of its own on each future; gives the iterator.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_completed_free() at any time.
 * - Origin: asyncio `as_completed`.
 *
 * @param futures futures of one loop; one that stands there twice counts once.
 * @param count how many.
 * @param timeout_ns how long the whole walk may take, in nanoseconds from now; VIA_FOREVER for no limit.
 * @param it receives the iterator; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_EFOREIGN; VIA_ECLOSED; VIA_EFORKED; VIA_ENOMEM.
 */
VIA_PUBLIC int via_as_completed(via_future *const *futures, size_t count, int64_t timeout_ns,
                                via_completed **it);

/**
 * Waits in a task for the next future.
 *
 * Several tasks may do so at the same time: the first to ask gets the first that is done.
 *
 * - Ownership: the future is borrowed from the iterator, until via_completed_free().
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until a future is done or the walk's time is over.
 * - Cancel: fails with VIA_ECANCELED; the futures go on, and so may the walk.
 * - Origin: asyncio `as_completed`.
 *
 * @param it the iterator.
 * @param future receives the future; untouched otherwise.
 * @return 1 with a future that is done; 0 when all were given; VIA_ETIMEDOUT, and via_completed_pending()
 *         says how many are left; VIA_ECANCELED; VIA_ESTATE outside of a task, and if the iterator was freed
 *         meanwhile; VIA_EFOREIGN; VIA_EINVAL; VIA_ENOMEM.
 */
VIA_PUBLIC int via_completed_next(via_completed *it, via_future **future) VIA_MUST_USE;

/**
 * Tells how many futures have not been given yet.
 *
 * - Ownership: borrows `it`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param it the iterator.
 * @param total receives how many different ones there were; may be NULL.
 * @return how many are left; VIA_EINVAL.
 */
VIA_PUBLIC int via_completed_pending(const via_completed *it, size_t *total);

/**
 * Ends the walk.  The futures go on; tasks that wait for the next one are told VIA_ESTATE.
 *
 * - Ownership: takes the iterator, and drops its references.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param it the iterator, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_completed *via_completed_free(via_completed *it);

/**
 * Gives a future that can be cancelled without the one that it stands for.
 *
 * It is done when the inner one is, with what that gives; a value that has to be destroyed is taken out of
 * it.  If the inner one is cancelled, so is this.  To await a clean-up that must not be cancelled, in a task,
 * there is also via_shield_begin().
 *
 * - Ownership: takes the caller's reference, also on failure; gives a reference.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: this one is cancelled at once (VIA_CANCEL_ABANDONED), the inner one goes on.  If that fails later
 *   and nobody looks at it, its error is reported when its last reference goes.
 * - Origin: asyncio `shield`.
 *
 * @param inner the future; one that is done is given back as it is.
 * @return the future; never NULL: one that has failed with VIA_EINVAL, VIA_EFOREIGN, VIA_ECLOSED, VIA_EFORKED
 *         or VIA_ENOMEM.
 */
VIA_PUBLIC via_future *via_shield(via_future *inner);

VIA_END_C

#endif
