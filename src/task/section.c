/* SPDX-License-Identifier: BSD-3-Clause */
/* Sections on the stacks of generators.  The design is at the head of section.h. */
#include <config.h>

#include <stdlib.h>

#include "coro/ends.h"
#include "task/section.h"

struct via__section {
    struct via__coro_end end;       // in the generator's list
    struct via__coro_end **in_coro; // that list
    struct via__section *next;      // in its task's list
    struct via__task *task;         // NULL when it is over
    struct via_scope *scope;        // not to be touched once the generator is over
    struct via_scope *outer;        // its fields of these names
    uint32_t masked;
    unsigned char kind;
};

static void take_from_task(struct via__section *section)
{
    struct via__section **at = &section->task->sections;
    while (*at != section)
        at = &(*at)->next;
    *at = section->next;
}

static void take_from_coro(struct via__section *section)
{
    struct via__coro_end **at = section->in_coro;
    while (*at != &section->end)
        at = &(*at)->next;
    *at = section->end.next;
}

static struct via__section *find(const struct via__task *task, const struct via_scope *scope)
{
    struct via__section *section = task->sections;
    while (section && section->scope != scope)
        section = section->next;
    return section;
}

// Takes a scope that cannot be read any more out of the list of those that are open.
static void unlink_scope(struct via__section *section)
{
    struct via__task *task = section->task;
    struct via_scope *inner = NULL, *inner_shield = NULL, *at = task->scopes;
    for (; at && at != section->scope; at = at->outer) {
        inner = at;
        inner_shield = at->kind == VIA__SCOPE_SHIELD ? at : inner_shield;
    }
    if (!at)
        return;
    *(inner ? &inner->outer : &task->scopes) = section->outer;
    via__scope_lost(task, section->kind, section->masked, inner_shield);
    // What has changed of those that are kept apart themselves.
    for (struct via__section *other = task->sections; other; other = other->next) {
        other->outer = other->scope == inner ? inner->outer : other->outer;
        other->masked = other->scope == inner_shield ? inner_shield->masked : other->masked;
    }
}

static void report(const struct via__task *task, const char *message)
{
    struct via_exception exception = {.message = message,
                                      .status = VIA_ESTATE,
                                      .loop = task->tasks->loop,
                                      .future = via__task_future((struct via__task *)(uintptr_t)task),
                                      .function = (void *)(uintptr_t)task->fn};
    (void)via_loop_call_exception_handler(task->tasks->loop, &exception);
}

static void on_end(struct via__coro_end *end, int has_returned)
{
    struct via__section *section = VIA__CONTAINER_OF(end, struct via__section, end);
    struct via__task *task = section->task;
    int is_shield = section->kind == VIA__SCOPE_SHIELD;
    if (task) {
        take_from_task(section);
        unlink_scope(section);
    }
    free(section);
    if (!task)
        return;
    // The handler may drop the program's reference.
    via_future_ref(via__task_future(task));
    if (has_returned)
        report(task, is_shield ? "a coroutine returned with an open shielded section"
                               : "a coroutine returned with an open time limit");
    via__task_poke(task); // it may wait, if the generator was stepped elsewhere
    via_future_unref(via__task_future(task));
}

int via__section_keep_apart(struct via__task *task, struct via_scope *scope)
{
    struct via__coro_end **in_coro = via__coro_ends();
    if (!in_coro)
        return 0; // the task's own code, in a roundabout way
    struct via__section *section = malloc(sizeof *section);
    if (!section) {
        via__scope_close(task, scope);
        return VIA_ENOMEM;
    }
    *section = (struct via__section){.end = {.next = *in_coro, .fn = on_end},
                                     .in_coro = in_coro,
                                     .next = task->sections,
                                     .task = task,
                                     .scope = scope,
                                     .outer = scope->outer,
                                     .masked = scope->masked,
                                     .kind = scope->kind};
    *in_coro = &section->end;
    task->sections = section;
    return 0;
}

void via__section_drop(struct via__task *task, const struct via_scope *scope)
{
    struct via__section *section = find(task, scope);
    if (!section)
        return;
    take_from_task(section);
    take_from_coro(section);
    free(section);
}

void via__sections_forget(struct via__task *task)
{
    for (struct via__section *section; (section = task->sections);) {
        task->sections = section->next;
        section->task = NULL;
        // The generator is there, and so is the scope, unless the function that opened it is over.
        if (section->scope->task == via__task_future(task))
            section->scope->task = NULL;
    }
}
