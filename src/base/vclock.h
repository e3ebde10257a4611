/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual clock, shared between the loop that moves it and the calls of that loop which sleep by it in
 * other threads.
 *
 * The loop moves the time when nothing can happen without that, to the next of its timers or the end of the
 * next sleep.  Sleeps that end at one moment end one after the other: the next sleeper is woken when the one
 * before sleeps again, has returned, or waits for something that needs time itself.  So their order is
 * certain: by their ends, and then by their turns.
 *
 * A sleep ends when its sleeper was taken off the list, by whoever took it off: the loop, a canceller, or the
 * closing.  `asleep` says that it stands there; it is cleared before the sleeper runs, so a loop that has
 * woken somebody does not take him for asleep any more.
 *
 * The clock is told to its loop (`changed`) from other threads, under `lock`; the closing of the loop takes
 * `loop` away under it.  References: the loop's, and one for each call that may sleep.
 *
 * Lock order: `lock` comes after a hashed lock and after the search lock of deadlock.c; nothing is locked
 * inside it.
 */
#ifndef VIADUCT_BASE_VCLOCK_H
#define VIADUCT_BASE_VCLOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"
#include "base/park.h"

struct via__vclock {
    pthread_mutex_t lock;      // guards what follows
    struct via__list sleepers; // by end, then by turn
    void *loop;                // whose clock it is; NULL when that is closed
    void (*changed)(void *loop);
    int64_t now_ns;         // written by the loop, which may read it without the lock
    _Atomic uint64_t turns; // of the calls that were made
    _Atomic uint32_t refs;
};

enum via__nap_end { VIA__NAP_NONE, VIA__NAP_OVER, VIA__NAP_CUT, VIA__NAP_CLOSED };

// A sleep; it lives on the sleeper's stack.
struct via__nap {
    struct via__list link;
    struct via__parker *parker;
    int64_t until_ns;
    uint64_t turn;
    int64_t left_ns; // with VIA__NAP_CLOSED
    _Atomic int end; // enum via__nap_end
    _Atomic int asleep;
};

// NULL if memory ran out.  `changed` is called in any thread when there may be a reason to move the time.
struct via__vclock *via__vclock_new(void *loop, void (*changed)(void *loop));
struct via__vclock *via__vclock_ref(struct via__vclock *clock);
void via__vclock_unref(struct via__vclock *clock);

// The loop's thread: nobody is told any more, and who sleeps goes on by the real clock.
void via__vclock_close(struct via__vclock *clock);

// The loop's thread: when the next sleep ends; VIA_FOREVER if none does.
int64_t via__vclock_next(struct via__vclock *clock);

// The loop's thread: moves the time on.
void via__vclock_set(struct via__vclock *clock, int64_t now_ns);

// The loop's thread: wakes the first sleeper, whose time has come.
void via__vclock_wake_first(struct via__vclock *clock);

// Tells the loop that it may be time to move the time.
void via__vclock_tell(struct via__vclock *clock);

// Lies down for so long, unless the nap was cut already, or the clock is closed.  The sleeper then parks
// until the nap has an end.
void via__vclock_sleep(struct via__vclock *clock, struct via__nap *nap, int64_t duration_ns);

// Ends a nap early, or keeps it from beginning.
void via__vclock_cut(struct via__vclock *clock, struct via__nap *nap);

// The sleeper, once the nap has an end: waits until whoever ended it has let go of it.
void via__vclock_leave(struct via__vclock *clock);

static inline enum via__nap_end via__nap_end(struct via__nap *nap)
{
    // Acquire: pairs with the release in end_nap(): `left_ns` and the time are visible.
    return (enum via__nap_end)atomic_load_explicit(&nap->end, memory_order_acquire);
}

static inline int via__nap_is_asleep(const struct via__nap *nap)
{
    // Acquire: pairs with the release in via__vclock_sleep(), so that what the sleeper sent before is in the
    // loop's inbox for whoever finds it asleep.
    return atomic_load_explicit(&nap->asleep, memory_order_acquire);
}

#endif
