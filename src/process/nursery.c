/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool's care for its zygote: what it tells, and that it is there.
 *
 * When the zygote is gone its workers die with it; each is killed once more, with what it has started, and
 * buried when its pidfd tells that it is dead, since only then it is certain that it runs nothing.
 *
 * A zygote is started and seen off by a thread, the *nurse*: that takes a millisecond or much longer, which a
 * loop's thread does not have; nor has it the time to make a thread for it, so the nurse is made with the
 * pool and sleeps.  The pool's end is what it does last, and no pool ends before it has left.  To unmap and
 * close what dead workers leave behind takes long at times, so that is the nurse's as well; after a while,
 * since at once it would take the processor and the page tables from the births of those that come in their
 * place.
 */
#include <config.h>

#include <errno.h>
#include <signal.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/thread.h"
#include "process/pool.h"

#define REST_NS (20 * VIA_MS) // so long what dead workers leave behind lies about

int via__process_watch_zygote(struct via__process_pool *pool)
{
    int status = via__process_watch_fd(pool, pool->zygote.control, 1, VIA__TAG_ZYGOTE);
    if (status == 0 && pool->zygote.pidfd >= 0)
        status = via__process_watch_fd(pool, pool->zygote.pidfd, 1, VIA__TAG_ZYGOTE);
    return status;
}

static void unwatch_zygote(struct via__process_pool *pool)
{
    via__process_unwatch_fd(pool, pool->zygote.control);
    if (pool->zygote.pidfd >= 0)
        via__process_unwatch_fd(pool, pool->zygote.pidfd);
}

// Its pidfd tells when it is dead; without one, or if that cannot be watched, is_lost() in worker_watch.c
// asks.
static void orphan(struct via__process_worker *worker, enum via__kill why)
{
    if (!worker->pid) {
        via__process_bury(worker, 0);
        return;
    }
    int is_struck = worker->killed != VIA__KILL_NONE;
    worker->is_orphan = 1;
    via__process_kill(worker, why);
    if (is_struck)
        via__process_strike(worker); // the zygote may not have got to what it has started
    if (worker->pidfd >= 0)
        (void)via__process_watch_fd(worker->pool, worker->pidfd, 1, VIA__TAG_PIDFD | worker->serial);
}

void via__process_part(struct via__process_pool *pool, enum via__kill why)
{
    if (pool->zygote_state == VIA__ZYGOTE_UP) {
        unwatch_zygote(pool);
        pool->leaving = pool->zygote;
        pool->zygote = (struct via__zygote){.control = -1, .pidfd = -1, .pid = -1};
        pool->zygote_state = VIA__ZYGOTE_DOWN;
        pool->has_leaving = 1;
    }
    for (size_t i = 0; i < pool->slots; i++) {
        if (pool->table[i])
            orphan(pool->table[i], why);
    }
    sem_post(&pool->nurse_bell);
}

static void zygote_gone(struct via__process_pool *pool)
{
    pool->restart_ns =
        via_now_ns() + (pool->restart_failures ? via__process_back_off(pool->restart_failures) : 0);
    pool->restart_failures++;
    via__process_part(pool, VIA__KILL_ZYGOTE);
    via__process_tend(pool, via_now_ns());
}

static void hear(struct via__process_pool *pool, const struct via__zygote_event *event)
{
    struct via__process_worker *worker;
    switch (event->kind) {
    case VIA__ZYGOTE_BORN:
        pool->restart_failures = 0;
        via__process_born(pool, event);
        break;
    case VIA__ZYGOTE_UNBORN:
        via__process_unborn(pool, event);
        break;
    case VIA__ZYGOTE_DIED:
        worker = via__process_worker_by_serial(pool, event->serial);
        if (worker)
            via__process_died(worker, event->wait_status, event);
        break;
    }
}

void via__process_hear(struct via__process_pool *pool)
{
    struct via__zygote_event event;
    int got = 0;
    if (pool->zygote_state != VIA__ZYGOTE_UP)
        return;
    while ((got = via__zygote_next(&pool->zygote, &event)) == 1)
        hear(pool, &event);
    if (got < 0)
        zygote_gone(pool);
}

static void adopt(struct via__process_pool *pool, const struct via__zygote *zygote)
{
    pool->zygote = *zygote;
    pool->zygote_state = VIA__ZYGOTE_UP;
    pool->stats.helper_restarts++;
    if (via__process_watch_zygote(pool) < 0)
        zygote_gone(pool);
}

int via__process_wants_zygote(const struct via__process_pool *pool)
{
    return pool->zygote_state == VIA__ZYGOTE_DOWN && !pool->restarting && !pool->has_leaving &&
           !pool->broken && (!pool->stopping || pool->queued);
}

