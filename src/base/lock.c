/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdint.h>
#include <time.h>

#include <viaduct/time.h>

#include "base/lock.h"

#define HASHLOCK_COUNT 64 // a power of two

// Each on a cache line of its own, so that unrelated futures do not slow each other down.
struct padded_mutex {
    _Alignas(64) pthread_mutex_t mutex;
};

#define MUTEX_4                                                                                              \
    {PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},                   \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER                                                                            \
    }
#define MUTEX_16 MUTEX_4, MUTEX_4, MUTEX_4, MUTEX_4
static struct padded_mutex hashlocks[HASHLOCK_COUNT] = {MUTEX_16, MUTEX_16, MUTEX_16, MUTEX_16};

void via__mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
#ifdef HAVE_PTHREAD_MUTEX_ADAPTIVE_NP
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
}

void via__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void via__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    if (deadline_ns == VIA_FOREVER)
        pthread_cond_wait(cond, mutex);
    else
        pthread_cond_timedwait(cond, mutex, &until);
}

pthread_mutex_t *via__hashlock(const void *address)
{
    // Futures are 64 bytes or more apart; the multiplication spreads those that come from one array.
    uint64_t hash = ((uint64_t)(uintptr_t)address >> 6) * UINT64_C(0x9E3779B97F4A7C15);
    return &hashlocks[hash >> 58].mutex;
}

void via__hashlock_barrier(void)
{
    for (size_t i = 0; i < HASHLOCK_COUNT; i++) {
        pthread_mutex_lock(&hashlocks[i].mutex);
        pthread_mutex_unlock(&hashlocks[i].mutex);
    }
}

void via__hashlock_reset(void)
{
    for (size_t i = 0; i < HASHLOCK_COUNT; i++)
        pthread_mutex_init(&hashlocks[i].mutex, NULL);
}
