/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sanitizers and valgrind must be told of stacks and switches.
 *
 * AddressSanitizer: both sides of every switch, with the bounds of the stack that it leads to.  Idle stacks
 * are poisoned.  LeakSanitizer: a stack in use holds pointers.  ThreadSanitizer: each stack is a fiber of its
 * own. valgrind: each stack is registered, or a switch would look like a huge frame.
 *
 * Where none of them is in use these functions are empty.
 */
#ifndef VIADUCT_CORO_ANNOTATE_H
#define VIADUCT_CORO_ANNOTATE_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define VIA__ADDRESS_SANITIZER 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#else
#define VIA__ADDRESS_SANITIZER 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define VIA__THREAD_SANITIZER 1
// Not every compiler that has them has a header for them.
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
#else
#define VIA__THREAD_SANITIZER 0
#endif

#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
#endif

// What the sanitizers know of one stack: a coroutine's, or the one that the thread began with.
struct via__annotation {
#if VIA__ADDRESS_SANITIZER
    const void *low; // where the stack begins, and how long it is
    size_t bytes;
    void *fake_stack; // while another stack is in use
#endif
#if VIA__THREAD_SANITIZER
    void *fiber;
#endif
};

// Whether valgrind runs the program; asking it takes some nanoseconds, so the answer is kept where it can be.
static inline int via__annotate_is_watched(void)
{
#ifdef HAVE_VALGRIND_MEMCHECK_H
    return RUNNING_ON_VALGRIND != 0;
#else
    return 0;
#endif
}

static inline void via__annotate_bounds(struct via__annotation *note, const char *low, size_t bytes)
{
    (void)note;
    (void)low;
    (void)bytes;
#if VIA__ADDRESS_SANITIZER
    note->low = low;
    note->bytes = bytes;
#endif
}

// A stack in the pool was given to a coroutine.  Returns valgrind's number for it.
static inline unsigned via__annotate_acquire(char *low, size_t bytes)
{
    unsigned id = 0;
    (void)low;
    (void)bytes;
#if VIA__ADDRESS_SANITIZER
    __asan_unpoison_memory_region(low, bytes);
    __lsan_register_root_region(low, bytes);
#endif
#ifdef HAVE_VALGRIND_MEMCHECK_H
    id = VALGRIND_STACK_REGISTER(low, low + bytes);
    VALGRIND_MAKE_MEM_UNDEFINED(low, bytes);
#endif
    return id;
}

// It came back: nobody is to look at it.
static inline void via__annotate_release(char *low, size_t bytes, unsigned id)
{
    (void)low;
    (void)bytes;
    (void)id;
#if VIA__ADDRESS_SANITIZER
    __lsan_unregister_root_region(low, bytes);
    __asan_poison_memory_region(low, bytes);
#endif
#ifdef HAVE_VALGRIND_MEMCHECK_H
    VALGRIND_MAKE_MEM_NOACCESS(low, bytes);
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

// A piece of memory goes back to the system, which may give it out for something else.
static inline void via__annotate_unmap(char *low, size_t bytes)
{
    (void)low;
    (void)bytes;
#if VIA__ADDRESS_SANITIZER
    __asan_unpoison_memory_region(low, bytes);
#endif
}

// A coroutine is about to run for the first time; sanitizers that want to know are told of its name.
static inline void via__annotate_begin(struct via__annotation *note, const char *name)
{
    (void)note;
    (void)name;
#if VIA__THREAD_SANITIZER
    note->fiber = __tsan_create_fiber(0);
    if (note->fiber)
        __tsan_set_fiber_name(note->fiber, name);
#endif
}

// It has run for the last time; called on another stack.
static inline void via__annotate_end(struct via__annotation *note)
{
    (void)note;
#if VIA__THREAD_SANITIZER
    if (note->fiber)
        __tsan_destroy_fiber(note->fiber);
    note->fiber = NULL;
#endif
}

// The thread's own stack is about to resume a coroutine.
static inline void via__annotate_root(struct via__annotation *note)
{
    (void)note;
#if VIA__THREAD_SANITIZER
    note->fiber = __tsan_get_current_fiber();
#endif
}

// Right before a switch, in the function that makes it.  `last`: nobody will come back to `from`.
__attribute__((always_inline)) static inline void
via__annotate_leave(struct via__annotation *from, const struct via__annotation *to, int last)
{
    (void)from;
    (void)to;
    (void)last;
#if VIA__ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->low, to->bytes);
#endif
#if VIA__THREAD_SANITIZER
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

// Right after a switch to `self`.  Notes the bounds of the stack that it came from, unless `from` is NULL.
__attribute__((always_inline)) static inline void via__annotate_arrive(const struct via__annotation *self,
                                                                       struct via__annotation *from)
{
    (void)self;
    (void)from;
#if VIA__ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(self->fake_stack, from ? &from->low : NULL, from ? &from->bytes : NULL);
#endif
}

// The stack is in use again from `here` on, though nobody has switched to it: frames below are gone.
__attribute__((always_inline)) static inline void via__annotate_return(const struct via__annotation *note,
                                                                       const void *here)
{
    (void)note;
    (void)here;
#if VIA__ADDRESS_SANITIZER
    if ((const char *)here > (const char *)note->low)
        __asan_unpoison_memory_region(note->low, (size_t)((const char *)here - (const char *)note->low));
#endif
}

// The thread of the stack ends: all its functions are gone, or will not be told from those that are.
static inline void via__annotate_thread_end(const struct via__annotation *note)
{
    (void)note;
#if VIA__ADDRESS_SANITIZER
    __asan_unpoison_memory_region(note->low, note->bytes);
#endif
}

#endif
