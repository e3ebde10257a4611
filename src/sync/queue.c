/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues.
 *
 * Who waits for an item has found the queue empty, and who waits for room has found it full; that stays so
 * for as long as anybody waits, because an item that comes goes to the first getter and not inside, and when
 * one goes out the first putter's comes in.
 *
 * What a getter has got, and what a putter brings, stands in its waiter.
 */
#include <config.h>

#include <stdlib.h>

#include "sync/slots.h"
#include "sync/waiters.h"

static int check_options(const struct via_queue_options *options)
{
    if (options->max_items < 0 || options->order < VIA_QUEUE_FIFO || options->order > VIA_QUEUE_PRIORITY)
        return VIA_EINVAL;
    return options->order == VIA_QUEUE_PRIORITY && !options->compare ? VIA_EINVAL : 0;
}

int via_queue_init(via_loop *loop, const struct via_queue_options *options, struct via_queue *queue)
{
    static const struct via_queue_options plain;
    if (!options)
        options = &plain;
    int status = queue ? check_options(options) : VIA_EINVAL;
    if (status == 0)
        status = via__sync_bind(loop, &loop);
    if (status == 0)
        *queue = (struct via_queue){.loop = loop, .options = *options};
    return status;
}

static int check(const struct via_queue *queue)
{
    return queue ? via__sync_check(queue->loop) : VIA_EINVAL;
}

static int is_full(const struct via_queue *queue)
{
    return queue->options.max_items > 0 && queue->count >= (uint64_t)queue->options.max_items;
}

static void finish(struct via_queue *queue)
{
    if (--queue->unfinished == 0)
        via__waiters_end(&queue->joiners, 0);
}

// A destructor is the program's code, which may look at the queue.
static void drop_items(struct via_queue *queue)
{
    while (queue->count) {
        void *item = via__slots_pop(queue);
        if (queue->unfinished)
            finish(queue);
        if (queue->options.destroy)
            queue->options.destroy(item);
    }
}

int via_queue_fini(struct via_queue *queue)
{
    if (!queue || !queue->loop)
        return VIA_EINVAL;
    if (queue->getters.first || queue->putters.first || queue->joiners.first)
        return VIA_EBUSY;
    queue->is_shut = 1;
    drop_items(queue);
    free(queue->slots);
    queue->slots = NULL;
    queue->capacity = 0;
    queue->loop = NULL;
    return 0;
}

// ---- putting ----

int via_queue_try_put(struct via_queue *queue, void *item)
{
    int status = check(queue);
    if (status < 0)
        return status;
    if (queue->is_shut)
        return VIA_ESHUTDOWN;
    if (is_full(queue))
        return VIA_EBUSY;
    struct via__waiter *getter = queue->getters.first;
    status = getter ? 0 : via__slots_reserve(queue);
    if (status < 0)
        return status;
    queue->unfinished++;
    if (getter) {
        getter->item = item;
        via__waiter_end(getter, 0);
    } else {
        via__slots_push(queue, item);
    }
    return 0;
}

int via_queue_put(struct via_queue *queue, void *item)
{
    struct via__task *task;
    int status = check(queue);
    if (status == 0)
        status = via__task_check_here(&task);
    if (status == 0)
        status = via_queue_try_put(queue, item);
    if (status != VIA_EBUSY)
        return status;
    status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter = {.item = item};
    return via__waiters_wait(&queue->putters, task, "room in a queue", &waiter);
}

// ---- getting ----

// An item has gone out: the first who waits for room comes in, for which there is a slot.
static void admit(struct via_queue *queue)
{
    struct via__waiter *putter = queue->putters.first;
    if (!putter)
        return;
    via__slots_push(queue, putter->item);
    queue->unfinished++;
    via__waiter_end(putter, 0);
}

int via_queue_try_get(struct via_queue *queue, void **item)
{
    int status = item ? check(queue) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (queue->count == 0)
        return queue->is_shut ? VIA_ESHUTDOWN : VIA_EAGAIN;
    *item = via__slots_pop(queue);
    admit(queue);
    return 0;
}

int via_queue_get(struct via_queue *queue, void **item)
{
    struct via__task *task;
    int status = item ? check(queue) : VIA_EINVAL;
    if (status == 0)
        status = via__task_check_here(&task);
    if (status == 0)
        status = via_queue_try_get(queue, item);
    if (status != VIA_EAGAIN)
        return status;
    status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter;
    status = via__waiters_wait(&queue->getters, task, "an item of a queue", &waiter);
    if (status == 0)
        *item = waiter.item;
    return status;
}

// ---- the rest ----

int via_queue_task_done(struct via_queue *queue)
{
    int status = check(queue);
    if (status < 0)
        return status;
    if (!queue->unfinished)
        return VIA_ESTATE;
    finish(queue);
    return 0;
}

int via_queue_join(struct via_queue *queue)
{
    struct via__task *task;
    int status = check(queue);
    if (status == 0)
        status = via__task_check_here(&task);
    if (status < 0 || !queue->unfinished)
        return status;
    status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter;
    return via__waiters_wait(&queue->joiners, task, "the items of a queue to be done", &waiter);
}

int via_queue_shutdown(struct via_queue *queue, int immediate)
{
    int status = check(queue);
    if (status < 0)
        return status;
    queue->is_shut = 1;
    via__waiters_end(&queue->putters, VIA_ESHUTDOWN);
    via__waiters_end(&queue->getters, VIA_ESHUTDOWN);
    if (immediate)
        drop_items(queue);
    return 0;
}

int64_t via_queue_size(const struct via_queue *queue)
{
    int status = check(queue);
    return status < 0 ? status : (int64_t)queue->count;
}

int via_queue_is_full(const struct via_queue *queue)
{
    int status = check(queue);
    return status < 0 ? status : is_full(queue);
}
