/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The loop: callbacks, timers, file descriptors and signals over one libevent `event_base`.
 *
 * A loop belongs to the thread that made it, and to the thread that runs it while it runs.  Only the
 * functions that say so may be called from others.
 *
 * One *tick* polls, gathers what is ready, and runs exactly that; what a callback schedules runs in a later
 * tick, so nothing starves.  Ready callbacks run first-in first-out: first what was ready before the poll,
 * then what file descriptors brought, then what other threads sent - their callbacks, and those of futures
 * whose calls have finished - and then due timers, by deadline and then by the order in which they were set.
 */
#ifndef VIADUCT_LOOP_H
#define VIADUCT_LOOP_H

#include <viaduct/attr.h>

struct event_base;

/** A callback of a loop.  A negative return goes to the loop's exception handler.  It has to return: a thread
 *  that ends in a callback takes the loop with it. */
typedef int (*via_callback_fn)(void *arg);

/** How a loop is to be.  Start from via_loop_options_init(). */
struct via_loop_options {
    struct event_base
        *base; /**< the base to attach to, borrowed until the loop is closed; NULL for its own */
    /** How long the loop polls without sleeping while short calls are in flight, in nanoseconds, before it
     *  goes to sleep; it saves the cost of a wake-up.  0 turns it off; the default is 20 us. */
    int64_t linger_ns;
    /** The longest time that the loop sleeps without being woken by other threads, in nanoseconds, while a
     * dozen calls or more are in flight and end so fast that about two of them do in that time: one wake-up
     * then serves several, and the workers are interrupted less often.  Finished calls and posted callbacks
     * wait for its end.  0 turns it off; the default is 200 us.  A loop that is attached never naps. */
    int64_t nap_ns;
    int drain_budget; /**< so many messages of other threads are taken in one tick; default 1024 */
    /** 1: time stands still, and jumps to the next timer when nothing else can happen.  Calls in flight and
     *  holds keep it from jumping, but not those calls that wait for it to do so: in via_call_sleep(), or for
     *  a future that depends on such a sleep or on this loop.  Calls whose sleeps end at one moment go on one
     *  after the other, in the order in which they were made. */
    int virtual_clock;
};

/** What a loop has done: see via_loop_stats(). */
struct via_loop_stats {
    uint64_t ticks;     /**< ticks run */
    uint64_t callbacks; /**< callbacks run, of every sort */
    uint64_t posts;     /**< messages taken from other threads: posted callbacks and finished calls */
    uint64_t wakes;     /**< times another thread had to wake the loop */
    size_t ready;       /**< callbacks ready now; one that was cancelled counts until its turn comes */
    size_t timers;      /**< timers set now */
    size_t watches;     /**< file descriptors and signals watched now */
    size_t in_flight;   /**< calls in executors whose futures belong to this loop */
    size_t holds;       /**< via_loop_hold() without its release */
    int64_t longest_callback_ns; /**< the longest callback, in debug mode, in nanoseconds */
    int64_t latest_timer_ns;     /**< the most that a timer was late, in nanoseconds */
};

/** What went wrong where there was no caller to tell. */
struct via_exception {
    const char *message; /**< what happened, one line */
    int status;          /**< a negative status, or 0 */
    via_loop *loop;      /**< the loop */
    via_future *future;  /**< the future concerned, or NULL */
    via_handle *handle;  /**< the callback concerned, or NULL */
    void *function;      /**< the address of the callback's or call's function, or NULL, for a symbolizer */
    int64_t took_ns;     /**< for a slow callback: how long it took, in nanoseconds */
    const char *text;    /**< the message of the outcome or the name of the call concerned, or NULL */
    /** The name of the task concerned, borrowed, or NULL.  If who reports leaves it NULL, it is filled in:
     *  that of `future` if this is a task, else of the task that runs. */
    const char *task;
};

/** An exception handler.  A negative return is reported to the log hook. */
typedef int (*via_exception_fn)(const struct via_exception *exception, void *arg);

VIA_BEGIN_C

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
VIA_PUBLIC void via_loop_options_init(struct via_loop_options *options);

/**
 * Makes a loop over a base of its own, with precise timers.
 *
 * - Ownership: gives a reference.
 * - Threads: any; the loop then belongs to this one.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `new_event_loop`.
 *
 * @param loop receives it; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_EAGAIN or another negative errno if the system gives no descriptor.
 */
