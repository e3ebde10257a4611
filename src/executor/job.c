/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs: from a checked call to a completed future.  Who may end a job is at the head of executor.h. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/fork.h"
#include "base/locals.h"
#include "base/lock.h"
#include "base/role.h"
#include "executor/buffer.h"
#include "executor/executor.h"
#include "executor/frame.h"
#include "executor/packed.h"

static int has_input(const struct via_call *call)
{
    return call->in || call->buffer || !call->in_bytes;
}

static int check_call(const via_executor *executor, const struct via_call *call)
{
    unsigned known = VIA_CALL_ABANDONABLE | VIA_CALL_INTERRUPTIBLE | VIA_CALL_MEASURED;
    int pointer = call->kind == VIA_CALL_POINTER, bytes = call->kind == VIA_CALL_BYTES_IN_OUT;
    if ((!pointer && !bytes) || (pointer && !call->fn) || (bytes && !call->bytes_fn) ||
        (bytes && !has_input(call)) || call->flags & ~known || call->priority < VIA_PRIORITY_LOW ||
        call->priority > VIA_PRIORITY_HIGH || call->deadline_ns < 0 || call->timeout_ns < 0 ||
        call->retries < 0)
        return VIA_EINVAL;
    if (pointer && call->flags & VIA_CALL_ABANDONABLE &&
        ((call->arg && !call->destroy) || !call->destroy_result))
        return VIA_EINVAL;
    if (!(executor->kind->call_kinds & (unsigned)call->kind) ||
        (!executor->kind->kills && (call->timeout_ns || call->retries)))
        return VIA_ENOTSUP;
    if (call->flags & VIA_CALL_INTERRUPTIBLE && !via__interrupt_enabled())
        return VIA_ENOTSUP;
    if (call->deadline_ns && call->deadline_ns <= via_now_ns())
        return VIA_ETIMEDOUT;
    return via__executor_forked(executor) ? VIA_EFORKED : 0;
}

static int is_plain(const struct via_call *call)
{
    return call->kind == VIA_CALL_POINTER && !call->flags && !call->destroy && !call->destroy_result &&
           !call->priority && !call->deadline_ns && !call->cancel && !call->name && !call->timeout_ns &&
           !call->retries;
}

// Tells in one go what check_call() finds out step by step: that nothing is wrong with a plain call.
static int is_right_and_plain(const via_executor *executor, const struct via_call *call)
{
    return is_plain(call) && call->fn && executor->kind->call_kinds & VIA_CALL_POINTER &&
           executor->owner.generation == via__fork_generation();
}

static struct via__call_control *new_control(via_cfuture *cf, const struct via_call *call)
{
    struct via__call_control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    control->cf = cf;
    control->cancel = call->cancel;
    control->cancel_arg = call->cancel_arg;
    via__list_init(&control->nudge);
    pthread_mutex_init(&control->lock, NULL);
    pthread_cond_init(&control->idle, NULL);
    return control;
}

static void copy_options(struct via__call_extra *extra, const struct via_call *call)
{
    extra->outcome.destroy = call->destroy_result;
    extra->kind = call->kind;
    extra->flags = call->flags;
    extra->priority = call->priority;
    extra->fn = call->fn;
    extra->bytes_fn = call->bytes_fn;
    extra->in_bytes = call->in_bytes;
    extra->destroy = call->destroy;
    extra->name = call->name;
    extra->deadline_ns = call->deadline_ns;
    extra->timeout_ns = call->timeout_ns;
    extra->retries = call->retries;
}

// Inputs up to this length stand behind the struct: one allocation instead of two.
#define IN_BEHIND 256

