/* SPDX-License-Identifier: BSD-3-Clause */
/* Thread pools and pinned threads: their options, how they are made and freed.  The design is at the head of
   thread_pool.h. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/lock.h"
#include "base/thread.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

#define MOST_WORKERS 32767

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

// A queued job waits for nothing but a worker.
static via_cfuture *depends(via_executor *executor, via_cfuture *job)
{
    (void)executor;
    return via_cfuture_ref(job);
}

static const struct via__executor_kind pool_kind = {.name = "thread pool",
                                                    .packs = 1,
                                                    .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT,
                                                    .submit = via__pool_submit,
                                                    .claimed = via__pool_claimed,
                                                    .exited = via__caller_exited,
                                                    .shutdown = via__pool_shut_down,
                                                    .released = via__pool_released,
                                                    .stats = via__pool_stats,
                                                    .stuck = via__pool_stuck,
                                                    .destroy = destroy,
                                                    .depends = depends,
                                                    .can_start = via__pool_can_start};

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
    via__cond_init(&pool->room);
    via__cond_init(&pool->ended);
    via__mutex_init(&pool->lock);
    via__list_init(&pool->workers);
    via__list_init(&pool->exited);
    via__list_init(&pool->callers);
    via__list_init(&pool->exit_node.link);
    via__executor_init(&pool->base, &pool_kind);
    return pool;
}

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
    status = via__exit_add(&pool->exit_node, via__pool_at_exit);
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
