/* SPDX-License-Identifier: BSD-3-Clause */
/* Circles of waits through gathers and groups of many: refused at the await that would close them. */
#include "unit/combine/combine_fixture.h"

#include <viaduct/group.h>

enum { MANY = 500 };

static via_future *the_main;

static int await_main(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_yield(), 0); // main waits now
    return via_await(via_future_ref(the_main), NULL);
}

static void create_many(via_future **futures)
{
    for (int i = 0; i < MANY - 1; i++)
        futures[i] = via_create_task(task_wait_for_ever, NULL);
    futures[MANY - 1] = via_create_task(await_main, NULL);
}

static int gather_many(void *arg, void **result)
{
    via_future *futures[MANY];
    (void)arg;
    (void)result;
    create_many(futures);
    return via_await(via_gather(futures, MANY, VIA_GATHER_DRAIN), NULL);
}

/* Runs it as the task that others wait for. */
static int run_as_main(via_task_fn fn, void *arg)
{
    via_loop *loop = open_task_loop();
    the_main = via_future_ref(create(loop, fn, arg));
    int status = run_task(loop, the_main);
    via_future_unref(the_main);
    close_loop(loop);
    return status;
}

TEST(through_a_gather_of_many)
{
    ck_assert_int_eq(run_as_main(gather_many, NULL), VIA_EDEADLK);
}

static int gather_gathers(void *arg, void **result)
{
    via_future *futures[MANY], *halves[2];
    (void)arg;
    (void)result;
    create_many(futures);
    halves[0] = via_gather(futures, MANY / 2, VIA_GATHER_DRAIN);
    halves[1] = via_shield(via_gather(futures + MANY / 2, MANY / 2, VIA_GATHER_DRAIN));
    return via_await(via_gather(halves, 2, VIA_GATHER_DRAIN), NULL);
}

TEST(through_gathers_in_gathers_and_shields)
{
    ck_assert_int_eq(run_as_main(gather_gathers, NULL), VIA_EDEADLK);
}

static int hold_many(void *arg, void **result)
{
    via_group *group;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_group_begin(NULL, &group), 0);
    for (int i = 0; i < MANY - 1; i++)
        (void)via_future_unref(via_group_create_task(group, task_wait_for_ever, NULL));
    (void)via_future_unref(via_group_create_task(group, task_await, arg));
    int status = via_group_end(group, 0);
    via_group_free(group);
    return status;
}

/* The holder's group has a task that awaits this one, which awaits the holder. */
static int await_holder(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *holder = via_create_task(hold_many, via_future_ref(the_main));
    yield_times(3);
    ck_assert_int_eq(via_await(via_future_ref(holder), NULL), VIA_EDEADLK);
    ck_assert_int_ge(via_task_cancel(holder, NULL), 0);
    via_future_unref(holder);
    return 0;
}

TEST(through_a_group_of_many)
{
    ck_assert_int_eq(run_as_main(await_holder, NULL), 0);
}

static int await_yielder(void *arg, void **result)
{
    (void)result;
    ck_assert_int_eq(via_yield(), 0);
    return via_await(via_future_ref(arg), NULL);
}

static int yields(void *arg, void **result)
{
    (void)arg;
    (void)result;
    yield_times(5);
    return 0;
}

/* Many wait for one gather, and are waited for themselves; nothing goes round. */
static int share_a_gather(void *arg, void **result)
{
    via_future *futures[MANY], *waiting[MANY];
    (void)arg;
    (void)result;
    for (int i = 0; i < MANY; i++)
        futures[i] = via_create_task(yields, NULL);
    via_future *gather = via_gather(futures, MANY, 0);
    for (int i = 0; i < MANY; i++)
        waiting[i] = via_create_task(await_yielder, gather);
    int status = via_await(via_gather(waiting, MANY, 0), NULL);
    via_future_unref(gather);
    return status;
}

TEST(what_is_no_circle_is_awaited)
{
    ck_assert_int_eq(run_as_main(share_a_gather, NULL), 0);
}

TEST_MAIN("combine/circle", through_a_gather_of_many, through_gathers_in_gathers_and_shields,
          through_a_group_of_many, what_is_no_circle_is_awaited)
