/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Portals.
 *
 * The portal's thread makes a runner, tells its starter, and runs a main task that waits for a promise of its
 * loop.  To stop is to post a message that settles it; then the runner is closed, which ends the other tasks.
 * The loop is held meanwhile: other threads may bring about what its tasks wait for, until they are
 * cancelled.
 *
 * `how` is what was asked for: RUNNING, then VIA_PORTAL_DRAIN or VIA_PORTAL_CANCEL; it only goes up.  For
 * each of the two one message is sent at most.  `ended` is done when the loop is closed and
 * the thread is about to end; what other threads post after that is refused by the loop.
 */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/portal.h>
#include <viaduct/threadsafe.h>
#include <viaduct/time.h>

#include "base/log.h"
#include "base/thread.h"
#include "task/run.h"

enum { RUNNING = -1 };

struct via_portal {
    pthread_t thread;
    const void *self; // via__loop_thread() of the thread; written before it has started
    struct via_runner_options options;
    via_runner *runner; // the thread's
    via_loop *loop;
    via_cfuture *started, *ended;
    via_future *stopped; // the loop's promise
    _Atomic int how;
    int is_held, is_cancelled;                // the loop's thread
    struct via__post drain_post, cancel_post; // sent once, by whoever changes `how`
    unsigned generation;
};

// ---- in the portal's thread ----

static int wait_for_stop(void *arg, void **result)
{
    via_portal *portal = arg;
    (void)result;
    via_future *stopped = via_future_new(portal->loop);
    if (!stopped->loop)
        return via_future_result(stopped, NULL);
    portal->stopped = via_future_ref(stopped);
    (void)via_cfuture_set_result(portal->started, NULL, NULL);
    int status = via_await(stopped, NULL);
    portal->stopped = via_future_unref(portal->stopped);
    return status;
}

static void let_go(via_portal *portal)
{
    if (portal->is_held)
        (void)via_loop_release(portal->loop);
    portal->is_held = 0;
}

static void stop_waiting(via_portal *portal)
{
    if (portal->stopped && via_future_done(portal->stopped) == 0)
        (void)via_future_set_result(portal->stopped, NULL, NULL);
}

static void drain(via_loop *loop, struct via__post *post)
{
    via_portal *portal = VIA__CONTAINER_OF(post, via_portal, drain_post);
    (void)loop;
    portal->runner->drains = !portal->is_cancelled;
    stop_waiting(portal);
}

static void cancel(via_loop *loop, struct via__post *post)
{
    via_portal *portal = VIA__CONTAINER_OF(post, via_portal, cancel_post);
    (void)loop;
    portal->is_cancelled = 1;
    portal->runner->drains = 0;
    let_go(portal);
    if (portal->stopped)
        stop_waiting(portal); // then the closing of the runner cancels
    else
        via__runner_cancel(portal->runner);
}

static void drop_stop(via_loop *loop, struct via__post *post)
{
    (void)loop;
    (void)post;
}

static int run_runner(via_portal *portal)
{
    int status = via_loop_hold(portal->loop);
    if (status < 0)
        return status;
    portal->is_held = 1;
    int ran = via_runner_run(portal->runner, wait_for_stop, portal, NULL);
    status = via_runner_close(portal->runner);
    let_go(portal);
    return via_cfuture_done(portal->started) ? status : ran;
}

static void *serve(void *arg)
{
    via_portal *portal = arg;
    portal->self = via__loop_thread();
    via__thread_set_name(portal->options.name);
    int status = via_runner_new(&portal->options, &portal->runner);
    if (status == 0) {
        portal->loop = via_loop_ref(via_runner_loop(portal->runner));
        status = run_runner(portal);
        via_runner_free(portal->runner);
    }
    // If it has not started, the starter is still waiting.
    if (status < 0)
        (void)via_cfuture_set_error(portal->started, status, 0, NULL);
    if (status < 0)
        (void)via_cfuture_set_error(portal->ended, status, 0, NULL);
    else
        (void)via_cfuture_set_result(portal->ended, NULL, NULL);
    return NULL;
}

// ---- elsewhere ----

static void destroy(via_portal *portal)
{
    via_cfuture_unref(portal->started);
    via_cfuture_unref(portal->ended);
    via_loop_unref(portal->loop);
    free((char *)(uintptr_t)portal->options.name);
    free(portal);
}

