/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Running a program's main task: the loop, the clean-up and SIGINT in one call.
 *
 *     int main(void)
 *     {
 *         return via_exit_status(via_run(main_task, NULL, NULL));
 *     }
 *
 * A run ends when its main task has ended.  What is still there then is cleaned up: every task that is left
 * is cancelled, all at the same time, and runs to its end; the loop's default executor is shut down when its
 * calls have returned; the loop is closed.  A task that fails meanwhile is reported to the exception handler.
 * A task that does not heed its cancelling - its awaits fail, and it awaits again and again - is not waited
 * for: the closing of the loop takes its stack away.
 *
 * When nothing is left that could bring the main task to its end - no task that is ready, timer, watched
 * descriptor or signal, call in an executor, hold - the run says so with VIA_EDEADLK instead of waiting for
 * ever, and tells which tasks wait for what.
 *
 * In the main thread, if SIGINT has its default action, the first SIGINT cancels the main task; when that has
 * ended for this reason, the run fails with VIA_EINTERRUPTED.  A second one ends the run at once: the loop is
 * closed under the tasks.  So does the first if the main task has ended already.  A third has the default
 * action: the process ends.  Afterwards SIGINT has its default action again.
 */
#ifndef VIADUCT_RUN_H
#define VIADUCT_RUN_H

#include <viaduct/attr.h>
#include <viaduct/loop.h>
#include <viaduct/outcome.h>
#include <viaduct/task.h>

/** Runs main tasks, one after the other, on a loop of its own. */
typedef struct via_runner via_runner;

/** How a runner is to be.  Start from via_runner_options_init(). */
struct via_runner_options {
    struct via_loop_options loop;  /**< how its loop is to be; it has a base of its own */
    int debug;                     /**< 1: the loop is in debug mode */
    const char *name;              /**< of the main tasks; copied; the default is NULL, for "main" */
    size_t stack_bytes;            /**< of the main tasks; 0 for the default of tasks */
    int handle_sigint;             /**< 1, the default: as described above; 0: SIGINT is left alone */
    int64_t executor_timeout_ns;   /**< how long to wait for the calls on the loop's default executor when the
                                        runner closes, in nanoseconds; the default is 300 s */
    via_exception_fn exception_fn; /**< the loop's exception handler; NULL for the log hook */
    void *exception_arg;           /**< passed to it */
};

VIA_BEGIN_C

/**
 * Runs a main task on a new loop until it has ended, and cleans up.
 *
 * If the task failed with a text, that goes to the log hook.
 *
 * - Ownership: borrows `arg` until it returns; gives the value.
 * - Threads: any that runs no loop.
 * - Blocks: until the task has ended and everything is cleaned up.
 * - Cancel: SIGINT; in the task, as any task.
 * - Origin: asyncio `run`.
 *
 * @param main the main task's function.
 * @param arg its argument.
 * @param result receives its value if it succeeded, untouched otherwise; may be NULL.
 * @return what the function returned, VIA_EFAILED for a code of its own; VIA_ECANCELED if it was cancelled;
 *         VIA_EINTERRUPTED; VIA_EDEADLK; VIA_ESTOPPED if the loop was stopped by via_loop_stop() and the
 *         task, which is cancelled then, did not succeed all the same; VIA_ERUNNING if a loop runs in this
 *         thread; VIA_EINVAL; VIA_ENOMEM, and what via_loop_new() fails with.
 */
VIA_PUBLIC int via_run(via_task_fn main, void *arg, void **result);

/**
 * Turns a status into what main() returns.
 *
 * - Ownership: not applicable.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct; 130 is what a shell shows of a program that SIGINT has ended.
 *
 * @param status a status; or a code of one's own, such as the `code` of an outcome.
 * @return 0 for 0; 130 for VIA_EINTERRUPTED; a code from 1 to 125 as it is; 1 for everything else.
 */
VIA_PUBLIC int via_exit_status(int status);

/**
 * Fills in the defaults.
 *
 * - Ownership: borrows `options`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param options what to fill in; NULL does nothing.
 */
