/* SPDX-License-Identifier: BSD-3-Clause */
/* What the layers above give futures with: driven futures, and callbacks that are embedded. */
#include "unit/bridge/bridge_fixture.h"

#include <config.h>

#include "bridge/future.h"

/* A driven future that counts what it is asked. */
struct probe {
    struct via__driven driven;
    int cancels, closes, *finis;
    int keeps; /* it does not end when it is cancelled */
};

static struct probe *probe_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct probe, driven.pair.future);
}

static int cancel_probe(via_future *future)
{
    struct probe *probe = probe_of(future);
    probe->cancels++;
    if (probe->keeps)
        return VIA_CANCEL_REQUESTED;
    via__promise_cancel(future);
    via_future_unref(future);
    return VIA_CANCEL_NEVER_RAN;
}

static void close_probe(via_future *future)
{
    probe_of(future)->closes++;
    via_future_unref(future); // the producer's
}

static void fini_probe(via_future *future)
{
    ++*probe_of(future)->finis;
}

static const struct via__driven_kind probe_kind = {
    .what = "a probe", .cancel = cancel_probe, .closed = close_probe, .fini = fini_probe};

/* With one reference for the caller and one for the producer. */
static via_future *new_probe(via_loop *loop, int *finis)
{
    struct via__bridge *bridge = via__bridge_of(loop);
    struct probe *probe = calloc(1, sizeof *probe);
    ck_assert_ptr_nonnull(bridge);
    ck_assert_ptr_nonnull(probe);
    via__driven_init(&probe->driven, bridge, &probe_kind, 0);
    probe->finis = finis;
    return via_future_ref(&probe->driven.pair.future);
}

static void settle_probe(via_future *future, void *value)
{
    via__promise_finish(future, 0, 0, value, NULL);
    via_future_unref(future);
}

TEST(it_is_settled_by_its_producer_and_by_nobody_else)
{
    via_loop *loop = open_loop();
    int finis = 0;
    void *value = NULL;
    via_future *future = new_probe(loop, &finis);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_set_error(future, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    settle_probe(future, &finis);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &finis);
    ck_assert_int_eq(finis, 0);
    via_future_unref(future);
    ck_assert_int_eq(finis, 1);
    close_loop(loop);
}

TEST(its_producer_is_asked_to_cancel_and_says_when)
{
    via_loop *loop = open_loop();
    int finis = 0;
    via_future *future = new_probe(loop, &finis);
    probe_of(future)->keeps = 1;
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(probe_of(future)->cancels, 2);
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    probe_of(future)->keeps = 0;
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(probe_of(future)->cancels, 3);
    via_future_unref(future);
    ck_assert_int_eq(finis, 1);
    close_loop(loop);
}

static void *cancel_in_thread(void *cf)
{
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    return NULL;
}

TEST(another_threads_request_comes_to_its_producer)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_cfuture *cf = NULL;
    int finis = 0;
    via_future *future = new_probe(loop, &finis);
    ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
    via_test_thread_start(&thread, cancel_in_thread, cf);
    finish(loop, future);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    via_future_unref(future);
    ck_assert_int_eq(finis, 1);
    via_cfuture_unref(cf);
    close_loop(loop);
}

static void *wait_in_thread(void *cf)
{
    ck_assert_int_eq(via_cfuture_result(cf, via_test_bound_ns(), NULL), VIA_ECLOSED);
    return NULL;
}

TEST(a_loop_that_closes_tells_the_producer_and_releases_threads)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_cfuture *cf = NULL;
    int finis = 0;
    via_future *future = new_probe(loop, &finis), *dropped = new_probe(loop, &finis);
    via_future_unref(dropped);
    ck_assert_int_eq(via_future_cfuture(future, &cf), 0);
    via_test_thread_start(&thread, wait_in_thread, cf);
    close_loop(loop);
    via_test_thread_join(&thread);
    ck_assert_int_eq(finis, 1);
    ck_assert_int_eq(probe_of(future)->closes, 1);
    via_future_unref(future);
    ck_assert_int_eq(finis, 2);
    via_cfuture_unref(cf);
}

/* Embedded callbacks. */

struct watcher {
    struct via__future_callback callback;
    const char *word;
    struct watcher *other; /* to be taken off when this one is called */
    via_future *awaited;   /* its reference, given back when it is called */
};

static int say_watched(via_future *future, void *arg)
{
    struct watcher *watcher = arg;
    ck_assert_int_eq(via_future_done(future), 1);
    via_test_record(&history, "%s", watcher->word);
    if (watcher->other)
        via__future_unwatch(future, &watcher->other->callback);
    if (watcher->awaited)
        watcher->awaited = via_future_unref(watcher->awaited);
    return 0;
}

