/* SPDX-License-Identifier: BSD-3-Clause */
/* What this thread is just now: whose loop it runs, and which calls are on its stack. */
#ifndef VIADUCT_BASE_ROLE_H
#define VIADUCT_BASE_ROLE_H

#include <stdatomic.h>

#define VIA__ROLE_SENT 4

struct via__role {
    void *loop;  // the via_loop whose callbacks or run function are on this thread's stack
    void *frame; // the innermost struct via__frame of a call on this thread's stack
    const void *sent[VIA__ROLE_SENT]; // addresses of completions it sent last; what is there is not looked at
    unsigned sent_at;
    _Atomic int *in_callbacks; // of a pool's worker: set while it runs callbacks of a concurrent future
};

// The library's one thread-local variable.  initial-exec: an access is one instruction, not a call.
extern _Thread_local struct via__role via__role __attribute__((tls_model("initial-exec")));

// In a forked child: this thread runs no loop of the child's.
void via__role_reset(void);

#endif
