/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of the work: items that are done, and queues that are shut down. */
#include "unit/sync/queue_fixture.h"

static int join(void *arg, void **result)
{
    struct client *client = arg;
    (void)result;
    int status = via_queue_join(client->queue);
    via_test_record(&history, "%s%s", client->name, status < 0 ? "!" : "");
    return status;
}

static void done(struct place *place)
{
    ck_assert_int_eq(via_queue_task_done(&place->queue), 0);
}

TEST(work_is_not_done_more_often_than_there_was_any)
{
    struct place place;
    open_place(&place, 0);
    ck_assert_int_eq(via_queue_task_done(&place.queue), VIA_ESTATE);
    put_now(&place.queue, "x");
    expect_now(&place.queue, "x");
    done(&place);
    ck_assert_int_eq(via_queue_task_done(&place.queue), VIA_ESTATE);
    close_place(&place, NULL);
}

TEST(joining_waits_until_all_work_is_done)
{
    struct place place;
    open_place(&place, 0);
    put_now(&place.queue, "x");
    put_now(&place.queue, "y");
    come(&place, join, "J");
    come(&place, join, "K");
    expect_now(&place.queue, "x");
    expect_now(&place.queue, "y");
    done(&place);
    settle(place.loop);
    ASSERT_RECORD(&history, "");
    done(&place);
    close_place(&place, (int[]){0, 0});
    ASSERT_RECORD(&history, "J K");
}

TEST(an_item_that_went_straight_to_a_task_is_work_too)
{
    struct place place;
    open_place(&place, 1);
    come(&place, get_word, "A");
    put_now(&place.queue, "x");
    put_now(&place.queue, "y");
    come(&place, put_word, "z"); /* waits, and is not yet in the queue */
    ck_assert_uint_eq(place.queue.unfinished, 2);
    expect_now(&place.queue, "y");
    expect_now(&place.queue, "z");
    come(&place, join, "J");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_future_done(place.tasks[2]), 0);
        done(&place);
    }
    close_place(&place, (int[]){0, 0, 0});
}

TEST(joining_a_queue_without_work_does_not_wait)
{
    struct place place;
    open_place(&place, 0);
    come(&place, join, "J");
    ASSERT_RECORD(&history, "J");
    close_place(&place, (int[]){0});
}

TEST(who_joins_may_be_cancelled)
{
    struct place place;
    open_place(&place, 0);
    put_now(&place.queue, "x");
    come(&place, join, "J");
    come(&place, join, "K");
    cancel(place.tasks[0]);
    settle(place.loop);
    ASSERT_RECORD(&history, "J!");
    expect_now(&place.queue, "x");
    ck_assert_int_eq(via_queue_fini(&place.queue), VIA_EBUSY);
    done(&place);
    cancel(place.tasks[1]); /* it has been let go already */
    close_place(&place, (int[]){VIA_ECANCELED, 0});
    ASSERT_RECORD(&history, "J! K");
}

/* ---- shutdown ---- */

static void expect_shut(struct place *place)
{
    void *item = place;
    ck_assert_int_eq(via_queue_try_put(&place->queue, "late"), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_queue_try_get(&place->queue, &item), VIA_ESHUTDOWN);
    ck_assert_ptr_eq(item, place);
    int count = place->count;
    come(place, put_word, "late");
    come(place, get_word, "late");
    expect_end(place->tasks[count], VIA_ESHUTDOWN);
    expect_end(place->tasks[count + 1], VIA_ESHUTDOWN);
    place->count = count;
}

TEST(an_empty_queue_that_is_shut_gives_and_takes_nothing)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    come(&place, join, "J");
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 0), 0);
    settle(place.loop);
    expect_shut(&place);
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 0), 0);
    close_place(&place, (int[]){VIA_ESHUTDOWN, 0});
}

TEST(a_queue_that_is_shut_is_emptied_first)
{
    struct place place;
    open_place(&place, 2);
    put_now(&place.queue, "x");
    put_now(&place.queue, "y");
    come(&place, put_word, "z");
    come(&place, join, "J");
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 0), 0);
    settle(place.loop);
    ASSERT_RECORD(&history, "z>!"); /* its item is its own again */
    ck_assert_int_eq(via_queue_size(&place.queue), 2);
    ck_assert_int_eq(via_queue_try_put(&place.queue, "late"), VIA_ESHUTDOWN);
    expect_now(&place.queue, "x");
    done(&place);
    come(&place, get_word, "A");
    ASSERT_RECORD(&history, "z>! A<y");
    expect_shut(&place);
    ck_assert_int_eq(via_future_done(place.tasks[1]), 0);
    done(&place);
    close_place(&place, (int[]){VIA_ESHUTDOWN, 0, 0});
}

TEST(shut_at_once_it_lets_go_of_everything)
{
    struct place place = {.loop = open_loop()};
    static struct via_test_counted counted[3];
    struct via_queue_options options = {.max_items = 3, .destroy = via_test_counted_destroy};
    ck_assert_int_eq(via_queue_init(place.loop, &options, &place.queue), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_queue_try_put(&place.queue, &counted[i]), 0);
    come(&place, put_word, "z");
    come(&place, join, "J");
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 1), 0);
    ck_assert_int_eq(via_queue_size(&place.queue), 0);
    settle(place.loop);
    ASSERT_RECORD(&history, "z>! J");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_test_destroyed(&counted[i]), 1);
    expect_shut(&place);
    close_place(&place, (int[]){VIA_ESHUTDOWN, 0});
}

TEST(shut_at_once_what_was_taken_out_has_still_to_be_done)
{
    struct place place;
    open_place(&place, 0);
    put_now(&place.queue, "x");
    put_now(&place.queue, "y");
    expect_now(&place.queue, "x");
    come(&place, join, "J");
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 1), 0);
    settle(place.loop);
    ASSERT_RECORD(&history, "");
    done(&place);
    ck_assert_int_eq(via_queue_task_done(&place.queue), VIA_ESTATE);
    close_place(&place, (int[]){0});
    ASSERT_RECORD(&history, "J");
}

TEST(a_queue_that_was_shut_can_be_emptied_at_once_later)
{
    struct place place;
    open_place(&place, 0);
    put_now(&place.queue, "x");
    come(&place, join, "J");
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 0), 0);
    settle(place.loop);
    ck_assert_int_eq(via_queue_size(&place.queue), 1);
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 1), 0);
    settle(place.loop);
    expect_shut(&place);
    close_place(&place, (int[]){0});
}

TEST(a_getter_that_was_given_an_item_has_it_though_the_queue_is_shut)
{
    struct place place;
    open_place(&place, 0);
    come(&place, get_word, "A");
    come(&place, get_word, "B");
    put_now(&place.queue, "x");
    ck_assert_int_eq(via_queue_shutdown(&place.queue, 1), 0);
    close_place(&place, (int[]){0, VIA_ESHUTDOWN});
    ASSERT_RECORD(&history, "A<x B<!");
}

TEST_MAIN("sync/queue_end", work_is_not_done_more_often_than_there_was_any,
          joining_waits_until_all_work_is_done, an_item_that_went_straight_to_a_task_is_work_too,
          joining_a_queue_without_work_does_not_wait, who_joins_may_be_cancelled,
          an_empty_queue_that_is_shut_gives_and_takes_nothing, a_queue_that_is_shut_is_emptied_first,
          shut_at_once_it_lets_go_of_everything, shut_at_once_what_was_taken_out_has_still_to_be_done,
          a_queue_that_was_shut_can_be_emptied_at_once_later,
          a_getter_that_was_given_an_item_has_it_though_the_queue_is_shut)
