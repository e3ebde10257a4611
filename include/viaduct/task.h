/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Tasks: straight-line functions on the loop that wait without blocking it.
 *
 * A task is an ordinary C function on a stack of its own.  Wherever it stands, however many calls deep, it
 * may *await*: a future, a blocking function on a thread, a while.  The loop runs other things meanwhile.
 *
 *     static int main_task(void *arg, void **result)
 *     {
 *         struct query q = {.sql = "select ..."};
 *         int rc = via_await_to_thread(run_query, &q, NULL);
 *         if (rc < 0)
 *             return rc;
 *         return via_sleep(100 * VIA_MS);
 *     }
 *
 * A task *is* a future (future.h) of its loop: it can be awaited, cancelled and given callbacks, and its
 * outcome is what its function returned.  It starts in a later tick, never inside the function that makes it
 * (unless it is eager), and lives in the loop's thread for ever: code between two awaits is never interrupted
 * by another task.  Its stack has the size and the guard of a coroutine's (coro.h); a coroutine that a task
 * steps may await as the task itself.
 *
 * *Cancelling* a task is a request that stays: from then on every await that would have to wait fails with
 * VIA_ECANCELED, until the function returns, or takes the request back with via_task_uncancel().  What was
 * done already is still delivered, so nothing is lost.  Clean-up that has to wait opens a shielded section.
 * Two statuses tell two things apart: VIA_ECANCELED, "you were asked to stop", and VIA_EABORTED, "what you
 * awaited was cancelled".  A task that returns either ends cancelled.
 *
 * A task begins with the local values (local.h) of the code that makes it.
 *
 * A thread's tasks share what belongs to the thread: thread-local variables, the signal mask, locks.  A mutex
 * that is held across an await is held by the thread, and the next task that wants it stops the loop for
 * ever; for that there are locks for tasks.  errno is each task's own.
 */
#ifndef VIADUCT_TASK_H
#define VIADUCT_TASK_H

#include <viaduct/attr.h>
#include <viaduct/call.h>
#include <viaduct/future.h>
#include <viaduct/outcome.h>
#include <viaduct/time.h>

/** What a task does: returns 0 and may leave a value in `*result`, which was NULL; or it returns a negative
 *  status, via_fail(), or a positive code of its own, and then `destroy_result` gets what it has left.  One
 * that returns the VIA_EFAILED of an await has failed with the code and text of what it awaited. */
typedef int (*via_task_fn)(void *arg, void **result);

/** How a task is to be; all zero is a plain one. */
struct via_task_options {
    const char *name;   /**< for reports and debuggers; copied; NULL for "Task-" and a number */
    size_t stack_bytes; /**< 0 for 64 KiB; rounded up to a power of two, 16 KiB at least, 1 GiB at most */
    int eager;          /**< 1: it runs at once, up to its first wait, if the loop runs in this thread */
    void (*destroy)(void *arg);           /**< releases the argument, exactly once; NULL for none */
    void (*destroy_result)(void *result); /**< releases a result that nobody took; NULL for none */
};

/** A section of a task: a shield, or a time limit (timeout.h).  It lives in the function that opens it, which
 * ends it before it returns; that one was left open is reported when the task, or coroutine, has returned.
 * One that is open while a coroutine has yielded is the task's all the same, and ends in the order of all
 * others.  Its fields are the library's. */
struct via_scope {
    struct via_scope *outer; /**< the section around it */
    via_future *task;        /**< whose section it is; NULL when it is closed */
    int64_t when_ns;         /**< when awaits inside begin to fail */
    uint32_t masked;         /**< how many requests are not seen inside */
    unsigned char kind;      /**< which sort it is */
    unsigned char cut;       /**< an await inside has failed for its sake */
};

/** What via_task_info() tells. */
struct via_task_info {
    uint64_t id;         /**< a number, the loop's tasks counted from 1 */
    const char *name;    /**< borrowed from the task */
    const char *waits;   /**< what it waits for, such as "a future"; NULL if it does not wait */
    via_future *awaited; /**< the future that it awaits, borrowed, or NULL */
    uint32_t cancelling; /**< requests to stop that were not taken back */
    size_t stack_bytes;  /**< the size of its stack */
    void *function;      /**< the address of its function */
};

VIA_BEGIN_C

