/* SPDX-License-Identifier: BSD-3-Clause */
/* An intrusive doubly linked list with a head that is a node itself. */
#ifndef VIADUCT_BASE_LIST_H
#define VIADUCT_BASE_LIST_H

#include <stddef.h>

// A macro because it takes a type: the object that holds `member` at `pointer`.
#define VIA__CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct via__list {
    struct via__list *next;
    struct via__list *prev;
};

static inline void via__list_init(struct via__list *list)
{
    list->next = list->prev = list;
}

static inline int via__list_empty(const struct via__list *list)
{
    return list->next == list;
}

static inline void via__list_push_back(struct via__list *list, struct via__list *node)
{
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

static inline void via__list_push_front(struct via__list *list, struct via__list *node)
{
    via__list_push_back(list->next, node);
}

// The node is a list of its own afterwards, so removing it twice does no harm.
static inline void via__list_remove(struct via__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    via__list_init(node);
}

#endif
