/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of pointers with many producers and one consumer at a time: the way into a pool without its lock.
 *
 * A producer makes the place at `tail` its own by moving `tail` on, and fills its slot.  The consumer, whom
 * its owner's lock makes the only one, goes from slot to slot until one is not filled.  The lowest bit of a
 * slot says in which lap it was filled, odd laps or even, so the consumer never writes a slot, and its cache
 * line stays with the producers.  A producer that has its place and has not filled the slot yet hides those
 * behind it; that is why every producer looks after those who should look (see thread_pool.h).
 *
 * Synchronisation.
 *   push        any thread, lock-free   seq_cst: the item comes before whatever the producer looks at next
 *   pop, empty  the consumer            seq_cst: what it announced before comes before its look
 *   head        consumer to producers   release and acquire: a slot was read before it is filled again
 */
#ifndef VIADUCT_EXECUTOR_RING_H
#define VIADUCT_EXECUTOR_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define VIA__RING_LINES    128
#define VIA__RING_PER_LINE 8
#define VIA__RING_SLOTS    (VIA__RING_LINES * VIA__RING_PER_LINE)

struct via__ring {
    _Alignas(64) _Atomic uint64_t tail; // the producers'
    _Atomic uint64_t head_seen;         // what one of them saw of `head` last
    _Alignas(64) _Atomic uint64_t head; // the consumer's
    _Alignas(64) _Atomic uintptr_t slots[VIA__RING_SLOTS];
};

// Neighbours in time lie in different cache lines, so that the consumer's look at the next does not take away
// the line that the producer is about to write.
static inline size_t via__ring_slot(uint64_t at)
{
    return (size_t)(at % VIA__RING_LINES * VIA__RING_PER_LINE + at / VIA__RING_LINES % VIA__RING_PER_LINE);
}

// The mark of the lap that a place is in: 1 in the first, when all slots are 0.
static inline uintptr_t via__ring_lap(uint64_t at)
{
    return (uintptr_t)(at / VIA__RING_SLOTS + 1) & 1;
}

// 1, or 0 if the ring is full.  The item's address is even.
int via__ring_push(struct via__ring *ring, void *item);

// The consumer's: the oldest item, or NULL.
void *via__ring_pop(struct via__ring *ring);

// Relaxed: only the consumer writes it; for others it is a hint.
static inline uint64_t via__ring_head(const struct via__ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed);
}

// Tells whether a place at `head`, or less than a lap behind it, has an item.  For other threads than the
// consumer's it is a hint.
static inline int via__ring_has(const struct via__ring *ring, uint64_t at)
{
    // Sequentially consistent: pairs with via__ring_push(), see thread_pool.h.
    return (atomic_load_explicit(&ring->slots[via__ring_slot(at)], memory_order_seq_cst) & 1) ==
           via__ring_lap(at);
}

// The consumer's: how many items there are, or are about to be.
static inline size_t via__ring_count(const struct via__ring *ring)
{
    uint64_t head = via__ring_head(ring);
    // Relaxed: a count.
    return via__ring_has(ring, head)
               ? (size_t)(atomic_load_explicit(&ring->tail, memory_order_relaxed) - head)
               : 0;
}

// The consumer's: whether every place that was taken has been filled and emptied.  If not, and there is no
// item, some producer is about to fill its place, and may hide items of others.
static inline int via__ring_is_empty(const struct via__ring *ring)
{
    // Relaxed: whoever is sure to have pushed before has told this thread so by other means, as the pool's
    // lock.
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) == via__ring_head(ring);
}

// How many items were ever pushed.
static inline uint64_t via__ring_pushed(const struct via__ring *ring)
{
    return atomic_load_explicit(&ring->tail, memory_order_relaxed); // a figure
}

#endif