/**
 * Makes a task of the loop that runs in this thread.
 *
 * - Ownership: borrows `arg` until the task is done; gives a reference.  The loop keeps the task until it is
 *   done, so the reference may be dropped at once.
 * - Threads: a loop's, while it runs.
 * - Blocks: no; the function runs in a later tick.
 * - Cancel: via_task_cancel(), via_future_cancel().
 * - Origin: asyncio `create_task`.
 *
 * @param fn the function.
 * @param arg its argument.
 * @return the task; never NULL: a future that has failed with VIA_ESTATE if no loop runs here, VIA_EINVAL,
 *         VIA_ENOMEM, VIA_ECLOSED or VIA_EFORKED if it could not be made.
 */
VIA_PUBLIC via_future *via_create_task(via_task_fn fn, void *arg);

/**
 * Makes a task of a loop, with options.
 *
 * - Ownership: takes `arg` if `destroy` is given, also on failure; copies `options`; gives a reference.
 * - Threads: the loop's.
 * - Blocks: no; an eager task runs here, up to its first wait.
 * - Cancel: via_task_cancel(), via_future_cancel().
 * - Origin: asyncio `loop.create_task`, with 3.14's `eager_start`.
 *
 * @param loop the loop; NULL for the one that runs in this thread.
 * @param fn the function.
 * @param arg its argument.
 * @param options how it is to be; NULL for a plain one.
 * @return the task; never NULL, as via_create_task(); VIA_EINVAL also for too large a stack, VIA_EFOREIGN in
 *         debug mode.
 */
VIA_PUBLIC via_future *via_create_task_with(via_loop *loop, via_task_fn fn, void *arg,
                                            const struct via_task_options *options);

/**
 * Waits in a task until a future is done, and takes its value.
 *
 * A future that is done already costs no wait, also in a task that was cancelled.  If the task is cancelled
 * while it waits, the future is cancelled, and this returns when that has ended, with what has become of it.
 * Several tasks, each with a reference, may await one future: all are woken, and the request to one of them
 * cancels it for all, unless it is shielded (combine.h).
 *
 * - Ownership: takes the caller's reference to `future`, also on failure; gives the value.  A value that has
 * to be destroyed goes to the first who takes it.  To leave it where it is, keep a reference of your own,
 * pass NULL, and use via_future_result().
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the future is done.
 * - Cancel: fails with VIA_ECANCELED; the future is cancelled too.
 * - Origin: asyncio `await future`.
 *
 * @param future a future of this loop: a task, a call, a promise.
 * @param result receives the value if the future succeeded, untouched otherwise; NULL to leave it.
 * @return the outcome's status; VIA_ECANCELED if this task was asked to stop; VIA_EABORTED if the future was
 *         cancelled by somebody else; VIA_ETAKEN if the value was taken before; VIA_ESTATE outside of a task,
 * and inside of a call that the task runs itself; VIA_EFOREIGN for another loop's future, which stays the
 * caller's; VIA_EDEADLK for the task itself, for one that waits for it, and for one that holds a group which
 * it is in; VIA_EINVAL.
 */
VIA_PUBLIC int via_await(via_future *future, void **result) VIA_MUST_USE;

/**
 * Waits as via_await(), and gives the whole outcome, with code and text.
 *
 * - Ownership: takes the caller's reference to `future`, also on failure; gives the value.  The text is good
 *   until the task awaits again.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the future is done.
 * - Cancel: as via_await().
 * - Origin: Viaduct.
 *
 * @param future a future of this loop.
 * @param outcome receives the outcome, with the status that is returned; untouched if the future could not be
 *        awaited.
 * @return as via_await().
 */
VIA_PUBLIC int via_await_outcome(via_future *future, struct via_outcome *outcome) VIA_MUST_USE;

/**
 * Runs a blocking function on the loop's default executor, and waits in a task until it has returned.
 *
 * This comes back only when the function has, or will never run, so the argument may be a variable of the
 * task.  The function sees the task's local values.
 *
 * - Ownership: borrows `arg`; gives the result.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the function has returned.
 * - Cancel: the function is asked to stop (via_call_cancelled()); what it returns counts.  If it has not
 *   started it never will, and this fails with VIA_ECANCELED.
 * - Origin: asyncio `await to_thread()`; that it waits for the function is Viaduct's.
 *
 * @param fn the function.
 * @param arg its argument.
 * @param result receives its value if it succeeded, untouched otherwise; may be NULL.
 * @return what the function returned, VIA_EFAILED for a code of its own; VIA_ECANCELED if it never ran;
 *         VIA_ESTATE outside of a task; what via_run_in_executor() fails with.
 */
