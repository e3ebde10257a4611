/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel between the program and one worker: orders one way, answers the other.
 *
 * Two transports behind one interface.  *Shared*: two memfds, sealed against shrinking and growing.  The
 * first is written by the program alone (sealed against other writers once it has mapped it), the second by
 * the worker alone and mapped read-only by the program; so every shared word has one writer.  The worker
 * sleeps on a futex in the first; answers ring an eventfd.  *Socket*: frames on a stream socket pair, written
 * and read in batches, each with its length, which is capped.
 *
 * Trust.  The program takes nothing from the worker's memory but by copying it first and checking the copy:
 * an answer must carry the number of the order whose turn it is and a checksum over itself, keyed by that
 * number, so that a worker that scribbles over an answer is found out.  Whatever is impossible is
 * VIA_ECORRUPT, and then the channel is only to be closed.
 *
 * Waking.  Worker: for every single wait, even one that a spurious wake-up makes again, it announces a fresh
 * odd generation, then looks at the tail once more, then waits on `wake` having its old value.  Program:
 * after publishing it looks at the generation; if that is odd and not the one it woke last, it bumps `wake`
 * and calls futex_wake().  All sequentially consistent.  Two protocols that looked right were not: a flag
 * that both sides write, where a late clearing hits the next sleep; and one generation for several waits,
 * where a wake-up is spent on a spurious one.  The other way the program bumps `arm` and then looks again
 * before it sleeps; the worker rings once for each value of `arm`, and an eventfd keeps the ring.
 *
 * Threads.  Each end is for one thread at a time: the program's is guarded by the pool's lock.
 */
#ifndef VIADUCT_PROCESS_CHANNEL_H
#define VIADUCT_PROCESS_CHANNEL_H

#include <stdint.h>

#include "process/zygote.h"

#define VIA__CHANNEL_SLOTS 128 // a power of two
#define VIA__SLOT_BYTES    256

enum via__order_kind {
    VIA__ORDER_CALL = 1,
    VIA__ORDER_INIT, // run the initializer, then shut the sandbox
    VIA__ORDER_END   // run the finalizer, and exit
};

enum via__order_flags {
    VIA__ORDER_IN_BUFFER = 1 << 0, // the input is in a buffer, not in the slot
    VIA__ORDER_IN_PLACE = 1 << 1,  // ... which the worker may write to
    VIA__ORDER_MEASURE = 1 << 2,   // tell what the call has used
    VIA__ORDER_SIZE = 1 << 3,      // tell how much memory the worker occupies after it
    VIA__ORDER_PACKED = 1 << 4     // the input is several items: see executor/packed.h
};

#define VIA__ORDER_INLINE (VIA__SLOT_BYTES - 48)
struct via__order {
    uint64_t number; // random, of the order: an answer must repeat it
    uint32_t function;
    uint8_t kind, flags;
    uint16_t taken; // how many of the worker's answers the program had taken when it pushed this
    uint64_t in_bytes;
    uint64_t buffer; // number of the buffer with the input
    uint64_t out_max;
    int64_t cpu_ns; // what the call may use, or 0
    uint8_t in[VIA__ORDER_INLINE];
};

enum via__answer_flags {
    VIA__ANSWER_OUT_BUFFER = 1 << 0, // the answer is in a buffer of the worker's, not in the slot
    VIA__ANSWER_MESSAGE = 1 << 1,    // the slot holds a text
    VIA__ANSWER_REFUSED = 1 << 2,    // the order was cancelled before it started: nothing ran
    VIA__ANSWER_NOT_FOUND = 1 << 3,  // the function was not found; the slot holds a text: nothing ran
    VIA__ANSWER_MEASURED = 1 << 4,   // the slot holds a usage, behind what else there is
    VIA__ANSWER_NO_INPUT = 1 << 5    // the buffer with the input has to be introduced again: nothing ran
};

struct via__usage {
    int64_t user_ns, system_ns;
    uint64_t max_rss_bytes;
};

// What most answers use is one cache line, the first.
#define VIA__ANSWER_ROOM   (VIA__SLOT_BYTES - 64)
#define VIA__ANSWER_INLINE (VIA__ANSWER_ROOM - sizeof(struct via__usage)) // the longest answer or text
struct via__answer {
    uint64_t number;
    uint64_t sum;         // over all but itself and the unused rest of `out`, keyed by the number
    int32_t status, code; // as returned: see via__job_answer()
    uint32_t flags;
    uint32_t message_bytes; // of a text, at most VIA__ANSWER_INLINE
    uint64_t out_bytes;     // of the answer
    uint64_t buffer;        // number of the buffer with the answer
    int64_t wall_ns;
    uint64_t rss_bytes; // of the worker after the call; 0 if it was not looked at
    uint8_t out[VIA__ANSWER_ROOM];
};

// Where the usage is, or is to be, in an answer that is possible.
void *via__answer_usage(struct via__answer *answer);