void via__process_tend(struct via__process_pool *pool, int64_t now_ns)
{
    if (!via__process_wants_zygote(pool) || now_ns < pool->restart_ns)
        return;
    pool->restarting = 1;
    pool->zygote_state = VIA__ZYGOTE_RESTARTS;
    sem_post(&pool->nurse_bell);
}

// ---- the nurse ----

// Its jobs come under the lock, which they open while they wait for the zygote.

// What was done is completed, and whoever serves looks whether that was what the pool's end waits for.
static void job_done(struct via__process_pool *pool)
{
    via__process_nudge(pool);
    via__process_unlock(pool);
    via__process_lock(pool);
}

static void see_off(struct via__process_pool *pool)
{
    via__process_unlock(pool);
    via__zygote_stop(&pool->leaving); // nobody changes it meanwhile
    via__process_lock(pool);
    via__zygote_forget(&pool->leaving);
    pool->has_leaving = 0;
    via__process_tend(pool, via_now_ns());
    via__process_set_timer(pool);
    job_done(pool);
}

static void restart(struct via__process_pool *pool)
{
    struct via__zygote zygote;
    struct via__why why;
    via__process_unlock(pool);
    int status = via__zygote_start(pool->config_fd, via__directory_fd(pool->directory),
                                   pool->options.start_timeout_ns, &zygote, &why);
    via__process_lock(pool);
    pool->restarting = 0;
    if (status == 0) {
        adopt(pool, &zygote);
    } else {
        pool->zygote_state = VIA__ZYGOTE_DOWN;
        pool->restart_ns = via_now_ns() + via__process_back_off(pool->restart_failures++);
        if (pool->restart_failures > VIA__PROCESS_FAILURES)
            via__process_break(pool, VIA_EBROKEN, "the helper process cannot be started again: %s", why.text);
        via__process_set_timer(pool);
    }
    via__process_feed(pool);
    job_done(pool);
}

void via__process_bequeath(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    if (!pool->has_nurse) {
        via__process_clear_away(worker);
        return;
    }
    // Relaxed: it is only compared.  Release: the worker is whole for the acquire in clear_remains().
    worker->next_remains = atomic_load_explicit(&pool->remains, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&pool->remains, &worker->next_remains, worker,
                                                  memory_order_release, memory_order_relaxed))
        ;
    if (pool->remains_ns)
        return;
    pool->remains_ns = via_now_ns() + REST_NS;
    via__process_set_timer(pool);
}

void via__process_tidy(struct via__process_pool *pool, int64_t now_ns)
{
    if (!pool->remains_ns || pool->remains_ns > now_ns)
        return;
    pool->remains_ns = 0;
    sem_post(&pool->nurse_bell);
}

static void clear_remains(struct via__process_pool *pool)
{
    // Acquire: pairs with the release in via__process_bequeath().
    struct via__process_worker *worker = atomic_exchange_explicit(&pool->remains, NULL, memory_order_acquire);
    while (worker) {
        struct via__process_worker *next = worker->next_remains;
        via__process_clear_away(worker);
        worker = next;
    }
}

// Under the lock: all that is there to be done.
static void do_jobs(struct via__process_pool *pool)
{
    while (pool->has_leaving || pool->restarting) {
        if (pool->has_leaving)
            see_off(pool);
        else
            restart(pool);
    }
}

// Sleeps until there may be something to do, without the lock.
static void wait_for_bell(struct via__process_pool *pool)
{
    via__process_unlock(pool);
    (void)sem_wait(&pool->nurse_bell); // or for no reason, which does no harm
    clear_remains(pool);
    via__process_lock(pool);
}

static void *nurse(void *arg)
{
    struct via__process_pool *pool = arg;
    via__thread_set_name("via-zygote");
    via__process_lock(pool);
    do_jobs(pool);
    while (!pool->ending) {
        wait_for_bell(pool);
        do_jobs(pool);
    }
    clear_remains(pool);
    pool->has_nurse = 0;
    pthread_cond_broadcast(&pool->idle);
    via__process_nudge(pool); // before the lock opens: then the pool may go
    via__process_unlock(pool);
    return NULL;
}

int via__process_hire(struct via__process_pool *pool)
{
    pthread_t thread;
    pool->has_nurse = 1;
    int status = via__thread_start(&thread, NULL, nurse, pool);
    if (status == 0)
        pthread_detach(thread);
    else
        pool->has_nurse = 0;
    return status;
}

void via__process_dismiss(struct via__process_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = 1;
    sem_post(&pool->nurse_bell);
    while (pool->has_nurse)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
