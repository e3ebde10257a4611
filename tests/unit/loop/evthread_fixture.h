/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Locks for libevent as evthread_use_pthreads() gives them, without the library that holds it: a base made
 * afterwards locks itself and can be told of by other threads.
 */
#ifndef VIA_TEST_EVTHREAD_FIXTURE_H
#define VIA_TEST_EVTHREAD_FIXTURE_H

#include <event2/thread.h>
#include <time.h>

#include "support/support.h"

/* The locks outlive the test's balance check with the base that uses them, so they come from a fixed store.
 */
static pthread_mutex_t evthread_mutexes[64];
static int evthread_mutex_count;
static pthread_cond_t evthread_conditions[16];
static int evthread_condition_count;

static inline void *evthread_alloc_lock(unsigned type)
{
    (void)type;
    ck_assert_int_lt(evthread_mutex_count, 64);
    pthread_mutex_t *mutex = &evthread_mutexes[evthread_mutex_count++];
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return mutex;
}

static inline void evthread_free_lock(void *lock, unsigned type)
{
    (void)type;
    pthread_mutex_destroy(lock);
}

static inline int evthread_take_lock(unsigned mode, void *lock)
{
    return mode & EVTHREAD_TRY ? pthread_mutex_trylock(lock) : pthread_mutex_lock(lock);
}

static inline int evthread_give_lock(unsigned mode, void *lock)
{
    (void)mode;
    return pthread_mutex_unlock(lock);
}

static inline void *evthread_alloc_condition(unsigned type)
{
    (void)type;
    ck_assert_int_lt(evthread_condition_count, 16);
    pthread_cond_t *condition = &evthread_conditions[evthread_condition_count++];
    pthread_cond_init(condition, NULL);
    return condition;
}

static inline void evthread_free_condition(void *condition)
{
    pthread_cond_destroy(condition);
}

static inline int evthread_signal(void *condition, int broadcast)
{
    return broadcast ? pthread_cond_broadcast(condition) : pthread_cond_signal(condition);
}

static inline int evthread_wait(void *condition, void *lock, const struct timeval *timeout)
{
    if (!timeout)
        return pthread_cond_wait(condition, lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout->tv_sec + (until.tv_nsec + timeout->tv_usec * 1000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + timeout->tv_usec * 1000) % 1000000000;
    return pthread_cond_timedwait(condition, lock, &until);
}

static inline unsigned long evthread_thread_id(void)
{
    return (unsigned long)pthread_self();
}

/* To be called before the first base is made. */
static inline void use_evthread(void)
{
    static const struct evthread_lock_callbacks locks = {
        EVTHREAD_LOCK_API_VERSION, EVTHREAD_LOCKTYPE_RECURSIVE, evthread_alloc_lock,
        evthread_free_lock,        evthread_take_lock,          evthread_give_lock};
    static const struct evthread_condition_callbacks conditions = {
        EVTHREAD_CONDITION_API_VERSION, evthread_alloc_condition, evthread_free_condition, evthread_signal,
        evthread_wait};
    ck_assert_int_eq(evthread_set_lock_callbacks(&locks), 0);
    ck_assert_int_eq(evthread_set_condition_callbacks(&conditions), 0);
    evthread_set_id_callback(evthread_thread_id);
}

#endif
