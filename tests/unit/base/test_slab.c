/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "support/support.h"

#include <string.h>

#include "base/slab.h"

#define MANY 2000

TEST(objects_are_aligned_and_do_not_overlap)
{
    struct via__slab *slab = via__slab_new(128);
    static unsigned char *object[MANY];

    ck_assert_ptr_nonnull(slab);
    for (int i = 0; i < MANY; i++) {
        object[i] = via__slab_alloc(slab);
        ck_assert_ptr_nonnull(object[i]);
        ck_assert_uint_eq((uintptr_t)object[i] % 64, 0);
        memset(object[i], i & 0xff, 128);
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(object[i][0], i & 0xff);
        ck_assert_int_eq(object[i][127], i & 0xff);
        via__slab_free(object[i]);
    }
    via__slab_leave(slab);
}

TEST(an_unused_slab_goes_without_a_trace)
{
    struct via__slab *slab = via__slab_new(64);

    ck_assert_ptr_nonnull(slab);
    via__slab_trim(slab);
    via__slab_leave(slab);
}

TEST(freed_objects_are_handed_out_again)
{
    struct via__slab *slab = via__slab_new(64);
    size_t allocations;
    void *object = via__slab_alloc(slab);
    int others = 0;

    via__slab_free(object);
    allocations = via_test_heap_allocations();
    for (int i = 0; VIA_SLAB && i < 10 * MANY; i++) {
        void *next = via__slab_alloc(slab);

        others += next != object;
        via__slab_free(next);
    }
    allocations = via_test_heap_allocations() - allocations;
    ck_assert_uint_eq(allocations, 0);
    ck_assert_int_eq(others, 0);
    via__slab_leave(slab);
}

TEST(objects_outlive_the_owner)
{
    struct via__slab *slab = via__slab_new(64);
    char *one = via__slab_alloc(slab), *two = via__slab_alloc(slab), *three = via__slab_alloc(slab);

    via__slab_free(three);
    via__slab_free_foreign(two);
    via__slab_leave(slab);
    memset(one, 1, 64);
    via__slab_free_foreign(one);
}

TEST(trimming_gives_memory_back_only_when_nothing_is_out)
{
    struct via__slab *slab = via__slab_new(64);
    size_t empty = via_test_heap_blocks();
    char *one = via__slab_alloc(slab), *two = via__slab_alloc(slab);

    via__slab_free(two);
    via__slab_trim(slab);
    memset(one, 1, 64);
    via__slab_free_foreign(one);
    via__slab_trim(slab);
    ck_assert_uint_eq(via_test_heap_blocks(), empty);
    one = via__slab_alloc(slab);
    ck_assert_ptr_nonnull(one);
    via__slab_free(one);
    via__slab_leave(slab);
}

/* A thread that frees what it finds in a row of places until it has freed so many. */
struct freer {
    struct via_test_thread thread;
    void **place;
    int left;
};

static void *free_foreign(void *arg)
{
    struct freer *freer = arg;

    for (int i = 0; freer->left; i = (i + 1) % 64) {
        void *object = __atomic_exchange_n(&freer->place[i], NULL, __ATOMIC_ACQ_REL);

        if (object) {
            memset(object, 0xdd, 64);
            via__slab_free_foreign(object);
            freer->left--;
        } else {
            via_test_yield();
        }
    }
    return NULL;
}

TEST(other_threads_free_while_the_owner_allocates)
{
    static void *place[2][64];
    struct via__slab *slab = via__slab_new(64);
    struct freer freer[2];

    for (int i = 0; i < 2; i++) {
        freer[i] = (struct freer){.place = place[i], .left = 5 * MANY};
        via_test_thread_start(&freer[i].thread, free_foreign, &freer[i]);
    }
    for (int i = 0; i < 10 * MANY; i++) {
        void *object = via__slab_alloc(slab), **at = &place[i % 2][i / 2 % 64];

        ck_assert_ptr_nonnull(object);
        memset(object, 0xaa, 64);
        AWAIT(__atomic_load_n(at, __ATOMIC_ACQUIRE) == NULL);
        __atomic_store_n(at, object, __ATOMIC_RELEASE);
    }
    via__slab_leave(slab);
    for (int i = 0; i < 2; i++)
        via_test_thread_join(&freer[i].thread);
}

TEST_MAIN("base/slab", objects_are_aligned_and_do_not_overlap, an_unused_slab_goes_without_a_trace,
          freed_objects_are_handed_out_again, objects_outlive_the_owner,
          trimming_gives_memory_back_only_when_nothing_is_out, other_threads_free_while_the_owner_allocates)
