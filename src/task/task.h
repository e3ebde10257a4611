/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks, inside.
 *
 * A task is a driven future with a fiber.  It is in one of four conditions:
 *
 *   new        its first step is in the ready queue; it has no stack yet.
 *   running    it is `tasks->current`, or it has made an eager task that is.
 *   waiting    `waiting` is set.  Somebody who knows of the wait will wake it: a future, its own timer, a
 * queue that it stands in.  All of these belong to the loop's thread, so nothing here is atomic. woken its
 * node is in the ready queue again, and `waiting` is NULL.
 *
 * Who completes.  finish() settles the future, on the loop's stack, when the fiber is over; or heir() does,
 * on the task's, at the fiber's end, if nothing of the program's is to be called then.  Nobody else does.
 *
 * What keeps it alive.  A reference of its own until then.  What it waits for is described on its stack, in a
 * struct via__wait, and everything of others that points there is taken off before the wait returns.
 *
 * Interrupts.  A wait is cut short by a request to stop (`cancelling` above `masked`), by a time limit or a
 * failed group around it (`deadline_ns`, the earliest of the open scopes up to the next shield), and by the
 * closing of the loop.  All three are conditions, not events: via__task_interrupted() looks at them whenever
 * a wait begins, and via__task_poke() whenever one of them may have come about.  To cut a wait short is to
 * ask for its end (via__wait.cancel); the wait itself says when that is.  So a call on a thread that borrows
 * its argument is over only when its function has returned, and what was granted in the meantime is kept.
 *
 * While `deadline_ns` is finite and not over, the task's timer is set while it waits.
 *
 * Threads.  A stack never leaves its thread.  So while tasks that have begun wait, their loop is run by no
 * other one.
 *
 * Closing.  The loop's closing cuts every wait short and runs the tasks to their ends, before the bridge
 * goes: see close.c.
 */
#ifndef VIADUCT_TASK_TASK_H
#define VIADUCT_TASK_TASK_H

#include <viaduct/error.h>
#include <viaduct/task.h>

#include "base/locals.h"
#include "bridge/future.h"
#include "coro/fiber.h"
#include "loop/timer.h"

struct via__task;
struct via__section;

// What a suspended task waits for; on its stack.
struct via__wait {
    const char *what;   // for reports: "a lock"
    via_future *future; // the one that is awaited, or NULL
    int64_t until_ns;   // it is woken then; VIA_FOREVER for never
    int must;           // it goes on waiting when it is interrupted: a call borrows the task's stack
    int asked;          // its end was asked for before it began: no limit has to do that any more
    // Asks for the end of the wait: what was waited for is cancelled, or the task is woken at once.
    void (*cancel)(struct via__task *task, struct via__wait *wait);
    // If it is for more than one future: the next of them, as in struct via__driven_kind.
    via_future *(*depends)(struct via__wait *wait, size_t *at);
    // For waits that outlast being cancelled; may be NULL.  The loop is being closed and nothing else is left
    // that could happen: ends the wait, though what is waited for has not come.
    void (*give_up)(struct via__task *task, struct via__wait *wait);
};

// A task group that is open, from its task's side.  If the task returns without closing it, `leave` does so,
// on the task's stack: it may wait.  For a task that is lost it is called on another one, and must not.
struct via__open_group {
    struct via__list link; // in its task's list, the innermost first
    void (*leave)(struct via__open_group *group);
    // The next of its tasks that are not done, as in struct via__driven_kind.
    via_future *(*next_child)(struct via__open_group *group, size_t *at);
};

enum via__scope_kind { VIA__SCOPE_SHIELD = 1, VIA__SCOPE_TIMEOUT, VIA__SCOPE_GROUP };

// A scope that is cut from the outside: its awaits fail from now on.
#define VIA__WHEN_CUT INT64_MIN

struct via__task {
    struct via__driven driven; // first: the block goes with its future
    struct via__fiber fiber;
    struct via__ready ready; // to be run, when it is new or woken
    struct via__timer timer;
    struct via__tasks *tasks;
    struct via__wait *waiting;
    struct via_scope *scopes;      // open ones, from the innermost out
    struct via__section *sections; // those among them that lie in generators
    int64_t deadline_ns;
    via_task_fn fn;
    void *arg;
    void (*destroy)(void *arg);
    void *result;
    char *name;                                // NULL until somebody asks
    char *reason;                              // of the first request to stop
    via_future *kept;                          // what was awaited last, for its text
    struct via__locals *locals, *outer_locals; // while it does not run; those of its resumer while it does
    struct via__list groups;                   // open task groups
    struct via__task *holder;                  // whose group it is in: not done before this is; or NULL
    uint64_t id;
    size_t stack_bytes;
    uint32_t cancelling, masked;
    uint32_t unmasked; // requests from outside that came while a shield was up
    int status;
    unsigned refused;         // awaits that failed at once since it last waited
    uint32_t limits, shields; // that are open
    unsigned char begun;
    unsigned char keeps_locals; // it does not release them when it is done
    // One byte for these: with another the task would not fit into seven cache lines.
    unsigned char deaf : 1;  // it does not heed that it was cancelled: see `ending`
    unsigned char stays : 2; // it has taken the request back, and so many looks have found it since, plus 1
    unsigned char poked : 1; // its wait is being cut short
    unsigned char is_settled : 1; // its future is done, though its fiber is not over yet
    unsigned char armed : 1;      // the timer is set, or due and in the ready queue, where it has a reference
};

