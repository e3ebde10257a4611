/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Tasks that other threads start.
 */
#ifndef VIADUCT_THREADSAFE_H
#define VIADUCT_THREADSAFE_H

#include <viaduct/attr.h>
#include <viaduct/cfuture.h>
#include <viaduct/task.h>

VIA_BEGIN_C

/**
 * Makes a task of a loop from any thread, and gives a concurrent future for what becomes of it.
 *
 * The concurrent future is PENDING until the loop has taken the task over, RUNNING while the task is there,
 * and done when the task is: with its value, its error, or cancelled.  Cancelling it while it is PENDING
 * keeps the task from ever being made; later it asks the task to stop (VIA_CANCEL_REQUESTED), and what the
 * task returns counts.  If the loop is closed first it fails with VIA_ECLOSED, or as the closing ends the
 * task; so nobody waits for ever.  To block on it in the loop's own thread is VIA_EDEADLK.
 *
 * The task begins with the local values (local.h) of the code that calls this.
 *
 * An attached loop with nothing outstanding may not be run any more by its program: a thread that will call
 * this takes via_loop_hold() first.
 *
 * - Ownership: borrows `arg` until the future is done, or takes it if `destroy` is given, also on failure;
 *   copies `options`; gives a reference on the concurrent future.
 * - Threads: any.  Not in signal handlers: it allocates.
 * - Blocks: no.
 * - Cancel: via_cfuture_cancel().
 * - Origin: asyncio `run_coroutine_threadsafe`; that the future is RUNNING, and fails when the loop is
 * closed, is Viaduct's.
 *
 * @param loop the loop.
 * @param fn the task's function.
 * @param arg its argument.
 * @param options how the task is to be; NULL for a plain one.
 * @param cf receives the concurrent future; untouched on failure; NULL if nobody wants to hear of it.
 * @return 0; VIA_EINVAL, also for too large a stack; VIA_ENOMEM; VIA_ECLOSED; VIA_EFORKED.
 */
VIA_PUBLIC int via_run_coroutine_threadsafe(via_loop *loop, via_task_fn fn, void *arg,
                                            const struct via_task_options *options, via_cfuture **cf);

VIA_END_C

#endif
