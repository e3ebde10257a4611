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

// Returns when something switches back to `from`.
__attribute__((always_inline)) static inline void via__context_switch(struct via__context *from,
                                                                      struct via__context *to)
{
    from->to = to;
    struct via__transfer back = via__jump_fcontext(to->at, from);
    ((struct via__context *)back.data)->at = back.at;
}

// The last switch from a context.  It uses no variable of this function: AddressSanitizer may have taken its
// frame.
__attribute__((always_inline)) static inline void via__context_leave(struct via__context *from,
                                                                     struct via__context *to)
{
    via__jump_fcontext(to->at, from);
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