static via_portal *make(const struct via_runner_options *options)
{
    static const struct via__post_kind drain_kind = {.arrive = drain, .drop = drop_stop};
    static const struct via__post_kind cancel_kind = {.arrive = cancel, .drop = drop_stop};
    via_portal *portal = calloc(1, sizeof *portal);
    if (!portal)
        return NULL;
    portal->options = *options;
    portal->options.handle_sigint = 0;
    portal->options.name = strdup(options->name ? options->name : "portal");
    portal->generation = via__fork_generation();
    portal->drain_post.kind = &drain_kind;
    portal->cancel_post.kind = &cancel_kind;
    // Relaxed: nobody else knows it yet.
    atomic_store_explicit(&portal->how, RUNNING, memory_order_relaxed);
    if (!portal->options.name || via_cfuture_new(&portal->started) < 0 ||
        via_cfuture_new(&portal->ended) < 0) {
        destroy(portal);
        return NULL;
    }
    return portal;
}

static int outcome_of(via_cfuture *cf)
{
    struct via_outcome outcome;
    int status = via_cfuture_outcome(cf, &outcome);
    return status < 0 ? status : outcome.status;
}

static int start(via_portal *portal)
{
    int status = via__fork_watch();
    if (status == 0)
        status = via__thread_start(&portal->thread, NULL, serve, portal);
    if (status < 0)
        return status;
    status = via_cfuture_wait(portal->started, VIA_FOREVER);
    if (status == 0)
        status = outcome_of(portal->started);
    if (status < 0)
        pthread_join(portal->thread, NULL);
    return status;
}

int via_portal_new(const struct via_runner_options *options, via_portal **portal)
{
    struct via_runner_options defaults;
    via_runner_options_init(&defaults);
    if (!portal)
        return VIA_EINVAL;
    via_portal *fresh = make(options ? options : &defaults);
    if (!fresh)
        return VIA_ENOMEM;
    int status = start(fresh);
    if (status < 0)
        destroy(fresh);
    else
        *portal = fresh;
    return status;
}

via_loop *via_portal_loop(const via_portal *portal)
{
    return portal ? portal->loop : NULL;
}

static int check(const via_portal *portal)
{
    if (!portal)
        return VIA_EINVAL;
    if (portal->generation != via__fork_generation())
        return VIA_EFORKED;
    // Relaxed: a request that comes at the same time may be taken or not.
    return atomic_load_explicit(&portal->how, memory_order_relaxed) == RUNNING ? 0 : VIA_ESHUTDOWN;
}

// Whether this is the portal's thread.  It makes reports also while its loop does not run.
static int is_own_thread(const via_portal *portal)
{
    return portal->self == via__loop_thread();
}

// What a caller that will block asks.
static int check_blocking(const via_portal *portal)
{
    int status = check(portal);
    return status == 0 && is_own_thread(portal) ? VIA_EDEADLK : status;
}

// A loop that has closed since was stopping.
static int as_stopping(int status)
{
    return status == VIA_ECLOSED ? VIA_ESHUTDOWN : status;
}

int via_portal_submit(via_portal *portal, via_task_fn fn, void *arg, const struct via_task_options *options,
                      via_cfuture **cf)
{
    int status = check(portal);
    if (status == 0)
        return as_stopping(via_run_coroutine_threadsafe(portal->loop, fn, arg, options, cf));
    if (options && options->destroy)
        options->destroy(arg);
    return status;
}

int via_portal_run(via_portal *portal, via_task_fn fn, void *arg, void **result)
{
    via_cfuture *cf;
    struct via_outcome outcome = {.value = NULL};
    int status = check_blocking(portal);
    if (status == 0)
        status = via_portal_submit(portal, fn, arg, NULL, &cf);
    if (status < 0)
        return status;
    status = via_cfuture_wait(cf, VIA_FOREVER);
    if (status == 0)
        status = via_cfuture_outcome(cf, &outcome);
    if (status == 0)
        status = outcome.status;
    if (status == 0 && result)
        *result = outcome.value; // no destructor is known of
    via_cfuture_unref(cf);
    return check(portal) == VIA_ESHUTDOWN ? as_stopping(status) : status;
}

// ---- plain callbacks ----

