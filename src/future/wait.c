/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocking waits.
 *
 * A waiter hangs one watch on each future it waits for, all on its own stack or in one array, and parks. Each
 * watch counts down and unparks, under the hashed lock of its future; before the waiter leaves it takes every
 * watch off again, which passes through the same lock.  So no watch is in use when its memory goes.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/role.h"
#include "future/cfuture.h"
#include "future/wait.h"

_Atomic(const struct via__wait_hooks *) via__wait_hooks;

int via__cf_only_here(via_cfuture *cf)
{
    // Relaxed: the flags are there from birth.  Only a loop's promise can belong to one thread, or a job of a
    // process pool that a loop serves.
    uint32_t flags = atomic_load_explicit(&cf->state, memory_order_relaxed);
    if (!(flags & VIA__OWNED) || (flags & (VIA__JOB | VIA__APART)) == VIA__JOB)
        return 0;
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    // A future that is not done has its owner; the lock keeps it from ending meanwhile.
    int here = !via__state_done(via__cf_state(cf)) && cf->owner->ops->only_here(cf);
    pthread_mutex_unlock(lock);
    return here;
}

static int impossible_here(via_cfuture *const *targets, size_t count, int all)
{
    size_t impossible = 0;
    for (size_t i = 0; i < count; i++)
        impossible += (size_t)via__cf_only_here(targets[i]);
    return all ? impossible > 0 : count > 0 && impossible == count;
}

int via__wait_until(via_cfuture *const *targets, size_t count, int all, struct via__parker *parker,
                    int (*ready)(void *arg), void *arg, int64_t deadline_ns)
{
    // Acquire: pairs with the release by the executor layer, which fills in the table first.
    const struct via__wait_hooks *hooks =
        via__role.frame ? atomic_load_explicit(&via__wait_hooks, memory_order_acquire) : NULL;
    while (!ready(arg)) {
        if (deadline_ns <= 0)
            return VIA_ETIMEDOUT;
        if (impossible_here(targets, count, all))
            return VIA_EDEADLK;
        int hooked = hooks ? hooks->begin(targets, count, all, parker) : 0;
        if (hooked < 0)
            return hooked;
        if (hooked > 0)
            continue;
        int status = ready(arg) ? 0 : via__park(parker, deadline_ns);
        if (hooks)
            hooks->end();
        if (status < 0)
            return ready(arg) ? 0 : status;
    }
    return 0;
}

// 0 polls without reading the clock; the parker knows any deadline that is not positive as past.
static int64_t wait_deadline(int64_t timeout_ns)
{
    return timeout_ns == 0 ? 0 : via__deadline(timeout_ns);
}

struct single_wait {
    struct via__watch watch;
    struct via__parker parker;
};

static int release_single(struct via__watch *watch, via_cfuture *cf)
{
    (void)cf;
    via__unpark(&((struct single_wait *)watch)->parker);
    return 0;
}

static int single_ready(void *arg)
{
    return via__state_done(via__cf_state(arg));
}

int via_cfuture_wait(via_cfuture *cf, int64_t timeout_ns)
{
    if (!cf || timeout_ns < 0)
        return VIA_EINVAL;
    if (via__state_done(via__cf_state(cf)))
        return 0;
    if (timeout_ns == 0)
        return VIA_ETIMEDOUT;
    if (via__cf_forked(cf))
        return VIA_EFORKED;
    struct single_wait wait = {.watch = {.fn = release_single, .waiter = 1}};
    via__parker_init(&wait.parker);
    int status = 0;
    if (via__cf_watch(cf, &wait.watch)) {
        status = via__wait_until(&cf, 1, 1, &wait.parker, single_ready, cf, wait_deadline(timeout_ns));
        via__cf_unwatch(cf, &wait.watch);
    }
    via__parker_fini(&wait.parker);
    return status;
}

static int compare_pointers(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t) * (via_cfuture *const *)left, b = (uintptr_t) * (via_cfuture *const *)right;
    return (a > b) - (a < b);
}

size_t via__unique_futures(via_cfuture **futures, size_t count)
{
    size_t unique = 0;
    qsort(futures, count, sizeof(via_cfuture *), compare_pointers);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || futures[i] != futures[i - 1])
            futures[unique++] = futures[i];
    }
    return unique;
}

