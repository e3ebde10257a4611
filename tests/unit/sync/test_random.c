/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random tasks that acquire, put and get, and are cancelled at random.  Whatever the order: a lock and a unit
 * have one owner, nobody is left in a line, and every item that was taken in comes out once.
 */
#include "unit/sync/sync_fixture.h"
#include <stdio.h>
#include <viaduct/lock.h>
#include <viaduct/queue.h>
#include <viaduct/semaphore.h>

enum { SEEDS = 300, TASKS = 12, STEPS = 15, UNITS = 2, ROOM = 3, ROUNDS = 60 };

/* xorshift64: the same numbers everywhere. */
static uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct world {
    uint64_t seed;
    struct via_lock lock;
    struct via_condition condition;
    struct via_semaphore semaphore;
    struct via_queue queue;
    int locked, units, put, got;
};

static int wander(struct world *world)
{
    return next_number(&world->seed) % 2 ? via_yield() : 0;
}

static int use_lock(struct world *world)
{
    int status = via_lock_acquire(&world->lock);
    if (status < 0)
        return status;
    ck_assert_int_eq(world->locked++, 0);
    status = wander(world);
    if (next_number(&world->seed) % 3 == 0) {
        world->locked--;
        int waited = via_condition_wait(&world->condition);
        ck_assert_int_eq(world->locked++, 0);
        status = status < 0 ? status : waited;
    } else {
        int count = (int)(next_number(&world->seed) % 3);
        ck_assert_int_eq(via_condition_notify(&world->condition, count), 0);
    }
    world->locked--;
    ck_assert_int_eq(via_lock_release(&world->lock), 0);
    return status;
}

static int use_semaphore(struct world *world)
{
    int status = via_semaphore_acquire(&world->semaphore);
    if (status < 0)
        return status;
    ck_assert_int_lt(world->units++, UNITS);
    status = wander(world);
    world->units--;
    ck_assert_int_eq(via_semaphore_release(&world->semaphore), 0);
    return status;
}

static int put_or_get(struct world *world)
{
    void *item;
    int puts = next_number(&world->seed) % 2;
    int status = puts ? via_queue_put(&world->queue, world) : via_queue_get(&world->queue, &item);
    if (status == 0)
        *(puts ? &world->put : &world->got) += 1;
    return status;
}

static int act(void *arg, void **result)
{
    static int (*const acts[])(struct world * world) = {use_lock, use_semaphore, put_or_get, wander};
    struct world *world = arg;
    (void)result;
    int status = 0;
    for (int i = 0; i < STEPS && status == 0; i++)
        status = acts[next_number(&world->seed) % 4](world);
    return status;
}

/* Cancels some of them while they run, and in the end all that are left. */
static void disturb(struct world *world, via_loop *loop, via_future **tasks)
{
    for (int i = 0; i < ROUNDS; i++) {
        RUN_TICKS(loop, (int)(next_number(&world->seed) % 2));
        if (next_number(&world->seed) % 4 == 0)
            (void)via_task_cancel(tasks[next_number(&world->seed) % TASKS], NULL);
    }
    for (int i = 0; i < TASKS; i++)
        (void)via_task_cancel(tasks[i], NULL);
    settle(loop);
}

static void expect_rest(struct world *world)
{
    ck_assert_int_eq(world->locked, 0);
    ck_assert_int_eq(world->units, 0);
    ck_assert_int_eq(via_lock_fini(&world->lock), 0);
    ck_assert_int_eq(via_condition_fini(&world->condition), 0);
    ck_assert_int_eq(via_semaphore_value(&world->semaphore), UNITS);
    ck_assert_int_eq(via_queue_size(&world->queue), world->put - world->got);
    ck_assert_int_eq(via_queue_fini(&world->queue), 0);
}

static void run_world(uint64_t seed)
{
    via_loop *loop = open_loop();
    struct world world = {.seed = seed};
    via_future *tasks[TASKS];
    struct via_queue_options options = {.max_items = ROOM};
    ck_assert_int_eq(via_lock_init(loop, &world.lock), 0);
    ck_assert_int_eq(via_condition_init(&world.lock, &world.condition), 0);
    ck_assert_int_eq(via_semaphore_init(loop, UNITS, UNITS, &world.semaphore), 0);
    ck_assert_int_eq(via_queue_init(loop, &options, &world.queue), 0);
    for (int i = 0; i < TASKS; i++)
        tasks[i] = start(loop, act, &world);
    disturb(&world, loop, tasks);
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(via_future_done(tasks[i]), 1);
        (void)via_future_result(tasks[i], NULL);
        via_future_unref(tasks[i]);
    }
    expect_rest(&world);
    close_loop(loop);
}

TEST(nothing_is_lost_or_given_twice_in_any_order)
{
    for (int i = 0; i < SEEDS; i++) {
        uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(i + 1);
        printf("# seed %#llx\n", (unsigned long long)seed);
        fflush(stdout); // a failure ends the process
        run_world(seed);
    }
}

TEST_MAIN("sync/random", nothing_is_lost_or_given_twice_in_any_order)
