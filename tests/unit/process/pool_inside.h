/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What tests look at inside a pool, and how they drive one step by step: a pool that a loop serves does
 * nothing by itself while the loop does not run.
 */
#ifndef VIA_TEST_POOL_INSIDE_H
#define VIA_TEST_POOL_INSIDE_H

#include "pool_fixture.h"

#include "process/pool.h"

static inline struct via__process_pool *inside(via_executor *executor)
{
    return via__process_pool_check(executor);
}

static inline via_loop *new_loop(void)
{
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new(&loop), 0);
    return loop;
}

static inline via_executor *open_served(via_loop *loop, int transport, int workers)
{
    struct via_process_pool_options options = pool_options(workers);
    options.loop = loop;
    options.transport = transport;
    return open_with(&options);
}

/* A pool whose workers have so much time to begin; its helper, which is the program started anew, has all of
 * it. */
static inline via_executor *open_hasty(const struct via_process_pool_options *options,
                                       int64_t start_timeout_ns)
{
    via_executor *executor = open_with(options);
    struct via__process_pool *pool = inside(executor);
    via__process_lock(pool);
    pool->options.start_timeout_ns = start_timeout_ns;
    via__process_unlock(pool);
    return executor;
}

/* Runs the loop until the call is over, and gives its status. */
static inline int run_to_end(via_loop *loop, via_cfuture *cf)
{
    RUN_UNTIL(loop, via_cfuture_done(cf));
    return finish(cf);
}

/* As if the function had been called so often that it may be given ahead, many at once. */
static inline void make_known(via_executor *executor, via_bytes_fn fn)
{
    struct via__process_pool *pool = inside(executor);
    struct via__why why;
    uint32_t number;
    ck_assert_int_eq(via__directory_enter(pool->directory, (void *)(uintptr_t)fn, &number, &why), 0);
    via__process_lock(pool);
    struct via__function_record *record = via__process_function(pool, number);
    ck_assert_ptr_nonnull(record);
    record->calls = VIA__PROCESS_PROOF;
    record->mean_ns = 1;
    via__process_unlock(pool);
}

/* How many calls are with workers. */
static inline size_t count_given(via_executor *executor)
{
    struct via__process_pool *pool = inside(executor);
    via__process_lock(pool);
    size_t given = pool->given;
    via__process_unlock(pool);
    return given;
}

/* Hears what the zygote tells, and nothing else: no timer fires, no answer is read. */
static inline void hear(via_executor *executor)
{
    struct via__process_pool *pool = inside(executor);
    via__process_lock(pool);
    via__process_hear(pool);
    via__process_feed(pool);
    via__process_unlock(pool);
}

#define HEAR_UNTIL(executor, condition) AWAIT((hear(executor), (condition)))

#endif
