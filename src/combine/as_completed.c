/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Futures in the order in which they complete.
 *
 * A future that is done goes to the task that has waited longest, or else to the end of the arrivals.  So
 * there are never arrivals and waiters at once.  A task that was given a future is woken and out of the list
 * of waiters, so that nothing which comes in between can take it back.
 *
 * A callback may be behind its future: when a task would go without one, the states are looked at.
 */
#include <config.h>

#include <stdlib.h>

#include "base/clock.h"
#include "combine/combine.h"
#include "task/task.h"

struct via_completed {
    via_loop *loop;                  // NULL if none of the futures has one
    struct via__item *first, **last; // arrivals
    struct via__list waiters;
    size_t count;            // of items
    size_t different, given; // futures
    int64_t deadline_ns;
    struct via__item items[];
};

// A task in via_completed_next(), on its stack.
struct waiter {
    struct via__wait wait; // first
    struct via__list link;
    struct via__task *task;
    via_completed *it;
    via_future *future; // what it was given
    int status;         // why it was given none
    int over;           // woken to be told that, or to be given one
};

static void arrive(via_completed *it, struct via__item *item)
{
    item->called = 1;
    item->next = NULL;
    *it->last = item;
    it->last = &item->next;
}

static via_future *take_arrival(via_completed *it)
{
    struct via__item *item = it->first;
    it->first = item->next;
    if (!it->first)
        it->last = &it->first;
    it->given++;
    return item->future;
}

static void dismiss(struct waiter *waiter, int status)
{
    via__list_remove(&waiter->link);
    waiter->over = 1;
    waiter->status = status;
    via__task_wake(waiter->task);
}

static struct waiter *first_waiter(via_completed *it)
{
    return VIA__CONTAINER_OF(it->waiters.next, struct waiter, link);
}

static void dismiss_all(via_completed *it, int status)
{
    while (!via__list_empty(&it->waiters))
        dismiss(first_waiter(it), status);
}

// Gives arrivals to those who wait; when there will be no more, the rest of them hear of it.
static void hand_out(via_completed *it)
{
    while (it->first && !via__list_empty(&it->waiters)) {
        struct waiter *waiter = first_waiter(it);
        waiter->future = take_arrival(it);
        dismiss(waiter, 1);
    }
    if (it->given == it->different)
        dismiss_all(it, 0);
}

static int on_done(via_future *future, void *arg)
{
    struct via__item *item = arg;
    via_completed *it = item->owner;
    (void)future;
    arrive(it, item);
    hand_out(it);
    return 0;
}

// ---- its life ----

static void watch_all(via_completed *it)
{
    for (size_t i = 0; i < it->count; i++) {
        struct via__item *item = &it->items[i];
        if (!via__item_is_first(it->items, i))
            continue;
        via_future_ref(item->future);
        if (item->future->state != VIA_PENDING) {
            arrive(it, item);
        } else {
            item->callback.is_quiet = 1;
            via__item_watch(item, on_done, it);
        }
    }
}

static void init(via_completed *it, via_loop *loop, int64_t timeout_ns)
{
    it->loop = loop;
    it->first = NULL;
    it->last = &it->first;
    it->given = 0;
    via__list_init(&it->waiters);
    it->deadline_ns = timeout_ns == VIA_FOREVER || !loop
                          ? VIA_FOREVER
                          : via__deadline_after(via_loop_time_ns(loop), timeout_ns);
    watch_all(it);
}

int via_as_completed(via_future *const *futures, size_t count, int64_t timeout_ns, via_completed **it)
{
    via_loop *loop;
    int status = timeout_ns >= 0 && it ? via__items_check(futures, count, &loop) : VIA_EINVAL;
    if (status == 0 && loop)
        status = via__loop_check(loop);
    if (status < 0)
        return status;
    via_completed *fresh = malloc(sizeof *fresh + count * sizeof fresh->items[0]);
    if (!fresh || via__items_fill(fresh->items, futures, count, &fresh->different) < 0) {
        free(fresh);
        return VIA_ENOMEM;
    }
    fresh->count = count;
    init(fresh, loop, timeout_ns);
    *it = fresh;
    return 0;
}

via_completed *via_completed_free(via_completed *it)
{
    if (!it)
        return NULL;
    dismiss_all(it, VIA_ESTATE);
    for (size_t i = 0; i < it->count; i++) {
        struct via__item *item = &it->items[i];
        if (!via__item_is_first(it->items, i))
            continue;
        if (!item->called)
            via__future_unwatch(item->future, &item->callback);
        via_future_unref(item->future);
    }
    free(it);
    return NULL;
}

int via_completed_pending(const via_completed *it, size_t *total)
{
    if (!it)
        return VIA_EINVAL;
    if (total)
        *total = it->different;
    return (int)(it->different - it->given);
}

// ---- the next one ----

// Finds those that are done and whose callbacks are still to come.
static void look_at_states(via_completed *it)
{
    for (size_t i = 0; i < it->count; i++) {
        struct via__item *item = &it->items[i];
        if (!via__item_is_first(it->items, i) || item->called || item->future->state == VIA_PENDING)
            continue;
        via__future_unwatch(item->future, &item->callback);
        arrive(it, item);
    }
    hand_out(it);
}

static void cut(struct via__task *task, struct via__wait *wait)
{
    struct waiter *waiter = (struct waiter *)wait;
    (void)task;
    look_at_states(waiter->it);
    if (!waiter->over)
        dismiss(waiter, VIA_ECANCELED);
}

static via_future *depends(struct via__wait *wait, size_t *at)
{
    const via_completed *it = ((struct waiter *)wait)->it;
    return via__items_next_pending(it->items, it->count, at);
}

// Takes what has come, if anything has, in place of failing with the status.
static int take_or_fail(via_completed *it, int status, via_future **future)
{
    look_at_states(it);
    if (!it->first)
        return status;
    *future = take_arrival(it);
    hand_out(it);
    return 1;
}

static int suspend(via_completed *it, struct via__task *task, via_future **future)
{
    struct waiter waiter = {
        .wait = {.what = "the next future", .until_ns = it->deadline_ns, .cancel = cut, .depends = depends},
        .task = task,
        .it = it};
    via__list_push_back(&it->waiters, &waiter.link);
    int status = via__task_wait(task, &waiter.wait);
    if (!waiter.over) {
        // The time is over, or cannot be watched.  Nobody has dismissed it, so the iterator is there.
        via__list_remove(&waiter.link);
        return take_or_fail(it, status < 0 ? status : VIA_ETIMEDOUT, future);
    }
    if (waiter.status == 1)
        *future = waiter.future;
    return waiter.status;
}

static int wait_for_next(via_completed *it, via_future **future)
{
    struct via__task *task;
    int status = via__task_check_wait(&task);
    if (status == 0 && it->deadline_ns <= via_loop_time_ns(it->loop))
        status = VIA_ETIMEDOUT;
    return status < 0 ? take_or_fail(it, status, future) : suspend(it, task, future);
}

int via_completed_next(via_completed *it, via_future **future)
{
    struct via__task *task;
    int status = it && future ? via__task_check_here(&task) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (it->loop && it->loop != task->tasks->loop)
        return VIA_EFOREIGN;
    if (it->given == it->different)
        return 0;
    if (!it->first)
        return wait_for_next(it, future);
    *future = take_arrival(it);
    return 1;
}
