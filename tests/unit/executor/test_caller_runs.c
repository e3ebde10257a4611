/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of a full pool that their submitters run, and the pool's shutdown: it counts them with its own. */
#include "unit/executor/fixture.h"

struct pair {
    via_executor *pool;
    struct via_test_gate worker, caller; /* where the calls are */
    via_cfuture *running, *waiting;
    struct via_test_thread thread;
    struct via_call call; /* the one that is run by its submitter */
    int status;
};

/* A pool with one worker, which is busy, and a full queue. */
static void fill(struct pair *pair)
{
    struct via_thread_pool_options options;

    *pair = (struct pair){.worker = VIA_TEST_GATE_INITIALIZER, .caller = VIA_TEST_GATE_INITIALIZER};
    pair->call = VIA_CALL(via_test_gate_call, &pair->caller);
    pair->call.name = "here";
    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.max_queued = 1;
    options.when_full = VIA_FULL_CALLER_RUNS;
    ck_assert_int_eq(via_thread_pool_new(&options, &pair->pool), 0);
    pair->running = occupy(pair->pool, &pair->worker);
    pair->waiting = submit(pair->pool, echo, NULL);
}

static void *submit_one(void *arg)
{
    struct pair *pair = arg;
    via_cfuture *cf = submit_call(pair->pool, &pair->call);

    pair->status = status_of(cf);
    return via_cfuture_unref(cf);
}

static void start_here(struct pair *pair)
{
    via_test_thread_start(&pair->thread, submit_one, pair);
    via_test_gate_await(&pair->caller, 1);
}

static void end_worker(struct pair *pair)
{
    via_test_gate_open(&pair->worker);
    finish(pair->running);
    finish(pair->waiting);
}

TEST(a_shutdown_waits_for_a_call_that_its_submitter_runs)
{
    struct pair pair;

    fill(&pair);
    start_here(&pair);
    end_worker(&pair);
    ck_assert_int_eq(via_executor_shutdown(pair.pool, 0, VIA_MS), VIA_ETIMEDOUT);
    AWAIT(stats_of(pair.pool).workers == 0);
    ck_assert_int_eq(via_executor_shutdown(pair.pool, 0, VIA_MS), VIA_ETIMEDOUT);
    via_test_gate_open(&pair.caller);
    ck_assert_int_eq(via_executor_shutdown(pair.pool, 0, via_test_bound_ns()), 0);
    ck_assert_uint_eq(stats_of(pair.pool).completed, 3);
    ck_assert_uint_eq(stats_of(pair.pool).running, 0);
    via_test_thread_join(&pair.thread);
    ck_assert_int_eq(pair.status, 0);
    close_executor(pair.pool);
}

TEST(a_call_that_its_submitter_runs_is_listed)
{
    struct pair pair;
    struct via_stuck_call stuck[3];

    fill(&pair);
    start_here(&pair);
    ck_assert_uint_eq(stats_of(pair.pool).running, 2);
    end_worker(&pair);
    AWAIT(stats_of(pair.pool).running == 1);
    ck_assert_int_eq(via_executor_stuck(pair.pool, stuck, 3), 1);
    ck_assert_str_eq(stuck[0].name, "here");
    ck_assert_ptr_eq(stuck[0].function, (void *)(uintptr_t)via_test_gate_call);
    ck_assert_int_eq(stuck[0].thread_id, pair.thread.tid);
    ck_assert_int_ge(stuck[0].running_ns, 0);
    via_test_gate_open(&pair.caller);
    via_test_thread_join(&pair.thread);
    ck_assert_int_eq(via_executor_stuck(pair.pool, stuck, 3), 0);
    close_executor(pair.pool);
}

static int sleep_on(void *gate, void **result)
{
    (void)result;
    via_test_gate_pass(gate);
    return via_call_sleep(VIA_FOREVER);
}

TEST(a_forced_shutdown_asks_a_call_that_its_submitter_runs_to_stop)
{
    struct pair pair;

    fill(&pair);
    pair.call.fn = sleep_on;
    start_here(&pair);
    end_worker(&pair);
    via_test_gate_open(&pair.caller);
    ck_assert_int_eq(via_executor_shutdown(pair.pool, VIA_SHUTDOWN_CANCEL_RUNNING, via_test_bound_ns()), 0);
    via_test_thread_join(&pair.thread);
    ck_assert_int_eq(pair.status, VIA_ECANCELED);
    close_executor(pair.pool);
}

static int end_thread(void *gate, void **result)
{
    (void)result;
    via_test_gate_pass(gate);
    pthread_exit(NULL);
}

static void *submit_for_nobody(void *arg)
{
    struct pair *pair = arg;

    (void)via_executor_submit(pair->pool, &pair->call, NULL);
    return NULL;
}

TEST(a_submitter_that_a_call_ends_is_not_waited_for)
{
    struct pair pair;

    fill(&pair);
    pair.call.fn = end_thread;
    via_test_thread_start(&pair.thread, submit_for_nobody, &pair);
    via_test_gate_await(&pair.caller, 1);
    end_worker(&pair);
    via_test_gate_open(&pair.caller);
    via_test_thread_join(&pair.thread);
    ck_assert_uint_eq(stats_of(pair.pool).running, 0);
    close_executor(pair.pool);
}

TEST_MAIN("executor/caller_runs", a_shutdown_waits_for_a_call_that_its_submitter_runs,
          a_call_that_its_submitter_runs_is_listed,
          a_forced_shutdown_asks_a_call_that_its_submitter_runs_to_stop,
          a_submitter_that_a_call_ends_is_not_waited_for)