VIA_PUBLIC int via_loop_new(via_loop **loop);

/**
 * Makes a loop over the program's base, which stays the program's.
 *
 * The program goes on calling event_base_dispatch() or event_base_loop(); the loop's callbacks run from
 * there.  With nothing outstanding the loop does not keep event_base_dispatch() from returning.  The base may
 * have any backend and number of priorities, and needs no evthread_use_pthreads().
 *
 * - Ownership: borrows `base` until the loop is closed, which must be before event_base_free(); gives a
 *   reference.
 * - Threads: the thread that runs the base.  To attach in one thread and run the base in another is not
 *   allowed, and not noticed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: trio's guest mode.
 *
 * @param base the program's base.
 * @param loop receives the loop; untouched on failure.
 * @return as via_loop_new().
 */
VIA_PUBLIC int via_loop_attach(struct event_base *base, via_loop **loop);

/**
 * Makes a loop with options.
 *
 * - Ownership: copies `options`; gives a reference.
 * - Threads: as via_loop_attach() where there is a base, else any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct; the virtual clock is trio's `MockClock`.
 *
 * @param options how it is to be, or NULL for the defaults.
 * @param loop receives it; untouched on failure.
 * @return as via_loop_new(); VIA_EINVAL also for a negative time or a budget below 1.
 */
VIA_PUBLIC int via_loop_new_with(const struct via_loop_options *options, via_loop **loop);

/**
 * Takes a further reference.
 *
 * - Ownership: gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param loop the loop, or NULL.
 * @return `loop`.
 */
VIA_PUBLIC via_loop *via_loop_ref(via_loop *loop);

/**
 * Gives a reference back.  The last one closes the loop if it is not closed.  It must go in the loop's
 * thread, or while the loop runs, which then closes itself at the end of its tick.
 *
 * - Ownership: takes the caller's reference.
 * - Threads: any once the loop is closed, or while it runs; else the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param loop the loop, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_loop *via_loop_unref(via_loop *loop);

/**
 * Closes the loop: nothing of it runs any more.
 *
 * Callbacks that were ready or timed are dropped, readers, writers and signal handlers removed.  Queued calls
 * of this loop are cancelled and running ones asked to stop; since nobody is left to hear of them their
 * futures stay as they are, and their results are destroyed when the functions return.  The default executor
 * is shut down without waiting.  A thread that posts to a closed loop is told VIA_ECLOSED.  Called by one of
 * the loop's own callbacks under an attached base it takes effect when that callback returns.
 *
 * Tasks (task.h) run to their ends before this returns: each await fails.  Those that another thread has run
 * cannot; they end with VIA_EEXITED where they stand, and their stacks are lost.
 *
 * - Ownership: borrows `loop`; objects that refer to it stay valid and answer VIA_ECLOSED.
 * - Threads: the loop's.
 * - Blocks: no; with tasks, until the functions on threads that they wait for have returned.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.close`.
 *
 * @param loop the loop.
 * @return 0, also when it is closed already; VIA_ERUNNING from inside via_loop_run_forever() and the like;
 *         VIA_EINVAL; VIA_EFOREIGN from another thread while it runs; VIA_EFORKED.
 */
VIA_PUBLIC int via_loop_close(via_loop *loop);

/**
 * Runs the loop until via_loop_stop().
 *
 * - Ownership: borrows `loop`.
 * - Threads: any one; the loop belongs to it while it runs.
 * - Blocks: until stopped.
 * - Cancel: via_loop_stop().
 * - Origin: asyncio `loop.run_forever`.
 *
 * @param loop a loop with a base of its own.
 * @return 0; VIA_ERUNNING if it runs already, or another loop runs in this thread; VIA_EFOREIGN if tasks wait
 *         that another thread has run; VIA_ECLOSED; VIA_ENOTSUP for an attached loop, which its program runs;
 *         VIA_EINVAL; VIA_EFORKED; VIA_EAGAIN if libevent fails.
 */
VIA_PUBLIC int via_loop_run_forever(via_loop *loop);

/**
 * Runs one tick: polls for at most `timeout_ns`, then runs what is ready.
 *
 * For host loops that cannot give up their own main loop, and for tests.
 *
 * - Ownership: borrows `loop`.
 * - Threads: any one; the loop belongs to it meanwhile.
 * - Blocks: up to `timeout_ns` if nothing is ready.
 * - Cancel: via_loop_stop() ends the wait.
 * - Origin: asyncio's `run_forever` as setup, steps and clean-up.
 *
 * @param loop a loop with a base of its own.
 * @param timeout_ns how long to wait if nothing is ready, in nanoseconds; 0 for not at all.
 * @return how many callbacks ran; otherwise as via_loop_run_forever().
 */
