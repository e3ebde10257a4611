/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_LOCK_H
#define VIADUCT_BASE_LOCK_H

#include <pthread.h>
#include <stdint.h>

// Initializes a mutex for critical sections of a few dozen instructions: where the C library can, a thread
// that finds it locked spins briefly before it sleeps.  Never fails: no attribute in use can.
void via__mutex_init(pthread_mutex_t *mutex);

// Initializes a condition whose waits have deadlines on the library's clock.  Never fails.
void via__cond_init(pthread_cond_t *cond);

// Waits until the condition is signalled, or the deadline comes, or for no reason; VIA_FOREVER is no
// deadline.
void via__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);

// One of a fixed set of mutexes, chosen by address: a lock for objects too small to hold one.
// The same address always gives the same mutex; different ones may share.  So at most one is held at a time,
// and only locks that are documented to come after it are taken inside.
pthread_mutex_t *via__hashlock(const void *address);

// Returns when every section under a hashed lock that was entered before has been left.  Not to be called
// with one held.
void via__hashlock_barrier(void);

// Makes every hashed mutex anew in a forked child, where another thread of the parent may have held it.
void via__hashlock_reset(void);

#endif
