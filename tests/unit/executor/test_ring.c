/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring: order, laps, fullness, and many producers beside one consumer. */
#include "support/support.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "executor/ring.h"

enum { PRODUCERS = 3, ITEMS = 20000 };

static struct via__ring ring;

static void *item(uintptr_t number)
{
    return (void *)(number * 2 + 2);
}

TEST(an_empty_ring_has_nothing)
{
    ck_assert_ptr_null(via__ring_pop(&ring));
    ck_assert_uint_eq(via__ring_count(&ring), 0);
    ck_assert(!via__ring_has(&ring, via__ring_head(&ring)));
}

TEST(items_come_out_in_order_lap_after_lap)
{
    uintptr_t in = 0, out = 0;

    while (out < 5 * VIA__RING_SLOTS) {
        for (int i = 0; i < 700; i++)
            ck_assert_int_eq(via__ring_push(&ring, item(in++)), 1);
        ck_assert_uint_eq(via__ring_count(&ring), 700);
        for (int i = 0; i < 700; i++)
            ck_assert_ptr_eq(via__ring_pop(&ring), item(out++));
        ck_assert_ptr_null(via__ring_pop(&ring));
    }
    ck_assert_uint_eq(via__ring_pushed(&ring), in);
}

TEST(a_full_ring_refuses_until_something_is_taken)
{
    for (uintptr_t lap = 0; lap < 3; lap++) {
        for (uintptr_t i = 0; i < VIA__RING_SLOTS; i++)
            ck_assert_int_eq(via__ring_push(&ring, item(i)), 1);
        ck_assert_int_eq(via__ring_push(&ring, item(9999)), 0);
        ck_assert_ptr_eq(via__ring_pop(&ring), item(0));
        ck_assert_int_eq(via__ring_push(&ring, item(VIA__RING_SLOTS)), 1);
        ck_assert_int_eq(via__ring_push(&ring, item(9999)), 0);
        for (uintptr_t i = 1; i <= VIA__RING_SLOTS; i++)
            ck_assert_ptr_eq(via__ring_pop(&ring), item(i));
        ck_assert_ptr_null(via__ring_pop(&ring));
    }
}

TEST(it_tells_how_far_it_is_filled)
{
    for (uintptr_t i = 0; i < VIA__RING_SLOTS - 100; i++) {
        ck_assert_int_eq(via__ring_push(&ring, item(i)), 1);
        ck_assert_ptr_nonnull(via__ring_pop(&ring));
    }
    for (uintptr_t i = 0; i < 200; i++)
        ck_assert_int_eq(via__ring_push(&ring, item(i)), 1);
    ck_assert(via__ring_has(&ring, via__ring_head(&ring)));
    ck_assert(via__ring_has(&ring, via__ring_head(&ring) + 199));
    ck_assert(!via__ring_has(&ring, via__ring_head(&ring) + 200));
    ck_assert(!via__ring_has(&ring, via__ring_head(&ring) + VIA__RING_SLOTS - 1));
}

struct parcel {
    int producer, number;
};

static void *produce(void *arg)
{
    struct parcel *parcels = arg;

    for (int i = 0; i < ITEMS; i++) {
        while (!via__ring_push(&ring, &parcels[i]))
            via_test_yield();
    }
    return NULL;
}

TEST(nothing_is_lost_and_each_producers_order_is_kept)
{
    pthread_t threads[PRODUCERS];
    struct parcel *parcels = calloc((size_t)PRODUCERS * ITEMS, sizeof *parcels);
    int next[PRODUCERS] = {0};

    ck_assert_ptr_nonnull(parcels);
    for (int i = 0; i < PRODUCERS * ITEMS; i++)
        parcels[i] = (struct parcel){i / ITEMS, i % ITEMS};
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, parcels + (ptrdiff_t)i * ITEMS), 0);
    for (int taken = 0; taken < PRODUCERS * ITEMS;) {
        struct parcel *parcel = via__ring_pop(&ring);
        if (!parcel) {
            via_test_yield();
            continue;
        }
        ck_assert_int_eq(parcel->number, next[parcel->producer]++);
        taken++;
    }
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_ptr_null(via__ring_pop(&ring));
    free(parcels);
}

TEST_MAIN("executor/ring", an_empty_ring_has_nothing, items_come_out_in_order_lap_after_lap,
          a_full_ring_refuses_until_something_is_taken, it_tells_how_far_it_is_filled,
          nothing_is_lost_and_each_producers_order_is_kept)
