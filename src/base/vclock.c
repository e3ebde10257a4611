/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/vclock.h"

static struct via__nap *nap_of(struct via__list *link)
{
    return VIA__CONTAINER_OF(link, struct via__nap, link);
}

struct via__vclock *via__vclock_new(void *loop, void (*changed)(void *loop))
{
    struct via__vclock *clock = calloc(1, sizeof *clock);
    if (!clock)
        return NULL;
    via__mutex_init(&clock->lock);
    via__list_init(&clock->sleepers);
    clock->loop = loop;
    clock->changed = changed;
    atomic_init(&clock->refs, 1);
    return clock;
}

struct via__vclock *via__vclock_ref(struct via__vclock *clock)
{
    // Relaxed: the caller has a reference.
    if (clock)
        atomic_fetch_add_explicit(&clock->refs, 1, memory_order_relaxed);
    return clock;
}

void via__vclock_unref(struct via__vclock *clock)
{
    // Release and acquire: what each holder did comes before the memory goes.
    if (!clock || atomic_fetch_sub_explicit(&clock->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&clock->lock);
    free(clock);
}

// Under the lock, which the sleeper passes through before it goes.
static void end_nap(struct via__nap *nap, enum via__nap_end end)
{
    via__list_remove(&nap->link);
    // Relaxed: it is the release of `end` that the sleeper acquires, and the loop sees what it wrote itself.
    atomic_store_explicit(&nap->asleep, 0, memory_order_relaxed);
    // Release: pairs with the acquire in via__nap_end().
    atomic_store_explicit(&nap->end, end, memory_order_release);
    via__unpark(nap->parker);
}

void via__vclock_close(struct via__vclock *clock)
{
    pthread_mutex_lock(&clock->lock);
    clock->loop = NULL;
    while (!via__list_empty(&clock->sleepers)) {
        struct via__nap *nap = nap_of(clock->sleepers.next);
        nap->left_ns = nap->until_ns == VIA_FOREVER ? VIA_FOREVER : nap->until_ns - clock->now_ns;
        end_nap(nap, VIA__NAP_CLOSED);
    }
    pthread_mutex_unlock(&clock->lock);
}

int64_t via__vclock_next(struct via__vclock *clock)
{
    pthread_mutex_lock(&clock->lock);
    int64_t next_ns =
        via__list_empty(&clock->sleepers) ? VIA_FOREVER : nap_of(clock->sleepers.next)->until_ns;
    pthread_mutex_unlock(&clock->lock);
    return next_ns;
}

void via__vclock_set(struct via__vclock *clock, int64_t now_ns)
{
    pthread_mutex_lock(&clock->lock);
    clock->now_ns = now_ns;
    pthread_mutex_unlock(&clock->lock);
}

void via__vclock_wake_first(struct via__vclock *clock)
{
    pthread_mutex_lock(&clock->lock);
    if (!via__list_empty(&clock->sleepers))
        end_nap(nap_of(clock->sleepers.next), VIA__NAP_OVER);
    pthread_mutex_unlock(&clock->lock);
}

// Under the lock.
static void tell(struct via__vclock *clock)
{
    if (clock->loop)
        clock->changed(clock->loop);
}

void via__vclock_tell(struct via__vclock *clock)
{
    pthread_mutex_lock(&clock->lock);
    tell(clock);
    pthread_mutex_unlock(&clock->lock);
}

static int comes_before(const struct via__nap *a, const struct via__nap *b)
{
    return a->until_ns < b->until_ns || (a->until_ns == b->until_ns && a->turn < b->turn);
}

static void insert(struct via__vclock *clock, struct via__nap *nap)
{
    struct via__list *at = clock->sleepers.next;
    while (at != &clock->sleepers && comes_before(nap_of(at), nap))
        at = at->next;
    via__list_push_back(at, &nap->link); // before it
}

void via__vclock_sleep(struct via__vclock *clock, struct via__nap *nap, int64_t duration_ns)
{
    pthread_mutex_lock(&clock->lock);
    if (!clock->loop) {
        nap->left_ns = duration_ns;
        // Relaxed: this thread reads it.
        atomic_store_explicit(&nap->end, VIA__NAP_CLOSED, memory_order_relaxed);
    }
    // Relaxed: written under the lock, or by this thread.
    if (atomic_load_explicit(&nap->end, memory_order_relaxed) == VIA__NAP_NONE) {
        nap->until_ns =
            duration_ns == VIA_FOREVER ? VIA_FOREVER : via__deadline_after(clock->now_ns, duration_ns);
        insert(clock, nap);
        // Release: pairs with the acquire in via__nap_is_asleep().
        atomic_store_explicit(&nap->asleep, 1, memory_order_release);
        tell(clock);
    }
    pthread_mutex_unlock(&clock->lock);
}

void via__vclock_cut(struct via__vclock *clock, struct via__nap *nap)
{
    pthread_mutex_lock(&clock->lock);
    // Relaxed, both: the sleeper looks at its call's flag afterwards.
    if (atomic_load_explicit(&nap->asleep, memory_order_relaxed))
        end_nap(nap, VIA__NAP_CUT);
    else if (atomic_load_explicit(&nap->end, memory_order_relaxed) == VIA__NAP_NONE)
        atomic_store_explicit(&nap->end, VIA__NAP_CUT, memory_order_relaxed);
    pthread_mutex_unlock(&clock->lock);
}

void via__vclock_leave(struct via__vclock *clock)
{
    pthread_mutex_lock(&clock->lock);
    pthread_mutex_unlock(&clock->lock);
}
