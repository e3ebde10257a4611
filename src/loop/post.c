/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Callbacks posted by other threads.
 *
 * A post is one allocation: it goes through the inbox, and when it arrives it is the node in the ready queue.
 * One with a handle has a state that says who may touch the callback:
 *
 *   PENDING -> CANCELLED          by whoever cancels; the callback's argument is the canceller's then
 *   PENDING -> RUNNING -> RAN     by the loop's thread
 *   RUNNING -> WAITED -> RAN      WAITED by another thread that must not return before the callback has
 *
 * The waiter sleeps on the loop's `cancel_cond`; the loop's thread broadcasts only if it finds WAITED.  The
 * loop has one reference until the callback has run or was dropped, the program the other; the program's
 * reference also has a pin on the loop, so the lock is there as long as anybody can wait.
 */
#include <config.h>

#include <stdlib.h>

#include "loop/handle.h"
#include "loop/tick.h"

enum { PENDING, RUNNING, WAITED, RAN, CANCELLED };

// Without a handle.  It is a message first and a node of the ready queue afterwards, never both.
struct plain {
    union {
        struct via__post post;
        struct via__ready ready;
    };
    via_callback_fn fn;
    void *arg;
};

// With one.
struct posted {
    via_handle handle;
    struct via__post post;
    _Atomic uint32_t state;
    _Atomic uint32_t refs;
};

static void call(via_loop *loop, via_callback_fn fn, void *arg, via_handle *handle)
{
    via__loop_note_function(loop, (void *)(uintptr_t)fn);
    int status = fn(arg);
    if (status < 0)
        via__loop_report(loop, "a callback failed", status, NULL, handle);
}

static void plain_run(via_loop *loop, struct via__ready *node)
{
    struct plain *plain = VIA__CONTAINER_OF(node, struct plain, ready);
    via_callback_fn fn = plain->fn;
    void *arg = plain->arg;
    free(plain);
    call(loop, fn, arg, NULL);
}

static void plain_drop(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    free(VIA__CONTAINER_OF(node, struct plain, ready));
}

static const struct via__ready_kind plain_kind = {.run = plain_run, .drop = plain_drop};

static void plain_arrive(via_loop *loop, struct via__post *post)
{
    struct plain *plain = VIA__CONTAINER_OF(post, struct plain, post);
    plain->ready.kind = &plain_kind;
    via__ready_push(&loop->ready, &plain->ready);
}

static void plain_drop_post(via_loop *loop, struct via__post *post)
{
    (void)loop;
    free(VIA__CONTAINER_OF(post, struct plain, post));
}

static const struct via__post_kind plain_post_kind = {plain_arrive, plain_drop_post};

static struct posted *posted_of(via_handle *handle)
{
    return VIA__CONTAINER_OF(handle, struct posted, handle);
}

static void unref(struct posted *posted)
{
    // Release and acquire: what each holder did comes before the one that frees.
    if (atomic_fetch_sub_explicit(&posted->refs, 1, memory_order_acq_rel) == 1)
        free(posted);
}

static void finish(via_loop *loop, struct posted *posted)
{
    // Release: what the callback did comes before the acquire in wait_until_returned() and state_of().
    if (atomic_exchange_explicit(&posted->state, RAN, memory_order_release) != WAITED)
        return;
    pthread_mutex_lock(&loop->cancel_lock);
    pthread_cond_broadcast(&loop->cancel_cond);
    pthread_mutex_unlock(&loop->cancel_lock);
}

static void posted_run(via_loop *loop, struct via__ready *node)
{
    struct posted *posted = posted_of(VIA__CONTAINER_OF(node, via_handle, ready));
    uint32_t state = PENDING;
    // Relaxed: it orders nothing, a canceller that comes later waits for finish().
    if (atomic_compare_exchange_strong_explicit(&posted->state, &state, RUNNING, memory_order_relaxed,
                                                memory_order_relaxed)) {
        call(loop, posted->handle.fn, posted->handle.arg, &posted->handle);
        finish(loop, posted);
    }
    unref(posted);
}

static void posted_cancel_and_unref(struct posted *posted)
{
    uint32_t state = PENDING;
    // Relaxed: the callback has not run, so there is nothing to order.
    atomic_compare_exchange_strong_explicit(&posted->state, &state, CANCELLED, memory_order_relaxed,
                                            memory_order_relaxed);
    unref(posted);
}

static void posted_drop(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    posted_cancel_and_unref(posted_of(VIA__CONTAINER_OF(node, via_handle, ready)));
}

