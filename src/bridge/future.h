/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop's futures, inside.
 *
 * A future of a loop is the face that a concurrent future shows to the loop.  It has no outcome of its own:
 * it says when the concurrent one may be looked at in the loop's thread.  There are four sorts.
 *
 *   a call     a *pair*: the concurrent future that the executor completes, and the loop's, in one block.
 *   a promise  a pair whose concurrent future the loop itself completes.  It counts as RUNNING from birth, so
 *              that other threads can only ask for it to be cancelled.
 *   a wrap     the face of somebody else's concurrent future, in memory of its own.
 *
 * Who completes.  The loop's thread alone settles a future, in via__future_settle().  For a call and a wrap
 * that happens when the completion arrives through the inbox; or at once when cancelling ended the concurrent
 * future, and then the arrival finds it settled.
 *
 * What keeps it alive.  `refs`, counted in the loop's thread: the program's, one while a completion is still
 * to arrive (`in_flight`), one while callbacks wait in the ready queue.  A future with references holds one
 * on its concurrent future; a pair's memory goes with its concurrent future.
 *
 * Closing.  The closer settles promises with VIA_ECLOSED, asks calls to stop, and drops the in-flight
 * references, so that later only concurrent futures, which are thread-safe, are touched by workers.  The
 * bridge's state lives until every future and every completion still under way has gone (`lives`), and then
 * passes through every hashed lock: other threads look at the owner of a promise that is not done under its
 * lock.
 *
 * Code of the program runs inside many of these steps: callbacks of concurrent futures, hooks, destructors,
 * the exception handler.  Whoever calls it has brought the future into its new state before, and holds a
 * reference if it touches it afterwards.
 */
#ifndef VIADUCT_BRIDGE_FUTURE_H
#define VIADUCT_BRIDGE_FUTURE_H

#include <viaduct/executor.h>
#include <viaduct/future.h>

#include "base/list.h"
#include "base/slab.h"
#include "future/cfuture.h"
#include "loop/loop.h"

enum via__future_sort { VIA__SORT_CALL, VIA__SORT_PROMISE, VIA__SORT_WRAP, VIA__SORT_DRIVEN };

struct via__future_callback {
    struct via__future_callback *next;
    via_future_fn fn;
    void *arg;
    // Of an embedded callback, or NULL: does what `fn` does.  If the future has no other callback when it is
    // done this is put into the ready queue in its stead, and the callback is not called.
    struct via__ready *stead;
    unsigned char is_embedded; // in memory of its own: see via__future_watch()
    unsigned char is_quiet;    // it does not look at the outcome
};

struct via_future {
    union {
        struct via__list pending; // in the bridge's list, until it is settled
        struct via__ready ready;  // in the ready queue, with callbacks to run
    };
    via_loop *loop; // NULL for the futures that stand for a failed start
    via_cfuture *cf;
    via_future_fn fn; // the first callback, which needs no memory
    void *arg;
    struct via__future_callback *more;
    uint32_t refs;
    unsigned char state; // enum via_state
    unsigned char sort;
    unsigned char in_flight : 1;    // a completion is still to arrive
    unsigned char queued : 1;       // in the ready queue
    unsigned char looked : 1;       // somebody has seen the outcome
    unsigned char arg_borrowed : 1; // it is a call that does not own its argument, or waits for one
    unsigned char marked : 1;       // a search through what futures wait for has come to it
};

struct via__pair {
    via_cfuture cf; // first: the block goes with it
    via_future future;
};

// What the producer of a driven future does for it.
struct via__driven_kind {
    const char *what; // for reports: "a task"
    // The program asks for it to end: an enum via_cancel or a negative status.
    int (*cancel)(via_future *future);
    // The loop closes before it is done: drops the references that it has on others and on itself.
    void (*closed)(via_future *future);
    // The last reference to the loop's side has gone; in any thread once the loop is closed.  May be NULL.
    void (*fini)(via_future *future);
    // For reports: the next future from `*at` on, 0 being the first, that this one waits for, with `*at`
    // moved behind it; NULL at the end.  May be NULL.
    via_future *(*depends)(via_future *future, size_t *at);
};

// Begins as a pair, and its memory goes with its concurrent future.
struct via__driven {
    struct via__pair pair;
    const struct via__driven_kind *kind;
};

struct via__bridge {
    // Read by the completing threads with every call, and so apart from what the loop's thread writes.
    _Alignas(64) via_loop *loop;
    struct via__owner owner;    // of promises
    struct via__watch delivery; // hangs on every call from birth

    // The loop's thread: what each call touches.
    _Alignas(64) struct via__list pending; // futures that are not settled
    struct via__slab *slab;                // of pairs
    size_t futures;                        // alive, while the loop is open
    size_t in_flight;
    int closed;

    struct via__loop_closer closer;
    via_executor *executor; // the default one
    int executor_shut;
    uintptr_t runs;       // odd while via_loop_run_until_complete() runs, another number for each
    _Atomic size_t lives; // after it was closed: futures, completions under way, and one for the closer
};

