/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_TASK_SIGINT_H
#define VIADUCT_TASK_SIGINT_H

#include <stdatomic.h>

#include "loop/loop.h"

// SIGINT for the sake of one loop.  Not to be freed before the loop is closed.
struct via__sigint {
    via_loop *loop;
    void (*arrive)(struct via__sigint *sigint, int nth); // in the loop's thread, for the first two
    struct via__post first, second;
    _Atomic int count; // how many came
    int arrived;       // how many of them in the loop
    int depth;         // via__sigint_begin() without its end
    int is_caught;
};

void via__sigint_init(struct via__sigint *sigint, via_loop *loop,
                      void (*arrive)(struct via__sigint *sigint, int nth));

// From now on SIGINT goes to the loop, if this is the main thread and SIGINT has its default action.  May be
// nested.
void via__sigint_begin(struct via__sigint *sigint);
void via__sigint_end(struct via__sigint *sigint);

#endif