// On the stack of its caller, who waits.
struct call {
    struct via__post post;
    struct via__ready ready;
    via_callback_fn fn;
    void *arg;
    via_cfuture *done;
};

static void call_over(const struct call *call, int status)
{
    via_cfuture *done = via_cfuture_ref(call->done); // the caller, and with it the call, may go at once
    if (status < 0)
        (void)via_cfuture_set_error(done, status, 0, NULL);
    else
        (void)via_cfuture_set_result(done, (void *)(intptr_t)status, NULL);
    via_cfuture_unref(done);
}

static void run_call(via_loop *loop, struct via__ready *node)
{
    struct call *call = VIA__CONTAINER_OF(node, struct call, ready);
    via__loop_note_function(loop, (void *)(uintptr_t)call->fn);
    call_over(call, call->fn(call->arg));
}

static void drop_call(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    call_over(VIA__CONTAINER_OF(node, struct call, ready), VIA_ESHUTDOWN);
}

static void call_arrives(via_loop *loop, struct via__post *post)
{
    static const struct via__ready_kind kind = {.run = run_call, .drop = drop_call};
    struct call *call = VIA__CONTAINER_OF(post, struct call, post);
    call->ready.kind = &kind;
    via__ready_push(&loop->ready, &call->ready);
}

static void call_dropped(via_loop *loop, struct via__post *post)
{
    (void)loop;
    call_over(VIA__CONTAINER_OF(post, struct call, post), VIA_ESHUTDOWN);
}

static int await_call(via_portal *portal, struct call *call)
{
    struct via_outcome outcome;
    int status = via__loop_post(portal->loop, &call->post);
    if (status == 0)
        status = via_cfuture_wait(call->done, VIA_FOREVER);
    if (status == 0)
        status = via_cfuture_outcome(call->done, &outcome);
    if (status < 0)
        return as_stopping(status);
    return outcome.status < 0 ? outcome.status : (int)(intptr_t)outcome.value;
}

int via_portal_call(via_portal *portal, via_callback_fn fn, void *arg)
{
    static const struct via__post_kind kind = {.arrive = call_arrives, .drop = call_dropped};
    struct call call = {.post = {.kind = &kind}, .fn = fn, .arg = arg};
    int status = fn ? check_blocking(portal) : VIA_EINVAL;
    if (status == 0)
        status = via_cfuture_new(&call.done);
    if (status < 0)
        return status;
    status = await_call(portal, &call);
    via_cfuture_unref(call.done);
    return status;
}

// ---- the end ----

// Asks once for each way to end.  A loop that is closed has ended already.
static void ask(via_portal *portal, int how)
{
    // Relaxed, both: the message orders what it brings about.
    int before = atomic_load_explicit(&portal->how, memory_order_relaxed);
    while (before < how)
        if (atomic_compare_exchange_weak_explicit(&portal->how, &before, how, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            (void)via__loop_post(portal->loop,
                                 how == VIA_PORTAL_DRAIN ? &portal->drain_post : &portal->cancel_post);
            return;
        }
}

int via_portal_stop(via_portal *portal, int how, int64_t timeout_ns)
{
    if (!portal || how < VIA_PORTAL_DRAIN || how > VIA_PORTAL_CANCEL || timeout_ns < 0)
        return VIA_EINVAL;
    if (portal->generation != via__fork_generation())
        return VIA_EFORKED;
    ask(portal, how);
    if (is_own_thread(portal))
        return VIA_EDEADLK;
    int status = via_cfuture_wait(portal->ended, timeout_ns);
    return status < 0 ? status : outcome_of(portal->ended);
}

via_portal *via_portal_free(via_portal *portal)
{
    if (!portal)
        return NULL;
    if (portal->generation != via__fork_generation()) {
        destroy(portal); // the thread is the parent's
        return NULL;
    }
    if (is_own_thread(portal)) {
        via__log(VIA_LOG_ERROR, "via_portal_free() was called in the portal's own thread");
        return NULL;
    }
    // Relaxed: as in check().
    if (atomic_load_explicit(&portal->how, memory_order_relaxed) == RUNNING)
        (void)via_portal_stop(portal, VIA_PORTAL_CANCEL, 0);
    pthread_join(portal->thread, NULL);
    destroy(portal);
    return NULL;
}
