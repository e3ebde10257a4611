/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_LOOP_HANDLE_H
#define VIADUCT_LOOP_HANDLE_H

#include "loop/loop.h"

enum via__handle_sort { VIA__HANDLE_SOON, VIA__HANDLE_TIMED, VIA__HANDLE_POSTED };

enum via__handle_state { VIA__HANDLE_PENDING, VIA__HANDLE_RAN, VIA__HANDLE_CANCELLED };

// What a handle begins with.  `refs` and `state` are the loop's thread's, and unused in a posted handle,
// which has atomic ones.
struct via_handle {
    struct via__ready ready;
    via_callback_fn fn;
    void *arg;
    via_loop *loop; // pinned while the program has a reference
    uint32_t refs;
    uint16_t state; // enum via__handle_state
    uint16_t sort;  // enum via__handle_sort
};

// The handle of a timer: as a `struct via__timer` (see timer.h) whose node in the ready queue is the one that
// the handle begins with.
struct via__timed {
    struct via__heap_node node;
    via_handle handle;
};

static inline struct via__timed *via__timed_of(const via_handle *handle)
{
    return VIA__CONTAINER_OF(handle, struct via__timed, handle);
}

// Initializes a handle of the loop's thread, and gives the program a reference if `handle` is set.
void via__handle_init(via_handle *fresh, enum via__handle_sort sort, via_loop *loop, via_callback_fn fn,
                      void *arg, via_handle **handle);

// The same of a handle that any thread may use: see post.c.
int via__posted_cancel(via_handle *handle);
int via__posted_cancelled(via_handle *handle);
void via__posted_unref(via_handle *handle);

#endif