VIA_PUBLIC void via_runner_options_init(struct via_runner_options *options);

/**
 * Makes a runner with a loop of its own.
 *
 * - Ownership: copies `options`; gives the runner.
 * - Threads: any; the runner then belongs to this one.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Runner`.
 *
 * @param options how it is to be, or NULL for the defaults.
 * @param runner receives it; untouched on failure.
 * @return 0; VIA_EINVAL, also for a base or a negative time; VIA_ENOMEM; as via_loop_new_with().
 */
VIA_PUBLIC int via_runner_new(const struct via_runner_options *options, via_runner **runner);

/**
 * Runs a main task until it has ended.  May be called several times; other tasks go on in the next run, and
 * the main task begins with the local values (local.h) that the one before had in the end.
 *
 * When this returns the task has ended, whatever it fails with.  A main task that can only be ended by
 * closing the loop - a second SIGINT, nothing left to wait for although it was cancelled - closes the runner.
 *
 * - Ownership: borrows `arg` until it returns; gives the value.
 * - Threads: the runner's, while it runs no loop.
 * - Blocks: until the task has ended.
 * - Cancel: SIGINT; in the task, as any task.
 * - Origin: asyncio `Runner.run`.
 *
 * @param runner the runner.
 * @param main the main task's function.
 * @param arg its argument.
 * @param result receives its value if it succeeded, untouched otherwise; may be NULL.
 * @return as via_run(); VIA_ERUNNING also in a report of this runner; VIA_EFOREIGN if tasks wait that another
 *         thread has run; VIA_ECLOSED after via_runner_close(); VIA_EFORKED.
 */
VIA_PUBLIC int via_runner_run(via_runner *runner, via_task_fn main, void *arg, void **result);

/**
 * Tells what became of the last run: with the code and the text of a main task that failed, or, where the run
 * failed with VIA_EDEADLK, with the text of via_tasks_describe().
 *
 * - Ownership: the value and the text are borrowed; they are good until the next run or via_runner_free().
 * - Threads: the runner's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param runner the runner.
 * @param outcome receives the outcome, whose status is what via_runner_run() returned; untouched on failure.
 * @return 0; VIA_EPENDING if there was no run; VIA_EINVAL.
 */
VIA_PUBLIC int via_runner_outcome(via_runner *runner, struct via_outcome *outcome);

/**
 * Gives the runner's loop.
 *
 * - Ownership: borrowed from the runner.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Runner.get_loop`.
 *
 * @param runner the runner.
 * @return the loop, which is closed after via_runner_close(); NULL for NULL.
 */
VIA_PUBLIC via_loop *via_runner_loop(const via_runner *runner);

/**
 * Cleans up what the runs have left, and closes the loop.
 *
 * - Ownership: borrows `runner`.
 * - Threads: the runner's, while it runs no loop.
 * - Blocks: until every task has ended, and until the calls on the default executor have returned or the time
 *   for that is over.  A task that waits for a function which uses its argument is waited for as long as that
 *   function takes; so is one that takes its request to stop back, which is reported after some seconds.
 * - Cancel: SIGINT.
 * - Origin: asyncio `Runner.close`.
 *
 * @param runner the runner.
 * @return 0, also when it is closed already; VIA_ETIMEDOUT if calls had to be left behind, which is also
 *         reported to the exception handler; VIA_EDEADLK if tasks were left that nothing could bring to their
 *         ends, which is reported too; VIA_EINTERRUPTED; in all these cases it is closed; VIA_ERUNNING if
 *         a loop runs in this thread, and in a report of this runner; VIA_EFOREIGN as via_runner_run();
 *         VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_runner_close(via_runner *runner);

/**
 * Closes a runner if it is not closed, and frees it.
 *
 * - Ownership: takes `runner`.
 * - Threads: as via_runner_close().  While its loop runs, and in a report of this runner, it does nothing and
 *   tells the log hook.
 * - Blocks: as via_runner_close().
 * - Cancel: SIGINT.
 * - Origin: Viaduct.
 *
 * @param runner the runner, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_runner *via_runner_free(via_runner *runner);

VIA_END_C

#endif