struct many_watch {
    struct via__watch watch;
    struct many_wait *wait;
};

struct many_wait {
    struct via__parker parker;
    _Atomic size_t unfinished;
    _Atomic int failed; // some future finished with an error
    size_t count;
    int when;
    via_cfuture **futures;
    struct many_watch *watches;
};

static int finished_badly(via_cfuture *cf)
{
    return (via__cf_state(cf) & VIA__STATE_MASK) == VIA_FINISHED && cf->status < 0;
}

static int many_ready(void *arg)
{
    struct many_wait *wait = arg;
    // Acquire: pairs with the releases in count_down(), so that what is counted is seen to be done.
    size_t unfinished = atomic_load_explicit(&wait->unfinished, memory_order_acquire);
    if (unfinished == 0)
        return 1;
    if (wait->when == VIA_FIRST_COMPLETED)
        return unfinished < wait->count;
    return wait->when == VIA_FIRST_EXCEPTION && atomic_load_explicit(&wait->failed, memory_order_acquire);
}

static void count_down(struct many_wait *wait, via_cfuture *cf)
{
    // Release, both: pair with the acquires in many_ready().
    if (finished_badly(cf))
        atomic_store_explicit(&wait->failed, 1, memory_order_release);
    atomic_fetch_sub_explicit(&wait->unfinished, 1, memory_order_release);
}

static int release_many(struct via__watch *watch, via_cfuture *cf)
{
    struct many_wait *wait = ((struct many_watch *)watch)->wait;
    count_down(wait, cf);
    if (many_ready(wait))
        via__unpark(&wait->parker);
    return 0;
}

static void watch_all(struct many_wait *wait)
{
    for (size_t i = 0; i < wait->count; i++) {
        wait->watches[i] = (struct many_watch){.watch = {.fn = release_many, .waiter = 1}, .wait = wait};
        if (!via__cf_watch(wait->futures[i], &wait->watches[i].watch))
            count_down(wait, wait->futures[i]);
    }
}

static int check_many(via_cfuture *const *futures, size_t count, int64_t timeout_ns, int when)
{
    if ((!futures && count) || count > INT32_MAX || timeout_ns < 0 || when < VIA_ALL_COMPLETED ||
        when > VIA_FIRST_EXCEPTION)
        return VIA_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!futures[i])
            return VIA_EINVAL;
        if (via__cf_forked(futures[i]))
            return VIA_EFORKED;
    }
    return 0;
}

static int count_done(via_cfuture *const *futures, size_t count)
{
    int done = 0;
    for (size_t i = 0; i < count; i++)
        done += via__state_done(via__cf_state(futures[i]));
    return done;
}

static int wait_many(struct many_wait *wait, int64_t timeout_ns)
{
    via__parker_init(&wait->parker);
    watch_all(wait);
    int status = via__wait_until(wait->futures, wait->count, wait->when == VIA_ALL_COMPLETED, &wait->parker,
                                 many_ready, wait, wait_deadline(timeout_ns));
    for (size_t i = 0; i < wait->count; i++)
        via__cf_unwatch(wait->futures[i], &wait->watches[i].watch);
    via__parker_fini(&wait->parker);
    return status == VIA_ETIMEDOUT ? 0 : status;
}

int via_cfutures_wait(via_cfuture *const *futures, size_t count, int64_t timeout_ns, int when)
{
    int status = check_many(futures, count, timeout_ns, when);
    if (status < 0 || count == 0)
        return status;
    struct many_wait wait = {.when = when};
    wait.futures = malloc(count * sizeof *wait.futures);
    wait.watches = malloc(count * sizeof *wait.watches);
    if (wait.futures && wait.watches) {
        memcpy(wait.futures, futures, count * sizeof *futures);
        wait.count = via__unique_futures(wait.futures, count);
        // Relaxed: no watch is hung on yet.
        atomic_store_explicit(&wait.unfinished, wait.count, memory_order_relaxed);
        status = wait_many(&wait, timeout_ns);
        if (status == 0)
            status = count_done(wait.futures, wait.count);
    } else {
        status = VIA_ENOMEM;
    }
    free(wait.watches);
    free(wait.futures);
    return status;
}
