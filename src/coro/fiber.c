/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#include <viaduct/error.h>

#include "base/role.h"
#include "coro/fiber.h"

// Within so many times its size below a stack, it is the stack that was overrun; further away it is another.
#define OVERFLOW_REACH 16

_Thread_local struct via__fiber_self via__fiber_self __attribute__((tls_model("initial-exec")));

static struct via__fiber *current_or_root(void)
{
    struct via__fiber *current = via__fiber_self.current;
    return current ? current : &via__fiber_self.thread->root;
}

static void set_current(struct via__fiber *fiber)
{
    via__fiber_self.current = fiber == &via__fiber_self.thread->root ? NULL : fiber;
}

// The switch and what is told of it have to be in one function, and it is inlined into its callers.
__attribute__((always_inline)) static inline void switch_to(struct via__fiber *from, struct via__fiber *to)
{
    via__annotate_leave(&from->note, &to->note, 0);
    via__context_switch(&from->context, &to->context);
}

// Where every fiber begins.
static void enter(void *arg)
{
    struct via__fiber *fiber = arg;
    via__annotate_arrive(&fiber->note, &fiber->resumer->note);
    fiber->kind->run(fiber);
    fiber->state = VIA__FIBER_OVER;
    via__annotate_leave(&fiber->note, &fiber->resumer->note, 1);
    via__context_leave(&fiber->context, &fiber->resumer->context);
    __builtin_unreachable();
}

int via__fiber_init(struct via__fiber *fiber, const struct via__fiber_kind *kind, const char *name,
                    size_t stack_bytes)
{
    int order = via__stack_order(stack_bytes);
    if (order < 0)
        return VIA_EINVAL;
    struct via__fiber_thread *thread = via__fiber_thread();
    struct via__stack *stack = thread ? via__stack_acquire(&thread->stacks, order) : NULL;
    if (!stack)
        return VIA_ENOMEM;
    via__overflow_cover(thread);
    *fiber = (struct via__fiber){.stack = stack, .kind = kind, .name = name, .thread = thread};
    fiber->note.low = stack->low;
    fiber->note.bytes = via__stack_bytes(stack);
    via__context_make(&fiber->context, stack->low + fiber->note.bytes, fiber->note.bytes, enter, fiber);
    via__list_push_back(&thread->fibers, &fiber->link);
    return 0;
}

static void drop(struct via__fiber *fiber)
{
    assert(fiber->stack);
    fiber->state = VIA__FIBER_OVER;
    fiber->resumer = NULL;
    via__annotate_end(&fiber->note);
    via__list_remove(&fiber->link);
    via__stack_release(&fiber->thread->stacks, fiber->stack);
    fiber->stack = NULL;
}

// Those above the base end too.
static void lose_inner(struct via__fiber *lost, const struct via__fiber *base)
{
    while (lost != base) {
        struct via__fiber *resumer = lost->resumer;
        drop(lost);
        lost->kind->lost(lost);
        lost = resumer;
    }
}

void via__fiber_drop(struct via__fiber *fiber)
{
    struct via__fiber *inner = fiber->inner;
    fiber->inner = NULL;
    drop(fiber);
    if (inner)
        lose_inner(inner, fiber);
}

static void take_role(struct via__fiber *fiber)
{
    fiber->role_loop = via__role.loop;
    fiber->role_frame = via__role.frame;
}

// All that were suspended with it run for the loop and the call in which it is resumed now.
static struct via__fiber *wake_inner(struct via__fiber *base)
{
    struct via__fiber *innermost = base->inner;
    base->inner = NULL;
    for (struct via__fiber *fiber = innermost; fiber != base; fiber = fiber->resumer)
        take_role(fiber);
    return innermost;
}

// Returns the one to switch to.
static struct via__fiber *prepare(struct via__fiber *fiber, struct via__fiber *resumer)
{
    if (!resumer->stack)
        via__annotate_root(&resumer->note);
    if (fiber->state == VIA__FIBER_NEW)
        via__annotate_begin(&fiber->note, fiber->name);
    fiber->resumer = resumer;
    fiber->state = VIA__FIBER_RUNNING;
    take_role(fiber);
    struct via__fiber *target = fiber->inner ? wake_inner(fiber) : fiber;
    set_current(target);
    return target;
}

