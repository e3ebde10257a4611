/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of futures: which are the same, whose they are, and how references go back. */
#include <config.h>

#include <stdlib.h>

#include "combine/combine.h"

// Up to so many are compared with each other, without memory.
#define FEW 16

// A future and where it stands.
struct place {
    via_future *future;
    size_t at;
};

static size_t first_of_few(via_future *const *futures, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (futures[i] == futures[at])
            return i;
    return at;
}

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    uintptr_t x = (uintptr_t)a->future, y = (uintptr_t)b->future;
    return x == y ? (a->at > b->at) - (a->at < b->at) : (x > y) - (x < y);
}

static int find_firsts(struct via__item *items, via_future *const *futures, size_t count)
{
    struct place *places = malloc(count * sizeof *places);
    if (!places)
        return VIA_ENOMEM;
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){futures[i], i};
    qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 0, first = 0; i < count; i++) {
        if (places[i].future != places[first].future)
            first = i;
        items[places[i].at].first = places[first].at;
    }
    free(places);
    return 0;
}

int via__items_fill(struct via__item *items, via_future *const *futures, size_t count, size_t *different)
{
    size_t firsts = 0;
    for (size_t i = 0; i < count; i++)
        items[i] =
            (struct via__item){.future = futures[i], .first = count <= FEW ? first_of_few(futures, i) : i};
    int status = count <= FEW ? 0 : find_firsts(items, futures, count);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++)
        firsts += items[i].first == i;
    *different = firsts;
    return 0;
}

int via__items_check(via_future *const *futures, size_t count, via_loop **loop)
{
    if ((!futures && count) || count > VIA__ITEMS_MOST)
        return VIA_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!futures[i])
            return VIA_EINVAL;
    via_loop *theirs = via__role.loop;
    for (size_t i = 0; i < count; i++) {
        if (!theirs)
            theirs = futures[i]->loop;
        if (futures[i]->loop && futures[i]->loop != theirs)
            return VIA_EFOREIGN;
    }
    *loop = theirs;
    return theirs ? via__loop_check_thread(theirs) : 0;
}

void via__item_watch(struct via__item *item, via_future_fn fn, void *owner)
{
    item->owner = owner;
    item->callback.fn = fn;
    item->callback.arg = item;
    via__future_watch(item->future, &item->callback);
}

via_future *via__items_next_pending(const struct via__item *items, size_t count, size_t *at)
{
    while (*at < count) {
        const struct via__item *item = &items[(*at)++];
        if (via__item_is_first(items, (size_t)(item - items)) && item->future &&
            item->future->state == VIA_PENDING)
            return item->future;
    }
    return NULL;
}

// ---- lists that are refused ----

// A reference on its way to the thread where it may be given back.
struct returned {
    struct via__post post;
    via_future *future;
};

static void give_back(via_loop *loop, struct via__post *post)
{
    struct returned *returned = (struct returned *)post;
    (void)loop;
    via_future_unref(returned->future);
    free(returned);
}

// Without memory it is kept for ever, which harms nobody but the memory.
static void send_back(via_future *future)
{
    static const struct via__post_kind kind = {.arrive = give_back, .drop = give_back};
    if (via__loop_is_closed(future->loop)) {
        via_future_unref(future);
        return;
    }
    struct returned *returned = malloc(sizeof *returned);
    if (!returned)
        return;
    *returned = (struct returned){.post = {.kind = &kind}, .future = future};
    if (via__loop_post(future->loop, &returned->post) < 0)
        free(returned);
    else
        via__loop_expect(future->loop);
}

static void refuse_one(via_future *future)
{
    if (!future || !future->loop)
        return;
    // Relaxed: only this thread writes its own address.
    if (atomic_load_explicit(&future->loop->owner, memory_order_relaxed) == via__loop_thread())
        via_future_unref(future);
    else
        send_back(future);
}

// In place of sorting, where there is no memory for that.
static void refuse_slowly(via_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (first_of_few(futures, i) == i)
            refuse_one(futures[i]);
}

void via__items_refuse(via_future *const *futures, size_t count)
{
    size_t different;
    if (count > VIA__ITEMS_MOST)
        return; // no list is that long
    struct via__item *items = futures && count > FEW ? calloc(count, sizeof *items) : NULL;
    if (items && via__items_fill(items, futures, count, &different) == 0) {
        for (size_t i = 0; i < count; i++)
            if (via__item_is_first(items, i))
                refuse_one(futures[i]);
    } else if (futures) {
        refuse_slowly(futures, count);
    }
    free(items);
}
