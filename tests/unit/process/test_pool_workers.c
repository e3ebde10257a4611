/* SPDX-License-Identifier: BSD-3-Clause */
/* How many workers a pool has, how long they last, and that none stays behind. */
#include "pool_inside.h"

#include <pthread.h>

static int list_workers(via_executor *pool, long *pids, size_t capacity)
{
    int count = via_process_pool_workers(pool, pids, capacity);
    ck_assert_int_ge(count, 0);
    return count;
}

TEST(a_saturated_pool_never_has_more_than_its_workers)
{
    enum { WORKERS = 3, CALLS = 15 * WORKERS };
    via_executor *pool = open_pool(WORKERS);
    via_buffer *gate = new_gate();
    via_cfuture *cf[CALLS];
    for (int i = 0; i < CALLS; i++)
        cf[i] = submit_gate(pool, gate);
    await_arrivals(gate, WORKERS);
    ck_assert_int_eq(list_workers(pool, NULL, 0), WORKERS);
    open_gate(gate);
    for (int i = 0; i < CALLS; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    ck_assert_uint_eq(executor_stats(pool).workers_peak, WORKERS);
    ck_assert_uint_eq(process_stats(pool).started, WORKERS);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(calls_one_after_the_other_use_one_worker)
{
    via_executor *pool = open_pool(4);
    long first = pid_of_worker(pool);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(pid_of_worker(pool), first);
    ck_assert_uint_eq(process_stats(pool).started, 1);
    close_pool(pool);
}

TEST(idle_workers_are_used_again_before_others_are_started)
{
    via_executor *pool = open_pool(8);
    for (int round = 0; round < 4; round++) {
        via_buffer *gate = new_gate();
        via_cfuture *cf[3];
        for (int i = 0; i < 3; i++)
            cf[i] = occupy(pool, gate);
        open_gate(gate);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(finish(cf[i]), 0);
        via_buffer_unref(gate);
    }
    ck_assert_uint_eq(process_stats(pool).started, 3);
    close_pool(pool);
}

TEST(a_pool_has_as_many_workers_as_there_are_cpus)
{
    struct via_process_pool_options options;
    cpu_set_t mine;
    via_process_pool_options_init(&options);
    ck_assert_int_eq(sched_getaffinity(0, sizeof mine, &mine), 0);
    ck_assert_int_ge(options.max_workers, 1);
    ck_assert_int_le(options.max_workers, CPU_COUNT(&mine));
    via_executor *pool = NULL;
    ck_assert_int_eq(via_process_pool_new(NULL, &pool), 0);
    ck_assert_uint_eq(executor_stats(pool).workers_max, (size_t)options.max_workers);
    close_pool(pool);
}

/* ---- workers that end after their calls ---- */

TEST(a_worker_serves_its_number_of_calls_and_no_more)
{
    enum { CALLS = 6 };
    struct via_process_pool_options options = pool_options(1);
    options.max_calls = 2;
    via_executor *pool = open_with(&options);
    via_cfuture *cf[CALLS];
    long pids[CALLS];
    for (int i = 0; i < CALLS; i++)
        cf[i] = submit(pool, tell_pid, NULL, 0);
    for (int i = 0; i < CALLS; i++) {
        struct via_outcome outcome = wait_outcome(cf[i]);
        ck_assert_int_eq(outcome.status, 0);
        memcpy(&pids[i], outcome.value, sizeof pids[i]);
        via_cfuture_unref(cf[i]);
        if (i % 2)
            ck_assert_int_eq(pids[i], pids[i - 1]);
        else if (i)
            ck_assert_int_ne(pids[i], pids[i - 1]);
    }
    ck_assert_uint_eq(process_stats(pool).started, CALLS / 2);
    AWAIT(process_stats(pool).recycled == CALLS / 2);
    close_pool(pool);
}

TEST(workers_are_replaced_while_a_pool_shuts_down)
{
    enum { CALLS = 6 };
    for (int waits = 0; waits < 2; waits++) {
        struct via_process_pool_options options = pool_options(2);
        options.max_calls = 1;
        via_executor *pool = open_with(&options);
        via_cfuture *cf[CALLS];
        for (int i = 0; i < CALLS; i++)
            cf[i] = submit(pool, give_back, &i, sizeof i);
        (void)via_executor_shutdown(pool, 0, waits ? via_test_bound_ns() : 0);
        for (int i = 0; i < CALLS; i++) {
            ck_assert_int_eq(wait_outcome(cf[i]).status, 0);
            ck_assert_mem_eq(wait_outcome(cf[i]).value, &i, sizeof i);
            via_cfuture_unref(cf[i]);
        }
        close_pool(pool);
    }
}

/* ---- workers that are killed ---- */

TEST(an_idle_worker_that_is_killed_is_replaced)
{
    via_executor *pool = open_pool(1);
    for (int i = 0; i < 3; i++) {
        long pid = pid_of_worker(pool);
        ck_assert_int_eq(kill((pid_t)pid, SIGTERM), 0);
        AWAIT(list_workers(pool, NULL, 0) == 0);
        ck_assert_int_ne(pid_of_worker(pool), pid);
    }
    ck_assert_uint_eq(process_stats(pool).crashed, 0);
    close_pool(pool);
}

TEST(what_a_dead_worker_leaves_behind_is_cleared_away)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        int before = via_test_descriptors();
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(kill((pid_t)pid_of_worker(pool), SIGKILL), 0);
            AWAIT(list_workers(pool, NULL, 0) == 0);
        }
        AWAIT(via_test_descriptors() == before);
        close_pool(pool);
    }
}

