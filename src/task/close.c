/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of tasks when their loop is closed: they run to their ends, here, before anything else of the
 * loop goes.
 *
 * Nothing is waited for any more, with one exception: a call that runs on a thread, and whose end a task
 * waits for, may use what the task has on its stack.  Each such call is asked to stop, and its function's
 * return is waited for, blocking.  Everything else that tasks wait for is a task itself, or is cancelled and
 * over.
 *
 * The loop's ready queue holds other things as well, which will be dropped; so only tasks, and the futures
 * that resume them, are run from it.
 *
 * A task that will not end - it awaits again and again though every await fails - is lost: its stack is taken
 * away.
 */
#include <config.h>

#include <stdlib.h>

#include <viaduct/cfuture.h>

#include "task/task.h"

// Runs what resumes tasks, and leaves the rest in its order.  Returns how much it ran.
static size_t run_ready(via_loop *loop)
{
    size_t ran = 0;
    for (size_t left = loop->ready.count; left; left--) {
        struct via__ready *node = via__ready_pop(&loop->ready);
        if (node->kind->prompt) {
            node->kind->run(loop, node);
            ran++;
        } else {
            via__ready_push(&loop->ready, node);
        }
    }
    return ran;
}

// Waits until a call's function has returned, or detaches a future that somebody else would have to complete.
static void end_future(via_future *future)
{
    via_future_ref(future);
    if (future->sort == VIA__SORT_CALL) {
        (void)via_cfuture_cancel(future->cf);
        (void)via_cfuture_wait(future->cf, VIA_FOREVER);
        via__future_settle(future, via_cfuture_state(future->cf));
    } else if (future->sort == VIA__SORT_WRAP) {
        (void)via_cfuture_cancel(future->cf);
        via__future_settle(future, VIA_CANCELLED);
    } else {
        via__promise_cancel(future);
    }
    via_future_unref(future);
}

// Ends one future that some task depends on: 1; 0 if there is none.
static int end_one_future(struct via__tasks *tasks)
{
    struct via__list *pending = &tasks->bridge->pending;
    for (struct via__list *at = pending->next; at != pending; at = at->next) {
        via_future *future = VIA__CONTAINER_OF(at, via_future, pending);
        if (via__future_is_watched(future) && future->sort != VIA__SORT_DRIVEN) {
            end_future(future);
            return 1;
        }
    }
    return 0;
}

static struct via__task *next_task(struct via__tasks *tasks, struct via__list **at)
{
    while ((*at = (*at)->next) != &tasks->bridge->pending) {
        via_future *future = VIA__CONTAINER_OF(*at, via_future, pending);
        if (via__is_task(future))
            return via__task_of(future);
    }
    return NULL;
}

// The task, if it waits for a future that is done whose callbacks will not come any more.
static int is_stranded(const struct via__task *task)
{
    return task->waiting && task->waiting->future && task->waiting->future->state != VIA_PENDING &&
           !task->waiting->future->queued;
}

// Cuts the waits of all tasks short.  What that changes in the list is taken care of by beginning anew.
static void interrupt_all(struct via__tasks *tasks)
{
    struct via__list *at = &tasks->bridge->pending;
    for (struct via__task *task; (task = next_task(tasks, &at));) {
        if (is_stranded(task)) {
            via__task_resume(task);
            at = &tasks->bridge->pending;
        } else {
            via__task_poke(task);
        }
    }
}

// Takes the stack from a task that does not listen, or that waits for what will not come.
static int lose_one(struct via__tasks *tasks)
{
    struct via__list *at = &tasks->bridge->pending;
    struct via__task *task = next_task(tasks, &at), *other = task;
    if (!task)
        return 0;
    while (task->waiting && (other = next_task(tasks, &at)))
        task = other;
    if (task->waiting && task->waiting->give_up) {
        task->waiting->give_up(task, task->waiting);
        return 1;
    }
    if (task->fiber.stack)
        via__fiber_drop(&task->fiber);
    via__task_end(task, VIA_EEXITED);
    return 1;
}

void via__tasks_close(via_loop *loop, struct via__loop_closer *closer)
{
    struct via__tasks *tasks = VIA__CONTAINER_OF(closer, struct via__tasks, closer);
    tasks->closing = 1;
    while (tasks->alive) {
        interrupt_all(tasks);
        if (!run_ready(loop) && !end_one_future(tasks) && !lose_one(tasks))
            break;
    }
    loop->tasks = NULL;
    via__slab_leave(tasks->slab);
    free(tasks);
}
