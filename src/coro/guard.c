/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guards: a page below each stack that may not be touched.
 *
 * Linux 6.13 can mark it in the page tables.  Older systems need a mapping of its own, and with that one more
 * for the stack: there may be 65530 in a process by default, so only a budget of them is spent on guards, and
 * the stacks beyond it go without.  What the system can do is found out by trying, once for the process.
 */
#include <config.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coro/stack.h"

// Of Linux's headers since 6.13; the number is the system's interface.
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { DEFAULT_MAPS = 65530, MAPS_PER_GUARDED_STACK = 2, BUDGET_SHARE = 2 };

static _Atomic int preferred = VIA__GUARD_PAGES;
static _Atomic long budget = -1; // guards that may still have a mapping; negative before it was read

size_t via__guard_bytes(void)
{
    static _Atomic size_t known;
    // Relaxed: whoever asks the system gets the same answer.
    size_t bytes = atomic_load_explicit(&known, memory_order_relaxed);
    if (!bytes) {
        bytes = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, bytes, memory_order_relaxed); // as above
    }
    return bytes;
}

static long read_budget(void)
{
    long maps = DEFAULT_MAPS;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%ld", &maps) != 1 || maps < 0)
            maps = DEFAULT_MAPS;
        fclose(file);
    }
    return maps / MAPS_PER_GUARDED_STACK / BUDGET_SHARE;
}

// Takes one from the budget; whether there was one.
static int spend(void)
{
    // Relaxed, here and below: a count that publishes nothing.
    long left = atomic_load_explicit(&budget, memory_order_relaxed);
    if (left < 0) {
        long all = read_budget();
        atomic_compare_exchange_strong_explicit(&budget, &left, all, memory_order_relaxed,
                                                memory_order_relaxed);
        left = atomic_load_explicit(&budget, memory_order_relaxed);
    }
    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(&budget, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return 1;
    return 0;
}

void via__guard_forget(long count)
{
    if (count)
        atomic_fetch_add_explicit(&budget, count, memory_order_relaxed); // as in spend()
}

void via__guard_prefer(enum via__guard kind, long new_budget)
{
    // Relaxed: a test sets it before there are coroutines.
    atomic_store_explicit(&preferred, kind, memory_order_relaxed);
    atomic_store_explicit(&budget, new_budget, memory_order_relaxed);
}

enum via__guard via__guard_install(char *page)
{
    // Relaxed: who does not see yet that the system cannot do it finds out again.
    int kind = atomic_load_explicit(&preferred, memory_order_relaxed);
    if (kind == VIA__GUARD_PAGES) {
        if (madvise(page, via__guard_bytes(), MADV_GUARD_INSTALL) == 0)
            return VIA__GUARD_PAGES;
        if (errno == EINVAL)
            atomic_store_explicit(&preferred, VIA__GUARD_PROTECT, memory_order_relaxed); // as above
    }
    if (kind == VIA__GUARD_NONE || !spend())
        return VIA__GUARD_NONE;
    if (mprotect(page, via__guard_bytes(), PROT_NONE) == 0)
        return VIA__GUARD_PROTECT;
    via__guard_forget(1);
    return VIA__GUARD_NONE;
}
