/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Circles of waits, through however many futures.
 *
 * An await looks at a few of the futures that what it awaits depends on (await.c), which is all there are in
 * most programs.  Where there are more it comes here.  A circle needs somebody who waits for the task, so one
 * that nobody waits for costs nothing; else every future behind the awaited one is visited, once.
 */
#include <config.h>

#include <stdlib.h>

#include "task/task.h"

// Futures to be visited, and from the front on those that were; all of them are marked.
struct visits {
    via_future **at;
    size_t count, room;
    int failed; // memory ran out
};

static void add(struct visits *visits, via_future *future)
{
    if (!future || future->state != VIA_PENDING || future->marked)
        return;
    if (visits->count == visits->room) {
        size_t room = visits->room ? 2 * visits->room : 128;
        via_future **at = realloc(visits->at, room * sizeof *at);
        if (!at) {
            visits->failed = 1;
            return;
        }
        visits->at = at;
        visits->room = room;
    }
    future->marked = 1;
    visits->at[visits->count++] = future;
}

// What a task cannot end before.
static void add_behind_task(struct visits *visits, struct via__task *task)
{
    add(visits, task->waiting ? task->waiting->future : NULL);
    for (struct via__list *at = task->groups.next; at != &task->groups; at = at->next) {
        struct via__open_group *group = VIA__CONTAINER_OF(at, struct via__open_group, link);
        size_t child = 0;
        for (via_future *next; (next = group->next_child(group, &child));)
            add(visits, next);
    }
}

static void add_behind(struct visits *visits, via_future *future)
{
    if (via__is_task(future)) {
        add_behind_task(visits, via__task_of(future));
        return;
    }
    if (future->sort != VIA__SORT_DRIVEN || !via__driven_of(future)->kind->depends)
        return;
    size_t at = 0;
    for (via_future *next; (next = via__driven_of(future)->kind->depends(future, &at));)
        add(visits, next);
}

// Tells whether this is the task, or one that holds a group which the task is in.
static int is_it_or_holds(const via_future *future, const struct via__task *task)
{
    if (!via__is_task(future))
        return 0;
    const struct via__task *other = via__task_of((via_future *)(uintptr_t)future);
    while (task && task != other)
        task = task->holder;
    return task != NULL;
}

int via__task_closes_circle(struct via__task *task, via_future *future)
{
    struct visits visits = {.at = NULL};
    int found = 0;
    if (!task->holder && !via__future_is_watched(via__task_future(task)))
        return 0;
    add(&visits, future);
    for (size_t i = 0; i < visits.count && !found && !visits.failed; i++) {
        found = is_it_or_holds(visits.at[i], task);
        if (!found)
            add_behind(&visits, visits.at[i]);
    }
    for (size_t i = 0; i < visits.count; i++)
        visits.at[i]->marked = 0;
    free(visits.at);
    return found;
}
