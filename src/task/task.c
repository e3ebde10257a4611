/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks: how they come into being.  The design is at the head of task.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "coro/stack.h"
#include "task/task.h"

static void fini(via_future *future)
{
    struct via__task *task = via__task_of(future);
    if (task->name)
        free(task->name);
}

static int cancel(via_future *future)
{
    struct via__task *task = via__task_of(future);
    return via__task_request(task);
}

// The tasks are closed before the bridge, and all of them are done then.
static void closed(via_future *future)
{
    (void)future;
}

const struct via__driven_kind via__task_kind = {
    .what = "a task", .cancel = cancel, .closed = closed, .fini = fini};

#define LINE_BYTES   ((size_t)64) // objects of slabs consist of so many
#define OBJECT_BYTES ((sizeof(struct via__task) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES)

struct via__tasks *via__tasks_of(via_loop *loop)
{
    if (loop->tasks)
        return loop->tasks;
    struct via__bridge *bridge = via__bridge_of(loop);
    struct via__tasks *tasks = bridge ? calloc(1, sizeof *tasks) : NULL;
    struct via__slab *slab = tasks ? via__slab_new(OBJECT_BYTES) : NULL;
    if (!slab) {
        free(tasks);
        return NULL;
    }
    tasks->loop = loop;
    tasks->bridge = bridge;
    tasks->slab = slab;
    via__list_init(&tasks->lost);
    // Told before the bridge, which was there before.
    via__loop_add_closer(loop, &tasks->closer, via__tasks_close);
    loop->tasks = tasks;
    loop->check_thread = via__tasks_check_thread;
    loop->name_task = via__tasks_name_concerned;
    loop->note_node = via__tasks_note_node;
    return tasks;
}

int via__tasks_check_thread(const via_loop *loop)
{
    const struct via__tasks *tasks = loop->tasks;
    return tasks && tasks->stacks && tasks->thread != via__fiber_self.thread ? VIA_EFOREIGN : 0;
}

static void run_first(via_loop *loop, struct via__ready *node)
{
    struct via__task *task = VIA__CONTAINER_OF(node, struct via__task, ready);
    via__loop_note_function(loop, (void *)(uintptr_t)task->fn);
    via__task_begin(task, 1);
}

// The closing of the loop has ended every task before it drops the queue.
static void drop_first(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    (void)node;
}

const struct via__ready_kind via__task_first_kind = {.run = run_first, .drop = drop_first, .prompt = 1};

// Line by line: what compilers make of all the bytes at once is slower.
static inline void clear_lines(char *at, const char *end)
{
    for (; at < end; at += LINE_BYTES)
        memset(at, 0, LINE_BYTES);
}

static void init(struct via__task *task, struct via__tasks *tasks, via_task_fn fn, void *arg)
{
    const size_t head = offsetof(struct via__task, fiber) / LINE_BYTES * LINE_BYTES;
    clear_lines((char *)task + head, (char *)task + OBJECT_BYTES);
    via__driven_init(&task->driven, tasks->bridge, &via__task_kind, VIA__SLAB);
    task->tasks = tasks;
    task->deadline_ns = VIA_FOREVER;
    task->fn = fn;
    task->arg = arg;
    task->id = ++tasks->created;
    task->locals = via__locals_share();
    via__list_init(&task->groups);
    tasks->alive++;
    via__task_future(task)->refs++; // its own, until it is done
}

// What the options ask for that may fail.
static int apply(struct via__task *task, const struct via_task_options *options)
{
    task->stack_bytes = options->stack_bytes;
    if (options->name && !(task->name = strdup(options->name)))
        return VIA_ENOMEM;
    if (!options->destroy_result)
        return 0;
    struct via__extra *extra = calloc(1, sizeof *extra);
    if (!extra)
        return VIA_ENOMEM;
    extra->destroy = options->destroy_result;
    task->driven.pair.cf.extra = extra;
    return 0;
}

void via__task_start(struct via__task *task, int eager)
{
    task->waiting = NULL;
    task->ready.kind = &via__task_first_kind;
    if (eager && via__loop_is_here(task->tasks->loop)) {
        via__task_note(task);
        via__task_begin(task, 0);
    } else {
        via__loop_ready(task->tasks->loop, &task->ready);
    }
}

static via_future *fail(void *arg, const struct via_task_options *options, int status)
{
    if (options && options->destroy)
        options->destroy(arg);
    return via__future_failed(status);
}

via_future *via__task_make(via_loop *loop, via_task_fn fn, void *arg, const struct via_task_options *options)
{
    static const struct via_task_options plain = {.name = NULL};
    if (!loop && !(loop = via__role.loop))
        return fail(arg, options, VIA_ESTATE);
    int status = fn ? via__loop_check(loop) : VIA_EINVAL;
    if (status == 0 && options && via__stack_order(options->stack_bytes) < 0)
        status = VIA_EINVAL;
    if (status < 0)
        return fail(arg, options, status);
    struct via__tasks *tasks = via__tasks_of(loop);
    struct via__task *task = tasks ? via__slab_alloc(tasks->slab) : NULL;
    if (!task)
        return fail(arg, options, VIA_ENOMEM);
    if (!options)
        options = &plain;
    init(task, tasks, fn, arg);
    task->destroy = options->destroy;
    status = apply(task, options);
    if (status < 0)
        via__task_end(task, status);
    return via__task_future(task);
}

via_future *via_create_task_with(via_loop *loop, via_task_fn fn, void *arg,
                                 const struct via_task_options *options)
{
    via_future *future = via__task_make(loop, fn, arg, options);
    if (future->state == VIA_PENDING)
        via__task_start(via__task_of(future), options && options->eager);
    return future;
}

via_future *via_create_task(via_task_fn fn, void *arg)
{
    return via_create_task_with(NULL, fn, arg, NULL);
}
