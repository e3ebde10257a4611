/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop, as the layers above see it.
 *
 * Threads.  Everything belongs to the loop's thread, except what is marked "any": the inbox, the counts of
 * references and pins, `holds`, and the few atomic words that tell how the loop is.
 *
 * Lifetime.  References are the program's; when the last goes the loop is closed.  Pins keep the memory, the
 * inbox and the wake-up descriptor; whatever may still send to the loop, or answer VIA_ECLOSED for it, has
 * one. All references together have one pin.
 *
 * Lock order: there is one lock, `cancel_lock`, and nothing is locked inside it.
 */
#ifndef VIADUCT_LOOP_LOOP_H
#define VIADUCT_LOOP_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <viaduct/error.h>
#include <viaduct/loop.h>

#include "base/fork.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/role.h"
#include "base/slab.h"
#include "base/vclock.h"
#include "base/wakefd.h"
#include "loop/inbox.h"
#include "loop/ready.h"

struct via__post;

// What becomes of a message of another thread.  Exactly one of the two is called, in the loop's thread.
struct via__post_kind {
    void (*arrive)(via_loop *loop, struct via__post *post);
    void (*drop)(via_loop *loop, struct via__post *post); // the loop was closed: as via__ready_kind.drop
};

// To be embedded in a message.  It belongs to the loop from via__loop_post() until it arrives or is dropped.
struct via__post {
    uintptr_t link;
    const struct via__post_kind *kind;
};

// To be told when a loop closes: before it drops its queues, while its base is still there.  The last one
// that was added is told first.
struct via__loop_closer {
    struct via__list link;
    void (*fn)(via_loop *loop, struct via__loop_closer *closer);
};

struct via__watch_table {
    struct via__loop_watch **slots;
    size_t count;
};

enum via__armed { VIA__ARMED_NOT, VIA__ARMED_NOW, VIA__ARMED_AT };

// How many prompt nodes may still run in this tick: see tick.c.  All 0 but while it goes through generations.
struct via__turns {
    size_t of_generation;  // nodes of this generation
    size_t until_look;     // nodes before the clock is to be looked at
    unsigned generations;  // that may still begin
    unsigned char untimed; // nobody wants to know how long each node takes
};

struct via_loop {
    // Any thread, on a line of its own.
    _Alignas(64) struct via__inbox inbox;
    struct via__wakefd wake;

    // The loop's thread: what each tick touches.
    _Alignas(64) struct via__ready_queue ready;
    uintptr_t backlog; // taken from the inbox but not handled yet, in order
    // While a source is served: what it completes, a chain that goes before the backlog.
    uintptr_t served, *served_end;
    int is_behind; // something of the backlog was there when sources were served last
    struct via__heap timers;
    size_t in_flight; // see via__loop_call_begins()
    // The bridge's: handles the completion whose link word this is.
    void (*on_completion)(via_loop *loop, uintptr_t *link);
    struct via__turns turns;
    int in_tick;
    int signalled; // the wake-up descriptor is readable, or was when the tick began
    int draining;  // handling messages, some of which may call the program
    int stop_requested;
    int break_requested;   // the tick ends the run of the base
    int close_requested;   // by a callback; done when it has returned
    int closing;           // close_now() has begun
    enum via__armed armed; // what tick_event waits for
    int64_t armed_ns;      // with VIA__ARMED_AT
    // The heartbeat, which a watchdog in another thread may read: odd inside of a tick.  It grows by two with
    // each callback, and by one where a tick begins or ends; these are the `tick_beats`.
    _Atomic uint64_t beat;
    uint64_t tick_beats;
    _Atomic(void *) function; // the callback that runs, for reports
    uint64_t ticks, posts, wakes;
    int64_t latest_timer_ns, longest_callback_ns;

    // Lingering: see tick.c.
    int64_t linger_ns, linger_until_ns;
    unsigned linger_skip, linger_penalty;

    // Naps: see nap.c.
    int napping;           // nothing is signalled, so the timer of the tick must stay
    int64_t nap_ns;        // the longest; 0 without
    int64_t pace_ns;       // between two completions
    int64_t pace_since_ns; // the last look that found some ended
    uint64_t pace_calls;   // that had ended by then
    uint64_t calls_ended;

    int drain_budget;
    struct via__vclock *vclock; // NULL if time is real
    // The bridge's, with a virtual clock: how many of the calls in flight do not go on before time does.
    size_t (*calls_need_time)(via_loop *loop);
    int is_attached, keep_pending;
    int stepping;
    int (*idle)(via_loop *loop, void *arg); // see via__loop_run()
    void *idle_arg;

