/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The bridge: where executors and loops meet.
 */
#ifndef VIADUCT_BRIDGE_H
#define VIADUCT_BRIDGE_H

#include <viaduct/attr.h>
#include <viaduct/call.h>
#include <viaduct/cfuture.h>
#include <viaduct/executor.h>
#include <viaduct/future.h>
#include <viaduct/loop.h>

VIA_BEGIN_C

/**
 * Runs a call on an executor and gives a future of the loop for its outcome.
 *
 * The future is done only when the function has returned (or will never run), so its callbacks may release
 * what the function used.
 *
 * - Ownership: takes the call's payload, also on failure; gives a reference to the future.
 * - Threads: the loop's.
 * - Blocks: no; on a pool that says VIA_FULL_BLOCK or VIA_FULL_CALLER_RUNS a full queue is VIA_EBUSY here.
 * - Cancel: via_future_cancel().
 * - Origin: asyncio `loop.run_in_executor`.
 *
 * @param loop the loop.
 * @param executor the executor; NULL for the loop's default one.
 * @param call what to run; copied.
 * @return the future; never NULL: one that has failed if the call could not be submitted, with what
 *         via_executor_submit() returns, VIA_ECLOSED, or VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC via_future *via_run_in_executor(via_loop *loop, via_executor *executor,
                                           const struct via_call *call);

/**
 * Runs a function on the default executor of the loop that runs in this thread.
 *
 * The function begins with the local values (local.h) of its caller.
 *
 * An attached loop runs in its own callbacks only: in an event of the program's own use
 * via_run_in_executor().
 *
 * - Ownership: borrows `arg` until the future is done; gives a reference to the future.
 * - Threads: a loop's, while it runs.
 * - Blocks: no.
 * - Cancel: via_future_cancel().
 * - Origin: asyncio `to_thread`.
 *
 * @param fn the function.
 * @param arg its argument.
 * @return as via_run_in_executor(); VIA_ESTATE is its failure if via_loop_current() is NULL.
 */
VIA_PUBLIC via_future *via_to_thread(via_call_fn fn, void *arg);

/**
 * Gives a future of the loop for a concurrent one.
 *
 * It is done when the concurrent one is.  Cancelling it cancels the concurrent one, or asks its call to
 * stop; a concurrent future that is cancelled elsewhere cancels it.  A promise of another thread is asked
 * too, and until its owner reacts nothing is done.
 *
 * - Ownership: takes a reference of its own on `cf`; gives a reference.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_future_cancel().
 * - Origin: asyncio `wrap_future`.
 *
 * @param loop the loop.
 * @param cf the concurrent future, of whatever origin.
 * @return the future; never NULL: one that has failed with VIA_EINVAL, VIA_ENOMEM, VIA_ECLOSED, VIA_EFORKED,
 *         or VIA_EFOREIGN in debug mode if it could not be made.
 */
VIA_PUBLIC via_future *via_wrap_future(via_loop *loop, via_cfuture *cf);

/**
 * Gives the thread-safe side of a loop's future, for other threads to wait on.
 *
 * It is done when the future is.  Cancelling it in another thread posts the request to the loop; it shows as
 * VIA_CANCEL_REQUESTED.  Closing the loop ends it, with VIA_ECLOSED or as the call behind it ends, so no
 * thread waits for ever.
 *
 * - Ownership: borrows `future`; gives a reference.
 * - Threads: the loop's; the result is for any.
 * - Blocks: no.
 * - Cancel: via_cfuture_cancel().
 * - Origin: the future of asyncio `run_coroutine_threadsafe`.
 *
 * @param future the future.
 * @param cf receives the concurrent future; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_future_cfuture(via_future *future, via_cfuture **cf);

/**
 * Runs the loop until a future is done.
 *
 * When nothing is left that could complete it - no callback, timer, watched descriptor or signal, call in an
 * executor, hold, or event of the program's on the loop's base - it says so instead of waiting for ever;
 * via_tasks_describe() then tells which tasks wait for what.
 *
 * - Ownership: borrows `future`.
 * - Threads: any one; the loop belongs to it while it runs.
 * - Blocks: until the future is done or the loop stops.
 * - Cancel: via_loop_stop().
 * - Origin: asyncio `loop.run_until_complete`.
 *
 * @param loop a loop with a base of its own.
 * @param future a future of this loop.
 * @return 0 once it is done, see its outcome; VIA_ESTOPPED if the loop was stopped first; VIA_EDEADLK if
 *         nothing can complete it; VIA_EFOREIGN for a future of another loop; for a future that never had a
 *         loop its status; VIA_EINVAL, VIA_ENOMEM, and what via_loop_run_forever() returns.
 */
