/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios of what tasks wait in: a queue that grows, waits with time limits, an exit stack. */
#include "scenario.h"

enum { ITEMS = 40 };

struct place {
    struct via_lock lock;
    struct via_condition condition;
    struct via_queue queue;
    struct item *items;
    int left; /* how many things the exit stack has left */
};

static void release_item(void *arg)
{
    struct item *item = arg;
    atomic_fetch_add(&item->destroyed, 1);
}

/* An item that is not taken stays the caller's. */
static void fill(struct place *place)
{
    for (int i = 0; i < ITEMS; i++) {
        struct item *item = &place->items[i];
        struct via_call call = item_call(item);
        atomic_fetch_add(&item->ran, 1);
        atomic_fetch_add(&item->results_destroyed, 1);
        if (!FAULT_WORKED(via_queue_put(&place->queue, item)))
            call.destroy(item);
    }
    void *item;
    for (int i = 0; i < ITEMS / 2; i++)
        if (via_queue_try_get(&place->queue, &item) == 0)
            release_item(item);
}

/* Each wait ends by its limit, or cannot begin; the lock is had in between. */
static void wait_limited(struct place *place)
{
    struct via_scope limit;
    void *item;
    FAULT_CHECK(via_lock_acquire(&place->lock) == 0);
    int status = via_timeout_begin(1000, &limit);
    if (FAULT_WORKED(status)) {
        status = via_timeout_end(&limit, via_condition_wait(&place->condition));
        FAULT_CHECK(status == VIA_ETIMEDOUT || !FAULT_WORKED(status));
    }
    FAULT_CHECK(via_lock_release(&place->lock) == 0);
    while (via_queue_try_get(&place->queue, &item) == 0)
        release_item(item);
    status = via_timeout_begin(1000, &limit);
    if (FAULT_WORKED(status)) {
        status = via_timeout_end(&limit, via_queue_get(&place->queue, &item));
        FAULT_CHECK(status == VIA_ETIMEDOUT || !FAULT_WORKED(status));
    }
}

static int count_left(void *self, int status)
{
    struct place *place = self;
    place->left++;
    return status;
}

static void count_called(void *place)
{
    (void)count_left(place, 0);
}

static void stack_up(struct place *place)
{
    struct via_exit_stack stack;
    struct via_resource resource = {.self = place, .leave = count_left};
    FAULT_CHECK(via_exit_stack_init(&stack) == 0);
    int due = 2; /* what is pushed is left in any case */
    if (FAULT_WORKED(via_exit_stack_enter(&stack, resource, NULL)))
        due++;
    FAULT_WORKED(via_exit_stack_push(&stack, resource));
    FAULT_WORKED(via_exit_stack_callback(&stack, count_called, place));
    FAULT_CHECK(via_exit_stack_close(&stack, VIA_ENOENT) == VIA_ENOENT);
    FAULT_CHECK(place->left == due);
}

static int use_place(void *arg, void **result)
{
    struct place *place = arg;
    (void)result;
    struct via_queue_options options = {.destroy = release_item};
    FAULT_CHECK(via_lock_init(NULL, &place->lock) == 0);
    FAULT_CHECK(via_condition_init(&place->lock, &place->condition) == 0);
    FAULT_CHECK(via_queue_init(NULL, &options, &place->queue) == 0);
    fill(place);
    wait_limited(place);
    stack_up(place);
    FAULT_CHECK(via_condition_fini(&place->condition) == 0);
    FAULT_CHECK(via_lock_fini(&place->lock) == 0);
    FAULT_CHECK(via_queue_fini(&place->queue) == 0);
    return 0;
}

static void run_sync(void)
{
    static struct item items[ITEMS];
    struct place place = {.items = items};
    via_loop *loop = loop_open();
    if (!loop)
        return;
    items_reset(items, ITEMS);
    via_future *task = via_create_task_with(loop, use_place, &place, NULL);
    loop_drive(loop, task);
    FAULT_WORKED(via_future_result(task, NULL));
    via_future_unref(task);
    loop_shut(loop);
    items_check(items, ITEMS);
}

const struct fault_scenario sync_scenarios[] = {
    {"locks, queues and exit stacks", run_sync, false, false},
    {NULL, NULL, false, false},
};
