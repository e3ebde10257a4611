/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers of a thread pool.  The design is at the head of thread_pool.h. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/role.h"
#include "base/thread.h"
#include "executor/thread_pool.h"

#define WAKE_COST_NS   (8 * VIA_US) // what waking a thread on another core costs
#define BATCH_NS       (4 * VIA_US) // a batch should not take longer
#define CALL_COST_NS   250          // of a call that does nothing, in the worker and the caches
#define UNKNOWN_NS     VIA_MS       // a call nobody has measured counts as long
#define FIRST_NAP_NS   (50 * VIA_US)
#define LONGEST_NAP_NS VIA_MS
#define SPINS_PER_LOOK 8  // at the clock
#define GATHER_SPINS   40 // of a few dozen nanoseconds
#define PREFETCH       4  // jobs ahead of the one that runs
#define MOST_FAILURES  6  // of searches that still double the searches left out
#define LOW_TURN       16 // every so many batches the lowest level goes first

static int64_t expected_ns(const struct via__pool *pool)
{
    return pool->mean_ns < 0 ? UNKNOWN_NS : pool->mean_ns;
}

// Under the lock: whether what waits, with `more` calls beside it, is worth another worker, when `active` are
// at work.
static int worth_waking(const struct via__pool *pool, size_t more, int active)
{
    int64_t mean_ns = expected_ns(pool);
    if (mean_ns == 0)
        return 0;
    size_t enough = (size_t)(WAKE_COST_NS * active / mean_ns) + 1;
    return via__pool_has(pool, enough > more ? enough - more : 1);
}

// Under the lock: adds a worker's last batch to the estimate.
static void learn(struct via__pool *pool, struct via__worker *worker)
{
    if (!worker->ran)
        return;
    int64_t each = worker->took_ns / worker->ran - CALL_COST_NS;
    if (each < 0)
        each = 0;
    worker->ran = 0;
    pool->mean_ns = pool->mean_ns < 0 ? each : (3 * pool->mean_ns + each) / 4;
}

static uint64_t runs_of(const struct via__worker *worker)
{
    // Relaxed: a count; the sentry compares two readings of it.
    return atomic_load_explicit(&worker->runs, memory_order_relaxed);
}

// Whether the program's code runs in the worker, which may take as long as it likes.
static int in_function(struct via__worker *worker)
{
    // Relaxed: a call that was seen to be done was counted off before (via__frame_job_over(), then the
    // completion), and a batch is counted on under the lock.
    return atomic_load_explicit(&worker->activity.begun, memory_order_relaxed) !=
               atomic_load_explicit(&worker->activity.over, memory_order_relaxed) ||
           atomic_load_explicit(&worker->in_callbacks, memory_order_relaxed);
}

// Under the lock: some awake worker is between two jobs, and will come to the lock before it sleeps.
static int somebody_comes(const struct via__pool *pool, const struct via__worker *self)
{
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        if (worker != self && !worker->parked && !worker->leaving && worker->batch <= 1 &&
            !in_function(worker))
            return 1;
    }
    return 0;
}

static struct via__worker *pop_idle(struct via__pool *pool)
{
    struct via__worker *worker = pool->idle;
    if (worker) {
        pool->idle = worker->idle_next;
    } else {
        worker = pool->sentry;
        pool->sentry = NULL;
    }
    if (worker) {
        worker->parked = 0;
        pool->idle_count--;
    }
    return worker;
}

static int can_grow(const struct via__pool *pool)
{
    return pool->worker_count < pool->options.max_workers;
}

struct via__worker *via__pool_want_worker(struct via__pool *pool, struct via__worker *self)
{
    size_t behind = self && self->batch > 1 ? (size_t)self->batch - 1 : 0;
    if (pool->searching || pool->waking || (!pool->idle_count && !can_grow(pool)) ||
        !(behind || via__pool_has(pool, 1)))
        return NULL;
    int active = pool->worker_count - pool->idle_count;
    if (active > 0 && !worth_waking(pool, behind, active) && (pool->sentry || somebody_comes(pool, self)))
        return NULL;
    if (active > 0 && !self && somebody_comes(pool, NULL))
        return NULL;
    struct via__worker *worker = pop_idle(pool);
    if (!worker && can_grow(pool))
        (void)via__worker_start(pool);
    pool->waking = worker != NULL || pool->waking;
    return worker;
}

