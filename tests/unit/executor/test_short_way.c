/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way into a pool: calls that come without the lock while workers come, go and end. */
#include <config.h>

#include "unit/executor/fixture.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "executor/thread_pool.h"
#include "executor/worker.h"

enum { BACKLOG = 5 * VIA__RING_SLOTS, ROUNDS = 200, BURST = 8, BURSTS = 1000, SINGLES = 5000, FUTURES = 64 };

static atomic_int turn;

/* Each call expects to be the one after the one before it. */
static int take_turn(void *arg, void **result)
{
    (void)result;
    return atomic_fetch_add(&turn, 1) == (int)(intptr_t)arg ? 0 : 1;
}

TEST(a_backlog_longer_than_the_ring_keeps_its_order)
{
    static via_cfuture *futures[BACKLOG];
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    for (intptr_t i = 0; i < BACKLOG; i++)
        futures[i] = submit(pool, take_turn, (void *)i);
    ck_assert_uint_eq(stats_of(pool).queued, BACKLOG);
    via_test_gate_open(&gate);
    finish(running);
    for (int i = 0; i < BACKLOG; i++)
        finish(futures[i]);
    ck_assert_uint_eq(stats_of(pool).submitted, BACKLOG + 1);
    ck_assert_uint_ge(stats_of(pool).queued_peak, BACKLOG);
    close_executor(pool);
}

TEST(a_priority_does_not_disturb_the_order_of_the_others)
{
    via_cfuture *futures[30];
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    for (intptr_t i = 0; i < 30; i++) {
        // Every third goes first: 0 to 9; the others follow.
        int first = i % 3 == 2;
        struct via_call call = VIA_CALL(take_turn, (void *)(first ? i / 3 : 10 + i - i / 3));
        call.priority = first ? VIA_PRIORITY_HIGH : VIA_PRIORITY_NORMAL;
        futures[i] = submit_call(pool, &call);
    }
    via_test_gate_open(&gate);
    finish(running);
    for (int i = 0; i < 30; i++)
        finish(futures[i]);
    close_executor(pool);
}

TEST(a_cancelled_backlog_is_swept)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    for (int i = 0; i < 4 * VIA__RING_SLOTS; i++) {
        via_cfuture *cf = submit(pool, echo, NULL);
        ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
        via_cfuture_unref(cf);
    }
    ck_assert_uint_eq(stats_of(pool).queued, 0);
    via_test_gate_open(&gate);
    finish(running);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
}

/* A pool whose threads look for calls so long, then sleep so long, then end. */
static via_executor *lingering_pool(int64_t linger_ns, int64_t idle_timeout_ns)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;

    via_thread_pool_options_init(&options);
    options.max_workers = 2;
    options.idle_timeout_ns = idle_timeout_ns;
    options.linger_ns = linger_ns;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    return pool;
}

struct sender {
    struct via_test_thread thread;
    via_executor *pool;
};

static void *send_bursts(void *arg)
{
    struct sender *sender = arg;
    via_cfuture *futures[BURST];

    for (int i = 0; i < BURSTS; i++) {
        int count = i % BURST + 1;
        for (int j = 0; j < count; j++)
            futures[j] = submit(sender->pool, echo, &futures[j]);
        for (int j = 0; j < count; j++)
            ck_assert_ptr_eq(finish(futures[j]), &futures[j]);
    }
    return NULL;
}

static void send_from_two_threads(via_executor *pool)
{
    struct sender one = {.pool = pool}, two = {.pool = pool};

    via_test_thread_start(&one.thread, send_bursts, &one);
    via_test_thread_start(&two.thread, send_bursts, &two);
    via_test_thread_join(&one.thread);
    via_test_thread_join(&two.thread);
    close_executor(pool);
}

/* Nobody else would look for a call that was overlooked.  The pauses let some calls come just when the worker
 * gives up looking. */
TEST(a_call_that_comes_when_the_search_for_it_ends_is_run)
{
    via_executor *pool = lingering_pool(12 * VIA_US, VIA_FOREVER);

    for (int i = 0; i < SINGLES; i++) {
        for (int j = 0; j < i % 200; j++)
            via__cpu_relax();
        finish(submit(pool, echo, NULL));
    }
    close_executor(pool);
}

TEST(calls_that_come_while_the_last_thread_goes_are_run)
{
    send_from_two_threads(lingering_pool(0, 1));
    send_from_two_threads(lingering_pool(VIA_US, 1));
    send_from_two_threads(lingering_pool(20 * VIA_US, 1));
}

