/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop's face of a concurrent future from elsewhere, and the way back.
 *
 * A wrap's memory has two parts that end apart: the future, in the loop's thread, and the watch, which ends
 * when its completion has arrived, was dropped, or found the loop closed.  The last one frees it.
 */
#include <config.h>

#include <stdlib.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>

#include "bridge/future.h"

struct wrap {
    via_future future; // first
    struct via__watch watch;
    struct via__post post;
    struct via__bridge *bridge;
    via_cfuture *cf; // the watch's reference
    _Atomic int parts;
};

static void part_ends(struct wrap *wrap)
{
    // Release, for the thread that will free; acquire, for the case that it is this one.
    if (atomic_fetch_sub_explicit(&wrap->parts, 1, memory_order_acq_rel) == 1)
        free(wrap);
}

static void watch_ends(struct wrap *wrap)
{
    via_cfuture_unref(wrap->cf);
    part_ends(wrap);
}

void via__wrap_free(via_future *future)
{
    via_cfuture_unref(future->cf);
    part_ends((struct wrap *)future);
}

static void arrive(via_loop *loop, struct via__post *post)
{
    struct wrap *wrap = VIA__CONTAINER_OF(post, struct wrap, post);
    (void)loop;
    via__future_settle(&wrap->future, (int)(via__cf_state(wrap->cf) & VIA__STATE_MASK));
    via__future_land(&wrap->future);
    watch_ends(wrap);
}

static void drop(via_loop *loop, struct via__post *post)
{
    struct wrap *wrap = VIA__CONTAINER_OF(post, struct wrap, post);
    struct via__bridge *bridge = loop->bridge;
    via__future_forget_flight(&wrap->future);
    watch_ends(wrap);
    via__bridge_die(bridge);
}

// In the completing thread.  After a successful post the wrap may be gone.
static int fire(struct via__watch *watch, via_cfuture *cf)
{
    struct wrap *wrap = VIA__CONTAINER_OF(watch, struct wrap, watch);
    struct via__bridge *bridge = wrap->bridge;
    (void)cf;
    if (via__loop_post(bridge->loop, &wrap->post) == 0)
        return 0;
    watch_ends(wrap);
    via__bridge_die(bridge);
    return 0;
}

void via__wrap_detach(via_future *future)
{
    struct wrap *wrap = (struct wrap *)future;
    struct via__bridge *bridge = wrap->bridge;
    if (via__cf_unwatch(wrap->cf, &wrap->watch)) {
        watch_ends(wrap);
        via__bridge_die(bridge);
    }
}

static via_future *own_face(struct via__bridge *bridge, via_cfuture *cf)
{
    // Relaxed: the flag is there from birth.  A promise of this loop has its face beside it.
    uint32_t state = atomic_load_explicit(&cf->state, memory_order_relaxed);
    if (!(state & VIA__SLAB) || state & VIA__JOB || cf->owner != &bridge->owner)
        return NULL;
    via_future *future = &VIA__CONTAINER_OF(cf, struct via__pair, cf)->future;
    return future->refs ? future : NULL;
}

via_future *via_wrap_future(via_loop *loop, via_cfuture *cf)
{
    static const struct via__post_kind kind = {.arrive = arrive, .drop = drop};
    int status = !cf ? VIA_EINVAL : via__loop_check(loop);
    if (status == 0 && via__cf_forked(cf))
        status = VIA_EFORKED;
    struct via__bridge *bridge = status == 0 ? via__bridge_of(loop) : NULL;
    if (!bridge)
        return via__future_failed(status < 0 ? status : VIA_ENOMEM);
    via_future *face = own_face(bridge, cf);
    if (face)
        return via_future_ref(face);
    struct wrap *wrap = malloc(sizeof *wrap);
    if (!wrap)
        return via__future_failed(VIA_ENOMEM);
    *wrap = (struct wrap){.watch = {.fn = fire}, .post = {.kind = &kind}, .bridge = bridge, .parts = 2};
    wrap->cf = via_cfuture_ref(cf);
    via__future_init(&wrap->future, bridge, via_cfuture_ref(cf), VIA__SORT_WRAP);
    via__future_launch(&wrap->future);
    if (!via__cf_watch(cf, &wrap->watch)) {
        via__future_settle(&wrap->future, (int)(via__cf_state(cf) & VIA__STATE_MASK));
        via__future_land(&wrap->future);
        watch_ends(wrap);
    }
    return &wrap->future;
}

int via_future_cfuture(via_future *future, via_cfuture **cf)
{
    int status = future && cf ? via__future_check_thread(future) : VIA_EINVAL;
    if (status < 0)
        return status;
    *cf =
        via_cfuture_ref(future->loop ? future->cf : &VIA__CONTAINER_OF(future, struct via__pair, future)->cf);
    return 0;
}
