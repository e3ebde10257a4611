/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Executors: anything that accepts a call and gives a concurrent future for its outcome.
 *
 * Thread pools and pinned threads are in thread_pool.h; here are the interface, the strand, the inline
 * executor, and what a program needs to write an executor of its own.
 *
 * An executor of one's own gets *jobs*.  Its `submit` takes a job, puts it wherever it likes, and later, in
 * some thread, ends it in one of three ways: via_job_run() runs it here and completes its future;
 * via_job_start() and via_job_finish() bracket a run that happens elsewhere; via_job_fail() ends it without
 * running.  Each of them gives the job back, so each job is ended once.  A job whose future was cancelled
 * meanwhile is ended the same way; it just does not run.  The executor stays until every job was given back.
 */
#ifndef VIADUCT_EXECUTOR_H
#define VIADUCT_EXECUTOR_H

#include <viaduct/attr.h>
#include <viaduct/call.h>
#include <viaduct/cfuture.h>
#include <viaduct/outcome.h>

/** How an executor is shut down. */
enum via_shutdown_flags {
    VIA_SHUTDOWN_CANCEL_QUEUED = 1 << 0, /**< cancel what has not started; else it still runs */
    /** Also ask the running calls to stop, with those that run inside them in the same worker. */
    VIA_SHUTDOWN_CANCEL_RUNNING = 1 << 1
};

/** A call that a shutdown had to leave behind. */
struct via_stuck_call {
    const char *name;   /**< via_call::name, or NULL; good while the call runs */
    void *function;     /**< the address of its function, for a symbolizer */
    int64_t running_ns; /**< for how long it has been running, in nanoseconds */
    long thread_id;     /**< the kernel's number of its thread, or 0 where there is none */
};

/** What an executor is doing and has done: one consistent snapshot. */
struct via_executor_stats {
    size_t workers;      /**< threads there are */
    size_t workers_max;  /**< threads there may be; 0 if the executor has none of its own */
    size_t workers_idle; /**< threads waiting for work */
    size_t workers_peak; /**< the most there ever were */
    size_t queued;       /**< calls waiting to start */
    size_t queued_peak;  /**< the most that ever waited */
    size_t running;      /**< calls under way: in the executor's threads, within other calls there as well,
                          *   and in threads that run what they submitted (VIA_FULL_CALLER_RUNS) */
    uint64_t submitted;  /**< calls accepted */
    uint64_t completed;  /**< calls whose function returned */
    uint64_t cancelled;  /**< calls cancelled before they started */
    uint64_t expired;    /**< calls accepted whose deadline passed before they started */
    uint64_t rejected;   /**< calls not accepted: the queue was full, or a thread could not be started */
    uint64_t helped;     /**< calls run by a worker that was waiting for them */
    int64_t oldest_running_ns; /**< for how long the longest of the running calls has run, in nanoseconds */
};

/** What an executor of one's own does.  `self` is the pointer given to via_executor_new(). */
struct via_executor_ops {
    const char *kind;    /**< a word for reports, static */
    unsigned call_kinds; /**< which enum via_call_kind it runs, or'ed */
    /** Takes a job, to be ended later in any thread, perhaps already here.  0, or a negative status: the job
     *  is then not taken, and via_executor_submit() fails with the status. */
    int (*submit)(void *self, via_job *job);
    /** A job still queued was cancelled, in some thread, and will not run: for counting.  It may come just
     *  before `submit` is called with that job, if a shutdown cancels it.  It may run under a lock of the
     *  library: it must not end the job, call the library, or take a lock under which some thread calls the
     *  library; an atomic counter does.  The job stays in the queue, to be ended.  May be NULL. */
    void (*cancelled)(void *self, via_job *job);
    /** Part of via_executor_shutdown(), which refuses new jobs by itself, has cancelled what `flags` say
     *  before, and then waits until each future is done and each function has returned: see to it that the
     *  jobs that are left are run, end the executor's own threads, and wait for these until `deadline_ns` of
     *  via_now_ns(), not at all if that is 0.  0 when all is done, and then it is not called again;
     *  VIA_ETIMEDOUT.  Called with no flags and a deadline of 0 when the last reference goes and nobody has
     *  shut the executor down, in the thread that drops it.  NULL if there is nothing to end. */
    int (*shutdown)(void *self, unsigned flags, int64_t deadline_ns);
    /** Fills in what it knows; the struct comes zeroed.  May be NULL. */
    void (*stats)(void *self, struct via_executor_stats *stats);
    /** The last reference is gone and every job was given back: release `self`.  May be NULL. */
    void (*free)(void *self);
};

VIA_BEGIN_C