/* Submits until it is refused. */
struct submitter {
    struct via_test_thread thread;
    via_executor *pool;
    atomic_int *ran;
    int accepted, turned_away;
};

static void settle(struct submitter *submitter, via_cfuture **futures, int count)
{
    for (int i = 0; i < count; i++) {
        int status = status_of(futures[i]);
        ck_assert(status == 0 || status == VIA_ESHUTDOWN);
        submitter->turned_away += status == VIA_ESHUTDOWN;
        via_cfuture_unref(futures[i]);
    }
}

static void *submit_until_refused(void *arg)
{
    struct submitter *submitter = arg;
    struct via_call call = VIA_CALL(count_up, submitter->ran);
    via_cfuture *futures[FUTURES];
    int count = 0;

    while (via_executor_submit(submitter->pool, &call, &futures[count]) == 0) {
        submitter->accepted++;
        if (++count == FUTURES) {
            settle(submitter, futures, count);
            count = 0;
        }
    }
    settle(submitter, futures, count);
    return NULL;
}

TEST(what_comes_during_a_shutdown_is_run_or_turned_away)
{
    for (int i = 0; i < ROUNDS; i++) {
        atomic_int ran = 0;
        via_executor *pool = pool_of(1 + i % 3);
        struct submitter one = {.pool = pool, .ran = &ran}, two = {.pool = pool, .ran = &ran};

        via_test_thread_start(&one.thread, submit_until_refused, &one);
        via_test_thread_start(&two.thread, submit_until_refused, &two);
        AWAIT(atomic_load(&ran) >= i);
        ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
        via_test_thread_join(&one.thread);
        via_test_thread_join(&two.thread);
        ck_assert_int_eq(atomic_load(&ran), one.accepted + two.accepted - one.turned_away - two.turned_away);
        via_executor_unref(pool);
    }
}

/* What a pool looks like while a submitter has its place in the ring and has not filled it: takes the last
 * call that came by the ring out of its slot, to be put back. */
static uintptr_t unfill(via_executor *executor, uint64_t *at)
{
    struct via__ring *ring = &((struct via__pool *)executor)->ring;
    *at = atomic_load(&ring->tail) - 1;
    return atomic_exchange(&ring->slots[via__ring_slot(*at)], 1 - via__ring_lap(*at));
}

static void fill(via_executor *executor, uint64_t at, uintptr_t filled)
{
    atomic_store(&((struct via__pool *)executor)->ring.slots[via__ring_slot(at)], filled);
}

static void set_open(via_executor *executor, int open)
{
    struct via__pool *pool = (struct via__pool *)executor;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->open, open);
    pthread_mutex_unlock(&pool->lock);
}

/* The calls of one thread keep their order although another thread's is still to come before them. */
TEST(no_call_passes_one_of_its_own_thread_behind_a_gap)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *before[2], *after[2 * VIA__RING_SLOTS];
    uint64_t at;

    before[0] = submit(pool, take_turn, (void *)0);
    uintptr_t filled = unfill(pool, &at);
    before[1] = submit(pool, take_turn, (void *)1);
    set_open(pool, 0);
    // By the lock; the ring has room for them.
    for (intptr_t i = 0; i < VIA__RING_SLOTS - 2; i++)
        after[i] = submit(pool, take_turn, (void *)(i + 2));
    ck_assert_uint_eq(stats_of(pool).submitted, VIA__RING_SLOTS + 1);
    fill(pool, at, filled);
    via_test_gate_open(&gate);
    finish(running);
    finish(before[0]);
    finish(before[1]);
    for (int i = 0; i < VIA__RING_SLOTS - 2; i++)
        finish(after[i]);
    close_executor(pool);
}

static void *cancel_what_waits(void *pool)
{
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, via_test_bound_ns()), 0);
    return NULL;
}

static int is_stopping(via_executor *executor)
{
    struct via__pool *pool = (struct via__pool *)executor;
    pthread_mutex_lock(&pool->lock);
    int stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return stopping;
}

TEST(a_shutdown_cancels_calls_behind_a_gap)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_thread thread;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cf[3];
    uint64_t at;

    cf[0] = submit(pool, echo, NULL);
    uintptr_t filled = unfill(pool, &at);
    cf[1] = submit(pool, echo, NULL);
    cf[2] = submit(pool, echo, NULL);
    via_test_thread_start(&thread, cancel_what_waits, pool);
    AWAIT(is_stopping(pool));
    fill(pool, at, filled);
    for (int i = 0; i < 3; i++)
        finish_with(cf[i], VIA_ECANCELED);
    via_test_gate_open(&gate);
    finish(running);
    via_test_thread_join(&thread);
    via_executor_unref(pool);
}

