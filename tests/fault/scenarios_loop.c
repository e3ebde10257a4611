/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios of a loop alone: opening, attaching, posts, timers. */
#include "scenario.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

enum { TIMERS = 100, POSTERS = 2, POSTS = 50, POST_ATTEMPTS = 3 };

/* A byte waits in the pipe, so the reader is due in the first tick that watches it. */
static int read_byte(void *arg)
{
    int *fd = arg;
    char byte;
    ssize_t got = read(*fd, &byte, 1);
    FAULT_CHECK(got == 1 || fault_injected());
    return 0;
}

static void use_loop(via_loop *loop, int fd, struct item *item)
{
    via_handle *handle = NULL;
    if (FAULT_WORKED(via_call_soon(loop, item_called, item, &handle)))
        item->callbacks_due++;
    if (FAULT_WORKED(via_call_soon(loop, item_called, item, NULL)))
        item->callbacks_due++;
    if (handle)
        item->callbacks_due -= via_handle_cancel(handle) == 1;
    via_handle_unref(handle);
    FAULT_WORKED(via_loop_add_reader(loop, fd, read_byte, &fd));
    FAULT_WORKED(via_loop_add_signal_handler(loop, SIGUSR1, item_called, item));
    bool held = FAULT_WORKED(via_loop_hold(loop));
    FAULT_WORKED(via_loop_step(loop, 0));
    loop_settle(loop);
    if (held)
        FAULT_CHECK(via_loop_release(loop) == 0);
    FAULT_CHECK(via_loop_remove_reader(loop, fd) >= 0);
}

static void run_open_close(void)
{
    struct item item;
    int fds[2];
    items_reset(&item, 1);
    fault_own_pipe(fds);
    fault_pause();
    FAULT_CHECK(write(fds[1], "x", 1) == 1);
    fault_resume();
    via_loop *loop = loop_open();
    if (loop) {
        use_loop(loop, fds[0], &item);
        loop_shut(loop);
    }
    close(fds[0]);
    close(fds[1]);
    items_check(&item, 1);
}

/* The base is the program's, so making and freeing it is not part of the scenario. */
static struct event_base *own_base(const char *avoided)
{
    fault_pause();
    struct event_config *config = event_config_new();
    if (avoided)
        event_config_avoid_method(config, avoided);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    fault_resume();
    if (!base)
        abort();
    return base;
}

static int close_own_loop(void *arg)
{
    via_loop *loop = arg;
    FAULT_CHECK(via_loop_close(loop) == 0);
    return 0;
}

/* The base runs until nothing of the loop is outstanding; an interrupted poll is no reason to end. */
static void dispatch(struct event_base *base)
{
    int rc = event_base_dispatch(base);
    FAULT_CHECK(rc >= 0 || fault_injected());
}

static void use_attached(struct event_base *base, via_loop *loop, struct item *item, bool close_inside)
{
    if (FAULT_WORKED(via_call_soon(loop, item_called, item, NULL)))
        item->callbacks_due++;
    if (FAULT_WORKED(via_call_later(loop, 50 * VIA_US, item_called, item, NULL)))
        item->callbacks_due++;
    dispatch(base);
    /* What could not be run because a fault ended the dispatch runs once there are no more faults. */
    if (fault_injected()) {
        fault_disarm();
        dispatch(base);
    }
    if (close_inside && FAULT_WORKED(via_call_soon(loop, close_own_loop, loop, NULL)))
        dispatch(base);
}

static void attach_to(const char *avoided, bool close_inside)
{
    struct item item;
    via_loop *loop = NULL;
    items_reset(&item, 1);
    struct event_base *base = own_base(avoided);
    if (FAULT_WORKED(via_loop_attach(base, &loop))) {
        use_attached(base, loop, &item, close_inside);
        loop_shut(loop);
    }
    event_base_free(base);
    items_check(&item, 1);
}