// The bridge's state of a loop, made at first use; NULL if memory ran out.
struct via__bridge *via__bridge_make(via_loop *loop);
static inline struct via__bridge *via__bridge_of(via_loop *loop)
{
    return loop->bridge ? loop->bridge : via__bridge_make(loop);
}

void via__bridge_die(struct via__bridge *bridge);

static inline struct via__bridge *via__future_bridge(const via_future *future)
{
    return future->loop->bridge;
}

// In debug mode: VIA_EFOREIGN outside of the thread of its loop.
static inline int via__future_check_thread(const via_future *future)
{
    return future->loop ? via__loop_check_thread(future->loop) : 0;
}

// A future that failed before there was anything to allocate.  Its outcome says what to do.
via_future *via__future_failed(int status);

// Initializes a future with one reference and puts it on the pending list.
static inline void via__future_init(via_future *future, struct via__bridge *bridge, via_cfuture *cf,
                                    enum via__future_sort sort)
{
    *future = (via_future){
        .loop = bridge->loop, .cf = cf, .refs = 1, .state = VIA_PENDING, .sort = (unsigned char)sort};
    via__list_push_back(&bridge->pending, &future->pending);
    bridge->futures++;
}

// What becomes of a future whose last reference has gone.
void via__future_end(via_future *future);

// As via_future_unref() by the library itself, of a future that is done.
static inline void via__future_drop_done(via_future *future)
{
    if (--future->refs == 0)
        via__future_end(future);
}

// promise.c: a fresh one; NULL if memory ran out.
via_future *via__promise_new(struct via__bridge *bridge);

static inline struct via__driven *via__driven_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct via__driven, pair.future);
}

// Makes a driven future of uninitialised memory, with one reference; `flags` is VIA__SLAB, or 0 for memory of
// malloc().  Whoever settles it keeps a reference to it until then.
static inline void via__driven_init(struct via__driven *driven, struct via__bridge *bridge,
                                    const struct via__driven_kind *kind, uint32_t flags)
{
    driven->kind = kind;
    via__cf_init(&driven->pair.cf, &bridge->owner, 1, VIA_RUNNING | VIA__OWNED | flags);
    via__future_init(&driven->pair.future, bridge, &driven->pair.cf, VIA__SORT_DRIVEN);
}

// Turns a pair whose job was never queued into a promise that has failed.
void via__pair_fail(struct via__pair *pair, int status);

// Fails with a text that says what to do.
void via__promise_fail(via_future *future, int status);

void via__promise_finish(via_future *future, int status, int code, void *value, char *message);
void via__promise_cancel(via_future *future);

// callbacks.c: puts a done future, which has callbacks, into the ready queue.
void via__future_schedule(via_future *future);

// In the loop's thread: the future is done from now on; its callbacks are scheduled.
static inline void via__future_settle(via_future *future, int state)
{
    if (future->state != VIA_PENDING)
        return;
    via__list_remove(&future->pending);
    future->state = (unsigned char)state;
    future->looked |= state == VIA_CANCELLED;
    if (future->fn || future->more)
        via__future_schedule(future);
}

// Marks that a completion will arrive: it holds a reference.
static inline void via__future_launch(via_future *future)
{
    future->in_flight = 1;
    future->refs++;
    via__future_bridge(future)->in_flight++;
    via__loop_call_begins(future->loop);
}

// Marks that it has arrived, or never will; of a future that is done.
static inline void via__future_land(via_future *future)
{
    via_loop *loop = future->loop;
    future->in_flight = 0;
    via__future_bridge(future)->in_flight--;
    via__future_drop_done(future);
    via__loop_call_ends(loop);
}

// Cancels a future that has a loop, also while that is being closed.  As via_future_cancel().
int via__future_cancel(via_future *future);

// When the loop closes: drops the reference of a completion that will not be seen to arrive.
void via__future_forget_flight(via_future *future);

// wrap.c: takes the watch off when the loop closes.
void via__wrap_detach(via_future *future);
void via__wrap_free(via_future *future);

// Has an embedded callback called once the future is done, like a done callback of the program's, but without
// memory.  `fn` and `arg` are set; it may go away when it is called.
void via__future_watch_too(via_future *future, struct via__future_callback *callback); // the rare part
static inline void via__future_watch(via_future *future, struct via__future_callback *callback)
{
    callback->is_embedded = 1;
    callback->next = NULL;
    if (future->more || future->state != VIA_PENDING)
        via__future_watch_too(future, callback);
    else
        future->more = callback;
}

// Takes it off, whether it has been called or not.
void via__future_unwatch(via_future *future, const struct via__future_callback *callback);

// The future that a node of the ready queue belongs to, or NULL.
via_future *via__future_of_ready(struct via__ready *node);

// Calls the embedded callbacks of a future in the ready queue, now, and no others.  Returns how many.
size_t via__future_tell_watchers(via_future *future);

// Tells whether an embedded callback is still to be called: a task, or what one waits for, depends on it.
int via__future_is_watched(const via_future *future);

// The callback of via_loop_run_until_complete().  It does not look at the outcome.
int via__stop_when_done(via_future *future, void *run);

#endif
