/* SPDX-License-Identifier: BSD-3-Clause */
/* Pointers in what another process is to read: they mean nothing there. */
#include <config.h>

#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "process/pointers.h"

#define MOST_BYTES  4096                 // more is data, and not looked through
#define STACK_BYTES ((uintptr_t)1 << 20) // this far from here a stack is likely to be this thread's

struct range {
    uintptr_t from, to;
};

static int is_in(const struct range *range, uintptr_t word)
{
    return word >= range->from && word < range->to;
}

// The part of the heap that grows behind the program; what was mapped alone is elsewhere.
static struct range heap(void)
{
    uintptr_t top = (uintptr_t)sbrk(0);
#ifdef HAVE_MALLINFO2
    size_t bytes = mallinfo2().arena;
#else
    size_t bytes = 0;
#endif
    return (struct range){top > bytes ? top - bytes : 0, top};
}

static struct range stack(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return (struct range){here - STACK_BYTES, here + STACK_BYTES};
}

long via__pointers_find(const void *in, size_t bytes)
{
    const struct range ranges[] = {heap(), stack()};
    if (bytes > MOST_BYTES)
        bytes = MOST_BYTES;
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
        uintptr_t word;
        memcpy(&word, (const char *)in + at, sizeof word);
        if (is_in(&ranges[0], word) || is_in(&ranges[1], word))
            return (long)at;
    }
    return -1;
}
