/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks of the loop's futures: always from the ready queue, in the order they were added. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "bridge/future.h"

static void call(via_loop *loop, via_future *future, via_future_fn fn, void *arg)
{
    via__loop_note_function(loop, (void *)(uintptr_t)fn);
    future->looked |= fn != via__stop_when_done;
    int status = fn(future, arg);
    if (status < 0)
        via__loop_report(loop, "a callback of a future failed", status, future, NULL);
}

static void run(via_loop *loop, struct via__ready *ready)
{
    via_future *future = VIA__CONTAINER_OF(ready, via_future, ready);
    via_future_fn fn = future->fn;
    void *arg = future->arg;
    struct via__future_callback *more = future->more;
    // What a callback adds is scheduled anew.
    future->fn = NULL;
    future->more = NULL;
    future->queued = 0;
    call(loop, future, fn, arg);
    while (more) {
        struct via__future_callback *next = more->next;
        // A callback that closed the loop was the last one.
        if (!loop->close_requested)
            call(loop, future, more->fn, more->arg);
        free(more);
        more = next;
    }
    via_future_unref(future);
}

static void drop(via_loop *loop, struct via__ready *ready)
{
    (void)loop;
    via_future *future = VIA__CONTAINER_OF(ready, via_future, ready);
    future->queued = 0;
    via_future_unref(future);
}

void via__future_schedule(via_future *future)
{
    static const struct via__ready_kind kind = {.run = run, .drop = drop};
    if (future->queued || via__future_bridge(future)->closed)
        return;
    future->queued = 1;
    future->refs++;
    future->ready.kind = &kind;
    via__loop_ready(future->loop, &future->ready);
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
    if (!future->fn) {
        future->fn = fn;
        future->arg = arg;
    } else {
        struct via__future_callback *callback = malloc(sizeof *callback), **at = &future->more;
        if (!callback)
            return VIA_ENOMEM;
        *callback = (struct via__future_callback){.fn = fn, .arg = arg};
        while (*at)
            at = &(*at)->next;
        *at = callback;
    }
    if (future->state != VIA_PENDING)
        via__future_schedule(future);
    return 0;
}

// The first callback of those in the list becomes the one without memory.
static void promote(via_future *future)
{
    struct via__future_callback *first = future->more;
    future->fn = first ? first->fn : NULL;
    future->arg = first ? first->arg : NULL;
    if (first)
        future->more = first->next;
    free(first);
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
        if (callback->fn == fn && callback->arg == arg) {
            *at = callback->next;
            free(callback);
            count++;
        } else {
            at = &callback->next;
        }
    }
    if (future->fn == fn && future->arg == arg) {
        promote(future);
        count++;
    }
    return count;
}
