/* SPDX-License-Identifier: BSD-3-Clause */
/* Process pools under loops and tasks: await, gather, limits of time, cancels, groups, and what the loop
 * knows of calls in other processes. */
#include <event2/event.h>

#include "unit/process/pool_fixture.h"

/* The pool that the tasks below use, served by its own thread or by the loop. */
static via_executor *the_pool;
static via_buffer *the_gate;

static via_loop *open_loop(int is_virtual)
{
    struct via_loop_options options;
    via_loop *loop = NULL;
    via_loop_options_init(&options);
    options.virtual_clock = is_virtual;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    return loop;
}

static int run_task_on(via_loop *loop, via_task_fn fn)
{
    struct via_outcome outcome = {.status = 1};
    via_future *task = via_create_task_with(loop, fn, NULL, NULL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    via_future_unref(task);
    return outcome.status;
}

enum { SERVED_BY_THREAD, SERVED_BY_LOOP, WAYS };

/* Runs a task with a pool of that many workers, served in both ways and over both transports. */
static void run_with_pools(via_task_fn fn, int workers)
{
    for (int way = 0; way < WAYS; way++) {
        EACH_TRANSPORT(transport)
        {
            via_loop *loop = open_loop(0);
            struct via_process_pool_options options = pool_options(workers);
            options.transport = transport;
            options.loop = way == SERVED_BY_LOOP ? loop : NULL;
            the_pool = open_with(&options);
            the_gate = new_gate();
            ck_assert_int_eq(run_task_on(loop, fn), 0);
            close_pool(the_pool);
            via_buffer_unref(the_gate);
            via_loop_unref(loop);
        }
    }
}

/* ---- one call ---- */

static int await_one(void *arg, void **result)
{
    char *value = NULL;
    (void)arg;
    (void)result;
    for (int i = 0; i < 100; i++) {
        struct via_call call = VIA_CALL_BYTES(give_back, &i, sizeof i);
        ck_assert_int_eq(via_await(via_run_in_executor(via_loop_current(), the_pool, &call), (void **)&value),
                         0);
        ck_assert_mem_eq(value, &i, sizeof i);
        free(value);
    }
    return 0;
}

TEST(a_task_awaits_calls_one_after_the_other)
{
    run_with_pools(await_one, 1);
}

static int await_in_place(void *arg, void **result)
{
    static char in[100000];
    struct via_outcome outcome;
    (void)arg;
    (void)result;
    struct via_call call = VIA_CALL_BYTES(give_back, in, sizeof in);
    ck_assert_int_eq(via_await_in_executor(the_pool, &call, &outcome), 0);
    ck_assert_uint_eq(outcome.bytes, sizeof in);
    outcome.destroy(outcome.value);
    int signo = SIGSEGV;
    call = VIA_CALL_BYTES(die_of, &signo, sizeof signo);
    ck_assert_int_eq(via_await_in_executor(the_pool, &call, &outcome), VIA_ECRASHED);
    ck_assert_ptr_nonnull(strstr(outcome.message, "signal 11"));
    return 0;
}

TEST(a_task_gets_the_outcome_of_large_calls_and_of_crashes)
{
    run_with_pools(await_in_place, 1);
}

static void wrap_on(int by_loop)
{
    via_loop *loop = open_loop(0);
    struct via_process_pool_options options = pool_options(1);
    options.loop = by_loop ? loop : NULL;
    the_pool = open_with(&options);
    via_cfuture *cf = submit(the_pool, give_back, "wrapped", 7);
    via_future *future = via_wrap_future(loop, cf);
    struct via_outcome outcome;
    ck_assert_int_eq(via_loop_run_until_complete(loop, future), 0);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_mem_eq(outcome.value, "wrapped", 7);
    via_future_unref(future);
    via_cfuture_unref(cf);
    close_pool(the_pool);
    via_loop_unref(loop);
}

TEST(a_wrapped_future_of_a_process_call_completes_in_the_loop)
{
    wrap_on(0);
    wrap_on(1);
}

/* ---- several ---- */

static int gather_many(void *arg, void **result)
{
    enum { CALLS = 50 };
    via_future *futures[CALLS];
    struct via_outcome outcomes[CALLS];
    (void)arg;
    (void)result;
    for (int i = 0; i < CALLS; i++) {
        struct via_call call = VIA_CALL_BYTES(give_back, &i, sizeof i);
        futures[i] = via_run_in_executor(via_loop_current(), the_pool, &call);
    }
    ck_assert_int_eq(via_await_all(futures, CALLS, 0, outcomes), 0);
    for (int i = 0; i < CALLS; i++) {
        ck_assert_mem_eq(outcomes[i].value, &i, sizeof i);
        outcomes[i].destroy(outcomes[i].value);
    }
    return 0;
}

TEST(a_gather_has_the_answers_in_the_order_of_the_calls)
{
    run_with_pools(gather_many, 2);
}

static int gather_with_crashes(void *arg, void **result)
{
    enum { CALLS = 9 };
    via_future *futures[CALLS];
    struct via_outcome outcomes[CALLS];
    int signo = SIGABRT;
    (void)arg;
    (void)result;
    for (int i = 0; i < CALLS; i++) {
        struct via_call call =
            i % 3 ? VIA_CALL_BYTES(give_back, &i, sizeof i) : VIA_CALL_BYTES(die_of, &signo, sizeof signo);
        futures[i] = via_run_in_executor(via_loop_current(), the_pool, &call);
    }
    ck_assert_int_eq(via_await_all(futures, CALLS, VIA_GATHER_RETURN_ERRORS, outcomes), 0);
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(outcomes[i].status, i % 3 ? 0 : VIA_ECRASHED);
        if (outcomes[i].destroy)
            outcomes[i].destroy(outcomes[i].value);
    }
    return 0;
}

