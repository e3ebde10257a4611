/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Task groups.
 *
 * A group is three things.  For the task that holds it, it is a scope: cutting it makes the awaits of the
 * body fail.  For the end of that task it is an open group, which may not be left behind.  For its tasks it
 * is a list of children, each with a callback that is called once, from the ready queue, when the child is
 * done.  All of it belongs to the loop's thread.
 *
 * What keeps it alive.  The program owns it from the moment when it is over.  Before, it belongs to its task,
 * which cannot end without it; and if that task is lost, to its children.
 *
 * Stopping.  Children are asked to stop at most once, and from then on none is added.  The callbacks of those
 * that are done do the counting, never the asking; so the list of children stands still meanwhile, whatever
 * code of the program a request runs.
 *
 * The limit.  A child that finds no room is made, but does not begin: what it waits for is described in
 * `waiting` like any wait, so that a request to stop reaches it there, and then it begins only to end.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/group.h>

#include "task/task.h"

struct child {
    struct via__list link; // in its group's children; then in its failed ones
    struct via__list held; // in its group's list while it may not begin
    struct via__future_callback done;
    struct via__wait wait; // for room in the group
    via_group *group;
    via_future *future;
    int begun;
};

struct via_group {
    struct via_scope scope;
    struct via__open_group open;
    struct via__task *task; // NULL if it was lost
    via_loop *loop;
    char *what; // for reports: "the tasks of " and a name; NULL without one
    size_t limit;
    size_t begun; // children that have begun and are not done
    struct via__list children, held, failed;
    struct via__list *next_child; // that is to be asked to stop, while the group stands in the loop's list
    via_group *next_stopping;
    struct via_outcome *errors; // made when they are asked for
    int failures;               // children in `failed`
    int start_status;           // of the first child that could not be made, or 0
    int body_status;            // if it is a failure, else 0
    unsigned char stopping;     // the children were cancelled
    unsigned char cancelled;    // by the program
    unsigned char cut;          // children had to be cancelled while the end waited
    unsigned char waiting;      // the task waits for the last child
    unsigned char over;
};

static void free_child(struct child *child)
{
    via_future_unref(child->future);
    free(child);
}

static void free_group(via_group *group)
{
    via__list_remove(&group->open.link);
    while (!via__list_empty(&group->failed)) {
        struct child *child = VIA__CONTAINER_OF(group->failed.next, struct child, link);
        via__list_remove(&child->link);
        free_child(child);
    }
    free(group->errors);
    free(group->what);
    free(group);
}

// ---- stopping ----

// Asks one child of the innermost group that stops, which is out of the list when it is through.
static void stop_next(struct via__tasks *tasks)
{
    via_group *group = tasks->stopping;
    struct via__list *at = group->next_child;
    if (at == &group->children) {
        tasks->stopping = group->next_stopping;
        return;
    }
    group->next_child = at->next;
    (void)via__future_cancel(VIA__CONTAINER_OF(at, struct child, link)->future);
}

// What a child waits for may be the end of a group again, and so on: one that is to stop meanwhile is put on
// top of a list, not of the stack.
static void stop_children(via_group *group)
{
    struct via__tasks *tasks = group->loop->tasks;
    if (group->stopping)
        return;
    group->stopping = 1;
    if (via__list_empty(&group->children))
        return;
    via_group *outer = tasks->stopping;
    group->next_child = group->children.next;
    group->next_stopping = outer;
    tasks->stopping = group;
    while (!outer && tasks->stopping)
        stop_next(tasks);
}

// The body too, if it has not ended.
static void stop(via_group *group)
{
    if (group->scope.task && group->scope.when_ns != VIA__WHEN_CUT)
        (void)via__scope_set_when(&group->scope, VIA__WHEN_CUT); // no timer is needed for this
    stop_children(group);
}

static int any_pending(const via_group *group)
{
    for (const struct via__list *at = group->children.next; at != &group->children; at = at->next)
        if (VIA__CONTAINER_OF(at, struct child, link)->future->state == VIA_PENDING)
            return 1;
    return 0;
}

// The end is interrupted while it waits.  If all are done, and only their callbacks are still to come, then
// nothing is cut short.
static void cut_end(via_group *group)
{
    if (!group->cut && any_pending(group))
        group->cut = 1;
    stop_children(group);
}