    struct event_base *base;
    struct event wake_event, tick_event, keep_event;
    struct via__slab *handles, *timer_handles;
    struct via__watch_table fds, signals;
    size_t watches;
    struct via__list closers;
    struct via__list sources; // see source.h
    int sources_due;
    void *bridge; // the bridge's state for this loop
    void *tasks;  // the task layer's
    // The task layer's: 0 if this thread may run the loop, or VIA_EFOREIGN.
    int (*check_thread)(const via_loop *loop);
    // The task layer's, for reports: the name of the task concerned, which is `future`, or runs; or NULL.
    const char *(*name_task)(const via_loop *loop, const via_future *future);
    // The same, in debug mode: keeps the name of the task that goes on with a node in `ran`.
    void (*note_node)(via_loop *loop, struct via__ready *node);
    char *ran;     // the task of the last node that had one since this was cleared, or NULL
    void *watched; // the watchdog's
    // The bridge's: a completion came for a closed loop.
    void (*on_completion_dropped)(via_loop *loop, uintptr_t *link);
    via_exception_fn exception_fn;
    void *exception_arg;
    int64_t slow_callback_ns;
    unsigned generation; // via__fork_generation() when it was made
    void *maker;         // via__loop_thread() of the thread that made it

    // Any thread.
    _Atomic uint32_t refs, pins;
    _Atomic int closed, running, debug;
    _Atomic(void *) owner; // via__loop_thread() of the thread it belongs to
    _Atomic size_t holds;
    struct via__post nudge; // makes a tick run; on its way while `nudged`
    _Atomic int nudged;
    struct via__post farewell;   // closes the loop
    pthread_mutex_t cancel_lock; // for those who wait until a callback has returned: see handle.c
    pthread_cond_t cancel_cond;
};

// Names this thread: an address that no other living thread has.
static inline void *via__loop_thread(void)
{
    return &via__role;
}

// Tells whether this thread runs the loop, or one of its callbacks.
static inline int via__loop_is_here(const via_loop *loop)
{
    return via__role.loop == loop;
}

// Tells whether nobody but this thread can run the loop meanwhile.  The thread of an attached base does so
// even while it runs no callback of the loop but one of the program's own.
static inline int via__loop_is_served_here(const via_loop *loop)
{
    // Relaxed: only this thread writes its own address.
    return via__loop_is_here(loop) ||
           (loop->is_attached &&
            atomic_load_explicit(&loop->owner, memory_order_relaxed) == via__loop_thread());
}

static inline int via__loop_is_closed(const via_loop *loop)
{
    // Acquire: pairs with the release in close_now(), so that who knows of the closing sees what it did.
    return atomic_load_explicit(&loop->closed, memory_order_acquire);
}

// What a public function of the loop's thread asks first: 0, VIA_EINVAL, VIA_EFORKED, VIA_ECLOSED, or
// VIA_EFOREIGN in debug mode.
static inline int via__loop_check(const via_loop *loop);

// The same for functions that are for any thread.
int via__loop_check_any(const via_loop *loop);

// In debug mode, of an open loop: VIA_EFOREIGN in any thread but its own.  For functions of the loop's thread
// that a closed loop answers too.
static inline int via__loop_check_thread(const via_loop *loop);

// The same for functions without a status: tells the log hook.
static inline void via__loop_note_thread(const via_loop *loop, const char *function);

// The rare parts of these.
int via__loop_check_closely(const via_loop *loop);
int via__loop_check_thread_closely(const via_loop *loop);
void via__loop_note_thread_closely(const via_loop *loop, const char *function);

// Relaxed: an option, which orders nothing.
static inline int via__loop_is_debugged(const via_loop *loop)
{
    return atomic_load_explicit(&loop->debug, memory_order_relaxed);
}

static inline int via__loop_check(const via_loop *loop)
{
    int is_plain =
        loop && !loop->closing && !via__loop_is_debugged(loop) && loop->generation == via__fork_generation();
    return is_plain ? 0 : via__loop_check_closely(loop);
}

static inline int via__loop_check_thread(const via_loop *loop)
{
    return via__loop_is_debugged(loop) ? via__loop_check_thread_closely(loop) : 0;
}

static inline void via__loop_note_thread(const via_loop *loop, const char *function)
{
    if (via__loop_is_debugged(loop))
        via__loop_note_thread_closely(loop, function);
}

// For the callback of an event, in a forked child that runs a base with a loop of its parent's: 1, and the
// event is gone from the child's base.
int via__loop_leave_to_parent(const via_loop *loop, struct event *event);

// Any thread.  Pins keep the memory, not the loop open.
via_loop *via__loop_pin(via_loop *loop);
void via__loop_unpin(via_loop *loop);

// Has a tick run after the next poll.
void via__tick_after_poll(via_loop *loop);

// Has `node` run in the next tick, after what is ready already.
static inline void via__loop_ready(via_loop *loop, struct via__ready *node)
{
    via__ready_push(&loop->ready, node);
    if (!loop->in_tick)
        via__tick_after_poll(loop);
}

// Tells whether a prompt node comes first in the ready queue, and may run in this tick.
static inline int via__loop_has_prompt(const via_loop *loop)
{
    return loop->turns.until_look && loop->ready.count && loop->ready.first->kind->prompt &&
           (loop->turns.of_generation || loop->turns.generations) && !loop->stop_requested &&
           !loop->close_requested;
}