VIA_PUBLIC int via_await_to_thread(via_call_fn fn, void *arg, void **result) VIA_MUST_USE;

/**
 * Runs a call on an executor, and waits in a task until it is done.
 *
 * Unless the call is abandonable this comes back only when its function has, so what the call borrows may be
 * a variable of the task.
 *
 * - Ownership: takes the call's payload, also on failure; gives the value in `outcome`.  Its text is good
 * until the task awaits again.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the call is done.
 * - Cancel: in the ways that the call names.
 * - Origin: asyncio `await loop.run_in_executor()`.
 *
 * @param executor the executor; NULL for the loop's default one.
 * @param call what to run; copied.
 * @param outcome receives the outcome; untouched if the call could not be started; may be NULL, and then a
 *        value is destroyed.
 * @return the outcome's status; as via_await_to_thread().
 */
VIA_PUBLIC int via_await_in_executor(via_executor *executor, const struct via_call *call,
                                     struct via_outcome *outcome) VIA_MUST_USE;

/**
 * Waits in a task for a while.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task; 0 or less lets others run once, as via_yield().
 * - Cancel: fails with VIA_ECANCELED.
 * - Origin: asyncio `sleep`.
 *
 * @param duration_ns how long, in nanoseconds; VIA_FOREVER to be cancelled.
 * @return 0 when the time is over; VIA_ECANCELED; VIA_ESTATE outside of a task; VIA_ENOMEM.
 */
VIA_PUBLIC int via_sleep(int64_t duration_ns) VIA_MUST_USE;

/**
 * Waits in a task until a moment of the loop's clock.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task; a moment that is over lets others run once.
 * - Cancel: fails with VIA_ECANCELED.
 * - Origin: trio `sleep_until`.
 *
 * @param when_ns the moment, as of via_loop_time_ns().
 * @return as via_sleep().
 */
VIA_PUBLIC int via_sleep_until(int64_t when_ns) VIA_MUST_USE;

/**
 * Gives a future that is done after a while, with a value.
 *
 * - Ownership: borrows `value`, and hands it on; gives a reference.
 * - Threads: a loop's, while it runs.
 * - Blocks: no.
 * - Cancel: via_future_cancel().
 * - Origin: asyncio `sleep(delay, result)`.
 *
 * @param duration_ns how long, in nanoseconds.
 * @param value its value.
 * @return the future; never NULL: one that has failed with VIA_ESTATE if no loop runs here, or VIA_ENOMEM.
 */
VIA_PUBLIC via_future *via_sleep_future(int64_t duration_ns, void *value);

/**
 * Lets everything run that is ready, once.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until its turn comes again.
 * - Cancel: fails with VIA_ECANCELED.
 * - Origin: asyncio `sleep(0)`.
 *
 * @return 0; VIA_ECANCELED; VIA_ESTATE outside of a task.
 */
VIA_PUBLIC int via_yield(void) VIA_MUST_USE;

/**
 * Asks a task to stop.
 *
 * One that has not begun never runs.  One that waits has what it waits for cancelled; one that waits for a
 * function on a thread goes on when that has returned.  Every request counts, until it is taken back.
 *
 * - Ownership: borrows `task`; copies `reason`.
 * - Threads: the loop's; for other threads there is via_future_cfuture() and via_cfuture_cancel().
 * - Blocks: no.
 * - Cancel: this is it.
 * - Origin: asyncio `Task.cancel(msg)`; that the request stays is Viaduct's.
 *
 * @param task the task.
 * @param reason for via_task_cancel_reason(); NULL for none.  The first one stays.
 * @return VIA_CANCEL_REQUESTED; VIA_CANCEL_NEVER_RAN if it had not begun; VIA_CANCEL_TOO_LATE if it is done;
 *         VIA_EINVAL, also for a future that is no task; VIA_ECLOSED; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_task_cancel(via_future *task, const char *reason);

/**
 * Takes one request to stop back.
 *
 * - Ownership: borrows `task`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: with the last request gone awaits work again.
 * - Origin: asyncio `Task.uncancel`.
 *
 * @param task the task; NULL for the one that runs.
 * @return how many requests are left; VIA_EINVAL if it is no task; VIA_ESTATE if none runs; VIA_EFOREIGN in
 *         debug mode.
 */