// Puts the input where it stays until the call is over.  0 or a negative status.
static int keep_input(struct via__call_extra *extra, via_executor *executor, const struct via_call *call)
{
    if (call->buffer) {
        int status = via__buffer_hold(call->buffer, call->in_bytes);
        if (status < 0)
            return status;
        extra->buffer = call->buffer;
        extra->in = call->buffer->data;
        return 0;
    }
    if (executor->kind->copy_in && call->in_bytes > executor->kind->in_inline) {
        int status = executor->kind->copy_in(executor, call->in, call->in_bytes, &extra->buffer);
        extra->in = status == 0 ? extra->buffer->data : NULL;
        return status;
    }
    void *room = (char *)(extra + 1) + executor->kind->apart_bytes;
    if (call->in_bytes > IN_BEHIND) {
        room = malloc(call->in_bytes);
        extra->in_is_alone = 1;
    }
    if (room && call->in_bytes)
        memcpy(room, call->in, call->in_bytes);
    extra->in = room;
    return room ? 0 : VIA_ENOMEM;
}

static int new_extra(via_cfuture *cf, via_executor *executor, const struct via_call *call,
                     struct via__call_extra **made)
{
    int bytes = call->kind == VIA_CALL_BYTES_IN_OUT;
    size_t behind = bytes && !call->buffer && call->in_bytes <= IN_BEHIND ? call->in_bytes : 0;
    struct via__call_extra *extra = malloc(sizeof *extra + executor->kind->apart_bytes + behind);
    if (!extra)
        return VIA_ENOMEM;
    via__cpu_clear(extra, sizeof *extra);
    copy_options(extra, call);
    int wants_control = call->deadline_ns || call->cancel || call->flags & VIA_CALL_INTERRUPTIBLE;
    extra->control = wants_control ? new_control(cf, call) : NULL;
    int status = wants_control && !extra->control ? VIA_ENOMEM : 0;
    if (status == 0 && bytes)
        status = keep_input(extra, executor, call);
    if (status < 0) {
        free(extra->control);
        free(extra);
        return status;
    }
    // A canceller that came late may be just in the control's lock: it goes with the future.
    extra->outcome.more = extra->control;
    *made = extra;
    return 0;
}

static void use_vclock(struct via__call_extra *extra, struct via__vclock *vclock)
{
    extra->vclock = via__vclock_ref(vclock);
    // Relaxed: it orders the calls of one thread.
    extra->turn = atomic_fetch_add_explicit(&vclock->turns, 1, memory_order_relaxed);
}

// The clock of the loop that runs in this thread, or of the call that makes another.
static struct via__vclock *vclock_here(void)
{
    const struct via__frame *frame = via__role.loop ? NULL : via__frame_running();
    struct via__call_extra *extra = frame ? via__job_extra(frame->cf) : NULL;
    return extra ? extra->vclock : via__role.vclock;
}

// Makes the future a job whose extra, if any, is there.
static inline void init_future(via_cfuture *cf, via_executor *executor, const struct via_call *call,
                               uint32_t refs, uint32_t flags)
{
    via__cf_init(cf, &executor->owner, refs,
                 VIA_PENDING | VIA__OWNED | VIA__JOB | flags | (executor->kind->request ? VIA__APART : 0));
    cf->function = (void (*)(void))call->fn;
    cf->arg = call->arg;
}

__attribute__((noinline)) static int init_closely(via_cfuture *cf, via_executor *executor,
                                                  const struct via_call *call, uint32_t refs, uint32_t flags)
{
    struct via__call_extra *extra = NULL;
    struct via__vclock *vclock = vclock_here();
    int status = check_call(executor, call);
    if (status == 0 && (flags & VIA__CALL_EXTRA || vclock || !is_plain(call)))
        status = new_extra(cf, executor, call, &extra);
    if (status < 0) {
        if (call->destroy)
            call->destroy(call->arg);
        return status;
    }
    init_future(cf, executor, call, refs, flags | (extra ? VIA__CALL_EXTRA : 0));
    if (vclock)
        use_vclock(extra, vclock);
    cf->extra = extra ? &extra->outcome : NULL;
    return 0;
}