static void posted_arrive(via_loop *loop, struct via__post *post)
{
    via__ready_push(&loop->ready, &VIA__CONTAINER_OF(post, struct posted, post)->handle.ready);
}

static void posted_drop_post(via_loop *loop, struct via__post *post)
{
    (void)loop;
    posted_cancel_and_unref(VIA__CONTAINER_OF(post, struct posted, post));
}

static const struct via__ready_kind posted_kind = {.run = posted_run, .drop = posted_drop};
static const struct via__post_kind posted_post_kind = {posted_arrive, posted_drop_post};

// Sends to the loop.  Inside its own tick, with nothing of this thread still on its way, a post is ready at
// once.
static int send_post(via_loop *loop, struct via__post *post)
{
    if (via__loop_is_here(loop) && loop->in_tick && via__loop_is_in_order(loop) &&
        !via__loop_is_closed(loop)) {
        post->kind->arrive(loop, post);
        return 0;
    }
    int status = via__loop_post(loop, post);
    if (status == 0)
        via__loop_expect(loop);
    return status;
}

static int post_plain(via_loop *loop, via_callback_fn fn, void *arg)
{
    struct plain *plain = malloc(sizeof *plain);
    if (!plain)
        return VIA_ENOMEM;
    *plain = (struct plain){.post.kind = &plain_post_kind, .fn = fn, .arg = arg};
    int status = send_post(loop, &plain->post);
    if (status < 0)
        free(plain);
    return status;
}

static int post_with_handle(via_loop *loop, via_callback_fn fn, void *arg, via_handle **handle)
{
    struct posted *posted = malloc(sizeof *posted);
    if (!posted)
        return VIA_ENOMEM;
    *posted = (struct posted){
        .handle =
            {.ready.kind = &posted_kind, .fn = fn, .arg = arg, .loop = loop, .sort = VIA__HANDLE_POSTED},
        .post.kind = &posted_post_kind,
        .state = PENDING,
        .refs = 2,
    };
    via__loop_pin(loop);
    int status = send_post(loop, &posted->post);
    if (status < 0) {
        via__loop_unpin(loop);
        free(posted);
        return status;
    }
    *handle = &posted->handle;
    return 0;
}

int via_call_soon_threadsafe(via_loop *loop, via_callback_fn fn, void *arg, via_handle **handle)
{
    int status = fn ? via__loop_check_any(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    return handle ? post_with_handle(loop, fn, arg, handle) : post_plain(loop, fn, arg);
}

// Blocks while the callback runs.
static void wait_until_returned(struct posted *posted)
{
    via_loop *loop = posted->handle.loop;
    uint32_t state = RUNNING;
    pthread_mutex_lock(&loop->cancel_lock);
    // Acquire, here and below: pairs with the release in finish(), which broadcasts under the lock if it
    // found WAITED.
    atomic_compare_exchange_strong_explicit(&posted->state, &state, WAITED, memory_order_acquire,
                                            memory_order_acquire);
    while (atomic_load_explicit(&posted->state, memory_order_acquire) == WAITED)
        pthread_cond_wait(&loop->cancel_cond, &loop->cancel_lock);
    pthread_mutex_unlock(&loop->cancel_lock);
}

// The state for a caller that must not return while the callback runs elsewhere.
static int settled_state(struct posted *posted, uint32_t state)
{
    if (state != RUNNING && state != WAITED)
        return (int)state;
    if (posted->handle.loop->generation != via__fork_generation())
        return VIA_EFORKED; // the thread that runs it is the parent's
    if (!via__loop_is_here(posted->handle.loop))
        wait_until_returned(posted);
    return RAN;
}

int via__posted_cancel(via_handle *handle)
{
    struct posted *posted = posted_of(handle);
    uint32_t state = PENDING;
    // Acquire: pairs with finish() if it fails; if it succeeds the callback has not run.
    if (atomic_compare_exchange_strong_explicit(&posted->state, &state, CANCELLED, memory_order_acquire,
                                                memory_order_acquire))
        return 1;
    int settled = settled_state(posted, state);
    return settled < 0 ? settled : settled == CANCELLED;
}

int via__posted_cancelled(via_handle *handle)
{
    struct posted *posted = posted_of(handle);
    // Acquire: pairs with the release in finish().
    int settled = settled_state(posted, atomic_load_explicit(&posted->state, memory_order_acquire));
    return settled < 0 ? settled : settled == CANCELLED;
}

void via__posted_unref(via_handle *handle)
{
    unref(posted_of(handle));
}
