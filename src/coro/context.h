/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A context: a place in some code on a stack of its own, to be switched to.
 *
 * There are two ways of switching, chosen by configure: fcontext, a few instructions of assembler out of
 * Boost.Context, and ucontext of the C library, which makes a system call for the signal mask.  Both keep the
 * registers that a function must preserve and the floating-point control words; only ucontext keeps the
 * signal mask, so nobody may rely on that.
 *
 * The switch is inlined: ThreadSanitizer wants its own switch and this one in the same function.
 */
#ifndef VIADUCT_CORO_CONTEXT_H
#define VIADUCT_CORO_CONTEXT_H

#include <stddef.h>

struct via__context {
    void *at; // where it stands while it does not run; good for one switch to it
    union {
        void (*entry)(struct via__context *self); // before the first switch to it
        struct via__context *to;                  // during a switch from here: the other one
    };
};

// Prepares `entry(context)` on a stack that ends below `top`.  The entry must not return.
void via__context_make(struct via__context *context, char *top, size_t bytes,
                       void (*entry)(struct via__context *self));

#if VIA_FCONTEXT

struct via__transfer {
    void *at;
    void *data; // the context that was switched from
};

// Boost.Context's, under these names by tools/take-fcontext.sh.
struct via__transfer via__jump_fcontext(void *to, void *data);
void *via__make_fcontext(void *top, size_t bytes, void (*begin)(struct via__transfer from));

#if VIA_JUMP_IN_LINE

// The registers, besides those of its arguments and results, that a function need not preserve.
#define VIA__NOT_PRESERVED_ALWAYS                                                                            \
    "rcx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", \
        "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)",         \
        "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"
#ifdef __AVX512F__
#define VIA__NOT_PRESERVED                                                                                   \
    VIA__NOT_PRESERVED_ALWAYS, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",       \
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3",      \
        "k4", "k5", "k6", "k7"
#else
#define VIA__NOT_PRESERVED VIA__NOT_PRESERVED_ALWAYS
#endif

// As a call of via__jump_fcontext(), but entered by a jump.  That function returns by a jump, so a call would
// leave an address behind on the processor's own stack of calls, by which it foretells where the next returns
// lead: the next one would be guessed wrongly.  With as many calls as returns the guess is right whenever the
// stack that was switched to stands in the same function, as it does when tasks take turns in via_await() or
// via_yield(). It writes below the stack pointer, where no function may keep anything: -mno-red-zone.
__attribute__((always_inline)) static inline struct via__transfer via__jump(void *to, void *data)
{
    struct via__transfer back;
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "jmp via__jump_fcontext\n"
                     "1:"
                     : "=&a"(back.at), "=&d"(back.data), "+D"(to), "+S"(data)
                     :
                     : VIA__NOT_PRESERVED);
    return back;
}

#else

__attribute__((always_inline)) static inline struct via__transfer via__jump(void *to, void *data)
{
    return via__jump_fcontext(to, data);
}

#endif

// Returns when something switches back to `from`.
__attribute__((always_inline)) static inline void via__context_switch(struct via__context *from,
                                                                      struct via__context *to)
{
    from->to = to;
    struct via__transfer back = via__jump(to->at, from);
    ((struct via__context *)back.data)->at = back.at;
}

// The last switch from a context.  It uses no variable of this function: AddressSanitizer may have taken its
// frame.
__attribute__((always_inline)) static inline void via__context_leave(struct via__context *from,
                                                                     struct via__context *to)
{
    from->to = to;
    (void)via__jump(to->at, from);
}

#else

#include <ucontext.h>

// Returns when something switches back to `from`.
__attribute__((always_inline)) static inline void via__context_switch(struct via__context *from,
                                                                      struct via__context *to)
{
    // It lies on the stack that it describes, so a coroutine that runs needs no memory for it.
    ucontext_t here;
    here.uc_link = NULL;
    // AddressSanitizer looks at this, but getcontext() and swapcontext() leave it as it is.
    here.uc_stack.ss_sp = NULL;
    here.uc_stack.ss_size = 0;
    from->at = &here;
    swapcontext(&here, to->at);
}

// The last switch from a context.
__attribute__((always_inline)) static inline void via__context_leave(struct via__context *from,
                                                                     struct via__context *to)
{
    (void)from;
    setcontext(to->at);
}

#endif

#endif
