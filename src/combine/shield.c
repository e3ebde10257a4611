/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shield: a future that can be cancelled without that which it stands for.
 *
 * It watches the inner future and takes what that gives.  Once it was cancelled it has nothing to do with the
 * inner future any more; an error of that one then has only its other holders to be looked at by, and is
 * reported when the last of them has gone, as any error is.  It holds a reference to itself until it is done.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "combine/combine.h"

struct shield {
    struct via__driven driven; // first: the block goes with its future
    struct via__future_callback callback;
    via_future *inner;
};

static struct shield *shield_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct shield, driven.pair.future);
}

static void release(struct shield *shield)
{
    via_future *inner = shield->inner;
    shield->inner = NULL;
    via__future_unwatch(inner, &shield->callback);
    via_future_unref(inner);
    via_future_unref(&shield->driven.pair.future);
}

// Takes what the inner future gives, the value with its destructor.
static int take(struct shield *shield, struct via_outcome *outcome)
{
    struct via__extra *extra = shield->driven.pair.cf.extra;
    int status = via_future_outcome(shield->inner, outcome);
    if (status == 0 && outcome->destroy)
        status = via_future_take(shield->inner, outcome);
    if (status < 0)
        return status;
    extra->destroy = outcome->destroy;
    extra->bytes = outcome->bytes;
    return outcome->status;
}

static int on_done(via_future *inner, void *arg)
{
    struct shield *shield = arg;
    via_future *future = &shield->driven.pair.future;
    struct via_outcome outcome = {.status = 0};
    if (inner->state == VIA_CANCELLED) {
        via__promise_cancel(future);
    } else {
        int status = take(shield, &outcome);
        char *message = outcome.message ? strdup(outcome.message) : NULL;
        via__promise_finish(future, status, outcome.code, status < 0 ? NULL : outcome.value, message);
    }
    release(shield);
    return 0;
}

static int cancel(via_future *future)
{
    struct shield *shield = shield_of(future);
    if (shield->inner->state != VIA_PENDING) {
        (void)on_done(shield->inner, shield); // it is only that nobody has said so yet
        return VIA_CANCEL_TOO_LATE;
    }
    via__promise_cancel(future);
    release(shield);
    return VIA_CANCEL_ABANDONED;
}

static void closed(via_future *future)
{
    release(shield_of(future));
}

static via_future *depends(via_future *future, size_t *at)
{
    return (*at)++ ? NULL : shield_of(future)->inner;
}

static via_future *new_shield(via_future *inner)
{
    static const struct via__driven_kind kind = {
        .what = "a shield", .cancel = cancel, .closed = closed, .depends = depends};
    struct via__bridge *bridge = via__future_bridge(inner);
    struct shield *shield = malloc(sizeof *shield);
    struct via__extra *extra = calloc(1, sizeof *extra);
    if (!shield || !extra) {
        free(shield);
        free(extra);
        return NULL;
    }
    via__driven_init(&shield->driven, bridge, &kind, 0);
    shield->driven.pair.cf.extra = extra;
    shield->inner = inner;
    shield->callback = (struct via__future_callback){.fn = on_done, .arg = shield};
    via__future_watch(inner, &shield->callback);
    return via_future_ref(&shield->driven.pair.future);
}

via_future *via_shield(via_future *inner)
{
    if (!inner)
        return via__future_failed(VIA_EINVAL);
    if (inner->state != VIA_PENDING)
        return inner;
    int status = via__loop_check(inner->loop);
    if (status == 0 && via__role.loop && via__role.loop != inner->loop)
        status = VIA_EFOREIGN;
    via_future *future = status == 0 ? new_shield(inner) : NULL;
    if (future)
        return future;
    via__items_refuse(&inner, 1);
    return via__future_failed(status < 0 ? status : VIA_ENOMEM);
}
