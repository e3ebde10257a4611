/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/queue_fixture.h"

/* ---- items in their orders ---- */

TEST(items_come_out_in_the_order_they_went_in)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    open_queue(loop, VIA_QUEUE_FIFO, 0, &queue);
    put_now(&queue, "1");
    put_now(&queue, "3");
    put_now(&queue, "2");
    ck_assert_int_eq(via_queue_size(&queue), 3);
    expect_now(&queue, "1");
    expect_now(&queue, "3");
    expect_now(&queue, "2");
    expect_empty(&queue);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    close_loop(loop);
}

TEST(or_the_last_one_first)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    open_queue(loop, VIA_QUEUE_LIFO, 0, &queue);
    put_now(&queue, "1");
    put_now(&queue, "3");
    put_now(&queue, "2");
    expect_now(&queue, "2");
    expect_now(&queue, "3");
    put_now(&queue, "4");
    expect_now(&queue, "4");
    expect_now(&queue, "1");
    expect_empty(&queue);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    close_loop(loop);
}

TEST(or_by_priority)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    open_queue(loop, VIA_QUEUE_PRIORITY, 0, &queue);
    put_now(&queue, "1");
    put_now(&queue, "3");
    put_now(&queue, "2");
    expect_now(&queue, "1");
    expect_now(&queue, "2");
    put_now(&queue, "0");
    expect_now(&queue, "0");
    expect_now(&queue, "3");
    expect_empty(&queue);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    close_loop(loop);
}

static int by_first_letter(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

TEST(equal_priorities_come_out_in_the_order_they_went_in)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    struct via_queue_options options = {.order = VIA_QUEUE_PRIORITY, .compare = by_first_letter};
    ck_assert_int_eq(via_queue_init(loop, &options, &queue), 0);
    static const char *const in[] = {"b1", "a1", "b2", "a2", "b3", "a3", "b4", "a4"};
    static const char *const out[] = {"a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"};
    for (int i = 0; i < 8; i++)
        put_now(&queue, in[i]);
    for (int i = 0; i < 8; i++)
        expect_now(&queue, out[i]);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    close_loop(loop);
}

/* Numbers in disguise: item n is the address n. */
static int by_number(const void *a, const void *b)
{
    return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

TEST(any_number_of_items_goes_in_without_a_limit)
{
    enum { MANY = 1000 };
    via_loop *loop = open_loop();
    for (int order = VIA_QUEUE_FIFO; order <= VIA_QUEUE_PRIORITY; order++) {
        struct via_queue queue;
        struct via_queue_options options = {.order = order, .compare = by_number};
        ck_assert_int_eq(via_queue_init(loop, &options, &queue), 0);
        void *item;
        /* So that the ring has wrapped around when it grows. */
        for (uintptr_t i = 0; i < 10; i++)
            ck_assert_int_eq(via_queue_try_put(&queue, (void *)i), 0);
        for (uintptr_t i = 0; i < 10; i++)
            ck_assert_int_eq(via_queue_try_get(&queue, &item), 0);
        for (uintptr_t i = 0; i < MANY; i++)
            ck_assert_int_eq(
                via_queue_try_put(&queue, (void *)(order == VIA_QUEUE_PRIORITY ? i * 7 % MANY : i)), 0);
        ck_assert_int_eq(via_queue_size(&queue), MANY);
        for (uintptr_t i = 0; i < MANY; i++) {
            ck_assert_int_eq(via_queue_try_get(&queue, &item), 0);
            ck_assert_uint_eq((uintptr_t)item, order == VIA_QUEUE_LIFO ? MANY - 1 - i : i);
        }
        ck_assert_int_eq(via_queue_fini(&queue), 0);
    }
    close_loop(loop);
}

TEST(a_full_queue_takes_nothing_more)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    open_queue(loop, VIA_QUEUE_FIFO, 2, &queue);
    ck_assert_int_eq(via_queue_is_full(&queue), 0);
    put_now(&queue, "1");
    ck_assert_int_eq(via_queue_is_full(&queue), 0);
    put_now(&queue, "2");
    ck_assert_int_eq(via_queue_is_full(&queue), 1);
    ck_assert_int_eq(via_queue_try_put(&queue, "3"), VIA_EBUSY);
    ck_assert_int_eq(via_queue_size(&queue), 2);
    expect_now(&queue, "1");
    ck_assert_int_eq(via_queue_is_full(&queue), 0);
    put_now(&queue, "3");
    expect_now(&queue, "2");
    expect_now(&queue, "3");
    expect_empty(&queue);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    close_loop(loop);
}

