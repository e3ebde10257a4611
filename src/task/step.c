/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a task, from its first step to its end.
 *
 * A task that ignores that its awaits fail would keep the loop for ever.  So one await in REFUSALS waits for
 * a turn all the same before it fails; and when the loop is being closed a task that is so deaf is ended
 * where it stands.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "task/section.h"

#define REFUSALS 1000

static void run(struct via__fiber *fiber);
static void lost(struct via__fiber *fiber);

static const char *name(const struct via__fiber *fiber, char buffer[VIA__FIBER_NAME]);

static struct via__fiber *heir(struct via__fiber *fiber);
static void inherited(struct via__fiber *fiber);

const struct via__fiber_kind via__task_fiber_kind = {
    .run = run, .lost = lost, .name = name, .heir = heir, .inherited = inherited};

static struct via__task *task_of_fiber(struct via__fiber *fiber)
{
    return VIA__CONTAINER_OF(fiber, struct via__task, fiber);
}

static void report_scope(struct via__task *task, const char *message)
{
    struct via_exception exception = {.message = message,
                                      .status = VIA_ESTATE,
                                      .loop = task->tasks->loop,
                                      .future = via__task_future(task),
                                      .function = (void *)(uintptr_t)task->fn};
    (void)via_loop_call_exception_handler(task->tasks->loop, &exception);
}

// They lay in functions that have returned, so they are not looked at.
static void report_scopes(uint32_t limits, uint32_t shields, struct via__task *task)
{
    if (limits)
        report_scope(task, "a task returned with an open time limit");
    if (shields)
        report_scope(task, "a task returned with an open shielded section");
}

// What it has left open is in functions that have returned.
static void leave_scopes(struct via__task *task)
{
    if (task->sections)
        via__sections_forget(task);
    task->scopes = NULL;
    task->limits = 0;
    task->deadline_ns = VIA_FOREVER;
    task->shields = 0;
    task->masked = 0;
    task->unmasked = 0;
    while (!via__list_empty(&task->groups)) {
        struct via__open_group *group = VIA__CONTAINER_OF(task->groups.next, struct via__open_group, link);
        via__list_remove(&group->link);
        group->leave(group);
    }
}

static void run(struct via__fiber *fiber)
{
    struct via__task *task = task_of_fiber(fiber);
    int status = task->fn(task->arg, &task->result);
    uint32_t limits = task->limits, shields = task->shields;
    leave_scopes(task);
    report_scopes(limits, shields, task);
    task->status = status;
}

// Also in a signal handler.
static const char *name(const struct via__fiber *fiber, char buffer[VIA__FIBER_NAME])
{
    const struct via__task *task = VIA__CONTAINER_OF(fiber, const struct via__task, fiber);
    if (task->name)
        return task->name;
    char digits[20];
    size_t count = 0, at = 5;
    memcpy(buffer, "Task-", at);
    for (uint64_t rest = task->id; rest || !count; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count)
        buffer[at++] = digits[--count];
    buffer[at] = '\0';
    return buffer;
}

// The innermost of the loop's tasks that run.
static struct via__task *innermost(const struct via__tasks *tasks)
{
    struct via__fiber *fiber = via__fiber_self.current;
    while (fiber && fiber->stack) {
        if (fiber->kind == &via__task_fiber_kind && task_of_fiber(fiber)->tasks == tasks)
            return task_of_fiber(fiber);
        fiber = fiber->resumer;
    }
    return NULL;
}

// It was left by longjmp() or pthread_exit(), and so was the step() that ran it.
static void lost(struct via__fiber *fiber)
{
    struct via__task *task = task_of_fiber(fiber);
    task->tasks->current = innermost(task->tasks);
    task->tasks->is_last = 0;
    task->tasks->loop->turns = (struct via__turns){.generations = 0}; // it may have left a tick
    task->locals = via__role.locals;
    via__role.locals = task->outer_locals;
    via__task_end(task, VIA_EEXITED);
}

