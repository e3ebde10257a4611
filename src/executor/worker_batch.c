/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker at work: takes a batch, from the queue or from another worker, and runs it.  The design is at the
   head of thread_pool.h. */
#include <config.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "executor/pool_estimate.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

#define GATHER_SPINS 40 // of a few dozen nanoseconds each
#define PREFETCH     4  // jobs ahead of the one that runs
#define LOW_TURN     16 // every so many batches the lowest level goes first

static via_cfuture *pop_job(struct via__pool *pool, int lowest_first)
{
    for (int i = 0; i < VIA__LEVELS; i++) {
        via_cfuture *job = via__pool_pop(pool, lowest_first ? VIA__LEVELS - 1 - i : i);
        if (job)
            return job;
    }
    return NULL;
}

// Under the lock: this worker has so many jobs before it.
static void count_begun(struct via__worker *worker, int jobs)
{
    // Relaxed, both: `over` is this thread's own, and who looks at `begun`, in_function() in pool_wake.c,
    // holds the lock.
    unsigned over = atomic_load_explicit(&worker->activity.over, memory_order_relaxed);
    atomic_store_explicit(&worker->activity.begun, over + (unsigned)jobs, memory_order_relaxed);
}

// Under the lock: takes over what waits behind the running call of another worker.
static int steal(struct via__pool *pool, struct via__worker *thief)
{
    int got = 0;
    if (via__pool_expected_ns(pool) < VIA__BATCH_NS)
        return 0;
    for (struct via__list *at = pool->workers.next; at != &pool->workers && !got; at = at->next) {
        struct via__worker *victim = via__worker_of(at);
        for (int i = 0; victim != thief && victim->batch > 1 && i < VIA__BATCH_MAX; i++) {
            via_cfuture *cf = via__worker_take_slot(victim, i);
            if (cf)
                via__worker_put_in_slot(thief, got++, cf);
        }
        if (got) {
            victim->batch = 1;
            // Relaxed: as in count_begun().
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
        via__worker_put_in_slot(self, i, job);
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
    via__pool_learn(pool, self->ran, self->took_ns);
    self->ran = 0;
    int others = pool->worker_count - pool->idle_count - 1;
    int taken = 0;
    if (must || others == 0 || via__pool_worth_waking(pool, 0, others)) {
        taken = fill_slots(self, via__pool_batch_size(pool));
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
        // Relaxed: only this thread writes it; via__worker_runs() reads a figure.
        atomic_store_explicit(&self->runs, via__worker_runs(self) + 1, memory_order_relaxed);
    } else {
        // Relaxed: a count; via__pool_claimed() added to it.
        atomic_fetch_sub_explicit(&self->pool->dead, 1, memory_order_relaxed);
        via__activity_job_over(&self->activity);
    }
}

// The future was written by another core: fetching the next while this one runs hides the way.
static void prefetch_slot(struct via__worker *self, int at)
{
    // Relaxed: only an address to fetch from; via__worker_take_slot() says whose the job is.
    via__cpu_fetch_to_write(atomic_load_explicit(&self->slots[at], memory_order_relaxed));
}

static void run_batch(struct via__worker *self, int taken)
{
    int64_t begun_ns = via_now_ns();
    uint64_t runs = via__worker_runs(self);
    // Relaxed: for pool_report.c.
    atomic_store_explicit(&self->activity.started_ns, begun_ns, memory_order_relaxed);
    for (int i = 0; i < taken; i++) {
        if (i + PREFETCH < taken)
            prefetch_slot(self, i + PREFETCH);
        via_cfuture *cf = via__worker_take_slot(self, i);
        if (cf)
            run_one(self, cf);
    }
    self->ran = (int)(via__worker_runs(self) - runs);
    self->took_ns = via_now_ns() - begun_ns;
}

// While jobs stream in, waits a moment until there are as many as last time, and one more.  Taken one by one
// they would cost submitter and worker a few cache lines each.
static void gather(struct via__worker *self, int taken)
{
    struct via__pool *pool = self->pool;
    // Relaxed: a hint; what via__pool_publish_count() wrote is counted anew under the lock.
    if (taken < 2 || atomic_load_explicit(&pool->queued_hint, memory_order_relaxed))
        return;
    int want = taken < VIA__BATCH_MAX ? taken + 1 : VIA__BATCH_MAX;
    uint64_t head = self->ring_head;
    for (int i = 0; i < GATHER_SPINS && !via__ring_has(&pool->ring, head + (uint64_t)want - 1); i++)
        via__cpu_relax();
}

void via__worker_run_jobs(struct via__worker *self)
{
    do {
        int taken, must = 1;
        while ((taken = take_batch(self, must)) > 0) {
            run_batch(self, taken);
            gather(self, taken);
            must = 0;
        }
    } while (via__worker_wait(self));
}
