/* SPDX-License-Identifier: BSD-3-Clause */
/* Process pools: calls, their outcomes, and what becomes of a call whose worker dies. */
#include "pool_fixture.h"

static struct via_process_pool_stats stats_of(via_executor *pool)
{
    struct via_process_pool_stats stats;
    ck_assert_int_eq(via_process_pool_get_stats(pool, &stats), 0);
    return stats;
}

static void round_trip(int transport)
{
    struct via_process_pool_options options = pool_options(1);
    options.transport = transport;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, give_back, "hello", 5);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 5);
    ck_assert_mem_eq(outcome.value, "hello", 5);
    ck_assert_int_eq(stats_of(pool).transport, transport);
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(a_call_runs_in_another_process_and_brings_its_answer)
{
    via_executor *pool = open_pool(1);
    ck_assert_int_ne(pid_of_worker(pool), (long)getpid());
    close_pool(pool);
}

TEST(shared_memory_carries_calls_and_answers)
{
    round_trip(VIA_TRANSPORT_SHARED);
}

TEST(sockets_carry_calls_and_answers)
{
    round_trip(VIA_TRANSPORT_SOCKET);
}

static int fail_with_text(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return via_fail(-2, "no such %s", "name");
}

static int fail_with_code(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return 7;
}

TEST(an_error_of_the_function_arrives_with_code_and_text)
{
    via_executor *pool = open_pool(1);
    via_cfuture *cf = submit(pool, fail_with_text, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, -2);
    ck_assert_str_eq(outcome.message, "no such name");
    via_cfuture_unref(cf);
    cf = submit(pool, fail_with_code, NULL, 0);
    outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 7);
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(a_crash_fails_the_call_that_crashed_and_no_other)
{
    via_executor *pool = open_pool(1);
    int signo = SIGSEGV;
    via_cfuture *crash = submit(pool, die_of, &signo, sizeof signo);
    via_cfuture *after = submit(pool, give_back, "ok", 2);
    struct via_outcome outcome = wait_outcome(crash);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_ptr_nonnull(outcome.process);
    ck_assert_int_eq(outcome.process->signal, SIGSEGV);
    ck_assert_int_eq(outcome.process->exit_status, -1);
    ck_assert_int_gt(outcome.process->pid, 0);
    ck_assert_int_eq(outcome.process->tries, 1);
    ck_assert_ptr_nonnull(strstr(outcome.message, "killed by signal 11"));
    ck_assert_int_eq(finish(after), 0);
    via_cfuture_unref(crash);
    ck_assert_uint_eq(stats_of(pool).crashed, 1);
    close_pool(pool);
}

TEST(a_function_that_exits_has_crashed_even_with_status_0)
{
    via_executor *pool = open_pool(1);
    for (int status = 0; status < 2; status++) {
        via_cfuture *cf = submit(pool, exit_with, &status, sizeof status);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, VIA_ECRASHED);
        ck_assert_int_eq(outcome.process->exit_status, status);
        ck_assert_int_eq(outcome.process->signal, 0);
        via_cfuture_unref(cf);
    }
    close_pool(pool);
}

TEST(a_timeout_kills_a_call_that_blocks_every_signal)
{
    via_executor *pool = open_pool(1);
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    call.timeout_ns = 10 * VIA_MS;
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    ck_assert_int_eq(outcome.process->signal, SIGKILL);
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_uint_eq(stats_of(pool).timed_out, 1);
    close_pool(pool);
}

TEST(a_queued_call_is_cancelled_and_never_runs)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate);
    via_cfuture *second = submit_gate(pool, gate);
    ck_assert_int_eq(via_cfuture_cancel(second), VIA_CANCEL_NEVER_RAN);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(via_cfuture_state(second), VIA_CANCELLED);
    via_cfuture_unref(second);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->arrived), 1);
    close_pool(pool);
    via_buffer_unref(gate);
}

// Says that it has come, and heeds nothing.
static int stay(via_bytes_call *call, const void *in, size_t bytes)
{
    struct process_gate *gate = via_bytes_in_place(call);
    atomic_fetch_add(&gate->arrived, 1);
    return hang(call, in, bytes);
}

