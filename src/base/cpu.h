/* SPDX-License-Identifier: BSD-3-Clause */
/* Hints to the processor. */
#ifndef VIADUCT_BASE_CPU_H
#define VIADUCT_BASE_CPU_H

#include <stddef.h>
#include <string.h>

// Tells the processor that this thread spins, so that its sibling gets the core's resources.
static inline void via__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Fetches a cache line that this thread will read soon.  Any address will do, mapped or not.
static inline void via__cpu_fetch_to_read(const void *address)
{
    __builtin_prefetch(address);
}

// Fetches a cache line that this thread will write soon, and takes it away from the other cores at once.  Any
// address will do, mapped or not.
static inline void via__cpu_fetch_to_write(const void *address)
{
#if defined(__x86_64__)
    // The compiler's built-in reads only, unless the program is compiled for processors that are sure to know
    // this instruction; the others take it for none.
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
    __builtin_prefetch(address, 1);
#endif
}

// Clears an object of some cache lines.  Line by line: of all the bytes at once compilers make one string
// instruction, which takes longer to start than the rest.
static inline void via__cpu_clear(void *object, size_t bytes)
{
    const size_t line = 64;
    char *at = object, *end = at + bytes / line * line;
    for (; at < end; at += line)
        memset(at, 0, line);
    memset(at, 0, bytes % line);
}

#endif
