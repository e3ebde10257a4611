/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Coroutines that are stepped by hand: generators, without a loop.
 *
 * A coroutine is an ordinary C function on a stack of its own.  Wherever it stands, however many calls deep,
 * via_coro_yield() hands a value to whoever stepped it and waits to be stepped again:
 *
 *     static int count(void *arg, void **result)
 *     {
 *         for (int i = 0; i < 3; i++)
 *             if (via_coro_yield(&i, NULL) < 0)
 *                 break;
 *         return 0;
 *     }
 *     ...
 *     while (via_coro_next(coro, &value) == 1)
 *         printf("%d\n", *(int *)value);
 *
 * The stack has a fixed size and a guard below it.  64 KiB, the default, is room for what most functions of
 * the C library need; regcomp() and glob() take 20 to 30 KiB.  Only pages that were touched take memory.
 *
 * A coroutine lives in the thread that made it; one that is done may be looked at and freed in any.  It has
 * an errno of its own; everything else that belongs to the thread it shares with the others there: the signal
 * mask, locks (a mutex that a suspended coroutine holds is held by the thread), thread-local variables.  In a
 * forked child the forking thread's coroutines are there as copies, and may be stepped.
 *
 * pthread_exit() in a coroutine ends the thread; whatever the coroutine's stack holds is lost, but its
 * argument is released.  longjmp() within a coroutine is as ever.  Out of one, to a stack that stepped it, it
 * is a mistake that is seen the next time a coroutine is stepped there; the one that was left is over then,
 * with VIA_EEXITED.
 */
#ifndef VIADUCT_CORO_H
#define VIADUCT_CORO_H

#include <viaduct/attr.h>
#include <viaduct/outcome.h>

/** A coroutine. */
typedef struct via_coro via_coro;

/** What a coroutine does: returns 0 and may leave a value in `*result`, which was NULL; or it returns a
 * negative status, via_fail(), or a positive code of its own, and then `destroy_result` gets what it has
 * left. */
typedef int (*via_coro_fn)(void *arg, void **result);

/** Where a coroutine stands. */
enum via_coro_state {
    VIA_CORO_CREATED,   /**< it has not begun */
    VIA_CORO_SUSPENDED, /**< it waits in via_coro_yield() */
    VIA_CORO_RUNNING,   /**< it runs, or steps another one that does */
    VIA_CORO_DONE       /**< its function has returned, or will never go on */
};

/** How a coroutine is to be; all zero is a plain one. */
struct via_coro_options {
    const char *name;   /**< for reports and debuggers; copied; NULL for "coroutine" */
    size_t stack_bytes; /**< 0 for 64 KiB; rounded up to a power of two, 16 KiB at least, 1 GiB at most */
    void (*destroy)(void *arg);           /**< releases the argument, exactly once; NULL for none */
    void (*destroy_result)(void *result); /**< releases a result that nobody took; NULL for none */
};

VIA_BEGIN_C

/**
 * Makes a coroutine.  Its function runs when it is stepped for the first time.
 *
 * - Ownership: copies `options`; takes `arg`, also on failure: `destroy` is then called before this returns.
 * - Threads: any; the coroutine belongs to this one.
 * - Blocks: no.
 * - Cancel: via_coro_close().
 * - Origin: calling a Python generator function.
 *
 * @param fn the function.
 * @param arg its argument.
 * @param options how it is to be; NULL for a plain one.
 * @param coro receives the coroutine; untouched on failure.
 * @return 0; VIA_EINVAL if `fn` or `coro` is NULL or the stack too large; VIA_ENOMEM.
 */
VIA_PUBLIC int via_coro_new(via_coro_fn fn, void *arg, const struct via_coro_options *options,
                            via_coro **coro);

