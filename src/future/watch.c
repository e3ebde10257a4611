/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches: what hangs on a concurrent future until it is done.  The rules are at the head of cfuture.h. */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>

#include <viaduct/error.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/role.h"
#include "future/cfuture.h"

struct callback {
    struct via__watch watch;
    via_cfuture_fn fn;
    void *arg;
};

int via__cf_watch(via_cfuture *cf, struct via__watch *watch)
{
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    uint32_t state = via__cf_state(cf);
    // Acquire: with a done future comes its outcome.  Relaxed otherwise: the lock publishes the list.
    while (!via__state_done(state) &&
           !atomic_compare_exchange_weak_explicit(&cf->state, &state, state | VIA__WATCHED,
                                                  memory_order_acq_rel, memory_order_acquire))
        ;
    int hung = !via__state_done(state);
    if (hung) {
        watch->next = cf->watchers;
        cf->watchers = watch;
    }
    pthread_mutex_unlock(lock);
    return hung;
}

int via__cf_unwatch(via_cfuture *cf, struct via__watch *watch)
{
    int found = 0;
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    for (struct via__watch **at = &cf->watchers; *at && !found; at = found ? at : &(*at)->next) {
        if (*at == watch) {
            *at = watch->next;
            found = 1;
        }
    }
    pthread_mutex_unlock(lock);
    return found;
}

// The next callback to run, taken off a done future: until then it can be removed.
static struct via__watch *next_callback(via_cfuture *cf)
{
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    struct via__watch *watch = cf->watchers;
    if (watch)
        cf->watchers = watch->next;
    pthread_mutex_unlock(lock);
    return watch;
}

struct run {
    via_cfuture *cf;
    int to_take; // a reference, for the callback to take over
    int outer;   // what the pool was told before
};

// Runs what detach() left on the future.  A callback that ends its thread is gone on from while the stack
// unwinds, so that nobody waits for the others in vain.
static void run_rest(void *arg)
{
    struct run *run = arg;
    struct via__watch *watch;
    pthread_cleanup_push(run_rest, run);
    while ((watch = next_callback(run->cf)) != NULL) {
        if (!run->to_take)
            via_cfuture_ref(run->cf);
        run->to_take = 1;
        run->to_take = !watch->fn(watch, run->cf);
    }
    pthread_cleanup_pop(0);
    via__cf_tell_pool(run->outer);
    if (run->to_take)
        via_cfuture_unref(run->cf);
    via_cfuture_unref(run->cf);
}

// Any watch may take a reference over, so each finds one to take, and run_rest() has its own meanwhile.
// Consumes the caller's reference.
static void run_callbacks(via_cfuture *cf)
{
    struct run run = {.cf = via_cfuture_ref(cf), .to_take = 1, .outer = via__cf_tell_pool(1)};
    run_rest(&run);
}

// Releases the waiters of a done future and leaves the callbacks on it, the first one first.  1 if there are
// any. A waiter may leave as soon as the lock is open, so its watch is not touched after its function was
// called.
static int detach(via_cfuture *cf, uint32_t before, struct via__watch **birth)
{
    struct via__watch *callbacks = NULL;
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    struct via__watch *watch = cf->watchers;
    while (watch) {
        struct via__watch *next = watch->next;
        if (!next && before & VIA__DELIVER) {
            *birth = watch;
        } else if (watch->waiter) {
            watch->fn(watch, cf);
        } else {
            watch->next = callbacks;
            callbacks = watch;
        }
        watch = next;
    }
    cf->watchers = callbacks;
    pthread_mutex_unlock(lock);
    return callbacks != NULL;
}

void via__cf_completed(via_cfuture *cf, uint32_t before)
{
    struct via__watch *birth = NULL;
    int callbacks = 0;
    if (before & VIA__WATCHED)
        callbacks = detach(cf, before, &birth);
    else if (before & VIA__DELIVER)
        birth = cf->watchers;
    // The watch from birth may take the reference, and with it the right to touch the future: so when there
    // is anything to run after it, a reference of our own is needed.
    if (callbacks && birth)
        via_cfuture_ref(cf);
    int taken = birth && birth->fn(birth, cf);
    if (birth && callbacks && !taken)
        via_cfuture_unref(cf);
    if (callbacks)
        run_callbacks(cf);
    else if (!taken)
        via_cfuture_unref(cf);
}

static int run_callback(struct via__watch *watch, via_cfuture *cf)
{
    struct callback callback = *(struct callback *)watch;
    free(watch); // before the call, which may end the thread
    int status = callback.fn(cf, callback.arg);
    if (status < 0)
        via__log(VIA_LOG_ERROR, "a callback of a concurrent future failed: %s", via_status_text(status));
    return 0;
}

int via_cfuture_add_done_callback(via_cfuture *cf, via_cfuture_fn fn, void *arg)
{
    if (!cf || !fn)
        return VIA_EINVAL;
    struct callback *callback = malloc(sizeof *callback);
    if (!callback)
        return VIA_ENOMEM;
    *callback = (struct callback){.watch = {.fn = run_callback}, .fn = fn, .arg = arg};
    if (!via__cf_watch(cf, &callback->watch))
        run_callback(&callback->watch, cf);
    return 0;
}

static int is_callback(const struct via__watch *watch, via_cfuture_fn fn, const void *arg)
{
    const struct callback *callback = (const struct callback *)watch;
    return watch->fn == run_callback && callback->fn == fn && callback->arg == arg;
}

int via_cfuture_remove_done_callback(via_cfuture *cf, via_cfuture_fn fn, void *arg)
{
    if (!cf || !fn)
        return VIA_EINVAL;
    int count = 0;
    pthread_mutex_t *lock = via__hashlock(cf);
    pthread_mutex_lock(lock);
    // WATCHED tells that the list may be walked: without it the list may hold a shared watch only.
    struct via__watch **at = &cf->watchers;
    while ((via__cf_state(cf) & VIA__WATCHED) && *at) {
        struct via__watch *watch = *at;
        if (is_callback(watch, fn, arg)) {
            *at = watch->next;
            free(watch);
            count++;
        } else {
            at = &watch->next;
        }
    }
    pthread_mutex_unlock(lock);
    return count;
}

void via__cf_drop_callbacks(via_cfuture *cf)
{
    struct via__watch *watch = cf->watchers;
    while (watch && watch->fn == run_callback) {
        struct via__watch *next = watch->next;
        free(watch);
        watch = next;
    }
}
