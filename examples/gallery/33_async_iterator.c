/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An object that gives one message after the other, each after a while; two clients listen at once.
 *
 * Asyncio needs two special methods for this.  In C it is a function that gives 1 with a value, and 0 at the
 * end; it may await, because whoever calls it is a task.
 */
#include "gallery.h"

struct feed {
    int64_t pause_ns;
    int left, number;
};

static int feed_next(struct feed *feed, int *message)
{
    if (feed->left == 0)
        return 0;
    int rc = via_sleep(feed->pause_ns);
    if (rc < 0)
        return rc;
    feed->left--;
    *message = ++feed->number;
    return 1;
}

struct client {
    const char *name;
    struct feed feed;
};

static int listen_to_feed(void *arg, void **result)
{
    struct client *client = arg;
    int message, rc;
    (void)result;
    while ((rc = feed_next(&client->feed, &message)) == 1)
        say("%s: message %d", client->name, message);
    return rc;
}

static int main_task(void *arg, void **result)
{
    struct client clients[] = {{"Anna", {1000 * VIA_MS, 5, 0}}, {"Bert", {700 * VIA_MS, 5, 0}}};
    (void)arg;
    (void)result;
    via_future *tasks[] = {via_create_task(listen_to_feed, &clients[0]),
                           via_create_task(listen_to_feed, &clients[1])};
    return via_await_all(tasks, 2, VIA_GATHER_DRAIN, NULL);
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
