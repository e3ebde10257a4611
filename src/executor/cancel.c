/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a cancel reaches a function that runs: the flag, the hook, the sleepers.  (Signals: interrupt.c.)
 *
 * A hook runs only between via__control_enter() and via__control_leave().  It runs without the control's
 * lock, since it may block; the worker waits in via__control_leave() until no hook is under way, so a hook
 * never meets the next call.
 */
#include <config.h>

#include <errno.h>
#include <time.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/role.h"
#include "executor/executor.h"
#include "executor/frame.h"

int via__control_enter(struct via__call_control *control)
{
    struct via__call_extra *extra = via__job_extra(control->cf);
    via__timekeeper_remove(control);
    pthread_mutex_lock(&control->lock);
    // A request sets its flag before it comes to this lock: either it is seen here, and the function is not
    // run, or the request finds the call running.
    uint32_t state = via__cf_state(control->cf);
    control->running = (state & VIA__STATE_MASK) == VIA_RUNNING && !(state & VIA__REQUESTED);
    control->thread = pthread_self();
    int running = control->running;
    pthread_mutex_unlock(&control->lock);
    if (extra->flags & VIA_CALL_INTERRUPTIBLE)
        via__interrupt_begin(control);
    return running;
}

void via__control_leave(struct via__call_control *control)
{
    struct via__call_extra *extra = via__job_extra(control->cf);
    pthread_mutex_lock(&control->lock);
    control->running = 0;
    while (control->hooks)
        pthread_cond_wait(&control->idle, &control->lock);
    pthread_mutex_unlock(&control->lock);
    if (extra->flags & VIA_CALL_INTERRUPTIBLE)
        via__interrupt_end(control);
}

static void run_hook(struct via__call_control *control)
{
    pthread_mutex_lock(&control->lock);
    int running = control->running;
    control->hooks += running;
    pthread_mutex_unlock(&control->lock);
    if (!running)
        return;
    control->cancel(control->cancel_arg);
    pthread_mutex_lock(&control->lock);
    if (--control->hooks == 0)
        pthread_cond_broadcast(&control->idle);
    pthread_mutex_unlock(&control->lock);
}

struct sleeper {
    struct via__watch watch;
    struct via__parker parker;
    struct via__vclock *vclock; // by which it sleeps, or NULL
    struct via__nap nap;
};

// Under the hashed lock, so before the sleeper takes its watch off.
static int wake_sleeper(struct via__watch *watch, via_cfuture *cf)
{
    struct sleeper *sleeper = (struct sleeper *)watch;
    (void)cf;
    if (sleeper->vclock)
        via__vclock_cut(sleeper->vclock, &sleeper->nap);
    via__unpark(&sleeper->parker);
    return 0;
}

static void wake_sleepers(via_cfuture *cf)
{
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    // Without WATCHED the list may be in the hands of a completer.
    uint32_t state = via__cf_state(cf);
    struct via__watch *watch = state & VIA__WATCHED && !via__state_done(state) ? cf->watchers : NULL;
    for (; watch; watch = watch->next) {
        if (watch->fn == wake_sleeper)
            wake_sleeper(watch, cf);
    }
    pthread_mutex_unlock(lock);
}

// An abandoned call still is asked to stop; `via__call_cancelled()` sees it by its state.
static int abandon(via_cfuture *cf)
{
    via_cfuture_ref(cf);
    uint32_t before = via__cf_abandon(cf);
    if (!before) {
        via_cfuture_unref(cf);
        return 0;
    }
    via__cf_completed(cf, before);
    return 1;
}

// Asks the executor.  Under the hashed lock a job that is not done has its executor, which passes through all
// of these locks before it goes.
static int request_apart(via_cfuture *cf)
{
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    // Relaxed: the flag orders nothing; it is what a function in another process is told.
    uint32_t state = atomic_fetch_or_explicit(&cf->state, VIA__REQUESTED, memory_order_relaxed);
    via_executor *executor = via__state_done(state) ? NULL : via__job_executor(cf);
    if (executor)
        via__executor_live(executor);
    pthread_mutex_unlock(lock);
    if (!executor)
        return (state & VIA__STATE_MASK) == VIA_FINISHED ? VIA_CANCEL_TOO_LATE : VIA_CANCEL_NEVER_RAN;
    int cancelled = executor->kind->request(executor, cf);
    via__executor_die(executor);
    if (cancelled == VIA_CANCEL_REQUESTED && via__job_extra(cf)->flags & VIA_CALL_ABANDONABLE && abandon(cf))
        cancelled = VIA_CANCEL_ABANDONED;
    return cancelled;
}