TEST(a_running_call_that_is_cancelled_is_killed)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    struct via_call call = VIA_CALL_BUFFER(stay, gate);
    via_cfuture *cf = submit_call(pool, &call);
    await_arrivals(gate, 1);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ECANCELED);
    ck_assert_int_eq(outcome.process->signal, SIGKILL);
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_running_call_may_be_given_time_to_notice_a_cancel)
{
    struct via_process_pool_options options = pool_options(1);
    options.cancel_grace_ns = 60 * VIA_S;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(finish(cf), VIA_ECANCELED);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->asked), 1);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->pid), pid_of_worker(pool));
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_call_is_running_only_on_its_workers_word)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate);
    via_cfuture *second = submit_gate(pool, gate);
    AWAIT(via_cfuture_state(first) == VIA_RUNNING);
    ck_assert_int_eq(via_cfuture_state(second), VIA_PENDING);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(finish(second), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(many_calls_come_back_each_with_its_own_answer)
{
    enum { COUNT = 2000 };
    via_executor *pool = open_pool(2);
    static via_cfuture *cf[COUNT];
    for (int i = 0; i < COUNT; i++)
        cf[i] = submit(pool, give_back, &i, sizeof i);
    for (int i = 0; i < COUNT; i++) {
        struct via_outcome outcome = wait_outcome(cf[i]);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_mem_eq(outcome.value, &i, sizeof i);
        via_cfuture_unref(cf[i]);
    }
    close_pool(pool);
}

static int fill(via_bytes_call *call, const void *in, size_t bytes)
{
    size_t wanted;
    (void)bytes;
    memcpy(&wanted, in, sizeof wanted);
    char *out = via_bytes_out(call, wanted);
    if (!out)
        return VIA_ENOMEM;
    memset(out, 'x', wanted);
    return 0;
}

TEST(inputs_and_answers_of_every_size_cross)
{
    via_executor *pool = open_pool(1);
    static const size_t sizes[] = {0, 1, 168, 169, 208, 209, 4096, 65536, 65537, 1 << 20, 5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *in = malloc(sizes[i] + 1);
        memset(in, (int)('a' + i), sizes[i]);
        via_cfuture *cf = submit(pool, give_back, in, sizes[i]);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_uint_eq(outcome.bytes, sizes[i]);
        ck_assert(sizes[i] == 0 || memcmp(outcome.value, in, sizes[i]) == 0);
        via_cfuture_unref(cf);
        free(in);
    }
    close_pool(pool);
}

TEST(what_is_longer_than_the_limits_is_refused_with_a_reason)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_in_bytes = 1000;
    options.max_out_bytes = 2000;
    via_executor *pool = open_with(&options);
    char in[1001] = {0};
    struct via_call call = VIA_CALL_BYTES(give_back, in, sizeof in);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_EMSGSIZE);
    ck_assert_ptr_null(cf);
    size_t wanted = 2001;
    cf = submit(pool, fill, &wanted, sizeof wanted);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EMSGSIZE);
    ck_assert_ptr_nonnull(strstr(outcome.message, "2001"));
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(a_pointer_to_data_is_refused_before_anything_is_sent)
{
    static int data;
    via_executor *pool = open_pool(1);
    struct via_call call = VIA_CALL_BYTES((via_bytes_fn)(uintptr_t)&data, NULL, 0);
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EINVAL);
    ck_assert_ptr_nonnull(outcome.message);
    via_cfuture_unref(cf);
    ck_assert_uint_eq(stats_of(pool).started, 0);
    close_pool(pool);
}

TEST(a_pointer_call_is_not_supported)
{
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(via_test_gate_call, &gate);
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_ENOTSUP);
    close_pool(pool);
}

static int crash_first(via_bytes_call *call, const void *in, size_t bytes)
{
    struct process_gate *gate = via_bytes_in_place(call);
    (void)in;
    (void)bytes;
    if (atomic_fetch_add(&gate->arrived, 1) < atomic_load(&gate->passes))
        abort();
    return 0;
}

TEST(a_call_that_may_run_twice_is_started_again_after_a_crash)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    struct via_call call = VIA_CALL_BUFFER(crash_first, gate);
    atomic_store(&gate_of(gate)->passes, 2);
    call.retries = 2;
    ck_assert_int_eq(finish(submit_call(pool, &call)), 0);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->arrived), 3);
    ck_assert_uint_eq(stats_of(pool).retried, 2);
    atomic_store(&gate_of(gate)->arrived, 0);
    call.retries = 1;
    ck_assert_int_eq(finish(submit_call(pool, &call)), VIA_ECRASHED);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->arrived), 2);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_loop_serves_its_pool)
{
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new(&loop), 0);
    struct via_process_pool_options options = pool_options(1);
    options.loop = loop;
    via_executor *pool = open_with(&options);
    int threads = via_test_threads();
    via_cfuture *cf = submit(pool, give_back, "loop", 4);
    ck_assert_int_eq(via_cfuture_wait(cf, 0), VIA_ETIMEDOUT);
    RUN_UNTIL(loop, via_cfuture_done(cf));
    ck_assert_mem_eq(wait_outcome(cf).value, "loop", 4);
    ck_assert_int_eq(via_test_threads(), threads);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    via_executor_unref(pool);
    via_loop_unref(loop);
}