VIA_PUBLIC int via_loop_step(via_loop *loop, int64_t timeout_ns);

/**
 * Stops the loop at the end of the tick that runs, or of the next one if none does.
 *
 * - Ownership: borrows `loop`.
 * - Threads: the loop's; elsewhere post it with via_call_soon_threadsafe().
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.stop`.
 *
 * @param loop the loop; under an attached base this breaks the program's event_base_loop().
 * @return 0; VIA_EINVAL; VIA_ECLOSED; VIA_EFOREIGN in debug mode; VIA_EFORKED.
 */
VIA_PUBLIC int via_loop_stop(via_loop *loop);

/**
 * Tells whether the loop is running.
 *
 * - Ownership: borrows `loop`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.is_running`.
 *
 * @param loop the loop.
 * @return 1 inside via_loop_run_forever() and the like, and inside a callback of an attached loop; else 0;
 *         VIA_EINVAL.
 */
VIA_PUBLIC int via_loop_is_running(const via_loop *loop);

/**
 * Tells whether the loop was closed.
 *
 * - Ownership: borrows `loop`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.is_closed`.
 *
 * @param loop the loop.
 * @return 1 or 0; VIA_EINVAL.
 */
VIA_PUBLIC int via_loop_is_closed(const via_loop *loop);

/**
 * Finds the loop that is running in this thread.
 *
 * - Ownership: the result is borrowed.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `get_running_loop`; a forked child has none.
 *
 * @return the loop, or NULL.
 */
VIA_PUBLIC via_loop *via_loop_current(void);

/**
 * Gives the loop's base, for bufferevents, evhttp and other events of the program.
 *
 * - Ownership: the base is borrowed from the loop.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param loop the loop.
 * @return the base; NULL for NULL, for a closed loop, and in debug mode in another thread.
 */
VIA_PUBLIC struct event_base *via_loop_base(const via_loop *loop);

/**
 * Tells the loop's time.
 *
 * - Ownership: borrows `loop`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.time`.
 *
 * @param loop the loop.
 * @return via_now_ns(), or the virtual clock's time, in nanoseconds; VIA_EINVAL for NULL;
 *         VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int64_t via_loop_time_ns(const via_loop *loop);

/**
 * Has `fn(arg)` called in the next tick, after what is ready already.  Never at once.
 *
 * - Ownership: borrows `arg` until the callback has run or was cancelled; gives a reference on the handle.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_handle_cancel().
 * - Origin: asyncio `loop.call_soon`.
 *
 * @param loop the loop.
 * @param fn the callback.
 * @param arg passed to it.
 * @param handle receives a handle; untouched on failure; NULL if it will not be cancelled.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_ECLOSED; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_call_soon(via_loop *loop, via_callback_fn fn, void *arg, via_handle **handle);

/**
 * Has `fn(arg)` called in the loop's thread, and wakes the loop.  Calls of one thread keep their order.
 *
 * An attached loop with nothing outstanding may not be run any more by its program: a thread that will post
 * takes via_loop_hold() first.
 *
 * - Ownership: borrows `arg` until the callback has run or was cancelled; gives a reference on the handle.
 * - Threads: any, and workers of any pool.  Not in signal handlers: it allocates.
 * - Blocks: no.
 * - Cancel: via_handle_cancel(), in any thread.
 * - Origin: asyncio `loop.call_soon_threadsafe`.
 *
 * @param loop the loop.
 * @param fn the callback.
 * @param arg passed to it.
 * @param handle receives a handle that any thread may use; untouched on failure; may be NULL.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_ECLOSED; VIA_EFORKED.
 */
VIA_PUBLIC int via_call_soon_threadsafe(via_loop *loop, via_callback_fn fn, void *arg, via_handle **handle);

/**
 * Has `fn(arg)` called after a delay.
 *
 * - Ownership: borrows `arg` until the callback has run or was cancelled; gives a reference on the handle.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_handle_cancel().
 * - Origin: asyncio `loop.call_later`; equal deadlines run in the order they were set.
 *
 * @param loop the loop.
 * @param delay_ns the delay in nanoseconds; negative ones are due already and keep their order.
 * @param fn the callback.
 * @param arg passed to it.
 * @param handle receives a handle; untouched on failure; may be NULL.
 * @return as via_call_soon().
 */
