/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Resources that are entered and left: what a task has for a while, and gives back on every way out.
 *
 * A resource says how it is entered and how it is left.  Both may await.
 *
 *     static int begin(void *self, void **value)
 *     {
 *         return execute(self, "BEGIN");
 *     }
 *     static int finish(void *self, int status)
 *     {
 *         int rc = execute(self, status == 0 ? "COMMIT" : "ROLLBACK");
 *         return status != 0 ? status : rc;
 *     }
 *     struct via_resource transaction = {.self = db, .enter = begin, .leave = finish};
 *
 * via_with() puts it around a function:
 *
 *     int rc = via_with(transaction, transfer, &order);        // transfer(db, &order), then finish()
 *
 * An exit stack puts any number of them around straight-line code:
 *
 *     struct via_exit_stack stack;
 *     via_exit_stack_init(&stack);
 *     int rc = via_exit_stack_enter(&stack, connection(host), &c);
 *     if (rc == 0)
 *         rc = via_exit_stack_enter(&stack, via_lock_resource(&lock), NULL);
 *     if (rc == 0)
 *         rc = talk(c);
 *     return via_exit_stack_close(&stack, rc);                 // in reverse order
 *
 * What was entered is left exactly once, whether the code in between succeeds, fails, or is cancelled.  It is
 * told how that ended, in a shielded section, so that it can await even in a task that was cancelled.  What
 * it returns counts from there on: the same status, another one, or 0 to say that the matter is settled.
 */
#ifndef VIADUCT_SCOPED_H
#define VIADUCT_SCOPED_H

#include <viaduct/attr.h>
#include <viaduct/coro.h>
#include <viaduct/lock.h>
#include <viaduct/semaphore.h>

/** A resource.  It may be copied. */
struct via_resource {
    void *self; /**< passed to the two functions */
    /** Enters: returns 0 and may leave in `*value`, which was `self`, what the code inside uses; on failure
     *  there is nothing to leave.  NULL if nothing has to be done. */
    int (*enter)(void *self, void **value);
    /** Leaves: `status` is how the code inside has ended, 0, a negative status or its own positive code;
     *  returns how it goes on.  NULL if nothing has to be done. */
    int (*leave)(void *self, int status);
};

/** What runs inside: gets what was entered, and an argument; as a task's function it returns 0, a negative
 *  status, via_fail(), or a positive code of its own. */
typedef int (*via_body_fn)(void *value, void *arg);

struct via__exit;

/** Resources that were entered one after the other.  Its fields are the library's. */
struct via_exit_stack {
    struct via__exit *top; /**< the one that is left first */
};

VIA_BEGIN_C

/**
 * Enters a resource, runs a function inside, and leaves the resource.
 *
 * If leaving fails, or replaces the status of a failure, the failure that is covered up is reported to the
 * loop's exception handler, unless it was a cancellation.
 *
 * - Ownership: borrows `arg`, and what the resource is made of.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task as the three functions do.
 * - Cancel: entering and the function are cancelled as they stand; leaving is not.
 * - Origin: Python `async with`.
 *
 * @param resource the resource.
 * @param body the function.
 * @param arg its argument.
 * @return what leaving returned; the status with which entering failed; VIA_ESTATE outside of a task;
 *         VIA_EINVAL.
 */
VIA_PUBLIC int via_with(struct via_resource resource, via_body_fn body, void *arg) VIA_MUST_USE;

/**
 * Makes an empty exit stack.
 *
 * - Ownership: borrows `stack` until it is closed.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextlib `AsyncExitStack`.
 *
 * @param stack the stack.
 * @return 0; VIA_EINVAL.
 */
VIA_PUBLIC int via_exit_stack_init(struct via_exit_stack *stack);

/**
 * Enters a resource, and has it left when the stack is closed.
 *
 * - Ownership: copies `resource`; borrows what it is made of until the stack is closed.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task as entering does.
 * - Cancel: as entering does.
 * - Origin: contextlib `AsyncExitStack.enter_async_context`.
 *
 * @param stack the stack.
 * @param resource the resource.
 * @param value receives what entering gave; may be NULL; untouched on failure.
 * @return 0; the status with which entering failed; VIA_ENOMEM, and it was not entered; VIA_ESTATE outside of
 * a task; VIA_EINVAL.
 */
VIA_PUBLIC int via_exit_stack_enter(struct via_exit_stack *stack, struct via_resource resource,
                                    void **value) VIA_MUST_USE;