// ---- children ----

static void begin_child(struct child *child, int eager)
{
    via__list_remove(&child->held);
    child->begun = 1;
    child->group->begun++;
    via__task_start(via__task_of(child->future), eager);
}

// A child is cancelled that has found no room: it begins, and finds that it need not.
static void cancel_held(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    begin_child(VIA__CONTAINER_OF(wait, struct child, wait), 0);
}

static int has_room(const via_group *group)
{
    return !group->limit || group->begun < group->limit;
}

static void begin_held(via_group *group)
{
    while (!group->stopping && has_room(group) && !via__list_empty(&group->held))
        begin_child(VIA__CONTAINER_OF(group->held.next, struct child, held), 0);
}

static int has_failed(via_future *future)
{
    struct via_outcome outcome;
    return future->state == VIA_FINISHED && via_future_outcome(future, &outcome) == 0 && outcome.status < 0;
}

// Nothing of the group may be touched afterwards.
static void all_done(via_group *group)
{
    if (group->waiting) {
        group->waiting = 0;
        via__task_resume(group->task);
    } else if (!group->task) {
        free_group(group);
    }
}

static int on_done(via_future *future, void *arg)
{
    struct child *child = arg;
    via_group *group = child->group;
    via__list_remove(&child->link);
    via__list_remove(&child->held);
    group->begun -= (size_t)child->begun;
    if (has_failed(future)) {
        via__list_push_back(&group->failed, &child->link);
        group->failures++;
        stop(group);
    } else {
        free_child(child);
    }
    begin_held(group);
    if (via__list_empty(&group->children))
        all_done(group);
    return 0;
}

static void add_child(via_group *group, struct child *child, via_future *future, int eager)
{
    *child = (struct child){
        .done = {.fn = on_done, .arg = child},
        .wait = {.what = "room in its group", .until_ns = VIA_FOREVER, .cancel = cancel_held},
        .group = group,
        .future = via_future_ref(future),
    };
    via__task_of(future)->holder = group->task;
    via__list_init(&child->held);
    via__list_push_back(&group->children, &child->link);
    via__future_watch(future, &child->done);
    if (has_room(group) && via__list_empty(&group->held)) {
        begin_child(child, eager);
    } else {
        via__list_push_back(&group->held, &child->held);
        via__task_of(future)->waiting = &child->wait;
    }
}

// Who adds to a group that only stops is about to be stopped itself, and need not look at the error.
static via_future *refuse(const via_group *group)
{
    static const char over[] = "the task group is over: make the task in another one";
    static const char stopping[] = "the task group is stopping: nothing is added to it any more";
    via_loop *loop = group->over ? via__role.loop : group->loop;
    struct via__bridge *bridge = loop ? via__bridge_of(loop) : NULL;
    via_future *future = bridge ? via__promise_new(bridge) : NULL;
    if (!future)
        return via__future_failed(VIA_ESTATE);
    future->looked = !group->over;
    via__promise_finish(future, VIA_ESTATE, 0, NULL, strdup(group->over ? over : stopping));
    return future;
}

// Why the group takes no task: a future that has failed, or NULL.
static via_future *check_open(const via_group *group)
{
    if (!group)
        return via__future_failed(VIA_EINVAL);
    if (group->over || group->stopping)
        return refuse(group);
    if (via__role.loop && via__role.loop != group->loop)
        return via__future_failed(VIA_EFOREIGN);
    return NULL;
}

static void fail_start(via_group *group, int status)
{
    if (!group->start_status)
        group->start_status = status;
    stop(group);
}

via_future *via_group_create_task_with(via_group *group, via_task_fn fn, void *arg,
                                       const struct via_task_options *options)
{
    via_future *future = check_open(group);
    struct child *child = future ? NULL : malloc(sizeof *child);
    if (child) {
        future = via__task_make(group->loop, fn, arg, options);
        if (future->state == VIA_PENDING) {
            add_child(group, child, future, options && options->eager);
            return future;
        }
        free(child);
        fail_start(group, via_future_result(future, NULL));
        return future;
    }
    if (options && options->destroy)
        options->destroy(arg);
    if (!future)
        fail_start(group, VIA_ENOMEM);
    return future ? future : via__future_failed(VIA_ENOMEM);
}

