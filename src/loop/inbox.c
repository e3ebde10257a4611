/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "base/cpu.h"
#include "loop/inbox.h"

// Turns a stack round: its bottom, which came first, becomes the front.
static uintptr_t reverse(uintptr_t top)
{
    uintptr_t front = 0;
    while (top > VIA__INBOX_CLOSED) {
        uintptr_t *link = via__inbox_link(top);
        via__cpu_fetch_to_write(link);
        if (top & VIA__TAG_COMPLETION)
            via__cpu_fetch_to_write((const void *)link[1]);
        uintptr_t below = *link;
        *link = front;
        front = top;
        top = below;
    }
    return front;
}

uintptr_t via__inbox_take(struct via__inbox *inbox)
{
    // Acquire: pairs with the release of every push that is on the stack, each of which read the one before.
    return reverse(atomic_exchange_explicit(&inbox->head, VIA__INBOX_AWAKE, memory_order_acquire));
}

uintptr_t via__inbox_close(struct via__inbox *inbox)
{
    // Acquire: as in via__inbox_take().  Release: a producer that is refused acquires it in push(), and then
    // counts itself off where the closing has written how many are to come.
    return reverse(atomic_exchange_explicit(&inbox->head, VIA__INBOX_CLOSED, memory_order_acq_rel));
}

int via__inbox_sleep(struct via__inbox *inbox)
{
    uintptr_t head = VIA__INBOX_AWAKE;
    // Release: a producer that replaces ASLEEP and signals comes after what the consumer did until now.
    // Relaxed on failure: nothing is taken here.
    if (atomic_compare_exchange_strong_explicit(&inbox->head, &head, VIA__INBOX_ASLEEP, memory_order_release,
                                                memory_order_relaxed))
        return 1;
    return head == VIA__INBOX_ASLEEP;
}