/**
 * Steps a coroutine: runs it until it yields or is done.
 *
 * - Ownership: a yielded value is what the two agree on; often it lives on the coroutine's stack, until the
 *   next step.
 * - Threads: the coroutine's.
 * - Blocks: as long as the coroutine runs.
 * - Cancel: not applicable.
 * - Origin: Python `next(generator)`.
 *
 * @param coro the coroutine.
 * @param value receives what it yields; may be NULL; untouched unless 1 is returned.
 * @return 1 with a value; 0 when it is done: its result is then in via_coro_outcome().  If it fails, the
 * status it failed with, once (VIA_EFAILED for a code of its own); 0 from then on.  VIA_EBUSY if it runs
 *         already; VIA_EFOREIGN in another thread; VIA_ESTATE if this code runs on a stack of which the
 *         library does not know; VIA_EINVAL.
 */
VIA_PUBLIC int via_coro_next(via_coro *coro, void **value);

/**
 * Steps a coroutine, and gives it a value: its via_coro_yield() hands it over.
 *
 * - Ownership: the value is what the two agree on.
 * - Threads: the coroutine's.
 * - Blocks: as long as the coroutine runs.
 * - Cancel: not applicable.
 * - Origin: Python `generator.send(value)`.
 *
 * @param coro the coroutine.
 * @param sent the value; NULL is as via_coro_next().
 * @param value receives what it yields; may be NULL; untouched unless 1 is returned.
 * @return as via_coro_next(); VIA_ESTATE also if it has not begun, so that there is nobody to take the value.
 */
VIA_PUBLIC int via_coro_send(via_coro *coro, void *sent, void **value);

/**
 * Steps a coroutine with an error: its via_coro_yield() fails with the status.
 *
 * One that has not begun is done with this status, and its function never runs.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the coroutine's.
 * - Blocks: as long as the coroutine runs.
 * - Cancel: a coroutine may take VIA_ECANCELED as a request to end; via_coro_close() insists.
 * - Origin: Python `generator.throw(error)`.
 *
 * @param coro the coroutine.
 * @param status a negative status.
 * @param value receives what it yields after that; may be NULL; untouched unless 1 is returned.
 * @return as via_coro_next(); `status` if it is done already; VIA_EINVAL also if `status` is not negative.
 */
VIA_PUBLIC int via_coro_throw(via_coro *coro, int status, void **value);

/**
 * Ends a coroutine: from here on each via_coro_yield() in it fails with VIA_ECANCELED, so that it cleans up
 * and returns.
 *
 * One that has not begun never runs.  Closing twice does no harm.
 *
 * - Ownership: the argument is released.
 * - Threads: the coroutine's.
 * - Blocks: as long as the coroutine runs.
 * - Cancel: this is it.
 * - Origin: Python `generator.close()`; that the request stays is as with Viaduct's tasks.
 *
 * @param coro the coroutine.
 * @return 0 when it is done; the status with which its clean-up failed, other than VIA_ECANCELED and
 *         VIA_EABORTED; VIA_ESTATE if it goes on yielding, a thousand times, as if it had not heard: it is
 *         suspended then; VIA_EBUSY if it runs; VIA_EFOREIGN; VIA_EINVAL.
 */
VIA_PUBLIC int via_coro_close(via_coro *coro);

/**
 * Closes a coroutine and releases it.
 *
 * If it does not listen, its stack is taken from it, what that holds is lost, and the log hook is told.
 *
 * - Ownership: takes the coroutine; a result that nobody took is destroyed.
 * - Threads: the coroutine's.
 * - Blocks: as long as the coroutine runs.
 * - Cancel: closes it.
 * - Origin: a Python generator that is collected.
 *
 * @param coro the coroutine, or NULL.
 * @return NULL; or `coro` as it was, if it is running or belongs to another thread.
 */
VIA_PUBLIC via_coro *via_coro_free(via_coro *coro);

/**
 * Hands a value to whoever stepped the running coroutine, and waits for the next step.
 *
 * - Ownership: the values are what the two agree on.
 * - Threads: the coroutine's, in the coroutine.
 * - Blocks: suspends the coroutine.
 * - Cancel: fails with VIA_ECANCELED, at once and every time, after via_coro_close().
 * - Origin: Python `sent = yield value`.
 *
 * @param value the value.
 * @param sent receives what via_coro_send() gave, NULL after via_coro_next(); may be NULL; untouched on
 *        failure.
 * @return 0; the status that via_coro_throw() gave; VIA_ECANCELED when it is being closed; VIA_ESTATE outside
 *         of a coroutine, and in a call or loop that runs within one, which could not be left half-way.
 */
