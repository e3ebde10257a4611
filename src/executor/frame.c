/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames: the calls on a thread's stack, and what becomes of them if a function ends its thread.
 *
 * pthread_exit() unwinds the stack and then runs the destructors of thread-specific data.  Ours finds the
 * frames of the calls that are not over and goes on with each where it was left: a function that did not
 * return gives VIA_EEXITED; what a function has returned stays, if it was the destructor of its payload or a
 * callback of its future that ended the thread (the callbacks that are left run while the stack unwinds, see
 * watch.c).  Then the pool is told that its worker is gone.  All that costs a running call nothing.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/role.h"
#include "executor/frame.h"

_Thread_local struct via__frames via__frames;
static pthread_key_t key;
static pthread_mutex_t key_lock = PTHREAD_MUTEX_INITIALIZER; // guards `key_made`
static int key_made;
static pthread_mutex_t nested_lock = PTHREAD_MUTEX_INITIALIZER; // guards the nested calls of all activities

// What the function has left behind; its payload is released.
static void end_function(struct via__frame *frame)
{
    struct via__call_extra *extra = via__job_extra(frame->cf);
    via__frame_returned(frame);
    via__frame_leave_locals(frame);
    if (extra && extra->control)
        via__control_leave(extra->control);
    free(frame->bytes.out);
    free(frame->failure.message);
    frame->failure.message = NULL;
    frame->status = VIA_EEXITED;
    via__job_dispose(frame->cf, frame->arg);
}

static void end_frame(struct via__frame *frame)
{
    via_executor *executor = frame->executor;
    if (frame->stage == VIA__STAGE_RUNS)
        end_function(frame);
    if (frame->stage == VIA__STAGE_RELEASES)
        via__job_complete(frame);
    via__frame_pop(frame);
    if (executor->kind->exited)
        executor->kind->exited(executor, frame->cf);
    if (frame->expired)
        via__executor_die(executor);
    if (frame->expired && executor->kind->jobs_live)
        via__executor_die(executor);
    if (executor->kind->jobs_live)
        via__executor_die(executor);
    via__frame_free(frame);
}

static void thread_ended(void *unused)
{
    (void)unused;
    while (via__role.frame) {
        end_frame(via__role.frame);
        via__role.failure = NULL; // a coroutine around the call may be gone
    }
    if (via__frames.on_exit)
        via__frames.on_exit(via__frames.on_exit_arg);
}

// A failure is not kept: the next thread tries again.
static int make_key(void)
{
    pthread_mutex_lock(&key_lock);
    if (!key_made)
        key_made = pthread_key_create(&key, thread_ended) == 0;
    int made = key_made;
    pthread_mutex_unlock(&key_lock);
    return made;
}

void via__frame_reset(void)
{
    pthread_mutex_init(&key_lock, NULL);
    pthread_mutex_init(&nested_lock, NULL);
}

int via__frame_guard_thread(void)
{
    if (via__frames.guarded)
        return 0;
    if (!make_key() || pthread_setspecific(key, &via__frames) != 0)
        return VIA_ENOMEM;
    via__frames.guarded = 1;
    return 0;
}

void via__frame_on_exit(void (*fn)(void *arg), void *arg)
{
    via__frames.on_exit = fn;
    via__frames.on_exit_arg = arg;
}

struct via__frame *via__frame_new_inside(void)
{
    if (via__frame_guard_thread() < 0)
        return NULL;
    if (!via__frames.first_used)
        return via__frame_new();
    struct via__frame *frame = malloc(sizeof *frame);
    if (frame)
        *frame = (struct via__frame){.allocated = 1};
    return frame;
}

void via__frame_set_activity(struct via__activity *activity)
{
    via__frames.activity = activity;
}

void via__frame_set_nested(struct via__frame *frame)
{
    pthread_mutex_lock(&nested_lock);
    via__frames.activity->nested = frame;
    pthread_mutex_unlock(&nested_lock);
}

struct via__frame *via__frame_running(void)
{
    struct via__frame *frame = via__role.frame;
    while (frame && frame->stage != VIA__STAGE_RUNS)
        frame = frame->outer;
    return frame;
}

void via__frame_push_ended(struct via__frame *frame)
{
    frame->stage = VIA__STAGE_RELEASES;
    frame->outer = via__role.frame;
    frame->outer_failure = via__role.failure;
    via__role.frame = frame;
    via__role.failure = NULL;
}

static void look_at(struct via__activity *activity, void (*look)(via_cfuture *cf, void *arg), void *arg)
{
    // Acquire: pairs with the release in via__frame_push().
    via_cfuture *cf = atomic_exchange_explicit(&activity->current, NULL, memory_order_acquire);
    if (!cf)
        return;
    look(cf, arg);
    // Release: the look comes before via__frame_returned() goes on.
    atomic_store_explicit(&activity->current, cf, memory_order_release);
}

struct each {
    struct via__activity *activity;
    long thread_id;
    via__call_look_fn look;
    void *arg;
};

static void show(const struct each *each, const via_cfuture *cf, int64_t started_ns)
{
    struct via_stuck_call call = via__job_describe(cf, each->thread_id, via_now_ns() - started_ns);
    each->look(cf, &call, each->arg);
}

static void show_each(via_cfuture *cf, void *arg)
{
    const struct each *each = arg;
    // Relaxed: for reports.
    int64_t started_ns = atomic_load_explicit(&each->activity->started_ns, memory_order_relaxed);
    show(each, cf, started_ns);
    pthread_mutex_lock(&nested_lock);
    for (struct via__frame *frame = each->activity->nested; frame && frame->caller; frame = frame->caller)
        show(each, frame->cf, frame->started_ns);
    pthread_mutex_unlock(&nested_lock);
}

void via__activity_each(struct via__activity *activity, long thread_id, via__call_look_fn look, void *arg)
{
    struct each each = {activity, thread_id, look, arg};
    look_at(activity, show_each, &each);
}

struct call_look {
    struct via__activity *activity;
    const via_cfuture *root;
    size_t depth;
    via_cfuture *found;
};

// While the outermost call is looked at, it cannot end, but those further in can.
static void look_for_call(via_cfuture *cf, void *arg)
{
    struct call_look *look = arg;
    if (!look->root)
        look->found = via_cfuture_ref(cf);
    if (look->root != cf)
        return;
    pthread_mutex_lock(&nested_lock);
    size_t above = 0;
    for (struct via__frame *frame = look->activity->nested; frame && frame->caller; frame = frame->caller)
        above++;
    struct via__frame *frame = look->activity->nested;
    for (; above > look->depth; above--)
        frame = frame->caller;
    if (above == look->depth && above)
        look->found = via_cfuture_ref(frame->cf);
    pthread_mutex_unlock(&nested_lock);
}

via_cfuture *via__activity_call(struct via__activity *activity, const via_cfuture *root, size_t depth)
{
    struct call_look look = {.activity = activity, .root = root, .depth = depth};
    look_at(activity, look_for_call, &look);
    return look.found;
}