int via__job_init(via_cfuture *cf, via_executor *executor, const struct via_call *call, uint32_t refs,
                  uint32_t flags)
{
    // The clock may be that of a call around this one; it is looked for there.
    int is_virtual = via__role.vclock || (via__role.frame && !via__role.loop);
    if (is_virtual || flags & VIA__CALL_EXTRA || !is_right_and_plain(executor, call))
        return init_closely(cf, executor, call, refs, flags);
    init_future(cf, executor, call, refs, flags);
    return 0;
}

static int submit_to_kind(via_executor *executor, via_cfuture *cf, enum via__submit how)
{
    if (executor->kind->jobs_live)
        via__executor_live(executor);
    int status = executor->kind->submit(executor, cf, how);
    if (status < 0 && executor->kind->jobs_live)
        via__executor_die(executor);
    return status;
}

// With a deadline: the timer is set once the job is queued, since the timekeeper claims queued jobs only.
static int submit_timed(via_executor *executor, via_cfuture *cf, enum via__submit how)
{
    struct via__call_extra *extra = via__job_extra(cf);
    struct via__call_control *control = extra->control;
    int64_t deadline_ns = extra->deadline_ns;
    int status = via__timekeeper_reserve();
    if (status < 0)
        return status;
    via_cfuture_ref(cf); // the job may be over before its timer is set
    status = submit_to_kind(executor, cf, how);
    if (status < 0) {
        via__timekeeper_unreserve();
        // Relaxed: nobody else has seen the job.
        atomic_fetch_sub_explicit(&cf->refs, 1, memory_order_relaxed);
        return status;
    }
    via__timekeeper_set(control, deadline_ns);
    via_cfuture_unref(cf);
    return 0;
}

int via__job_submit(via_cfuture *cf, enum via__submit how)
{
    via_executor *executor = via__job_executor(cf);
    struct via__call_extra *extra = via__job_extra(cf);
    if (!extra && !executor->kind->jobs_live)
        return executor->kind->submit(executor, cf, how); // there is nothing to be done for it
    int timed = extra && extra->deadline_ns && extra->deadline_ns != VIA_FOREVER;
    int status = timed ? submit_timed(executor, cf, how) : submit_to_kind(executor, cf, how);
    if (status < 0)
        via__job_dispose(cf, cf->arg);
    return status;
}

static void drop_input(struct via__call_extra *extra)
{
    if (extra->in_is_alone)
        free((void *)(uintptr_t)extra->in);
    extra->in_is_alone = 0;
    extra->in = NULL;
    via__buffer_drop(extra->buffer);
    extra->buffer = NULL;
}

void via__job_dispose(via_cfuture *cf, void *arg)
{
    struct via__call_extra *extra = via__job_extra(cf);
    if (!extra)
        return;
    if (extra->control)
        via__timekeeper_remove(extra->control);
    drop_input(extra);
    via__locals_unref(extra->locals);
    extra->locals = NULL;
    via__vclock_unref(extra->vclock);
    if (extra->destroy)
        extra->destroy(arg);
}

// The job is over for its executor; after this the executor may be gone.
static void job_over(via_executor *executor)
{
    if (executor->kind->jobs_live)
        via__executor_die(executor);
}

static void end_with(via_cfuture *cf, int status, char *message)
{
    via_executor *executor = via__job_executor(cf);
    via__job_dispose(cf, cf->arg);
    via__cf_finish(cf, status, 0, NULL, message);
    job_over(executor);
}

void via__job_end(via_cfuture *cf, int status)
{
    end_with(cf, status, NULL);
}

void via__job_expire(via_cfuture *cf)
{
    end_with(cf, VIA_ETIMEDOUT, strdup(VIA__EXPIRED_TEXT));
}

void via__job_give_up(via_cfuture *cf, int status)
{
    if (via__cf_claim(cf))
        via__job_end(cf, status);
    else
        via__job_let_go(cf);
}

int via__job_claim_outside(via_cfuture *cf, enum via__claim why)
{
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    int claimed = via__cf_claim(cf);
    if (claimed) {
        via_executor *executor = via__job_executor(cf);
        via__executor_live(executor);
        // The outsider ends a job of its own, so to say; the one in the queue is let go by its executor.
        if (executor->kind->jobs_live)
            via__executor_live(executor);
        if (executor->kind->claimed)
            executor->kind->claimed(executor, cf, why);
    }
    pthread_mutex_unlock(lock);
    return claimed;
}

