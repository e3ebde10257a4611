/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_EXECUTOR_FRAME_H
#define VIADUCT_EXECUTOR_FRAME_H

#include <stdlib.h>

#include <viaduct/time.h>

#include "base/cpu.h"
#include "executor/executor.h"

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

// What a thread has for its calls.
struct via__frames {
    struct via__frame first; // for the outermost of them; clean while it is not in use
    int first_used, guarded;
    void (*on_exit)(void *arg);
    void *on_exit_arg;
    struct via__activity *activity;
};

extern _Thread_local struct via__frames via__frames __attribute__((tls_model("initial-exec")));

// A clean frame: the thread's own one, or for a call within a call an allocated one.  NULL if memory ran
// out.
struct via__frame *via__frame_new_inside(void); // the rare part of it
static inline struct via__frame *via__frame_new(void)
{
    if (!via__frames.guarded || via__frames.first_used)
        return via__frame_new_inside();
    via__frames.first_used = 1;
    return &via__frames.first;
}

static inline void via__frame_free(struct via__frame *frame)
{
    if (frame->allocated) {
        free(frame);
        return;
    }
    // What a call may have left.  The other members are written for each before they are read.
    frame->caller = NULL;
    frame->stage = VIA__STAGE_RUNS;
    frame->bytes = (struct via_bytes_call){.out = NULL};
    frame->failure = (struct via__failure){.message = NULL};
    frame->status = frame->code = 0;
    frame->value = NULL;
    frame->has_locals = 0;
    frame->expired = 0;
    via__frames.first_used = 0;
}

// The innermost call of this thread whose function runs, or NULL: whom via_call_cancelled() and the like are
// about.
struct via__frame *via__frame_running(void);

// Of a call within a call, for those who look at this thread.
void via__frame_set_nested(struct via__frame *frame);

// Makes the frame this thread's innermost, with its function running.
static inline void via__frame_push(struct via__frame *frame)
{
    frame->caller = via__role.frame ? via__frame_running() : NULL;
    frame->outer = via__role.frame;
    via__role.frame = frame;
    frame->outer_failure = via__role.failure;
    via__role.failure = &frame->failure;
    if (via__frames.activity && frame->caller) {
        frame->started_ns = via_now_ns();
        via__frame_set_nested(frame);
    } else if (via__frames.activity) {
        // Release: who takes the pointer out in look_at() sees the call's fields.
        atomic_store_explicit(&via__frames.activity->current, frame->cf, memory_order_release);
    }
}

// The same for a job that is ended without having run.
void via__frame_push_ended(struct via__frame *frame);

// The function has returned, or has ended its thread.
static inline void via__frame_returned(struct via__frame *frame)
{
    frame->stage = VIA__STAGE_RELEASES;
    via__role.failure = NULL; // callbacks are not the function's
    if (!via__frames.activity)
        return;
    if (frame->caller) {
        via__frame_set_nested(frame->caller->caller ? frame->caller : NULL);
        return;
    }
    // Acquire: pairs with the release of a looker that puts the pointer back, and comes after its look.
    while (!atomic_exchange_explicit(&via__frames.activity->current, NULL, memory_order_acquire))
        via__cpu_relax();
}

// The program's code for the frame's job has been run, but for callbacks; before the future is completed.
static inline void via__frame_job_over(const struct via__frame *frame)
{
    // One that has expired is counted by the worker, which finds that it did not run.
    if (via__frames.activity && !frame->outer && !frame->expired)
        via__activity_job_over(via__frames.activity);
}

// The future is done and its callbacks have run.
static inline void via__frame_pop(struct via__frame *frame)
{
    via__role.frame = frame->outer;
    via__role.failure = frame->outer_failure;
}

// Puts the thread's local values back, if the function had its own.
void via__frame_leave_locals(struct via__frame *frame);

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