VIA_PUBLIC int via_task_uncancel(via_future *task);

/**
 * Counts the requests to stop that were not taken back.
 *
 * - Ownership: borrows `task`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Task.cancelling`.
 *
 * @param task the task; NULL for the one that runs.
 * @return how many; as via_task_uncancel().
 */
VIA_PUBLIC int via_task_cancelling(const via_future *task);

/**
 * Tells why a task was asked to stop.
 *
 * - Ownership: the text is borrowed from the task, until the request is taken back or the task ends.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: the message of asyncio's CancelledError.
 *
 * @param task the task; NULL for the one that runs.
 * @return the reason of the first request; NULL without one.
 */
VIA_PUBLIC const char *via_task_cancel_reason(const via_future *task);

/**
 * Opens a section in which the task is not cancelled: for clean-up that has to wait.
 *
 * Requests from outside of the section, and time limits opened outside, are not seen by the awaits inside;
 * they count when the section ends.  To bound the clean-up open a time limit (timeout.h) inside.  Closing the
 * loop ends the section's protection.
 *
 * - Ownership: borrows `scope`, which lives in the function, until via_shield_end().
 * - Threads: the loop's, in a task.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: trio `CancelScope(shield=True)`.
 *
 * @param scope the section.
 * @return 0; VIA_ESTATE outside of a task, and for a section that is open; VIA_ENOMEM in a coroutine that the
 *         task steps; VIA_EINVAL.
 */
VIA_PUBLIC int via_shield_begin(struct via_scope *scope);

/**
 * Ends a shielded section.
 *
 * - Ownership: gives `scope` back.
 * - Threads: the loop's, in the same task.
 * - Blocks: no.
 * - Cancel: what was asked for meanwhile is seen by the next await.
 * - Origin: trio.
 *
 * @param scope the section.
 * @return 0; VIA_ESTATE if it is not the innermost open section of this task; VIA_EINVAL.
 */
VIA_PUBLIC int via_shield_end(struct via_scope *scope);

/**
 * Gives the task that runs.
 *
 * - Ownership: borrowed.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `current_task`.
 *
 * @return the task; NULL in a callback, and where no loop runs.
 */
VIA_PUBLIC via_future *via_current_task(void);

/**
 * Lists the tasks of a loop that are not done, oldest first.
 *
 * - Ownership: the tasks are borrowed.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `all_tasks`.
 *
 * @param loop the loop.
 * @param tasks receives up to `capacity` of them; may be NULL if that is 0.
 * @param capacity how many there is room for.
 * @return how many there are, which may be more; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_all_tasks(via_loop *loop, via_future **tasks, size_t capacity);

/**
 * Tells about a task.
 *
 * - Ownership: what is told is borrowed from the task.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct; asyncio `Task.get_stack` and its call graph.
 *
 * @param task the task.
 * @param info receives it; untouched on failure.
 * @return 0; VIA_EINVAL, also for a future that is no task; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_task_info(const via_future *task, struct via_task_info *info);

/**
 * Gives the name of a task.
 *
 * - Ownership: borrowed from the task, until it is renamed.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Task.get_name`.
 *
 * @param task the task; NULL for the one that runs.
 * @return its name; NULL if it is no task.
 */
VIA_PUBLIC const char *via_task_name(const via_future *task);

/**
 * Renames a task.
 *
 * - Ownership: copies `name`.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Task.set_name`.
 *
 * @param task the task; NULL for the one that runs.
 * @param name the name.
 * @return 0; VIA_EINVAL, also for a future that is no task; VIA_ENOMEM.
 */
VIA_PUBLIC int via_task_set_name(via_future *task, const char *name);

/**
 * Writes a line for each task of a loop that is not done: its name and what it waits for.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `print_call_graph`.
 *
 * @param loop the loop.
 * @param bytes the room at `text`.
 * @param text receives the lines, cut to the room and ended by a zero; may be NULL if `bytes` is 0.
 * @return how many bytes all of it takes, without the zero; VIA_EINVAL; VIA_EFOREIGN in debug mode.
 */
VIA_PUBLIC int via_tasks_describe(via_loop *loop, size_t bytes, char *text);

VIA_END_C

#endif
