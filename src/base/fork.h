/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_FORK_H
#define VIADUCT_BASE_FORK_H

#include <stdatomic.h>

extern _Atomic unsigned via__forks;

// Counts the forks between the first process and this one.  An object that remembers the number it was made
// under knows whether it belongs to a parent.
static inline unsigned via__fork_generation(void)
{
    // Relaxed: it changes only in a child that still has a single thread.
    return atomic_load_explicit(&via__forks, memory_order_relaxed);
}

// Installs the fork handlers; every constructor of a shared object calls it.  0 or a negative errno.
int via__fork_watch(void);

// The same without looking whether they are installed; once more does no harm.
int via__fork_install(void);

// Has `reset` called in every forked child, while that has a single thread: it makes locks anew that another
// thread of the parent may have held, and forgets what belonged to the parent's threads.  Adding the same
// function again changes nothing; a layer adds one before it first takes such a lock.
typedef void (*via__fork_reset_fn)(void);
void via__fork_on_child(via__fork_reset_fn reset);

#endif