TEST(a_call_whose_worker_is_killed_by_others_has_crashed)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    ck_assert_int_eq(kill((pid_t)atomic_load(&gate_of(gate)->pid), SIGTERM), 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_int_eq(outcome.process->signal, SIGTERM);
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(killing_by_force_and_shutting_down_ends_calls_that_hang)
{
    via_executor *pool = open_pool(2);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate), *second = submit(pool, hang, NULL, 0);
    AWAIT(executor_stats(pool).running == 2);
    ck_assert_int_eq(via_process_pool_kill(pool), 2);
    unsigned flags = VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING;
    ck_assert_int_eq(via_executor_shutdown(pool, flags, via_test_bound_ns()), 0);
    ck_assert_int_eq(finish(first), VIA_ECRASHED);
    ck_assert_int_lt(finish(second), 0);
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_process_pool_kill(pool), 0);
    via_executor_unref(pool);
    via_buffer_unref(gate);
}

TEST(killing_where_nothing_was_started_is_no_error)
{
    via_executor *pool = open_pool(2);
    ck_assert_int_eq(via_process_pool_kill(pool), 0);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

static int exit_at_once(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    exit(9);
}

TEST(killing_the_workers_of_a_broken_pool_is_no_error)
{
    struct via_process_pool_options options = pool_options(1);
    options.initializer = exit_at_once;
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), VIA_EBROKEN);
    ck_assert_int_ge(via_process_pool_kill(pool), 0);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), VIA_EBROKEN);
    close_pool(pool);
}

/* ---- nothing stays behind ---- */

/* Three workers with a call each, waiting at the gate. */
static void fill_three(via_executor *pool, via_buffer *gate, via_cfuture **cf, long *pids)
{
    for (int i = 0; i < 3; i++) {
        cf[i] = occupy(pool, gate);
        pids[i] = atomic_load(&gate_of(gate)->pid);
    }
    ck_assert_int_ne(pids[0], pids[1]);
    ck_assert_int_ne(pids[1], pids[2]);
    ck_assert_int_ne(pids[2], pids[0]);
}

TEST(shutting_down_ends_every_worker)
{
    via_executor *pool = open_pool(3);
    via_buffer *gate = new_gate();
    via_cfuture *cf[3];
    long pids[3];
    fill_three(pool, gate, cf, pids);
    open_gate(gate);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(cf[i]), 0);
        ck_assert_int_eq(is_dead(pids[i]), 1);
    }
    via_executor_unref(pool);
    via_buffer_unref(gate);
}

TEST(dropping_the_pool_ends_its_thread_and_every_worker)
{
    int threads = via_test_threads();
    via_executor *pool = open_pool(3);
    via_buffer *gate = new_gate();
    via_cfuture *cf[3];
    long pids[3];
    fill_three(pool, gate, cf, pids);
    via_executor_unref(pool);
    open_gate(gate);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    via_test_await_threads(threads);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(is_dead(pids[i]), 1);
    via_buffer_unref(gate);
}

