/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker is looked at for, and when.  Everything here is under the pool's lock. */
#include <config.h>

#include <poll.h>
#include <sys/timerfd.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"
#include "process/pool.h"

#define END_NS    (5 * VIA_S)  // so long may a finalizer take
#define UNTOLD_NS (10 * VIA_S) // a zygote that does not tell of a death for so long is of no use
#define GAP_NS    (2 * VIA_S)  // if nobody looked for so long, nobody heard the zygote either

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t after(int64_t since_ns, int64_t duration_ns)
{
    return duration_ns >= VIA_FOREVER - since_ns ? VIA_FOREVER : since_ns + duration_ns;
}

static int64_t timeout_of(const struct via__process_worker *worker, const struct via__pcall *call)
{
    int64_t timeout_ns = call->extra->timeout_ns;
    return timeout_ns ? timeout_ns : worker->pool->options.call_timeout_ns;
}

static struct via__pcall *oldest(struct via__process_worker *worker)
{
    return via__worker_pending(worker) ? via__worker_place(worker, worker->head)->call : NULL;
}

static int64_t next_look_busy(struct via__process_worker *worker)
{
    const struct via__pcall *call = oldest(worker);
    int64_t when_ns = after(worker->head_ns, VIA__PROCESS_LOOK_NS), now_ns = via_now_ns();
    if (when_ns <= now_ns)
        when_ns = now_ns + VIA__PROCESS_TICK_NS;
    if (call && timeout_of(worker, call))
        when_ns = earlier(when_ns, after(worker->head_ns, timeout_of(worker, call)));
    if (call && call->asked) {
        int64_t due_ns = after(call->asked_ns, worker->pool->options.cancel_grace_ns);
        // If it is past, then it was not seen to start.
        when_ns = earlier(when_ns, due_ns > now_ns ? due_ns : now_ns + VIA__PROCESS_LOOK_NS);
    }
    return when_ns;
}

static int may_end(const struct via__process_worker *worker)
{
    return worker->pool->live > (size_t)worker->pool->options.min_workers;
}

static int64_t next_look_idle(const struct via__process_worker *worker)
{
    const struct via_process_pool_options *options = &worker->pool->options;
    int64_t when_ns = VIA_FOREVER;
    if (may_end(worker))
        when_ns = after(worker->idle_ns, options->idle_timeout_ns);
    if (options->max_worker_age_ns)
        when_ns = earlier(when_ns, after(worker->born_ns, options->max_worker_age_ns));
    return when_ns;
}

// What was looked at in vain is looked at again a tick later.
static int64_t not_before_tick(int64_t when_ns)
{
    int64_t now_ns = via_now_ns();
    return when_ns > now_ns ? when_ns : now_ns + VIA__PROCESS_TICK_NS;
}

static int64_t next_look(struct via__process_worker *worker)
{
    if (worker->is_unkillable)
        return VIA_FOREVER;
    if (worker->killed)
        return not_before_tick(after(worker->killed_ns, VIA__PROCESS_KILL_NS));
    switch (worker->state) {
    case VIA__WORKER_STARTING:
        return earlier(after(worker->born_ns, worker->pool->options.start_timeout_ns),
                       not_before_tick(after(worker->born_ns, VIA__PROCESS_KILL_NS)));
    case VIA__WORKER_INIT:
        return after(worker->born_ns, worker->pool->options.start_timeout_ns);
    case VIA__WORKER_ENDING:
        return after(worker->idle_ns, END_NS);
    default:
        return via__worker_pending(worker) ? next_look_busy(worker) : next_look_idle(worker);
    }
}

void via__process_watch(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    int64_t when_ns = next_look(worker);
    via__heap_remove(&pool->timers, &worker->timer);
    if (when_ns == VIA_FOREVER)
        return;
    worker->timer.when_ns = when_ns;
    (void)via__heap_insert(&pool->timers, &worker->timer); // there is room for every worker
    via__process_set_timer(pool);
}

