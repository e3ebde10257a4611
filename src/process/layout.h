/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both ends of a channel share: how the shared memory lies, what frames look like, and the checksum.
 *
 * Places.  Orders are counted from the first one on; the count wraps, and all comparisons are of differences.
 * An order and its answer have the same place, and lie in the slot `place % VIA__CHANNEL_SLOTS` of their
 * segments, since a worker answers in the order in which it was asked.
 */
#ifndef VIADUCT_PROCESS_LAYOUT_H
#define VIADUCT_PROCESS_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "process/channel.h"

// Shared memory is written for one kernel and one library, so it need not be portable, but lock-free.
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_CHAR_LOCK_FREE == 2, "shared words need no lock");

#define VIA__LINE_BYTES 64

// The slot of a place.
static inline uint32_t via__slot_of(uint32_t place)
{
    return place % VIA__CHANNEL_SLOTS;
}

// How far `a` is behind `b`, both places: at most 2^31.
static inline int32_t via__places_from(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a);
}

// ---- shared memory ----

#define VIA__SHARED_MAGIC 0x76696153u

// What was said of an order; more only ever replaces less.
enum via__request {
    VIA__REQUEST_NONE,
    VIA__REQUEST_BACK, // not to start
    VIA__REQUEST_STOP  // nor to go on
};

// Segment A, which the program alone writes.
struct via__shared_orders {
    uint32_t magic;
    uint32_t first; // place of the first order; written before the worker is born
    // What the worker looks at between orders: one line, since only `tail` changes often.
    alignas(VIA__LINE_BYTES) _Atomic uint32_t tail; // place after the last order that is shown
    _Atomic uint32_t knocks;                        // counts
    _Atomic uint32_t closed;                        // 1: the program has given the channel up
    alignas(VIA__LINE_BYTES) _Atomic uint32_t wake; // the futex: counts wake-ups
    alignas(VIA__LINE_BYTES) _Atomic uint32_t arm;  // counts the times that the program wanted to be rung
    alignas(VIA__LINE_BYTES) _Atomic uint8_t cancelled[VIA__CHANNEL_SLOTS]; // enum via__request
    alignas(VIA__LINE_BYTES) struct via__order orders[VIA__CHANNEL_SLOTS];
};

// Segment B, which the worker alone writes.
struct via__shared_answers {
    alignas(VIA__LINE_BYTES) _Atomic uint32_t tail;    // place after the last answer that is complete
    alignas(VIA__LINE_BYTES) _Atomic uint32_t started; // place after the last order that was begun
    alignas(VIA__LINE_BYTES) _Atomic uint32_t sleep;   // generation: odd while the worker waits
    alignas(VIA__LINE_BYTES) struct via__answer answers[VIA__CHANNEL_SLOTS];
};

// The descriptors of a worker, in this order.
enum { VIA__SHARED_FD_ORDERS, VIA__SHARED_FD_ANSWERS, VIA__SHARED_FD_RING, VIA__SHARED_FDS };

// ---- frames ----

enum via__frame_kind {
    VIA__FRAME_ORDER = 1, // to the worker: an order, without what is unused of `in`
    VIA__FRAME_CANCEL,    // to the worker: the order is to stop, or not to start; `flags` is what was said
    VIA__FRAME_KNOCK,     // to the worker
    VIA__FRAME_STARTED,   // to the program: the order is about to run
    VIA__FRAME_ANSWER     // to the program: an answer, without what is unused of `out`
};

enum via__frame_flags { VIA__FRAME_REFUSE = 1 }; // of an order that was cancelled before it was sent

struct via__frame {
    uint16_t bytes; // with this header
    uint8_t kind, flags;
    uint32_t place;
};

#define VIA__ORDER_HEAD  offsetof(struct via__order, in)
#define VIA__ANSWER_HEAD offsetof(struct via__answer, out)
_Static_assert(VIA__ANSWER_HEAD == VIA__LINE_BYTES, "an answer without more is one cache line");
#define VIA__FRAME_MAX (sizeof(struct via__frame) + VIA__SLOT_BYTES)
_Static_assert(sizeof(struct via__frame) == 8, "frames begin with eight bytes");

// ---- orders and answers ----

// How much of `in` is used; more than VIA__ORDER_INLINE is an error of the caller's.
uint64_t via__order_used(const struct via__order *order);

// The length of the text, or of the answer itself, in `out`.
static inline uint64_t via__answer_content(const struct via__answer *answer)
{
    if (answer->flags & (VIA__ANSWER_MESSAGE | VIA__ANSWER_NOT_FOUND))
        return answer->message_bytes;
    return answer->flags & (VIA__ANSWER_OUT_BUFFER | VIA__ANSWER_REFUSED) ? 0 : answer->out_bytes;
}

// How much of `out` is used, which is more than there is if the answer is impossible: a text if there is one,
// else the bytes of the answer if they are in the slot; and the usage, if that is there.
static inline uint64_t via__answer_used(const struct via__answer *answer)
{
    uint64_t bytes = via__answer_content(answer);
    if (bytes > VIA__ANSWER_INLINE)
        return UINT64_MAX;
    return answer->flags & VIA__ANSWER_MEASURED ? bytes + sizeof(struct via__usage) : bytes;
}

// The checksum, of an answer whose used part fits.
uint64_t via__answer_sum(const struct via__answer *answer);

#endif
