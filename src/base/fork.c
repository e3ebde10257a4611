/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a forked child has to make anew.
 *
 * Nothing here is locked, because a lock could itself be held by a thread that the child does not have.  Two
 * threads that are first at once may both install the handlers; `forking` lets only the first of them act.
 */
#include <config.h>

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/exit.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/role.h"

#define MOST_RESETS 8

_Atomic unsigned via__forks;
static _Atomic int installed;
static _Atomic int forking; // set from the first fork on; cleared by the handler in the child
static _Atomic(via__fork_reset_fn) resets[MOST_RESETS];

static void before_fork(void)
{
    // Relaxed: the child is a copy of this thread, and sees what it wrote.
    atomic_store_explicit(&forking, 1, memory_order_relaxed);
}

// The child has this one thread: locks that others held are made anew, and what the thread was is forgotten.
static void in_child(void)
{
    // Relaxed, here and below: as above, and there is no other thread.
    if (!atomic_load_explicit(&forking, memory_order_relaxed))
        return;
    atomic_store_explicit(&forking, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&via__forks, 1, memory_order_relaxed);
    via__hashlock_reset();
    via__exit_reset();
    via__log_reset();
    via__role_reset();
    for (int i = 0; i < MOST_RESETS; i++) {
        via__fork_reset_fn reset = atomic_load_explicit(&resets[i], memory_order_relaxed);
        if (reset)
            reset();
    }
}

int via__fork_install(void)
{
    int status = -pthread_atfork(before_fork, NULL, in_child);
    // Relaxed: nothing is published by it; the handlers are the C library's.
    if (status == 0)
        atomic_store_explicit(&installed, 1, memory_order_relaxed);
    return status;
}

// A failure is not kept: the next caller tries again.
int via__fork_watch(void)
{
    // Relaxed: as above.
    return atomic_load_explicit(&installed, memory_order_relaxed) ? 0 : via__fork_install();
}

void via__fork_on_child(via__fork_reset_fn reset)
{
    for (int i = 0; i < MOST_RESETS; i++) {
        via__fork_reset_fn there = NULL;
        // Relaxed: only a child reads it, and that is a copy.
        if (atomic_compare_exchange_strong_explicit(&resets[i], &there, reset, memory_order_relaxed,
                                                    memory_order_relaxed) ||
            there == reset)
            return;
    }
    assert(!"there is room for every layer");
}
