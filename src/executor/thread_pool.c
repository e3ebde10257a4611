/* SPDX-License-Identifier: BSD-3-Clause */
/* Thread pools: options, submitting, shutting down, figures.  The design is at the head of thread_pool.h. */
#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "executor/thread_pool.h"

#define MOST_WORKERS 32767
#define SWEEP_AT     128 // so many claimed jobs are worth looking through the queue

void via_thread_pool_options_init(struct via_thread_pool_options *options)
{
    if (!options)
        return;
    int wanted = via__cpu_count() + 4;
    *options = (struct via_thread_pool_options){.max_workers = wanted < 32 ? wanted : 32,
                                                .idle_timeout_ns = 10 * VIA_S,
                                                .linger_ns = 20 * VIA_US,
                                                .exit_timeout_ns = 2 * VIA_S};
}

static int check_options(const struct via_thread_pool_options *options)
{
    if (options->max_workers < 1 || options->max_workers > MOST_WORKERS || options->min_workers < 0 ||
        options->min_workers > options->max_workers || options->idle_timeout_ns < 0 ||
        options->linger_ns < 0 || options->exit_timeout_ns < 0 || options->nice < -40 || options->nice > 40 ||
        options->when_full < VIA_FULL_REJECT || options->when_full > VIA_FULL_CALLER_RUNS ||
        (options->cpus && !options->cpu_count) || (!options->cpus && options->cpu_count))
        return VIA_EINVAL;
    for (size_t i = 0; i < options->cpu_count; i++) {
        if (options->cpus[i] < 0 || options->cpus[i] >= 1024)
            return VIA_EINVAL;
    }
    pthread_attr_t attr;
    if (!options->stack_bytes)
        return 0;
    if (pthread_attr_init(&attr) != 0)
        return VIA_ENOMEM;
    int error = pthread_attr_setstacksize(&attr, options->stack_bytes);
    pthread_attr_destroy(&attr);
    return -error;
}

static void name_pool(struct via__pool *pool)
{
    static _Atomic unsigned counter;
    // Relaxed: the number only has to differ.
    if (pool->options.name)
        snprintf(pool->name, sizeof pool->name, "%s", pool->options.name);
    else
        snprintf(pool->name, sizeof pool->name, "via-%u",
                 atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed));
    pool->options.name = pool->name;
}

static void init_sync(struct via__pool *pool)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->room, &attr);
    pthread_cond_init(&pool->ended, &attr);
    pthread_condattr_destroy(&attr);
    via__mutex_init(&pool->lock);
}

static struct via__pool *new_pool(const struct via_thread_pool_options *options)
{
    struct via__pool *pool = aligned_alloc(64, (sizeof *pool + 63) & ~(size_t)63);
    if (!pool)
        return NULL;
    *pool = (struct via__pool){.options = *options, .mean_ns = -1};
    if (options->cpus) {
        pool->cpus = malloc(options->cpu_count * sizeof *pool->cpus);
        if (!pool->cpus) {
            free(pool);
            return NULL;
        }
        memcpy(pool->cpus, options->cpus, options->cpu_count * sizeof *pool->cpus);
    }
    name_pool(pool);
    init_sync(pool);
    via__list_init(&pool->workers);
    via__list_init(&pool->exited);
    via__list_init(&pool->callers);
    via__list_init(&pool->exit_node.link);
    via__executor_init(&pool->base, &via__pool_kind);
    return pool;
}

static void destroy(via_executor *executor)
{
    struct via__pool *pool = (struct via__pool *)executor;
    // Not before: what a pool without users still has to run is waited for at the end of the process.
    via__exit_remove(&pool->exit_node);
    for (int i = 0; i < VIA__LEVELS; i++)
        via__queue_fini(&pool->queues[i]);
    pthread_cond_destroy(&pool->room);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->lock);
    free(pool->cpus);
    free(pool);
}