/**
 * Makes an executor of one's own.
 *
 * - Ownership: borrows `ops`, takes `self` (see via_executor_ops::free); gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `Executor`, made to be implemented.
 *
 * @param ops what it does; must stay for as long as the executor.  `call_kinds` left zero runs nothing.
 * @param self passed to each of them.
 * @param executor receives it; untouched on failure, and then `self` stays the caller's.
 * @return 0; VIA_EINVAL if `ops` lacks `submit`; VIA_ENOMEM.
 */
VIA_PUBLIC int via_executor_new(const struct via_executor_ops *ops, void *self, via_executor **executor);

/**
 * Takes a further reference.
 *
 * - Ownership: gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param executor the executor, or NULL.
 * @return `executor`.
 */
VIA_PUBLIC via_executor *via_executor_ref(via_executor *executor);

/**
 * Gives a reference back.  With the last one the executor is shut down without waiting: what is queued is
 * still run, and then its threads end.  An executor of one's own is told so (via_executor_ops::shutdown).
 *
 * - Ownership: takes the caller's reference.
 * - Threads: any, its own workers included.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures, where releasing an executor lets it finish.
 *
 * @param executor the executor, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_executor *via_executor_unref(via_executor *executor);

/**
 * Submits a call.
 *
 * What a call may ask for depends on the executor; what it lacks is VIA_ENOTSUP, nothing is ignored.  Threads
 * run both kinds of calls, with every field but via_call::timeout_ns and via_call::retries, for which a
 * process is needed.  Process pools run bytes calls only, and neither via_call::cancel nor
 * VIA_CALL_INTERRUPTIBLE, which reach into the program.  So a call for either sets none of these four.
 *
 * - Ownership: takes the call's payload, also on failure: `destroy` is then called before this returns.
 *   Gives a reference to the future.
 * - Threads: any.
 * - Blocks: no; a pool with a bounded queue may be told to (VIA_FULL_BLOCK).
 * - Cancel: via_cfuture_cancel().
 * - Origin: concurrent.futures `Executor.submit`.
 *
 * @param executor the executor.
 * @param call what to run; copied.
 * @param cf receives the future; untouched on failure; NULL if nobody wants to know the outcome.
 * @return 0; VIA_EINVAL for a NULL executor, call or function, an unknown kind, flag or priority, a negative
 *         deadline, timeout or number of retries, a freed buffer, or an abandonable call that does not own
 * what it touches; VIA_ENOTSUP if the executor cannot run such a call (see above), or for
 * VIA_CALL_INTERRUPTIBLE without via_thread_interrupt_enable(); VIA_EMSGSIZE if the input is longer than a
 * process pool takes; VIA_EBUSY if its queue is full; VIA_ESHUTDOWN; VIA_EBROKEN; VIA_EAGAIN if there is no
 * worker and none could be started; VIA_ENOMEM; VIA_ETIMEDOUT if the deadline has passed; VIA_EDEADLK if
 * waiting for room could last for ever; VIA_EFORKED; from an executor of one's own what its `submit` returns.
 */
VIA_PUBLIC int via_executor_submit(via_executor *executor, const struct via_call *call, via_cfuture **cf);

/**
 * Shuts the executor down: nothing new is accepted, and this waits for what was.
 *
 * May be called again: to wait longer, or to cancel after having waited.  It is the same for an executor of
 * one's own, whose jobs are waited for whether it has a `shutdown` or not; a job that was cancelled or has
 * expired is not, also when it was not given back yet.
 *
 * - Ownership: borrows `executor`.
 * - Threads: any but a loop's thread with a timeout above 0: there call it in another, as with
 *   via_await_to_thread(); or use via_executor_shutdown_async().
 * - Blocks: up to `timeout_ns`.
 * - Cancel: with VIA_SHUTDOWN_CANCEL_QUEUED and VIA_SHUTDOWN_CANCEL_RUNNING it cancels.
 * - Origin: concurrent.futures `Executor.shutdown`; deadline and list are Viaduct's.
 *
 * @param executor the executor.
 * @param flags enum via_shutdown_flags, or'ed.
 * @param timeout_ns how long to wait, in nanoseconds; 0 does not wait.
 * @return 0 when every call has returned and every thread has ended; VIA_ETIMEDOUT if calls are left, see
 *         via_executor_stuck(); with a timeout of 0 that is no error but simply not yet done; VIA_EDEADLK
 *         from one of its own calls, a callback in a thread that serves it, or a loop's thread, and then it
 *         is shut down but not waited for; what the `shutdown` of an executor of one's own returns;
 *         VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_executor_shutdown(via_executor *executor, unsigned flags, int64_t timeout_ns);

/**
 * Lists the calls that are running, the longest first: after a shutdown that timed out, those left behind.
 *
 * A worker that waits for a call may run it meanwhile, and a strand's calls run within a call of the pool
 * that it is on.  Such calls are listed too, with the thread they are in: of the calls in one thread the
 * last one listed is the innermost, whose function the others wait for.
 *
 * - Ownership: borrows `executor`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param executor the executor.
 * @param calls an array to fill in; may be NULL if `capacity` is 0.
 * @param capacity how many fit.
 * @return how many calls are running, perhaps more than fitted; VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_executor_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity);

/**
 * Takes a snapshot of the executor's figures.
 *
 * - Ownership: borrows `executor`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param executor the executor.
 * @param stats receives the figures; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_executor_stats(via_executor *executor, struct via_executor_stats *stats);

/**
 * Makes a strand: an executor that runs its calls one at a time and in order, on the threads of another.
 *
 * A library that must not be entered twice at once (a database handle, a vendor SDK) gets a strand, and all
 * its calls go there.  A long queue does not hold on to a thread: after a bounded run of calls others of
 * the underlying executor get their turn.
 *
 * - Ownership: takes a reference of its own on `on`; gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Boost.Asio `strand`; asgiref `thread_sensitive`.
 *
 * @param on the executor whose threads it uses; it must run pointer calls.
 * @param executor receives the strand; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOTSUP; VIA_ENOMEM; VIA_EFORKED.
 */