TEST(shutting_down_lets_queued_calls_finish)
{
    via_executor *pool = open_pool(1);
    via_cfuture *cf[8];
    for (int i = 0; i < 8; i++)
        cf[i] = submit(pool, give_back, &i, sizeof i);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    for (int i = 0; i < 8; i++) {
        ck_assert(via_cfuture_done(cf[i]));
        ck_assert_int_eq(finish(cf[i]), 0);
    }
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_process_pool_workers(pool, NULL, 0), 0);
    via_executor_unref(pool);
}

TEST(shutting_down_by_force_ends_what_runs_and_what_waits)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate);
    via_cfuture *second = submit_gate(pool, gate);
    unsigned flags = VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING;
    ck_assert_int_eq(via_executor_shutdown(pool, flags, via_test_bound_ns()), 0);
    ck_assert_int_eq(finish(first), VIA_ECANCELED);
    ck_assert_int_eq(via_cfuture_state(second), VIA_CANCELLED);
    via_cfuture_unref(second);
    via_executor_unref(pool);
    via_buffer_unref(gate);
}

// Quick, unless it is given a gate.
static int pass_gate_if_any(via_bytes_call *call, const void *in, size_t bytes)
{
    return bytes ? pass_gate(call, in, bytes) : 0;
}

static void call_back_what_was_given_ahead(int transport)
{
    enum { PROOF = 120, AHEAD = 5 };
    struct via_process_pool_options options = pool_options(1);
    options.transport = transport;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    for (int i = 0; i < PROOF; i++)
        ck_assert_int_eq(finish(submit(pool, pass_gate_if_any, NULL, 0)), 0);
    struct via_call call = VIA_CALL_BUFFER(pass_gate_if_any, gate);
    via_cfuture *first = submit_call(pool, &call), *behind[AHEAD];
    await_arrivals(gate, 1);
    for (int i = 0; i < AHEAD; i++)
        behind[i] = submit(pool, pass_gate_if_any, NULL, 0);
    (void)via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, 0);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    for (int i = 0; i < AHEAD; i++) {
        (void)via_cfuture_wait(behind[i], via_test_bound_ns());
        ck_assert_int_eq(via_cfuture_state(behind[i]), VIA_CANCELLED);
        via_cfuture_unref(behind[i]);
    }
    ck_assert_uint_eq(stats_of(pool).corrupt, 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(what_was_given_ahead_through_shared_memory_is_called_back)
{
    call_back_what_was_given_ahead(VIA_TRANSPORT_SHARED);
}

TEST(what_was_given_ahead_through_a_socket_is_called_back)
{
    call_back_what_was_given_ahead(VIA_TRANSPORT_SOCKET);
}

static int64_t cpu_time_ns(void)
{
    struct timespec used;
    ck_assert_int_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return used.tv_sec * VIA_S + used.tv_nsec;
}

// CPU time tells work from waiting, however busy the machine is.
TEST(shutting_down_by_force_costs_nothing_for_idle_workers)
{
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    int64_t before_ns = cpu_time_ns();
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, via_test_bound_ns()), 0);
    ck_assert_int_lt(cpu_time_ns() - before_ns, VIA_S / 2);
    ck_assert_ptr_null(via_executor_unref(pool));
}

TEST(a_shutdown_whose_time_is_over_says_what_it_left)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 1), VIA_ETIMEDOUT);
    struct via_stuck_call stuck[2];
    ck_assert_int_eq(via_executor_stuck(pool, stuck, 2), 1);
    ck_assert_ptr_eq(stuck[0].function, (void *)(uintptr_t)pass_gate);
    ck_assert_int_eq(stuck[0].thread_id, atomic_load(&gate_of(gate)->pid));
    open_gate(gate);
    ck_assert_int_eq(finish(cf), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(dropping_the_pool_lets_its_calls_finish)
{
    int threads = via_test_threads();
    via_executor *pool = open_pool(1);
    via_cfuture *cf = submit(pool, give_back, "x", 1);
    via_executor_unref(pool);
    ck_assert_int_eq(finish(cf), 0);
    via_test_await_threads(threads);
}

static int never_ends_well(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return via_fail(3, "no licence");
}

TEST(an_initializer_that_keeps_failing_breaks_the_pool_with_its_text)
{
    struct via_process_pool_options options = pool_options(1);
    options.initializer = never_ends_well;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, do_nothing, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EBROKEN);
    ck_assert_ptr_nonnull(strstr(outcome.message, "no licence"));
    via_cfuture_unref(cf);
    close_pool(pool);
}

static char remembered[300];

static int remember(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    memcpy(remembered, in, bytes);
    return 0;
}

static int tell_remembered(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)in;
    (void)bytes;
    void *out = via_bytes_out(call, sizeof remembered);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, remembered, sizeof remembered);
    return 0;
}

