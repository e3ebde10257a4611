/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_LOCK_H
#define VIADUCT_BASE_LOCK_H

#include <pthread.h>

// Initializes a mutex for critical sections of a few dozen instructions: where the C library can, a thread
// that finds it locked spins briefly before it sleeps.  Never fails: no attribute in use can.
void via__mutex_init(pthread_mutex_t *mutex);

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