// Takes it out.  Who does so runs it.
static inline struct via__ready *via__loop_take_prompt(via_loop *loop)
{
    struct via__turns *turns = &loop->turns;
    if (!turns->of_generation) {
        turns->generations--;
        turns->of_generation = loop->ready.count;
    }
    turns->of_generation--;
    turns->until_look--;
    return via__ready_pop(&loop->ready);
}

// Sends a message; any thread that holds a reference or pin.  0; or VIA_ECLOSED, and it was not sent.
// The message may have been handled, and its pin be gone, before this returns.
int via__loop_post(via_loop *loop, struct via__post *post);

// For the closing, which no tick takes messages for: handles what has come; if nothing has, sleeps until
// something does.
void via__loop_await_messages(via_loop *loop);

// After a message of this thread: if the program has yet to run the attached base in this thread, makes sure
// that the base does not end before it has looked.
void via__loop_expect(via_loop *loop);

// Any thread, with a pin or while the loop is not closed: has the loop look whether it may go on.
void via__loop_nudge(via_loop *loop);

// Sends a completion, as via__loop_post().  `link` comes to `on_completion`, or to `on_completion_dropped`;
// `has_spare` says that the word after it may be written (see inbox.h).
int via__loop_post_completion(via_loop *loop, uintptr_t *link, int has_spare);

// 1 if no message is waiting.
static inline int via__loop_caught_up(const via_loop *loop)
{
    return !loop->backlog && via__inbox_empty(&loop->inbox);
}

// Tells whether what the loop's thread queues now comes after all that it has posted before.  What a callback
// in the ready queue posts goes to the inbox only while a backlog does.
static inline int via__loop_is_in_order(const via_loop *loop)
{
    return loop->in_tick && !loop->draining ? !loop->backlog : via__loop_caught_up(loop);
}

// Makes the event that keeps an attached base from running out of events pending, or not, as is needed now.
// A tick does it before it sleeps.  0 or VIA_ENOMEM.
int via__loop_keep(via_loop *loop);

// A call in an executor was started whose completion will come to this loop.
static inline void via__loop_call_begins(via_loop *loop)
{
    if (loop->in_flight++ == 0 && !loop->keep_pending && !loop->in_tick)
        via__loop_keep(loop);
}

static inline void via__loop_call_ends(via_loop *loop)
{
    loop->calls_ended++;
    if (--loop->in_flight == 0 && loop->keep_pending && !loop->in_tick)
        via__loop_keep(loop);
}

// Tells whether anything can still happen: something ready or sent, a timer, a watch, a call in flight, a
// hold, or an event of the program on the base.
int via__loop_outstanding(const via_loop *loop);

// Tells whether this thread could run the loop now: 0, or what via__loop_run() would return.
int via__loop_check_run(const via_loop *loop);

// Runs a loop with a base of its own until it is stopped.  `idle` may be NULL; it is called whenever nothing
// is outstanding and the loop would sleep for ever; if it returns nonzero the loop stops.  As
// via_loop_run_forever().
int via__loop_run(via_loop *loop, int (*idle)(via_loop *loop, void *arg), void *arg);

// Reports a failed callback, with `loop->function` as its function.
void via__loop_report(via_loop *loop, const char *message, int status, via_future *future,
                      via_handle *handle);

static inline void via__loop_beat(via_loop *loop, unsigned by)
{
    // Relaxed, both: only the loop's thread writes it, and who reads it elsewhere only wants to know whether
    // it has changed.
    uint64_t beat = atomic_load_explicit(&loop->beat, memory_order_relaxed);
    atomic_store_explicit(&loop->beat, beat + by, memory_order_relaxed);
}

// A tick begins or ends.
static inline void via__loop_beat_tick(via_loop *loop)
{
    via__loop_beat(loop, 1);
    loop->tick_beats++;
}

// How many callbacks have been called.
static inline uint64_t via__loop_callbacks(const via_loop *loop)
{
    // Relaxed: in the loop's thread.
    return (atomic_load_explicit(&loop->beat, memory_order_relaxed) - loop->tick_beats) / 2;
}

static inline void via__loop_set_function(via_loop *loop, void *function)
{
    // Relaxed: for reports, which order nothing.
    atomic_store_explicit(&loop->function, function, memory_order_relaxed);
}

static inline void *via__loop_function(const via_loop *loop)
{
    // Relaxed: as above.
    return atomic_load_explicit(&loop->function, memory_order_relaxed);
}

// Counts a callback that is about to be called, and remembers it for reports.  Whatever a kind's `run` calls
// of the program goes through here.
static inline void via__loop_note_function(via_loop *loop, void *function)
{
    via__loop_beat(loop, 2);
    via__loop_set_function(loop, function);
}

// Called at the beginning of each tick of every loop, if it is set: the watchdog's.
extern _Atomic(void (*)(via_loop *loop)) via__loop_tick_hook;

// Closes at once.  Nothing of the loop may be on the stack but its tick, at its end.
void via__loop_close_now(via_loop *loop);

void via__loop_add_closer(via_loop *loop, struct via__loop_closer *closer,
                          void (*fn)(via_loop *loop, struct via__loop_closer *closer));
void via__loop_remove_closer(struct via__loop_closer *closer);

#endif