TEST(crashes_are_outcomes_of_a_gather_like_others)
{
    run_with_pools(gather_with_crashes, 2);
}

static int call_in_group(void *way, void **result)
{
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    int signo = SIGABRT;
    (void)result;
    if (way)
        call = VIA_CALL_BYTES(die_of, &signo, sizeof signo);
    return via_await_in_executor(the_pool, &call, NULL);
}

static int fail_a_group(void *arg, void **result)
{
    via_group *group = NULL;
    static int crashes;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_group_begin(NULL, &group), 0);
    via_future_unref(via_group_create_task(group, call_in_group, NULL));
    via_future_unref(via_group_create_task(group, call_in_group, &crashes));
    ck_assert_int_eq(via_group_end(group, 0), VIA_EGROUP);
    via_group_free(group);
    return 0;
}

TEST(a_crash_fails_its_group_and_kills_the_call_that_hangs_beside_it)
{
    run_with_pools(fail_a_group, 2);
}

/* ---- time and cancels ---- */

static int limit_a_call(void *arg, void **result)
{
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    void *value = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(
        via_wait_for(via_run_in_executor(via_loop_current(), the_pool, &call), 5 * VIA_MS, &value),
        VIA_ETIMEDOUT);
    call = VIA_CALL_BYTES(give_back, "x", 1);
    ck_assert_int_eq(
        via_wait_for(via_run_in_executor(via_loop_current(), the_pool, &call), 60 * VIA_S, &value), 0);
    free(value);
    return 0;
}

TEST(a_limit_of_time_kills_a_call_that_hangs)
{
    run_with_pools(limit_a_call, 1);
}

static int await_the_gate(void *arg, void **result)
{
    struct via_call call = VIA_CALL_BUFFER(pass_gate, the_gate);
    (void)arg;
    (void)result;
    return via_await_in_executor(the_pool, &call, NULL);
}

/* Does not heed that it is to end. */
static int arrive_and_hang(via_bytes_call *call, const void *in, size_t bytes)
{
    struct process_gate *gate = via_bytes_in_place(call);
    atomic_fetch_add(&gate->arrived, 1);
    return hang(call, in, bytes);
}

static int await_the_deaf(void *arg, void **result)
{
    struct via_call call = VIA_CALL_BUFFER(arrive_and_hang, the_gate);
    (void)arg;
    (void)result;
    return via_await_in_executor(the_pool, &call, NULL);
}

