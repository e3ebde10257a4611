/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What other threads do to a loop: send messages, and hold it.
 *
 * A producer that finds the loop asleep signals it after the push.  By then the message may have been handled
 * and with it the last pin gone; so it takes a pin of its own before the push, but only when it sees the loop
 * asleep.
 *
 * `holds` is a count; only its way from 0 and to 0 concerns the loop.  From outside the loop's callbacks that
 * is told by the nudge, a message that does nothing: the tick that takes it looks at the count.  Calls that
 * sleep by a virtual clock tell the loop so in the same way.
 */
#include <config.h>

#include "loop/loop.h"
#include "loop/tick.h"

// The loop may be asleep or closed, or others push as well.
__attribute__((noinline)) static int push_closely(via_loop *loop, uintptr_t *link, uintptr_t tag)
{
    int is_pinned = 0, is_pushed = 0;
    // Acquire: if it is CLOSED this pairs with the release in via__inbox_close().
    uintptr_t head = atomic_load_explicit(&loop->inbox.head, memory_order_acquire);
    while (head != VIA__INBOX_CLOSED && !is_pushed) {
        if (head == VIA__INBOX_ASLEEP && !is_pinned)
            is_pinned = via__loop_pin(loop) != NULL;
        is_pushed = via__inbox_try_push(&loop->inbox, &head, link, tag);
    }
    if (is_pushed && head == VIA__INBOX_ASLEEP)
        via__wakefd_signal(&loop->wake);
    if (is_pinned)
        via__loop_unpin(loop);
    return is_pushed ? 0 : VIA_ECLOSED;
}

// Tries it once where nobody is to be woken: that does for most messages.
static inline int push(via_loop *loop, uintptr_t *link, uintptr_t tag)
{
    // Relaxed: a guess, which the push confirms.
    uintptr_t head = atomic_load_explicit(&loop->inbox.head, memory_order_relaxed);
    int is_quick = head != VIA__INBOX_ASLEEP && head != VIA__INBOX_CLOSED;
    if (is_quick && via__inbox_try_push(&loop->inbox, &head, link, tag))
        return 0;
    return push_closely(loop, link, tag);
}

int via__loop_post(via_loop *loop, struct via__post *post)
{
    return push(loop, &post->link, VIA__TAG_POST);
}

// Remembers what this thread sends, and returns what it sent VIA__ROLE_SENT completions ago.  What was sent
// before an inbox was emptied is of no use to its reader.
static inline uintptr_t note_sent(const uintptr_t *link, int was_emptied)
{
    struct via__role *role = &via__role;
    unsigned at = role->sent_at++;
    if (was_emptied)
        role->sent_from = at;
    const void **place = &role->sent[at % VIA__ROLE_SENT];
    uintptr_t before = at - role->sent_from >= VIA__ROLE_SENT ? (uintptr_t)*place : 0;
    *place = link;
    return before;
}

// What a source of this loop completes need not go through the inbox.
static int append_served(via_loop *loop, uintptr_t *link)
{
    *link = 0;
    *loop->served_end = (uintptr_t)link | VIA__TAG_COMPLETION;
    loop->served_end = link;
    return 0;
}

int via__loop_post_completion(via_loop *loop, uintptr_t *link, int has_spare)
{
    if (via__role.serves == loop)
        return append_served(loop, link);
    if (has_spare)
        link[1] = note_sent(link, via__inbox_empty(&loop->inbox));
    return push(loop, link, VIA__TAG_COMPLETION);
}

void via__loop_expect(via_loop *loop)
{
    // Relaxed: only this thread writes its own address, and no other may run the base meanwhile.
    if (loop->is_attached && !via__loop_is_closed(loop) &&
        atomic_load_explicit(&loop->owner, memory_order_relaxed) == via__loop_thread())
        via__tick_after_poll(loop);
}

void via__loop_nudge(via_loop *loop)
{
    if (via__loop_is_here(loop) && loop->in_tick)
        return; // the tick looks when it ends
    // Release: what was done before is visible to the acquire in arrive_nudge(), or the nudge of somebody
    // else is still on its way and will show it.
    if (!atomic_exchange_explicit(&loop->nudged, 1, memory_order_acq_rel))
        via__loop_post(loop, &loop->nudge);
    via__loop_expect(loop);
}

int via_loop_hold(via_loop *loop)
{
    int status = via__loop_check_any(loop);
    if (status < 0)
        return status;
    // Relaxed: the nudge orders it.
    if (atomic_fetch_add_explicit(&loop->holds, 1, memory_order_relaxed) == 0 && loop->is_attached)
        via__loop_nudge(loop);
    return 0;
}

int via_loop_release(via_loop *loop)
{
    if (!loop)
        return VIA_EINVAL;
    if (loop->generation != via__fork_generation())
        return VIA_EFORKED;
    // Relaxed: the exchange below decides.
    size_t holds = atomic_load_explicit(&loop->holds, memory_order_relaxed);
    do {
        if (!holds)
            return via__loop_is_closed(loop) ? 0 : VIA_ESTATE;
    }
    // Release: what this thread sent before is in the inbox for whoever acquires the count:
    // via__loop_awaits_others().
    while (!atomic_compare_exchange_weak_explicit(&loop->holds, &holds, holds - 1, memory_order_release,
                                                  memory_order_relaxed));
    if (holds == 1)
        via__loop_nudge(loop);
    return 0;
}
