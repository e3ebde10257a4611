/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two loops, each in a thread of its own.  What they do is posted to them as items, whose choices say what.
 *
 * Everything here but loops_post() and loops_withdrawn() runs in the loop's thread, or before and after it.
 */
#include "stress.h"

#include <pthread.h>

enum { SLOTS = 64 };

struct loop_thread {
    via_loop *loop;
    pthread_t thread;
    atomic_ulong outstanding; /* posts that were accepted and are not retired */
    via_future *slots[SLOTS]; /* futures of the loop, to be cancelled or dropped */
};

static struct loop_thread threads[STRESS_LOOPS];

static void retire(struct item *item, int status)
{
    struct loop_thread *home = item->home;
    item_retire(item, status);
    /* Release: pairs with the acquire in end_when_idle(); the item's marks come before. */
    atomic_fetch_sub_explicit(&home->outstanding, 1, memory_order_release);
}

static int future_done(via_future *future, void *arg)
{
    struct item *item = arg;
    struct via_outcome outcome = {.status = 0};
    int rc = via_future_outcome(future, &outcome);
    /* The value of a wrapped future may have been taken by whoever had it made. */
    if (rc != 0 && rc != VIA_ETAKEN)
        complain("the outcome of a future that is done: %s", via_status_name(rc));
    item_mark(item, MARK_CALLBACK);
    retire(item, outcome.status);
    return 0;
}

/* Watches a future and keeps it where later choices find it; the one that was there is dropped. */
static void keep(struct item *item, via_future *future)
{
    via_future **slot = &item->home->slots[item->choice >> 20 & (SLOTS - 1)];
    item->callback_due = true;
    int rc = via_future_add_done_callback(future, future_done, item);
    if (rc != 0) {
        complain("adding a callback to a loop's future: %s", via_status_name(rc));
        item->callback_due = false;
        retire(item, 0);
    }
    via_future_unref(*slot);
    *slot = future;
}

static void run_call(struct item *item)
{
    via_executor *executor = place_get((unsigned)(item->choice >> 26) % STRESS_PLACES);
    struct via_call call = item_call(item, executor);
    keep(item, via_run_in_executor(item->home->loop, executor, &call));
    via_executor_unref(executor);
}

static int timer_due(void *arg)
{
    retire(arg, 0);
    return 0;
}

static void set_timer(struct item *item)
{
    via_handle *handle = NULL;
    int64_t delay_ns = (int64_t)(item->choice >> 20) % (300 * VIA_US);
    int rc = via_call_later(item->home->loop, delay_ns, timer_due, item, &handle);
    if (rc != 0) {
        complain("setting a timer: %s", via_status_name(rc));
        retire(item, 0);
        return;
    }
    if (item->choice >> 10 & 1 && via_handle_cancel(handle) == 1)
        retire(item, VIA_ECANCELED);
    via_handle_unref(handle);
}

static void cancel_kept(struct item *item)
{
    via_future *future = item->home->slots[item->choice >> 20 & (SLOTS - 1)];
    int rc = future ? via_future_cancel(future) : 0;
    expect_status("cancelling a loop's future", rc, 0, 0, 0, 0);
    retire(item, 0);
}

static void wrap_letter(struct item *item)
{
    struct letter letter = mail_swap((unsigned)(item->choice >> 26), (struct letter){NULL, NULL});
    if (!letter.cf) {
        retire(item, 0);
        return;
    }
    via_future *future = via_wrap_future(item->home->loop, letter.cf);
    if (item->choice >> 10 & 1)
        via_future_cancel(future);
    keep(item, future);
    mail_drop(letter);
}

static int settle(void *arg)
{
    struct item *item = arg;
    via_future *future = item->future;
    if (!via_future_done(future)) {
        item_mark(item, MARK_GAVE);
        int rc = via_future_set_result(future, item, item_release_result);
        if (rc != 0)
            complain("settling a loop's future: %s", via_status_name(rc));
    }
    via_future_unref(future);
    return 0;
}

/* A promise of the loop whose thread-safe side is mailed to whoever finds it. */
static void mail_promise(struct item *item)
{
    via_loop *loop = item->home->loop;
    struct letter letter = {NULL, NULL};
    via_future *future = via_future_new(loop);
    item->future = via_future_ref(future);
    int rc = via_future_cfuture(future, &letter.cf);
    if (rc != 0)
        complain("the thread-safe side of a future: %s", via_status_name(rc));
    mail_drop(mail_swap((unsigned)(item->choice >> 26), letter));
    keep(item, future);
    rc = via_call_soon(loop, settle, item, NULL);
    if (rc != 0)
        complain("call_soon: %s", via_status_name(rc));
}

static int run_post(void *arg)
{
    struct item *item = arg;
    item_mark(item, MARK_POSTED);
    switch (item->choice >> 40 & 7) {
    case 0:
    case 1:
    case 2:
        run_call(item);
        break;
    case 3:
        set_timer(item);
        break;
    case 4:
        cancel_kept(item);
        break;
    case 5:
        wrap_letter(item);
        break;
    case 6:
        mail_promise(item);
        break;
    default:
        retire(item, 0);
    }
    return 0;
}

int loops_post(unsigned number, struct item *item, via_handle **handle)
{
    item->home = &threads[number];
    /* Relaxed: the post itself orders it before whatever retires the item. */
    atomic_fetch_add_explicit(&item->home->outstanding, 1, memory_order_relaxed);
    int rc = via_call_soon_threadsafe(item->home->loop, run_post, item, handle);
    if (rc != 0)
        retire(item, rc);
    return rc;
}

void loops_withdrawn(struct item *item)
{
    if (atomic_load(&item->marks) & MARK_POSTED)
        complain("a post ran although its handle was cancelled");
    retire(item, VIA_ECANCELED);
}

static void *run_loop(void *arg)
{
    struct loop_thread *thread = arg;
    int rc = via_loop_run_forever(thread->loop);
    if (rc != 0)
        complain("run_forever returned %s", via_status_name(rc));
    return NULL;
}

int loops_init(void)
{
    for (int i = 0; i < STRESS_LOOPS; i++) {
        if (via_loop_new(&threads[i].loop) < 0 || via_loop_set_debug(threads[i].loop, i) < 0)
            return -1;
        if (pthread_create(&threads[i].thread, NULL, run_loop, &threads[i]))
            return -1;
    }
    return 0;
}

/* Comes again until everything that was posted is retired. */
static int end_when_idle(void *arg)
{
    struct loop_thread *thread = arg;
    for (int i = 0; i < SLOTS; i++)
        thread->slots[i] = via_future_unref(thread->slots[i]);
    /* Acquire: pairs with the release in retire(). */
    if (atomic_load_explicit(&thread->outstanding, memory_order_acquire) == 0)
        return via_loop_stop(thread->loop);
    return via_call_later(thread->loop, 100 * VIA_US, end_when_idle, thread, NULL);
}

void loops_fini(void)
{
    for (int i = 0; i < STRESS_LOOPS; i++) {
        if (via_call_soon_threadsafe(threads[i].loop, end_when_idle, &threads[i], NULL) != 0)
            complain("the last post to a loop failed");
        pthread_join(threads[i].thread, NULL);
        if (via_loop_close(threads[i].loop) != 0)
            complain("closing a loop failed");
        threads[i].loop = via_loop_unref(threads[i].loop);
    }
}
