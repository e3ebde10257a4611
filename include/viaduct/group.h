/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Task groups: a section of a task that other tasks run in, and that none of them outlives.
 *
 *     via_group *group;
 *     int rc = via_group_begin(NULL, &group);
 *     if (rc < 0)
 *         return rc;
 *     via_future_unref(via_group_create_task(group, fetch, &first));
 *     via_future_unref(via_group_create_task(group, fetch, &second));
 *     rc = via_group_end(group, talk(connection));
 *     via_group_free(group);
 *     return rc;
 *
 * What stands between the begin and the end is the *body*; here talk().  The end waits for every task of the
 * group, so all of them may use variables of the function that holds the group.
 *
 * When a task of the group fails, the others are cancelled, and the awaits of the body fail with
 * VIA_ECANCELED until the group's end; the task that holds the group is not asked to stop itself
 * (via_task_cancelling() does not count it).  A task that ends cancelled is not a failure.  A task that could
 * not be started is one, so nobody has to look at each future.
 *
 * When a task of the group failed the end says VIA_EGROUP, however many did and whatever became of the body,
 * and via_group_errors() tells them all.  When only the body failed the end gives its status back.
 *
 * A group that a task has left open when its function returns is ended then: that is reported to the
 * exception handler, the tasks of the group are cancelled, and the task is not done before they are.
 */
#ifndef VIADUCT_GROUP_H
#define VIADUCT_GROUP_H

#include <viaduct/attr.h>
#include <viaduct/future.h>
#include <viaduct/outcome.h>
#include <viaduct/task.h>

/** A task group. */
typedef struct via_group via_group;

/** How a group is to be; all zero is a plain one. */
struct via_group_options {
    const char *name; /**< for reports; copied; NULL for none */
    /** So many tasks of the group run at once; a further one begins when one has ended, the oldest first.  0
     *  for no limit.  A task that awaits another of its group may wait for ever if that finds no room. */
    size_t limit;
};

VIA_BEGIN_C

/**
 * Opens a group in the task that runs.
 *
 * - Ownership: copies `options`; gives the group, for via_group_end() and then via_group_free().
 * - Threads: the loop's, in a task.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `async with TaskGroup()`; the limit is Viaduct's.
 *
 * @param options how it is to be; NULL for a plain one.
 * @param group receives the group; untouched on failure.
 * @return 0; VIA_ESTATE outside of a task; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_group_begin(const struct via_group_options *options, via_group **group);

/**
 * Makes a task in the group.
 *
 * - Ownership: borrows `arg` until the task is done; gives a reference, which may be dropped at once.
 * - Threads: the loop's; also from other tasks, those of the group among them, and from callbacks.
 * - Blocks: no; the function runs in a later tick.
 * - Cancel: via_task_cancel() for this one, via_group_cancel() for all.
 * - Origin: asyncio `TaskGroup.create_task`.
 *
 * @param group the group, open.
 * @param fn the function.
 * @param arg its argument.
 * @return the task; never NULL: a future that has failed with VIA_ESTATE if the group is over or is stopping,
 *         VIA_EFOREIGN if another loop runs here, or as via_create_task() if it could not be made; the last
 *         counts as a failure of the group.
 */
VIA_PUBLIC via_future *via_group_create_task(via_group *group, via_task_fn fn, void *arg);

/**
 * Makes a task in the group, with options.
 *
 * - Ownership: takes `arg` if `destroy` is given, also on failure; copies `options`; gives a reference.
 * - Threads: the loop's; also from other tasks, those of the group among them, and from callbacks.
 * - Blocks: no; an eager task runs here, up to its first wait, unless it has to wait for room in the group.
 * - Cancel: via_task_cancel() for this one, via_group_cancel() for all.
 * - Origin: asyncio `TaskGroup.create_task`.
 *
 * @param group the group, open.
 * @param fn the function.
 * @param arg its argument.
 * @param options how it is to be; NULL for a plain one.
 * @return as via_group_create_task().
 */
VIA_PUBLIC via_future *via_group_create_task_with(via_group *group, via_task_fn fn, void *arg,
                                                  const struct via_task_options *options);

/**
 * Stops the group: its tasks are cancelled, and the awaits of its body fail with VIA_ECANCELED.
 *
 * The end turns that status into 0, unless the task that holds the group was asked to stop as well.
 *
 * - Ownership: borrows `group`.
 * - Threads: the loop's; also from other tasks, those of the group among them, and from callbacks.
 * - Blocks: no.
 * - Cancel: this is it.
 * - Origin: asyncio `TaskGroup.cancel` (3.15).
 *
 * @param group the group; one that is over or is stopping already stays as it is.
 * @return 0; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_group_cancel(via_group *group);

/**
 * Ends the group: waits until every task in it is done, those that are still added too.
 *
 * If `status` is not 0 the tasks are cancelled first.
 *
 * - Ownership: borrows `group`.
 * - Threads: the loop's, in the task that began the group.
 * - Blocks: suspends the task until every task of the group is done.
 * - Cancel: the tasks of the group are cancelled, once; the wait goes on until they have ended, however long
 *   that takes, and then fails with VIA_ECANCELED.
 * - Origin: the end of asyncio's `async with TaskGroup()`.
 *
 * @param group the group.
 * @param status how the body has ended: 0, a negative status, or a positive code of its own.
 * @return the first of these that holds: VIA_EGROUP if a task of the group failed; `status` if it is a
 *         failure, which VIA_ECANCELED and VIA_EABORTED are not; VIA_ECANCELED if tasks had to be cancelled
 *         while this waited; 0 if the group was stopped by via_group_cancel(), and the task was not asked to
 *         stop; else `status`.  VIA_ESTATE if it is not the innermost open section of this task, or over;
 *         VIA_EINVAL.
 */
VIA_PUBLIC int via_group_end(via_group *group, int status) VIA_MUST_USE;

/**
 * Tells what failed: the tasks of the group in the order in which they ended, then the first task that could
 * not be started, then the body.
 *
 * - Ownership: the outcomes and their texts are borrowed from the group.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the exceptions of asyncio's `ExceptionGroup`.
 *
 * @param group a group that is over.
 * @param outcomes receives the first of them, NULL if there are none; untouched on failure.
 * @return how many there are; VIA_ESTATE if the group is not over; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_group_errors(via_group *group, const struct via_outcome **outcomes);

/**
 * Frees a group that is over.
 *
 * - Ownership: takes the group.  One that is open stays with its task, until that returns.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param group the group, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_group *via_group_free(via_group *group);

VIA_END_C

#endif
