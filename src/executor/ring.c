/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "base/cpu.h"
#include "executor/ring.h"

#define SLOTS_AHEAD 8 // whose lines the consumer has read

// Whether the place is free, as far as is known or can be found out.
static int is_free(struct via__ring *ring, uint64_t at)
{
    // Acquire: pairs with the release below, by whoever saw the head.
    if (at - atomic_load_explicit(&ring->head_seen, memory_order_acquire) < VIA__RING_SLOTS)
        return 1;
    // Acquire: pairs with the release in via__ring_pop(): the slot was read.
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    // Release: hands the same on to the other producers.
    atomic_store_explicit(&ring->head_seen, head, memory_order_release);
    return at - head < VIA__RING_SLOTS;
}

int via__ring_push(struct via__ring *ring, void *item)
{
    // Relaxed, both: it only hands out places.
    uint64_t at = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    do {
        if (!is_free(ring, at))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&ring->tail, &at, at + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    via__cpu_fetch_to_write((const void *)&ring->slots[via__ring_slot(at + SLOTS_AHEAD)]);
    // Sequentially consistent: comes before the producer's next look; and the item's contents are visible to
    // whoever pops it.
    atomic_store_explicit(&ring->slots[via__ring_slot(at)], (uintptr_t)item | via__ring_lap(at),
                          memory_order_seq_cst);
    return 1;
}

void *via__ring_pop(struct via__ring *ring)
{
    uint64_t head = via__ring_head(ring);
    // Sequentially consistent: pairs with via__ring_push().
    uintptr_t item = atomic_load_explicit(&ring->slots[via__ring_slot(head)], memory_order_seq_cst);
    if ((item & 1) != via__ring_lap(head))
        return NULL;
    // Release: the slot was read, and is a producer's again.
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return (void *)(item & ~(uintptr_t)1);
}
