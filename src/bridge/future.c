/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop's futures: references, states, outcomes.  The design is at the head of future.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "bridge/future.h"
#include "executor/executor.h"

#define FAILED_MAP(X)                                                                                        \
    X(VIA_EINVAL, "an argument was NULL or out of range: see what the header says of each")                  \
    X(VIA_ENOMEM, "memory ran out: free some, or start less at a time")                                      \
    X(VIA_ECLOSED, "the loop is closed: start nothing on it any more, or make another loop")                 \
    X(VIA_EFORKED, "the loop is the parent's: make one in the child, after fork()")                          \
    X(VIA_ESTATE,                                                                                            \
      "no loop runs in this thread: call this in a callback or task of a loop, or name the loop "            \
      "with via_run_in_executor() or via_create_task_with()")                                                \
    X(VIA_EFOREIGN, "this is another thread's loop: go there with via_call_soon_threadsafe()")

// Futures that failed before there was a loop or memory to make one of.  They are never freed.
static struct via__pair failed[] = {
#define FAILED(failure, text)                                                                                \
    {.cf = {.refs = 1,                                                                                       \
            .state = (uint32_t)VIA_FINISHED | VIA__OWNED,                                                    \
            .status = (failure),                                                                             \
            .extra = &(struct via__extra){.message = (char[]){text}}},                                       \
     .future = {.state = VIA_FINISHED, .refs = 1}},
    FAILED_MAP(FAILED)
#undef FAILED
};

static const char *advice(int status)
{
    switch (status) {
#define ADVICE(failure, text)                                                                                \
    case failure:                                                                                            \
        return text;
        FAILED_MAP(ADVICE)
#undef ADVICE
    case VIA_ENOTSUP:
        return "the executor cannot run such a call: only process pools have via_call::timeout_ns and "
               "retries; only threads have pointer calls, via_call::cancel and VIA_CALL_INTERRUPTIBLE, for "
               "which via_thread_interrupt_enable() comes first";
    case VIA_EMSGSIZE:
        return "the input is longer than via_process_pool_options::max_in_bytes";
    case VIA_ETIMEDOUT:
        return "the deadline of the call (via_call::deadline_ns) had passed when it was submitted";
    case VIA_EBUSY:
        return "the executor's queue is full: wait until a call is done, or allow for a longer one";
    case VIA_ESHUTDOWN:
        return "the executor was shut down: start nothing on it any more, or make another one";
    default:
        return NULL;
    }
}

via_future *via__future_failed(int status)
{
    size_t count = sizeof failed / sizeof failed[0], at = 0;
    while (at < count - 1 && failed[at].cf.status != status)
        at++;
    return &failed[at].future;
}

void via__promise_fail(via_future *future, int status)
{
    const char *text = advice(status);
    via__promise_finish(future, status, 0, NULL, text ? strdup(text) : NULL);
}

static via_cfuture *cf_of(const via_future *future)
{
    return future->loop ? future->cf : &VIA__CONTAINER_OF(future, struct via__pair, future)->cf;
}

void via__future_forget_flight(via_future *future)
{
    if (!future->in_flight)
        return;
    future->in_flight = 0;
    via_future_unref(future);
}

via_future *via_future_ref(via_future *future)
{
    if (future && future->loop) {
        via__loop_note_thread(future->loop, "via_future_ref");
        future->refs++;
    }
    return future;
}

// An error that nobody looked at would vanish without a trace.  That things were cancelled is none when the
// loop is being closed.
static void report_unseen(via_future *future)
{
    struct via_outcome outcome;
    if (future->looked || future->state != VIA_FINISHED || via__future_bridge(future)->closed ||
        via_cfuture_outcome(future->cf, &outcome) < 0 || outcome.status >= 0 ||
        (future->loop->closing && outcome.status == VIA_EABORTED))
        return;
    struct via_exception exception = {.message = "the error of a future was never looked at",
                                      .status = outcome.status,
                                      .loop = future->loop,
                                      .future = future,
                                      .text = outcome.message};
    // The handler may look at the future, and even take a reference and give it back.
    future->looked = 1;
    future->refs++;
    via_loop_call_exception_handler(future->loop, &exception);
    future->refs--;
}

// A promise that nobody can keep any more is cancelled for the threads that still wait for it.
static void break_promise(via_future *future)
{
    via__list_remove(&future->pending);
    uint32_t before = via__cf_cancel_running(future->cf);
    if (before)
        via__cf_completed(via_cfuture_ref(future->cf), before);
}

static void free_memory(via_future *future, struct via__bridge *bridge)
{
    via_cfuture *cf = future->cf;
    // Relaxed: the flag is there from birth.
    int in_slab = (atomic_load_explicit(&cf->state, memory_order_relaxed) & VIA__SLAB) != 0;
    if (future->sort == VIA__SORT_WRAP) {
        via__wrap_free(future);
    } else if (in_slab && !bridge->loop->closing && via__cf_is_last_ref(cf)) {
        via__cf_fini(cf);
        via__slab_free(cf);
    } else {
        via_cfuture_unref(cf);
    }
}

static void end_slowly(via_future *future)
{
    struct via__bridge *bridge = via__future_bridge(future);
    report_unseen(future);
    if (future->refs)
        return;
    if (future->state == VIA_PENDING && future->sort >= VIA__SORT_PROMISE && future->sort != VIA__SORT_WRAP)
        break_promise(future);
    else if (future->state == VIA_PENDING)
        via__list_remove(&future->pending);
    while (future->more) {
        struct via__future_callback *first = future->more;
        future->more = first->next;
        if (!first->is_embedded)
            free(first);
    }
    if (future->sort == VIA__SORT_DRIVEN && via__driven_of(future)->kind->fini)
        via__driven_of(future)->kind->fini(future);
    int closed = bridge->closed;
    if (!closed)
        bridge->futures--;
    free_memory(future, bridge);
    if (closed)
        via__bridge_die(bridge);
}

