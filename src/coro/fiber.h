/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fibers: functions on stacks of their own, which take turns on one thread.
 *
 * Who resumes a fiber waits until it suspends or is over; so the fibers that run form a chain, from the
 * thread's own stack (the root) to the current one, and only the current one executes.  A fiber never leaves
 * its thread: compilers keep addresses of thread-local variables across calls, errno's among them.
 *
 * A fiber may suspend together with those below it on the chain, down to a base: control goes to whoever
 * resumed the base, and resuming the base goes on in the innermost.  Those above the base keep seeming to
 * run. So a task can wait in the midst of a generator that it steps.
 *
 * Each fiber has an errno of its own.  The signal mask is the thread's.
 *
 * A fiber that runs when its thread ends (pthread_exit() in it, or a cancelled thread), and one out of which
 * longjmp() led to a stack below, is over too: its kind is told, and its stack is used again.
 */
#ifndef VIADUCT_CORO_FIBER_H
#define VIADUCT_CORO_FIBER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/role.h"
#include "coro/annotate.h"
#include "coro/context.h"
#include "coro/stack.h"

#define VIA__FIBER_NAME 32 // room for a name that is made up

struct via__fiber;

struct via__fiber_kind {
    void (*run)(struct via__fiber *fiber);  // what it does, on its stack
    void (*lost)(struct via__fiber *fiber); // it will never go on; called on another stack when it is over
    // For reports: its name, in the buffer or elsewhere; also called in a signal handler.
    const char *(*name)(const struct via__fiber *fiber, char buffer[VIA__FIBER_NAME]);
    // May be NULL.  When it has run, on its stack: the fiber, new or suspended, that takes its place; or
    // NULL, and its resumer goes on.
    struct via__fiber *(*heir)(struct via__fiber *fiber);
    // Who had an heir is over; called on the heir's stack.
    void (*inherited)(struct via__fiber *fiber);
};

enum via__fiber_state { VIA__FIBER_NEW, VIA__FIBER_SUSPENDED, VIA__FIBER_RUNNING, VIA__FIBER_OVER };

// There may be a million of them.
struct via__fiber {
    struct via__context context;
    union {
        struct via__fiber *innermost; // new or suspended: who goes on when it is resumed, often itself
        struct via__fiber *resumer;   // running: who waits for it
    };
    struct via__stack *stack; // NULL when it is over, and for a root
    int err_no;               // its errno while it does not run
    unsigned char state;      // an enum via__fiber_state
    unsigned char unguarded;  // its stack has no guard
    unsigned char in_call;    // its resumer was in a call or a loop of its own, or is no fiber
    const struct via__fiber_kind *kind;
    struct via__failure failure; // its function's; whoever ends it takes the message
    struct via__fiber_thread *thread;
    struct via__annotation note;
};

// A thread that has had fibers.  It lies in pages of its own, which go when the thread ends.
struct via__fiber_thread {
    struct via__list link; // of all threads; guarded by the lock in thread.c
    struct via__fiber root;
    pid_t id;           // for debuggers
    int rounds;         // how often the end of the thread has been put off
    void *signal_stack; // ours, for the handler of overflows, or NULL
    struct via__stacks stacks;
};

struct via__fiber_self {
    struct via__fiber *current;       // NULL on the thread's own stack
    struct via__fiber *back;          // who went back to its resumer last: suspended, as a base, or over
    struct via__fiber *left;          // for AddressSanitizer: whose stack was left by the last switch
    struct via__fiber *dead;          // who is over, from there to the heir, who ends it
    struct via__fiber_thread *thread; // NULL before its first fiber
    int *err_no;                      // where errno is, when there is a thread
};

// initial-exec: an access is one instruction, and safe in a signal handler.
extern _Thread_local struct via__fiber_self via__fiber_self __attribute__((tls_model("initial-exec")));

// Makes a fiber of this thread.  0, VIA_ENOMEM, or VIA_EINVAL for too many bytes.
int via__fiber_init(struct via__fiber *fiber, const struct via__fiber_kind *kind, size_t stack_bytes);

