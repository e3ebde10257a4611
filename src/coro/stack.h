/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stacks of one thread.
 *
 * They come in sizes that are powers of two, each size with a pool of its own.  A pool maps slabs, the first
 * small and each twice the one before, and carves stacks from them with a guard below each; memory that was
 * never touched costs only page tables.  What comes back is given out again first, still warm.  When far more
 * stacks are idle than in use, those that come back are given to the system, page by page; the address space
 * stays until no stack of the size is in use and the pool is trimmed.
 *
 * Stacks are described in the head of their slab, so that an idle one is not touched.
 */
#ifndef VIADUCT_CORO_STACK_H
#define VIADUCT_CORO_STACK_H

#include <stddef.h>

#include "coro/annotate.h"

#define VIA__STACK_LEAST_ORDER   14 // 16 KiB
#define VIA__STACK_MOST_ORDER    30 // 1 GiB
#define VIA__STACK_ORDERS        (VIA__STACK_MOST_ORDER - VIA__STACK_LEAST_ORDER + 1)
#define VIA__STACK_DEFAULT_ORDER 16   // 64 KiB
#define VIA__STACK_WARM          1024 // so many more idle stacks than stacks in use keep their memory

enum via__guard {
    VIA__GUARD_NONE,    // an overflow is seen when the coroutine suspends
    VIA__GUARD_PAGES,   // in the page tables, without a mapping of its own
    VIA__GUARD_PROTECT, // a mapping that may not be touched; the system allows few of them
};

struct via__stack {
    union {
        struct via__stack *next; // in its pool while it is idle
        void *user;              // what its user likes to know of it; debuggers look for a fiber here
    };
    char *low; // the guard ends here
    unsigned valgrind_id;
    unsigned char order;      // it has 1 << order bytes
    unsigned char guard;      // an enum via__guard
    unsigned char in_use;     // it is not idle
    unsigned char is_watched; // valgrind wants to know of it
};

struct via__stack_slab;

struct via__stack_pool {
    struct via__stack *warm;              // idle, with their memory
    struct via__stack *cold;              // idle, without
    struct via__stack *fresh, *fresh_end; // of the newest slab: not carved yet
    struct via__stack_slab *slabs;
    size_t warm_count, in_use;
    size_t slab_bytes; // of the newest slab
};

struct via__stacks {
    struct via__stack_pool pools[VIA__STACK_ORDERS];
};

// The order for so many bytes, 0 meaning the default; negative if that is too much.
int via__stack_order_of(size_t bytes);
static inline int via__stack_order(size_t bytes)
{
    return bytes ? via__stack_order_of(bytes) : VIA__STACK_DEFAULT_ORDER;
}

// How many are in use, of all sizes.
size_t via__stacks_in_use(const struct via__stacks *stacks);

// Gives the memory of idle stacks back, and the slabs of each size of which no stack is in use.
void via__stacks_trim(struct via__stacks *stacks);

static inline size_t via__stack_bytes(const struct via__stack *stack)
{
    return (size_t)1 << stack->order;
}

// One that is not warm, or NULL if memory ran out; and one that comes back when enough are.
struct via__stack *via__stack_find(struct via__stack_pool *pool, int order);
void via__stack_cool(struct via__stack_pool *pool, struct via__stack *stack);

// NULL if memory ran out.
static inline struct via__stack *via__stack_acquire(struct via__stacks *stacks, int order)
{
    struct via__stack_pool *pool = &stacks->pools[order - VIA__STACK_LEAST_ORDER];
    struct via__stack *stack = pool->warm;
    if (stack) {
        pool->warm = stack->next;
        pool->warm_count--;
    } else {
        stack = via__stack_find(pool, order);
        if (!stack)
            return NULL;
    }
    pool->in_use++;
    stack->in_use = 1;
    if (VIA__ADDRESS_SANITIZER || stack->is_watched)
        stack->valgrind_id = via__annotate_acquire(stack->low, via__stack_bytes(stack));
    return stack;
}

static inline void via__stack_release(struct via__stacks *stacks, struct via__stack *stack)
{
    struct via__stack_pool *pool = &stacks->pools[stack->order - VIA__STACK_LEAST_ORDER];
    if (VIA__ADDRESS_SANITIZER || stack->is_watched)
        via__annotate_release(stack->low, via__stack_bytes(stack), stack->valgrind_id);
    stack->in_use = 0;
    pool->in_use--;
    if (pool->warm_count >= pool->in_use + VIA__STACK_WARM) {
        via__stack_cool(pool, stack);
        return;
    }
    stack->next = pool->warm;
    pool->warm = stack;
    pool->warm_count++;
}

// How long a guard is.
size_t via__guard_bytes(void);

// Puts a guard on the page.  Says which kind it became.
enum via__guard via__guard_install(char *page);

// A mapping with so many guards of the kind that has mappings of its own is gone.
void via__guard_forget(long count);

// Chooses the kind that is tried first, and how many guards may have mappings of their own; for tests.
void via__guard_prefer(enum via__guard kind, long budget);

#endif