void via__pool_reap(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!via__list_empty(&pool->exited)) {
        struct via__worker *worker = VIA__CONTAINER_OF(pool->exited.next, struct via__worker, link);
        via__list_remove(&worker->link);
        pthread_mutex_unlock(&pool->lock);
        // A worker that drops the last reference to its own pool cannot wait for itself.
        if (pthread_equal(worker->thread, pthread_self()))
            pthread_detach(worker->thread);
        else
            pthread_join(worker->thread, NULL);
        free(worker);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (deadline_ns == VIA_FOREVER) {
        pthread_cond_wait(cond, mutex);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    pthread_cond_timedwait(cond, mutex, &until);
}

static struct via__queue *normal_queue(struct via__pool *pool)
{
    return &pool->queues[VIA_PRIORITY_HIGH - VIA_PRIORITY_NORMAL];
}

via_cfuture *via__pool_pop(struct via__pool *pool, int level)
{
    struct via__queue *queue = &pool->queues[level];
    if (queue->count)
        return via__queue_pop(queue);
    return queue == normal_queue(pool) ? via__ring_pop(&pool->ring) : NULL;
}

void via__pool_close(struct via__pool *pool)
{
    // Sequentially consistent: comes before the look at the ring, as the submitter's slot comes before its
    // second look at `open`.  Relaxed: only changed under the lock.
    if (atomic_load_explicit(&pool->open, memory_order_relaxed))
        atomic_store_explicit(&pool->open, 0, memory_order_seq_cst);
}

// Under the lock: whether a worker is sure to look at the ring without being told.
static int may_open(const struct via__pool *pool)
{
    int active = pool->worker_count - pool->idle_count;
    if (pool->stopping || pool->broken || pool->options.max_queued || active <= 0)
        return 0;
    return pool->searching || (pool->sentry && via__pool_is_brisk(pool)) ||
           (!pool->idle_count && pool->worker_count == pool->options.max_workers);
}

void via__pool_settle(struct via__pool *pool)
{
    if (!may_open(pool))
        via__pool_close(pool);
    // Relaxed: only changed under the lock; and the lock orders what makes it true.
    else if (!atomic_load_explicit(&pool->open, memory_order_relaxed))
        atomic_store_explicit(&pool->open, 1, memory_order_relaxed);
}

// Under the lock: moves the ring's jobs to the end of their queue.  VIA_ENOMEM if some had to stay.
static int spill(struct via__pool *pool)
{
    while (via__ring_has(&pool->ring, via__ring_head(&pool->ring))) {
        int status = via__queue_reserve(normal_queue(pool));
        if (status < 0)
            return status;
        (void)via__queue_push(normal_queue(pool), via__ring_pop(&pool->ring));
    }
    via__pool_publish_count(pool);
    return 0;
}

// Under the lock: how many jobs wait that nobody else has claimed.
static size_t live_count(const struct via__pool *pool)
{
    // Relaxed: a count; it may run ahead of the queue for a moment.
    size_t count = via__pool_count(pool), dead = atomic_load_explicit(&pool->dead, memory_order_relaxed);
    return count > dead ? count - dead : 0;
}

// Under the lock: whether the pool takes a job now.
static int accepts(const struct via__pool *pool)
{
    if (pool->broken)
        return VIA_EBROKEN;
    if (pool->stopping)
        return VIA_ESHUTDOWN;
    return pool->options.max_queued && live_count(pool) >= pool->options.max_queued ? VIA_EBUSY : 0;
}

// Under the lock.
static int push_job(struct via__pool *pool, via_cfuture *job)
{
    if (pool->worker_count == 0) {
        // Without any worker a job would be lost, so its start must be known to have succeeded.
        int status = via__worker_start(pool);
        if (status < 0)
            return status;
    }
    int level = VIA_PRIORITY_HIGH - via__job_priority(job);
    int status = &pool->queues[level] == normal_queue(pool) ? spill(pool) : 0;
    if (status == 0)
        status = via__queue_push(&pool->queues[level], job);
    if (status < 0)
        return status;
    size_t count = via__pool_count(pool);
    via__pool_publish_count(pool);
    if (count > pool->queued_peak)
        pool->queued_peak = count;
    pool->submitted++;
    return 0;
}

// Waits for room, unless that could last for ever, because every worker waits for this thread.  The search
// for that comes before the pool's lock.  `waited` says that its end is to be told when the lock is open.
static int wait_for_room(struct via__pool *pool, int *waited)
{
    int status;
    pthread_mutex_unlock(&pool->lock);
    int possible = via__deadlock_begin_room(&pool->base);
    pthread_mutex_lock(&pool->lock);
    pool->blocked_submitters++;
    while ((status = accepts(pool)) == VIA_EBUSY && possible == 0)
        pthread_cond_wait(&pool->room, &pool->lock);
    pool->blocked_submitters--;
    *waited = possible == 0;
    if (*waited)
        via__deadlock_has_room();
    return status == VIA_EBUSY ? possible : status;
}

// The ring is full: makes room.
static int make_room(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int status = spill(pool);
    pthread_mutex_unlock(&pool->lock);
    return status;
}

// Takes out what came in by the short way just when the last worker left.
static void turn_away(struct via__pool *pool, int status)
{
    via_cfuture *job;
    do {
        pthread_mutex_lock(&pool->lock);
        job = pool->worker_count ? NULL : via__ring_pop(&pool->ring);
        pthread_mutex_unlock(&pool->lock);
        if (job)
            via__job_give_up(job, status);
    } while (job);
}

// The way was closed behind a job: sees to it that a worker comes for it.
static void look_after(struct via__pool *pool)
{
    int status = 0;
    pthread_mutex_lock(&pool->lock);
    if (!pool->worker_count)
        status = pool->broken ? VIA_EBROKEN : pool->stopping ? VIA_ESHUTDOWN : via__worker_start(pool);
    struct via__worker *woken = via__pool_want_worker(pool, NULL);
    pthread_mutex_unlock(&pool->lock);
    via__worker_unpark(woken);
    if (status < 0)
        turn_away(pool, status);
}

// Submits without the lock: 1; 0 if the way is closed, or the job or the moment is not plain.
static int submit_short(struct via__pool *pool, via_cfuture *job)
{
    // Relaxed: looked at again below.
    if (!atomic_load_explicit(&pool->open, memory_order_relaxed) ||
        via__job_priority(job) != VIA_PRIORITY_NORMAL)
        return 0;
    if (!via__ring_push(&pool->ring, job) && (make_room(pool) < 0 || !via__ring_push(&pool->ring, job)))
        return 0;
    // Sequentially consistent: see via__pool_close().
    if (!atomic_load_explicit(&pool->open, memory_order_seq_cst))
        look_after(pool);
    return 1;
}

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct via__pool *pool = (struct via__pool *)executor;
    struct via__worker *woken = NULL;
    int waited = 0;
    if (submit_short(pool, job))
        return 0;
    pthread_mutex_lock(&pool->lock);
    int status = accepts(pool);
    int caller_runs = status == VIA_EBUSY && how == VIA__SUBMIT_MAY_BLOCK &&
                      pool->options.when_full == VIA_FULL_CALLER_RUNS;
    if (status == VIA_EBUSY && how == VIA__SUBMIT_MAY_BLOCK && pool->options.when_full == VIA_FULL_BLOCK)
        status = wait_for_room(pool, &waited);
    if (status == 0)
        status = push_job(pool, job);
    if (status == 0)
        woken = via__pool_want_worker(pool, NULL);
    else if (caller_runs)
        status = via__caller_begin(pool, job);
    if (status == 0 && caller_runs)
        pool->submitted++;
    else if (status < 0)
        pool->rejected++;
    pthread_mutex_unlock(&pool->lock);
    if (waited)
        via__deadlock_end_room();
    via__worker_unpark(woken);
    if (status == 0 && caller_runs)
        via__caller_run(pool, job);
    return status;
}