static int cancel_a_task(void *arg, void **result)
{
    via_future *task = via_create_task(await_the_deaf, NULL);
    (void)arg;
    (void)result;
    while (!atomic_load(&gate_of(the_gate)->arrived))
        ck_assert_int_eq(via_sleep(1 * VIA_MS), 0);
    ck_assert_int_ge(via_task_cancel(task, "enough"), 0);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_uint_eq(process_stats(the_pool).killed, 1);
    return 0;
}

TEST(cancelling_a_task_kills_what_it_awaits)
{
    run_with_pools(cancel_a_task, 1);
}

/* Two that are queued behind the gate are cancelled and never come to it. */
static int cancel_queued(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *running = via_create_task(await_the_gate, NULL);
    while (!atomic_load(&gate_of(the_gate)->arrived))
        ck_assert_int_eq(via_sleep(1 * VIA_MS), 0);
    struct via_call call = VIA_CALL_BUFFER(pass_gate, the_gate);
    via_future *queued = via_run_in_executor(via_loop_current(), the_pool, &call);
    ck_assert_int_ge(via_future_cancel(queued), 0);
    ck_assert_int_eq(via_await(queued, NULL), VIA_EABORTED);
    open_gate(the_gate);
    ck_assert_int_eq(via_await(running, NULL), 0);
    ck_assert_int_eq(atomic_load(&gate_of(the_gate)->arrived), 1);
    return 0;
}

TEST(a_queued_call_of_a_loop_is_cancelled_and_never_runs)
{
    run_with_pools(cancel_queued, 1);
}

/* ---- what the loop knows ---- */

static int limit_virtually(void *arg, void **result)
{
    struct via_call call = VIA_CALL_BYTES(give_back, "x", 1);
    void *value = NULL;
    (void)arg;
    (void)result;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(
            via_wait_for(via_run_in_executor(via_loop_current(), the_pool, &call), VIA_S, &value), 0);
        free(value);
    }
    ck_assert_int_eq(via_sleep(3600 * VIA_S), 0);
    return 0;
}

TEST(a_virtual_clock_waits_for_calls_in_processes)
{
    for (int way = 0; way < WAYS; way++) {
        via_loop *loop = open_loop(1);
        struct via_process_pool_options options = pool_options(1);
        options.loop = way == SERVED_BY_LOOP ? loop : NULL;
        the_pool = open_with(&options);
        ck_assert_int_eq(run_task_on(loop, limit_virtually), 0);
        close_pool(the_pool);
        via_loop_unref(loop);
    }
}

static int await_what_nobody_ends(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_await(via_future_new(via_loop_current()), NULL);
}

TEST(an_idle_pool_keeps_no_loop_waiting_for_what_cannot_come)
{
    for (int way = 0; way < WAYS; way++) {
        via_loop *loop = open_loop(0);
        struct via_process_pool_options options = pool_options(1);
        options.loop = way == SERVED_BY_LOOP ? loop : NULL;
        the_pool = open_with(&options);
        ck_assert_int_eq(run_task_on(loop, await_one), 0);
        via_future *task = via_create_task_with(loop, await_what_nobody_ends, NULL, NULL);
        ck_assert_int_eq(via_loop_run_until_complete(loop, task), VIA_EDEADLK);
        via_future_unref(task);
        close_pool(the_pool);
        via_loop_unref(loop);
    }
}

static int count_done(via_future *future, void *arg)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, 0);
    ++*(int *)arg;
    return 0;
}

/* The program's own base: it is kept running by calls that are out, and by nothing else. */
TEST(calls_in_processes_keep_an_attached_base_running_until_they_are_done)
{
    enum { CALLS = 20 };
    for (int way = 0; way < WAYS; way++) {
        struct event_base *base = event_base_new();
        via_loop *loop = NULL;
        int done = 0;
        ck_assert_int_eq(via_loop_attach(base, &loop), 0);
        struct via_process_pool_options options = pool_options(2);
        options.loop = way == SERVED_BY_LOOP ? loop : NULL;
        the_pool = open_with(&options);
        for (int i = 0; i < CALLS; i++) {
            struct via_call call = VIA_CALL_BYTES(give_back, &i, sizeof i);
            via_future *future = via_run_in_executor(loop, the_pool, &call);
            ck_assert_int_eq(via_future_add_done_callback(future, count_done, &done), 0);
            via_future_unref(future);
        }
        ck_assert_int_ge(event_base_dispatch(base), 0);
        ck_assert_int_eq(done, CALLS);
        via_loop_unref(loop);
        close_pool(the_pool);
        event_base_free(base);
    }
}

