/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <limits.h>
#include <time.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/park.h"

enum { EMPTY, TOKEN, PARKED };

#ifdef HAVE_LINUX_FUTEX_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void via__parker_init(struct via__parker *parker)
{
    // Relaxed: the parker is not shared yet.
    atomic_store_explicit(&parker->state, EMPTY, memory_order_relaxed);
}

void via__parker_fini(struct via__parker *parker)
{
    (void)parker;
}

static void futex_wait_until(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline_ns == VIA_FOREVER ? NULL : &until,
            NULL, FUTEX_BITSET_MATCH_ANY);
}

int via__park(struct via__parker *parker, int64_t deadline_ns)
{
    uint32_t empty = EMPTY;
    // Acquire: if it fails a token is there, and this pairs with the release in via__unpark().
    if (atomic_compare_exchange_strong_explicit(&parker->state, &empty, PARKED, memory_order_acquire,
                                                memory_order_acquire)) {
        // Acquire: pairs with the release in via__unpark() once the token is seen.
        while (atomic_load_explicit(&parker->state, memory_order_acquire) == PARKED) {
            if (deadline_ns != VIA_FOREVER && (deadline_ns <= 0 || via_now_ns() >= deadline_ns))
                break;
            futex_wait_until(&parker->state, PARKED, deadline_ns);
        }
    }
    // Acquire: a token that came between the deadline and here is taken too, and pairs with its release.
    uint32_t last = atomic_exchange_explicit(&parker->state, EMPTY, memory_order_acquire);
    return last == TOKEN ? 0 : VIA_ETIMEDOUT;
}

void via__unpark(struct via__parker *parker)
{
    _Atomic uint32_t *word = &parker->state;
    // Release: what the waker wrote is visible to the acquire in via__park().
    if (atomic_exchange_explicit(word, TOKEN, memory_order_release) == PARKED)
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#else

void via__parker_init(struct via__parker *parker)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&parker->mutex, NULL);
    pthread_cond_init(&parker->cond, &attr);
    pthread_condattr_destroy(&attr);
    // Relaxed: the parker is not shared yet.
    atomic_store_explicit(&parker->state, EMPTY, memory_order_relaxed);
}

void via__parker_fini(struct via__parker *parker)
{
    pthread_cond_destroy(&parker->cond);
    pthread_mutex_destroy(&parker->mutex);
}

int via__park(struct via__parker *parker, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    int expired = 0;
    pthread_mutex_lock(&parker->mutex);
    // Relaxed throughout: the mutex orders these with via__unpark().
    while (atomic_load_explicit(&parker->state, memory_order_relaxed) != TOKEN && !expired) {
        if (deadline_ns == VIA_FOREVER)
            pthread_cond_wait(&parker->cond, &parker->mutex);
        else if (deadline_ns <= 0 || pthread_cond_timedwait(&parker->cond, &parker->mutex, &until) != 0)
            expired = 1;
    }
    uint32_t last = atomic_exchange_explicit(&parker->state, EMPTY, memory_order_relaxed);
    pthread_mutex_unlock(&parker->mutex);
    return last == TOKEN ? 0 : VIA_ETIMEDOUT;
}

void via__unpark(struct via__parker *parker)
{
    pthread_mutex_lock(&parker->mutex);
    // Relaxed: the mutex orders it with via__park().
    atomic_store_explicit(&parker->state, TOKEN, memory_order_relaxed);
    pthread_cond_signal(&parker->cond);
    pthread_mutex_unlock(&parker->mutex);
}

#endif
