/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include "base/list.h"

struct item {
    int number;
    struct via__list link;
};

/* The numbers on the list, read forwards; -1 if reading backwards gives something else. */
static int numbers(const struct via__list *list)
{
    int forwards = 0, backwards = 0, factor = 1;

    for (const struct via__list *at = list->next; at != list; at = at->next)
        forwards = forwards * 10 + VIA__CONTAINER_OF(at, const struct item, link)->number;
    for (const struct via__list *at = list->prev; at != list; at = at->prev, factor *= 10)
        backwards += factor * VIA__CONTAINER_OF(at, const struct item, link)->number;
    return forwards == backwards ? forwards : -1;
}

TEST(a_new_list_is_empty)
{
    struct via__list list;

    via__list_init(&list);
    ck_assert(via__list_empty(&list));
    ck_assert_int_eq(numbers(&list), 0);
}

TEST(nodes_stand_in_the_order_they_were_pushed)
{
    struct via__list list;
    struct item item[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};

    via__list_init(&list);
    via__list_push_back(&list, &item[1].link);
    via__list_push_back(&list, &item[2].link);
    via__list_push_front(&list, &item[0].link);
    via__list_push_back(&list, &item[3].link);
    ck_assert(!via__list_empty(&list));
    ck_assert_int_eq(numbers(&list), 1234);
}

TEST(a_node_can_be_removed_from_anywhere_and_twice)
{
    struct via__list list;
    struct item item[3] = {{.number = 1}, {.number = 2}, {.number = 3}};

    via__list_init(&list);
    for (int i = 0; i < 3; i++)
        via__list_push_back(&list, &item[i].link);
    via__list_remove(&item[1].link);
    via__list_remove(&item[1].link);
    ck_assert_int_eq(numbers(&list), 13);
    ck_assert(via__list_empty(&item[1].link));
    via__list_remove(&item[0].link);
    via__list_remove(&item[2].link);
    ck_assert(via__list_empty(&list));
    via__list_push_back(&list, &item[1].link);
    ck_assert_int_eq(numbers(&list), 2);
}

TEST_MAIN("base/list", a_new_list_is_empty, nodes_stand_in_the_order_they_were_pushed,
          a_node_can_be_removed_from_anywhere_and_twice)