/* ---- waiting ---- */

TEST(a_task_waits_for_an_item)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    come(&place, get_word, "B");
    ASSERT_RECORD(&history, "");
    put_now(&place.queue, "x");
    put_now(&place.queue, "y");
    ck_assert_int_eq(via_queue_size(&place.queue), 0); /* they are the tasks' already */
    close_place(&place, (int[]){0, 0});
    ASSERT_RECORD(&history, "A<x B<y");
}

TEST(nobody_takes_an_item_that_another_task_was_given)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    put_now(&place.queue, "x");
    expect_empty(&place.queue);
    close_place(&place, (int[]){0});
    ASSERT_RECORD(&history, "A<x");
}

TEST(a_task_waits_for_room)
{
    struct place place;
    open_place(&place, 1);
    come(&place, put_word, "1");
    come(&place, put_word, "2");
    come(&place, put_word, "3");
    ASSERT_RECORD(&history, "1>");
    ck_assert_int_eq(via_queue_is_full(&place.queue), 1);
    expect_now(&place.queue, "1");
    /* The first who waited is in. */
    ck_assert_int_eq(via_queue_try_put(&place.queue, "x"), VIA_EBUSY);
    expect_now(&place.queue, "2");
    expect_now(&place.queue, "3");
    close_place(&place, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "1> 2> 3>");
}

struct crew {
    struct via_queue *queue;
    int rounds, sum;
};

static int produce(void *arg, void **result)
{
    struct crew *crew = arg;
    (void)result;
    for (uintptr_t i = 1; i <= (uintptr_t)crew->rounds; i++)
        ck_assert_int_eq(via_queue_put(crew->queue, (void *)i), 0);
    return 0;
}

static int consume(void *arg, void **result)
{
    struct crew *crew = arg;
    (void)result;
    for (int i = 0; i < crew->rounds; i++) {
        void *item;
        ck_assert_int_eq(via_queue_get(crew->queue, &item), 0);
        crew->sum += (int)(uintptr_t)item;
    }
    return 0;
}

TEST(producer_and_consumer_come_to_their_ends)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    open_queue(loop, VIA_QUEUE_FIFO, 1, &queue);
    struct crew crew = {&queue, 100, 0};
    via_future *tasks[] = {start(loop, produce, &crew), start(loop, consume, &crew)};
    settle(loop);
    expect_end(tasks[0], 0);
    expect_end(tasks[1], 0);
    ck_assert_int_eq(crew.sum, 5050);
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    close_loop(loop);
}

/* ---- cancelled at the four moments ---- */

TEST(a_cancelled_getter_eats_no_item)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    come(&place, get_word, "B");
    cancel(place.tasks[0]);
    put_now(&place.queue, "x"); /* before A has gone */
    close_place(&place, (int[]){VIA_ECANCELED, 0});
    ASSERT_RECORD(&history, "A<! B<x");
}

TEST(many_cancelled_getters_leave_nothing_behind)
{
    struct place place;
    open_place(&place, 1);
    for (int i = 0; i < 3; i++)
        come(&place, get_word, "A");
    for (int i = 0; i < 3; i++)
        cancel(place.tasks[i]);
    settle(place.loop);
    ck_assert_ptr_null(place.queue.getters.first);
    put_now(&place.queue, "x");
    expect_now(&place.queue, "x");
    close_place(&place, (int[]){VIA_ECANCELED, VIA_ECANCELED, VIA_ECANCELED});
}

TEST(a_cancelled_putter_brings_no_item)
{
    struct place place;
    open_place(&place, 1);
    put_now(&place.queue, "full");
    come(&place, put_word, "1");
    come(&place, put_word, "2");
    cancel(place.tasks[0]);
    expect_now(&place.queue, "full"); /* before 1 has gone: 2 comes in */
    settle(place.loop);
    ASSERT_RECORD(&history, "1>! 2>");
    expect_now(&place.queue, "2");
    close_place(&place, (int[]){VIA_ECANCELED, 0});
}