static void release_locals(struct via__task *task)
{
    struct via__locals *locals = task->locals;
    if (!locals || task->keeps_locals)
        return;
    task->locals = NULL;
    via__locals_unref(locals);
}

// Most tasks have none of this.
static inline void release(struct via__task *task)
{
    release_locals(task);
    if (task->armed)
        via__task_disarm(task);
    if (task->destroy)
        task->destroy(task->arg);
    if (task->kept)
        via_future_unref(task->kept);
    if (task->reason) {
        free(task->reason);
        task->reason = NULL;
    }
}

static void drop_result(struct via__task *task)
{
    const struct via__extra *extra = task->driven.pair.cf.extra;
    if (task->result && extra && extra->destroy)
        extra->destroy(task->result);
}

// The function is over, or never ran: the future is done.
static void finish(struct via__task *task)
{
    via_future *future = via__task_future(task);
    int status = task->status > 0 ? VIA_EFAILED : task->status;
    struct via__failure failure = task->fiber.failure;
    int code = task->status > 0 ? task->status : failure.given ? failure.code : 0;
    leave_scopes(task);
    release(task);
    if (failure.message &&
        (status != VIA_EFAILED || (task->status > 0 && failure.given == VIA__FAILURE_AWAITED))) {
        free(failure.message);
        failure.message = NULL;
    }
    if (status < 0)
        drop_result(task);
    task->tasks->alive--;
    task->tasks->stacks -= task->fiber.thread != NULL;
    if (status == VIA_ECANCELED || status == VIA_EABORTED) {
        via__promise_cancel(future);
    } else {
        via__promise_finish(future, status, status == VIA_EFAILED ? code : 0,
                            status < 0 ? NULL : task->result, failure.message);
    }
    via__future_drop_done(future);
}

// Whether nothing of the program's, nor anything rare, is to be called at its end.
static int ends_plainly(const struct via__task *task)
{
    const via_cfuture *cf = &task->driven.pair.cf;
    return task->status == 0 && !task->fiber.failure.message && !via__role.locals && !task->destroy &&
           !task->kept && !task->reason && !task->armed && !cf->extra && via__cf_is_private(cf);
}

// The end of most tasks.  It is done on their own stacks, and without a look back at the loop's if another
// task is to run next.
static struct via__fiber *heir(struct via__fiber *fiber)
{
    struct via__task *task = task_of_fiber(fiber);
    struct via__tasks *tasks = task->tasks;
    if (!tasks->is_last || !via__fiber_is_here(fiber) || !ends_plainly(task))
        return NULL;
    tasks->alive--;
    tasks->stacks--;
    via__promise_finish(via__task_future(task), 0, 0, task->result, NULL);
    task->is_settled = 1;
    struct via__task *next = via__task_next(tasks);
    if (!next)
        return NULL;
    tasks->current = next;
    next->outer_locals = task->outer_locals;
    via__role.locals = next->locals;
    return &next->fiber;
}

static void inherited(struct via__fiber *fiber)
{
    via__future_drop_done(via__task_future(task_of_fiber(fiber)));
}

void via__task_end(struct via__task *task, int status)
{
    task->status = status;
    finish(task);
}

// Runs the fiber until it waits or is over, and those to which it hands over then.  `is_last`: the caller
// came from the loop, and does nothing more.  In line: see via__task_wait_inline().
__attribute__((always_inline)) static inline void step(struct via__task *task, int is_last)
{
    struct via__tasks *tasks = task->tasks;
    struct via__task *outer = tasks->current;
    int outer_is_last = tasks->is_last;
    tasks->current = task;
    tasks->is_last = is_last;
    via__loop_set_function(tasks->loop, (void *)(uintptr_t)task->fn);
    task->refused = 0;
    task->outer_locals = via__role.locals;
    via__role.locals = task->locals;
    task = task_of_fiber(via__fiber_resume(&task->fiber));
    task->locals = via__role.locals;
    via__role.locals = task->outer_locals;
    tasks->current = outer;
    tasks->is_last = outer_is_last;
    if (task->fiber.state != VIA__FIBER_OVER)
        return;
    if (task->is_settled)
        via__future_drop_done(via__task_future(task));
    else
        finish(task);
}

