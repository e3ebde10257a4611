/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coro/stack.h"

#define FIRST_SLAB_BYTES ((size_t)1 << 20)
#define MOST_SLAB_BYTES  ((size_t)64 << 20)

struct via__stack_slab {
    struct via__stack_slab *next;
    size_t bytes;
    size_t count;
    struct via__stack stacks[];
};

int via__stack_order_of(size_t bytes)
{
    if (bytes > (size_t)1 << VIA__STACK_MOST_ORDER)
        return -1;
    if (bytes < (size_t)1 << VIA__STACK_LEAST_ORDER)
        bytes = (size_t)1 << VIA__STACK_LEAST_ORDER;
    if (bytes < via__guard_bytes())
        bytes = via__guard_bytes();
    return (int)sizeof(unsigned long) * CHAR_BIT - __builtin_clzl((unsigned long)bytes - 1);
}

static size_t slot_bytes(int order)
{
    return ((size_t)1 << order) + via__guard_bytes();
}

static size_t head_bytes(size_t count)
{
    size_t bytes = sizeof(struct via__stack_slab) + count * sizeof(struct via__stack);
    return (bytes + via__guard_bytes() - 1) & ~(via__guard_bytes() - 1);
}

static struct via__stack_slab *map_slab(int order, size_t count)
{
    size_t bytes = head_bytes(count) + count * slot_bytes(order);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    // One page is enough for most coroutines; a huge one for each would be the end of many of them.
    (void)madvise(at, bytes, MADV_NOHUGEPAGE);
    struct via__stack_slab *slab = at;
    slab->bytes = bytes;
    slab->count = count;
    return slab;
}

// Twice the slab before, or as much as the system gives.
static int grow(struct via__stack_pool *pool, int order)
{
    size_t bytes = pool->slab_bytes ? pool->slab_bytes * 2 : FIRST_SLAB_BYTES;
    if (bytes > MOST_SLAB_BYTES)
        bytes = MOST_SLAB_BYTES;
    size_t count = bytes / slot_bytes(order);
    struct via__stack_slab *slab = NULL;
    for (count = count ? count : 1; count && !slab; count = slab ? count : count / 2)
        slab = map_slab(order, count);
    if (!slab)
        return 0;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->slab_bytes = bytes;
    pool->fresh = slab->stacks;
    pool->fresh_end = slab->stacks + slab->count;
    return 1;
}

// Makes the next stack of the newest slab.
static struct via__stack *carve(struct via__stack_pool *pool, int order)
{
    if (pool->fresh == pool->fresh_end && !grow(pool, order))
        return NULL;
    struct via__stack *stack = pool->fresh++;
    struct via__stack_slab *slab = pool->slabs;
    char *slot = (char *)slab + head_bytes(slab->count) + (size_t)(stack - slab->stacks) * slot_bytes(order);
    stack->low = slot + via__guard_bytes();
    stack->order = (unsigned char)order;
    stack->guard = (unsigned char)via__guard_install(slot);
    stack->is_watched = via__annotate_is_watched();
    return stack;
}

static struct via__stack *pop(struct via__stack **list)
{
    struct via__stack *stack = *list;
    *list = stack->next;
    return stack;
}

static void push(struct via__stack **list, struct via__stack *stack)
{
    stack->next = *list;
    *list = stack;
}

struct via__stack *via__stack_find(struct via__stack_pool *pool, int order)
{
    return pool->cold ? pop(&pool->cold) : carve(pool, order);
}

void via__stack_cool(struct via__stack_pool *pool, struct via__stack *stack)
{
    (void)madvise(stack->low, via__stack_bytes(stack), MADV_DONTNEED);
    push(&pool->cold, stack);
}

size_t via__stacks_in_use(const struct via__stacks *stacks)
{
    size_t count = 0;
    for (int i = 0; i < VIA__STACK_ORDERS; i++)
        count += stacks->pools[i].in_use;
    return count;
}

static void unmap_slab(struct via__stack_slab *slab)
{
    long guards = 0;
    for (size_t i = 0; i < slab->count; i++)
        guards += slab->stacks[i].guard == VIA__GUARD_PROTECT;
    via__annotate_unmap((char *)slab, slab->bytes);
    munmap(slab, slab->bytes);
    via__guard_forget(guards);
}

static void trim_pool(struct via__stack_pool *pool)
{
    if (pool->in_use) {
        while (pool->warm)
            via__stack_cool(pool, pop(&pool->warm));
        pool->warm_count = 0;
        return;
    }
    while (pool->slabs) {
        struct via__stack_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        unmap_slab(slab);
    }
    *pool = (struct via__stack_pool){.warm = NULL};
}

void via__stacks_trim(struct via__stacks *stacks)
{
    for (int i = 0; i < VIA__STACK_ORDERS; i++)
        trim_pool(&stacks->pools[i]);
}