void via__job_let_go(via_cfuture *cf)
{
    via_executor *executor = via__job_executor(cf);
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    via_cfuture_unref(cf);
    job_over(executor);
}

static int call_function(struct via__frame *frame, struct via__call_extra *extra, void **result)
{
    if (!extra || extra->kind == VIA_CALL_POINTER)
        return frame->fn(frame->arg, result);
    if (extra->buffer && extra->buffer->is_writable)
        frame->bytes.in_place = extra->buffer->data;
    int status =
        via__packed_call(extra->is_packed, extra->bytes_fn, &frame->bytes, extra->in, extra->in_bytes);
    *result = frame->bytes.out;
    extra->outcome.bytes = frame->bytes.bytes;
    extra->outcome.destroy = free;
    frame->bytes.out = NULL;
    return status;
}

// Turns what the function returned into a status and a code.
static int judge(const struct via__frame *frame, int returned, int *code)
{
    *code = 0;
    if (returned > 0) {
        *code = returned;
        return VIA_EFAILED;
    }
    if (returned == VIA_EFAILED && frame->failure.given)
        *code = frame->failure.code;
    return returned;
}

// A failed call has no value; what it left in its result is released.
static void *keep_value(via_cfuture *cf, int status, void *value)
{
    if (status == 0 || !value)
        return value;
    if (cf->extra && cf->extra->destroy)
        cf->extra->destroy(value);
    return NULL;
}

static inline void complete(struct via__frame *frame)
{
    char *message = frame->failure.message;
    void *value = frame->value;
    frame->stage = VIA__STAGE_COMPLETES;
    frame->failure.message = NULL;
    frame->value = NULL;
    value = keep_value(frame->cf, frame->status, value);
    via__frame_job_over(frame);
    via__cf_finish(frame->cf, frame->status, frame->code, value, message);
}

void via__job_complete(struct via__frame *frame)
{
    complete(frame);
}

// The function runs with the values that it was given, and the thread's come back after it.
static void enter_locals(struct via__frame *frame, struct via__call_extra *extra)
{
    frame->has_locals = 1;
    frame->outer_locals = via__role.locals;
    via__role.locals = extra->locals;
    extra->locals = NULL;
}

void via__frame_leave_locals(struct via__frame *frame)
{
    if (!frame->has_locals)
        return;
    struct via__locals *locals = via__role.locals;
    frame->has_locals = 0;
    via__role.locals = frame->outer_locals;
    via__locals_unref(locals);
}

// In line: a call that asks for nothing goes through a copy of its own, without all that it did not ask for.
__attribute__((always_inline)) static inline void run_claimed(via_cfuture *cf, struct via__frame *frame,
                                                              struct via__call_extra *extra)
{
    struct via__call_control *control = extra ? extra->control : NULL;
    void *result = NULL;
    // A request that came before via__control_enter() found no function to stop: so there is none to be run.
    int wanted = !control || via__control_enter(control);
    via__frame_push(frame);
    if (extra && extra->locals)
        enter_locals(frame, extra);
    int returned = wanted ? call_function(frame, extra, &result) : VIA_ECANCELED;
    via__frame_returned(frame);
    via__frame_leave_locals(frame);
    if (control)
        via__control_leave(control);
    frame->status = judge(frame, returned, &frame->code);
    frame->value = result;
    if (frame->failure.message && frame->status != VIA_EFAILED) {
        free(frame->failure.message);
        frame->failure.message = NULL;
    }
    if (extra)
        via__job_dispose(cf, frame->arg);
    complete(frame);
    via__frame_pop(frame);
}

// A frame for a job, with what the job holds until it is claimed.
static struct via__frame *frame_for(via_cfuture *cf)
{
    struct via__frame *frame = via__frame_new();
    if (frame) {
        frame->executor = via__job_executor(cf);
        frame->cf = cf;
        frame->fn = (via_call_fn)cf->function;
        frame->arg = cf->arg;
    }
    return frame;
}