/* Before its shutdown a pool runs what it accepted, also behind a call whose submitter takes its time. */
TEST(a_shutdown_waits_for_calls_behind_a_gap)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *first = submit(pool, echo, NULL), *second;
    uint64_t at;
    uintptr_t filled = unfill(pool, &at);

    second = submit(pool, echo, NULL);
    via_test_gate_open(&gate);
    finish(running);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 20 * VIA_MS), VIA_ETIMEDOUT);
    fill(pool, at, filled);
    finish(first);
    finish(second);
    close_executor(pool);
}

static void *submit_one(void *arg)
{
    struct submitter *submitter = arg;
    struct via_call call = VIA_CALL(count_up, submitter->ran);
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_executor_submit(submitter->pool, &call, &cf), 0);
    finish_with(cf, VIA_ESHUTDOWN);
    return NULL;
}

/* Makes a submitter find a full ring and wait for the lock, so that it saw the way open and has no place yet.
 */
static void hold_back(struct via__pool *pool, struct submitter *submitter)
{
    uint64_t tail = atomic_load(&pool->ring.tail);

    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->open, 1);
    atomic_store(&pool->ring.head_seen, tail - 1);
    atomic_store(&pool->ring.tail, tail + VIA__RING_SLOTS);
    via_test_thread_start(&submitter->thread, submit_one, submitter);
    AWAIT(atomic_load(&pool->ring.head_seen) == tail);
    atomic_store(&pool->ring.tail, tail);
    atomic_store(&pool->open, 0);
    pthread_mutex_unlock(&pool->lock);
}

TEST(a_call_that_comes_too_late_starts_no_thread)
{
    atomic_int ran = 0;
    via_executor *pool = pool_of(2);
    struct submitter late = {.pool = pool, .ran = &ran};

    finish(submit(pool, echo, NULL));
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    hold_back((struct via__pool *)pool, &late);
    via_test_thread_join(&late.thread);
    ck_assert_int_eq(atomic_load(&ran), 0);
    ck_assert_uint_eq(stats_of(pool).workers_peak, 1);
    close_executor(pool);
}

/* Takes a sleeping thread off the stack, as whoever is about to wake it. */
static struct via__worker *take_off_idle(struct via__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct via__worker *worker = pool->idle;
    if (worker) {
        pool->idle = worker->idle_next;
        pool->idle_count--;
        worker->parked = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return worker;
}

/* Whoever wakes it touches it without the lock. */
TEST(a_thread_does_not_end_before_it_was_woken)
{
    via_executor *pool = lingering_pool(0, 50 * VIA_MS);
    struct via__worker *worker = NULL;

    while (!worker) {
        finish(submit(pool, echo, NULL));
        worker = take_off_idle((struct via__pool *)pool);
    }
    // By now, or soon, its time is over.
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 200 * VIA_MS), VIA_ETIMEDOUT);
    via__worker_unpark(worker);
    close_executor(pool);
}

/* Nobody asked for figures meanwhile. */
TEST(the_peak_counts_what_came_by_the_ring)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);

    for (int i = 0; i < 3 * VIA__RING_SLOTS; i++)
        via_cfuture_unref(submit(pool, echo, NULL));
    via_test_gate_open(&gate);
    finish(running);
    finish(submit(pool, echo, NULL));
    ck_assert_uint_ge(stats_of(pool).queued_peak, 2 * VIA__RING_SLOTS);
    close_executor(pool);
}

TEST_MAIN("executor/short_way", a_backlog_longer_than_the_ring_keeps_its_order,
          a_priority_does_not_disturb_the_order_of_the_others, a_cancelled_backlog_is_swept,
          a_call_that_comes_when_the_search_for_it_ends_is_run,
          calls_that_come_while_the_last_thread_goes_are_run,
          what_comes_during_a_shutdown_is_run_or_turned_away,
          no_call_passes_one_of_its_own_thread_behind_a_gap, a_shutdown_cancels_calls_behind_a_gap,
          a_shutdown_waits_for_calls_behind_a_gap, a_call_that_comes_too_late_starts_no_thread,
          a_thread_does_not_end_before_it_was_woken, the_peak_counts_what_came_by_the_ring)
