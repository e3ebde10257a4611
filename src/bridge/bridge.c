/* SPDX-License-Identifier: BSD-3-Clause */
/* The bridge's state of a loop: how completions arrive, and what becomes of it when the loop closes. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/bridge.h>
#include <viaduct/error.h>

#include "base/lock.h"
#include "bridge/future.h"
#include "executor/executor.h"

// In the completing thread: hands the call over to the loop, together with the completer's reference.
static int deliver(struct via__watch *watch, via_cfuture *cf)
{
    struct via__bridge *bridge = VIA__CONTAINER_OF(watch, struct via__bridge, delivery);
    // Of a call that was abandoned the second word is its argument, and its worker may be just about to read
    // it.
    int has_spare = (via__cf_state(cf) & VIA__STATE_MASK) == VIA_FINISHED;
    if (via__loop_post_completion(bridge->loop, &cf->link, has_spare) == 0)
        return 1;
    via__bridge_die(bridge);
    return 0;
}

static struct via__pair *pair_of_link(uintptr_t *link)
{
    via_cfuture *cf = VIA__CONTAINER_OF(link, via_cfuture, link);
    return VIA__CONTAINER_OF(cf, struct via__pair, cf);
}

static void drop_delivery_ref(via_cfuture *cf)
{
    // The future has a reference; if there is no third, nobody can make one now, and no atomic change is
    // needed. Acquire: pairs with the release by whoever dropped theirs.  Relaxed: the loop's thread reads it
    // next.
    if (atomic_load_explicit(&cf->refs, memory_order_acquire) == 2)
        atomic_store_explicit(&cf->refs, 1, memory_order_relaxed);
    else
        via_cfuture_unref(cf);
}

static void arrive(via_loop *loop, uintptr_t *link)
{
    struct via__pair *pair = pair_of_link(link);
    (void)loop;
    drop_delivery_ref(&pair->cf);
    via__future_settle(&pair->future, (int)(via__cf_state(&pair->cf) & VIA__STATE_MASK));
    via__future_land(&pair->future);
}

// The closer has dropped the in-flight references of pending futures; a future that was settled before its
// completion came, because it was cancelled, still has one.
static void arrive_too_late(via_loop *loop, uintptr_t *link)
{
    struct via__pair *pair = pair_of_link(link);
    struct via__bridge *bridge = loop->bridge;
    via_cfuture_ref(&pair->cf);
    via__future_forget_flight(&pair->future);
    via_cfuture_unref(&pair->cf);
    via_cfuture_unref(&pair->cf);
    via__bridge_die(bridge);
}

// What is called here may run code of the program, which may drop the future.
static void close_one(via_future *future)
{
    via_future_ref(future);
    switch (future->sort) {
    case VIA__SORT_CALL:
        via_cfuture_cancel(future->cf);
        break;
    case VIA__SORT_WRAP:
        via__wrap_detach(future);
        break;
    default:
        // Threads that wait are released; the loop's future stays as it is, since nobody is left to be told.
        via__cf_finish(via_cfuture_ref(future->cf), VIA_ECLOSED, 0, NULL, NULL);
        if (future->sort == VIA__SORT_DRIVEN)
            via__driven_of(future)->kind->closed(future);
    }
    via__future_forget_flight(future);
    via_future_unref(future);
}

static void close_bridge(via_loop *loop, struct via__loop_closer *closer)
{
    struct via__bridge *bridge = VIA__CONTAINER_OF(closer, struct via__bridge, closer);
    (void)loop;
    bridge->closed = 1;
    // Relaxed: no other thread counts before it is refused by the inbox, whose closing is a release.
    atomic_store_explicit(&bridge->lives, bridge->futures + bridge->in_flight + 1, memory_order_relaxed);
    while (!via__list_empty(&bridge->pending)) {
        via_future *future = VIA__CONTAINER_OF(bridge->pending.next, via_future, pending);
        via__list_remove(&future->pending);
        close_one(future);
    }
    if (bridge->executor) {
        (void)via_executor_shutdown(bridge->executor, 0, 0);
        bridge->executor = via_executor_unref(bridge->executor);
    }
    via__slab_leave(bridge->slab);
    via__bridge_die(bridge);
}

void via__bridge_die(struct via__bridge *bridge)
{
    // Release, for the thread that will free; acquire, for the case that it is this one.
    if (atomic_fetch_sub_explicit(&bridge->lives, 1, memory_order_acq_rel) == 1) {
        via__hashlock_barrier(); // somebody may be asking a promise that is done by now to be cancelled
        via__loop_unpin(bridge->loop);
        free(bridge);
    }
}

static int is_this_thread(via_cfuture *cf)
{
    return via__loop_is_served_here(VIA__CONTAINER_OF(cf->owner, struct via__bridge, owner)->loop);
}

// A request of another thread on its way to the loop.
struct cancel_post {
    struct via__post post;
    via_cfuture *cf;
};

static void cancel_arrives(via_loop *loop, struct via__post *post)
{
    struct cancel_post *request = (struct cancel_post *)post;
    via_future *future = &VIA__CONTAINER_OF(request->cf, struct via__pair, cf)->future;
    (void)loop;
    // Without references the promise was broken, and its concurrent future is done.
    if (future->refs > 0 && future->state == VIA_PENDING)
        via_future_cancel(future);
    via_cfuture_unref(request->cf);
    free(request);
}

static void cancel_dropped(via_loop *loop, struct via__post *post)
{
    struct cancel_post *request = (struct cancel_post *)post;
    (void)loop;
    via_cfuture_unref(request->cf);
    free(request);
}

static int request_cancel(via_cfuture *cf, uint32_t state)
{
    static const struct via__post_kind kind = {.arrive = cancel_arrives, .drop = cancel_dropped};
    struct via__bridge *bridge = VIA__CONTAINER_OF(cf->owner, struct via__bridge, owner);
    (void)state;
    struct cancel_post *request = malloc(sizeof *request);
    if (!request)
        return VIA_ENOMEM;
    *request = (struct cancel_post){.post = {.kind = &kind}, .cf = via_cfuture_ref(cf)};
    if (via__loop_post(bridge->loop, &request->post) < 0) {
        cancel_dropped(bridge->loop, &request->post);
        return VIA_CANCEL_TOO_LATE;
    }
    via__loop_expect(bridge->loop);
    return VIA_CANCEL_REQUESTED;
}

static const struct via__owner_ops promise_ops = {.request = request_cancel, .only_here = is_this_thread};

// How many of the calls in flight do not go on before the loop's virtual time does; or fewer, if one does.
static size_t calls_need_time(via_loop *loop)
{
    struct via__bridge *bridge = loop->bridge;
    size_t count = 0;
    for (struct via__list *at = bridge->pending.next; at != &bridge->pending; at = at->next) {
        via_future *future = VIA__CONTAINER_OF(at, via_future, pending);
        if (!future->in_flight)
            continue;
        if (!via__deadlock_needs_time(future->cf, loop->vclock))
            break;
        count++;
    }
    return count;
}

struct via__bridge *via__bridge_make(via_loop *loop)
{
    struct via__bridge *bridge = aligned_alloc(_Alignof(struct via__bridge), sizeof *bridge);
    struct via__slab *slab = via__slab_new(sizeof(struct via__pair));
    if (!bridge || !slab) {
        free(bridge);
        if (slab)
            via__slab_leave(slab);
        return NULL;
    }
    *bridge = (struct via__bridge){.loop = via__loop_pin(loop), .slab = slab, .delivery = {.fn = deliver}};
    bridge->owner = (struct via__owner){.ops = &promise_ops, .generation = loop->generation};
    via__list_init(&bridge->pending);
    via__loop_add_closer(loop, &bridge->closer, close_bridge);
    loop->on_completion = arrive;
    loop->calls_need_time = calls_need_time;
    loop->on_completion_dropped = arrive_too_late;
    loop->bridge = bridge;
    return bridge;
}
