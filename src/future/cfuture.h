/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The concurrent future, as the layers above see it.
 *
 * Who completes.  A future leaves PENDING and RUNNING by one atomic change of `state`, and whoever makes it
 * is the *completer*: a worker, a canceller, a promise's owner.  The completer alone then releases the
 * waiters and runs the callbacks.  `status`, `code`, `value` and `extra` are written before the change to
 * FINISHED and only read after it; of a CANCELLED future they are never read, so a function that was
 * abandoned cannot disturb anybody.
 *
 * What keeps it alive.  References.  The completer needs one while it completes, and gives it away:
 * via__cf_finish() and via__cf_cancelled() consume it.
 *
 * Watches.  Waiters and callbacks hang on `watchers`, guarded by via__hashlock(future).  WATCHED is set under
 * that lock, and only while the future is not done; so a completer that finds it clear need not take the
 * lock. DELIVER says that `watchers` ends with a watch that was there from the birth of the future and is
 * shared by many: the bridge's.  It is called like the others, first of all.
 *
 * Owners.  `owner` is good until the future is done.  Who is not sure of that looks at it under the hashed
 * lock, and only after the state; an owner passes through the lock before it goes.  A job's operations are
 * the same for every executor and are reached without its owner.
 *
 * Lock order: a hashed lock comes first; a pool's lock and a call's lock may be taken inside it.
 */
#ifndef VIADUCT_FUTURE_CFUTURE_H
#define VIADUCT_FUTURE_CFUTURE_H

#include <stdatomic.h>
#include <stdint.h>

#include <viaduct/cfuture.h>
#include <viaduct/outcome.h>

#include "base/park.h"
#include "base/role.h"

// The two lowest bits of `state` are enum via_state; the rest are flags.
#define VIA__STATE_MASK UINT32_C(3)
#define VIA__WATCHED    UINT32_C(0x004)  // something hangs on `watchers`
#define VIA__DELIVER    UINT32_C(0x008)  // `watchers` ends with a watch from birth
#define VIA__REQUESTED  UINT32_C(0x010)  // a running call was asked to stop
#define VIA__SETTLING   UINT32_C(0x020)  // somebody is writing a promise's outcome
#define VIA__TAKEN      UINT32_C(0x040)  // the value is gone
#define VIA__ABANDONED  UINT32_C(0x080)  // cancelled while its function ran
#define VIA__OWNED      UINT32_C(0x100)  // an executor or loop settles it, not the program
#define VIA__SLAB       UINT32_C(0x200)  // lives in a slab
#define VIA__CALL_EXTRA UINT32_C(0x400)  // `extra` is the struct of a call with options
#define VIA__JOB        UINT32_C(0x800)  // its owner is an executor
#define VIA__TELL_DROP  UINT32_C(0x1000) // the owner is told if the program drops it before it is done
#define VIA__KEPT       UINT32_C(0x2000) // until it is done, its executor has a reference besides the completer's
#define VIA__APART      UINT32_C(0x4000) // a job whose executor is asked to stop it
#define VIA__HANDED     UINT32_C(0x8000) // a pending one that is with a worker process: only its executor ends it
// The upper half remembers the process: the end of via__fork_generation() at the future's birth.
#define VIA__GENERATION_SHIFT 16

struct via__watch {
    struct via__watch *next;
    // Returns 1 if it took over the completer's reference.  Runs without locks, unless `waiter` is set.
    int (*fn)(struct via__watch *watch, via_cfuture *cf);
    int waiter; // 1: released before the callbacks, under the hashed lock, and then never touched again
};

// What an outcome needs beyond a status and a pointer.  The owner may embed it as the first member of more.
struct via__extra {
    void (*destroy)(void *value);
    size_t bytes;
    char *message;
    struct via_process_report *process;
    void *more; // the owner's, freed with this
};

struct via__owner;

