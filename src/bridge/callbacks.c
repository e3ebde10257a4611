/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks of the loop's futures: always from the ready queue, in the order they were added. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "bridge/future.h"

// In line, where a task is resumed: see via__task_wait_inline().
__attribute__((always_inline)) static inline void call(via_loop *loop, via_future *future, via_future_fn fn,
                                                       void *arg, int is_quiet)
{
    via__loop_note_function(loop, (void *)(uintptr_t)fn);
    future->looked |= !is_quiet;
    int status = fn(future, arg);
    if (status < 0)
        via__loop_report(loop, "a callback of a future failed", status, future, NULL);
}

static void append(via_future *future, struct via__future_callback *callback)
{
    struct via__future_callback **at = &future->more;
    while (*at)
        at = &(*at)->next;
    callback->next = NULL;
    *at = callback;
}

// Takes the first one out of the list, with the memory that it is in.
static struct via__future_callback take_first(via_future *future)
{
    struct via__future_callback *first = future->more, callback = *first;
    future->more = callback.next;
    if (!callback.is_embedded)
        free(first);
    return callback;
}

// Calls those in the list, each taken out first, because one may take others off.  The mark is the end of
// those that were there in the beginning.  Gives back the reference of the ready queue: before the last one
// is called, if that is a task that goes on, so that the value is destroyed when the task says so.
static void call_more(via_loop *loop, via_future *future)
{
    struct via__future_callback mark = {.is_embedded = 1};
    int has_reference = 1;
    append(future, &mark);
    // A callback that closed the loop was the last one.
    while (has_reference && future->more != &mark && !loop->close_requested) {
        struct via__future_callback callback = take_first(future);
        if (callback.next == &mark && callback.is_embedded && future->refs > 1) {
            future->more = mark.next;
            has_reference = 0;
            via_future_unref(future);
        }
        call(loop, future, callback.fn, callback.arg, callback.is_quiet);
    }
    if (!has_reference)
        return;
    via__future_unwatch(future, &mark);
    if (loop->close_requested && future->more)
        via__future_schedule(future); // the closing tells those that are the library's
    via_future_unref(future);
}

// The same for one callback: a task that waits for the future, in most cases.
__attribute__((always_inline)) static inline void call_only(via_loop *loop, via_future *future)
{
    struct via__future_callback only = take_first(future);
    int has_reference = !only.is_embedded || future->refs == 1;
    if (!has_reference)
        via_future_unref(future);
    call(loop, future, only.fn, only.arg, only.is_quiet);
    if (has_reference)
        via_future_unref(future);
}

static void run(via_loop *loop, struct via__ready *ready)
{
    via_future *future = VIA__CONTAINER_OF(ready, via_future, ready);
    via_future_fn fn = future->fn;
    void *arg = future->arg;
    // What a callback adds is scheduled anew.
    future->fn = NULL;
    future->queued = 0;
    if (fn)
        call(loop, future, fn, arg, fn == via__stop_when_done);
    if (!future->more)
        via__future_drop_done(future);
    else if (!future->more->next && !loop->close_requested)
        call_only(loop, future);
    else
        call_more(loop, future);
}

static void drop(via_loop *loop, struct via__ready *ready)
{
    (void)loop;
    via_future *future = VIA__CONTAINER_OF(ready, via_future, ready);
    future->queued = 0;
    via_future_unref(future);
}

static const struct via__ready_kind kind = {.run = run, .drop = drop};
// Callbacks of the library's own, which resume tasks.
static const struct via__ready_kind prompt = {.run = run, .drop = drop, .prompt = 1};

via_future *via__future_of_ready(struct via__ready *node)
{
    int is_future = node->kind == &kind || node->kind == &prompt;
    return is_future ? VIA__CONTAINER_OF(node, via_future, ready) : NULL;
}

void via__future_schedule(via_future *future)
{
    const struct via__future_callback *only = future->more;
    if (future->queued || via__future_bridge(future)->closed)
        return;
    if (!future->fn && !only->next && only->stead) {
        future->more = NULL;
        via__loop_ready(future->loop, only->stead);
        return;
    }
    future->queued = 1;
    future->refs++;
    future->ready.kind = !future->fn && future->more->is_embedded ? &prompt : &kind;
    via__loop_ready(future->loop, &future->ready);
}

void via__future_watch_too(via_future *future, struct via__future_callback *callback)
{
    append(future, callback);
    if (future->state != VIA_PENDING)
        via__future_schedule(future);
}

void via__future_unwatch(via_future *future, const struct via__future_callback *callback)
{
    struct via__future_callback **at = &future->more;
    while (*at && *at != callback)
        at = &(*at)->next;
    if (*at)
        *at = callback->next;
}

size_t via__future_tell_watchers(via_future *future)
{
    size_t told = 0;
    struct via__future_callback **at = &future->more;
    while (*at) {
        struct via__future_callback callback = **at;
        if (!callback.is_embedded) {
            at = &(*at)->next;
            continue;
        }
        *at = callback.next;
        call(future->loop, future, callback.fn, callback.arg, callback.is_quiet);
        told++;
        at = &future->more; // it may have taken others off
    }
    return told;
}

int via__future_is_watched(const via_future *future)
{
    const struct via__future_callback *callback = future->more;
    while (callback && !callback->is_embedded)
        callback = callback->next;
    return callback != NULL;
}

static int check(const via_future *future, via_future_fn fn)
{
    struct via_outcome outcome;
    if (!future || !fn)
        return VIA_EINVAL;
    if (future->loop)
        return via__loop_check(future->loop);
    via_future_outcome((via_future *)future, &outcome); // it only reads
    return outcome.status;
}

int via_future_add_done_callback(via_future *future, via_future_fn fn, void *arg)
{
    int status = check(future, fn);
    if (status < 0)
        return status;
    if (!future->fn && !future->more) {
        future->fn = fn;
        future->arg = arg;
    } else {
        struct via__future_callback *callback = malloc(sizeof *callback);
        if (!callback)
            return VIA_ENOMEM;
        *callback =
            (struct via__future_callback){.fn = fn, .arg = arg, .is_quiet = fn == via__stop_when_done};
        append(future, callback);
    }
    if (future->state != VIA_PENDING)
        via__future_schedule(future);
    return 0;
}

int via_future_remove_done_callback(via_future *future, via_future_fn fn, void *arg)
{
    int count = 0, status = check(future, fn);
    if (future && fn && !future->loop)
        return 0;
    if (status < 0)
        return status;
    if (future->state != VIA_PENDING)
        return 0;
    struct via__future_callback **at = &future->more;
    while (*at) {
        struct via__future_callback *callback = *at;
        if (callback->fn == fn && callback->arg == arg && !callback->is_embedded) {
            *at = callback->next;
            free(callback);
            count++;
        } else {
            at = &callback->next;
        }
    }
    if (future->fn == fn && future->arg == arg) {
        future->fn = NULL; // the next one added takes the place only when there are no others
        count++;
    }
    return count;
}
