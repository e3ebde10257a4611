/* SPDX-License-Identifier: BSD-3-Clause */
/* The concurrent future: references, states, and the one step in which it becomes done.  See cfuture.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/fork.h"
#include "base/lock.h"
#include "base/slab.h"
#include "future/cfuture.h"

_Atomic(const struct via__owner_ops *) via__job_ops;

static struct via__owner promise_owner;

int via_cfuture_new(via_cfuture **cf)
{
    if (!cf)
        return VIA_EINVAL;
    via_cfuture *fresh = malloc(sizeof *fresh);
    if (!fresh)
        return VIA_ENOMEM;
    via__cf_init(fresh, &promise_owner, 1, VIA_PENDING);
    *cf = fresh;
    return 0;
}

via_cfuture *via_cfuture_ref(via_cfuture *cf)
{
    // Relaxed: a new reference is made from one the caller has; nothing is ordered by it.
    if (cf)
        atomic_fetch_add_explicit(&cf->refs, 1, memory_order_relaxed);
    return cf;
}

static void destroy_value(void (*destroy)(void *value), void *value)
{
    int outer = via__cf_tell_pool(1);
    destroy(value);
    via__cf_tell_pool(outer);
}

void via__cf_fini_parts(via_cfuture *cf)
{
    // Relaxed: nobody else has a reference.
    uint32_t state = atomic_load_explicit(&cf->state, memory_order_relaxed);
    struct via__extra *extra = cf->extra;
    if (state & VIA__WATCHED && !via__state_done(state))
        via__cf_drop_callbacks(cf);
    if (!extra)
        return;
    if ((state & VIA__STATE_MASK) == VIA_FINISHED && !(state & VIA__TAKEN) && extra->destroy && cf->value)
        destroy_value(extra->destroy, cf->value);
    // Most have none of these.
    if (extra->message || extra->process || extra->more) {
        free(extra->message);
        free(extra->process);
        free(extra->more);
    }
    free(extra);
}

// Only the completer's reference is left, and perhaps the executor's, besides the one that is just being
// dropped.
static void tell_drop(via_cfuture *cf)
{
    // Relaxed, both: the completer, whom it would have to be ordered with, has not completed it; and the flag
    // was set before there was a reference to drop.
    uint32_t kept = (atomic_load_explicit(&cf->state, memory_order_relaxed) & VIA__KEPT) != 0;
    if (atomic_load_explicit(&cf->refs, memory_order_relaxed) != 2 + kept ||
        via__state_done(via__cf_state(cf)))
        return;
    // Relaxed: told once; the flag orders nothing.  Acquire: as in request_cancel().
    uint32_t state = atomic_fetch_and_explicit(&cf->state, ~VIA__TELL_DROP, memory_order_relaxed);
    const struct via__owner_ops *ops = atomic_load_explicit(&via__job_ops, memory_order_acquire);
    if (state & VIA__TELL_DROP && ops->dropped)
        ops->dropped(cf);
}

via_cfuture *via_cfuture_unref(via_cfuture *cf)
{
    // Relaxed: the flag is there from birth, and only in debug mode.
    if (cf && atomic_load_explicit(&cf->state, memory_order_relaxed) & VIA__TELL_DROP)
        tell_drop(cf);
    // Release, for the thread that will free; acquire, for the case that it is this one.
    if (cf && atomic_fetch_sub_explicit(&cf->refs, 1, memory_order_acq_rel) == 1) {
        via__cf_fini(cf);
        // Relaxed: nobody else has a reference.
        if (atomic_load_explicit(&cf->state, memory_order_relaxed) & VIA__SLAB)
            via__slab_free_foreign(cf);
        else
            free(cf);
    }
    return NULL;
}

int via__cf_forked(const via_cfuture *cf)
{
    // The owner is not asked: it may be gone as soon as the future is done.
    uint32_t state = via__cf_state(cf);
    return state & VIA__OWNED && !via__state_done(state) &&
           state >> VIA__GENERATION_SHIFT != (via__fork_generation() & UINT32_C(0xffff));
}

int via_cfuture_state(const via_cfuture *cf)
{
    return cf ? (int)(via__cf_state(cf) & VIA__STATE_MASK) : VIA_EINVAL;
}

int via_cfuture_done(const via_cfuture *cf)
{
    return cf ? via__state_done(via__cf_state(cf)) : VIA_EINVAL;
}

// Moves the state part from `from` to `to`, keeping the flags and adding some; 0 if it is not `from`.
static int change_state(via_cfuture *cf, uint32_t from, uint32_t to, uint32_t flags, uint32_t *before)
{
    uint32_t old = via__cf_state(cf);
    do {
        if ((old & (VIA__STATE_MASK | VIA__HANDED)) != from)
            return 0;
        // Release: the outcome written before is visible to the acquire in via__cf_state().  Acquire: the
        // flags, WATCHED above all, come with what was written before they were set.
    } while (!atomic_compare_exchange_weak_explicit(&cf->state, &old,
                                                    (old & ~(VIA__STATE_MASK | VIA__HANDED)) | to | flags,
                                                    memory_order_acq_rel, memory_order_acquire));
    *before = old;
    return 1;
}

int via__cf_claim(via_cfuture *cf)
{
    uint32_t before;
    return change_state(cf, VIA_PENDING, VIA_RUNNING, 0, &before);
}

int via__cf_hand_over(via_cfuture *cf)
{
    uint32_t before;
    return change_state(cf, VIA_PENDING, VIA_PENDING, VIA__HANDED, &before);
}

void via__cf_take_back(via_cfuture *cf)
{
    uint32_t before;
    if (!change_state(cf, VIA_PENDING | VIA__HANDED, VIA_PENDING, 0, &before))
        (void)change_state(cf, VIA_RUNNING, VIA_PENDING, 0, &before);
}

void via__cf_begun(via_cfuture *cf)
{
    uint32_t before;
    (void)change_state(cf, VIA_PENDING | VIA__HANDED, VIA_RUNNING, 0, &before);
}

uint32_t via__cf_cancel_handed(via_cfuture *cf)
{
    uint32_t before;
    return change_state(cf, VIA_PENDING | VIA__HANDED, VIA_CANCELLED, 0, &before) ? before : 0;
}

uint32_t via__cf_abandon(via_cfuture *cf)
{
    uint32_t before;
    return change_state(cf, VIA_RUNNING, VIA_CANCELLED, VIA__ABANDONED, &before) ? before : 0;
}

uint32_t via__cf_cancel_running(via_cfuture *cf)
{
    uint32_t before;
    return change_state(cf, VIA_RUNNING, VIA_CANCELLED, 0, &before) ? before : 0;
}

// The value of an abandoned call has no reader.
static void drop_outcome(via_cfuture *cf, void *value, char *message)
{
    if (value && cf->extra && cf->extra->destroy)
        destroy_value(cf->extra->destroy, value);
    free(message);
    via_cfuture_unref(cf);
}

// A text that finds no room is dropped: the code still arrives.
static void attach_message(via_cfuture *cf, char *message)
{
    if (message && !cf->extra)
        cf->extra = calloc(1, sizeof *cf->extra);
    if (message && cf->extra)
        cf->extra->message = message;
    else
        free(message);
}

// Of one that was handed over nobody but its executor changes the state, so it need not run first.
static int may_finish(uint32_t state)
{
    return (state & VIA__STATE_MASK) == VIA_RUNNING || via__state_handed(state);
}

__attribute__((noinline)) static void finish_closely(via_cfuture *cf, int status, int code, void *value,
                                                     char *message)
{
    uint32_t state = via__cf_state(cf);
    if (!may_finish(state)) {
        drop_outcome(cf, value, message);
        return;
    }
    // An abandoning canceller touches none of these, and nobody reads them before FINISHED.
    attach_message(cf, message);
    cf->status = status;
    cf->code = code;
    cf->value = value;
    uint32_t before;
    if (change_state(cf, state & (VIA__STATE_MASK | VIA__HANDED), VIA_FINISHED, 0, &before))
        via__cf_completed(cf, before);
    else
        drop_outcome(cf, value, NULL); // the message stays with `extra` and goes with it
}

void via__cf_finish(via_cfuture *cf, int status, int code, void *value, char *message)
{
    const uint32_t looked_at = VIA__STATE_MASK | VIA__HANDED | VIA__DELIVER | VIA__WATCHED;
    uint32_t state = via__cf_state(cf), seen = state & looked_at;
    // What most calls end with: nothing hangs on it but the watch from birth.
    if (message ||
        (seen != (VIA_RUNNING | VIA__DELIVER) && seen != (VIA_PENDING | VIA__HANDED | VIA__DELIVER))) {
        finish_closely(cf, status, code, value, message);
        return;
    }
    cf->status = status;
    cf->code = code;
    cf->value = value;
    // Release and acquire: as in change_state().
    if (!atomic_compare_exchange_strong_explicit(&cf->state, &state,
                                                 (state & ~(VIA__STATE_MASK | VIA__HANDED)) | VIA_FINISHED,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        finish_closely(cf, status, code, value, message);
        return;
    }
    if (!cf->watchers->fn(cf->watchers, cf))
        via_cfuture_unref(cf);
}

// Asks the loop of a promise.  The hashed lock keeps the owner of a future that is not done: it passes
// through the lock before it goes.
static int request_of_loop(via_cfuture *cf)
{
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    uint32_t state = via__cf_state(cf);
    int status = via__state_done(state) ? VIA_CANCEL_TOO_LATE : cf->owner->ops->request(cf, state);
    pthread_mutex_unlock(lock);
    return status;
}

static int request_cancel(via_cfuture *cf, uint32_t state)
{
    // A call may end meanwhile, and its executor with it.  Acquire: pairs with the release in the executor
    // layer.
    if (state & VIA__JOB)
        return atomic_load_explicit(&via__job_ops, memory_order_acquire)->request(cf, state);
    if (state & VIA__OWNED)
        return request_of_loop(cf);
    // A promise that runs: its owner polls.  Relaxed: the flag orders nothing.
    atomic_fetch_or_explicit(&cf->state, VIA__REQUESTED, memory_order_relaxed);
    return VIA_CANCEL_REQUESTED;
}

// Cancels a pending future from outside of its executor.  The hashed lock pins the executor: it passes
// through the lock before it lets go of a call that it finds claimed by somebody else.
int via__cf_cancel_pending(via_cfuture *cf)
{
    uint32_t before;
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    int done = change_state(cf, VIA_PENDING, VIA_CANCELLED, 0, &before);
    const struct via__owner_ops *ops = done ? cf->owner->ops : NULL;
    if (ops && ops->cancelled)
        ops->cancelled(cf);
    pthread_mutex_unlock(lock);
    if (!done)
        return 0;
    if (ops && ops->dispose)
        ops->dispose(cf);
    via__cf_completed(via_cfuture_ref(cf), before);
    return 1;
}

int via_cfuture_cancel(via_cfuture *cf)
{
    if (!cf)
        return VIA_EINVAL;
    if (via__cf_forked(cf))
        return VIA_EFORKED;
    for (;;) {
        uint32_t state = via__cf_state(cf);
        switch (state & VIA__STATE_MASK) {
        case VIA_FINISHED:
            return VIA_CANCEL_TOO_LATE;
        case VIA_CANCELLED:
            return state & VIA__ABANDONED ? VIA_CANCEL_ABANDONED : VIA_CANCEL_NEVER_RAN;
        case VIA_RUNNING:
            return request_cancel(cf, state);
        default:
            if (state & VIA__HANDED)
                return request_cancel(cf, state);
            if (via__cf_cancel_pending(cf))
                return VIA_CANCEL_NEVER_RAN;
        }
    }
}

int via_cfuture_set_running(via_cfuture *cf)
{
    if (!cf)
        return VIA_EINVAL;
    uint32_t state = via__cf_state(cf);
    if (state & VIA__OWNED)
        return VIA_ESTATE;
    if (via__cf_claim(cf))
        return 1;
    return (via__cf_state(cf) & VIA__STATE_MASK) == VIA_CANCELLED ? 0 : VIA_ESTATE;
}

// Wins the right to write a promise's outcome: of several threads one does.
static int begin_settling(via_cfuture *cf)
{
    uint32_t old = via__cf_state(cf);
    do {
        if (old & (VIA__OWNED | VIA__SETTLING) || via__state_done(old))
            return VIA_ESTATE;
        // From PENDING too it goes through RUNNING, so that no cancel comes between the writes.  Acquire and
        // release: orders the winner after via_cfuture_set_running() in another thread.
    } while (!atomic_compare_exchange_weak_explicit(&cf->state, &old,
                                                    (old & ~VIA__STATE_MASK) | VIA_RUNNING | VIA__SETTLING,
                                                    memory_order_acq_rel, memory_order_acquire));
    return 0;
}

int via_cfuture_set_result(via_cfuture *cf, void *value, void (*destroy)(void *value))
{
    if (!cf)
        return VIA_EINVAL;
    struct via__extra *extra = destroy ? calloc(1, sizeof *extra) : NULL;
    if (destroy && !extra)
        return VIA_ENOMEM;
    int status = begin_settling(cf);
    if (status < 0) {
        free(extra);
        return status;
    }
    if (extra)
        extra->destroy = destroy;
    cf->extra = extra;
    via__cf_finish(via_cfuture_ref(cf), 0, 0, value, NULL);
    return 0;
}

int via_cfuture_set_error(via_cfuture *cf, int status, int code, const char *message)
{
    if (!cf || status >= 0)
        return VIA_EINVAL;
    int begun = begin_settling(cf);
    if (begun < 0)
        return begun;
    via__cf_finish(via_cfuture_ref(cf), status, status == VIA_EFAILED ? code : 0, NULL,
                   message ? strdup(message) : NULL);
    return 0;
}