VIA_PUBLIC int via_call_later(via_loop *loop, int64_t delay_ns, via_callback_fn fn, void *arg,
                              via_handle **handle);

/**
 * Has `fn(arg)` called at a time of the loop's clock.
 *
 * - Ownership: borrows `arg` until the callback has run or was cancelled; gives a reference on the handle.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_handle_cancel().
 * - Origin: asyncio `loop.call_at`.
 *
 * @param loop the loop.
 * @param when_ns the time, of via_loop_time_ns(); VIA_FOREVER never comes.
 * @param fn the callback.
 * @param arg passed to it.
 * @param handle receives a handle; untouched on failure; may be NULL.
 * @return as via_call_soon().
 */
VIA_PUBLIC int via_call_at(via_loop *loop, int64_t when_ns, via_callback_fn fn, void *arg,
                           via_handle **handle);

/**
 * Keeps a callback from running.
 *
 * - Ownership: borrows `handle`; gives the callback's `arg` back if it returns 1.
 * - Threads: the loop's; any for a handle of via_call_soon_threadsafe().
 * - Blocks: no in the loop's thread; elsewhere, if the callback is just running, until it has returned.
 * - Cancel: this is it; calling it again changes nothing.
 * - Origin: asyncio `Handle.cancel`.
 *
 * @param handle the handle.
 * @return 1 if the callback will not run because of this or an earlier cancel; 0 if it has run, or is
 *         running in this thread; VIA_EINVAL; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_handle_cancel(via_handle *handle);

/**
 * Tells whether the callback was cancelled.
 *
 * - Ownership: borrows `handle`.
 * - Threads: as via_handle_cancel().
 * - Blocks: as via_handle_cancel().
 * - Cancel: not applicable.
 * - Origin: asyncio `Handle.cancelled`.
 *
 * @param handle the handle.
 * @return 1 or 0; VIA_EINVAL; VIA_EFORKED if the callback was running in the parent as it forked;
 *         VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_handle_cancelled(via_handle *handle);

/**
 * Tells when a timer is due.
 *
 * - Ownership: borrows `handle`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `TimerHandle.when`.
 *
 * @param handle the handle.
 * @param when_ns receives the time of the loop's clock, in nanoseconds; untouched on failure.
 * @return 0; VIA_EINVAL for NULL and for a callback that is not timed; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_handle_when(const via_handle *handle, int64_t *when_ns);

/**
 * Gives a handle's reference back.  The callback still runs.
 *
 * - Ownership: takes the caller's reference.
 * - Threads: as via_handle_cancel(); debug mode tells the log hook of another thread.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param handle the handle, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_handle *via_handle_unref(via_handle *handle);

/**
 * Has `fn(arg)` called whenever a descriptor can be read; replaces the reader it had.
 *
 * - Ownership: borrows the descriptor and `arg` until the reader is removed or replaced.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_loop_remove_reader().
 * - Origin: asyncio `loop.add_reader`; it may be called although there is nothing to read.
 *
 * @param loop the loop.
 * @param fd the descriptor.
 * @param fn the callback.
 * @param arg passed to it.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_ECLOSED; VIA_EBADF or VIA_EPERM if the backend cannot watch it;
 *         VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_add_reader(via_loop *loop, int fd, via_callback_fn fn, void *arg);

/**
 * Removes the reader of a descriptor.  To be done before the descriptor is closed.
 *
 * - Ownership: gives `arg` back.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.remove_reader`.
 *
 * @param loop the loop.
 * @param fd the descriptor.
 * @return 1 if there was one; 0 if not; VIA_EINVAL; VIA_ECLOSED; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_remove_reader(via_loop *loop, int fd);

/**
 * Has `fn(arg)` called whenever a descriptor can be written; replaces the writer it had.
 *
 * - Ownership: borrows the descriptor and `arg` until the writer is removed or replaced.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_loop_remove_writer().
 * - Origin: asyncio `loop.add_writer`.
 *
 * @param loop the loop.
 * @param fd the descriptor.
 * @param fn the callback.
 * @param arg passed to it.
 * @return as via_loop_add_reader().
 */
VIA_PUBLIC int via_loop_add_writer(via_loop *loop, int fd, via_callback_fn fn, void *arg);

