/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be done when a generator is over: others know of something on its stack. */
#ifndef VIADUCT_CORO_ENDS_H
#define VIADUCT_CORO_ENDS_H

struct via__coro_end {
    struct via__coro_end *next;
    // Called when its function has returned, or will not go on; it is out of the list, and may be freed.
    void (*fn)(struct via__coro_end *end, int has_returned);
};

// The list of the generator that runs, where the latest comes first; NULL if none does.
struct via__coro_end **via__coro_ends(void);

#endif
