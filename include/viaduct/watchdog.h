/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The watchdog: reports a loop that is blocked, while it still is.
 *
 * A blocking call made by mistake in a task or callback stops everything else of its loop, and when it is
 * over nobody can tell any more what it was.  The watchdog is a thread that looks at the loops from time to
 * time. If one has been inside of the same callback, or the same step of the same task, for longer than a
 * threshold, it says so: which task, where (a back-trace of its stack), for how long, and whether it waits in
 * the system or computes.
 *
 *     struct via_watchdog_options options = {.threshold_ns = 50 * VIA_MS};
 *     rc = via_watchdog_enable(&options);       // once, early in main(); or with NULL
 *     rc = via_loop_set_debug(loop, 1);         // or VIADUCT_DEBUG=1 in the environment
 *
 * With these two lines the program's log hook gets something like
 *
 *     the loop is blocked: task "import" (load_all+0x31 in ./importd) has not returned for 52 ms;
 *         it waits in the system (processor time 0 ms)
 *       #0 read+0xd in /lib/x86_64-linux-gnu/libc.so.6
 *       #1 read_file+0x2f in ./importd
 *
 * Functions have names in this if the program is linked with `-rdynamic`; those of a program that is not, and
 * static ones, are given as offsets, which `addr2line -fe PROGRAM OFFSET` understands.
 *
 * The loop pays one store for each callback, watched or not.  To get at the back-trace the thread is sent a
 * signal when it is reported, and only then.  The handler restarts system calls; but some, such as poll() and
 * nanosleep(), fail with EINTR after any signal.
 *
 * Seen is what runs in the loop's callbacks and tasks.  What other events of the program on the loop's base
 * do (bufferevents, evhttp) is not.
 */
#ifndef VIADUCT_WATCHDOG_H
#define VIADUCT_WATCHDOG_H

#include <viaduct/attr.h>

/** What a thread does that blocks its loop. */
enum via_blocked {
    VIA_BLOCKED_UNKNOWN,  /**< it could not be found out */
    VIA_BLOCKED_WAITS,    /**< it sleeps in a system call, or for a lock */
    VIA_BLOCKED_COMPUTES, /**< it uses the processor, or is ready to */
    VIA_BLOCKED_OVER      /**< it has gone on: the callback has returned, or the task waits */
};

/** A loop that is blocked, or was.  Everything in here is valid during the report. */
struct via_blockage {
    via_loop *loop;         /**< the loop, for comparing: it belongs to another thread, and may be closed */
    const char *task;       /**< the name of the task, cut to 63 bytes; NULL in a callback, or if not known */
    void *function;         /**< the address of the task's or callback's function; NULL if not known */
    int64_t blocked_ns;     /**< for how long so far, or in all if it is over, in nanoseconds */
    int64_t cpu_ns;         /**< how much of that the thread has used the processor, in nanoseconds */
    enum via_blocked state; /**< what the thread does */
    int reports;            /**< how many reports of this blockage came before */
    int frame_count;     /**< of the back-trace; 0 if it is over, or the thread did not answer the signal */
    void *const *frames; /**< where it stands, the innermost function first; after that, return addresses */
    const char *const *symbols; /**< the same as text */
};

/** Gets the reports, one at a time, in the watchdog's thread.  It may not enable or disable the watchdog. No
 *  loop is looked at before it has returned. */
typedef void (*via_blockage_fn)(const struct via_blockage *blockage, void *arg);

/** How the watchdog is to be; all zero gives the defaults. */
struct via_watchdog_options {
    int64_t threshold_ns;   /**< a loop is blocked when it was for so long, in nanoseconds; 0 for 100 ms */
    int every_loop;         /**< 1: also loops that are not in debug mode */
    int signo;              /**< a signal that nothing else uses; 0 for SIGVTALRM */
    via_blockage_fn report; /**< gets the reports; NULL: they go to the log hook, as warnings */
    void *arg;              /**< passed to it */
};

VIA_BEGIN_C

/**
 * Starts the watchdog, or changes its options.
 *
 * All loops in debug mode are watched from their next tick on, whether they were made before or after, in
 * whatever threads they run; so is the one that runs this.  A blockage is reported when it has lasted as long
 * as the threshold, again each time when it has lasted twice as long as at the last report, and once when it
 * is over.  Times are exact to a quarter of the threshold.
 *
 * A handler for the signal is installed for good.  It calls the one that was there before for signals that
 * are not the watchdog's.  In the threads of watched loops the signal is taken out of the mask.  In a forked
 * child the watchdog is not running.
 *
 * - Ownership: copies `options`; borrows its `arg` until they are changed, or the watchdog is disabled.
 * - Threads: any, but not in a report.
 * - Blocks: until a report under way has returned, if one is.
 * - Cancel: via_watchdog_disable().
 * - Origin: asyncio's `slow_callback_duration`, which speaks when all is over.
 *
 * @param options how it is to be; NULL for the defaults.
 * @return 0; VIA_EINVAL for a negative threshold or a signal that cannot be caught; VIA_EBUSY if it was
 * enabled with another signal before; VIA_EDEADLK in a report; VIA_ENOTSUP where a thread cannot be sent a
 *         signal; VIA_EAGAIN if the system gives no thread; VIA_ENOMEM.
 */
VIA_PUBLIC int via_watchdog_enable(const struct via_watchdog_options *options);

/**
 * Ends the watchdog.
 *
 * - Ownership: gives back the `arg` of its options.
 * - Threads: any, but not in a report.
 * - Blocks: until a report under way has returned, if one is.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @return 0, also if it was not enabled; VIA_EDEADLK in a report.
 */
VIA_PUBLIC int via_watchdog_disable(void);

VIA_END_C

#endif