static void run_attach(void)
{
    attach_to(NULL, false);
}

static void run_attach_poll(void)
{
    attach_to("epoll", true);
}

/* What the posting threads share with the loop's. */
struct posts {
    via_loop *loop;
    struct item items[POSTERS][POSTS];
    struct item *next[POSTERS]; /* the item that the poster posts */
    int finished;               /* posters whose last post has run; the loop's thread's */
};

struct poster {
    struct posts *posts;
    int number;
};

static int poster_finished(void *arg)
{
    ((struct posts *)arg)->finished++;
    return 0;
}

/* The last post must come through, or nobody knows that the poster is done. */
static void post_last(struct posts *posts)
{
    for (int attempt = 0; attempt < POST_ATTEMPTS; attempt++) {
        if (FAULT_WORKED(via_call_soon_threadsafe(posts->loop, poster_finished, posts, NULL)))
            return;
        fault_disarm();
    }
    FAULT_CHECK(!"the last post came through");
}

static void *run_poster(void *arg)
{
    struct poster *poster = arg;
    struct posts *posts = poster->posts;
    bool held = FAULT_WORKED(via_loop_hold(posts->loop));
    for (int i = 0; i < POSTS; i++) {
        struct item *item = &posts->items[poster->number][i];
        if (FAULT_WORKED(via_call_soon_threadsafe(posts->loop, item_called, item, NULL)))
            item->callbacks_due = 1;
    }
    post_last(posts);
    if (held)
        FAULT_CHECK(via_loop_release(posts->loop) == 0);
    return NULL;
}

static void run_posts(void)
{
    static struct posts posts;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    via_loop *loop = loop_open();
    if (!loop)
        return;
    posts = (struct posts){.loop = loop};
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.posts = &posts, .number = i};
        threads[i] = fault_own_thread(run_poster, &posters[i]);
    }
    while (posts.finished < POSTERS)
        if (!FAULT_WORKED(via_loop_step(loop, VIA_S)))
            fault_disarm();
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    loop_shut(loop);
    items_check(&posts.items[0][0], (size_t)POSTERS * POSTS);
}

/* Every third timer is cancelled.  The clock is virtual, so a hundred of them take no time. */
static void set_timers(via_loop *loop, struct item *items)
{
    for (int i = 0; i < TIMERS; i++) {
        via_handle *handle = NULL;
        via_handle **wanted = i % 3 ? NULL : &handle;
        if (FAULT_WORKED(via_call_later(loop, (i * 37 % TIMERS) * VIA_MS, item_called, &items[i], wanted)))
            items[i].callbacks_due = 1;
        if (handle && via_handle_cancel(handle) == 1)
            items[i].callbacks_due = 0;
        via_handle_unref(handle);
    }
}

static size_t timers_left(via_loop *loop)
{
    struct via_loop_stats stats = {.timers = 0};
    FAULT_CHECK(via_loop_stats(loop, &stats) == 0);
    return stats.timers + stats.ready;
}

static void run_timers(void)
{
    static struct item items[TIMERS];
    struct via_loop_options options;
    via_loop *loop = NULL;
    items_reset(items, TIMERS);
    via_loop_options_init(&options);
    options.virtual_clock = 1;
    if (!FAULT_WORKED(via_loop_new_with(&options, &loop)))
        return;
    set_timers(loop, items);
    while (timers_left(loop))
        if (!FAULT_WORKED(via_loop_step(loop, VIA_S)))
            fault_disarm();
    loop_shut(loop);
    items_check(items, TIMERS);
}

const struct fault_scenario loop_scenarios[] = {
    {"loop open and close", run_open_close, false, false},
    {"attach to a base of the program's", run_attach, false, false},
    {"attach to a base without epoll", run_attach_poll, false, false},
    {"posts of two threads", run_posts, false, false},
    {"a hundred timers", run_timers, false, false},
    {NULL, NULL, false, false},
};