/**
 * Removes the writer of a descriptor.
 *
 * - Ownership: gives `arg` back.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.remove_writer`.
 *
 * @param loop the loop.
 * @param fd the descriptor.
 * @return as via_loop_remove_reader().
 */
VIA_PUBLIC int via_loop_remove_writer(via_loop *loop, int fd);

/**
 * Has `fn(arg)` called in the loop, never in signal context, when a signal comes; replaces the handler that
 * the loop had for it.
 *
 * Signals of one number may be merged by the system.  libevent lets one base of a process receive signals:
 * the last one that asked.  In a forked child the signal does what it did before there was a handler.
 *
 * - Ownership: borrows `arg` until the handler is removed or replaced.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: via_loop_remove_signal_handler(), or closing the loop.
 * - Origin: asyncio `loop.add_signal_handler`.
 *
 * @param loop the loop.
 * @param signo the signal.
 * @param fn the callback.
 * @param arg passed to it.
 * @return 0; VIA_EINVAL also for a signal that does not exist or cannot be caught; otherwise as
 *         via_loop_add_reader().
 */
VIA_PUBLIC int via_loop_add_signal_handler(via_loop *loop, int signo, via_callback_fn fn, void *arg);

/**
 * Removes a signal handler and restores what the signal did before.
 *
 * - Ownership: gives `arg` back.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.remove_signal_handler`.
 *
 * @param loop the loop.
 * @param signo the signal.
 * @return as via_loop_remove_reader().
 */
VIA_PUBLIC int via_loop_remove_signal_handler(via_loop *loop, int signo);

/**
 * Tells the loop that something it cannot see will post to it, so that it does not end for want of work.
 *
 * - Ownership: each hold needs one via_loop_release().  A hold is no reference: whoever posts needs one too.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: libuv `uv_ref`, Boost.Asio `executor_work_guard`.
 *
 * @param loop the loop.
 * @return 0; VIA_EINVAL; VIA_ECLOSED; VIA_EFORKED; VIA_ENOMEM.
 */
VIA_PUBLIC int via_loop_hold(via_loop *loop);

/**
 * Undoes one via_loop_hold().
 *
 * - Ownership: ends a hold.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: as via_loop_hold().
 *
 * @param loop the loop.
 * @return 0, also after the loop was closed; VIA_ESTATE if there is no hold; VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_loop_release(via_loop *loop);

/**
 * Sets what is called for errors that no caller can be told of.  Without one they go to the log hook.
 *
 * - Ownership: borrows `arg` until it is replaced.
 * - Threads: the loop's; it is called there.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.set_exception_handler`.
 *
 * @param loop the loop.
 * @param fn the handler; NULL for the default.
 * @param arg passed to it.
 * @return 0; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_set_exception_handler(via_loop *loop, via_exception_fn fn, void *arg);

/**
 * Reports something to the exception handler.  If the handler fails, that is reported to the log hook.
 *
 * - Ownership: borrows `exception`.
 * - Threads: the loop's.
 * - Blocks: no, but for the handler.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.call_exception_handler`.
 *
 * @param loop the loop.
 * @param exception what happened.
 * @return 0; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_call_exception_handler(via_loop *loop, const struct via_exception *exception);

/**
 * Turns debug mode on or off: use from the wrong thread is refused with VIA_EFOREIGN, or told to the log
 * hook by functions that return no status, and reported to the
 * exception handler are callbacks that take too long and pending calls that are dropped although they do not
 * own their argument.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.set_debug`.  VIADUCT_DEBUG=1 in the environment turns it on for every new loop, and
 *   for every new executor, which reports such calls of via_executor_submit() to the log hook.
 *
 * @param loop the loop.
 * @param on 1 or 0.
 * @return 0; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_set_debug(via_loop *loop, int on);

/**
 * Sets from when on a callback counts as slow in debug mode.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `loop.slow_callback_duration`.
 *
 * @param loop the loop.
 * @param duration_ns the time in nanoseconds; the default is 100 ms.
 * @return 0; VIA_EINVAL, also for a negative time; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_set_slow_callback_ns(via_loop *loop, int64_t duration_ns);

/**
 * Takes a snapshot of the loop's figures.
 *
 * - Ownership: borrows `loop`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param loop the loop.
 * @param stats receives the figures; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_EFORKED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_loop_stats(via_loop *loop, struct via_loop_stats *stats);

VIA_END_C

#endif
