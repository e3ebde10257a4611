/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Async map: a function over many items on an executor, driven by a task.
 *
 * Each item that was read has a slot until its outcome was given out, with the future of its call and a
 * callback there.  Slots with outcomes still to be given stand in `order`, as their items came; where results
 * are given as they come a slot goes over to `completed` when its callback is called.
 *
 * The callbacks only wake the task that waits, in next or in free; everything else is done by that task.  All
 * of it belongs to the loop's thread.
 */
#include <config.h>

#include <stdlib.h>

#include <viaduct/async_map.h>
#include <viaduct/bridge.h>

#include "task/task.h"

#define AHEAD_DEFAULT 32

struct slot {
    struct via__list link; // in `order` or `completed`, or among the free ones
    struct via__future_callback done;
    via_future *future;
    via_async_map *map;
};

struct via_async_map {
    struct via_async_map_options options;
    via_executor *executor; // NULL for the loop's default one
    via_loop *loop;         // pinned
    struct slot *slots;
    struct via__list free, order, completed;
    via_future *given;       // whose outcome was given out last, for its text
    struct via__task *waits; // the task that waits, or NULL
    unsigned char busy;      // next is under way: the source may await
    unsigned char draining;  // free waits
    unsigned char exhausted; // the source is not asked again
    int status;              // what the source has ended with
};

static struct slot *slot_of(struct via__list *link)
{
    return VIA__CONTAINER_OF(link, struct slot, link);
}

static int is_done(const struct slot *slot)
{
    return slot->future->state != VIA_PENDING;
}

// The slot whose outcome comes next, if it is there.  One that is done may still wait for its callback.
static struct slot *next_slot(const via_async_map *map)
{
    if (!via__list_empty(&map->completed))
        return slot_of(map->completed.next);
    for (struct via__list *at = map->order.next; at != &map->order; at = at->next) {
        if (is_done(slot_of(at)))
            return slot_of(at);
        if (!map->options.as_completed)
            break;
    }
    return NULL;
}

static int all_done(const via_async_map *map)
{
    for (struct via__list *at = map->order.next; at != &map->order; at = at->next)
        if (!is_done(slot_of(at)))
            return 0;
    return 1;
}

static int on_done(via_future *future, void *arg)
{
    struct slot *slot = arg;
    via_async_map *map = slot->map;
    struct via__task *task = map->waits;
    (void)future;
    if (map->options.as_completed) {
        via__list_remove(&slot->link);
        via__list_push_back(&map->completed, &slot->link);
    }
    if (task && (map->draining ? all_done(map) : next_slot(map) != NULL)) {
        map->waits = NULL;
        via__task_resume(task);
    }
    return 0;
}

// ---- submitting ----

static void submit(via_async_map *map, void *item)
{
    struct slot *slot = slot_of(map->free.next);
    struct via_call call = VIA_CALL(map->options.fn, item);
    call.flags = map->options.flags;
    call.priority = map->options.priority;
    call.destroy = map->options.destroy_item;
    call.destroy_result = map->options.destroy_result;
    slot->future = via_run_in_executor(map->loop, map->executor, &call);
    slot->done = (struct via__future_callback){.fn = on_done, .arg = slot};
    via__list_remove(&slot->link);
    via__list_push_back(&map->order, &slot->link);
    if (slot->future->loop)
        via__future_watch(slot->future, &slot->done);
}

// Reads and submits as much as the look-ahead allows.
static void fill(via_async_map *map)
{
    while (!map->exhausted && !via__list_empty(&map->free)) {
        void *item = NULL;
        int status = map->options.next_item(map->options.source, &item);
        if (status > 0) {
            submit(map, item);
        } else {
            map->exhausted = 1;
            map->status = status;
        }
    }
}

// The slot is free again; its future is the caller's.
static via_future *release(struct slot *slot)
{
    via_future *future = slot->future;
    if (future->loop)
        via__future_unwatch(future, &slot->done);
    slot->future = NULL;
    via__list_remove(&slot->link);
    via__list_push_back(&slot->map->free, &slot->link);
    return future;
}

// ---- waiting ----

struct map_wait {
    struct via__wait wait;
    via_async_map *map;
    int cut;
};

static void cut_next(struct via__task *task, struct via__wait *wait)
{
    struct map_wait *next = (struct map_wait *)wait;
    next->cut = 1;
    next->map->waits = NULL;
    via__task_wake(task);
}

// The calls were asked to stop before.
static void cut_free(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    (void)wait;
}