void via__pool_wake_all(struct via__pool *pool)
{
    struct via__worker *worker;
    while ((worker = pop_idle(pool)) != NULL)
        via__worker_unpark(worker);
}

static via_cfuture *pop_job(struct via__pool *pool, int lowest_first)
{
    for (int i = 0; i < VIA__LEVELS; i++) {
        via_cfuture *job = via__pool_pop(pool, lowest_first ? VIA__LEVELS - 1 - i : i);
        if (job)
            return job;
    }
    return NULL;
}

static void put_in_slot(struct via__worker *worker, int at, via_cfuture *cf)
{
    // Release: pairs with the acquire of whoever takes the job out.
    atomic_store_explicit(&worker->slots[at], cf, memory_order_release);
}

static via_cfuture *take_slot(struct via__worker *worker, int at)
{
    // Acquire: pairs with the release in put_in_slot().  One of the worker and its thieves gets the job.
    return atomic_exchange_explicit(&worker->slots[at], NULL, memory_order_acquire);
}

// Under the lock: how many calls this worker should take at once.
static int batch_size(const struct via__pool *pool)
{
    int64_t fits = BATCH_NS / (expected_ns(pool) + CALL_COST_NS);
    return fits < 1 ? 1 : fits > VIA__BATCH_MAX ? VIA__BATCH_MAX : (int)fits;
}

// Under the lock: this worker has so many jobs before it.
static void count_begun(struct via__worker *worker, int jobs)
{
    // Relaxed, both: others look at it under the lock.
    unsigned over = atomic_load_explicit(&worker->activity.over, memory_order_relaxed);
    atomic_store_explicit(&worker->activity.begun, over + (unsigned)jobs, memory_order_relaxed);
}

// Under the lock: takes over what waits behind the running call of another worker.
static int steal(struct via__pool *pool, struct via__worker *thief)
{
    int got = 0;
    if (expected_ns(pool) < BATCH_NS)
        return 0;
    for (struct via__list *at = pool->workers.next; at != &pool->workers && !got; at = at->next) {
        struct via__worker *victim = VIA__CONTAINER_OF(at, struct via__worker, link);
        for (int i = 0; victim != thief && victim->batch > 1 && i < VIA__BATCH_MAX; i++) {
            via_cfuture *cf = take_slot(victim, i);
            if (cf)
                put_in_slot(thief, got++, cf);
        }
        if (got) {
            victim->batch = 1;
            // Relaxed: changed under the lock only.
            atomic_fetch_sub_explicit(&victim->activity.begun, (unsigned)got, memory_order_relaxed);
        }
    }
    return got;
}

// Under the lock: moves at most `size` jobs into the worker's slots.
static int fill_slots(struct via__worker *self, int size)
{
    struct via__pool *pool = self->pool;
    int lowest_first = via__pool_has(pool, 1) && ++pool->takes % LOW_TURN == 0;
    for (int i = 0; i < size; i++) {
        via_cfuture *job = pop_job(pool, lowest_first && i == 0);
        if (!job)
            return i;
        put_in_slot(self, i, job);
        if (i < PREFETCH)
            via__cpu_fetch_to_write(job);
    }
    return size;
}

// Takes a batch into the worker's slots; 0 if there is none, or others do as well alone.
static int take_batch(struct via__worker *self, int must)
{
    struct via__pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    self->batch = 0;
    learn(pool, self);
    int others = pool->worker_count - pool->idle_count - 1;
    int taken = 0;
    if (must || others == 0 || worth_waking(pool, 0, others)) {
        taken = fill_slots(self, batch_size(pool));
        if (!taken)
            taken = steal(pool, self);
    }
    self->batch = taken;
    self->ring_head = via__ring_head(&pool->ring);
    count_begun(self, taken);
    via__pool_publish_count(pool);
    struct via__worker *next = taken ? via__pool_want_worker(pool, self) : NULL;
    if (pool->blocked_submitters && taken)
        pthread_cond_broadcast(&pool->room);
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    via__worker_unpark(next);
    return taken;
}