via_future *via_group_create_task(via_group *group, via_task_fn fn, void *arg)
{
    return via_group_create_task_with(group, fn, arg, NULL);
}

// ---- the end ----

struct end_wait {
    struct via__wait wait;
    via_group *group;
};

static void cancel_wait(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    cut_end(((struct end_wait *)wait)->group);
}

// The children that are not done, or have not said so yet.  `*at` is the address of the one before.
static via_future *next_child(const via_group *group, size_t *at)
{
    const struct via__list *before = *at ? (const struct via__list *)*at : &group->children;
    if (before->next == &group->children)
        return NULL;
    *at = (uintptr_t)before->next;
    return VIA__CONTAINER_OF(before->next, struct child, link)->future;
}

static via_future *depends(struct via__wait *wait, size_t *at)
{
    return next_child(((struct end_wait *)wait)->group, at);
}

static via_future *next_of_open(struct via__open_group *open, size_t *at)
{
    return next_child(VIA__CONTAINER_OF(open, via_group, open), at);
}

// On the task's stack.
static void wait_for_children(via_group *group)
{
    struct end_wait end = {.wait = {.what = group->what ? group->what : "the tasks of a group",
                                    .until_ns = VIA_FOREVER,
                                    .must = 1,
                                    .cancel = cancel_wait,
                                    .depends = depends},
                           .group = group};
    if (via__list_empty(&group->children))
        return;
    if (via__task_interrupted(group->task) < 0) {
        end.wait.asked = 1;
        cut_end(group);
    }
    group->waiting = 1;
    (void)via__task_wait(group->task, &end.wait); // it must
}

static int is_failure(int status)
{
    return status != 0 && status != VIA_ECANCELED && status != VIA_EABORTED;
}

static int verdict(const via_group *group, int status)
{
    if (group->failures || group->start_status)
        return VIA_EGROUP;
    if (is_failure(status))
        return status;
    if (group->cut)
        return VIA_ECANCELED;
    if (group->cancelled && status < 0 && via__task_interrupted(group->task) == 0)
        return 0;
    return status;
}

int via_group_end(via_group *group, int status)
{
    struct via__task *task;
    int checked = group ? via__task_check_here(&task) : VIA_EINVAL;
    if (checked < 0)
        return checked;
    if (group->over || group->task != task || task->scopes != &group->scope)
        return VIA_ESTATE;
    via__scope_close(task, &group->scope);
    if (is_failure(status))
        group->body_status = status;
    if (status != 0)
        stop_children(group);
    wait_for_children(group);
    via__list_remove(&group->open.link);
    group->over = 1;
    return verdict(group, status);
}

static void report_failed(const via_group *group)
{
    for (const struct via__list *at = group->failed.next; at != &group->failed; at = at->next) {
        via_future *future = VIA__CONTAINER_OF(at, struct child, link)->future;
        struct via_outcome outcome = {.status = 0};
        (void)via_future_outcome(future, &outcome);
        struct via_exception exception = {.message = "a task of a group that was left open failed",
                                          .status = outcome.status,
                                          .loop = group->loop,
                                          .future = future,
                                          .text = outcome.message};
        via_loop_call_exception_handler(group->loop, &exception);
    }
}

static void report_left(const via_group *group)
{
    struct via_exception exception = {.message = "a task returned with an open task group",
                                      .status = VIA_ESTATE,
                                      .loop = group->loop,
                                      .future = via__task_future(group->task),
                                      .function = (void *)(uintptr_t)group->task->fn};
    via_loop_call_exception_handler(group->loop, &exception);
}

// None of them waits until the others are over.
static void stop_all_left(const struct via__task *task)
{
    for (const struct via__list *at = task->groups.next; at != &task->groups; at = at->next)
        stop_children(VIA__CONTAINER_OF(at, via_group, open.link));
}

// The function of its task has returned.  What the children were given may have been in it, so they are
// stopped, whatever it has returned.
static void leave_returned(via_group *group)
{
    report_left(group);
    stop_children(group);
    stop_all_left(group->task);
    // Whoever is about to await the task has to see what it waits for.
    via__list_push_front(&group->task->groups, &group->open.link);
    wait_for_children(group);
    via__list_remove(&group->open.link);
    report_failed(group);
    free_group(group);
}