// What the producer of a future does for it.  Each may be NULL.
struct via__owner_ops {
    // Asks for a RUNNING future, or a pending one that cannot be cancelled from here, to stop: an enum
    // via_cancel or a negative status.  `state` is what the caller saw.  Under the hashed lock, but for jobs.
    int (*request)(via_cfuture *cf, uint32_t state);
    // The future went from PENDING to CANCELLED: count it.  Under the hashed lock.
    void (*cancelled)(via_cfuture *cf);
    // The same, without a lock and when the owner may be gone: release the payload.
    void (*dispose)(via_cfuture *cf);
    // 1 if only this thread could complete the future, so that blocking on it would be for ever.
    int (*only_here)(via_cfuture *cf);
    // The program has dropped its last reference to a future with TELL_DROP, which is not done.
    void (*dropped)(via_cfuture *cf);
};

// The operations of every job, for a future whose executor may end at any moment.  Set once, by that layer.
extern _Atomic(const struct via__owner_ops *) via__job_ops;

struct via__owner {
    const struct via__owner_ops *ops;
    unsigned generation; // via__fork_generation() when it was made
};

struct via_cfuture {
    _Atomic uint32_t refs;
    _Atomic uint32_t state;
    struct via__owner *owner; // good until the future is done
    struct via__extra *extra; // or NULL
    struct via__watch *watchers;
    uintptr_t link; // for an inbox, with the word after it if the future is FINISHED:
    void *arg;      // until then
    union {
        void (*function)(void); // before the call starts
        void *value;            // after it
    };
    int32_t status;
    int32_t code;
};

_Static_assert(sizeof(struct via_cfuture) <= 64, "a concurrent future fits into one cache line");

// Initializes a future with `refs` references.
static inline void via__cf_init(via_cfuture *cf, struct via__owner *owner, uint32_t refs, uint32_t state)
{
    // Relaxed: the future is published later, through a lock or an atomic of whoever shares it.
    atomic_store_explicit(&cf->refs, refs, memory_order_relaxed);
    atomic_store_explicit(&cf->state, state | (uint32_t)owner->generation << VIA__GENERATION_SHIFT,
                          memory_order_relaxed); // as above
    cf->owner = owner;
    cf->extra = NULL;
    cf->watchers = NULL;
    cf->link = 0;
    cf->value = NULL;
    cf->arg = NULL;
    cf->status = cf->code = 0;
}

// Tells the state and the flags.  Acquire: what the completer wrote is visible once it says FINISHED.
static inline uint32_t via__cf_state(const via_cfuture *cf)
{
    return atomic_load_explicit(&cf->state, memory_order_acquire);
}

static inline int via__state_done(uint32_t state)
{
    return (state & VIA__STATE_MASK) >= VIA_CANCELLED;
}

// 1 if the future belongs to a parent process.
int via__cf_forked(const via_cfuture *cf);

// Claims a pending future for running: 1, or 0 if somebody else did or it was cancelled.
int via__cf_claim(via_cfuture *cf);

// The executor's, for jobs that run in other processes.  Hands a pending job over: 1, or 0 if it was claimed.
int via__cf_hand_over(via_cfuture *cf);

// A job that was handed over has not started, or is to be started once more, and is queued again.
void via__cf_take_back(via_cfuture *cf);

// A job that was handed over has started, as its worker says: RUNNING from here on, if it was not before.
void via__cf_begun(via_cfuture *cf);

// A job that was handed over will never start: CANCELLED.  Returns the state before it, for
// via__cf_completed(); 0 if it was abandoned.
uint32_t via__cf_cancel_handed(via_cfuture *cf);

static inline int via__state_handed(uint32_t state)
{
    return (state & (VIA__STATE_MASK | VIA__HANDED)) == (VIA_PENDING | VIA__HANDED);
}

// Writes the outcome of a future that was claimed or handed over, and completes it.  Consumes the caller's
// reference.  If the future was abandoned meanwhile the value is destroyed instead.  `message` is taken, and
// freed.
void via__cf_finish(via_cfuture *cf, int status, int code, void *value, char *message);

