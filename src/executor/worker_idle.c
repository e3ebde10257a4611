/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker without work: it searches, stands sentry or sleeps.  The design is at the head of thread_pool.h.
 */
#include <config.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "executor/pool_estimate.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

#define FIRST_NAP_NS   (50 * VIA_US)
#define LONGEST_NAP_NS VIA_MS
#define SPINS_PER_LOOK 8 // at the clock
#define MOST_FAILURES  6 // of searches that still double the searches left out

static void spin_for_job(const struct via__pool *pool, uint64_t head, int64_t deadline_ns)
{
    // Relaxed: a hint; what via__pool_publish_count() wrote is counted anew under the lock.
    for (unsigned i = 1; !via__ring_has(&pool->ring, head) &&
                         !atomic_load_explicit(&pool->queued_hint, memory_order_relaxed) &&
                         (i % SPINS_PER_LOOK || via_now_ns() < deadline_ns);
         i++)
        via__cpu_relax();
}

// Spins for a while instead of sleeping, if that has paid lately.  Returns with the lock held, and with the
// short way still open: the caller closes it before it looks.
static void search(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    int64_t window_ns = pool->options.linger_ns;
    pthread_mutex_lock(&pool->lock);
    if (!window_ns || pool->searching || pool->stopping || via__pool_expected_ns(pool) > VIA__WAKE_COST_NS ||
        via__pool_has(pool, 1))
        return;
    if (pool->search_skips > 0) {
        pool->search_skips--;
        return;
    }
    pool->searching = 1;
    via__pool_settle(pool);
    uint64_t head = via__ring_head(&pool->ring);
    pthread_mutex_unlock(&pool->lock);
    spin_for_job(pool, head, via_now_ns() + window_ns);
    pthread_mutex_lock(&pool->lock);
    pool->searching = 0;
    int found = via__pool_has(pool, 1);
    pool->search_failures += found ? -(pool->search_failures > 0) : pool->search_failures < MOST_FAILURES;
    pool->search_skips = found ? 0 : (1 << pool->search_failures) - 1;
}

// Under the lock: whether jobs wait anywhere, in the queue or behind a running call.
static int is_backlog(const struct via__pool *pool)
{
    if (via__pool_has(pool, 1))
        return 1;
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        if (via__worker_of(at)->batch > 1)
            return 1;
    }
    return 0;
}

// Under the lock: whether some other worker has been in the same call since this was last asked.
static int somebody_stuck(struct via__pool *pool, const struct via__worker *self)
{
    int stuck = 0, working = 0;
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = via__worker_of(at);
        if (worker == self || worker->parked)
            continue;
        uint64_t runs = via__worker_runs(worker);
        int same = runs == worker->seen_runs;
        working += !same;
        stuck += same && worker->batch > 1;
        worker->seen_runs = runs;
    }
    return stuck || (!working && via__pool_has(pool, 1));
}

// Under the lock: leaves the idle stack or the sentry's place, if nobody has taken this worker off yet.
static int unlist(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    if (!self->parked)
        return 0;
    struct via__worker **at = &pool->idle;
    while (*at && *at != self)
        at = &(*at)->idle_next;
    if (*at)
        *at = self->idle_next;
    else
        pool->sentry = NULL;
    self->parked = 0;
    pool->idle_count--;
    return 1;
}

// Under the lock, which it opens to sleep: 0 if it was woken, VIA_ETIMEDOUT after `deadline_ns`.
static int sleep_until(struct via__worker *self, int64_t deadline_ns)
{
    struct via__pool *pool = self->pool;
    self->parked = 1;
    pool->idle_count++;
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    int status = via__park(&self->parker, deadline_ns);
    pthread_mutex_lock(&pool->lock);
    if (status < 0 && !self->parked) {
        // Just taken off, by somebody who has still to unpark: this worker must not end before that, nor
        // sleep with the token of this time.
        pthread_mutex_unlock(&pool->lock);
        (void)via__park(&self->parker, VIA_FOREVER);
        pthread_mutex_lock(&pool->lock);
    }
    via__pool_close(pool);
    if (unlist(self))
        return VIA_ETIMEDOUT;
    pool->waking = 0;
    return 0;
}

// Under the lock: stands sentry until there is no backlog, or until it is needed.
static void stand_sentry(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    self->nap_ns = FIRST_NAP_NS;
    (void)somebody_stuck(pool, self);
    for (;;) {
        pool->sentry = self;
        if (sleep_until(self, via_now_ns() + self->nap_ns) == 0)
            return;
        if (pool->stopping && via__pool_has(pool, 1))
            return;
        if (somebody_stuck(pool, self)) {
            pool->mean_ns = VIA__UNKNOWN_NS; // the estimate was wrong
            return;
        }
        // Backlogs of short calls come and go: to leave at the first gap would cost a wake-up for each.
        if (!is_backlog(pool) && self->nap_ns >= LONGEST_NAP_NS)
            return;
        self->nap_ns = self->nap_ns * 2 < LONGEST_NAP_NS ? self->nap_ns * 2 : LONGEST_NAP_NS;
    }
}

// Under the lock, which it opens to sleep: 1 if there may be work, 0 if this worker is one too many.
static int lie_down(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    int keep =
        pool->worker_count <= pool->options.min_workers || pool->options.idle_timeout_ns == VIA_FOREVER;
    self->idle_next = pool->idle;
    pool->idle = self;
    int64_t deadline_ns = keep ? VIA_FOREVER : via__deadline(pool->options.idle_timeout_ns);
    return sleep_until(self, deadline_ns) == 0 || !via__pool_may_lose_worker(pool) ||
           pool->worker_count <= pool->options.min_workers;
}

// Under the lock, which it may open: 1 if there may be work, 0 if this worker is to end.
static int wait_for_work(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    int others = pool->worker_count - pool->idle_count - 1;
    if (via__pool_has(pool, 1) && (others == 0 || pool->stopping || via__pool_worth_waking(pool, 0, others)))
        return 1;
    if (!pool->sentry && is_backlog(pool)) {
        stand_sentry(self);
        return 1;
    }
    if (!pool->stopping)
        return lie_down(self);
    if (via__pool_may_lose_worker(pool))
        return 0;
    via__pool_let_submitters_go_on(pool);
    return 1;
}

int via__worker_wait(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    search(self);
    via__pool_close(pool); // whatever this worker does next, wait_for_work() looks at the ring before
    int stays = wait_for_work(self);
    if (!stays)
        via__worker_count_off(self);
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    return stays;
}