TEST(an_initializer_runs_in_each_worker_before_its_first_call)
{
    struct via_process_pool_options options = pool_options(1);
    char setting[sizeof remembered] = "a setting";
    memset(setting + 20, 's', sizeof setting - 20);
    options.initializer = remember;
    options.initializer_in = setting;
    options.initializer_in_bytes = sizeof setting;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, tell_remembered, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_mem_eq(outcome.value, setting, sizeof setting);
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(a_worker_ends_after_its_calls_and_another_goes_on)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_calls = 1;
    via_executor *pool = open_with(&options);
    long first = pid_of_worker(pool), second = pid_of_worker(pool);
    ck_assert_int_ne(first, second);
    close_pool(pool);
}

TEST(killing_the_workers_fails_what_runs_and_keeps_what_waits)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate);
    via_cfuture *second = submit(pool, give_back, "x", 1);
    ck_assert_int_eq(via_process_pool_kill(pool), 1);
    ck_assert_int_eq(finish(first), VIA_ECRASHED);
    ck_assert_int_eq(finish(second), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_measured_call_tells_what_it_has_used)
{
    via_executor *pool = open_pool(1);
    struct via_call call = VIA_CALL_BYTES(give_back, "x", 1);
    call.flags = VIA_CALL_MEASURED;
    call.name = "measured";
    via_cfuture *cf = submit_call(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_ptr_nonnull(outcome.process);
    ck_assert_str_eq(outcome.process->name, "measured");
    ck_assert_int_gt(outcome.process->max_rss_bytes, 0);
    ck_assert_int_eq(outcome.process->signal, 0);
    via_cfuture_unref(cf);
    close_pool(pool);
}

static int use_in_child(void *arg)
{
    via_executor *pool = arg;
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    struct via_process_pool_stats stats;
    return via_executor_submit(pool, &call, NULL) == VIA_EFORKED &&
                   via_process_pool_get_stats(pool, &stats) == VIA_EFORKED &&
                   via_process_pool_kill(pool) == VIA_EFORKED
               ? 0
               : 1;
}

TEST(a_forked_child_cannot_use_the_pool_and_the_parent_can)
{
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_int_eq(via_test_fork(use_in_child, pool), 0);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

TEST(options_out_of_range_are_refused_with_a_reason)
{
    struct via_process_pool_options options = pool_options(0);
    char why[100] = "";
    via_executor *pool = NULL;
    options.why = why;
    options.why_bytes = sizeof why;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_EINVAL);
    ck_assert_ptr_null(pool);
    ck_assert_str_eq(why, "max_workers is 0, and has to be from 1 to 4096");
    options.max_workers = 100000;
    why[0] = 0;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_EINVAL);
    ck_assert_str_eq(why, "max_workers is 100000, and has to be from 1 to 4096");
    options.max_workers = 1;
    options.start_timeout_ns = 0;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_EINVAL);
    ck_assert_str_eq(why, "start_timeout_ns is 0, and has to be at least 1");
    ck_assert_int_eq(via_process_pool_new(NULL, NULL), VIA_EINVAL);
}

PROCESS_TEST_MAIN(
    "process/process_pool", a_call_runs_in_another_process_and_brings_its_answer,
    shared_memory_carries_calls_and_answers, sockets_carry_calls_and_answers,
    an_error_of_the_function_arrives_with_code_and_text, a_crash_fails_the_call_that_crashed_and_no_other,
    a_function_that_exits_has_crashed_even_with_status_0, a_timeout_kills_a_call_that_blocks_every_signal,
    a_queued_call_is_cancelled_and_never_runs, a_running_call_that_is_cancelled_is_killed,
    a_running_call_may_be_given_time_to_notice_a_cancel, a_call_is_running_only_on_its_workers_word,
    many_calls_come_back_each_with_its_own_answer, inputs_and_answers_of_every_size_cross,
    what_is_longer_than_the_limits_is_refused_with_a_reason,
    a_pointer_to_data_is_refused_before_anything_is_sent, a_pointer_call_is_not_supported,
    a_call_that_may_run_twice_is_started_again_after_a_crash, a_loop_serves_its_pool,
    shutting_down_lets_queued_calls_finish, shutting_down_by_force_ends_what_runs_and_what_waits,
    what_was_given_ahead_through_shared_memory_is_called_back,
    what_was_given_ahead_through_a_socket_is_called_back,
    shutting_down_by_force_costs_nothing_for_idle_workers, a_shutdown_whose_time_is_over_says_what_it_left,
    dropping_the_pool_lets_its_calls_finish, an_initializer_that_keeps_failing_breaks_the_pool_with_its_text,
    an_initializer_runs_in_each_worker_before_its_first_call,
    a_worker_ends_after_its_calls_and_another_goes_on,
    killing_the_workers_fails_what_runs_and_keeps_what_waits, a_measured_call_tells_what_it_has_used,
    a_forked_child_cannot_use_the_pool_and_the_parent_can, options_out_of_range_are_refused_with_a_reason)