__attribute__((always_inline)) static inline void run_in_frame(via_cfuture *cf, struct via__call_extra *extra)
{
    via_executor *executor = via__job_executor(cf);
    struct via__frame *frame = frame_for(cf);
    if (!frame) {
        via__job_end(cf, VIA_ENOMEM);
        return;
    }
    run_claimed(cf, frame, extra);
    via__frame_free(frame);
    job_over(executor);
}

__attribute__((noinline)) static void run_with_extra(via_cfuture *cf, struct via__call_extra *extra)
{
    run_in_frame(cf, extra);
}

void via__job_run_claimed(via_cfuture *cf)
{
    struct via__call_extra *extra = via__job_extra(cf);
    if (extra)
        run_with_extra(cf, extra);
    else
        run_in_frame(cf, NULL);
}

// The timekeeper may be late: a worker does not start what has expired.
static int has_expired(const via_cfuture *cf)
{
    const struct via__call_extra *extra = via__job_extra(cf);
    return extra && extra->deadline_ns && extra->deadline_ns <= via_now_ns();
}

// Ends an expired job that this thread claimed as an outsider, and drops the life from the claim.
static void end_expired(via_cfuture *cf)
{
    via_executor *executor = via__job_executor(cf);
    struct via__frame *frame = frame_for(cf);
    if (!frame) {
        via__job_expire(cf);
        via__executor_die(executor);
        return;
    }
    frame->status = VIA_ETIMEDOUT;
    frame->expired = 1;
    via__frame_push_ended(frame);
    via__job_dispose(cf, frame->arg);
    free(frame->failure.message); // what a destructor may have said
    frame->failure.message = strdup(VIA__EXPIRED_TEXT);
    via__job_complete(frame);
    via__frame_pop(frame);
    via__frame_free(frame);
    job_over(executor);
    via__executor_die(executor);
}

// The value of a call whose outcome has no room for what releases it.
static int attach(via_cfuture *cf, struct via__answer_of_call *answer)
{
    struct via__call_extra *extra = via__job_extra(cf);
    extra->outcome.destroy = answer->destroy;
    extra->outcome.bytes = answer->bytes;
    extra->outcome.process = answer->process;
    return answer->status;
}

void via__job_answer(via_cfuture *cf, struct via__answer_of_call *answer)
{
    via_executor *executor = via__job_executor(cf);
    int status = attach(cf, answer), code = status > 0 ? status : answer->code;
    if (status > 0)
        status = VIA_EFAILED;
    via__job_dispose(cf, cf->arg);
    void *value = keep_value(cf, status, answer->value);
    via__cf_finish(cf, status, status == VIA_EFAILED ? code : 0, value, answer->message);
    job_over(executor);
}

void via__job_refused(via_cfuture *cf)
{
    via_executor *executor = via__job_executor(cf);
    uint32_t before = via__cf_cancel_handed(cf);
    via__job_dispose(cf, cf->arg);
    via__cf_completed(cf, before);
    job_over(executor);
}

int via__job_execute(via_cfuture *cf)
{
    if (has_expired(cf) && via__job_claim_outside(cf, VIA__CLAIM_EXPIRED)) {
        via_executor *executor = via__job_executor(cf);
        end_expired(cf);
        job_over(executor);
        return 0;
    }
    if (!via__cf_claim(cf)) {
        via__job_let_go(cf);
        return 0;
    }
    via__job_run_claimed(cf);
    return 1;
}

void *via_bytes_out(via_bytes_call *call, size_t bytes)
{
    if (!call)
        return NULL;
    if (call->take)
        return call->take(call, bytes);
    void *out = realloc(call->out, bytes ? bytes : 1);
    if (out) {
        call->out = out;
        call->bytes = bytes;
    }
    return out;
}

void *via_bytes_in_place(via_bytes_call *call)
{
    return call ? call->in_place : NULL;
}
