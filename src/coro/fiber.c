/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <viaduct/error.h>

#include "coro/fiber.h"

// Within so many times its size below a stack, it is the stack that was overrun; further away it is another.
#define OVERFLOW_REACH 16

_Thread_local struct via__fiber_self via__fiber_self __attribute__((tls_model("initial-exec")));

// Who goes on when it has run: its heir, as if it had suspended, or its resumer.
static inline struct via__fiber *successor(struct via__fiber *fiber)
{
    struct via__fiber *heir = fiber->kind->heir ? fiber->kind->heir(fiber) : NULL;
    if (!heir) {
        via__fiber_self.back = fiber;
        return fiber->resumer;
    }
    via__fiber_self.dead = fiber;
    return via__fiber_take_place(fiber, heir);
}

// Where every fiber begins.
static void enter(struct via__context *context)
{
    struct via__fiber *fiber = VIA__CONTAINER_OF(context, struct via__fiber, context);
    via__fiber_arrive(fiber);
    fiber->kind->run(fiber);
    struct via__fiber *next = successor(fiber);
    fiber->state = VIA__FIBER_OVER;
    if (VIA__ADDRESS_SANITIZER)
        via__fiber_self.left = fiber;
    via__annotate_leave(&fiber->note, &next->note, 1);
    via__context_leave(&fiber->context, &next->context);
    __builtin_unreachable();
}

void via__fiber_inherit(struct via__fiber *dead)
{
    // The heir's is there already, and giving the stack back may fail to tell the system of it.
    int *const err_no_at = via__fiber_self.err_no, err_no = *err_no_at;
    via__fiber_self.dead = NULL;
    via__fiber_end(dead);
    dead->kind->inherited(dead);
    *err_no_at = err_no;
}

int via__fiber_init(struct via__fiber *fiber, const struct via__fiber_kind *kind, size_t stack_bytes)
{
    int order = via__stack_order(stack_bytes);
    if (order < 0)
        return VIA_EINVAL;
    struct via__fiber_thread *thread = via__fiber_thread();
    struct via__stack *stack = thread ? via__stack_acquire(&thread->stacks, order) : NULL;
    if (!stack)
        return VIA_ENOMEM;
    via__overflow_cover(thread);
    size_t bytes = via__stack_bytes(stack);
    *fiber = (struct via__fiber){.innermost = fiber,
                                 .stack = stack,
                                 .unguarded = stack->guard == VIA__GUARD_NONE,
                                 .kind = kind,
                                 .thread = thread};
    stack->user = fiber;
    via__annotate_bounds(&fiber->note, stack->low, bytes);
    via__context_make(&fiber->context, stack->low + bytes, bytes, enter);
    return 0;
}

void via__fiber_begin(struct via__fiber *fiber)
{
    char buffer[VIA__FIBER_NAME];
    via__annotate_begin(&fiber->note, fiber->kind->name(fiber, buffer));
}

void via__fiber_end(struct via__fiber *fiber)
{
    assert(fiber->stack);
    fiber->state = VIA__FIBER_OVER;
    via__annotate_end(&fiber->note);
    via__stack_release(&fiber->thread->stacks, fiber->stack);
    fiber->stack = NULL;
}

// Those above the base end too.
static void lose_inner(struct via__fiber *lost, const struct via__fiber *base)
{
    while (lost != base) {
        struct via__fiber *resumer = lost->resumer;
        via__fiber_end(lost);
        lost->kind->lost(lost);
        lost = resumer;
    }
}

void via__fiber_drop(struct via__fiber *fiber)
{
    struct via__fiber *innermost = fiber->innermost;
    via__fiber_end(fiber);
    lose_inner(innermost, fiber);
}

// Without a guard this is how an overflow is seen: code of the fiber runs a little below its stack.
void via__fiber_check_overflow(const struct via__fiber *fiber, const char *here)
{
    const struct via__stack *stack = fiber->stack;
    if (fiber->unguarded && here < stack->low &&
        (size_t)(stack->low - here) < OVERFLOW_REACH * via__stack_bytes(stack))
        via__overflow_seen(fiber);
}

// ---- fibers that will not go on though they have not suspended ----

// Tells the sanitizers that the stack of `to` is in use, without a switch.  AddressSanitizer may hold
// variables of this function and its callers among those of the stack that was left, so that is not said to
// be gone.
static void pretend_switch(struct via__fiber *to)
{
    struct via__annotation nobody;
    memset(&nobody, 0, sizeof nobody);
    via__annotate_leave(&nobody, &to->note, 0);
    via__annotate_arrive(&to->note, &nobody);
    via__annotate_return(&to->note, __builtin_frame_address(0));
}

// Ends the running fibers down to `base`, which is the current one afterwards.  If it was in a call when it
// resumed the first of them, it is not known whether it still is, and what via_fail() says from now on is
// lost.
static void lose_down_to(struct via__fiber *base)
{
    struct via__fiber *lost = via__fiber_self.current;
    struct via__fiber *last = lost;
    while (last->resumer != base)
        last = last->resumer;
    pretend_switch(base);
    via__fiber_self.current = base->stack ? base : NULL;
    via__role.failure = last->in_call ? NULL : &base->failure;
    lose_inner(lost, base);
}

void via__fiber_lose_all(struct via__fiber_thread *thread)
{
    if (!via__fiber_self.current)
        return;
    lose_down_to(&thread->root);
    via__annotate_thread_end(&thread->root.note);
}

static int is_on_own_stack(const char *address)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return 0;
    int within = pthread_attr_getstack(&attr, &low, &bytes) == 0 && via__fiber_is_within(address, low, bytes);
    pthread_attr_destroy(&attr);
    return within;
}

static int is_on_stack_of(const struct via__fiber *fiber, const char *address)
{
    return fiber->stack ? via__fiber_is_within(address, fiber->stack->low, via__stack_bytes(fiber->stack))
                        : is_on_own_stack(address);
}

int via__fiber_settle_at(const char *here)
{
    struct via__fiber *fiber = via__fiber_self.current;
    while (fiber && !is_on_stack_of(fiber, here))
        fiber = fiber->resumer;
    if (!fiber) {
        via__fiber_check_overflow(via__fiber_self.current, here);
        return VIA_ESTATE;
    }
    lose_down_to(fiber);
    return 0;
}
