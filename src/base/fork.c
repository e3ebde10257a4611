/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/exit.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/role.h"

static _Atomic unsigned generation;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards `installed`
static _Atomic int installed;

unsigned via__fork_generation(void)
{
    // Relaxed: it changes only in a child that still has a single thread.
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

// The child has this one thread: locks that others held are made anew, and what the thread was is forgotten.
static void in_child(void)
{
    // Relaxed: as above.
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    via__hashlock_reset();
    via__exit_reset();
    via__role_reset();
}

// A failure is not kept: the next caller tries again.
int via__fork_watch(void)
{
    // Relaxed: nothing is published by it; the handlers are the C library's.
    if (atomic_load_explicit(&installed, memory_order_relaxed))
        return 0;
    int status = 0;
    pthread_mutex_lock(&lock);
    if (!atomic_load_explicit(&installed, memory_order_relaxed)) {
        status = -pthread_atfork(NULL, NULL, in_child);
        atomic_store_explicit(&installed, status == 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
    return status;
}
