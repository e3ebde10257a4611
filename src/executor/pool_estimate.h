/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a pool's calls take, as far as is known, and what follows from it: how many a worker takes at
 * once, and when a backlog is worth another worker.  All of it is used under the pool's lock.
 */
#ifndef VIADUCT_EXECUTOR_POOL_ESTIMATE_H
#define VIADUCT_EXECUTOR_POOL_ESTIMATE_H

#include <viaduct/time.h>

#include "executor/thread_pool.h"

#define VIA__WAKE_COST_NS  (8 * VIA_US) // what waking a thread on another core costs
#define VIA__BATCH_NS      (4 * VIA_US) // a batch should not take longer
#define VIA__CALL_COST_NS  250          // of a call that does nothing, in the worker and the caches
#define VIA__CALL_LEAST_NS 125          // the same at its best
#define VIA__UNKNOWN_NS    VIA_MS       // a call nobody has measured counts as long
#define VIA__BRISK_NS      500          // calls shorter than this are brisk

static inline int64_t via__pool_expected_ns(const struct via__pool *pool)
{
    return pool->mean_ns < 0 ? VIA__UNKNOWN_NS : pool->mean_ns;
}

// Whether calls were so short lately that to wait for a sentry's nap costs little.
static inline int via__pool_is_brisk(const struct via__pool *pool)
{
    return pool->mean_ns >= 0 && pool->mean_ns < VIA__BRISK_NS;
}

// Adds a batch of so many calls to the estimate.
static inline void via__pool_learn(struct via__pool *pool, int calls, int64_t took_ns)
{
    if (!calls)
        return;
    int64_t each = took_ns / calls - VIA__CALL_COST_NS;
    if (each < 0)
        each = 0;
    pool->mean_ns = pool->mean_ns < 0 ? each : (3 * pool->mean_ns + each) / 4;
}

// How many calls a worker should take at once.
static inline int via__pool_batch_size(const struct via__pool *pool)
{
    int64_t fits = VIA__BATCH_NS / (via__pool_expected_ns(pool) + VIA__CALL_LEAST_NS);
    return fits < 1 ? 1 : fits > VIA__BATCH_MAX ? VIA__BATCH_MAX : (int)fits;
}

// Whether what waits, with `more` calls beside it, is worth another worker, when `active` are at work.
static inline int via__pool_worth_waking(const struct via__pool *pool, size_t more, int active)
{
    int64_t mean_ns = via__pool_expected_ns(pool);
    if (mean_ns == 0)
        return 0;
    size_t enough = (size_t)(VIA__WAKE_COST_NS * active / mean_ns) + 1;
    return via__pool_has(pool, enough > more ? enough - more : 1);
}

#endif