VIA_PUBLIC int via_loop_run_until_complete(via_loop *loop, via_future *future);

/**
 * Sets the executor that via_to_thread() and a NULL executor mean.
 *
 * - Ownership: takes a reference of its own; drops the one it had.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.set_default_executor`; any executor for pointer calls will do.
 *
 * @param loop the loop.
 * @param executor the executor; NULL to go back to a pool made at first use.
 * @return 0; VIA_EINVAL; VIA_ENOTSUP if it cannot run pointer calls; VIA_ESHUTDOWN after
 *         via_loop_shutdown_default_executor(); VIA_ECLOSED; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_set_default_executor(via_loop *loop, via_executor *executor);

/**
 * Gives the default executor, and makes it if there is none yet.
 *
 * - Ownership: the executor is borrowed from the loop.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio, which keeps it to itself.
 *
 * @param loop the loop.
 * @param executor receives it; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_ESHUTDOWN; VIA_ECLOSED; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_default_executor(via_loop *loop, via_executor **executor);

/**
 * Shuts the default executor down without blocking the loop.
 *
 * From now on via_to_thread() fails with VIA_ESHUTDOWN.  The future is done when every call has returned,
 * or fails with VIA_ETIMEDOUT when the time is over; via_executor_stuck() then lists the calls, for an
 * executor that the program made, or got from via_loop_default_executor() before and took a reference on.
 *
 * - Ownership: gives a reference.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: cancelling the future stops the waiting, not the shutdown.
 * - Origin: asyncio `loop.shutdown_default_executor`.
 *
 * @param loop the loop.
 * @param timeout_ns how long to wait, in nanoseconds.
 * @return the future; never NULL: one that has failed with VIA_EINVAL, VIA_ENOMEM, VIA_EAGAIN if the waiting
 *         thread could not be started, VIA_ECLOSED, VIA_EFORKED, or VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC via_future *via_loop_shutdown_default_executor(via_loop *loop, int64_t timeout_ns);

/**
 * Shuts an executor down without blocking the loop.
 *
 * Nothing new is accepted, and what the flags say is cancelled, when this returns.  The future is done when
 * every call has returned and every thread or process of the executor has ended; or fails with VIA_ETIMEDOUT
 * when the time is over, and then via_executor_stuck() lists the calls, and this may be called again.
 *
 * - Ownership: takes a reference of its own on `executor`, until the shutdown is over; gives a reference.
 * - Threads: the loop's.
 * - Blocks: no; a thread waits.
 * - Cancel: cancelling the future stops the waiting, not the shutdown.
 * - Origin: Viaduct; concurrent.futures `Executor.shutdown` for a loop.
 *
 * @param loop the loop.
 * @param executor the executor; for the loop's default one see via_loop_shutdown_default_executor().
 * @param flags enum via_shutdown_flags, or'ed.
 * @param timeout_ns how long to wait, in nanoseconds of real time, also with a virtual clock.
 * @return the future; never NULL: one that fails as via_executor_shutdown(), or has failed with VIA_EINVAL,
 *         VIA_ENOMEM, VIA_EAGAIN if the waiting thread could not be started, VIA_ECLOSED, VIA_EFORKED, or
 *         VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC via_future *via_executor_shutdown_async(via_loop *loop, via_executor *executor, unsigned flags,
                                                   int64_t timeout_ns);

VIA_END_C

#endif
