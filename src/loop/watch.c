/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches.  Each is one persistent event; when it fires, the watch's own node is queued, unless it still is,
 * and a tick runs in the same poll.  So a callback runs in the order of the ready queue, and never from
 * libevent.
 *
 * A table's slot owns a watch.  One that is removed while its node is queued is dead, and freed when the
 * node's turn comes.  A new callback for an old watch is put in place: if the node is queued it is the new
 * one that runs.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "loop/tick.h"
#include "loop/watch.h"

struct via__loop_watch {
    struct via__ready ready;
    struct event event;
    via_loop *loop;
    via_callback_fn fn;
    void *arg;
    int is_queued, is_dead;
};

static void run(via_loop *loop, struct via__ready *node)
{
    struct via__loop_watch *watch = VIA__CONTAINER_OF(node, struct via__loop_watch, ready);
    watch->is_queued = 0;
    if (watch->is_dead) {
        free(watch);
        return;
    }
    via__loop_note_function(loop, (void *)(uintptr_t)watch->fn);
    int status = watch->fn(watch->arg); // which may have freed the watch
    if (status < 0)
        via__loop_report(loop, "a callback failed", status, NULL, NULL);
}

// The tables are cleared after the ready queue, so a live watch stays.
static void drop(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    struct via__loop_watch *watch = VIA__CONTAINER_OF(node, struct via__loop_watch, ready);
    watch->is_queued = 0;
    if (watch->is_dead)
        free(watch);
}

static const struct via__ready_kind watch_kind = {.run = run, .drop = drop};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct via__loop_watch *watch = arg;
    if (via__loop_leave_to_parent(watch->loop, &watch->event))
        return;
    if (!watch->is_queued) {
        watch->is_queued = 1;
        via__ready_push(&watch->loop->ready, &watch->ready);
    }
    via__tick_this_poll(watch->loop);
}

static int reserve_slot(struct via__watch_table *table, size_t slot)
{
    if (slot < table->count)
        return 0;
    size_t count = table->count ? table->count : 16;
    while (count <= slot)
        count *= 2;
    struct via__loop_watch **slots = realloc(table->slots, count * sizeof *slots);
    if (!slots)
        return VIA_ENOMEM;
    memset(slots + table->count, 0, (count - table->count) * sizeof *slots);
    table->slots = slots;
    table->count = count;
    return 0;
}

static int add_event(struct via__loop_watch *watch, int fd, short what)
{
    // libevent tells why it failed only through what errno happens to be.
    errno = ENOMEM;
    if (event_assign(&watch->event, watch->loop->base, fd, what, on_event, watch) < 0)
        return VIA_EINVAL;
    if (event_add(&watch->event, NULL) < 0)
        return errno ? -errno : VIA_ENOMEM;
    return 0;
}

int via__watch_set(via_loop *loop, struct via__watch_table *table, size_t slot, int fd, short what,
                   via_callback_fn fn, void *arg)
{
    int status = reserve_slot(table, slot);
    if (status < 0)
        return status;
    struct via__loop_watch *watch = table->slots[slot];
    if (!watch) {
        if (!(watch = calloc(1, sizeof *watch)))
            return VIA_ENOMEM;
        watch->ready.kind = &watch_kind;
        watch->loop = loop;
        status = add_event(watch, fd, what);
        if (status < 0) {
            free(watch);
            return status;
        }
        table->slots[slot] = watch;
        loop->watches++;
    }
    watch->fn = fn;
    watch->arg = arg;
    return 0;
}

int via__watch_clear(via_loop *loop, struct via__watch_table *table, size_t slot)
{
    struct via__loop_watch *watch = slot < table->count ? table->slots[slot] : NULL;
    if (!watch)
        return 0;
    table->slots[slot] = NULL;
    loop->watches--;
    event_del(&watch->event);
    if (watch->is_queued)
        watch->is_dead = 1;
    else
        free(watch);
    return 1;
}

void via__watch_clear_all(via_loop *loop, struct via__watch_table *table)
{
    for (size_t slot = 0; slot < table->count; slot++)
        via__watch_clear(loop, table, slot);
    free(table->slots);
    *table = (struct via__watch_table){0};
}