/* ---- other executors ---- */

/* A strand runs its calls itself, and what runs "without an executor" are pointer calls. */
TEST(a_process_pool_is_nothing_for_a_strand_and_no_default_executor)
{
    via_loop *loop = open_loop(0);
    via_executor *strand = NULL;
    the_pool = open_pool(1);
    ck_assert_int_eq(via_serial_new(the_pool, &strand), VIA_ENOTSUP);
    ck_assert_ptr_null(strand);
    ck_assert_int_eq(via_loop_set_default_executor(loop, the_pool), VIA_ENOTSUP);
    close_pool(the_pool);
    via_loop_unref(loop);
}

/* ---- waits from calls in threads ---- */

static int wait_for_process(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return finish(submit(the_pool, give_back, "x", 1));
}

TEST(calls_in_threads_wait_for_calls_in_processes)
{
    via_executor *threads = NULL;
    via_cfuture *cf[8];
    the_pool = open_pool(1);
    ck_assert_int_eq(via_thread_pool_new(NULL, &threads), 0);
    for (int i = 0; i < 8; i++) {
        struct via_call call = VIA_CALL(wait_for_process, NULL);
        cf[i] = submit_call(threads, &call);
    }
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    ck_assert_int_eq(via_executor_shutdown(threads, 0, via_test_bound_ns()), 0);
    via_executor_unref(threads);
    close_pool(the_pool);
}

/* ---- shutting down ---- */

static int shut_down(void *arg, void **result)
{
    const unsigned all = VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING;
    struct via_call waits = VIA_CALL_BUFFER(pass_gate, the_gate), hangs = VIA_CALL_BYTES(hang, NULL, 0);
    via_loop *loop = via_loop_current();
    struct via_stuck_call stuck;
    (void)arg;
    (void)result;
    via_future *hanging = via_run_in_executor(loop, the_pool, &hangs);
    via_future *waiting = via_run_in_executor(loop, the_pool, &waits);
    while (atomic_load(&gate_of(the_gate)->arrived) == 0)
        ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_await(via_executor_shutdown_async(loop, the_pool, 0, VIA_MS), NULL), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_future_done(waiting), 0);
    ck_assert_int_ge(via_executor_stuck(the_pool, &stuck, 1), 1);
    open_gate(the_gate);
    ck_assert_int_eq(via_await(waiting, NULL), 0);
    ck_assert_int_eq(via_await(via_executor_shutdown_async(loop, the_pool, all, 60 * VIA_S), NULL), 0);
    ck_assert_int_lt(via_await(hanging, NULL), 0);
    return 0;
}

TEST(a_task_shuts_a_pool_down_with_a_deadline_and_then_with_force)
{
    run_with_pools(shut_down, 2);
}

PROCESS_TEST_MAIN("integration/processes", a_task_awaits_calls_one_after_the_other,
                  a_task_gets_the_outcome_of_large_calls_and_of_crashes,
                  a_wrapped_future_of_a_process_call_completes_in_the_loop,
                  a_gather_has_the_answers_in_the_order_of_the_calls,
                  crashes_are_outcomes_of_a_gather_like_others,
                  a_crash_fails_its_group_and_kills_the_call_that_hangs_beside_it,
                  a_limit_of_time_kills_a_call_that_hangs, cancelling_a_task_kills_what_it_awaits,
                  a_queued_call_of_a_loop_is_cancelled_and_never_runs,
                  a_virtual_clock_waits_for_calls_in_processes,
                  an_idle_pool_keeps_no_loop_waiting_for_what_cannot_come,
                  calls_in_processes_keep_an_attached_base_running_until_they_are_done,
                  a_process_pool_is_nothing_for_a_strand_and_no_default_executor,
                  calls_in_threads_wait_for_calls_in_processes,
                  a_task_shuts_a_pool_down_with_a_deadline_and_then_with_force)
