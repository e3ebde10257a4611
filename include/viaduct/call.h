/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Calls: what an executor is given, and what the called function can ask about its own run.
 *
 * A *pointer call* is an ordinary C function with an argument; it can run wherever memory is shared.  A
 * *bytes call* gets bytes and answers with bytes; it can also run in another process.
 *
 * A call that has started is done only when its function has returned.  Cancelling it is a request, which
 * reaches the function in the ways that the call names: a flag it polls (always), a hook
 * (via_call::cancel), a signal that ends a blocking system call with EINTR (VIA_CALL_INTERRUPTIBLE).  So
 * whoever sees the future done may release the argument.
 */
#ifndef VIADUCT_CALL_H
#define VIADUCT_CALL_H

#include <viaduct/attr.h>
#include <viaduct/buffer.h>

/** A blocking function: returns 0 and may leave a value in `*result`, which was NULL; or it returns a
 * negative status, via_fail(), or a positive code of its own, and then `destroy_result` gets what it has
 * left. */
typedef int (*via_call_fn)(void *arg, void **result);

/** The run of a bytes call, as its function sees it. */
typedef struct via_bytes_call via_bytes_call;

/** A function over bytes: reads `in_bytes` bytes at `in` and answers through via_bytes_out(). */
typedef int (*via_bytes_fn)(via_bytes_call *call, const void *in, size_t in_bytes);

/** What kind of function a call holds. */
enum via_call_kind {
    VIA_CALL_POINTER = 1,     /**< `fn(arg, &result)` */
    VIA_CALL_BYTES_IN_OUT = 2 /**< `bytes_fn(call, in, in_bytes)` */
};

/** Options of a call that are yes or no. */
enum via_call_flags {
    /** Cancelling the running call ends its future at once; the function's result is destroyed when it
     *  returns.  Allowed only if the call owns all it touches: `destroy` where there is an argument, and
     *  `destroy_result`; a bytes call always does. */
    VIA_CALL_ABANDONABLE = 1 << 0,
    /** Cancelling the running call interrupts its thread with a signal, again and again until the function
     *  returns.  Needs via_thread_interrupt_enable(): without it the call is refused with VIA_ENOTSUP. */
    VIA_CALL_INTERRUPTIBLE = 1 << 1,
    /** A worker process tells what the call has used (via_outcome::process); costs about a microsecond. */
    VIA_CALL_MEASURED = 1 << 2
};

/** Which call runs first; equal ones run in the order they came.  The lower ones are never starved: every
 *  16th call that a pool takes is the oldest of the lowest level. */
enum via_priority {
    VIA_PRIORITY_LOW = -1,   /**< after the others */
    VIA_PRIORITY_NORMAL = 0, /**< the default */
    VIA_PRIORITY_HIGH = 1    /**< before the others */
};

/**
 * A call: a function, its argument, and how it wants to be treated.
 *
 * Make one with VIA_CALL() or VIA_CALL_BYTES() and set further fields by name; a field left zero asks for
 * nothing special.  The struct itself is copied when it is submitted.
 */
struct via_call {
    int kind;              /**< enum via_call_kind */
    unsigned flags;        /**< enum via_call_flags, or'ed */
    via_call_fn fn;        /**< the function of a pointer call */
    void *arg;             /**< its argument */
    via_bytes_fn bytes_fn; /**< the function of a bytes call */
    const void *in;        /**< its input, copied when the call is submitted */
    size_t in_bytes;       /**< the input's length in bytes */
    /** Releases `arg`: exactly once, also when the call is cancelled or could not be submitted; runs in the
     *  thread that ends the call.  Where that is the thread which has run the call it may end the thread,
     *  as the function may: what the function has returned stays.  Elsewhere (a call that never ran, or
     *  whose function has ended its thread) it has to return, as `destroy_result` and `cancel` always have.
     */
    void (*destroy)(void *arg);
    /** Releases a result that nobody took, when the last reference to its future goes. */
    void (*destroy_result)(void *result);
    int priority; /**< enum via_priority */
    /** A moment of via_now_ns(): a call that has not started by then fails with VIA_ETIMEDOUT.  0: none; a
     *  negative one is refused. */
    int64_t deadline_ns;
    /** Called in the cancelling thread when the running call is cancelled, never before the function was
     *  entered nor after it returned: sqlite3_interrupt(), PQcancel(), a write to a pipe.  Process pools
     *  refuse it: VIA_ENOTSUP. */
    void (*cancel)(void *cancel_arg);
    void *cancel_arg; /**< passed to `cancel`; borrowed while the call runs */
    const char *name; /**< for reports; borrowed until the call is done; NULL for none */
    /** The input of a bytes call, instead of `in`: its first `in_bytes` bytes.  Nothing is copied; the call
     *  holds a reference while it needs it.  NULL for none. */
    via_buffer *buffer;
    /** How long the call may run, in nanoseconds: then its worker process is killed and the call fails with
     *  VIA_ETIMEDOUT.  0 for no limit.  Other executors cannot end a function: VIA_ENOTSUP. */
    int64_t timeout_ns;
    /** How often the call may be started again if its worker process crashes: for functions that may run
     *  twice.  A timeout or an overwritten answer is never tried again.  0, the default, for never; else
     * executors other than process pools refuse the call: VIA_ENOTSUP. */
    int retries;
};

VIA_BEGIN_C

/**
 * Makes a pointer call; VIA_CALL() is the short form.
 *
 * - Ownership: borrows nothing; `arg` is handed over when the call is submitted.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param fn the function.
 * @param arg its argument.
 * @return a call with every option at its default.
 */
