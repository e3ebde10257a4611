/* SPDX-License-Identifier: BSD-3-Clause */
/* Gather.  The design is at the head of gather.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "combine/gather.h"

static void advance(struct via__gather *gather);

static struct via__gather *gather_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct via__gather, driven.pair.future);
}

static via_future *future_of(struct via__gather *gather)
{
    return &gather->driven.pair.future;
}

// ---- the children ----

// Keeps the first error, but one of a child's own rather than that a child was cancelled.
static void note_error(struct via__gather *gather, int status, const struct via_outcome *outcome)
{
    gather->failed = 1;
    if (gather->flags & VIA_GATHER_RETURN_ERRORS || (gather->status < 0 && gather->status != VIA_EABORTED))
        return;
    gather->aborted |= status == VIA_EABORTED;
    gather->status = status;
    gather->code = outcome->code;
    free(gather->message);
    gather->message = outcome->message ? strdup(outcome->message) : NULL;
}

static void note_done(struct via__gather *gather, struct via__item *item)
{
    struct via_outcome outcome = {.status = 0};
    item->called = 1;
    int status = via__outcome_look(item->future, &outcome);
    if (status < 0)
        note_error(gather, status, &outcome);
}

static int on_child(via_future *child, void *arg)
{
    struct via__item *item = arg;
    struct via__gather *gather = item->owner;
    (void)child;
    gather->pending--;
    note_done(gather, item);
    advance(gather);
    return 0;
}

static int borrows(const via_future *child)
{
    return child->arg_borrowed && (child->in_flight || child->sort == VIA__SORT_DRIVEN);
}

static void watch_child(struct via__gather *gather, struct via__item *item)
{
    if (item->future->state != VIA_PENDING) {
        note_done(gather, item);
        return;
    }
    gather->pending++;
    // A task that awaits the gather comes back only when nobody uses what is on its stack.
    future_of(gather)->arg_borrowed |= borrows(item->future) != 0;
    via__item_watch(item, on_child, gather);
}

// After an error that counts no child is begun any more.
static void begin_children(struct via__gather *gather)
{
    while (gather->status == 0 && gather->begun < gather->to_begin && gather->pending < gather->limit) {
        struct via__item *item = &gather->items[gather->begun++];
        item->future = via_create_task_with(future_of(gather)->loop, gather->fn, item->arg, &gather->child);
        watch_child(gather, item);
    }
}

static int is_pending(const struct via__gather *gather, size_t at)
{
    const via_future *child = gather->items[at].future;
    return via__item_is_first(gather->items, at) && child && child->state == VIA_PENDING;
}

static int has_pending(const struct via__gather *gather)
{
    size_t at = 0;
    while (at < gather->begun && !is_pending(gather, at))
        at++;
    return at < gather->begun;
}

// The gathers of this thread whose children are being asked to stop, the innermost first.
static _Thread_local struct via__gather *telling;

// Asks one child of the innermost one, which goes to the others that have asked theirs when it is through.
static void tell_next(struct via__gather **told)
{
    struct via__gather *gather = telling;
    if (gather->told < gather->begun) {
        size_t at = gather->told++;
        if (is_pending(gather, at))
            (void)via__future_cancel(gather->items[at].future);
    } else {
        telling = gather->next_telling;
        gather->next_telling = *told;
        *told = gather;
    }
}

// Asks the children that are not done to stop.  What a child waits for may be a gather again, and so on: one
// that is asked meanwhile is put on top of a list, not of the stack, and only once.
static void tell_children(struct via__gather *gather)
{
    struct via__gather *told = NULL, *outer = telling;
    if (gather->telling)
        return;
    gather->telling = 1;
    gather->told = 0;
    gather->next_telling = outer;
    // What is cancelled may run code of the program, which may drop its reference.
    via_future_ref(future_of(gather));
    telling = gather;
    while (!outer && telling)
        tell_next(&told);
    for (struct via__gather *next; told; told = next) {
        next = told->next_telling;
        told->telling = 0;
        via_future_unref(future_of(told));
    }
}

static void release_child(struct via__item *item)
{
    via_future *child = item->future;
    item->future = NULL;
    if (!child->loop)
        return;
    if (!item->called)
        via__future_unwatch(child, &item->callback);
    child->looked = 1;
    via_future_unref(child);
}

static void release_children(struct via__gather *gather)
{
    for (size_t i = 0; i < gather->begun; i++)
        if (via__item_is_first(gather->items, i) && gather->items[i].future)
            release_child(&gather->items[i]);
}

// ---- the end ----

// Those of children that will never be.
static void release_args(struct via__gather *gather)
{
    while (gather->child.destroy && gather->begun < gather->count)
        gather->child.destroy(gather->items[--gather->count].arg);
}

static void release(struct via__gather *gather)
{
    release_children(gather);
    release_args(gather);
    if (gather->outcomes)
        via__outcomes_destroy(gather->outcomes->at);
    gather->outcomes = NULL;
    via_future_unref(future_of(gather));
}

static void fail(struct via__gather *gather)
{
    char *message = gather->message;
    gather->message = NULL;
    if (gather->aborted && !gather->asked) {
        gather->status = VIA_EABORTED; // that was the first error
        free(message);
        message = NULL;
    }
    via__promise_finish(future_of(gather), gather->status, gather->status == VIA_EFAILED ? gather->code : 0,
                        NULL, message);
    release(gather);
}

// An error of a child's own is told even then; that a child was stopped is not.
static void stop(struct via__gather *gather)
{
    if (gather->status < 0 && gather->status != VIA_EABORTED) {
        fail(gather);
        return;
    }
    free(gather->message);
    gather->message = NULL;
    via__promise_cancel(future_of(gather));
    release(gather);
}

// Takes what the children give.  0, or VIA_ETAKEN if somebody else was faster and errors are not wanted.
static int collect(struct via__gather *gather)
{
    int status = 0;
    for (size_t i = 0; i < gather->count; i++) {
        if (via__item_is_first(gather->items, i))
            via__outcomes_take(gather->outcomes, i, gather->items[i].future);
        else
            via__outcomes_share(gather->outcomes, i, gather->items[i].first);
        if (gather->outcomes->at[i].status < 0 && !(gather->flags & VIA_GATHER_RETURN_ERRORS))
            status = gather->outcomes->at[i].status;
    }
    return status;
}

static void complete(struct via__gather *gather)
{
    gather->status = collect(gather);
    if (gather->status < 0) {
        fail(gather);
        return;
    }
    void *value = gather->outcomes->at;
    gather->outcomes = NULL;
    via__promise_finish(future_of(gather), 0, 0, value, NULL);
    release(gather);
}

static void drain(struct via__gather *gather)
{
    if (gather->draining)
        return;
    gather->draining = 1;
    gather->to_begin = gather->begun;
    tell_children(gather);
}

// Goes on after something has changed, to the end if that has come.
static void advance(struct via__gather *gather)
{
    begin_children(gather);
    if (gather->status < 0 && !gather->asked) {
        if (!(gather->flags & VIA_GATHER_DRAIN)) {
            fail(gather);
            return;
        }
        drain(gather);
    }
    if (gather->pending)
        return;
    if (gather->asked && gather->failed)
        stop(gather);
    else if (gather->status < 0)
        fail(gather);
    else
        complete(gather);
}

// ---- the kind ----

static int cancel(via_future *future)
{
    struct via__gather *gather = gather_of(future);
    int has_more = gather->begun < gather->to_begin;
    if (!has_more && !has_pending(gather))
        return VIA_CANCEL_TOO_LATE;
    gather->to_begin = gather->begun;
    gather->failed |= has_more;
    gather->asked = 1;
    tell_children(gather);
    return VIA_CANCEL_REQUESTED;
}

static void closed(via_future *future)
{
    struct via__gather *gather = gather_of(future);
    free(gather->message);
    gather->message = NULL;
    release(gather);
}

static via_future *depends(via_future *future, size_t *at)
{
    struct via__gather *gather = gather_of(future);
    return via__items_next_pending(gather->items, gather->begun, at);
}

static const struct via__driven_kind kind = {
    .what = "a gather", .cancel = cancel, .closed = closed, .depends = depends};

// ---- how it begins ----

struct via__gather *via__gather_alloc(size_t count)
{
    struct via__gather *gather = malloc(sizeof *gather + count * sizeof gather->items[0]);
    struct via__outcomes *outcomes = gather ? via__outcomes_new(count) : NULL;
    if (!outcomes) {
        free(gather);
        return NULL;
    }
    const size_t head = offsetof(struct via__gather, outcomes);
    memset((char *)gather + head, 0, sizeof *gather - head);
    gather->outcomes = outcomes;
    gather->count = count;
    gather->limit = SIZE_MAX;
    return gather;
}

void via__gather_free(struct via__gather *gather)
{
    if (gather)
        via__outcomes_destroy(gather->outcomes->at);
    free(gather);
}

via_future *via__gather_begin(struct via__gather *gather, struct via__bridge *bridge, unsigned flags)
{
    struct via__extra *extra = calloc(1, sizeof *extra);
    if (!extra)
        return NULL;
    extra->destroy = via__outcomes_destroy;
    gather->flags = flags;
    via__driven_init(&gather->driven, bridge, &kind, 0);
    gather->driven.pair.cf.extra = extra;
    via_future_ref(future_of(gather)); // its own, until it is done
    for (size_t i = 0; i < gather->begun; i++)
        if (via__item_is_first(gather->items, i))
            watch_child(gather, &gather->items[i]);
    advance(gather);
    return future_of(gather);
}

static int begin(via_future *const *futures, size_t count, unsigned flags, via_future **future)
{
    via_loop *loop;
    size_t different;
    int status = via__gather_knows(flags) ? via__items_check(futures, count, &loop) : VIA_EINVAL;
    if (status == 0)
        status = loop ? via__loop_check(loop) : VIA_ESTATE;
    if (status < 0)
        return status;
    struct via__bridge *bridge = via__bridge_of(loop);
    struct via__gather *gather = bridge ? via__gather_alloc(count) : NULL;
    if (gather && via__items_fill(gather->items, futures, count, &different) == 0) {
        gather->begun = gather->to_begin = count;
        *future = via__gather_begin(gather, bridge, flags);
        if (*future)
            return 0;
    }
    via__gather_free(gather);
    return VIA_ENOMEM;
}

via_future *via_gather(via_future *const *futures, size_t count, unsigned flags)
{
    via_future *future;
    int status = begin(futures, count, flags, &future);
    if (status == 0)
        return future;
    via__items_refuse(futures, count);
    return via__future_failed(status);
}