TEST(many_cancelled_putters_leave_nothing_behind)
{
    struct place place;
    open_place(&place, 1);
    put_now(&place.queue, "full");
    for (int i = 0; i < 3; i++)
        come(&place, put_word, "1");
    for (int i = 0; i < 3; i++)
        cancel(place.tasks[i]);
    settle(place.loop);
    ck_assert_ptr_null(place.queue.putters.first);
    expect_now(&place.queue, "full");
    expect_empty(&place.queue);
    close_place(&place, (int[]){VIA_ECANCELED, VIA_ECANCELED, VIA_ECANCELED});
}

/* CPython takes the item back; here what was granted wins. */
TEST(a_getter_that_was_given_an_item_has_it_though_it_is_cancelled)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    put_now(&place.queue, "x");
    cancel(place.tasks[0]);
    close_place(&place, (int[]){0});
    ASSERT_RECORD(&history, "A<x");
}

TEST(a_putter_whose_item_is_in_succeeds_though_it_is_cancelled)
{
    struct place place;
    open_place(&place, 1);
    put_now(&place.queue, "full");
    come(&place, put_word, "1");
    expect_now(&place.queue, "full");
    cancel(place.tasks[0]);
    settle(place.loop);
    expect_now(&place.queue, "1");
    expect_empty(&place.queue);
    close_place(&place, (int[]){0});
    ASSERT_RECORD(&history, "1>");
}

TEST(tasks_that_are_cancelled_before_they_begin_do_nothing)
{
    struct place place;
    open_place(&place, 0);
    struct client client = {&place.queue, "A"};
    via_future *getter = start(place.loop, get_word, &client), *putter = start(place.loop, put_word, &client);
    cancel(getter);
    cancel(putter);
    settle(place.loop);
    expect_end(getter, VIA_ECANCELED);
    expect_end(putter, VIA_ECANCELED);
    put_now(&place.queue, "x");
    expect_now(&place.queue, "x");
    close_place(&place, NULL);
    ASSERT_RECORD(&history, "");
}

/* Cancelled already: what can be had is had, and a shielded section may wait. */
static int use_in_clean_up(void *arg, void **result)
{
    struct client *client = arg;
    void *item;
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_queue_put(client->queue, "own"), 0);
    ck_assert_int_eq(via_queue_get(client->queue, &item), 0);
    ck_assert_str_eq(item, "own");
    ck_assert_int_eq(via_queue_get(client->queue, &item), VIA_ECANCELED);
    ck_assert_int_eq(via_queue_join(client->queue), VIA_ECANCELED);
    ck_assert_int_eq(via_queue_task_done(client->queue), 0);
    ck_assert_int_eq(via_queue_join(client->queue), 0);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = get_word(client, NULL);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
}

TEST(clean_up_may_wait_in_a_shielded_section)
{
    struct place place;
    open_place(&place, 0);
    come(&place, use_in_clean_up, "A");
    cancel(place.tasks[0]);
    settle(place.loop);
    cancel(place.tasks[0]);
    settle(place.loop);
    ck_assert_int_eq(via_future_done(place.tasks[0]), 0);
    put_now(&place.queue, "x");
    close_place(&place, (int[]){0});
    ASSERT_RECORD(&history, "A<x");
}

/* ---- bad input, other threads, the end of the loop ---- */

