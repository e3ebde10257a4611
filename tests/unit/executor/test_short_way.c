/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way into a pool: calls that come without the lock while workers come, go and end. */
#include "unit/executor/fixture.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "executor/ring.h"

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

TEST_MAIN("executor/short_way", a_backlog_longer_than_the_ring_keeps_its_order,
          a_priority_does_not_disturb_the_order_of_the_others, a_cancelled_backlog_is_swept,
          a_call_that_comes_when_the_search_for_it_ends_is_run,
          calls_that_come_while_the_last_thread_goes_are_run,
          what_comes_during_a_shutdown_is_run_or_turned_away)