_Static_assert(sizeof(struct via__order) == VIA__SLOT_BYTES, "an order fills a slot");
_Static_assert(sizeof(struct via__answer) == VIA__SLOT_BYTES, "an answer fills a slot");

// ---- the program's end ----

struct via__channel;

// What a worker is born with for a channel; the caller closes them when it was sent.
struct via__channel_fds {
    int fds[VIA__BIRTH_FDS_MAX];
    int count;
};

// Whether the system has what shared memory needs: 1 or 0.
int via__channel_can_share(void);

// `transport` is VIA_TRANSPORT_SHARED or _SOCKET.  0; VIA_ENOMEM; VIA_EAGAIN for want of descriptors; another
// negative errno.
int via__channel_new(int transport, struct via__channel **channel, struct via__channel_fds *worker);
void via__channel_free(struct via__channel *channel);

// To be watched with EPOLLIN | EPOLLET, or level-triggered where `*is_level`; readable when answers have come
// since it was armed, or, of a socket, the worker's end is gone.  It is never to be read by the caller.
int via__channel_fd(const struct via__channel *channel, int *is_level);

// Orders that were pushed and whose answers were not taken; and the number of free slots.
uint32_t via__channel_pending(const struct via__channel *channel);
uint32_t via__channel_room(const struct via__channel *channel);

// The slot of the next order, to be filled: memory of the program's that the worker may see at any time, so
// nothing secret is to be left in it.  NULL if there is no room.
struct via__order *via__channel_next_order(struct via__channel *channel);

// Takes the filled slot into the queue; gives its place, which counts orders from 0 on and wraps.
uint32_t via__channel_push(struct via__channel *channel);

// Shows the worker all that was pushed, and wakes it if it sleeps.  Never blocks: what a full socket does not
// take goes with a later flush.
void via__channel_flush(struct via__channel *channel);

// Shows the same where that costs nothing, and wakes nobody: a flush has to follow soon, also if nothing more
// is pushed.
void via__channel_show(struct via__channel *channel);

// The next answer, copied and checked but for `out`'s meaning: 1; 0 if none has come; VIA_ECORRUPT;
// VIA_ESHUTDOWN if the worker's end is gone and all that it had sent was taken, which shared memory does not
// tell: there 0 after the worker's death means the same.  `number` is that of the oldest pending order.  Of
// `out` only what is used is written.  To be called until it gives no answer, or via__channel_arm() does.
int via__channel_take(struct via__channel *channel, uint64_t number, struct via__answer *answer);

// Whether an answer seems to have come: cheap, for lingering.
int via__channel_has_answer(const struct via__channel *channel);

// Asks for a ring; then 1 if an answer has come meanwhile, so that taking must go on.
int via__channel_arm(struct via__channel *channel);

// How many of the pending orders have been started, counted from the oldest: 0 or more; VIA_ECORRUPT.  On a
// socket it is as of the last take() that gave 0 or VIA_ESHUTDOWN; the descriptor is readable when there is
// more.
int via__channel_started(struct via__channel *channel);

// Cancels a pending order by its place: 1 if it is certain that it never starts, and its answer will be
// VIA__ANSWER_REFUSED; 0 if it has started, or may have.  Then it may still be refused, or runs, and its
// function sees that it is asked to stop.  Of an order that was sent on a socket it is always 0; such an
// order runs only once via__channel_started() counts it.
int via__channel_cancel(struct via__channel *channel, uint32_t place);

// The same, but if the order has started its function is told nothing.
int via__channel_call_back(struct via__channel *channel, uint32_t place);

// Has the worker look at its control socket soon.
void via__channel_knock(struct via__channel *channel);

// ---- the worker's end ----

struct via__port;

// What the worker does between orders when the program knocks.
typedef void (*via__port_knock_fn)(void *arg);

// Takes over the descriptors, also if it fails.  0 or a negative errno.  `linger_ns` is for shared memory.
int via__port_open(int transport, const int *fds, int count, int64_t linger_ns, via__port_knock_fn knocked,
                   void *arg, struct via__port **port);

// The next order, which stays good until it is answered; blocks.  NULL if the program's end is gone; of the
// two, shared memory tells only of via__channel_free(), not of the program's death.
const struct via__order *via__port_next(struct via__port *port);

// Whether the last next() waited, or did something else, so that time has passed since the answer before.
int via__port_has_paused(const struct via__port *port);

// Tells the program that the order is about to run: 1; 0 if it was cancelled, and must not.  On a socket the
// program was told by then, when the order was there and was not cancelled.
int via__port_begin(struct via__port *port);

// Whether the order that runs was asked to stop.  From any thread of the worker, and from signal handlers.
int via__port_cancelled(const struct via__port *port);

// The slot for the answer to the order, to be filled but for `number` and `sum`.  In shared memory.
struct via__answer *via__port_answer(struct via__port *port);

// Completes and shows the answer, and rings if the program asked for that; the order is over.  0, or a
// negative errno if the program's end is gone.
int via__port_send(struct via__port *port);

// Gives everything back; workers need not, since they end with their processes.
void via__port_close(struct via__port *port);

#endif
