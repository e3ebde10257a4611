/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdint.h>

#include "coro/context.h"

// Tells debuggers and unwinders that nobody called the function.
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && defined(__x86_64__)
#define NOBODY_CALLED() __asm__ volatile(".cfi_undefined rip")
#elif defined(__GCC_HAVE_DWARF2_CFI_ASM) && defined(__aarch64__)
#define NOBODY_CALLED() __asm__ volatile(".cfi_undefined x30")
#else
#define NOBODY_CALLED() ((void)0)
#endif

#if VIA_FCONTEXT

static void begin(struct via__transfer from)
{
    NOBODY_CALLED();
    struct via__context *switched = from.data;
    switched->at = from.at;
    // It is jumped to, not called, if the compiler sees to it: see via__jump().
    switched->to->entry(switched->to);
}

void via__context_make(struct via__context *context, char *top, size_t bytes,
                       void (*entry)(struct via__context *self))
{
    context->entry = entry;
    context->at = via__make_fcontext(top, bytes, begin);
}

#else

// makecontext() passes on only ints.
static void begin(unsigned high, unsigned low)
{
    NOBODY_CALLED();
    struct via__context *context = (struct via__context *)((uintptr_t)high << 16 << 16 | low);
    context->entry(context);
    __builtin_unreachable();
}

void via__context_make(struct via__context *context, char *top, size_t bytes,
                       void (*entry)(struct via__context *self))
{
    uintptr_t aligned = ((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *start = (ucontext_t *)aligned;
    context->entry = entry;
    context->at = start;
    getcontext(start);
    start->uc_link = NULL;
    start->uc_stack.ss_sp = top - bytes;
    start->uc_stack.ss_size = (size_t)((char *)start - (top - bytes));
    makecontext(start, (void (*)(void))begin, 2, (unsigned)((uintptr_t)context >> 16 >> 16),
                (unsigned)(uintptr_t)context);
}

#endif