// The time of the oldest call has not begun, since it was not started: the worker sleeps deeply, or was
// stopped.
static void wait_for_start(struct via__process_worker *worker, int64_t now_ns)
{
    if (!worker->waits_since_ns || worker->waits_place != worker->head) {
        worker->waits_since_ns = now_ns;
        worker->waits_place = worker->head;
    }
    worker->head_ns = now_ns;
    if (now_ns >= after(worker->waits_since_ns, VIA__PROCESS_STALL_NS))
        via__process_kill(worker, VIA__KILL_STALLED);
}

// The oldest call of a busy worker.
static void look_at_call(struct via__process_worker *worker, struct via__pcall *call, int64_t now_ns)
{
    int started = via__channel_started(worker->channel);
    if (started < 0) {
        via__process_kill(worker, VIA__KILL_CORRUPT);
        return;
    }
    if (started == 0) {
        wait_for_start(worker, now_ns);
        return;
    }
    worker->waits_since_ns = 0;
    via__cf_begun(call->cf);
    if (timeout_of(worker, call) && now_ns >= after(worker->head_ns, timeout_of(worker, call)))
        via__process_kill(worker, VIA__KILL_TIMEOUT);
    else if (call->asked && now_ns >= after(call->asked_ns, worker->pool->options.cancel_grace_ns))
        via__process_kill(worker, VIA__KILL_CANCELLED);
    else if (now_ns >= after(worker->head_ns, VIA__PROCESS_LOOK_NS)) {
        worker->is_slow = 1;
        via__process_call_back(worker);
    }
}

static int is_stale(const struct via__process_worker *worker, int64_t now_ns)
{
    const struct via_process_pool_options *options = &worker->pool->options;
    return (may_end(worker) && now_ns >= after(worker->idle_ns, options->idle_timeout_ns)) ||
           (options->max_worker_age_ns && now_ns >= after(worker->born_ns, options->max_worker_age_ns));
}

static void look_at_ready(struct via__process_worker *worker, int64_t now_ns)
{
    via__process_take(worker); // should a ring ever be lost, this finds the answer
    struct via__pcall *call = oldest(worker);
    if (worker->killed || worker->state != VIA__WORKER_READY)
        return;
    if (call)
        look_at_call(worker, call, now_ns);
    else if (via__worker_pending(worker))
        wait_for_start(worker, now_ns); // a ghost, which a worker that runs is done with at once
    else if (is_stale(worker, now_ns))
        via__process_retire(worker);
}

// An orphan whose pidfd is not watched, or is dead already; or one without: the signal and its parent's death
// have had a second for it.
static int is_lost(const struct via__process_worker *worker, int64_t now_ns)
{
    struct pollfd death = {.fd = worker->pidfd, .events = POLLIN};
    return worker->is_orphan && now_ns >= after(worker->killed_ns, VIA__PROCESS_KILL_NS) &&
           (worker->pidfd < 0 || poll(&death, 1, 0) > 0);
}

static void give_up_start(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    struct via__why why;
    via__why(&why, 0, "a worker could not take calls within %lld ms",
             (long long)(pool->options.start_timeout_ns / VIA_MS));
    via__process_kill(worker, VIA__KILL_SLOW_START);
    via__process_birth_failed(pool, VIA_ETIMEDOUT, why.text);
}

// Whether the worker is dead, and the zygote has to be reminded of telling so.  Of the zygote's own end its
// workers' pidfds tell.
static int is_dead_untold(struct via__process_worker *worker, int64_t now_ns)
{
    struct via__process_pool *pool = worker->pool;
    struct pollfd dead = {.fd = worker->pidfd, .events = POLLIN};
    if (worker->pidfd < 0 || pool->zygote_state != VIA__ZYGOTE_UP || poll(&dead, 1, 0) <= 0)
        return 0;
    // What it has told may wait to be heard, if the pool was not served for a while: then the time begins
    // anew.
    if (!worker->untold_ns || now_ns >= after(worker->untold_seen_ns, GAP_NS))
        worker->untold_ns = now_ns;
    else if (now_ns < after(worker->untold_ns, UNTOLD_NS))
        via__zygote_rouse(&pool->zygote);
    else
        via__zygote_strike(&pool->zygote);
    worker->untold_seen_ns = now_ns;
    return 1;
}