static void watch(via_future *future, struct watcher *watcher, const char *word)
{
    *watcher = (struct watcher){.callback = {.fn = say_watched, .arg = watcher}, .word = word};
    via__future_watch(future, &watcher->callback);
}

TEST(embedded_callbacks_and_others_are_called_in_the_order_they_were_added)
{
    via_loop *loop = open_loop();
    struct watcher a, b, late;
    via_future *future = via_future_new(loop);
    watch(future, &a, "a");
    when_done(future, "other");
    watch(future, &b, "b");
    when_done(future, "last");
    ck_assert_int_eq(via__future_is_watched(future), 1);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ASSERT_RECORD(&history, "");
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "a other b last");
    ck_assert_int_eq(via__future_is_watched(future), 0);
    watch(future, &late, "late"); // of one that is done: not at once
    ASSERT_RECORD(&history, "a other b last");
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "a other b last late");
    via_future_unref(future);
    close_loop(loop);
}

TEST(one_that_was_taken_off_is_not_called)
{
    via_loop *loop = open_loop();
    struct watcher a, b, c;
    via_future *future = via_future_new(loop);
    watch(future, &a, "a");
    watch(future, &b, "b");
    watch(future, &c, "c");
    via__future_unwatch(future, &a.callback);
    b.other = &c;
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    RUN_TICKS(loop, 2);
    via__future_unwatch(future, &b.callback); // it has been called
    ASSERT_RECORD(&history, "b");
    via_future_unref(future);
    close_loop(loop);
}

TEST(the_program_cannot_remove_an_embedded_callback)
{
    via_loop *loop = open_loop();
    struct watcher a;
    via_future *future = via_future_new(loop);
    watch(future, &a, "a");
    ck_assert_int_eq(via_future_remove_done_callback(future, say_watched, &a), 0);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "a");
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_value_is_destroyed_when_its_only_watcher_lets_go_of_it)
{
    via_loop *loop = open_loop();
    struct watcher a, b;
    struct via_test_counted value = {.value = 0};
    via_future *future = via_future_new(loop);
    watch(future, &b, "b");
    watch(future, &a, "a");
    a.awaited = future;
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "b a");
    ck_assert_ptr_null(a.awaited);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    close_loop(loop);
}

static int look_destroyed(via_future *future, void *arg)
{
    struct watcher *watcher = arg;
    struct via_outcome outcome;
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    via_future_unref(future);
    ck_assert_int_eq(via_test_destroyed(outcome.value), 1);
    via_test_record(&history, "%s", watcher->word);
    return 0;
}

TEST(the_reference_of_a_watcher_may_be_the_last_while_it_is_called)
{
    via_loop *loop = open_loop();
    struct watcher a = {.word = "destroyed"};
    struct via_test_counted value = {.value = 0};
    via_future *future = via_future_new(loop);
    a.callback = (struct via__future_callback){.fn = look_destroyed, .arg = &a};
    via__future_watch(future, &a.callback);
    ck_assert_int_eq(via_future_set_result(future, &value, via_test_counted_destroy), 0);
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "destroyed");
    close_loop(loop);
}

TEST(watchers_can_be_told_apart_from_the_programs_callbacks)
{
    via_loop *loop = open_loop();
    struct watcher a, b;
    via_future *future = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    watch(future, &a, "a");
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    watch(future, &b, "b");
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ck_assert_uint_eq(via__future_tell_watchers(future), 2);
    ASSERT_RECORD(&history, "a b");
    ck_assert_uint_eq(via__future_tell_watchers(future), 0);
    close_loop(loop);
    via_future_unref(future);
}

TEST(watchers_of_a_closed_loop_are_dropped)
{
    via_loop *loop = open_loop();
    struct watcher a, b;
    via_future *done = via_future_new(loop), *pending = via_future_new(loop);
    watch(done, &a, "a");
    watch(pending, &b, "b");
    ck_assert_int_eq(via_future_set_result(done, NULL, NULL), 0);
    close_loop(loop);
    ASSERT_RECORD(&history, "");
    via_future_unref(done);
    via_future_unref(pending);
}

TEST_MAIN("bridge/driven", it_is_settled_by_its_producer_and_by_nobody_else,
          its_producer_is_asked_to_cancel_and_says_when, another_threads_request_comes_to_its_producer,
          a_loop_that_closes_tells_the_producer_and_releases_threads,
          embedded_callbacks_and_others_are_called_in_the_order_they_were_added,
          one_that_was_taken_off_is_not_called, the_program_cannot_remove_an_embedded_callback,
          a_value_is_destroyed_when_its_only_watcher_lets_go_of_it,
          the_reference_of_a_watcher_may_be_the_last_while_it_is_called,
          watchers_can_be_told_apart_from_the_programs_callbacks, watchers_of_a_closed_loop_are_dropped)