void via__fiber_resume(struct via__fiber *fiber)
{
    struct via__fiber *self = current_or_root();
    int err_no = errno;
    struct via__fiber *target = prepare(fiber, self);
    errno = fiber->err_no;
    switch_to(self, target);
    // From whichever: the stacks of fibers are known.
    via__annotate_arrive(&self->note, NULL);
    fiber->err_no = errno;
    errno = err_no;
    set_current(self);
    fiber->resumer = NULL;
    if (fiber->state == VIA__FIBER_OVER)
        drop(fiber);
}

// Without a guard this is how an overflow is seen: code of the fiber runs a little below its stack.
static void check_overflow(const struct via__fiber *fiber, const char *here)
{
    const struct via__stack *stack = fiber->stack;
    if (stack->guard == VIA__GUARD_NONE && here < stack->low &&
        (size_t)(stack->low - here) < OVERFLOW_REACH * via__stack_bytes(stack))
        via__overflow_seen(fiber);
}

void via__fiber_suspend_to(struct via__fiber *base)
{
    struct via__fiber *self = via__fiber_self.current;
    check_overflow(self, __builtin_frame_address(0));
    base->state = VIA__FIBER_SUSPENDED;
    if (base != self)
        base->inner = self;
    switch_to(self, base->resumer);
    via__annotate_arrive(&self->note, &base->resumer->note);
}

void via__fiber_suspend(void)
{
    via__fiber_suspend_to(via__fiber_self.current);
}

int via__fiber_may_suspend_to(const struct via__fiber *base)
{
    // Calls and loops nest as fibers do: if the innermost is the one that the base was resumed in, no other
    // lies in between.
    return base->role_loop == via__role.loop && base->role_frame == via__role.frame;
}

int via__fiber_may_suspend(void)
{
    const struct via__fiber *self = via__fiber_self.current;
    return self && via__fiber_may_suspend_to(self);
}

// ---- fibers that will not go on though they have not suspended ----

// Tells the sanitizers that the stack of `to` is in use, without a switch.  AddressSanitizer may hold
// variables of this function and its callers among those of the stack that was left, so that is not said to
// be gone.
static void pretend_switch(struct via__fiber *to)
{
    struct via__annotation nobody = {.low = NULL};
    via__annotate_leave(&nobody, &to->note, 0);
    via__annotate_arrive(&to->note, &nobody);
    via__annotate_return(&to->note, __builtin_frame_address(0));
}

// Ends the running fibers down to `base`, which is the current one afterwards.
static void lose_down_to(struct via__fiber *base)
{
    struct via__fiber *lost = via__fiber_self.current;
    pretend_switch(base);
    set_current(base);
    lose_inner(lost, base);
}

void via__fiber_lose_all(struct via__fiber_thread *thread)
{
    if (via__fiber_self.current)
        lose_down_to(&thread->root);
}

static int is_within(const char *address, const char *low, size_t bytes)
{
    return (uintptr_t)address - (uintptr_t)low < bytes;
}

static int is_on_own_stack(const char *address)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return 0;
    int within = pthread_attr_getstack(&attr, &low, &bytes) == 0 && is_within(address, low, bytes);
    pthread_attr_destroy(&attr);
    return within;
}

static int is_on_stack_of(const struct via__fiber *fiber, const char *address)
{
    return fiber->stack ? is_within(address, fiber->stack->low, via__stack_bytes(fiber->stack))
                        : is_on_own_stack(address);
}

int via__fiber_settle(void)
{
    const char *here = __builtin_frame_address(0);
    struct via__fiber *fiber = via__fiber_self.current;
    if (!fiber || is_on_stack_of(fiber, here))
        return 0;
    while (fiber && !is_on_stack_of(fiber, here))
        fiber = fiber->resumer;
    if (!fiber) {
        check_overflow(via__fiber_self.current, here);
        return VIA_ESTATE;
    }
    lose_down_to(fiber);
    return 0;
}
