/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be asked of tasks: who runs, which there are, their names, and what they wait for. */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coro/stack.h"
#include "task/task.h"

static struct via__task *find(const via_future *future)
{
    if (!future)
        return via__task_current();
    return via__is_task(future) ? via__task_of((via_future *)(uintptr_t)future) : NULL;
}

via_future *via_current_task(void)
{
    // Unless longjmp() has led out of it.
    struct via__task *task = via__fiber_settle() < 0 ? NULL : via__task_current();
    return task ? via__task_future(task) : NULL;
}

// Every future that is not done hangs in one list, in the order in which they were made.
static via_future *next_task(const struct via__bridge *bridge, struct via__list **at)
{
    while ((*at = (*at)->next) != &bridge->pending) {
        via_future *future = VIA__CONTAINER_OF(*at, via_future, pending);
        if (via__is_task(future))
            return future;
    }
    return NULL;
}

int via_all_tasks(via_loop *loop, via_future **tasks, size_t capacity)
{
    int status = loop && (tasks || !capacity) ? via__loop_check_thread(loop) : VIA_EINVAL;
    struct via__bridge *bridge = status == 0 ? loop->bridge : NULL;
    if (!bridge || via__loop_is_closed(loop))
        return status;
    size_t count = 0;
    struct via__list *at = &bridge->pending;
    for (via_future *task; (task = next_task(bridge, &at)); count++)
        if (count < capacity)
            tasks[count] = task;
    return (int)count;
}

const char *via__task_name_of(struct via__task *task)
{
    if (!task->name && asprintf(&task->name, "Task-%llu", (unsigned long long)task->id) < 0)
        task->name = NULL;
    return task->name ? task->name : "task";
}

const char *via_task_name(const via_future *future)
{
    struct via__task *task = find(future);
    return task ? via__task_name_of(task) : NULL;
}

int via_task_set_name(via_future *future, const char *name)
{
    struct via__task *task = find(future);
    if (!task || !name)
        return VIA_EINVAL;
    char *copy = strdup(name);
    if (!copy)
        return VIA_ENOMEM;
    char *old = task->name;
    task->name = copy;
    // A signal handler that asks for the name finds one of the two, and the old one is still there.
    atomic_signal_fence(memory_order_seq_cst);
    free(old);
    return 0;
}

static size_t stack_bytes(const struct via__task *task)
{
    return (size_t)1 << via__stack_order(task->stack_bytes);
}

int via_task_info(const via_future *future, struct via_task_info *info)
{
    struct via__task *task = future && info ? find(future) : NULL;
    int status = task ? via__loop_check_thread(future->loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    const struct via__wait *wait = task->waiting;
    *info = (struct via_task_info){.id = task->id,
                                   .name = via__task_name_of(task),
                                   .waits = wait ? wait->what : NULL,
                                   .awaited = wait ? wait->future : NULL,
                                   .cancelling = task->cancelling,
                                   .stack_bytes = stack_bytes(task),
                                   .function = (void *)(uintptr_t)task->fn};
    return 0;
}

// ---- for reports ----

const char *via__tasks_name_concerned(const via_loop *loop, const via_future *future)
{
    if (via__is_task(future))
        return via__task_name_of(via__task_of((via_future *)(uintptr_t)future));
    struct via__task *current = via__task_current();
    return current && current->tasks->loop == loop ? via__task_name_of(current) : NULL;
}

void via__task_note_name(struct via__task *task)
{
    via_loop *loop = task->tasks->loop;
    free(loop->ran);
    loop->ran = strdup(via__task_name_of(task)); // without memory the report names none
}

void via__tasks_note_node(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    if (node->kind == &via__task_first_kind || node->kind == &via__task_woken_kind)
        via__task_note(VIA__CONTAINER_OF(node, struct via__task, ready));
}

// ---- the description ----

struct text {
    char *at;
    size_t room, bytes;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
    size_t left = text->room > text->bytes ? text->room - text->bytes : 0;
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(left ? text->at + text->bytes : NULL, left, format, args);
    va_end(args);
    text->bytes += bytes > 0 ? (size_t)bytes : 0;
}

static const char *what_is(via_future *future)
{
    static const char *const sorts[] = {"a call", "a promise", "a concurrent future"};
    return future->sort == VIA__SORT_DRIVEN ? via__driven_of(future)->kind->what : sorts[future->sort];
}

// What a future, or a wait, waits for.
struct branch {
    via_future *future;
    struct via__wait *wait; // in place of the future
};

static via_future *next_of(const struct branch *branch, size_t *at)
{
    if (branch->wait)
        return branch->wait->depends ? branch->wait->depends(branch->wait, at) : NULL;
    if (branch->future->sort != VIA__SORT_DRIVEN || !via__driven_of(branch->future)->kind->depends)
        return NULL;
    return via__driven_of(branch->future)->kind->depends(branch->future, at);
}

// So many futures are named in one line, and so deep: what many share would come up again and again.
#define NAMED_MOST 16
#define DEPTH_MOST 4

static void add_branch(struct text *text, const struct branch *branch, int depth, int *named);

static void add_future(struct text *text, via_future *future, int depth, int *named)
{
    const struct branch branch = {.future = future};
    ++*named;
    if (via__is_task(future)) {
        add(text, "%s", via__task_name_of(via__task_of(future)));
    } else {
        add(text, "%s", what_is(future));
        add_branch(text, &branch, depth, named);
    }
}

// Adds " of (Task-2, Task-3)", if there is anything to be named.
static void add_branch(struct text *text, const struct branch *branch, int depth, int *named)
{
    size_t at = 0, count = 0;
    for (via_future *next; (next = next_of(branch, &at)); count++) {
        add(text, count ? ", " : " of (");
        if (depth == DEPTH_MOST || *named >= NAMED_MOST) {
            add(text, "...)");
            return;
        }
        add_future(text, next, depth + 1, named);
    }
    if (count)
        add(text, ")");
}

static void describe(struct text *text, struct via__task *task)
{
    struct via__wait *wait = task->waiting;
    int named = 0;
    add(text, "%s ", via__task_name_of(task));
    if (task->tasks->current == task) {
        add(text, "runs\n");
    } else if (!wait) {
        add(text, task->begun ? "is ready to go on\n" : "is ready to begin\n");
    } else {
        const struct branch branch = {.wait = wait};
        add(text, "waits for ");
        if (wait->future)
            add_future(text, wait->future, 0, &named);
        else
            add(text, "%s", wait->what);
        if (!wait->future)
            add_branch(text, &branch, 0, &named);
        add(text, "\n");
    }
}

int via_tasks_describe(via_loop *loop, size_t bytes, char *text)
{
    int status = loop && (text || !bytes) ? via__loop_check_thread(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    struct via__bridge *bridge = via__loop_is_closed(loop) ? NULL : loop->bridge;
    struct text lines = {.at = text, .room = bytes};
    if (bytes)
        *text = '\0';
    struct via__list *at = bridge ? &bridge->pending : NULL;
    for (via_future *task; at && (task = next_task(bridge, &at));)
        describe(&lines, via__task_of(task));
    return (int)lines.bytes;
}