// For reports: the calls that are not done.
static via_future *depends(struct via__wait *wait, size_t *at)
{
    const via_async_map *map = ((struct map_wait *)wait)->map;
    size_t count = 0;
    for (struct via__list *link = map->order.next; link != &map->order; link = link->next)
        if (!is_done(slot_of(link)) && count++ == *at) {
            ++*at;
            return slot_of(link)->future;
        }
    return NULL;
}

static int wait_for_result(via_async_map *map)
{
    struct via__task *task;
    struct map_wait next = {.wait = {.what = "a result of a map",
                                     .until_ns = VIA_FOREVER,
                                     .cancel = cut_next,
                                     .depends = depends},
                            .map = map};
    int status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    if (task->tasks->loop != map->loop)
        return VIA_EFOREIGN;
    map->waits = task;
    status = via__task_wait(task, &next.wait);
    map->waits = NULL;
    return status < 0 ? status : next.cut ? VIA_ECANCELED : 0;
}

static void give_out(struct slot *slot, struct via_outcome *outcome)
{
    via_async_map *map = slot->map;
    map->given = release(slot);
    // It was not taken before, since nobody else knows of it.
    (void)via_future_take(map->given, outcome);
}

static int next(via_async_map *map, struct via_outcome *outcome)
{
    via_future_unref(map->given);
    map->given = NULL;
    if (via__list_empty(&map->order) && via__list_empty(&map->completed))
        return map->status;
    if (!next_slot(map)) {
        int status = wait_for_result(map);
        if (status < 0)
            return status;
    }
    give_out(next_slot(map), outcome);
    fill(map);
    return 1;
}

int via_async_map_next(via_async_map *map, struct via_outcome *outcome)
{
    if (!map || !outcome)
        return VIA_EINVAL;
    if (map->busy)
        return VIA_EBUSY;
    map->busy = 1;
    int status = next(map, outcome);
    map->busy = 0;
    return status;
}

// ---- the end ----

// The last one first, so that no worker that is set free begins another.
static void cancel_all(struct via__list *slots)
{
    for (struct via__list *at = slots->prev; at != slots; at = at->prev) {
        via_future *future = slot_of(at)->future;
        if (future->loop && !via__future_bridge(future)->closed)
            (void)via__future_cancel(future);
    }
}

static void release_all(struct via__list *slots)
{
    while (!via__list_empty(slots))
        via_future_unref(release(slot_of(slots->next)));
}

// What runs may use items that are not the map's.
static void drain(via_async_map *map)
{
    struct via__task *task;
    struct map_wait end = {.wait = {.what = "the end of a map",
                                    .until_ns = VIA_FOREVER,
                                    .must = 1,
                                    .cancel = cut_free,
                                    .depends = depends},
                           .map = map};
    if (map->options.destroy_item || all_done(map) || via__task_check_here(&task) < 0 ||
        task->tasks->loop != map->loop)
        return;
    map->draining = 1;
    map->waits = task;
    (void)via__task_wait(task, &end.wait); // it must
}

static void free_map(via_async_map *map)
{
    via_future_unref(map->given);
    if (map->executor)
        via_executor_unref(map->executor);
    via__loop_unpin(map->loop);
    free(map->slots);
    free(map);
}

via_async_map *via_async_map_free(via_async_map *map)
{
    if (!map)
        return NULL;
    cancel_all(&map->order);
    drain(map);
    release_all(&map->order);
    release_all(&map->completed);
    free_map(map);
    return NULL;
}

static via_async_map *new_map(via_loop *loop, via_executor *executor,
                              const struct via_async_map_options *options)
{
    size_t ahead = options->ahead ? options->ahead : AHEAD_DEFAULT;
    via_async_map *map = calloc(1, sizeof *map);
    if (!map)
        return NULL;
    map->slots = calloc(ahead, sizeof *map->slots);
    if (!map->slots) {
        free(map);
        return NULL;
    }
    map->options = *options;
    map->executor = executor ? via_executor_ref(executor) : NULL;
    map->loop = via__loop_pin(loop);
    via__list_init(&map->free);
    via__list_init(&map->order);
    via__list_init(&map->completed);
    for (size_t i = 0; i < ahead; i++) {
        map->slots[i].map = map;
        via__list_push_back(&map->free, &map->slots[i].link);
    }
    return map;
}

int via_async_map_new(via_executor *executor, const struct via_async_map_options *options,
                      via_async_map **map)
{
    if (!options || !map || !options->next_item || !options->fn)
        return VIA_EINVAL;
    via_loop *loop = via__role.loop;
    int status = loop ? via__loop_check(loop) : VIA_ESTATE;
    if (status < 0)
        return status;
    via_async_map *made = new_map(loop, executor, options);
    if (!made)
        return VIA_ENOMEM;
    fill(made);
    *map = made;
    return 0;
}
