/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of queues share: tasks that put and get, and items that are words.
 */
#ifndef VIA_TEST_QUEUE_FIXTURE_H
#define VIA_TEST_QUEUE_FIXTURE_H

#include "unit/sync/sync_fixture.h"
#include <viaduct/queue.h>

/* A task that puts a word and says "word>", or gets one and says "name<word"; "!" if it fails. */
struct client {
    struct via_queue *queue;
    const char *name;
};

static inline int put_word(void *arg, void **result)
{
    struct client *client = arg;
    (void)result;
    int status = via_queue_put(client->queue, (void *)client->name);
    via_test_record(&history, "%s>%s", client->name, status < 0 ? "!" : "");
    return status;
}

static inline int get_word(void *arg, void **result)
{
    struct client *client = arg;
    void *word = "!";
    (void)result;
    int status = via_queue_get(client->queue, &word);
    via_test_record(&history, "%s<%s", client->name, (const char *)word);
    return status;
}

static inline int compare_words(const void *a, const void *b)
{
    return strcmp(a, b);
}

static inline void open_queue(via_loop *loop, int order, int64_t max_items, struct via_queue *queue)
{
    struct via_queue_options options = {.order = order, .max_items = max_items, .compare = compare_words};
    ck_assert_int_eq(via_queue_init(loop, &options, queue), 0);
}

static inline void put_now(struct via_queue *queue, const char *word)
{
    ck_assert_int_eq(via_queue_try_put(queue, (void *)word), 0);
}

static inline void expect_now(struct via_queue *queue, const char *word)
{
    void *item = NULL;
    ck_assert_int_eq(via_queue_try_get(queue, &item), 0);
    ck_assert_str_eq(item, word);
}

static inline void expect_empty(struct via_queue *queue)
{
    void *item = queue;
    ck_assert_int_eq(via_queue_try_get(queue, &item), VIA_EAGAIN);
    ck_assert_ptr_eq(item, queue);
    ck_assert_int_eq(via_queue_size(queue), 0);
}

/* A loop with a queue, and clients that were started and have come to where they wait. */
struct place {
    via_loop *loop;
    struct via_queue queue;
    struct client clients[8];
    via_future *tasks[8];
    int count;
};

static inline void open_place(struct place *place, int64_t max_items)
{
    *place = (struct place){.loop = open_loop()};
    open_queue(place->loop, VIA_QUEUE_FIFO, max_items, &place->queue);
}

static inline void come(struct place *place, via_task_fn fn, const char *name)
{
    place->clients[place->count] = (struct client){&place->queue, name};
    place->tasks[place->count] = start(place->loop, fn, &place->clients[place->count]);
    place->count++;
    settle(place->loop);
}

/* Everybody has ended, with these; the queue is empty. */
static inline void close_place(struct place *place, const int *statuses)
{
    settle(place->loop);
    for (int i = 0; i < place->count; i++)
        expect_end(place->tasks[i], statuses[i]);
    ck_assert_int_eq(via_queue_size(&place->queue), 0);
    ck_assert_int_eq(via_queue_fini(&place->queue), 0);
    close_loop(place->loop);
}

#endif
