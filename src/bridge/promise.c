/* SPDX-License-Identifier: BSD-3-Clause */
/* Promises: the loop's futures that the program, or a file of this layer, settles itself.  The design is at
   the head of future.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "bridge/future.h"

via_future *via__promise_new(struct via__bridge *bridge)
{
    struct via__pair *pair = via__slab_alloc(bridge->slab);
    if (!pair)
        return NULL;
    via__cf_init(&pair->cf, &bridge->owner, 1, VIA_RUNNING | VIA__OWNED | VIA__SLAB);
    via__future_init(&pair->future, bridge, &pair->cf, VIA__SORT_PROMISE);
    return &pair->future;
}

void via__pair_fail(struct via__pair *pair, int status)
{
    struct via__bridge *bridge = via__future_bridge(&pair->future);
    via__cf_init(&pair->cf, &bridge->owner, 1, VIA_RUNNING | VIA__OWNED | VIA__SLAB);
    pair->future.sort = VIA__SORT_PROMISE;
    via__promise_fail(&pair->future, status);
}

// In line: this is what most futures end with.
__attribute__((always_inline)) static inline void finish_private(via_future *future, int status, int code,
                                                                 void *value)
{
    via_cfuture *cf = future->cf;
    cf->status = status;
    cf->code = code;
    cf->value = value;
    via__cf_set_private(cf, VIA_FINISHED);
    via__future_settle(future, VIA_FINISHED);
}

// Both settle the loop's future first: callbacks of the concurrent one run here, may drop the loop's future,
// and must find that it is not pending any more.
void via__promise_finish(via_future *future, int status, int code, void *value, char *message)
{
    if (!message && via__cf_is_private(future->cf)) {
        finish_private(future, status, code, value);
        return;
    }
    via_cfuture *cf = via_cfuture_ref(future->cf);
    via__future_settle(future, VIA_FINISHED);
    via__cf_finish(cf, status, code, value, message);
}

void via__promise_cancel(via_future *future)
{
    if (via__cf_is_private(future->cf)) {
        via__cf_set_private(future->cf, VIA_CANCELLED);
        via__future_settle(future, VIA_CANCELLED);
        return;
    }
    via_cfuture *cf = via_cfuture_ref(future->cf);
    via__future_settle(future, VIA_CANCELLED);
    uint32_t before = via__cf_cancel_running(cf);
    if (before)
        via__cf_completed(cf, before);
    else
        via_cfuture_unref(cf);
}

via_future *via_future_new(via_loop *loop)
{
    int status = via__loop_check(loop);
    if (status < 0)
        return via__future_failed(status);
    struct via__bridge *bridge = via__bridge_of(loop);
    via_future *future = bridge ? via__promise_new(bridge) : NULL;
    return future ? future : via__future_failed(VIA_ENOMEM);
}

// What a promise must be to be settled by the program.
static int check_promise(const via_future *future)
{
    if (!future)
        return VIA_EINVAL;
    if (!future->loop)
        return VIA_ESTATE;
    int status = via__loop_check(future->loop);
    if (status < 0)
        return status;
    return future->sort == VIA__SORT_PROMISE && future->state == VIA_PENDING ? 0 : VIA_ESTATE;
}

int via_future_set_result(via_future *future, void *value, void (*destroy)(void *value))
{
    int status = check_promise(future);
    if (status < 0)
        return status;
    if (destroy) {
        future->cf->extra = calloc(1, sizeof *future->cf->extra);
        if (!future->cf->extra)
            return VIA_ENOMEM;
        future->cf->extra->destroy = destroy;
    }
    if (via__cf_is_private(future->cf))
        finish_private(future, 0, 0, value);
    else
        via__promise_finish(future, 0, 0, value, NULL);
    return 0;
}

int via_future_set_error(via_future *future, int status, int code, const char *message)
{
    int checked = future && status >= 0 ? VIA_EINVAL : check_promise(future);
    if (checked < 0)
        return checked;
    via__promise_finish(future, status, status == VIA_EFAILED ? code : 0, NULL,
                        message ? strdup(message) : NULL);
    return 0;
}