static inline struct via_call via_call_pointer(via_call_fn fn, void *arg)
{
    struct via_call call = {
        VIA_CALL_POINTER, 0, fn, arg, NULL, NULL, 0, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, 0, 0};
    return call;
}

/**
 * Makes a bytes call; VIA_CALL_BYTES() is the short form.
 *
 * - Ownership: borrows `in` until the call has been submitted, which copies it.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param fn the function.
 * @param in its input; may be NULL if `in_bytes` is 0.
 * @param in_bytes the input's length in bytes.
 * @return a call with every option at its default.
 */
static inline struct via_call via_call_bytes(via_bytes_fn fn, const void *in, size_t in_bytes)
{
    struct via_call call = {VIA_CALL_BYTES_IN_OUT,
                            0,
                            NULL,
                            NULL,
                            fn,
                            in,
                            in_bytes,
                            NULL,
                            NULL,
                            0,
                            0,
                            NULL,
                            NULL,
                            NULL,
                            NULL,
                            0,
                            0};
    return call;
}

/**
 * Makes a bytes call whose input is a buffer; VIA_CALL_BUFFER() is the short form.
 *
 * - Ownership: borrows `buffer` until the call has been submitted, which takes a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param fn the function.
 * @param buffer its input, all of it.  NULL makes a call that is refused with VIA_EINVAL, so that the error
 * of a via_buffer_new() that was not looked at is not lost.
 * @return a call with every option at its default.
 */
static inline struct via_call via_call_buffer(via_bytes_fn fn, via_buffer *buffer)
{
    // Without a buffer the call lacks an input of some length, for which it is refused.
    struct via_call call = via_call_bytes(fn, NULL, buffer ? via_buffer_bytes(buffer) : 1);
    call.buffer = buffer;
    return call;
}

/** `struct via_call call = VIA_CALL(function, argument);` */
#define VIA_CALL(fn, arg) via_call_pointer((fn), (arg))
/** `struct via_call call = VIA_CALL_BYTES(function, bytes, length);` */
#define VIA_CALL_BYTES(fn, in, in_bytes) via_call_bytes((fn), (in), (in_bytes))
/** `struct via_call call = VIA_CALL_BUFFER(function, buffer);` */
#define VIA_CALL_BUFFER(fn, buffer) via_call_buffer((fn), (buffer))

/**
 * Gives a bytes call the buffer for its answer, to be filled in place.
 *
 * May be called again: the answer is then the last buffer, with what stood in the common part kept.
 *
 * From a worker process an answer of up to 64 KiB is copied.  A longer one the program sees where the
 * function has put it: it is to be read only, and a worker that means ill could still change it.
 *
 * - Ownership: the buffer belongs to the call and becomes the outcome's value.
 * - Threads: the thread that runs the call.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param call the run, as the function got it.
 * @param bytes the answer's length in bytes; 0 gives a pointer that must not be written to.
 * @return the buffer, aligned for any object; NULL if memory ran out (the answer before it is kept) or
 *         `call` is NULL.
 */
VIA_PUBLIC void *via_bytes_out(via_bytes_call *call, size_t bytes);

/**
 * Gives a bytes call its input to write to, where that is a buffer with VIA_BUFFER_WRITABLE.
 *
 * The program finds in the buffer what was written.
 *
 * - Ownership: the buffer's; good until the function returns.
 * - Threads: the thread that runs the call.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param call the run, as the function got it.
 * @return the input; NULL if it is not such a buffer, or `call` is NULL.
 */
VIA_PUBLIC void *via_bytes_in_place(via_bytes_call *call);

/**
 * Tells a running call whether it was asked to stop.  Long functions poll this.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the thread that runs the call; elsewhere the answer is 0.
 * - Blocks: no.
 * - Cancel: this is how cancelling reaches a function.
 * - Origin: trio `from_thread.check_cancelled`.
 *
 * @return 1 if the call was cancelled, or abandoned, or its pool is shutting down by force; else 0.
 */
VIA_PUBLIC int via_call_cancelled(void);

/**
 * Sleeps inside a call; being cancelled ends the sleep at once.
 *
 * A call that was started by a loop with a virtual clock, or by a call of such a loop, sleeps by that clock:
 * it is woken when the loop's time has come so far, and takes no time itself.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the thread that runs the call; in another thread it is a plain sleep.
 * - Blocks: up to `duration_ns`.
 * - Cancel: cancelling the call ends it.
 * - Origin: Viaduct.
 *
 * @param duration_ns how long, in nanoseconds; 0 or less returns at once.
 * @return 0 after the whole time; VIA_ECANCELED if the call was cancelled, before or meanwhile;
 *         VIA_EDEADLK in a loop's thread, which must not sleep.
 */
VIA_PUBLIC int via_call_sleep(int64_t duration_ns);

/**
 * Installs the signal handler that VIA_CALL_INTERRUPTIBLE needs.  Process-wide, hence for the program to ask
 * for.
 *
 * The handler does nothing but end a blocking system call with EINTR; a handler that was there before is
 * called after it.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any; call it early in main().
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param signo the signal to use; 0 for SIGURG, which is ignored by default and so does no harm elsewhere.
 * @return 0, also when that signal is installed already; VIA_EINVAL for a signal that cannot be caught or
 *         that tells of a fault of the program, as SIGSEGV does; VIA_EBUSY if another signal is in use;
 * VIA_ENOMEM.
 */
VIA_PUBLIC int via_thread_interrupt_enable(int signo);

VIA_END_C

#endif