// Runs a task from the ready queue, and those that come next in it.  A return to the tick in between would be
// guessed wrongly, as above.
__attribute__((always_inline)) static inline void step_all(struct via__task *task)
{
    struct via__tasks *tasks = task->tasks;
    while (task) {
        step(task, 1);
        task = via__task_next(tasks);
    }
}

// Gives a new task its stack: 0, or why it ends before it has begun.
static int prepare(struct via__task *task)
{
    int status = via__task_interrupted(task);
    if (status == 0)
        status = via__fiber_init(&task->fiber, &via__task_fiber_kind, task->stack_bytes);
    if (status < 0)
        return status;
    task->begun = 1;
    task->tasks->stacks++;
    task->tasks->thread = task->fiber.thread;
    return 0;
}

void via__task_begin(struct via__task *task, int is_last)
{
    int status = prepare(task);
    task->begun = 1;
    if (status < 0)
        via__task_end(task, status);
    else if (is_last)
        step_all(task);
    else
        step(task, 0);
}

void via__task_resume(struct via__task *task)
{
    task->waiting = NULL;
    via__task_note(task);
    step(task, 0);
}

int via__task_on_done(via_future *future, void *arg)
{
    (void)future;
    via__task_resume(arg);
    return 0;
}

struct via__task *via__task_next(struct via__tasks *tasks)
{
    via_loop *loop = tasks->loop;
    if (!loop->turns.untimed || !via__loop_has_prompt(loop))
        return NULL;
    struct via__task *task = VIA__CONTAINER_OF(loop->ready.first, struct via__task, ready);
    const struct via__ready_kind *kind = task->ready.kind;
    // One that cannot begin is ended by the loop, on its own stack.
    if (kind != &via__task_woken_kind && (kind != &via__task_first_kind || prepare(task) < 0))
        return NULL;
    (void)via__loop_take_prompt(loop);
    via__loop_note_function(loop, (void *)(uintptr_t)task->fn);
    task->waiting = NULL;
    task->refused = 0;
    return task;
}

static void run_woken(via_loop *loop, struct via__ready *node)
{
    struct via__task *task = VIA__CONTAINER_OF(node, struct via__task, ready);
    task->waiting = NULL;
    via__loop_note_function(loop, (void *)(uintptr_t)task->fn);
    step_all(task);
}

static void drop_woken(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    (void)node;
}

const struct via__ready_kind via__task_woken_kind = {.run = run_woken, .drop = drop_woken, .prompt = 1};

void via__task_wake(struct via__task *task)
{
    task->waiting = NULL;
    task->ready.kind = &via__task_woken_kind;
    via__loop_ready(task->tasks->loop, &task->ready);
}

// It may wait in the midst of a generator that it steps; or longjmp() has led here.
struct via__task *via__task_find_here(void)
{
    if (!via__task_current() || via__fiber_settle() < 0)
        return NULL;
    struct via__task *current = via__task_current();
    return current && via__fiber_may_suspend_to(&current->fiber) ? current : NULL;
}

// Its awaits fail, and it does not listen.
void via__task_refuse(struct via__task *task)
{
    if (++task->refused < REFUSALS)
        return;
    if (task->tasks->ending && !task->deaf) {
        task->deaf = 1;
        (void)via_loop_stop(task->tasks->loop);
    }
    if (!task->tasks->closing)
        via__task_wake(task);
    via__fiber_suspend_to(&task->fiber);
}

int via__task_wait(struct via__task *task, struct via__wait *wait)
{
    return via__task_wait_inline(task, wait);
}