// None of them will be told that it is done.
static void forget_children(via_group *group)
{
    while (!via__list_empty(&group->children)) {
        struct child *child = VIA__CONTAINER_OF(group->children.next, struct child, link);
        via__list_remove(&child->link);
        via__list_remove(&child->held);
        via__future_unwatch(child->future, &child->done);
        if (!child->begun)
            via__task_of(child->future)->waiting = NULL;
        free_child(child);
    }
}

// The task is lost.  This is not its stack.  It happens again if the loop is closed before the last child.
static void leave_lost(via_group *group)
{
    struct via__tasks *tasks = group->loop->tasks;
    group->task = NULL;
    for (struct via__list *at = group->children.next; at != &group->children; at = at->next)
        via__task_of(VIA__CONTAINER_OF(at, struct child, link)->future)->holder = NULL;
    stop_children(group);
    if (tasks->abandoned)
        forget_children(group);
    if (via__list_empty(&group->children))
        free_group(group);
    else
        via__list_push_back(&tasks->lost, &group->open.link);
}

static void leave(struct via__open_group *open)
{
    via_group *group = VIA__CONTAINER_OF(open, via_group, open);
    group->scope.task = NULL;
    group->waiting = 0;
    if (group->task && via__task_current() == group->task)
        leave_returned(group);
    else
        leave_lost(group);
}

// ---- the rest of what the program says ----

static via_group *new_group(const struct via_group_options *options)
{
    via_group *group = calloc(1, sizeof *group);
    if (!group)
        return NULL;
    if (options && options->name && asprintf(&group->what, "the tasks of %s", options->name) < 0) {
        free(group);
        return NULL;
    }
    group->limit = options ? options->limit : 0;
    via__list_init(&group->children);
    via__list_init(&group->held);
    via__list_init(&group->failed);
    return group;
}

int via_group_begin(const struct via_group_options *options, via_group **group)
{
    struct via__task *task;
    int status = group ? via__task_check_here(&task) : VIA_EINVAL;
    if (status < 0)
        return status;
    via_group *made = new_group(options);
    if (!made)
        return VIA_ENOMEM;
    made->task = task;
    made->loop = task->tasks->loop;
    made->open.leave = leave;
    made->open.next_child = next_of_open;
    via__list_push_front(&task->groups, &made->open.link);
    via__scope_open(task, &made->scope, VIA__SCOPE_GROUP, VIA_FOREVER);
    *group = made;
    return 0;
}

int via_group_cancel(via_group *group)
{
    if (!group)
        return VIA_EINVAL;
    int status = group->over ? 0 : via__loop_check_thread(group->loop);
    if (status < 0 || group->over || group->stopping)
        return status;
    group->cancelled = 1;
    stop(group);
    return 0;
}

static int count_errors(const via_group *group)
{
    return group->failures + (group->start_status != 0) + (group->body_status != 0);
}

static void list_errors(const via_group *group, struct via_outcome *to)
{
    for (const struct via__list *at = group->failed.next; at != &group->failed; at = at->next)
        (void)via_future_outcome(VIA__CONTAINER_OF(at, struct child, link)->future, to++);
    if (group->start_status)
        *to++ = (struct via_outcome){.status = group->start_status};
    if (group->body_status > 0)
        *to = (struct via_outcome){.status = VIA_EFAILED, .code = group->body_status};
    else if (group->body_status)
        *to = (struct via_outcome){.status = group->body_status};
}

int via_group_errors(via_group *group, const struct via_outcome **outcomes)
{
    if (!group || !outcomes)
        return VIA_EINVAL;
    if (!group->over)
        return VIA_ESTATE;
    int count = count_errors(group);
    if (count && !group->errors) {
        group->errors = calloc((size_t)count, sizeof *group->errors);
        if (!group->errors)
            return VIA_ENOMEM;
        list_errors(group, group->errors);
    }
    *outcomes = group->errors;
    return count;
}

via_group *via_group_free(via_group *group)
{
    if (group && group->over)
        free_group(group);
    return NULL;
}