TEST(options_that_make_no_sense_are_refused)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    void *item;
    ck_assert_int_eq(via_queue_init(loop, &(struct via_queue_options){.max_items = -1}, &queue), VIA_EINVAL);
    ck_assert_int_eq(via_queue_init(loop, &(struct via_queue_options){.order = -1}, &queue), VIA_EINVAL);
    ck_assert_int_eq(via_queue_init(loop, &(struct via_queue_options){.order = 3}, &queue), VIA_EINVAL);
    struct via_queue_options incomparable = {.order = VIA_QUEUE_PRIORITY};
    ck_assert_int_eq(via_queue_init(loop, &incomparable, &queue), VIA_EINVAL);
    ck_assert_int_eq(via_queue_init(loop, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_init(NULL, NULL, &queue), VIA_ESTATE);
    ck_assert_int_eq(via_queue_init(loop, NULL, &queue), 0);
    ck_assert_int_eq(via_queue_put(&queue, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_queue_get(&queue, &item), VIA_ESTATE);
    ck_assert_int_eq(via_queue_get(&queue, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_try_get(&queue, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_join(&queue), VIA_ESTATE);
    ck_assert_int_eq(via_queue_try_put(&queue, NULL), 0); /* a pointer like any other */
    ck_assert_int_eq(via_queue_fini(&queue), 0);
    ck_assert_int_eq(via_queue_fini(&queue), VIA_EINVAL);
    ck_assert_int_eq(via_queue_put(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_try_put(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_get(NULL, &item), VIA_EINVAL);
    ck_assert_int_eq(via_queue_task_done(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_join(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_shutdown(NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_queue_size(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_is_full(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_queue_fini(NULL), VIA_EINVAL);
    close_loop(loop);
}

static int put_from_callback(void *queue)
{
    return via_queue_try_put(queue, "x");
}

static int run_elsewhere(void *queue)
{
    void *item;
    ck_assert_int_eq(via_queue_put(queue, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_get(queue, &item), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_try_get(queue, &item), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_task_done(queue), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_join(queue), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_shutdown(queue, 0), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_size(queue), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_is_full(queue), VIA_EFOREIGN);
    return via_queue_try_put(queue, NULL);
}

TEST(a_callback_may_put_but_no_other_thread)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    ck_assert_int_eq(in_another_thread(run_elsewhere, &place.queue), VIA_EFOREIGN);
    ck_assert_int_eq(via_queue_fini(&place.queue), VIA_EBUSY);
    ck_assert_int_eq(via_call_soon_threadsafe(place.loop, put_from_callback, &place.queue, NULL), 0);
    close_place(&place, (int[]){0});
    ASSERT_RECORD(&history, "A<x");
}

TEST(what_is_left_inside_is_destroyed_once)
{
    via_loop *loop = open_loop();
    struct via_queue queue;
    static struct via_test_counted counted[4];
    struct via_queue_options options = {.destroy = via_test_counted_destroy};
    ck_assert_int_eq(via_queue_init(loop, &options, &queue), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(via_queue_try_put(&queue, &counted[i]), 0);
    void *item;
    ck_assert_int_eq(via_queue_try_get(&queue, &item), 0);
    close_loop(loop);
    ck_assert_int_eq(via_queue_fini(&queue), 0); /* also when the loop has gone */
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(via_test_destroyed(&counted[i]), i > 0);
}

TEST(closing_the_loop_ends_the_waiting)
{
    struct place place;
    open_place(&place, 1);
    come(&place, get_word, "A");
    come(&place, get_word, "B");
    put_now(&place.queue, "x");
    struct place full;
    ck_assert_int_eq(via_loop_close(place.loop), 0);
    ASSERT_RECORD(&history, "A<x B<!"); /* what A was given it has got */
    expect_end(place.tasks[0], 0);
    expect_end(place.tasks[1], VIA_ECANCELED);
    ck_assert_int_eq(via_queue_fini(&place.queue), 0);
    via_loop_unref(place.loop);
    open_place(&full, 1);
    put_now(&full.queue, "x");
    come(&full, put_word, "1");
    close_loop(full.loop);
    expect_end(full.tasks[0], VIA_ECANCELED);
    ck_assert_int_eq(via_queue_fini(&full.queue), 0);
}

TEST_MAIN("sync/queue", items_come_out_in_the_order_they_went_in, or_the_last_one_first, or_by_priority,
          equal_priorities_come_out_in_the_order_they_went_in, any_number_of_items_goes_in_without_a_limit,
          a_full_queue_takes_nothing_more, a_task_waits_for_an_item,
          nobody_takes_an_item_that_another_task_was_given, a_task_waits_for_room,
          producer_and_consumer_come_to_their_ends, a_cancelled_getter_eats_no_item,
          many_cancelled_getters_leave_nothing_behind, a_cancelled_putter_brings_no_item,
          many_cancelled_putters_leave_nothing_behind,
          a_getter_that_was_given_an_item_has_it_though_it_is_cancelled,
          a_putter_whose_item_is_in_succeeds_though_it_is_cancelled,
          tasks_that_are_cancelled_before_they_begin_do_nothing, clean_up_may_wait_in_a_shielded_section,
          options_that_make_no_sense_are_refused, a_callback_may_put_but_no_other_thread,
          what_is_left_inside_is_destroyed_once, closing_the_loop_ends_the_waiting)
