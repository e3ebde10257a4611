/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inbox: what other threads send to a loop.  A lock-free stack with many producers and one consumer.
 *
 * What is on the stack is the addresses of link words, one in each message, with a tag in the lowest bit that
 * tells the consumer what the word is embedded in.  Each link word holds the address below it.  The consumer
 * takes the whole stack and reverses it, so the messages of one producer keep their order.
 *
 * `head` is also where the consumer says how it is: AWAKE, it will look again without being told; ASLEEP,
 * whoever pushes next must signal it, and exactly one producer will find it so; CLOSED, it will never look
 * again, and nothing is accepted.  All three stand for an empty stack.
 *
 * Synchronisation.
 *   push          any thread, lock-free   release: pairs with the acquire in take and close
 *   take, close   the consumer            acquire: the messages' contents are visible
 *   close         the consumer            release: whoever is refused sees what came before the closing
 *   sleep         the consumer            release: what it did before comes before the signal that wakes it
 */
#ifndef VIADUCT_LOOP_INBOX_H
#define VIADUCT_LOOP_INBOX_H

#include <stdatomic.h>
#include <stdint.h>

#define VIA__INBOX_AWAKE  ((uintptr_t)0)
#define VIA__INBOX_ASLEEP ((uintptr_t)2)
#define VIA__INBOX_CLOSED ((uintptr_t)4)

// The link of a completion is followed by a word in which its sender says where the reader's next steps may
// lead: the address of a message some places below.  A chain is read one cache line after the other; told so,
// the reader can fetch several at once.  It is a hint: the message may be gone.

#define VIA__TAG_POST       ((uintptr_t)0) // the first member of a struct via__post
#define VIA__TAG_COMPLETION ((uintptr_t)1) // what the loop's owner of completions knows

struct via__inbox {
    _Atomic uintptr_t head;
};

// Tells whether nothing is on the stack.  Relaxed: only a hint; via__inbox_take() acquires.
static inline int via__inbox_empty(const struct via__inbox *inbox)
{
    return atomic_load_explicit(&inbox->head, memory_order_relaxed) <= VIA__INBOX_CLOSED;
}

static inline uintptr_t *via__inbox_link(uintptr_t tagged)
{
    return (uintptr_t *)(tagged & ~VIA__TAG_COMPLETION);
}

// Tries to push once on `*head`, which is not CLOSED; on failure `*head` is read anew.  1 if it is pushed.
static inline int via__inbox_try_push(struct via__inbox *inbox, uintptr_t *head, uintptr_t *link,
                                      uintptr_t tag)
{
    *link = *head > VIA__INBOX_CLOSED ? *head : 0;
    // Release: the message and its link are visible to the acquire in via__inbox_take() and _close(). Acquire
    // on failure: if it shows CLOSED this pairs with the release in via__inbox_close().
    return atomic_compare_exchange_weak_explicit(&inbox->head, head, (uintptr_t)link | tag,
                                                 memory_order_release, memory_order_acquire);
}

// Takes everything: a chain of tagged links, the first to arrive first, ending with 0.  The consumer is AWAKE
// afterwards.
uintptr_t via__inbox_take(struct via__inbox *inbox);

// The same, and nothing is accepted any more.
uintptr_t via__inbox_close(struct via__inbox *inbox);

// The consumer is about to sleep: 1, and the next producer signals; 0 if something is there.
int via__inbox_sleep(struct via__inbox *inbox);

#endif