// Cancels a RUNNING future by abandoning its function.  0 if it was not running; else the state before it,
// with which the caller must call via__cf_completed().
uint32_t via__cf_abandon(via_cfuture *cf);

// The same for a promise of a loop, which has no function: it never ran.
uint32_t via__cf_cancel_running(via_cfuture *cf);

// Cancels a pending future: 1; 0 if it is not pending, and then nothing is asked of whoever runs it.
int via__cf_cancel_pending(via_cfuture *cf);

// Releases waiters and runs callbacks after a change to done; `before` is the state before it.  Consumes the
// caller's reference.
void via__cf_completed(via_cfuture *cf, uint32_t before);

// Hangs a watch on a future that is not done: 1; 0 if it is done.
int via__cf_watch(via_cfuture *cf, struct via__watch *watch);

// Takes a watch off: 1; 0 if it is not there (any more).  Once it returned, a waiter's watch is not in use.
int via__cf_unwatch(via_cfuture *cf, struct via__watch *watch);

// Frees the callbacks of a future that goes before it is done.
void via__cf_drop_callbacks(via_cfuture *cf);

// Destroys the outcome's parts; for a future without references.  The rare part of it comes first.
void via__cf_fini_parts(via_cfuture *cf);
static inline void via__cf_fini(via_cfuture *cf)
{
    // Relaxed: nobody else has a reference.
    if (cf->extra || atomic_load_explicit(&cf->state, memory_order_relaxed) & VIA__WATCHED)
        via__cf_fini_parts(cf);
}

// Tells this worker's pool, which must not count on a thread that runs the program's code, that it does, or
// what it was told before.  Returns the latter: callbacks run within callbacks.
static inline int via__cf_tell_pool(int in_callbacks)
{
    _Atomic int *told = via__role.in_callbacks;
    if (!told)
        return 0;
    // Relaxed, both: a hint, which only this thread writes.
    int before = atomic_load_explicit(told, memory_order_relaxed);
    atomic_store_explicit(told, in_callbacks, memory_order_relaxed);
    return before;
}

// Tells whether no other thread knows of the future, nor wants to be told: then it can be completed without
// atomic changes.  A function for the thread that has the one reference.
static inline int via__cf_is_private(const via_cfuture *cf);

// Tells whether this is the last reference, so that it can be dropped without an atomic change.
static inline int via__cf_is_last_ref(const via_cfuture *cf)
{
    // Acquire: pairs with the release in via_cfuture_unref() by those who dropped theirs.
    return atomic_load_explicit(&cf->refs, memory_order_acquire) == 1;
}

static inline int via__cf_is_private(const via_cfuture *cf)
{
    return via__cf_is_last_ref(cf) && !(via__cf_state(cf) & VIA__WATCHED);
}

// Moves a private RUNNING future to another state.
static inline void via__cf_set_private(via_cfuture *cf, uint32_t to)
{
    uint32_t state = via__cf_state(cf);
    // Relaxed: who hears of the future later hears of it from this thread.
    atomic_store_explicit(&cf->state, (state & ~VIA__STATE_MASK) | to, memory_order_relaxed);
}

// What a blocking wait asks before it sleeps.  Set once, by the executor layer, which knows who waits for
// whom.
struct via__wait_hooks {
    // 0: sleep; 1: something was done, look again; negative: this wait could never end.  `all`: every target
    // must be done, not just one.  The parker may be woken for another look until `end`.
    int (*begin)(via_cfuture *const *targets, size_t count, int all, struct via__parker *parker);
    void (*end)(void);
};
extern _Atomic(const struct via__wait_hooks *) via__wait_hooks;

// Waits until `ready(arg)` on behalf of the futures.  The parker is woken whenever it may have changed.
int via__wait_until(via_cfuture *const *targets, size_t count, int all, struct via__parker *parker,
                    int (*ready)(void *arg), void *arg, int64_t deadline_ns);

#endif
