/* SPDX-License-Identifier: BSD-3-Clause */
/* Time limits around waits for locks, conditions and queues. */
#include "unit/sync/sync_fixture.h"
#include <viaduct.h>

struct room {
    struct via_lock lock;
    struct via_condition condition;
};

static int wait_limited(struct room *room, int64_t timeout_ns)
{
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(timeout_ns, &limit), 0);
    return via_timeout_end(&limit, via_condition_wait(&room->condition));
}

static int wait_in_room(void *arg, void **result)
{
    struct room *room = arg;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &room->lock), 0);
    ck_assert_int_eq(via_condition_init(&room->lock, &room->condition), 0);
    ck_assert_int_eq(via_lock_acquire(&room->lock), 0);
    int64_t begun_ns = via_loop_time_ns(via_loop_current());
    ck_assert_int_eq(wait_limited(room, VIA_S), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()) - begun_ns, VIA_S);
    ck_assert_int_eq(wait_limited(room, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    ck_assert_int_eq(via_lock_release(&room->lock), 0); /* so it had the lock */
    return 0;
}

TEST(a_condition_in_a_time_limit_ends_under_its_lock)
{
    struct room room;
    run_task(wait_in_room, &room);
}

static int keep_a_while(void *arg, void **result)
{
    struct room *room = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&room->lock), 0);
    ck_assert_int_eq(via_sleep(3 * VIA_S), 0);
    return via_lock_release(&room->lock);
}

/* Another task has the lock for 3 s when the limit of 1 s is over. */
static int wait_for_the_other(void *arg, void **result)
{
    struct room *room = arg;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &room->lock), 0);
    ck_assert_int_eq(via_condition_init(&room->lock, &room->condition), 0);
    ck_assert_int_eq(via_lock_acquire(&room->lock), 0);
    via_future *other = via_create_task(keep_a_while, room);
    int64_t begun_ns = via_loop_time_ns(via_loop_current());
    ck_assert_int_eq(wait_limited(room, VIA_S), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()) - begun_ns, 3 * VIA_S);
    ck_assert_int_eq(via_lock_release(&room->lock), 0);
    return via_await(other, NULL);
}

TEST(a_condition_whose_limit_is_over_still_waits_for_its_lock)
{
    struct room room;
    run_task(wait_for_the_other, &room);
}

static int limit_a_lock(void *arg, void **result)
{
    struct room *room = arg;
    struct via_scope limit;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &room->lock), 0);
    via_future *other = via_create_task(keep_a_while, room);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_lock_acquire(&room->lock)), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_timeout_begin(5 * VIA_S, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_lock_acquire(&room->lock)), 0);
    ck_assert_int_eq(via_lock_release(&room->lock), 0);
    return via_await(other, NULL);
}

TEST(a_lock_in_a_time_limit_is_given_up_when_it_is_over)
{
    struct room room;
    run_task(limit_a_lock, &room);
}

/* The item comes in the very tick in which the limit is over, before it is noticed. */
static int put_after_a_second(void *arg, void **result)
{
    struct via_queue *queue = arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    return via_queue_try_put(queue, queue);
}

static int limit_a_queue(void *arg, void **result)
{
    struct via_queue queue;
    struct via_scope limit;
    void *item = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_queue_init(NULL, NULL, &queue), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_queue_get(&queue, &item)), VIA_ETIMEDOUT);
    ck_assert_ptr_null(item);
    via_future *other = via_create_task(put_after_a_second, &queue);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_queue_get(&queue, &item)), 0);
    ck_assert_ptr_eq(item, &queue);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    return via_await(other, NULL);
}

TEST(an_item_that_comes_as_the_limit_is_over_is_not_lost)
{
    run_task(limit_a_queue, NULL);
}

TEST_MAIN("integration/sync_limits", a_condition_in_a_time_limit_ends_under_its_lock,
          a_condition_whose_limit_is_over_still_waits_for_its_lock,
          a_lock_in_a_time_limit_is_given_up_when_it_is_over,
          an_item_that_comes_as_the_limit_is_over_is_not_lost)