// What most futures come to: one that was read, lies in a slab, and has nobody else who knows of it.  A
// bridge is closed while its loop is closing.
void via__future_end(via_future *future)
{
    via_cfuture *cf = future->cf;
    via_loop *loop = future->loop;
    if (future->state != VIA_FINISHED || !future->looked || future->more || loop->closing ||
        (via__cf_state(cf) & (VIA__SLAB | VIA__WATCHED)) != VIA__SLAB || !via__cf_is_last_ref(cf) ||
        future->sort == VIA__SORT_WRAP) {
        end_slowly(future);
        return;
    }
    if (future->sort == VIA__SORT_DRIVEN && via__driven_of(future)->kind->fini)
        via__driven_of(future)->kind->fini(future);
    via__future_bridge(future)->futures--;
    if (cf->extra)
        via__cf_fini_parts(cf);
    via__slab_free(cf);
}

// In debug mode, of a future with one reference left.  If only what runs on is left of a call that does not
// own its argument: whose is the argument now?
__attribute__((noinline)) static void report_dropped(via_future *future)
{
    if (!future->in_flight || future->state != VIA_PENDING || !future->arg_borrowed ||
        via__future_bridge(future)->closed)
        return;
    const struct via__call_extra *extra = via__job_extra(future->cf);
    struct via_exception exception = {.message = "a pending call that does not own its argument was dropped",
                                      .loop = future->loop,
                                      .function = extra ? (void *)(uintptr_t)extra->fn : NULL,
                                      .text = extra ? extra->name : NULL};
    via_loop_call_exception_handler(future->loop, &exception);
}

__attribute__((noinline)) static void unref_debugged(via_future *future)
{
    via__loop_note_thread(future->loop, "via_future_unref");
    // The flags are looked at apart from this: read together with the count in one wider load, as a compiler
    // does if it can, they would wait until the count has reached the cache.
    uint32_t refs = --future->refs;
    if (refs == 0)
        via__future_end(future);
    else if (refs == 1)
        report_dropped(future);
}

via_future *via_future_unref(via_future *future)
{
    if (!future || !future->loop)
        return NULL;
    if (via__loop_is_debugged(future->loop))
        unref_debugged(future);
    else if (--future->refs == 0)
        via__future_end(future);
    return NULL;
}

int via_future_state(const via_future *future)
{
    int status = future ? via__future_check_thread(future) : VIA_EINVAL;
    return status < 0 ? status : future->state;
}

int via_future_done(const via_future *future)
{
    int status = future ? via__future_check_thread(future) : VIA_EINVAL;
    return status < 0 ? status : future->state != VIA_PENDING;
}

via_loop *via_future_loop(const via_future *future)
{
    return future ? future->loop : NULL;
}

int via__future_cancel(via_future *future)
{
    if (future->state == VIA_PENDING && future->sort == VIA__SORT_DRIVEN)
        return via__driven_of(future)->kind->cancel(future);
    // Who asks for the cancel does not care for an error any more.
    future->looked = 1;
    if (future->state != VIA_PENDING)
        return VIA_CANCEL_TOO_LATE;
    if (future->sort == VIA__SORT_PROMISE) {
        via__promise_cancel(future);
        return VIA_CANCEL_NEVER_RAN;
    }
    // Cancelling may run a hook that drops the program's reference.
    via_future_ref(future);
    int status = via_cfuture_cancel(future->cf);
    if (status == VIA_CANCEL_NEVER_RAN || status == VIA_CANCEL_ABANDONED)
        via__future_settle(future, VIA_CANCELLED);
    via_future_unref(future);
    return status;
}

int via_future_cancel(via_future *future)
{
    if (!future)
        return VIA_EINVAL;
    if (!future->loop)
        return VIA_CANCEL_TOO_LATE;
    int status = via__loop_check(future->loop);
    return status < 0 ? status : via__future_cancel(future);
}

static int read_outcome(via_future *future, struct via_outcome *outcome,
                        int (*read)(via_cfuture *cf, struct via_outcome *outcome))
{
    int status = future && outcome ? via__future_check_thread(future) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (future->state == VIA_PENDING)
        return VIA_EPENDING;
    if (future->loop)
        future->looked = 1;
    if (future->state != VIA_CANCELLED)
        return read(cf_of(future), outcome);
    *outcome = (struct via_outcome){.status = VIA_ECANCELED};
    return 0;
}

int via_future_outcome(via_future *future, struct via_outcome *outcome)
{
    return read_outcome(future, outcome, via_cfuture_outcome);
}

int via_future_take(via_future *future, struct via_outcome *outcome)
{
    return read_outcome(future, outcome, via_cfuture_take);
}

// Reads what most programs ask for, without an outcome in between: 1; 0 if there is more to it.
static inline int read_result(via_future *future, int *status, void **value)
{
    if (!future || !future->loop || via__loop_is_debugged(future->loop) || future->state != VIA_FINISHED)
        return 0;
    const via_cfuture *cf = future->cf;
    if (via__cf_state(cf) & VIA__TAKEN)
        return 0;
    future->looked = 1;
    *status = cf->status;
    if (*status == 0 && value)
        *value = cf->value;
    return 1;
}

int via_future_result(via_future *future, void **value)
{
    struct via_outcome outcome;
    int result;
    if (read_result(future, &result, value))
        return result;
    int status = via_future_outcome(future, &outcome);
    if (status < 0)
        return status;
    if (outcome.status == 0 && value)
        *value = outcome.value;
    return outcome.status;
}