VIA_PUBLIC int via_coro_yield(void *value, void **sent) VIA_MUST_USE;

/**
 * Yields everything that another coroutine yields: values go out, what is sent or thrown goes in, and closing
 * closes that one too.
 *
 * - Ownership: borrows `inner`; its result stays its own (via_coro_take()).
 * - Threads: the coroutine's, in the coroutine.
 * - Blocks: suspends the coroutine.
 * - Cancel: closes `inner` when this coroutine is closed, and fails with VIA_ECANCELED.
 * - Origin: Python `result = yield from inner`.
 *
 * @param inner the other coroutine.
 * @param result receives its result when it is done; may be NULL; untouched on failure.
 * @return 0 when it is done; the status it failed with; what via_coro_next() and via_coro_yield() return.
 */
VIA_PUBLIC int via_coro_yield_from(via_coro *inner, void **result) VIA_MUST_USE;

/**
 * Tells what became of a coroutine.
 *
 * - Ownership: borrows: value and text live until the coroutine is freed, the value unless it was taken.
 * - Threads: the coroutine's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the value of Python's StopIteration.
 *
 * @param coro the coroutine.
 * @param outcome receives the outcome: VIA_EFAILED with its code, and its text from via_fail(), for a code of
 *        its own; VIA_EEXITED if the function was left by pthread_exit() or longjmp(); untouched on failure.
 * @return 0; VIA_EPENDING if it is not done; VIA_EFOREIGN; VIA_EINVAL.
 */
VIA_PUBLIC int via_coro_outcome(via_coro *coro, struct via_outcome *outcome);

/**
 * Takes the result out of a coroutine that is done.
 *
 * - Ownership: gives the result to the caller.
 * - Threads: the coroutine's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct; via_future_take().
 *
 * @param coro the coroutine.
 * @param result receives the result; untouched on failure.
 * @return 0; the status it failed with; VIA_EPENDING; VIA_ETAKEN; VIA_EFOREIGN; VIA_EINVAL.
 */
VIA_PUBLIC int via_coro_take(via_coro *coro, void **result);

/**
 * Tells where a coroutine stands.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the coroutine's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Python `inspect.getgeneratorstate()`.
 *
 * @param coro the coroutine.
 * @return an enum via_coro_state; VIA_EFOREIGN; VIA_EINVAL.
 */
VIA_PUBLIC int via_coro_state(via_coro *coro);

/**
 * Gives the name of a coroutine.
 *
 * - Ownership: the text lives as long as the coroutine.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Python `generator.__name__`.
 *
 * @param coro the coroutine, or NULL.
 * @return its name; NULL for NULL.
 */
VIA_PUBLIC const char *via_coro_name(const via_coro *coro);

/**
 * Gives the coroutine that runs.
 *
 * - Ownership: borrowed.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @return the innermost running coroutine of this thread, or NULL.
 */
VIA_PUBLIC via_coro *via_coro_current(void);

/**
 * Gives the memory of this thread's idle stacks back to the system.
 *
 * Stacks of coroutines that are done are kept for the next ones.  Far more than are in use are given back as
 * they come, and all of them when the thread ends, so this is for a program that has had its burst and wants
 * the last of it back.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct; malloc_trim().
 */
VIA_PUBLIC void via_coro_trim(void);

/**
 * Has a stack overflow in a coroutine reported: a line on standard error names the coroutine.
 *
 * This installs a handler of SIGSEGV for the process, which reports and then goes on to what was there
 * before: another handler, or the end with a core.  Each thread gets an alternate signal stack with its next
 * coroutine, unless it has one.  Without this an overflow ends the process too, but silently.  A function
 * with a frame larger than a page may step over the guard: compile with -fstack-clash-protection where that
 * may be.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any; once is enough.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @return 0, also if it is installed already; VIA_ENOMEM; VIA_EINVAL if the system refuses.
 */
VIA_PUBLIC int via_coro_overflow_enable(void);

VIA_END_C

#endif
