/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/sanitizers.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <config.h>

#include "coro/stack.h"

enum { MANY = 200 };

static struct via__stacks stacks;

static struct via__stack *acquire(size_t bytes)
{
    struct via__stack *stack = via__stack_acquire(&stacks, via__stack_order(bytes));
    ck_assert_ptr_nonnull(stack);
    return stack;
}

static void release(struct via__stack *stack)
{
    via__stack_release(&stacks, stack);
}

TEST(sizes_are_rounded_up_to_powers_of_two)
{
    ck_assert_int_eq(via__stack_order(0), 16);
    ck_assert_int_eq(via__stack_order(1), 14);
    ck_assert_int_eq(via__stack_order(64 * 1024), 16);
    ck_assert_int_eq(via__stack_order(64 * 1024 + 1), 17);
    ck_assert_int_eq(via__stack_order((size_t)1 << 30), 30);
    ck_assert_int_lt(via__stack_order(((size_t)1 << 30) + 1), 0);
    ck_assert_int_lt(via__stack_order(SIZE_MAX), 0);
}

TEST(all_of_a_stack_can_be_written)
{
    struct via__stack *small = acquire(16 * 1024), *large = acquire(1 << 20);
    ck_assert_uint_eq(via__stack_bytes(small), 16 * 1024);
    ck_assert_uint_eq(via__stack_bytes(large), 1 << 20);
    memset(small->low, 1, via__stack_bytes(small));
    memset(large->low, 2, via__stack_bytes(large));
    ck_assert_int_eq(small->low[0], 1);
    release(small);
    release(large);
    via__stacks_trim(&stacks);
}

TEST(what_came_back_last_goes_out_first)
{
    struct via__stack *first = acquire(0), *second = acquire(0);
    release(first);
    release(second);
    ck_assert_ptr_eq(acquire(0), second);
    ck_assert_ptr_eq(acquire(0), first);
    release(first);
    release(second);
    via__stacks_trim(&stacks);
}

TEST(stacks_do_not_overlap)
{
    struct via__stack *many[MANY];
    for (int i = 0; i < MANY; i++) {
        many[i] = acquire(0);
        memset(many[i]->low, i, 64);
        memset(many[i]->low + via__stack_bytes(many[i]) - 64, i, 64);
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq((unsigned char)many[i]->low[63], i);
        ck_assert_int_eq((unsigned char)many[i]->low[via__stack_bytes(many[i]) - 1], i);
        release(many[i]);
    }
    via__stacks_trim(&stacks);
}

/* Whether the page below the stack can be written, tried by the kernel. */
static int is_guarded(const struct via__stack *stack)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ssize_t got = read(fds[0], stack->low - 1, 1);
    close(fds[0]);
    close(fds[1]);
    return got < 0;
}

static void assert_guarded(enum via__guard kind)
{
    struct via__stack *stack = acquire(0);
    ck_assert_int_eq(stack->guard, kind);
    ck_assert_int_eq(is_guarded(stack), kind != VIA__GUARD_NONE);
    release(stack);
    via__stacks_trim(&stacks);
}

TEST(a_guard_lies_below_each_stack)
{
    struct via__stack *stack = acquire(0);
    ck_assert_int_ne(stack->guard, VIA__GUARD_NONE);
    ck_assert(is_guarded(stack));
    release(stack);
    via__stacks_trim(&stacks);
}

TEST(older_systems_get_mappings_as_guards)
{
    via__guard_prefer(VIA__GUARD_PROTECT, -1);
    assert_guarded(VIA__GUARD_PROTECT);
}

TEST(beyond_the_budget_there_is_no_guard_until_one_is_given_back)
{
    via__guard_prefer(VIA__GUARD_PROTECT, 1);
    struct via__stack *first = acquire(0), *second = acquire(0);
    ck_assert_int_eq(first->guard, VIA__GUARD_PROTECT);
    ck_assert_int_eq(second->guard, VIA__GUARD_NONE);
    release(first);
    release(second);
    via__stacks_trim(&stacks);
    assert_guarded(VIA__GUARD_PROTECT);
}

TEST(it_can_go_without_guards)
{
    via__guard_prefer(VIA__GUARD_NONE, 0);
    assert_guarded(VIA__GUARD_NONE);
}

/* How many pages of the stack are in memory. */
static size_t resident_pages(const struct via__stack *stack)
{
    unsigned char pages[256] = {0};
    size_t count = via__stack_bytes(stack) / via__guard_bytes(), resident = 0;
    ck_assert_uint_le(count, sizeof pages);
    ck_assert_int_eq(mincore(stack->low, via__stack_bytes(stack), pages), 0);
    for (size_t i = 0; i < count; i++)
        resident += pages[i] & 1;
    return resident;
}

TEST(trimming_gives_memory_back_while_others_are_in_use)
{
    struct via__stack *used = acquire(0), *idle = acquire(0);
    memset(idle->low, 1, via__stack_bytes(idle));
    used->low[0] = 7;
    release(idle);
    ck_assert_uint_gt(resident_pages(idle), 0);
    via__stacks_trim(&stacks);
    ck_assert_uint_eq(resident_pages(idle), 0);
    ck_assert_int_eq(used->low[0], 7);
    ck_assert_ptr_eq(acquire(0), idle);
    release(idle);
    release(used);
    via__stacks_trim(&stacks);
}

TEST(far_more_idle_than_used_ones_do_not_keep_their_memory)
{
    static struct via__stack *many[VIA__STACK_WARM + 10];
    const size_t count = sizeof many / sizeof many[0];
    for (size_t i = 0; i < count; i++) {
        many[i] = acquire(16 * 1024);
        many[i]->low[0] = 1;
    }
    for (size_t i = 0; i < count; i++)
        release(many[i]);
    ck_assert_uint_eq(resident_pages(many[0]), 1);
    ck_assert_uint_eq(resident_pages(many[count - 1]), 0);
    via__stacks_trim(&stacks);
}

static void assert_unmapped(const char *address)
{
    unsigned char page;
    char *start = (char *)((uintptr_t)address & ~(uintptr_t)(via__guard_bytes() - 1));
    ck_assert_int_eq(mincore(start, 1, &page), -1);
}

TEST(trimming_unmaps_what_nobody_uses)
{
    struct via__stack *stack = acquire(1 << 20);
    const char *low = stack->low;
    release(stack);
    via__stacks_trim(&stacks);
    assert_unmapped(low);
}

TEST_MAIN("coro/stack", sizes_are_rounded_up_to_powers_of_two, all_of_a_stack_can_be_written,
          what_came_back_last_goes_out_first, stacks_do_not_overlap, a_guard_lies_below_each_stack,
          older_systems_get_mappings_as_guards, beyond_the_budget_there_is_no_guard_until_one_is_given_back,
          it_can_go_without_guards, trimming_gives_memory_back_while_others_are_in_use,
          far_more_idle_than_used_ones_do_not_keep_their_memory, trimming_unmaps_what_nobody_uses)