VIA_PUBLIC int via_serial_new(via_executor *on, via_executor **executor);

/**
 * Makes an executor that runs each call at once, in the thread that submits it.
 *
 * For tests, and for code that is written against an executor and should not have threads.
 *
 * - Ownership: gives a reference.
 * - Threads: any.
 * - Blocks: no; submitting to it takes as long as the call.
 * - Cancel: not applicable.
 * - Origin: folly `InlineExecutor`.
 *
 * @param executor receives it; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM.
 */
VIA_PUBLIC int via_inline_new(via_executor **executor);

/**
 * Runs a job in this thread and completes its future.
 *
 * - Ownership: takes the job.
 * - Threads: any; for executors.
 * - Blocks: as long as its function runs.
 * - Cancel: a job cancelled meanwhile is not run.
 * - Origin: Viaduct.
 *
 * @param job the job.
 * @return 1 if the function ran; 0 if it was cancelled or expired; VIA_ESTATE after via_job_start(), and then
 *         the job stays the caller's; VIA_EINVAL.
 */
VIA_PUBLIC int via_job_run(via_job *job);

/**
 * Marks a job as running, when its run begins elsewhere.
 *
 * A call that is to be interrupted (VIA_CALL_INTERRUPTIBLE) cannot be started so, since it is not known which
 * thread its function will run in; via_job_run() can run it.
 *
 * - Ownership: borrows the job; unless it returns 1 the job is still to be ended, with via_job_fail(), or
 *   with via_job_run() after VIA_ENOTSUP.
 * - Threads: any; for executors.
 * - Blocks: no.
 * - Cancel: from here on cancelling only requests.
 * - Origin: concurrent.futures `set_running_or_notify_cancel`.
 *
 * @param job the job.
 * @return 1 if it is running now; 0 if it was cancelled or its deadline has passed; VIA_ENOTSUP for an
 *         interruptible call, and then it is as before; VIA_ESTATE if it was started already; VIA_EINVAL.
 */
VIA_PUBLIC int via_job_start(via_job *job);

/**
 * Ends a started job with an outcome.
 *
 * - Ownership: takes the job and the outcome's value; copies the message.
 * - Threads: any; for executors.
 * - Blocks: no, but for the future's callbacks.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param job a job after via_job_start().
 * @param outcome how the run ended.
 * @return 0; VIA_ESTATE if it was not started, and then the job stays the caller's; VIA_EINVAL also for a
 *         positive status.
 */
VIA_PUBLIC int via_job_finish(via_job *job, const struct via_outcome *outcome);

/**
 * Ends a job that will not run.
 *
 * - Ownership: takes the job.
 * - Threads: any; for executors.
 * - Blocks: no, but for the future's callbacks.
 * - Cancel: if it was cancelled already it stays so.
 * - Origin: Viaduct.
 *
 * @param job a job that was not started.
 * @param status why: a negative status; VIA_ECANCELED cancels its future.
 * @return 0; VIA_ESTATE if it was started, and then the job stays the caller's, to be ended with
 *         via_job_finish(); VIA_EINVAL also for a status that is not negative.
 */
VIA_PUBLIC int via_job_fail(via_job *job, int status);

/**
 * Shows what a job is to run.
 *
 * - Ownership: all pointers are borrowed from the job.
 * - Threads: any; for executors, before the job has started.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param job the job.
 * @param call receives a description; untouched on failure.
 * @return 0; VIA_EINVAL.
 */
VIA_PUBLIC int via_job_call(const via_job *job, struct via_call *call);

VIA_END_C

#endif
