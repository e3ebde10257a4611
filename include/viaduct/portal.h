/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Portals: a loop in a thread of its own, for threads that have none.
 *
 * A threaded, synchronous program that wants one asynchronous part starts a portal, and calls into it from
 * whatever thread:
 *
 *     via_portal *portal;
 *     int rc = via_portal_new(NULL, &portal);
 *     ...
 *     rc = via_portal_run(portal, fetch_all, &urls, NULL);     -- blocks this thread until the task has ended
 *     ...
 *     via_portal_free(portal);
 */
#ifndef VIADUCT_PORTAL_H
#define VIADUCT_PORTAL_H

#include <viaduct/attr.h>
#include <viaduct/cfuture.h>
#include <viaduct/loop.h>
#include <viaduct/run.h>
#include <viaduct/task.h>

/** A loop in a thread of its own. */
typedef struct via_portal via_portal;

/** How a portal ends: see via_portal_stop(). */
enum via_portal_stop {
    VIA_PORTAL_DRAIN, /**< the tasks that are there run to their ends */
    VIA_PORTAL_CANCEL /**< they are cancelled, all at the same time, and run to their ends */
};

VIA_BEGIN_C

/**
 * Starts a thread with a loop.
 *
 * - Ownership: copies `options`; gives the portal.
 * - Threads: any.
 * - Blocks: until the thread runs its loop.
 * - Cancel: not applicable.
 * - Origin: anyio `start_blocking_portal`.
 *
 * @param options how its loop is to be, and how it ends; `name` is that of the thread and its main task, by
 *        default "portal"; SIGINT is none of its business.  NULL for the defaults.
 * @param portal receives it; untouched on failure.
 * @return 0; VIA_EAGAIN if the thread could not be started; otherwise as via_runner_new().
 */
VIA_PUBLIC int via_portal_new(const struct via_runner_options *options, via_portal **portal);

/**
 * Gives the portal's loop, for functions that are for any thread.
 *
 * - Ownership: borrowed from the portal.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param portal the portal.
 * @return the loop; NULL for NULL.
 */
VIA_PUBLIC via_loop *via_portal_loop(const via_portal *portal);

/**
 * Runs a task in the portal, and blocks until it has ended.
 *
 * - Ownership: borrows `arg` until it returns; gives the value.
 * - Threads: any but the portal's own.
 * - Blocks: until the task has ended.
 * - Cancel: via_portal_stop() with VIA_PORTAL_CANCEL.
 * - Origin: anyio `BlockingPortal.call`.
 *
 * @param portal the portal.
 * @param fn the task's function.
 * @param arg its argument.
 * @param result receives its value if it succeeded, untouched otherwise; may be NULL.
 * @return what the function returned, VIA_EFAILED for a code of its own; VIA_ECANCELED; VIA_EDEADLK in the
 *         portal's own thread; VIA_ESHUTDOWN if the portal is stopping; VIA_EINVAL; VIA_ENOMEM; VIA_EFORKED.
 */
VIA_PUBLIC int via_portal_run(via_portal *portal, via_task_fn fn, void *arg, void **result);

/**
 * Starts a task in the portal.
 *
 * - Ownership: as via_run_coroutine_threadsafe().
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: via_cfuture_cancel().
 * - Origin: anyio `BlockingPortal.start_task_soon`.
 *
 * @param portal the portal.
 * @param fn the task's function.
 * @param arg its argument.
 * @param options how the task is to be; NULL for a plain one.
 * @param cf receives the concurrent future; untouched on failure; NULL if nobody wants to hear of it.
 * @return as via_run_coroutine_threadsafe(); VIA_ESHUTDOWN if the portal is stopping.
 */
VIA_PUBLIC int via_portal_submit(via_portal *portal, via_task_fn fn, void *arg,
                                 const struct via_task_options *options, via_cfuture **cf);

/**
 * Has a callback called in the portal's thread, and blocks until it has returned.  It is no task, and may not
 * await.
 *
 * - Ownership: borrows `arg` until it returns.
 * - Threads: any but the portal's own.
 * - Blocks: until the callback has returned.
 * - Cancel: no.
 * - Origin: anyio `BlockingPortal.call` with a plain function.
 *
 * @param portal the portal.
 * @param fn the callback.
 * @param arg passed to it.
 * @return what the callback returned; VIA_EDEADLK in the portal's own thread; VIA_ESHUTDOWN if the portal is
 *         stopping, and then it was not called; VIA_EINVAL; VIA_ENOMEM; VIA_EFORKED.
 */
VIA_PUBLIC int via_portal_call(via_portal *portal, via_callback_fn fn, void *arg);

/**
 * Ends the portal's loop, and waits until it has ended.  What is asked of it from now on fails with
 * VIA_ESHUTDOWN.  May be called again: to wait longer, or to cancel what was to be drained.
 *
 * - Ownership: borrows `portal`.
 * - Threads: any; in the portal's own it does not wait.
 * - Blocks: up to `timeout_ns`.
 * - Cancel: not applicable.
 * - Origin: anyio `BlockingPortal.stop(cancel_remaining)`.
 *
 * @param portal the portal.
 * @param how VIA_PORTAL_DRAIN or VIA_PORTAL_CANCEL.
 * @param timeout_ns how long to wait, in nanoseconds; 0 for not at all.
 * @return what via_runner_close() returned in its thread when the loop has ended; VIA_ETIMEDOUT if that takes
 *         longer, and it goes on; VIA_EDEADLK in the portal's own thread, where it has only been asked for;
 *         VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_portal_stop(via_portal *portal, int how, int64_t timeout_ns);

/**
 * Stops a portal, with VIA_PORTAL_CANCEL if nothing else was asked for, waits for its thread to end, and
 * frees it.  Nobody may use it any more.
 *
 * - Ownership: takes `portal`.
 * - Threads: any but the portal's own, where it does nothing and tells the log hook.
 * - Blocks: until the thread has ended.
 * - Cancel: not applicable.
 * - Origin: anyio, the end of `start_blocking_portal`.
 *
 * @param portal the portal, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_portal *via_portal_free(via_portal *portal);

VIA_END_C

#endif
