/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for some of several futures, which go on whatever becomes of the wait.
 *
 * The wait and, if they are few, its items are on the task's stack.  Callbacks count, so that the end is
 * noticed without a look at all of them; when the task has been woken the states themselves are counted, for
 * what is done by then is done.
 */
#include <config.h>

#include <stdlib.h>

#include "base/clock.h"
#include "combine/combine.h"
#include "task/task.h"

#define FEW 8

struct wait {
    struct via__wait wait; // first
    struct via__task *task;
    struct via__item *items;
    size_t count;     // of items
    size_t different; // futures
    size_t done;
    int failed; // some future finished with an error
    int when;
    int cut;
};

static int is_satisfied(const struct wait *wait)
{
    if (wait->done == wait->different)
        return 1;
    return wait->when == VIA_FIRST_COMPLETED ? wait->done > 0
                                             : wait->when == VIA_FIRST_EXCEPTION && wait->failed;
}

static void count_one(struct wait *wait, via_future *future)
{
    wait->done++;
    wait->failed |= via__item_finished_badly(future);
}

static void count_states(struct wait *wait)
{
    wait->done = 0;
    for (size_t i = 0; i < wait->count; i++)
        if (via__item_is_first(wait->items, i) && wait->items[i].future->state != VIA_PENDING)
            count_one(wait, wait->items[i].future);
}

static int on_done(via_future *future, void *arg)
{
    struct via__item *item = arg;
    struct wait *wait = item->owner;
    item->called = 1;
    count_one(wait, future);
    if (is_satisfied(wait) && wait->task->waiting == &wait->wait)
        via__task_resume(wait->task);
    return 0;
}

static void cut(struct via__task *task, struct via__wait *base)
{
    ((struct wait *)base)->cut = 1;
    via__task_wake(task);
}

static via_future *depends(struct via__wait *base, size_t *at)
{
    struct wait *wait = (struct wait *)base;
    return via__items_next_pending(wait->items, wait->count, at);
}

static void watch_all(struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++) {
        struct via__item *item = &wait->items[i];
        if (!via__item_is_first(wait->items, i) || item->future->state != VIA_PENDING)
            continue;
        item->callback.is_quiet = 1;
        via__item_watch(item, on_done, wait);
    }
}

static void unwatch_all(struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++) {
        struct via__item *item = &wait->items[i];
        if (item->owner && !item->called)
            via__future_unwatch(item->future, &item->callback);
    }
}

// Whoever waits for all of them waits for itself, if it is one of them.
static int waits_for_itself(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->items[i].future == via__task_future(wait->task))
            return wait->when == VIA_ALL_COMPLETED || wait->different == 1;
    return 0;
}

static int suspend(struct wait *wait)
{
    watch_all(wait);
    int status = via__task_wait(wait->task, &wait->wait);
    unwatch_all(wait);
    count_states(wait);
    if (status == 0 && wait->cut && !is_satisfied(wait))
        status = VIA_ECANCELED;
    return status;
}

static int run(struct wait *wait, int64_t timeout_ns)
{
    static const char *const names[] = {[VIA_ALL_COMPLETED] = "all futures",
                                        [VIA_FIRST_COMPLETED] = "one future",
                                        [VIA_FIRST_EXCEPTION] = "an error"};
    count_states(wait);
    if (timeout_ns == 0 || is_satisfied(wait))
        return (int)wait->done;
    struct via__task *task;
    int status = waits_for_itself(wait) ? VIA_EDEADLK : via__task_check_wait(&task);
    if (status == 0) {
        int64_t now_ns = via_loop_time_ns(task->tasks->loop);
        wait->wait.until_ns =
            timeout_ns == VIA_FOREVER ? VIA_FOREVER : via__deadline_after(now_ns, timeout_ns);
        wait->wait.what = names[wait->when];
        wait->wait.cancel = cut;
        wait->wait.depends = depends;
        status = suspend(wait);
    }
    return status < 0 ? status : (int)wait->done;
}

static int check(via_future *const *futures, size_t count, int64_t timeout_ns, int when,
                 struct via__task **task)
{
    via_loop *loop;
    if (timeout_ns < 0 || when < VIA_ALL_COMPLETED || when > VIA_FIRST_EXCEPTION)
        return VIA_EINVAL;
    int status = via__items_check(futures, count, &loop);
    return status < 0 ? status : via__task_check_here(task);
}

int via_wait(via_future *const *futures, size_t count, int64_t timeout_ns, int when)
{
    struct via__item few[FEW];
    struct wait wait = {.when = when, .count = count};
    int status = check(futures, count, timeout_ns, when, &wait.task);
    if (status < 0)
        return status;
    wait.items = count <= FEW ? few : malloc(count * sizeof *wait.items);
    status = wait.items ? via__items_fill(wait.items, futures, count, &wait.different) : VIA_ENOMEM;
    if (status == 0)
        status = run(&wait, timeout_ns);
    if (wait.items != few)
        free(wait.items);
    return status;
}