int via__job_request(via_cfuture *cf, uint32_t state)
{
    if (state & VIA__APART)
        return request_apart(cf);
    struct via__call_extra *extra = via__job_extra(cf);
    int abandoned = extra && extra->flags & VIA_CALL_ABANDONABLE && abandon(cf);
    // Relaxed: the flag orders nothing; the function polls it, and sleepers are woken through the lock.
    state = atomic_fetch_or_explicit(&cf->state, VIA__REQUESTED, memory_order_relaxed);
    if (!abandoned && via__state_done(state))
        return (state & VIA__STATE_MASK) == VIA_FINISHED ? VIA_CANCEL_TOO_LATE : VIA_CANCEL_ABANDONED;
    if (!(state & VIA__REQUESTED)) {
        wake_sleepers(cf);
        if (extra && extra->control && extra->control->cancel)
            run_hook(extra->control);
        if (extra && extra->control && extra->flags & VIA_CALL_INTERRUPTIBLE)
            via__interrupt_request(extra->control);
    }
    return abandoned ? VIA_CANCEL_ABANDONED : VIA_CANCEL_REQUESTED;
}

int via_call_cancelled(void)
{
    const struct via__frame *frame = via__frame_running();
    if (!frame)
        return 0;
    if (frame->asked)
        return frame->asked();
    // Relaxed: the flag orders nothing.
    uint32_t state = atomic_load_explicit(&frame->cf->state, memory_order_relaxed);
    return (state & VIA__STATE_MASK) == VIA_CANCELLED || (state & VIA__REQUESTED);
}

static int plain_sleep(int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    return 0;
}

// Sleeps until the time of the real clock, or until the call is cancelled.
static void sleep_until(struct sleeper *sleeper, int64_t deadline_ns)
{
    int status = 0;
    while (!via_call_cancelled() && status == 0)
        status = via__park(&sleeper->parker, deadline_ns);
}

// Sleeps until the loop's clock has come so far.
static void sleep_virtually(struct sleeper *sleeper, int64_t duration_ns)
{
    struct via__nap *nap = &sleeper->nap;
    via__deadlock_begin_nap(nap);
    via__vclock_sleep(sleeper->vclock, nap, duration_ns);
    while (via__nap_end(nap) == VIA__NAP_NONE)
        (void)via__park(&sleeper->parker, VIA_FOREVER);
    via__vclock_leave(sleeper->vclock);
    via__deadlock_end_nap();
    if (via__nap_end(nap) == VIA__NAP_CLOSED)
        sleep_until(sleeper, via__deadline(nap->left_ns));
}

// In a worker process the request comes by shared memory or a socket, which wakes nobody here.
#define SLICE_NS (5 * VIA_MS)

static void sleep_in_slices(int64_t duration_ns)
{
    int64_t until_ns = via__deadline(duration_ns), now_ns;
    while (!via_call_cancelled() && (now_ns = via_now_ns()) < until_ns)
        (void)plain_sleep(until_ns - now_ns < SLICE_NS ? until_ns : now_ns + SLICE_NS);
}

static void sleep_in_call(via_cfuture *cf, int64_t duration_ns)
{
    struct via__call_extra *extra = via__job_extra(cf);
    struct sleeper sleeper = {.watch = {.fn = wake_sleeper, .waiter = 1}};
    int64_t deadline_ns = via__deadline(duration_ns);
    via__parker_init(&sleeper.parker);
    if (extra && extra->vclock) {
        sleeper.vclock = extra->vclock;
        sleeper.nap = (struct via__nap){.parker = &sleeper.parker, .turn = extra->turn};
    }
    if (via__cf_watch(cf, &sleeper.watch)) {
        if (sleeper.vclock)
            sleep_virtually(&sleeper, duration_ns);
        else
            sleep_until(&sleeper, deadline_ns);
        via__cf_unwatch(cf, &sleeper.watch);
    }
    via__parker_fini(&sleeper.parker);
}

int via_call_sleep(int64_t duration_ns)
{
    struct via__frame *frame = via__frame_running();
    if (via__role.loop)
        return VIA_EDEADLK;
    if (via_call_cancelled())
        return VIA_ECANCELED;
    if (duration_ns <= 0)
        return 0;
    if (!frame)
        return plain_sleep(via__deadline(duration_ns));
    if (frame->asked)
        sleep_in_slices(duration_ns);
    else
        sleep_in_call(frame->cf, duration_ns);
    return via_call_cancelled() ? VIA_ECANCELED : 0;
}
