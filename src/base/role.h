/* SPDX-License-Identifier: BSD-3-Clause */
/* What this thread is just now: whose loop it runs, and which calls are on its stack. */
#ifndef VIADUCT_BASE_ROLE_H
#define VIADUCT_BASE_ROLE_H

#include <stdatomic.h>
#include <stddef.h>

#define VIA__ROLE_SENT 16

struct via__locals;

// What a function has said with via_fail() of its failure.
struct via__failure {
    char *message;
    int code;
    int given; // an enum via__failure_given
};

enum via__failure_given {
    VIA__FAILURE_SAID = 1,   // with via_fail()
    VIA__FAILURE_AWAITED = 2 // by what the function awaited; counts if it returns that status
};

struct via__role {
    void *loop;   // the via_loop whose callbacks or run function are on this thread's stack
    void *vclock; // that loop's struct via__vclock, if its time is virtual
    void *serves; // the via_loop for which this thread serves a source of completions just now
    void *frame;  // the innermost struct via__frame of a call on this thread's stack
    // Where via_fail() puts what it is told: the innermost function's that can fail so, be it a call's, a
    // coroutine's or a task's; NULL in a loop's callback and outside of all.  Whoever runs such a function
    // sets it, and sets back what it has found.
    struct via__failure *failure;
    struct via__locals *locals;       // of the task, call or thread that runs: see locals.c
    const void *sent[VIA__ROLE_SENT]; // addresses of completions it sent last; what is there is not looked at
    unsigned sent_at, sent_from;      // how many it has sent, and how many of them before the inbox was empty
    _Atomic int *in_callbacks; // of a pool's worker: set while it runs callbacks of a concurrent future
};

// The library's one thread-local variable.  initial-exec: an access is one instruction, not a call.
extern _Thread_local struct via__role via__role __attribute__((tls_model("initial-exec")));

// In a forked child: this thread runs no loop of the child's.  Functions of coroutines go on, and local
// values stay.
void via__role_reset(void);

// A loop and a place for failures that are set aside.
struct via__role_outer {
    void *loop;
    void *vclock;
    struct via__failure *failure;
};

// From here on this thread runs the loop's callbacks; returns what it did before.
static inline struct via__role_outer via__role_enter_loop(void *loop)
{
    struct via__role_outer outer = {via__role.loop, via__role.vclock, via__role.failure};
    via__role.loop = loop;
    via__role.vclock = NULL;
    via__role.failure = NULL;
    return outer;
}

static inline void via__role_leave_loop(struct via__role_outer outer)
{
    via__role.loop = outer.loop;
    via__role.vclock = outer.vclock;
    via__role.failure = outer.failure;
}

#endif