// Takes the stack from a fiber that does not run; what is on it is lost.  `lost` is not called for it, but
// for those that were suspended with it, the innermost first.
void via__fiber_drop(struct via__fiber *fiber);

// This thread's, made at its first call; NULL if memory ran out.
struct via__fiber_thread *via__fiber_thread_make(void);
static inline struct via__fiber_thread *via__fiber_thread(void)
{
    return via__fiber_self.thread ? via__fiber_self.thread : via__fiber_thread_make();
}

// Everything that runs on the thread is lost; called on its own stack.
void via__fiber_lose_all(struct via__fiber_thread *thread);

// Gives the thread a stack for the handler of overflows, if that is installed and the thread has none.
extern _Atomic int via__overflow_enabled; // it is installed
void via__overflow_cover_now(struct via__fiber_thread *thread);
static inline void via__overflow_cover(struct via__fiber_thread *thread)
{
    // Acquire, with the release in via_coro_overflow_enable(): what came before is known.
    if (!thread->signal_stack && atomic_load_explicit(&via__overflow_enabled, memory_order_acquire))
        via__overflow_cover_now(thread);
}

void via__overflow_uncover(struct via__fiber_thread *thread);

// In a forked child: makes a lock anew.
void via__overflow_reset(void);

// The report of an overflow that was seen when it was too late for a guard: as if the guard had been there.
void via__overflow_seen(const struct via__fiber *fiber);

// The rare parts of what follows.
void via__fiber_begin(struct via__fiber *fiber);
void via__fiber_end(struct via__fiber *fiber);
void via__fiber_inherit(struct via__fiber *dead);
void via__fiber_check_overflow(const struct via__fiber *fiber, const char *here);
int via__fiber_settle_at(const char *here);

// A switch and what is told of it have to be in one function, which is inlined into its callers.
__attribute__((always_inline)) static inline void via__fiber_switch(struct via__fiber *from,
                                                                    struct via__fiber *to)
{
    if (VIA__ADDRESS_SANITIZER)
        via__fiber_self.left = from;
    via__annotate_leave(&from->note, &to->note, 0);
    via__context_switch(&from->context, &to->context);
}

// What is to be done when a stack has been switched to, by whichever other one.
__attribute__((always_inline)) static inline void via__fiber_arrive(struct via__fiber *self)
{
    via__annotate_arrive(&self->note, VIA__ADDRESS_SANITIZER ? &via__fiber_self.left->note : NULL);
    if (via__fiber_self.dead)
        via__fiber_inherit(via__fiber_self.dead);
}

// Runs it until it suspends or is over; it is of this thread, and new or suspended.  Returns it; or the one
// that it has handed the thread on to, or that one in its turn.
__attribute__((always_inline)) static inline struct via__fiber *via__fiber_resume(struct via__fiber *fiber)
{
    struct via__fiber *outer = via__fiber_self.current, *target = fiber->innermost;
    struct via__fiber *resumer = outer ? outer : &fiber->thread->root;
    struct via__failure *outer_failure = via__role.failure;
    int *const err_no_at = via__fiber_self.err_no, err_no = *err_no_at;
    if (VIA__THREAD_SANITIZER && !outer)
        via__annotate_root(&resumer->note);
    if (VIA__THREAD_SANITIZER && fiber->state == VIA__FIBER_NEW)
        via__fiber_begin(fiber);
    fiber->resumer = resumer;
    fiber->state = VIA__FIBER_RUNNING;
    fiber->in_call = outer_failure != &resumer->failure;
    via__role.failure = &target->failure;
    via__fiber_self.current = target;
    *err_no_at = fiber->err_no;
    via__fiber_switch(resumer, target);
    via__annotate_arrive(&resumer->note, NULL); // the stacks of fibers are known
    fiber = via__fiber_self.back;
    fiber->err_no = *err_no_at;
    *err_no_at = err_no;
    via__fiber_self.current = outer;
    via__role.failure = outer_failure;
    if (fiber->state == VIA__FIBER_OVER)
        via__fiber_end(fiber);
    return fiber;
}

