/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/exit.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/role.h"

static _Atomic unsigned generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int watch_status;

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

static void install(void)
{
    watch_status = -pthread_atfork(NULL, NULL, in_child);
}

int via__fork_watch(void)
{
    pthread_once(&once, install);
    return watch_status;
}
