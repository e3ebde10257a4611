/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of tasks when their loop is closed: they run to their ends, here, before anything else of the
 * loop goes.
 *
 * Nothing is waited for any more, with one exception: a call that runs on a thread, and whose end a task
 * waits for, may use what the task has on its stack.  Each such call is asked to stop, and its function's
 * return is waited for, blocking.  The function may itself wait for this loop: so messages are taken
 * meanwhile, and what they ask for is refused; and threads that wait for promises are released, since nobody
 * can keep them any more.  Everything else that tasks wait for is a task itself, or is cancelled and over.
 *
 * The loop's ready queue holds other things as well, which will be dropped; so only tasks, and the futures
 * that resume them, are run from it.
 *
 * A loop that is closed by another thread than the one which has run its tasks cannot run them: they are
 * lost, and what waits for them on their stacks is never called.  The stacks stay with their thread, so
 * functions that use them do no harm.
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
        via_future *future = via__future_of_ready(node);
        if (!future && node->kind->prompt) {
            node->kind->run(loop, node);
            ran++;
            continue;
        }
        via__ready_push(&loop->ready, node);
        if (future)
            ran += via__future_tell_watchers(future);
    }
    return ran;
}

// Ends one future that some task depends on, and that somebody else would have to complete: 1; 0 if there is
// none.
static int end_one_future(struct via__tasks *tasks)
{
    struct via__list *pending = &tasks->bridge->pending;
    for (struct via__list *at = pending->next; at != pending; at = at->next) {
        via_future *future = VIA__CONTAINER_OF(at, via_future, pending);
        if (!via__future_is_watched(future) || future->sort == VIA__SORT_CALL ||
            future->sort == VIA__SORT_DRIVEN)
            continue;
        via_future_ref(future);
        if (future->sort == VIA__SORT_WRAP) {
            (void)via_cfuture_cancel(future->cf);
            via__future_settle(future, VIA_CANCELLED);
        } else {
            via__promise_cancel(future);
        }
        via_future_unref(future);
        return 1;
    }
    return 0;
}

// A call that some task depends on, or NULL.
static via_future *find_call(const struct via__tasks *tasks)
{
    const struct via__list *pending = &tasks->bridge->pending;
    for (const struct via__list *at = pending->next; at != pending; at = at->next) {
        via_future *future = VIA__CONTAINER_OF(at, via_future, pending);
        if (future->sort == VIA__SORT_CALL && via__future_is_watched(future))
            return future;
    }
    return NULL;
}

// Whether other threads may wait for a future that nobody will complete any more: a promise of the program's,
// or one from above that no task depends on.
static int is_waited_for(via_future *future)
{
    int is_dead =
        future->sort == VIA__SORT_PROMISE ||
        (future->sort == VIA__SORT_DRIVEN && !via__is_task(future) && !via__future_is_watched(future));
    return is_dead && !via__cf_is_private(future->cf) && !via__state_done(via__cf_state(future->cf));
}

// Tells those threads.  The loop's futures stay as they are.
static void release_threads(const struct via__tasks *tasks)
{
    const struct via__list *pending = &tasks->bridge->pending;
    for (const struct via__list *at = pending->next; at != pending;) {
        via_future *future = VIA__CONTAINER_OF(at, via_future, pending);
        at = at->next;
        if (!is_waited_for(future))
            continue;
        // Callbacks may drop what they like: from the beginning again.
        via__cf_finish(via_cfuture_ref(future->cf), VIA_ECLOSED, 0, NULL, NULL);
        at = pending->next;
    }
}

// Waits until something has come from a call that some task depends on, or from what it depends on itself: 1;
// 0 if there is none.
static int wait_for_call(struct via__tasks *tasks)
{
    via_future *call = find_call(tasks);
    if (!call)
        return 0;
    via_future_ref(call);
    (void)via__future_cancel(call);
    int is_over = call->state != VIA_PENDING;
    via_future_unref(call);
    if (is_over)
        return 1;
    release_threads(tasks);
    via__loop_await_messages(tasks->loop);
    return 1;
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

// Cuts the waits of all tasks short.
static void interrupt_all(struct via__tasks *tasks)
{
    struct via__list *at = &tasks->bridge->pending;
    for (struct via__task *task; (task = next_task(tasks, &at));)
        via__task_poke(task);
}

// Ends one wait that outlasts being cancelled: 1; 0 if there is none.
static int give_up_one(struct via__tasks *tasks)
{
    struct via__list *at = &tasks->bridge->pending;
    for (struct via__task *task; (task = next_task(tasks, &at));) {
        if (task->waiting && task->waiting->give_up) {
            task->waiting->give_up(task, task->waiting);
            return 1;
        }
    }
    return 0;
}

static int lose(struct via__task *task)
{
    if (task->fiber.stack)
        via__fiber_drop(&task->fiber);
    via__task_end(task, VIA_EEXITED);
    return 1;
}

// Takes the stack from one task that does not listen, or that waits.
static int lose_one(struct via__tasks *tasks, int waits)
{
    struct via__list *at = &tasks->bridge->pending;
    for (struct via__task *task; (task = next_task(tasks, &at));)
        if ((task->waiting != NULL) == waits)
            return lose(task);
    return 0;
}

// Brings a task nearer to its end, the gentlest way that there is.
static int end_something(struct via__tasks *tasks)
{
    return run_ready(tasks->loop) || end_one_future(tasks) || lose_one(tasks, 0) || wait_for_call(tasks) ||
           give_up_one(tasks) || lose_one(tasks, 1);
}

// Takes the tasks out of the ready queue.
static void forget_ready(via_loop *loop)
{
    for (size_t left = loop->ready.count; left; left--) {
        struct via__ready *node = via__ready_pop(&loop->ready);
        if (node->kind != &via__task_first_kind && node->kind != &via__task_woken_kind)
            via__ready_push(&loop->ready, node);
    }
}

// Ends every task without running any.
static void abandon_all(struct via__tasks *tasks)
{
    tasks->abandoned = 1;
    forget_ready(tasks->loop);
    struct via__list *at = &tasks->bridge->pending;
    for (struct via__task *task; (task = next_task(tasks, &at)); at = &tasks->bridge->pending) {
        via_future *future = via_future_ref(via__task_future(task));
        via__task_end(task, VIA_EEXITED);
        forget_ready(tasks->loop); // what it held may have been woken
        via_future_unref(future);
    }
}

// Groups whose tasks were lost, and that wait for their children to tell them of their ends.
static void leave_lost(struct via__tasks *tasks)
{
    while (!via__list_empty(&tasks->lost)) {
        struct via__open_group *group = VIA__CONTAINER_OF(tasks->lost.next, struct via__open_group, link);
        via__list_remove(&group->link);
        group->leave(group);
    }
}

void via__tasks_close(via_loop *loop, struct via__loop_closer *closer)
{
    struct via__tasks *tasks = VIA__CONTAINER_OF(closer, struct via__tasks, closer);
    tasks->closing = 1;
    if (via__tasks_check_thread(loop) < 0)
        abandon_all(tasks);
    int some_end = 1;
    while (tasks->alive && some_end) {
        // What runs is refused its waits already.
        if (run_ready(loop))
            continue;
        interrupt_all(tasks);
        some_end = end_something(tasks);
    }
    tasks->abandoned = 1;
    leave_lost(tasks);
    loop->tasks = NULL;
    via__slab_leave(tasks->slab);
    free(tasks);
}
