/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Process pools: calls that run apart, in worker processes.
 *
 * For functions that are not thread-safe, that crash, hang, leak or cannot be trusted.  A crash costs the one
 * call that crashed; a hang ends at its timeout; everything else goes on.  Only bytes travel: a process pool
 * runs bytes calls (call.h), and the same function can be given to a thread pool unchanged.
 *
 * The one thing to do is a line at the top of main():
 *
 *     int main(void)
 *     {
 *         via_process_enter();
 *         ...
 *
 * Workers are copies of the same program, started anew; that line is where they leave main() for good.  What
 * main() does after it, they have not done: global variables are as the program's text initialises them, and
 * what a function needs beyond that an initializer sets up (via_process_pool_options::initializer).
 *
 * A function is found in a worker by where it stands in its object file, so it may be static, or come from a
 * shared library or a plugin loaded with dlopen(), also one that was replaced on disk since.  Code that is in
 * no object file, as nested functions or a JIT's, cannot run apart.
 */
#ifndef VIADUCT_PROCESS_POOL_H
#define VIADUCT_PROCESS_POOL_H

#include <viaduct/attr.h>
#include <viaduct/call.h>
#include <viaduct/executor.h>
#include <viaduct/process_report.h>
#include <viaduct/thread_pool.h>

/** How calls and answers travel. */
enum via_process_transport {
    VIA_TRANSPORT_AUTO,   /**< shared memory where the system has what it needs, else sockets */
    VIA_TRANSPORT_SHARED, /**< shared memory, sealed, one writer for each word */
    VIA_TRANSPORT_SOCKET  /**< frames on a socket pair: portable, and slower with many calls in flight */
};

/** What workers give up before they run calls; each is kept by the kernel against the worker itself.
 *
 *  What is said here to kill ends the worker with the signal SIGSYS, and its call with VIA_ECRASHED; what is
 *  said to fail gets an error from the system, since libraries try it and do without.  Under any flag
 *  io_uring fails (ENOSYS), and so does what changes a terminal or types into it, as TIOCSTI (EPERM): the
 *  standard error is the program's, and a worker may print there.  Under none a worker gains privileges
 *  through exec.  What was open before stays open. */
enum via_sandbox {
    /** No sockets but connected pairs.  Those of networks kill; those of this machine (AF_UNIX, by path or
     *  by name), pairs for datagrams, connect(), bind() and listen() fail (EACCES). */
    VIA_SANDBOX_NO_NETWORK = 1 << 0,
    /** No other program: exec kills. */
    VIA_SANDBOX_NO_EXEC = 1 << 1,
    /** Hands off other processes.  To trace, read, limit or signal one kills, also perf_event_open() and
     *  bpf(); to change priority or CPUs of another thread or process fails (EPERM), as do System V IPC
     *  and message queues (EACCES).  On a kernel without Landlock (before 5.13, or where it is off) the
     *  memory of the user's processes that can be traced at all stays within reach through /proc/PID/mem, the
     *  program's too unless it is not dumpable (PR_SET_DUMPABLE). */
    VIA_SANDBOX_NO_TRACE = 1 << 2,
    /** No change of the file system, but below `writable_paths`: fails (EACCES, EROFS). */
    VIA_SANDBOX_READ_ONLY = 1 << 3,
    /** No opening of files or directories, but below the paths that are given; what these do not let write
     *  is read-only: fails (EACCES, EROFS). */
    VIA_SANDBOX_NO_FILES = 1 << 4,
    /** No new processes; threads are none.  fork(), and leaving the worker's process group, fail (EPERM). */
    VIA_SANDBOX_NO_FORK = 1 << 5,
    /** No capabilities: a worker of root is but the owner of root's files.  Namespaces, mounts, key rings,
     *  userfaultfd(), bpf() and perf_event_open() fail (EPERM). */
    VIA_SANDBOX_NO_PRIVILEGES = 1 << 6,
    VIA_SANDBOX_STRICT = (1 << 7) - 1 /**< all of these */
};

/** For via_process_pool_options::linger_ns: as the machine suggests. */
#define VIA_LINGER_AUTO (-1)

/** What a worker may use; 0 leaves a limit as it is in the program, but for `core_bytes`. */
struct via_process_limits {
    /** Heap and other private memory; above it malloc() fails in the worker.  Memory that it shares, as a
     * large answer, is not counted: see `max_out_bytes`.  Sanitizers need terabytes: workers of a program
     * that has one do not begin. */
    uint64_t data_bytes;
    int64_t cpu_ns;      /**< CPU time of a worker in all, rounded up to seconds; then it is killed */
    int64_t call_cpu_ns; /**< CPU time of each call; then its worker is killed (VIA_ETIMEDOUT) */
    uint64_t core_bytes; /**< size of a core file; the default, 0, leaves none */
    unsigned files;      /**< open descriptors, at least 16 */
};

/** How a process pool is to be.  Start from via_process_pool_options_init(). */
struct via_process_pool_options {
    const char
        *name; /**< for reports, and the name of the processes; NULL for `via-K`, K counting the pools */
    /** Whose thread serves the pool: completions then come with one wake-up instead of two.  The loop has to
     *  run for calls to complete.  NULL, the default: a thread of the pool's own. */
    via_loop *loop;
    int max_workers;         /**< at most so many processes; the default is the number of CPUs */
    int min_workers;         /**< so many are kept, however idle; default 0 */
    int64_t idle_timeout_ns; /**< a process above the minimum ends after so long without work; default 10 s */
    size_t max_queued;       /**< so many calls may wait; 0, the default, for no bound */
    size_t max_queued_bytes; /**< so many bytes of input may wait; 0, the default, for no bound */
    int when_full;           /**< VIA_FULL_REJECT, the default, or VIA_FULL_BLOCK */
    size_t max_in_bytes;     /**< the longest input; default 1 GiB */
    size_t max_out_bytes;    /**< the longest answer; default 64 MiB */
    /** How many calls a worker may be given ahead, once their function was seen to be short and has never
     *  crashed; 1 for none; the default is 64. */
    int prefetch_max;
    int64_t call_timeout_ns; /**< via_call::timeout_ns of calls that have none; default 0, no limit */
    /** How long a running call that was cancelled may take to end by itself, by looking at
     *  via_call_cancelled(), before its worker is killed; default 0. */
    int64_t cancel_grace_ns;
    uint64_t max_calls;        /**< a worker ends after about so many calls; 0, the default, for no limit */
    uint64_t max_worker_bytes; /**< a worker ends when it occupies more than this after a call; 0: no limit */
    int64_t max_worker_age_ns; /**< a worker ends when it is older than this; 0: no limit */
    via_bytes_fn initializer;  /**< runs in each worker before its first call; what it returns is judged as a
                                    call's; if it fails or takes too long the worker is not used, and after
                                    five in a row the pool is broken (VIA_EBROKEN) */
    const void *initializer_in;  /**< its input; copied */
    size_t initializer_in_bytes; /**< the input's length in bytes */
    via_bytes_fn
        finalizer; /**< runs in each worker that ends in good order, with no input; its answer is dropped */
    struct via_process_limits limits; /**< what each worker may use */
    unsigned sandbox;                 /**< enum via_sandbox, or'ed; applied after the initializer */
    /** For VIA_SANDBOX_NO_FILES, and VIA_EINVAL without: what can be read; ends with NULL; copied; NULL for
     *  none. */
    const char *const *readable_paths;
    const char *const *writable_paths; /**< the same for writing, and for VIA_SANDBOX_READ_ONLY as well */
    int fresh_exec; /**< 1: each worker is started anew, with an address layout of its own; for hostile input
                     */
    int transport;  /**< enum via_process_transport */
    /** How long a worker without work looks for more before it sleeps, in nanoseconds, while calls are short
     *  of late; VIA_LINGER_AUTO, the default, is 20 us where there are more CPUs than workers, else 0. */
    int64_t linger_ns;
    /** The same for the pool's own thread that serves it, while calls are with workers; default 0.  A loop
     *  that serves a pool lingers as its own options say (via_loop_options::linger_ns). */
    int64_t serve_linger_ns;
    int64_t start_timeout_ns; /**< how long a worker process may take until it can run calls: to reach
                                   via_process_enter() and to run its initializer; default 10 s */
    int64_t exit_timeout_ns; /**< how long the end of the process waits for what is queued and running; 2 s */
    char *why;               /**< receives a sentence if the pool could not be made; NULL for none */
    size_t why_bytes;        /**< room in `why`; 256 is enough for most */
};

VIA_BEGIN_C

/**
 * Where worker processes leave main().  The first line of main() of every program that uses process pools.
 *
 * In the program it returns at once.  In a worker, which is the same program started again by a pool, it runs
 * calls and never returns.  Programs that cannot change main() link with the flags of the pkg-config module
 * `viaduct-main` instead, which have it called before main().
 *
 * - Ownership: nothing changes hands.
 * - Threads: the only one; before the program starts others.
 * - Blocks: not in the program.
 * - Cancel: not applicable.
 * - Origin: Viaduct; the need for it is that of multiprocessing's `freeze_support`.
 */
VIA_PUBLIC void via_process_enter(void);

/**
 * Gives a function a name by which workers find it, instead of by its place in its object file.
 *
 * For a function whose place in the program says nothing about where it is in a worker, as in an object that
 * is made anew by each process.  Workers are always started from the program's own file.  Called in the
 * program and, before via_process_enter(), in the worker, with the same name in both.
 *
 * - Ownership: borrows `name` for ever.
 * - Threads: any, before the function is first called in a pool.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param name the name, at most 200 bytes.
 * @param fn the function.
 * @return 0; VIA_EINVAL for NULLs or a name that is too long; VIA_EBUSY if the name or the function is
 *         registered otherwise; VIA_ENOMEM.
 */
VIA_PUBLIC int via_process_register(const char *name, via_bytes_fn fn);

/**
 * Fills in the defaults.
 *
 * - Ownership: borrows `options`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the number of workers is concurrent.futures' `ProcessPoolExecutor`'s.
 *
 * @param options what to fill in; NULL does nothing.
 */
VIA_PUBLIC void via_process_pool_options_init(struct via_process_pool_options *options);

/**
 * Makes a process pool.  Workers are started when there is work for them.
 *
 * One helper process is started at once, from which workers are cloned later at little cost; this waits for
 * it to reach via_process_enter(), which takes about a millisecond.  Deaths are not told by SIGCHLD, and the
 * one child of the program is that helper; it ends with the pool, and with the program in whatever way that
 * ends.  A thread of the pool's, which sleeps otherwise, sees it off and starts it again if it died, and
 * clears away what dead workers leave behind.  What the program's other threads were forbidden later (by
 * seccomp, or Landlock) does not hold for a helper that is started again.  A library that starts threads
 * before main() makes cloning unsafe; then each worker is started anew, as with
 * via_process_pool_options::fresh_exec, and the log hook is told.
 *
 * Calls are run as by a thread pool, with these differences.  A running call that is cancelled is killed, at
 * once or after via_process_pool_options::cancel_grace_ns.  A call ends with VIA_ECRASHED if its process
 * died, VIA_ECORRUPT if the process overwrote what it shares with the program, VIA_ETIMEDOUT at its timeout;
 * via_outcome::process says the rest.  Calls that had not started go on elsewhere, and none is started twice
 * unless via_call::retries allows it.  A worker that has no room for a call's input ends, and the call goes
 * to another, but not to a third.  When the system refuses every worker process for a while, or the program
 * the descriptors and memory for any, the calls that wait end with VIA_EAGAIN or VIA_ENOMEM, and the pool
 * goes on trying.
 *
 * Environment, directory, credentials, standard output and error of the workers are the program's of when the
 * helper process was started: now, or later if it had to be started again.  Standard input is /dev/null, and
 * no signal is blocked or handled, but SIGTTOU and SIGTTIN are ignored.  What a function prints to stdout is
 * written when its call is over, whole lines at once.  Workers end by _exit(): no exit handler runs.
 *
 * So make pools after the program has given up privileges or changed its root directory: until the helper
 * process is started again, its workers have the user, groups and root that the program had before.
 *
 * A text of via_fail() is cut after 168 bytes, and has `?` for control characters, also line ends, since
 * the worker may be hostile.  What a function changes in its process, as its directory or its signal mask,
 * stays for the calls after it; one that ends its thread (pthread_exit()) fails with VIA_EEXITED, as on a
 * thread pool, and its process ends.  In a process that it forks a function should not return; if it does
 * that process ends.
 *
 * Processes that a function has started and left end with its worker, but for those that have left its
 * process group, which VIA_SANDBOX_NO_FORK does not let them.  Before Linux 6.9 they may outlive a helper
 * process that somebody kills.
 *
 * In debug mode (VIADUCT_DEBUG=1 in the environment) the log hook is told of inputs that seem to hold a
 * pointer.
 *
 * - Ownership: copies `options`; gives a reference.  Pins `options->loop`, and when that closes the pool is
 *   served by a thread of its own.
 * - Threads: any; with a loop, that loop's.
 * - Blocks: until the helper process has started, at most `start_timeout_ns`.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `ProcessPoolExecutor`, without its shared queues: there a crash fails every
 *   call.
 *
 * @param options how it is to be, or NULL for the defaults.
 * @param executor receives the pool; untouched on failure.
 * @return 0; VIA_EINVAL for a number, time, flag or path out of range (more than 4096 workers is), or for an
 *         initializer or finalizer that workers could not find; VIA_ESETUP if worker processes of this
 *         program cannot be started: via_process_pool_options::why says what to do; VIA_ENOTSUP for a limit,
 *         sandbox or transport that this system does not have, or if it refuses what every pool needs, as
 *         memory files; VIA_EAGAIN if the system refused a process, thread or descriptor; VIA_ENOMEM;
 *         VIA_ECLOSED and VIA_EFOREIGN for the loop.
 */
VIA_PUBLIC int via_process_pool_new(const struct via_process_pool_options *options, via_executor **executor);

/**
 * Ends every worker of a pool at once, with what it runs.
 *
 * Running calls fail with VIA_ECRASHED, but those that via_call::retries allows to start again do so; calls
 * that have not started stay queued.  Both go on in new workers.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: concurrent.futures `kill_workers`, which also ends the pool; for that use
 *   via_executor_shutdown().
 *
 * @param executor a process pool.
 * @return how many workers were told to end; VIA_EINVAL if it is no process pool; VIA_EFORKED.
 */
VIA_PUBLIC int via_process_pool_kill(via_executor *executor);

/** What a process pool is doing and has done, beyond via_executor_stats(). */
struct via_process_pool_stats {
    uint64_t started;         /**< workers ever started */
    uint64_t crashed;         /**< workers that died while they ran a call, but for those that were killed */
    uint64_t corrupt;         /**< workers that overwrote what they share with the program */
    uint64_t killed;          /**< workers killed for a timeout, a cancel or by via_process_pool_kill() */
    uint64_t recycled;        /**< workers that ended for their calls, memory or age */
    uint64_t retried;         /**< calls that were started again after a crash */
    uint64_t requeued;        /**< calls that had not started and went on elsewhere: their worker died, or had
                                   no room for their input */
    uint64_t timed_out;       /**< calls that were ended by their timeout */
    uint64_t helper_restarts; /**< how often the helper process had to be started again */
    size_t unkillable;        /**< workers that were killed and have not died */
    size_t queued_bytes;      /**< input that waits, in bytes */
    size_t shared_bytes;      /**< memory of buffers for inputs, in bytes, with up to 64 MiB that are kept
                                 for the next ones; answers are in memory of the workers, and not counted */
    int transport;            /**< the enum via_process_transport in use */
};

/**
 * Tells what a process pool is doing and has done.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param executor a process pool.
 * @param stats receives it; untouched on failure.
 * @return 0; VIA_EINVAL if it is no process pool; VIA_EFORKED.
 */
VIA_PUBLIC int via_process_pool_get_stats(via_executor *executor, struct via_process_pool_stats *stats);

/**
 * Lists the worker processes.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param executor a process pool.
 * @param pids receives process numbers; may be NULL if `capacity` is 0.
 * @param capacity room in `pids`.
 * @return how many there are, perhaps more than `capacity`; VIA_EINVAL; VIA_EFORKED.
 */
VIA_PUBLIC int via_process_pool_workers(via_executor *executor, long *pids, size_t capacity);

VIA_END_C

#endif
