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

#include <stddef.h>
#include <sys/types.h>

#include "base/list.h"
#include "coro/annotate.h"
#include "coro/context.h"
#include "coro/stack.h"

struct via__fiber;

struct via__fiber_kind {
    void (*run)(struct via__fiber *fiber);  // what it does, on its stack
    void (*lost)(struct via__fiber *fiber); // it will never go on; called on another stack when it is over
};

enum via__fiber_state { VIA__FIBER_NEW, VIA__FIBER_SUSPENDED, VIA__FIBER_RUNNING, VIA__FIBER_OVER };

struct via__fiber {
    struct via__context context;
    struct via__fiber *resumer; // who waits for it while it runs, else NULL
    struct via__fiber *inner;   // suspended with it: the innermost of those that run above it; else NULL
    struct via__stack *stack;   // NULL when it is over, and for a root
    enum via__fiber_state state;
    int err_no; // its errno while it does not run
    const struct via__fiber_kind *kind;
    const char *name; // for reports; lives as long as the fiber
    // The loop and the call that its resumer was in: it may suspend only there.
    const void *role_loop, *role_frame;
    struct via__fiber_thread *thread;
    struct via__list link; // of its thread's fibers, until it is over
    struct via__annotation note;
};

// A thread that has had fibers.  It lies in pages of its own, which go when the thread ends.
struct via__fiber_thread {
    struct via__list link; // of all threads; guarded by the lock in thread.c
    struct via__list fibers;
    struct via__fiber root;
    pid_t id;           // for debuggers
    int rounds;         // how often the end of the thread has been put off
    void *signal_stack; // ours, for the handler of overflows, or NULL
    struct via__stacks stacks;
};

struct via__fiber_self {
    struct via__fiber *current;       // NULL on the thread's own stack
    struct via__fiber_thread *thread; // NULL before its first fiber
};

// initial-exec: an access is one instruction, and safe in a signal handler.
extern _Thread_local struct via__fiber_self via__fiber_self __attribute__((tls_model("initial-exec")));

// Makes a fiber of this thread.  0, VIA_ENOMEM, or VIA_EINVAL for too many bytes.
int via__fiber_init(struct via__fiber *fiber, const struct via__fiber_kind *kind, const char *name,
                    size_t stack_bytes);

// Runs it until it suspends or is over.  It is of this thread, and new or suspended.
void via__fiber_resume(struct via__fiber *fiber);

// Back to the resumer of the current fiber; returns when it is resumed.
void via__fiber_suspend(void);

// The same for all from the current fiber down to `base`, which is the current one or one that has resumed
// it, directly or through others; returns when `base` is resumed.
void via__fiber_suspend_to(struct via__fiber *base);

// Whether the current fiber may suspend here: not inside of a call or a loop that it runs itself.
int via__fiber_may_suspend(void);

// The same for all from the current fiber down to `base`, which is among the running ones.
int via__fiber_may_suspend_to(const struct via__fiber *base);

// Takes the stack from a fiber that does not run; what is on it is lost.  `lost` is not called for it, but
// for those that were suspended with it, the innermost first.
void via__fiber_drop(struct via__fiber *fiber);

// This thread's, made at its first call; NULL if memory ran out.
struct via__fiber_thread *via__fiber_thread(void);

// Finds out whether longjmp() has led out of fibers that seem to run, and ends these.  0, or VIA_ESTATE if
// this code runs on a stack that is none of theirs.
int via__fiber_settle(void);

// Everything that runs on the thread is lost; called on its own stack.
void via__fiber_lose_all(struct via__fiber_thread *thread);

// Gives the thread a stack for the handler of overflows, if that is installed and the thread has none.
void via__overflow_cover(struct via__fiber_thread *thread);
void via__overflow_uncover(struct via__fiber_thread *thread);

// In a forked child: makes a lock anew.
void via__overflow_reset(void);

// The report of an overflow that was seen when it was too late for a guard: as if the guard had been there.
void via__overflow_seen(const struct via__fiber *fiber);

#endif
