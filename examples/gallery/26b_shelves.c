/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two shoppers side by side, each at a shelf that is slow to be refilled when it is empty.
 */
#include "gallery.h"

struct shelf {
    const char *what;
    int left;
    int64_t refill_ns;
};

static int refill(struct shelf *shelf)
{
    say("%s are sold out; more are fetched", shelf->what);
    int rc = via_sleep(shelf->refill_ns);
    shelf->left = 3;
    return rc;
}

/* A generator that never ends, of what the shelf has. */
static int take_from(void *arg, void **result)
{
    struct shelf *shelf = arg;
    int rc = 0;
    (void)result;
    for (int piece = 1; rc == 0; piece++) {
        if (shelf->left == 0)
            rc = refill(shelf);
        if (rc < 0)
            break;
        shelf->left--;
        rc = via_coro_yield(&piece, NULL);
    }
    return rc;
}

static int buy_five(void *arg, void **result)
{
    struct shelf *shelf = arg;
    via_coro *pieces;
    void *piece;
    (void)result;
    int rc = via_coro_new(take_from, shelf, NULL, &pieces);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 5 && (rc = via_coro_next(pieces, &piece)) == 1; i++)
        say("%s: number %d", shelf->what, *(int *)piece);
    via_coro_free(pieces);
    return rc < 0 ? rc : 0;
}

static int main_task(void *arg, void **result)
{
    struct shelf potatoes = {"potatoes", 2, 2 * VIA_S}, tomatoes = {"tomatoes", 1, 1 * VIA_S};
    (void)arg;
    (void)result;
    via_future *shoppers[] = {via_create_task(buy_five, &potatoes), via_create_task(buy_five, &tomatoes)};
    return via_await_all(shoppers, 2, VIA_GATHER_DRAIN, NULL);
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
