/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdlib.h>

#include "sync/resource.h"

struct via__exit {
    struct via__exit *below;
    struct via_resource resource;
    void (*fn)(void *arg); // or this, with the resource's `self`
};

int via_exit_stack_init(struct via_exit_stack *stack)
{
    if (!stack)
        return VIA_EINVAL;
    stack->top = NULL;
    return 0;
}

static int check(const struct via_exit_stack *stack, struct via__task **task)
{
    return stack ? via__task_check_here(task) : VIA_EINVAL;
}

static void put(struct via_exit_stack *stack, struct via__exit *made, struct via_resource resource)
{
    made->below = stack->top;
    made->resource = resource;
    made->fn = NULL;
    stack->top = made;
}

int via_exit_stack_enter(struct via_exit_stack *stack, struct via_resource resource, void **value)
{
    struct via__task *task;
    void *entered;
    int status = check(stack, &task);
    if (status < 0)
        return status;
    struct via__exit *made = malloc(sizeof *made);
    status = made ? via__resource_enter(&resource, &entered) : VIA_ENOMEM;
    if (status < 0) {
        free(made);
        return status;
    }
    put(stack, made, resource);
    if (value)
        *value = entered;
    return 0;
}

int via_exit_stack_push(struct via_exit_stack *stack, struct via_resource resource)
{
    struct via__task *task;
    int status = check(stack, &task);
    if (status < 0)
        return status;
    struct via__exit *made = malloc(sizeof *made);
    if (made)
        put(stack, made, resource);
    else
        (void)via__resource_leave(task, &resource, VIA_ENOMEM);
    return made ? 0 : VIA_ENOMEM;
}

static int call(struct via__task *task, void (*fn)(void *arg), void *arg, int status)
{
    struct via_scope shield;
    via__scope_open(task, &shield, VIA__SCOPE_SHIELD, VIA_FOREVER);
    fn(arg);
    via__scope_close(task, &shield);
    return status;
}

int via_exit_stack_callback(struct via_exit_stack *stack, void (*fn)(void *arg), void *arg)
{
    struct via__task *task;
    int status = fn ? check(stack, &task) : VIA_EINVAL;
    if (status < 0)
        return status;
    struct via__exit *made = malloc(sizeof *made);
    if (!made)
        return call(task, fn, arg, VIA_ENOMEM);
    put(stack, made, (struct via_resource){.self = arg});
    made->fn = fn;
    return 0;
}

int via_exit_stack_move(struct via_exit_stack *from, struct via_exit_stack *to)
{
    if (!from || !to)
        return VIA_EINVAL;
    if (to->top)
        return VIA_ESTATE;
    to->top = from->top;
    from->top = NULL;
    return 0;
}

// What is left may use the stack meanwhile.
int via_exit_stack_close(struct via_exit_stack *stack, int status)
{
    struct via__task *task;
    int checked = check(stack, &task);
    if (checked < 0)
        return checked;
    while (stack->top) {
        struct via__exit exit = *stack->top;
        free(stack->top);
        stack->top = exit.below;
        status = exit.fn ? call(task, exit.fn, exit.resource.self, status)
                         : via__resource_leave(task, &exit.resource, status);
    }
    return status;
}