/**
 * Has a resource left when the stack is closed, which was entered elsewhere.
 *
 * - Ownership: copies `resource`; borrows what it is made of until the stack is closed.
 * - Threads: the loop's, in a task.
 * - Blocks: no; if there is no memory for it, as leaving does.
 * - Cancel: not applicable.
 * - Origin: contextlib `AsyncExitStack.push_async_exit`.
 *
 * @param stack the stack.
 * @param resource the resource.
 * @return 0; VIA_ENOMEM, and it was left, with this status; VIA_ESTATE outside of a task, and VIA_EINVAL, and
 *         it stays as it was.
 */
VIA_PUBLIC int via_exit_stack_push(struct via_exit_stack *stack, struct via_resource resource) VIA_MUST_USE;

/**
 * Has a function called when the stack is closed, however that comes: free(), or one that awaits.
 *
 * - Ownership: borrows `arg` until then; what the function does with it is its own.
 * - Threads: the loop's, in a task.
 * - Blocks: no; if there is no memory for it, as the function does.
 * - Cancel: not applicable.
 * - Origin: contextlib `AsyncExitStack.push_async_callback`.
 *
 * @param stack the stack.
 * @param fn the function.
 * @param arg its argument.
 * @return 0; VIA_ENOMEM, and the function was called; VIA_ESTATE outside of a task, and VIA_EINVAL, and it
 * was not.
 */
VIA_PUBLIC int via_exit_stack_callback(struct via_exit_stack *stack, void (*fn)(void *arg),
                                       void *arg) VIA_MUST_USE;

/**
 * Moves everything to another stack, so that it outlives the function in which it was entered.
 *
 * - Ownership: `to` has what `from` had, which is empty.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextlib `AsyncExitStack.pop_all`.
 *
 * @param from the stack.
 * @param to the other one, which is empty.
 * @return 0; VIA_ESTATE if it is not empty; VIA_EINVAL.
 */
VIA_PUBLIC int via_exit_stack_move(struct via_exit_stack *from, struct via_exit_stack *to);

/**
 * Leaves everything, the last one first, each with the status that the one before it returned.
 *
 * - Ownership: gives everything back; the stack is empty and can be used again.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task as leaving does.
 * - Cancel: all of it happens in a shielded section.
 * - Origin: contextlib `AsyncExitStack.aclose`, and its end.
 *
 * @param stack the stack.
 * @param status how the code has ended: 0, a negative status, or a positive code of its own.
 * @return how it goes on; failures that were covered up by others are reported as in via_with(); VIA_ESTATE
 *         outside of a task, and VIA_EINVAL, and nothing was left.
 */
VIA_PUBLIC int via_exit_stack_close(struct via_exit_stack *stack, int status) VIA_MUST_USE;

/**
 * Makes a resource of a lock: entering acquires it, leaving releases it.
 *
 * - Ownership: borrows `lock`.
 * - Threads: any; the resource is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `async with lock`.
 *
 * @param lock the lock, which is also what the code inside gets.
 * @return the resource.
 */
VIA_PUBLIC struct via_resource via_lock_resource(struct via_lock *lock);

/**
 * Makes a resource of a semaphore: entering takes a unit, leaving gives it back.
 *
 * - Ownership: borrows `semaphore`.
 * - Threads: any; the resource is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `async with semaphore`.
 *
 * @param semaphore the semaphore, which is also what the code inside gets.
 * @return the resource.
 */
VIA_PUBLIC struct via_resource via_semaphore_resource(struct via_semaphore *semaphore);

/**
 * Makes a resource of a coroutine that yields once: what comes before is entering, what comes after leaving,
 * and what it yields is for the code inside.
 *
 *     static int connected(void *host, void **result)
 *     {
 *         struct connection c;
 *         int rc = open_connection(&c, host);
 *         if (rc == 0) {
 *             rc = via_coro_yield(&c, NULL);           // fails as the code inside has failed
 *             close_connection(&c);
 *         }
 *         return rc;                                   // 0 here would settle the matter
 *     }
 *
 * If it ends without a yield, or yields again, that is VIA_ESTATE; it is closed in the second case.  No
 * section (a shield, a time limit) may be open in it when it yields.
 *
 * - Ownership: borrows `coro`, which serves once.
 * - Threads: any; the resource is for the coroutine's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextlib `asynccontextmanager`.
 *
 * @param coro the coroutine, which has not begun.
 * @return the resource.
 */
VIA_PUBLIC struct via_resource via_coro_resource(via_coro *coro);

/**
 * Makes a resource of a generator that is used inside: leaving closes it, so that its clean-up has run.
 *
 * - Ownership: borrows `coro`.
 * - Threads: any; the resource is for the coroutine's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextlib `aclosing`.
 *
 * @param coro the generator, which is also what the code inside gets.
 * @return the resource.
 */
VIA_PUBLIC struct via_resource via_coro_closing(via_coro *coro);

VIA_END_C

#endif
