/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <limits.h>
#include <viaduct/error.h>

#include "base/heap.h"

static void insert(struct via__heap *heap, struct via__heap_node *node, int64_t when_ns)
{
    node->when_ns = when_ns;
    ck_assert_int_eq(via__heap_insert(heap, node), 0);
    ck_assert_uint_ne(node->index, 0);
}

static struct via__heap_node *pop(struct via__heap *heap)
{
    struct via__heap_node *first = via__heap_first(heap);

    via__heap_remove(heap, first);
    return first;
}

TEST(an_empty_heap_has_no_first)
{
    struct via__heap heap = {0};
    struct via__heap_node stranger = {0};

    ck_assert_ptr_null(via__heap_first(&heap));
    via__heap_remove(&heap, &stranger);
    ck_assert_uint_eq(heap.count, 0);
    via__heap_fini(&heap);
}

TEST(nodes_come_out_in_order_of_their_deadlines)
{
    struct via__heap heap = {0};
    struct via__heap_node node[200] = {0};
    unsigned seed = 12345;
    int64_t last = INT64_MIN;

    for (int i = 0; i < 200; i++) {
        seed = seed * 1103515245 + 12345;
        insert(&heap, &node[i], (int64_t)(seed >> 8) - (1 << 22));
    }
    for (int i = 0; i < 200; i++) {
        struct via__heap_node *first = pop(&heap);

        ck_assert_int_ge(first->when_ns, last);
        ck_assert_uint_eq(first->index, 0);
        last = first->when_ns;
    }
    ck_assert_ptr_null(via__heap_first(&heap));
    via__heap_fini(&heap);
}

TEST(equal_deadlines_come_out_in_the_order_they_went_in)
{
    struct via__heap heap = {0};
    struct via__heap_node node[50] = {0};

    for (int i = 0; i < 50; i++)
        insert(&heap, &node[i], i % 2 ? 7 : INT64_MAX);
    for (int i = 1; i < 50; i += 2)
        ck_assert_ptr_eq(pop(&heap), &node[i]);
    for (int i = 0; i < 50; i += 2)
        ck_assert_ptr_eq(pop(&heap), &node[i]);
    via__heap_fini(&heap);
}

TEST(a_node_can_be_removed_from_anywhere_and_twice)
{
    struct via__heap heap = {0};
    struct via__heap_node node[30] = {0};

    for (int i = 0; i < 30; i++)
        insert(&heap, &node[i], (i * 7) % 30);
    for (int i = 0; i < 30; i += 3) {
        via__heap_remove(&heap, &node[i]);
        via__heap_remove(&heap, &node[i]);
    }
    ck_assert_uint_eq(heap.count, 20);
    for (int64_t last = -1; heap.count;) {
        struct via__heap_node *first = pop(&heap);

        ck_assert_int_gt(first->when_ns, last);
        ck_assert_int_ne((int)(first - node) % 3, 0);
        last = first->when_ns;
    }
    via__heap_fini(&heap);
}

TEST(reserved_room_makes_inserting_certain)
{
    struct via__heap heap = {0};
    struct via__heap_node node[100] = {0};
    size_t allocations;
    int failed = 0;

    ck_assert_int_eq(via__heap_reserve(&heap, 100), 0);
    allocations = via_test_heap_allocations();
    for (int i = 0; i < 100; i++) {
        node[i].when_ns = -i;
        failed |= via__heap_insert(&heap, &node[i]);
    }
    allocations = via_test_heap_allocations() - allocations;
    ck_assert_int_eq(failed, 0);
    ck_assert_uint_eq(allocations, 0);
    ck_assert_ptr_eq(via__heap_first(&heap), &node[99]);
    via__heap_fini(&heap);
}

TEST(more_room_than_there_is_memory_is_refused)
{
    struct via__heap heap = {0};
    struct via__heap_node node = {0};

    ck_assert_int_eq(via__heap_reserve(&heap, SIZE_MAX), VIA_ENOMEM);
    ck_assert_int_eq(via__heap_reserve(&heap, SIZE_MAX / 2 + 2), VIA_ENOMEM);
    ck_assert_int_eq(via__heap_reserve(&heap, SIZE_MAX / sizeof(void *) + 1), VIA_ENOMEM);
    ck_assert_uint_eq(heap.capacity, 0);
    insert(&heap, &node, 1);
    ck_assert_int_eq(via__heap_reserve(&heap, SIZE_MAX / sizeof(void *) + 1), VIA_ENOMEM);
    ck_assert_ptr_eq(pop(&heap), &node);
    via__heap_fini(&heap);
}

TEST_MAIN("base/heap", an_empty_heap_has_no_first, nodes_come_out_in_order_of_their_deadlines,
          equal_deadlines_come_out_in_the_order_they_went_in, a_node_can_be_removed_from_anywhere_and_twice,
          reserved_room_makes_inserting_certain, more_room_than_there_is_memory_is_refused)