static void run_one(struct via__worker *self, via_cfuture *cf)
{
    if (via__job_execute(cf)) {
        // Relaxed: only this thread writes it.
        atomic_store_explicit(&self->runs, runs_of(self) + 1, memory_order_relaxed);
    } else {
        // Relaxed: a count.
        atomic_fetch_sub_explicit(&self->pool->dead, 1, memory_order_relaxed);
        via__activity_job_over(&self->activity);
    }
}

// The future was written by another core: fetching the next while this one runs hides the way.
static void prefetch_slot(struct via__worker *self, int at)
{
    // Relaxed: a hint.
    via__cpu_fetch_to_write(atomic_load_explicit(&self->slots[at], memory_order_relaxed));
}

static void run_batch(struct via__worker *self, int taken)
{
    int64_t begun_ns = via_now_ns();
    uint64_t runs = runs_of(self);
    // Relaxed: for reports.
    atomic_store_explicit(&self->activity.started_ns, begun_ns, memory_order_relaxed);
    for (int i = 0; i < taken; i++) {
        if (i + PREFETCH < taken)
            prefetch_slot(self, i + PREFETCH);
        via_cfuture *cf = take_slot(self, i);
        if (cf)
            run_one(self, cf);
    }
    self->ran = (int)(runs_of(self) - runs);
    self->took_ns = via_now_ns() - begun_ns;
}

static void spin_for_job(const struct via__pool *pool, uint64_t head, int64_t deadline_ns)
{
    // Relaxed: a hint; the queue is looked at again under the lock.
    for (unsigned i = 1; !via__ring_has(&pool->ring, head) &&
                         !atomic_load_explicit(&pool->queued_hint, memory_order_relaxed) &&
                         (i % SPINS_PER_LOOK || via_now_ns() < deadline_ns);
         i++)
        via__cpu_relax();
}

// Spins for a while instead of sleeping, if that has paid lately.  Returns with the lock held.
static void search(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    int64_t window_ns = pool->options.linger_ns;
    pthread_mutex_lock(&pool->lock);
    if (!window_ns || pool->searching || pool->stopping || expected_ns(pool) > WAKE_COST_NS ||
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
        if (VIA__CONTAINER_OF(at, struct via__worker, link)->batch > 1)
            return 1;
    }
    return 0;
}

// Under the lock: whether some other worker has been in the same call since this was last asked.
static int somebody_stuck(struct via__pool *pool, const struct via__worker *self)
{
    int stuck = 0, working = 0;
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        if (worker == self || worker->parked)
            continue;
        uint64_t runs = runs_of(worker);
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
    via__park(&self->parker, deadline_ns);
    pthread_mutex_lock(&pool->lock);
    via__pool_close(pool);
    if (unlist(self))
        return VIA_ETIMEDOUT;
    pool->waking = 0;
    return 0;
}

enum wake { WAKE_FOR_WORK, WAKE_TO_RESCUE, WAKE_TO_END };

// Under the lock: stands sentry until there is no backlog, or until it is needed.
static enum wake stand_sentry(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    self->nap_ns = FIRST_NAP_NS;
    (void)somebody_stuck(pool, self);
    for (;;) {
        pool->sentry = self;
        if (sleep_until(self, via_now_ns() + self->nap_ns) == 0)
            return WAKE_FOR_WORK;
        if (pool->stopping && via__pool_has(pool, 1))
            return WAKE_TO_RESCUE;
        if (somebody_stuck(pool, self)) {
            pool->mean_ns = UNKNOWN_NS; // the estimate was wrong
            return WAKE_TO_RESCUE;
        }
        // Backlogs of short calls come and go: to leave at the first gap would cost a wake-up for each.
        if (!is_backlog(pool) && self->nap_ns >= LONGEST_NAP_NS)
            return WAKE_FOR_WORK;
        self->nap_ns = self->nap_ns * 2 < LONGEST_NAP_NS ? self->nap_ns * 2 : LONGEST_NAP_NS;
    }
}