// Of who waits for the ends of cancelled tasks.
struct via__patience {
    struct via__timer timer; // it looks at those that have taken the request back
    int is_set;              // or due
};

// A loop's.
struct via__tasks {
    via_loop *loop;
    struct via__bridge *bridge;
    struct via__slab *slab;
    struct via__loop_closer closer;
    struct via__task *current;
    int is_last; // who runs `current` has nothing to do afterwards: it may hand over to the next task
    uint64_t created;
    size_t alive;                     // not done
    size_t stacks;                    // those among them that have one
    struct via__fiber_thread *thread; // whose stacks these are
    int closing;
    int abandoned;         // none of them runs any more, nor is anything of theirs called
    struct via__list lost; // groups without their tasks, which go with their children
    int ending;            // a runner waits for cancelled tasks; one that turns out to be deaf stops the loop
    struct via__patience *patience; // the runner's, meanwhile
    void *stopping;                 // of the groups: see there
};

extern const struct via__driven_kind via__task_kind;
extern const struct via__fiber_kind via__task_fiber_kind;

static inline struct via__task *via__task_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct via__task, driven.pair.future);
}

static inline via_future *via__task_future(struct via__task *task)
{
    return &task->driven.pair.future;
}

static inline int via__is_task(const via_future *future)
{
    return future && future->loop && future->sort == VIA__SORT_DRIVEN &&
           via__driven_of((via_future *)(uintptr_t)future)->kind == &via__task_kind;
}

// The task that runs in this thread, or NULL.
static inline struct via__task *via__task_current(void)
{
    const via_loop *loop = via__role.loop;
    const struct via__tasks *tasks = loop ? loop->tasks : NULL;
    return tasks ? tasks->current : NULL;
}

// The state for a loop, made at first use; NULL if memory ran out.
struct via__tasks *via__tasks_of(via_loop *loop);

// task.c

// Makes a task that does not begin before via__task_start(); until then whoever keeps it back may describe
// that in `waiting`, and is asked there to start it when it is cancelled.  Never NULL: what could not be made
// is not pending.
via_future *via__task_make(via_loop *loop, via_task_fn fn, void *arg, const struct via_task_options *options);

// Has it begin: in its turn, or eagerly.
void via__task_start(struct via__task *task, int eager);

// 0 if the stacks of the loop's tasks, if any, are this thread's; or VIA_EFOREIGN.
int via__tasks_check_thread(const via_loop *loop);

// step.c

// Of a task in the ready queue: it has not begun, or was woken.
extern const struct via__ready_kind via__task_first_kind, via__task_woken_kind;

// Has the task go on in its turn.  It waits.
void via__task_wake(struct via__task *task);

// Goes on with it here, in a callback from the ready queue.  It waits.
void via__task_resume(struct via__task *task);

// The callback of a future that the task `arg` awaits: goes on with it.
int via__task_on_done(via_future *future, void *arg);

// Runs a task that is new: eagerly, or from the ready queue, and then the caller does nothing more.
void via__task_begin(struct via__task *task, int is_last);

// Ends a task that has not begun, or will not go on.
void via__task_end(struct via__task *task, int status);

// Suspends the running task until it is woken.  To be called when via__task_check_wait() has said 0.  0, or
// VIA_ENOMEM if its time limit cannot be watched, and then it has not waited.
int via__task_wait(struct via__task *task, struct via__wait *wait);

// The running task, if the code that runs is its own in a roundabout way; or NULL.
struct via__task *via__task_find_here(void);

// Tells whether the code that runs is in a task, and not in a call that the task runs itself: 0 with the
// task, or VIA_ESTATE.
__attribute__((always_inline)) static inline int via__task_check_here(struct via__task **task)
{
    // A fiber with the failure of its own function is in no loop of another one: it is what its task runs.
    struct via__fiber *fiber = via__fiber_self.current;
    struct via__task *current = NULL;
    if (fiber && fiber->kind == &via__task_fiber_kind && via__fiber_is_here(fiber))
        current = VIA__CONTAINER_OF(fiber, struct via__task, fiber);
    else
        current = via__task_find_here();
    if (!current)
        return VIA_ESTATE;
    *task = current;
    return 0;
}

// interrupt.c

// The rare part of what follows.
int via__task_interrupted_at(struct via__task *task);

// What a wait that is cut short fails with, or 0.  Notes in the scopes whose time is over that they were the
// cause.
static inline int via__task_interrupted(struct via__task *task)
{
    if (task->cancelling > task->masked || task->tasks->closing)
        return VIA_ECANCELED;
    return task->deadline_ns == VIA_FOREVER ? 0 : via__task_interrupted_at(task);
}