static void look_at_beginner(struct via__process_worker *worker, int64_t now_ns)
{
    if (now_ns >= after(worker->born_ns, worker->pool->options.start_timeout_ns))
        give_up_start(worker);
    else if (!worker->pid && worker->pool->zygote_state == VIA__ZYGOTE_UP)
        via__zygote_rouse(&worker->pool->zygote);
}

void via__process_look(struct via__process_worker *worker, int64_t now_ns)
{
    if (is_lost(worker, now_ns)) {
        via__process_died(worker, -1, NULL);
        return;
    }
    int is_dead = is_dead_untold(worker, now_ns);
    if (worker->killed) {
        if (!is_dead && !worker->is_unkillable && now_ns >= after(worker->killed_ns, VIA__PROCESS_KILL_NS))
            via__process_give_up(worker);
    } else if (worker->state < VIA__WORKER_READY) {
        look_at_beginner(worker, now_ns);
    } else if (worker->state == VIA__WORKER_ENDING) {
        if (now_ns >= after(worker->idle_ns, END_NS))
            via__process_kill(worker, VIA__KILL_SLOW_END);
    } else if (worker->state == VIA__WORKER_READY) {
        look_at_ready(worker, now_ns);
    }
    int settled = via__acquaintance_settle(worker->known);
    if (settled < 0)
        via__process_kill(worker, VIA__KILL_CORRUPT);
    else if (settled > 0)
        via__channel_knock(worker->channel);
    via__process_watch(worker);
}

void via__process_retire(struct via__process_worker *worker)
{
    struct via__process_pool *pool = worker->pool;
    pool->live -= via__worker_is_live(worker);
    worker->retires = 1;
    if (worker->killed || worker->state != VIA__WORKER_READY || via__worker_pending(worker) > 0)
        return;
    via__list_remove(&worker->link);
    worker->state = VIA__WORKER_ENDING;
    worker->idle_ns = via_now_ns();
    (void)via__process_order(worker, VIA__ORDER_END, pool->options.finalizer, NULL);
    via__process_watch(worker);
}

// ---- the pool's timer ----

void via__process_set_timer(struct via__process_pool *pool)
{
    const struct via__heap_node *first = via__heap_first(&pool->timers);
    int64_t when_ns = first ? first->when_ns : VIA_FOREVER;
    if (pool->birth_ns)
        when_ns = earlier(when_ns, pool->birth_ns);
    if (pool->retry_ns)
        when_ns = earlier(when_ns, pool->retry_ns);
    if (pool->remains_ns)
        when_ns = earlier(when_ns, pool->remains_ns);
    if (via__process_wants_zygote(pool))
        when_ns = earlier(when_ns, pool->restart_ns);
    if (when_ns >= pool->armed_ns)
        return; // it fires in time, or too early, which does no harm
    struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(when_ns / VIA_S), .tv_nsec = (long)(when_ns % VIA_S)}};
    if (timerfd_settime(pool->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        pool->armed_ns = when_ns;
}

void via__process_run_timers(struct via__process_pool *pool)
{
    int64_t now_ns = via_now_ns();
    struct via__heap_node *first;
    pool->armed_ns = VIA_FOREVER;
    if (pool->birth_ns <= now_ns)
        pool->birth_ns = 0; // a time that stayed behind would be due for ever
    if (pool->retry_ns <= now_ns)
        pool->retry_ns = 0; // the server feeds whenever it was woken
    while ((first = via__heap_first(&pool->timers)) != NULL && first->when_ns <= now_ns) {
        struct via__process_worker *worker = VIA__CONTAINER_OF(first, struct via__process_worker, timer);
        via__heap_remove(&pool->timers, first);
        via__process_look(worker, now_ns);
    }
    via__process_tend(pool, now_ns);
    via__process_tidy(pool, now_ns);
    via__process_set_timer(pool);
}