static int is_dead(const void *item)
{
    return (via__cf_state(item) & VIA__STATE_MASK) != VIA_PENDING;
}

// Under the lock and a hashed one: takes claimed jobs out of the queues when they have piled up.  They are
// let go by a thread that holds neither.
static void claimed(via_executor *executor, via_cfuture *job, enum via__claim why)
{
    struct via__pool *pool = (struct via__pool *)executor;
    (void)job;
    pthread_mutex_lock(&pool->lock);
    pool->cancelled += why == VIA__CLAIM_CANCELLED;
    pool->expired += why == VIA__CLAIM_EXPIRED;
    if (why == VIA__CLAIM_HELPED) {
        pool->helped++;
        pool->retired_runs++;
    }
    // Relaxed: a count.
    atomic_fetch_add_explicit(&pool->dead, 1, memory_order_relaxed);
    if (pool->blocked_submitters)
        pthread_cond_broadcast(&pool->room);
    pthread_mutex_unlock(&pool->lock);
}

// Jobs that were cancelled while every worker is busy would stay in the queue; a submitter clears them away
// when they are most of it.
static void sweep(struct via__pool *pool)
{
    via_cfuture *found[SWEEP_AT];
    size_t count = 0;
    pthread_mutex_lock(&pool->lock);
    (void)spill(pool);
    for (int i = 0; i < VIA__LEVELS; i++)
        count += via__queue_sweep(&pool->queues[i], is_dead, (void **)found + count, SWEEP_AT - count);
    via__pool_publish_count(pool);
    // Relaxed: a count.
    atomic_fetch_sub_explicit(&pool->dead, count, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < count; i++)
        via__job_let_go(found[i]);
}