// Under the lock: this worker comes for work no more.
static void count_off(struct via__worker *self)
{
    via__pool_close(self->pool);
    self->pool->worker_count--;
    self->leaving = 1;
}

// Waits for work.  After WAKE_TO_END the worker has left the pool's count.
static enum wake wait_for_work(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    enum wake wake = WAKE_FOR_WORK;
    search(self);
    via__pool_close(pool);
    int others = pool->worker_count - pool->idle_count - 1;
    if (via__pool_has(pool, 1) && (others == 0 || pool->stopping || worth_waking(pool, 0, others))) {
        wake = WAKE_FOR_WORK;
    } else if (!pool->sentry && is_backlog(pool)) {
        wake = stand_sentry(self);
    } else if (pool->stopping) {
        wake = WAKE_TO_END;
    } else {
        int keep =
            pool->worker_count <= pool->options.min_workers || pool->options.idle_timeout_ns == VIA_FOREVER;
        self->idle_next = pool->idle;
        pool->idle = self;
        int64_t deadline_ns = keep ? VIA_FOREVER : via__deadline(pool->options.idle_timeout_ns);
        if (sleep_until(self, deadline_ns) < 0 && !via__pool_has(pool, 1) &&
            pool->worker_count > pool->options.min_workers)
            wake = WAKE_TO_END;
    }
    if (wake == WAKE_TO_END)
        count_off(self);
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    return wake;
}

// While jobs stream in, waits a moment until there are as many as last time, and one more.  Taken one by one
// they would cost submitter and worker a few cache lines each.
static void gather(struct via__worker *self, int taken)
{
    struct via__pool *pool = self->pool;
    // Relaxed: a hint.
    if (taken < 2 || atomic_load_explicit(&pool->queued_hint, memory_order_relaxed))
        return;
    int want = taken < VIA__BATCH_MAX ? taken + 1 : VIA__BATCH_MAX;
    uint64_t head = self->ring_head;
    for (int i = 0; i < GATHER_SPINS && !via__ring_has(&pool->ring, head + (uint64_t)want - 1); i++)
        via__cpu_relax();
}

static void run_jobs(struct via__worker *self)
{
    enum wake wake = WAKE_FOR_WORK;
    while (wake != WAKE_TO_END) {
        int taken, must = 1;
        while ((taken = take_batch(self, must)) > 0) {
            run_batch(self, taken);
            gather(self, taken);
            must = 0;
        }
        wake = wait_for_work(self);
    }
}

// The thread is about to end: it can be joined, or cares for itself if nobody will.  Last use of the worker.
static void leave(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    via__list_remove(&self->link);
    pool->retired_runs += runs_of(self);
    int orphan = pool->released;
    if (orphan)
        pthread_detach(self->thread);
    else
        via__list_push_back(&pool->exited, &self->link);
    pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    if (orphan)
        free(self);
    via__executor_die(&pool->base);
}

// In the worker's thread, once for each time its initializer succeeded.
static void finalize(const struct via__pool *pool)
{
    if (pool->options.finalizer)
        pool->options.finalizer(pool->options.hook_arg);
}

// A function ended its thread.  What waited behind it goes back to the queue, and somebody takes its place.
static void died(void *arg)
{
    struct via__worker *self = arg;
    struct via__pool *pool = self->pool;
    via_cfuture *lost[VIA__BATCH_MAX];
    int lost_count = 0, status = 0;
    finalize(pool);
    pthread_mutex_lock(&pool->lock);
    for (int i = 0; i < VIA__BATCH_MAX; i++) {
        via_cfuture *cf = take_slot(self, i);
        if (cf && via__queue_push(&pool->queues[VIA_PRIORITY_HIGH - via__job_priority(cf)], cf) < 0)
            lost[lost_count++] = cf;
    }
    via__pool_publish_count(pool);
    count_off(self);
    self->batch = 0;
    int wanted = via__pool_has(pool, 1) ? pool->options.max_workers : pool->options.min_workers;
    if (pool->worker_count < wanted && (via__pool_has(pool, 1) || !pool->stopping))
        status = via__worker_start(pool);
    int nobody = pool->worker_count == 0;
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < lost_count; i++)
        via__job_give_up(lost[i], VIA_ENOMEM);
    if (status < 0 && nobody)
        via__pool_flush(pool, status);
    leave(self);
}

