/* SPDX-License-Identifier: BSD-3-Clause */
/* How workers come to be, and how they are buried.  Everything here is under the pool's lock. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "process/fds.h"
#include "process/pool.h"

#define FIRST_BACK_OFF_NS (10 * VIA_MS)
#define LAST_BACK_OFF_NS  (5 * VIA_S)

// After the first failure 10 ms, and twice as long after each further one.
int64_t via__process_back_off(int failures)
{
    int64_t wait_ns = FIRST_BACK_OFF_NS;
    for (int i = 1; i < failures && wait_ns < LAST_BACK_OFF_NS; i++)
        wait_ns *= 2;
    return wait_ns < LAST_BACK_OFF_NS ? wait_ns : LAST_BACK_OFF_NS;
}

static size_t free_slot(const struct via__process_pool *pool)
{
    size_t slot = 0;
    while (slot < pool->slots && pool->table[slot])
        slot++;
    return slot;
}

struct via__process_worker *via__process_worker_by_serial(struct via__process_pool *pool, uint64_t serial)
{
    size_t slot = (size_t)(serial >> VIA__SLOT_SHIFT);
    struct via__process_worker *worker = slot < pool->slots ? pool->table[slot] : NULL;
    return worker && worker->serial == serial ? worker : NULL;
}

// A tenth more or less, so that workers that were born together do not end together: one at least differs
// from the next by its number, as nothing else may have happened between their births.
static uint64_t jitter(const struct via__process_pool *pool, uint64_t calls)
{
    uint64_t span = calls / 5;
    uint64_t chance = (pool->random ^ pool->generation) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    return span ? calls - span / 2 + chance % (span + 1) : calls;
}

// A forked process may have a copy, of which the end of a socket would be told for ever.
static void unwatch_channel(struct via__process_worker *worker)
{
    int is_level;
    if (worker->channel)
        via__process_unwatch_fd(worker->pool, via__channel_fd(worker->channel, &is_level));
}

void via__process_clear_away(struct via__process_worker *worker)
{
    if (worker->channel)
        via__channel_free(worker->channel);
    if (worker->known)
        via__acquaintance_free(worker->known, 0);
    if (worker->control >= 0)
        close(worker->control);
    if (worker->pidfd >= 0)
        close(worker->pidfd);
    free(worker);
}

// Makes the worker's channel and control socket; `fds` receives what the process is born with.
static int equip(struct via__process_worker *worker, int *fds, int *count)
{
    struct via__channel_fds ends;
    int pair[2];
    int status = via__channel_new(worker->pool->transport, &worker->channel, &ends);
    if (status < 0)
        return status;
    status = via__fds_pair(pair);
    if (status < 0) {
        via__fds_close(ends.fds, ends.count);
        return status;
    }
    worker->control = pair[0];
    fds[0] = pair[1];
    memcpy(fds + 1, ends.fds, (size_t)ends.count * sizeof *fds);
    *count = ends.count + 1;
    return via__acquaintance_new(worker->control, worker->pool->options.max_out_bytes, &worker->known);
}

static int watch_channel(struct via__process_worker *worker)
{
    int is_level, fd = via__channel_fd(worker->channel, &is_level);
    return via__process_watch_fd(worker->pool, fd, is_level, VIA__TAG_CHANNEL | worker->serial);
}

static struct via__process_worker *new_worker(struct via__process_pool *pool, size_t slot)
{
    struct via__process_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->pool = pool;
    worker->slot = slot;
    worker->serial = (uint64_t)slot << VIA__SLOT_SHIFT | ++pool->generation;
    worker->state = VIA__WORKER_STARTING;
    worker->pidfd = worker->control = -1;
    worker->born_ns = via_now_ns();
    worker->quota = jitter(pool, pool->options.max_calls);
    via__list_init(&worker->link);
    return worker;
}

// Asks the zygote for the process of a worker.
static int ask(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    int fds[VIA__BIRTH_FDS_MAX + 1], count = 0;
    int status = equip(worker, fds, &count);
    if (status == 0)
        status = watch_channel(worker);
    if (status == 0)
        status = via__zygote_ask(&pool->zygote, worker->serial, fds, count);
    via__fds_close(fds, count);
    return status;
}

static void enter_table(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    pool->table[worker->slot] = worker;
    pool->live++;
    pool->starting++;
    if (++pool->present > pool->present_peak)
        pool->present_peak = pool->present;
    via__process_watch(worker);
}

// The zygote has many requests to read, which passes and says nothing of the workers.
static void try_again_later(struct via__process_pool *pool)
{
    pool->birth_ns = via_now_ns() + via__process_back_off(1);
    via__process_set_timer(pool);
}

// What the calls are told where the program itself was refused what a worker takes: memory, descriptors or
// places in an epoll.  0 if the system is short of nothing, so that another try would end in the same way.
static int want_of(int status)
{
    switch (status) {
    case VIA_ENOMEM:
    case -ENOBUFS:
        return VIA_ENOMEM;
    case VIA_EAGAIN:
    case -EMFILE:
    case -ENFILE:
    case -ENOSPC:
        return VIA_EAGAIN;
    default:
        return 0;
    }
}

// The system is short of something, here or where the zygote is, which says nothing of the workers and may
// pass.  While others are there the calls wait for those; else they are told at last.  What was asked for at
// once was refused at once, and counts once.
static void birth_refused(struct via__process_pool *pool, int status)
{
    struct via__why why;
    int64_t now_ns = via_now_ns();
    if (now_ns >= pool->birth_ns) {
        pool->birth_refusals += pool->birth_refusals < VIA__PROCESS_FAILURES;
        pool->birth_ns = now_ns + via__process_back_off(pool->birth_refusals);
        via__process_set_timer(pool);
    }
    if (pool->birth_refusals < VIA__PROCESS_FAILURES || pool->live > 0)
        return;
    via__why(&why, status, "the system refuses worker processes: %s", via_status_text(status));
    via__process_flush(pool, want_of(status), why.text);
    pthread_cond_broadcast(&pool->room);
}

// The zygote could not even be asked.
static void asking_failed(struct via__process_pool *pool, int status)
{
    if (status == VIA_EAGAIN && pool->live > 0)
        try_again_later(pool);
    else if (want_of(status))
        birth_refused(pool, status);
    else if (status != VIA_ESHUTDOWN)
        via__process_birth_failed(pool, status, "a worker process could not be started");
}

int via__process_bear(struct via__process_pool *pool)
{
    size_t slot = free_slot(pool);
    if (via__process_wants_zygote(pool))
        via__process_set_timer(pool);
    if (pool->zygote_state != VIA__ZYGOTE_UP || pool->broken || pool->ending ||
        pool->live >= (size_t)pool->options.max_workers || slot == pool->slots)
        return VIA_EAGAIN;
    if (pool->birth_ns && via_now_ns() < pool->birth_ns)
        return VIA_EAGAIN; // the timer comes back to it
    struct via__process_worker *worker = new_worker(pool, slot);
    if (!worker) {
        birth_refused(pool, VIA_ENOMEM);
        return VIA_ENOMEM;
    }
    int status = ask(worker);
    if (status < 0) {
        unwatch_channel(worker);
        via__process_clear_away(worker);
        asking_failed(pool, status);
        return status;
    }
    enter_table(worker);
    return 0;
}

static void initialize(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    worker->state = VIA__WORKER_INIT;
    int status = via__process_order(worker, VIA__ORDER_INIT, pool->options.initializer, pool->initializer_in);
    if (status == 0)
        return;
    via__process_kill(worker, VIA__KILL_SLOW_START);
    via__process_birth_failed(pool, status, "a worker could not be given the input of its initializer");
}

void via__process_born(struct via__process_pool *pool, const struct via__zygote_event *event)
{
    struct via__process_worker *worker = via__process_worker_by_serial(pool, event->serial);
    if (!worker || worker->pid) {
        if (event->pidfd >= 0)
            close(event->pidfd);
        return;
    }
    worker->pid = event->pid;
    worker->pidfd = event->pidfd;
    pool->birth_refusals = 0;
    pool->stats.started++;
    if (worker->killed) {
        via__process_strike(worker); // it was given up before it was there
        return;
    }
    if (pool->options.initializer || pool->options.sandbox)
        initialize(worker);
    else
        via__process_ready(worker);
    via__process_arm(worker);
    via__process_watch(worker);
}

void via__process_ready(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    worker->state = VIA__WORKER_READY;
    worker->idle_ns = via_now_ns();
    pool->starting--;
    pool->birth_ns = 0;
    via__list_remove(&worker->link);
    via__list_push_front(&pool->idle_workers, &worker->link);
}

void via__process_unborn(struct via__process_pool *pool, const struct via__zygote_event *event)
{
    struct via__process_worker *worker = via__process_worker_by_serial(pool, event->serial);
    if (!worker || worker->pid)
        return;
    via__process_bury(worker, 0);
    if (want_of(event->status))
        birth_refused(pool, event->status);
    else
        via__process_birth_failed(pool, event->status, "the system refused a worker process");
}

void via__process_birth_failed(struct via__process_pool *pool, int status, const char *why)
{
    pool->birth_failures++;
    pool->birth_ns = via_now_ns() + via__process_back_off(pool->birth_failures);
    if (pool->birth_failures >= VIA__PROCESS_FAILURES)
        via__process_break(pool, VIA_EBROKEN, "%d workers in a row could not begin: %s (%s)",
                           pool->birth_failures, why, via_status_name(status));
    via__process_set_timer(pool);
}

void via__process_bury(struct via__process_worker *worker, int tainted)
{
    struct via__process_pool *pool = worker->pool;
    via__list_remove(&worker->link);
    via__heap_remove(&pool->timers, &worker->timer);
    pool->table[worker->slot] = NULL;
    pool->present--;
    pool->zombies -= (size_t)worker->is_unkillable;
    pool->live -= via__worker_is_live(worker);
    pool->starting -= via__worker_starts(worker);
    if (worker->pidfd >= 0 && worker->is_orphan)
        via__process_unwatch_fd(pool, worker->pidfd);
    unwatch_channel(worker);
    if (tainted)
        via__acquaintance_taint(worker->known); // now: its calls are about to give back what it may have
    via__process_bequeath(worker);
}