static int submit_and_sweep(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct via__pool *pool = (struct via__pool *)executor;
    // Relaxed: a hint.
    size_t dead = atomic_load_explicit(&pool->dead, memory_order_relaxed);
    if (dead >= SWEEP_AT && dead > atomic_load_explicit(&pool->queued_hint, memory_order_relaxed) / 2)
        sweep(pool);
    return submit(executor, job, how);
}

static void end_popped(struct via__pool *pool, via_cfuture *cf, int status)
{
    if (status == VIA_ECANCELED ? via_cfuture_cancel(cf) == VIA_CANCEL_NEVER_RAN : 0) {
        // It was claimed under its lock, by the call just made or by somebody before.
    } else if (via__cf_claim(cf)) {
        via__job_end(cf, status);
        return;
    }
    // Relaxed: a count; `claimed` added to it.
    atomic_fetch_sub_explicit(&pool->dead, 1, memory_order_relaxed);
    via__job_let_go(cf);
}

static via_cfuture *pop_any(struct via__pool *pool)
{
    via_cfuture *cf = NULL;
    pthread_mutex_lock(&pool->lock);
    for (int i = 0; i < VIA__LEVELS && !cf; i++)
        cf = via__pool_pop(pool, i);
    struct via__list *at = pool->workers.next;
    for (; !cf && at != &pool->workers; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        // Acquire: pairs with the release when the slot was filled.
        for (int i = 0; i < VIA__BATCH_MAX && !cf; i++)
            cf = atomic_exchange_explicit(&worker->slots[i], NULL, memory_order_acquire);
    }
    via__pool_publish_count(pool);
    pthread_mutex_unlock(&pool->lock);
    return cf;
}

void via__pool_flush(struct via__pool *pool, int status)
{
    via_cfuture *cf;
    while ((cf = pop_any(pool)) != NULL)
        end_popped(pool, cf, status);
}

// The number of the worker that was started after this one, or -1.
static int number_after(struct via__pool *pool, int number)
{
    int next = -1;
    pthread_mutex_lock(&pool->lock);
    for (struct via__list *at = pool->workers.next; at != &pool->workers && next < 0; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        if (worker->number > number)
            next = worker->number;
    }
    pthread_mutex_unlock(&pool->lock);
    return next;
}

// The call at a depth of a worker's stack, with a reference, or NULL; see via__activity_call().
static via_cfuture *call_of(struct via__pool *pool, int number, const via_cfuture *root, size_t depth)
{
    via_cfuture *cf = NULL;
    pthread_mutex_lock(&pool->lock);
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        if (worker->number == number)
            cf = via__activity_call(&worker->activity, root, depth);
    }
    pthread_mutex_unlock(&pool->lock);
    return cf;
}

// Asks every running call to stop, also those that a worker runs while it waits in another.  Hooks run
// without the lock, so the walk goes by number.
static void cancel_running(struct via__pool *pool)
{
    int number = -1;
    while ((number = number_after(pool, number)) >= 0) {
        via_cfuture *root = call_of(pool, number, NULL, 0), *cf = via_cfuture_ref(root);
        for (size_t depth = 1; cf; depth++) {
            via_cfuture_cancel(cf);
            via_cfuture_unref(cf);
            cf = call_of(pool, number, root, depth);
        }
        via_cfuture_unref(root);
    }
    via__callers_cancel(pool);
}

