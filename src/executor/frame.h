/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_EXECUTOR_FRAME_H
#define VIADUCT_EXECUTOR_FRAME_H

#include "executor/executor.h"

// A zeroed frame: the thread's own one, or for a call within a call an allocated one.  NULL if memory ran
// out.
struct via__frame *via__frame_new(void);
void via__frame_free(struct via__frame *frame);

// Makes the frame this thread's innermost, with its function running.
void via__frame_push(struct via__frame *frame);

// The same for a job that is ended without having run.
void via__frame_push_ended(struct via__frame *frame);

// The function has returned, or has ended its thread.
void via__frame_returned(struct via__frame *frame);

// Puts the thread's local values back, if the function had its own.
void via__frame_leave_locals(struct via__frame *frame);

// The future is done and its callbacks have run.
void via__frame_pop(struct via__frame *frame);

// The innermost call of this thread whose function runs, or NULL: whom via_call_cancelled() and the like are
// about.
struct via__frame *via__frame_running(void);

// The program's code for the frame's job has been run, but for callbacks; before the future is completed.
void via__frame_job_over(const struct via__frame *frame);

// What others may know of a thread that runs calls.  `current` is the call whose function runs.  A thread
// that wants to look at it takes the pointer out, and puts it back when it has a reference or is done; the
// runner, which takes it out for good before it completes the call, waits for that moment.  Calls further in
// change under a lock of frame.c, which comes after an executor's.
struct via__activity {
    _Atomic(via_cfuture *) current;
    struct via__frame *nested;  // the innermost call, if it is not `current`
    _Atomic int64_t started_ns; // when the batch began that the call belongs to
    _Atomic unsigned begun;     // jobs the thread has taken since its start; guarded by its pool's lock
    _Atomic unsigned over;      // those of them that are over; written by the thread alone
};

static inline void via__activity_job_over(struct via__activity *activity)
{
    // Relaxed, both: a count which only this thread writes; the completion that follows orders it for those
    // who see the future done.
    unsigned over = atomic_load_explicit(&activity->over, memory_order_relaxed);
    atomic_store_explicit(&activity->over, over + 1, memory_order_relaxed);
}

// Registers the activity of this thread; its outermost calls are shown there.
void via__frame_set_activity(struct via__activity *activity);

// What is shown of a running call, whose future is borrowed.
typedef void (*via__call_look_fn)(const via_cfuture *cf, const struct via_stuck_call *call, void *arg);

// Shows the calls on another thread's stack, whatever their executors; of the outermost it is known when its
// batch began.
void via__activity_each(struct via__activity *activity, long thread_id, via__call_look_fn look, void *arg);

// The calls on another thread's stack, from the outermost in, whatever their executors: the one at `depth`,
// with a reference, or NULL.  `root` is the one at depth 0 as it was found before, and NULL when that is
// asked for: when another one runs in its place there is nothing more to be found.
via_cfuture *via__activity_call(struct via__activity *activity, const via_cfuture *root, size_t depth);

// What a thread wants to be told when one of its calls ends the thread with pthread_exit().
void via__frame_on_exit(void (*fn)(void *arg), void *arg);

// Makes this thread watched: a call that ends it fails with VIA_EEXITED.  0 or VIA_ENOMEM.
int via__frame_guard_thread(void);

// In a forked child: makes a lock anew.
void via__frame_reset(void);

#endif