// `next` takes the place of `base`, which suspends: it has the same resumer.  Returns whose stack it runs on.
__attribute__((always_inline)) static inline struct via__fiber *via__fiber_take_place(struct via__fiber *base,
                                                                                      struct via__fiber *next)
{
    struct via__fiber *target = next->innermost, *resumer = base->resumer;
    int *const err_no_at = via__fiber_self.err_no;
    if (VIA__THREAD_SANITIZER && next->state == VIA__FIBER_NEW)
        via__fiber_begin(next);
    base->err_no = *err_no_at;
    *err_no_at = next->err_no;
    next->resumer = resumer;
    next->state = VIA__FIBER_RUNNING;
    next->in_call = base->in_call;
    via__role.failure = &target->failure;
    via__fiber_self.current = target;
    return target;
}

// Suspends `base`, which is the current fiber or one that has resumed it, directly or through others, with
// all of them.  The thread goes on with `next`, which is new or suspended, or, if that is NULL, with the
// resumer of `base`. Returns when `base` is resumed, or has been handed the thread on to.
__attribute__((always_inline)) static inline void via__fiber_hand_over(struct via__fiber *base,
                                                                       struct via__fiber *next)
{
    struct via__fiber *self = via__fiber_self.current, *target = base->resumer;
    if (self->unguarded)
        via__fiber_check_overflow(self, __builtin_frame_address(0));
    if (next)
        target = via__fiber_take_place(base, next);
    else
        via__fiber_self.back = base;
    base->innermost = self;
    base->state = VIA__FIBER_SUSPENDED;
    via__fiber_switch(self, target);
    via__fiber_arrive(self);
}

// The same, back to the resumer of `base`.
__attribute__((always_inline)) static inline void via__fiber_suspend_to(struct via__fiber *base)
{
    via__fiber_hand_over(base, NULL);
}

// Back to the resumer of the current fiber; returns when it is resumed.
__attribute__((always_inline)) static inline void via__fiber_suspend(void)
{
    via__fiber_suspend_to(via__fiber_self.current);
}

// Whether the current fiber may suspend here, if there is one: not inside of a call or a loop that it runs
// itself, as those have failures, or none, of their own.
static inline int via__fiber_may_suspend(void)
{
    const struct via__fiber *self = via__fiber_self.current;
    return self && via__role.failure == &self->failure;
}

// The same for all from the current fiber down to `base`, which is among the running ones.
static inline int via__fiber_may_suspend_to(const struct via__fiber *base)
{
    if (!via__fiber_may_suspend())
        return 0;
    for (const struct via__fiber *fiber = via__fiber_self.current; fiber != base; fiber = fiber->resumer)
        if (fiber->in_call)
            return 0;
    return 1;
}

static inline int via__fiber_is_within(const char *address, const char *low, size_t bytes)
{
    return (uintptr_t)address - (uintptr_t)low < bytes;
}

// Finds out whether longjmp() has led out of fibers that seem to run, and ends these.  0, or VIA_ESTATE if
// this code runs on a stack that is none of theirs.
__attribute__((always_inline)) static inline int via__fiber_settle(void)
{
    const char *here = __builtin_frame_address(0);
    const struct via__fiber *fiber = via__fiber_self.current;
    if (!fiber || via__fiber_is_within(here, fiber->stack->low, via__stack_bytes(fiber->stack)))
        return 0;
    return via__fiber_settle_at(here);
}

// Whether the code that runs is the fiber's own and may suspend: the usual case of the two above.  If it says
// no they may still say yes.
__attribute__((always_inline)) static inline int via__fiber_is_here(const struct via__fiber *fiber)
{
    const char *here = __builtin_frame_address(0);
    return via__fiber_self.current == fiber && via__role.failure == &fiber->failure &&
           via__fiber_is_within(here, fiber->stack->low, via__stack_bytes(fiber->stack));
}

#endif