static void stop(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = 1;
    via__pool_close(pool);
    pthread_cond_broadcast(&pool->room);
    via__pool_wake_all(pool);
    pthread_mutex_unlock(&pool->lock);
}

// Under the lock: whether there are threads with calls, or for them.
static int is_busy(const struct via__pool *pool)
{
    return !via__list_empty(&pool->workers) || !via__list_empty(&pool->callers);
}

static int wait_for_end(struct via__pool *pool, int64_t deadline_ns)
{
    pthread_mutex_lock(&pool->lock);
    while (is_busy(pool) && deadline_ns > 0 && via_now_ns() < deadline_ns)
        cond_wait_until(&pool->ended, &pool->lock, deadline_ns);
    int left = is_busy(pool);
    pthread_mutex_unlock(&pool->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

static int pool_shutdown(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct via__pool *pool = (struct via__pool *)executor;
    stop(pool);
    if (flags & VIA_SHUTDOWN_CANCEL_QUEUED)
        via__pool_flush(pool, VIA_ECANCELED);
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_running(pool);
    int status = wait_for_end(pool, deadline_ns);
    if (!via__executor_on_stack(executor))
        via__pool_reap(pool);
    return status;
}

static void at_exit(struct via__exit_node *node)
{
    struct via__pool *pool = VIA__CONTAINER_OF(node, struct via__pool, exit_node);
    if (via__executor_forked(&pool->base))
        return;
    stop(pool);
    if (pool->options.exit_timeout_ns && !via__executor_on_stack(&pool->base))
        (void)wait_for_end(pool, via__deadline(pool->options.exit_timeout_ns));
    via__pool_reap(pool);
}

static void released(via_executor *executor)
{
    struct via__pool *pool = (struct via__pool *)executor;
    stop(pool);
    pthread_mutex_lock(&pool->lock);
    pool->released = 1; // from now on workers that end care for themselves
    pthread_mutex_unlock(&pool->lock);
    via__pool_reap(pool);
}

// Under the lock: shows every call under way.
static void each_call(struct via__pool *pool, via__call_look_fn look, void *arg)
{
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        // Relaxed: for reports.
        long thread_id = atomic_load_explicit(&worker->thread_id, memory_order_relaxed);
        via__activity_each(&worker->activity, thread_id, look, arg);
    }
    via__callers_each(pool, look, arg);
}

struct running {
    const via_executor *executor;
    struct via_executor_stats *stats;
};

static void count_running(const via_cfuture *cf, const struct via_stuck_call *call, void *arg)
{
    const struct running *running = arg;
    // What runs inside, a strand's call or one of another pool's, is counted there.
    if (via__job_executor(cf) != running->executor)
        return;
    running->stats->running++;
    if (call->running_ns > running->stats->oldest_running_ns)
        running->stats->oldest_running_ns = call->running_ns;
}

static void pool_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct via__pool *pool = (struct via__pool *)executor;
    struct running running = {executor, stats};
    pthread_mutex_lock(&pool->lock);
    stats->workers = (size_t)pool->worker_count;
    stats->workers_max = (size_t)pool->options.max_workers;
    stats->workers_idle = (size_t)pool->idle_count;
    stats->workers_peak = pool->worker_peak;
    stats->queued = live_count(pool);
    if (stats->queued > pool->queued_peak)
        pool->queued_peak = stats->queued;
    stats->queued_peak = pool->queued_peak;
    stats->submitted = pool->submitted + via__ring_pushed(&pool->ring);
    stats->completed = pool->retired_runs;
    stats->cancelled = pool->cancelled;
    stats->expired = pool->expired;
    stats->rejected = pool->rejected;
    stats->helped = pool->helped;
    for (struct via__list *at = pool->workers.next; at != &pool->workers; at = at->next) {
        struct via__worker *worker = VIA__CONTAINER_OF(at, struct via__worker, link);
        // Relaxed: figures.
        stats->completed += atomic_load_explicit(&worker->runs, memory_order_relaxed);
    }
    each_call(pool, count_running, &running);
    pthread_mutex_unlock(&pool->lock);
}

struct listing {
    struct via_stuck_call *calls;
    size_t capacity, count;
};