TEST(after_a_shutdown_without_waiting_results_come_and_workers_end)
{
    int threads = via_test_threads();
    via_executor *pool = open_pool(3);
    via_buffer *gate = new_gate();
    via_cfuture *cf[3];
    long pids[3];
    fill_three(pool, gate, cf, pids);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    open_gate(gate);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    via_test_await_threads(threads);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(is_dead(pids[i]), 1);
    via_executor_unref(pool);
    via_buffer_unref(gate);
}

/* How many mappings of memory files this process has. */
static int count_mappings(via_bytes_call *call, const void *in, size_t bytes)
{
    char line[512];
    int count = 0;
    (void)in;
    (void)bytes;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        count += strstr(line, "/memfd:") != NULL;
    if (maps)
        fclose(maps);
    int *out = via_bytes_out(call, sizeof count);
    if (!out)
        return VIA_ENOMEM;
    *out = count;
    return 0;
}

static int mappings_of_worker(via_executor *pool)
{
    via_cfuture *cf = submit(pool, count_mappings, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    int count;
    ck_assert_int_eq(outcome.status, 0);
    memcpy(&count, outcome.value, sizeof count);
    via_cfuture_unref(cf);
    return count;
}

TEST(a_worker_lets_go_of_inputs_that_the_program_has_released)
{
    enum { BUFFERS = 40 };
    via_executor *pool = open_pool(1);
    via_buffer *buffers[BUFFERS];
    int before = mappings_of_worker(pool);
    for (int i = 0; i < BUFFERS; i++) {
        ck_assert_int_eq(via_buffer_new(NULL, 100000, 0, &buffers[i]), 0);
        struct via_call call = VIA_CALL_BUFFER(do_nothing, buffers[i]);
        ck_assert_int_eq(finish(submit_call(pool, &call)), 0);
    }
    ck_assert_int_ge(mappings_of_worker(pool), before + BUFFERS / 2);
    for (int i = 0; i < BUFFERS; i++)
        via_buffer_unref(buffers[i]);
    AWAIT(mappings_of_worker(pool) <= before + 1);
    close_pool(pool);
}

/* ---- what the system refuses ---- */

static _Atomic int refuses_threads, made_threads;

/* The linker puts this before the C library's own (see tests/local.mk). */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
    made_threads++;
    return refuses_threads ? EAGAIN : __real_pthread_create(thread, attributes, fn, arg);
}

TEST(without_a_thread_to_serve_it_there_is_no_pool)
{
    via_executor *pool = NULL;
    struct via_process_pool_options options = pool_options(1);
    char why[200] = "";
    options.why = why;
    options.why_bytes = sizeof why;
    refuses_threads = 1;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_EAGAIN);
    refuses_threads = 0;
    ck_assert_ptr_null(pool);
    ck_assert_str_ne(why, "");
    close_pool(open_pool(1));
}

/* To make one takes a loop's thread longer than everything else there. */
TEST(no_thread_is_made_when_the_helper_process_is_started_again)
{
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    int before = made_threads;
    refuses_threads = 1;
    kill(inside(pool)->zygote.pid, SIGKILL);
    RUN_UNTIL(loop, process_stats(pool).helper_restarts == 1);
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
    ck_assert_int_eq(made_threads, before);
    refuses_threads = 0;
    via_loop_unref(loop);
}

PROCESS_TEST_MAIN(
    "process/pool_workers", a_saturated_pool_never_has_more_than_its_workers,
    calls_one_after_the_other_use_one_worker, idle_workers_are_used_again_before_others_are_started,
    a_pool_has_as_many_workers_as_there_are_cpus, a_worker_serves_its_number_of_calls_and_no_more,
    workers_are_replaced_while_a_pool_shuts_down, an_idle_worker_that_is_killed_is_replaced,
    what_a_dead_worker_leaves_behind_is_cleared_away, a_call_whose_worker_is_killed_by_others_has_crashed,
    killing_by_force_and_shutting_down_ends_calls_that_hang, killing_where_nothing_was_started_is_no_error,
    killing_the_workers_of_a_broken_pool_is_no_error, shutting_down_ends_every_worker,
    dropping_the_pool_ends_its_thread_and_every_worker,
    after_a_shutdown_without_waiting_results_come_and_workers_end,
    a_worker_lets_go_of_inputs_that_the_program_has_released, without_a_thread_to_serve_it_there_is_no_pool,
    no_thread_is_made_when_the_helper_process_is_started_again)
