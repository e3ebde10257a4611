/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Thread pools and pinned threads.
 */
#ifndef VIADUCT_THREAD_POOL_H
#define VIADUCT_THREAD_POOL_H

#include <viaduct/attr.h>
#include <viaduct/executor.h>

/** What happens to a call when the queue is full. */
enum via_when_full {
    VIA_FULL_REJECT, /**< it is refused with VIA_EBUSY */
    /** The submitting thread waits for room, or gets VIA_EDEADLK where no worker could ever make any; a
     * loop's thread is refused instead. */
    VIA_FULL_BLOCK,
    VIA_FULL_CALLER_RUNS /**< the submitting thread runs it; a loop's thread is refused instead */
};

/** How a thread pool is to be.  Start from via_thread_pool_options_init(). */
struct via_thread_pool_options {
    const char *name;        /**< threads are called `name-N`; NULL for `via-K`, K counting the pools */
    int max_workers;         /**< at most so many threads; the default is the smaller of 32 and CPUs + 4 */
    int min_workers;         /**< so many threads stay, however idle; default 0 */
    int64_t idle_timeout_ns; /**< a thread above the minimum ends after so long without work; default 10 s */
    size_t stack_bytes;      /**< each thread's stack in bytes; 0 for the system's default */
    const int *cpus;         /**< the CPUs its threads may use, copied; NULL for all that the process may */
    size_t cpu_count;        /**< how many there are in `cpus` */
    int nice;          /**< added to its threads' nice value; 19 lets the loop's thread go first; default 0 */
    size_t max_queued; /**< so many calls may wait; 0, the default, for no bound */
    int when_full;     /**< enum via_when_full; default VIA_FULL_REJECT */
    /** Runs in each thread before its first call.  A negative return breaks the pool, and so does ending the
     *  thread: what is queued fails with VIA_EBROKEN, and so does what is submitted later. */
    int (*initializer)(void *arg);
    /** Runs in each thread after its last call, if its initializer succeeded. */
    void (*finalizer)(void *arg);
    void *hook_arg; /**< passed to both; borrowed for as long as the pool has threads */
    /** How long a thread without work looks for more before it sleeps, in nanoseconds, when calls have been
     *  short of late; it saves the cost of a wake-up.  0 turns it off; the default is 20 us. */
    int64_t linger_ns;
    /** How long the end of the process waits for what is queued and running, in nanoseconds; default 2 s.
     *  A call that is stuck does not keep the process longer than that. */
    int64_t exit_timeout_ns;
};

VIA_BEGIN_C

/**
 * Fills in the defaults.
 *
 * - Ownership: borrows `options`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the number of workers is concurrent.futures'; it respects affinity and the cgroup's CPU quota.
 *
 * @param options what to fill in; NULL does nothing.
 */
VIA_PUBLIC void via_thread_pool_options_init(struct via_thread_pool_options *options);

/**
 * Makes a thread pool.  Threads are started when there is work for them.
 *
 * Threads begin with every signal blocked, and with the scheduling of the process, not of whoever submits.
 *
 * - Ownership: copies `options`; gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `ThreadPoolExecutor`.
 *
 * @param options how it is to be, or NULL for the defaults.
 * @param executor receives the pool; untouched on failure.
 * @return 0; VIA_EINVAL for a size, time, CPU or policy out of range (more than 32767 workers is);
 *         VIA_ENOMEM; VIA_EAGAIN if `min_workers` could not be started.
 */
VIA_PUBLIC int via_thread_pool_new(const struct via_thread_pool_options *options, via_executor **executor);

/**
 * Makes a pinned executor: one thread of its own, always the same, started now.
 *
 * For libraries that keep state in thread-local variables.  If a call ends the thread (VIA_EEXITED) the next
 * one gets a new thread, with its initializer run again.
 *
 * - Ownership: copies `options`; gives a reference.
 * - Threads: any.
 * - Blocks: until the thread's initializer has returned.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param options as for a pool, or NULL; the numbers of workers and the idle timeout are not looked at.
 * @param executor receives it; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_EAGAIN if the thread could not be started; VIA_EBROKEN if its
 *         initializer failed.
 */
VIA_PUBLIC int via_pinned_new(const struct via_thread_pool_options *options, via_executor **executor);

VIA_END_C

#endif