// The awaits of a task fail; it may be one that does not listen.
void via__task_refuse(struct via__task *task);

// 0, or the status if the running task is interrupted: one more of its awaits fails.
static inline int via__task_check_interrupted(struct via__task *task)
{
    int status = via__task_interrupted(task);
    if (status < 0)
        via__task_refuse(task);
    return status;
}

// Tells whether the code that runs may wait: 0 with the task, VIA_ESTATE as above, or the status if the task
// is interrupted.
static inline int via__task_check_wait(struct via__task **task)
{
    int status = via__task_check_here(task);
    return status < 0 ? status : via__task_check_interrupted(*task);
}

// Something may have come about that cuts the wait of the task short.
void via__task_poke(struct via__task *task);

// A request to stop, from outside of every scope: an enum via_cancel.
int via__task_request(struct via__task *task);

// Tells whether this scope is among those that are open in the task.
int via__scope_is_open(const struct via__task *task, const struct via_scope *scope);

// Opens a scope of the running task; closes the innermost one.
void via__scope_open(struct via__task *task, struct via_scope *scope, enum via__scope_kind kind,
                     int64_t when_ns);
void via__scope_close(struct via__task *task, struct via_scope *scope);

// One that cannot be touched was taken out of the list; `inner_shield` is the shield next to it in the list
// that was opened later, or NULL.
void via__scope_lost(struct via__task *task, int kind, uint32_t masked, struct via_scope *inner_shield);

// Changes when awaits inside begin to fail.  0 or VIA_ENOMEM.
int via__scope_set_when(struct via_scope *scope, int64_t when_ns);

// Sets the task's timer to the earlier of the two, if it is not: 0 or VIA_ENOMEM.
int via__task_arm(struct via__task *task, int64_t when_ns);
void via__task_disarm(struct via__task *task);

// Unsets it if it is set to a moment that no limit is at.  A timer that nobody waits for would keep the loop
// from noticing that nothing can happen.
static inline void via__task_disarm_stale(struct via__task *task)
{
    if (task->armed && task->timer.node.when_ns != task->deadline_ns)
        via__task_disarm(task);
}

// The task that the loop would run next, taken out of its queue; NULL if that is something else, or if the
// loop is to have its turn first.
struct via__task *via__task_next(struct via__tasks *tasks);

// Suspends the running task.  If the loop would do no more than run another task, that goes on at once,
// without a switch to the loop's stack.
__attribute__((always_inline)) static inline void via__task_suspend(struct via__task *task)
{
    struct via__tasks *tasks = task->tasks;
    struct via__task *next = tasks->is_last ? via__task_next(tasks) : NULL;
    if (next == task)
        return;
    if (next) {
        tasks->current = next;
        next->outer_locals = task->outer_locals;
        task->locals = via__role.locals;
        via__role.locals = next->locals;
    }
    via__fiber_hand_over(&task->fiber, next ? &next->fiber : NULL);
}

// As via__task_wait(), in line: a processor foretells returns by the calls before them, and after a switch
// these were made on another stack.  So the fewer functions there are between a program and the switch, the
// better.
__attribute__((always_inline)) static inline int via__task_wait_inline(struct via__task *task,
                                                                       struct via__wait *wait)
{
    int64_t limit_ns = wait->asked ? VIA_FOREVER : task->deadline_ns;
    int64_t when_ns = wait->until_ns < limit_ns ? wait->until_ns : limit_ns;
    int status = when_ns == VIA_FOREVER && !task->armed ? 0 : via__task_arm(task, when_ns);
    if (status < 0 && !wait->must)
        return status;
    task->waiting = wait;
    via__task_suspend(task);
    via__task_disarm_stale(task);
    return 0;
}

// await.c

// The `cancel` of a task that waits for one future and nothing else: cancels that.
void via__await_cut(struct via__task *task, struct via__wait *wait);

// Keeps a future, whose reference it takes, until the task awaits again: texts live in it.
void via__task_keep(struct via__task *task, via_future *future);

// As via_await(); but it waits for the end of what it has cancelled also when the task was interrupted
// before.
int via__task_await_end(via_future *future, void **result);

// circle.c

// Tells whether the future waits for the running task, which is about to await it, through however many.
int via__task_closes_circle(struct via__task *task, via_future *future);

// finish.c

// While a runner waits for cancelled tasks one of them has taken its request back.
void via__task_stays(struct via__task *task);

// close.c
void via__tasks_close(via_loop *loop, struct via__loop_closer *closer);

// name.c
const char *via__task_name_of(struct via__task *task);

// For the loop, which see.
const char *via__tasks_name_concerned(const via_loop *loop, const via_future *future);
void via__tasks_note_node(via_loop *loop, struct via__ready *node);

// Keeps its name: it runs, and may be blamed for taking too long.
void via__task_note_name(struct via__task *task);
static inline void via__task_note(struct via__task *task)
{
    if (via__loop_is_debugged(task->tasks->loop))
        via__task_note_name(task);
}

#endif