// An initializer has returned, or has ended its thread: the pool can be used, or is broken.
static void initialized(struct via__worker *self, int status)
{
    struct via__pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    pool->started = 1;
    pool->waking = 0;
    if (status < 0) {
        pool->broken = 1;
        count_off(self);
        pthread_cond_broadcast(&pool->room);
    }
    pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    if (status >= 0)
        return;
    via__log(VIA_LOG_ERROR, "pool %s is broken: its initializer failed: %s", pool->name,
             via_status_text(status));
    via__pool_flush(pool, VIA_EBROKEN);
}

static void died_in_initializer(void *arg)
{
    initialized(arg, VIA_EEXITED);
    leave(arg);
}

static void died_in_finalizer(void *arg)
{
    leave(arg);
}

static int initialize(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    char name[32];
    snprintf(name, sizeof name, "%.*s-%d", 15 - (self->number > 9) - (self->number > 99) - 2, pool->name,
             self->number);
    via__thread_set_name(name);
    via__thread_set_nice(pool->options.nice);
    // Relaxed: for reports.
    atomic_store_explicit(&self->thread_id, via__thread_id(), memory_order_relaxed);
    via__frame_set_activity(&self->activity);
    via__role.in_callbacks = &self->in_callbacks;
    via__frame_on_exit(died_in_initializer, self);
    int status = pool->options.initializer ? pool->options.initializer(pool->options.hook_arg) : 0;
    via__frame_on_exit(NULL, NULL);
    initialized(self, status);
    return status;
}

// A thread that would not be told of a function that ends it runs none.
static void cannot_be_watched(struct via__worker *self)
{
    struct via__pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    count_off(self);
    int nobody = pool->worker_count == 0;
    // Another that is asleep comes for what waits.  None is started, which would fare no better.
    struct via__worker *woken = pool->idle_count ? via__pool_want_worker(pool, NULL) : NULL;
    via__pool_settle(pool);
    pthread_mutex_unlock(&pool->lock);
    via__worker_unpark(woken);
    if (nobody)
        via__pool_flush(pool, VIA_ENOMEM);
}

static void *worker_main(void *arg)
{
    struct via__worker *self = arg;
    int guarded = via__frame_guard_thread() == 0;
    if (initialize(self) >= 0) {
        via__frame_on_exit(died, self);
        if (guarded)
            run_jobs(self);
        via__frame_on_exit(died_in_finalizer, self);
        finalize(self->pool);
        via__frame_on_exit(NULL, NULL);
        if (!guarded)
            cannot_be_watched(self);
    }
    via__frame_set_activity(NULL);
    via__role.in_callbacks = NULL;
    leave(self);
    return NULL;
}

int via__worker_start(struct via__pool *pool)
{
    struct via__worker *worker = aligned_alloc(64, (sizeof *worker + 63) & ~(size_t)63);
    if (!worker)
        return VIA_ENOMEM;
    *worker = (struct via__worker){.pool = pool, .number = pool->next_number};
    via__parker_init(&worker->parker);
    struct via__thread_attr attr = {
        .stack_bytes = pool->options.stack_bytes, .cpus = pool->cpus, .cpu_count = pool->options.cpu_count};
    via__executor_live(&pool->base);
    int status = via__thread_start(&worker->thread, &attr, worker_main, worker);
    if (status < 0) {
        // Relaxed: the caller has a life of the executor's, so this is not the last.
        atomic_fetch_sub_explicit(&pool->base.lives, 1, memory_order_relaxed);
        free(worker);
        return status;
    }
    via__list_push_back(&pool->workers, &worker->link);
    pool->next_number++;
    pool->worker_count++;
    pool->waking = 1;
    if ((size_t)pool->worker_count > pool->worker_peak)
        pool->worker_peak = (size_t)pool->worker_count;
    return 0;
}