static void list_call(const via_cfuture *cf, const struct via_stuck_call *call, void *arg)
{
    struct listing *listing = arg;
    (void)cf;
    if (listing->count++ < listing->capacity)
        listing->calls[listing->count - 1] = *call;
}

static int longest_first(const void *left, const void *right)
{
    int64_t a = ((const struct via_stuck_call *)left)->running_ns;
    int64_t b = ((const struct via_stuck_call *)right)->running_ns;
    return (a < b) - (a > b);
}

static int pool_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct via__pool *pool = (struct via__pool *)executor;
    struct listing listing = {.calls = calls, .capacity = capacity};
    pthread_mutex_lock(&pool->lock);
    each_call(pool, list_call, &listing);
    pthread_mutex_unlock(&pool->lock);
    if (capacity)
        qsort(calls, listing.count < capacity ? listing.count : capacity, sizeof *calls, longest_first);
    return (int)listing.count;
}

static via_cfuture *depends(via_executor *executor, via_cfuture *job)
{
    (void)executor;
    return via_cfuture_ref(job);
}

static int can_start(via_executor *executor, via_cfuture *job)
{
    struct via__pool *pool = (struct via__pool *)executor;
    pthread_mutex_lock(&pool->lock);
    int workers = pool->worker_count, can_grow = workers < pool->options.max_workers;
    int room = !job && accepts(pool) != VIA_EBUSY;
    pthread_mutex_unlock(&pool->lock);
    if (can_grow || room || via__deadlock_blocked_in(executor) < workers)
        return 1;
    return via__deadlock_any_progress(executor);
}

const struct via__executor_kind via__pool_kind = {.name = "thread pool",
                                                  .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT,
                                                  .submit = submit_and_sweep,
                                                  .claimed = claimed,
                                                  .exited = via__caller_exited,
                                                  .shutdown = pool_shutdown,
                                                  .released = released,
                                                  .stats = pool_stats,
                                                  .stuck = pool_stuck,
                                                  .destroy = destroy,
                                                  .depends = depends,
                                                  .can_start = can_start};

static int start_minimum(struct via__pool *pool)
{
    int status = 0;
    pthread_mutex_lock(&pool->lock);
    while (status == 0 && pool->worker_count < pool->options.min_workers)
        status = via__worker_start(pool);
    pool->waking = 0; // they come by themselves
    pthread_mutex_unlock(&pool->lock);
    return status;
}

int via_thread_pool_new(const struct via_thread_pool_options *options, via_executor **executor)
{
    struct via_thread_pool_options defaults;
    if (!options) {
        via_thread_pool_options_init(&defaults);
        options = &defaults;
    }
    int status = executor ? check_options(options) : VIA_EINVAL;
    if (status == 0)
        status = via__executor_watch_forks();
    if (status < 0)
        return status;
    struct via__pool *pool = new_pool(options);
    if (!pool)
        return VIA_ENOMEM;
    status = via__exit_add(&pool->exit_node, at_exit);
    if (status < 0) {
        destroy(&pool->base);
        return status;
    }
    status = start_minimum(pool);
    if (status < 0) {
        (void)via_executor_shutdown(&pool->base, 0, VIA_FOREVER);
        via_executor_unref(&pool->base);
        return status;
    }
    *executor = &pool->base;
    return 0;
}

int via_pinned_new(const struct via_thread_pool_options *options, via_executor **executor)
{
    struct via_thread_pool_options pinned;
    via_executor *fresh;
    if (!executor)
        return VIA_EINVAL;
    via_thread_pool_options_init(&pinned);
    if (options)
        pinned = *options;
    pinned.min_workers = pinned.max_workers = 1;
    pinned.idle_timeout_ns = VIA_FOREVER;
    int status = via_thread_pool_new(&pinned, &fresh);
    if (status < 0)
        return status;
    struct via__pool *pool = (struct via__pool *)fresh;
    pthread_mutex_lock(&pool->lock);
    while (!pool->started)
        pthread_cond_wait(&pool->ended, &pool->lock);
    status = pool->broken ? VIA_EBROKEN : 0;
    pthread_mutex_unlock(&pool->lock);
    if (status < 0)
        via_executor_unref(fresh);
    else
        *executor = fresh;
    return status;
}
