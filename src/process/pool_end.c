/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a process pool.  The design is at the head of pool.h. */
#include <config.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "process/pool.h"

#define SLICE_NS (50 * VIA_MS)

// Under the lock: every running call is asked to stop, and what went back is refused.
static void cancel_running(struct via__process_pool *pool)
{
    int64_t now_ns = via_now_ns();
    for (size_t i = 0; i < pool->slots; i++) {
        struct via__process_worker *worker = pool->table[i];
        if (!worker || worker->killed)
            continue;
        for (uint32_t at = worker->head; at != worker->tail; at++) {
            struct via__pcall *call = via__worker_place(worker, at)->call;
            if (call && !call->asked) {
                (void)via__channel_cancel(worker->channel, call->place);
                call->asked = 1;
                call->asked_ns = now_ns;
            }
        }
        via__process_look(worker, now_ns);
    }
}

// `joins`, if it is not NULL, tells whether the caller is to join the thread that serves; decided before that
// can leave for this.
static void stop(struct via__process_pool *pool, unsigned flags, int *joins)
{
    via__process_lock(pool);
    pool->stopping = 1;
    if (joins) {
        *joins = pool->has_thread && !pool->has_joiner && !pool->has_left;
        pool->has_joiner |= *joins;
    }
    pthread_cond_broadcast(&pool->room);
    if (flags & VIA_SHUTDOWN_CANCEL_QUEUED) {
        pool->cancelling = 1;
        via__process_flush(pool, VIA_ECANCELED, NULL);
        for (size_t i = 0; i < pool->slots; i++) {
            if (pool->table[i] && !pool->table[i]->killed)
                via__process_call_back(pool->table[i]);
        }
    }
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_running(pool);
    via__process_nudge(pool);
    via__process_unlock(pool);
}

// Whether nobody will find one of the pool's processes any more.  Those without a pidfd have gone with the
// zygote, whose own end the nurse waits for.
static int are_processes_gone(const struct via__process_pool *pool)
{
    if (pool->has_nurse)
        return 0;
    for (size_t i = 0; i < pool->slots; i++) {
        const struct via__process_worker *worker = pool->table[i];
        if (worker && worker->pidfd >= 0 && !worker->is_unkillable)
            return 0;
    }
    return 1;
}

static void end(struct via__process_pool *pool)
{
    for (size_t i = 0; i < pool->slots; i++) {
        if (pool->table[i])
            via__process_bury(pool->table[i], 0);
    }
    pool->ended = 1;
    pthread_cond_broadcast(&pool->idle);
}

static int is_idle(const struct via__process_pool *pool)
{
    return !pool->queued && !pool->given && !pool->done && !pool->completing && !pool->restarting &&
           !pool->has_leaving;
}

// Under the lock: tells every worker to end in good order; 1 when none is left that is about to.
static int finalize(struct via__process_pool *pool)
{
    int left = 0;
    for (size_t i = 0; i < pool->slots; i++) {
        struct via__process_worker *worker = pool->table[i];
        if (!worker || worker->killed)
            continue;
        if (worker->state == VIA__WORKER_READY)
            via__process_retire(worker);
        left += worker->state == VIA__WORKER_ENDING;
    }
    return !left;
}

int via__process_wind_down(struct via__process_pool *pool)
{
    if (pool->ended)
        return 1;
    if (!pool->ending) {
        if (!pool->stopping || !is_idle(pool) ||
            (pool->options.finalizer && pool->zygote_state == VIA__ZYGOTE_UP && !finalize(pool)))
            return 0;
        pool->ending = 1;
        via__process_part(pool, VIA__KILL_END);
    }
    if (!are_processes_gone(pool))
        return 0;
    end(pool);
    return 1;
}

// A loop serves the pool, and may not be running: this thread serves as well.
static int serve_until(struct via__process_pool *pool, int64_t deadline_ns)
{
    int over = 0;
    do {
        int64_t left_ns = deadline_ns - via_now_ns();
        if (left_ns > SLICE_NS)
            left_ns = SLICE_NS;
        (void)via__process_serve(pool, left_ns > 0 ? (int)(left_ns / VIA_MS) : 0);
        via__process_lock(pool);
        over = via__process_wind_down(pool);
        via__process_unlock(pool);
    } while (!over && via_now_ns() < deadline_ns);
    return over;
}

static int wait_until(struct via__process_pool *pool, int64_t deadline_ns, int joins)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->ended && via_now_ns() < deadline_ns)
        via__cond_wait_until(&pool->idle, &pool->lock, deadline_ns);
    int over = pool->ended;
    if (joins && !over)
        pool->has_joiner = 0;
    pthread_mutex_unlock(&pool->lock);
    if (joins && over)
        pthread_join(pool->server, NULL);
    return over;
}

static int is_served_by_loop(struct via__process_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int by_loop = pool->loop != NULL;
    pthread_mutex_unlock(&pool->lock);
    return by_loop;
}

int via__process_shutdown(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    int joins = 0;
    stop(pool, flags, deadline_ns > 0 ? &joins : NULL);
    int over =
        is_served_by_loop(pool) ? serve_until(pool, deadline_ns) : wait_until(pool, deadline_ns, joins);
    return over ? 0 : VIA_ETIMEDOUT;
}

void via__process_released(via_executor *executor)
{
    stop(via__process_pool_of(executor), 0, NULL);
}

// A life more, if there is one left: 1; or 0 while the pool is being destroyed.
static int keep_alive(struct via__process_pool *pool)
{
    // Relaxed, both: what keeps the memory is that destroy() waits in via__exit_remove() meanwhile.
    uint32_t lives = atomic_load_explicit(&pool->base.lives, memory_order_relaxed);
    while (lives && !atomic_compare_exchange_weak_explicit(&pool->base.lives, &lives, lives + 1,
                                                           memory_order_relaxed, memory_order_relaxed))
        ;
    return lives > 0;
}

// The life is kept for ever.  Else the server, which is joined here, might be the one to destroy the pool,
// and wait there until this has returned.
void via__process_at_exit(struct via__exit_node *node)
{
    struct via__process_pool *pool = VIA__CONTAINER_OF(node, struct via__process_pool, exit_node);
    if (via__executor_forked(&pool->base) || !keep_alive(pool))
        return;
    (void)via__process_shutdown(&pool->base, 0, via__deadline(pool->options.exit_timeout_ns));
}
