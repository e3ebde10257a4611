/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that end at every point of a call's way: the call fails, and nobody waits for ever. */
#include "pool_fixture.h"

enum { BY_SIGNAL, BY_EXIT, BY_ERROR, WAYS };

/* What a call is told, at the beginning of its input. */
struct deed {
    int way;
    size_t answer_bytes;
};

#define BIG_BYTES ((size_t)3 << 20) /* more than a pipe, and more than a socket's buffers */

static int end_by(int way)
{
    if (way == BY_ERROR)
        return via_fail(11, "it went wrong");
    if (way == BY_EXIT)
        exit(3);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return 0;
}

static int sum_of(const char *bytes, size_t count)
{
    int sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += bytes[i];
    return sum;
}

static int end_while_reading(via_bytes_call *call, const void *in, size_t bytes)
{
    struct deed deed;
    (void)call;
    memcpy(&deed, in, sizeof deed);
    return sum_of((const char *)in + sizeof deed, bytes / 2) == 0 ? end_by(deed.way) : 0;
}

static int end_while_answering(via_bytes_call *call, const void *in, size_t bytes)
{
    struct deed deed;
    (void)bytes;
    memcpy(&deed, in, sizeof deed);
    char *out = via_bytes_out(call, deed.answer_bytes);
    if (!out)
        return VIA_ENOMEM;
    memset(out, 'x', deed.answer_bytes / 2);
    return end_by(deed.way);
}

static void expect_end(via_cfuture *cf, int way)
{
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_ptr_null(outcome.value);
    ck_assert_ptr_nonnull(outcome.message);
    if (way == BY_ERROR) {
        ck_assert_int_eq(outcome.status, VIA_EFAILED);
        ck_assert_int_eq(outcome.code, 11);
        ck_assert_str_eq(outcome.message, "it went wrong");
    } else {
        ck_assert_int_eq(outcome.status, VIA_ECRASHED);
        ck_assert_int_eq(outcome.process->signal, way == BY_SIGNAL ? SIGSEGV : 0);
        ck_assert_int_eq(outcome.process->exit_status, way == BY_EXIT ? 3 : -1);
    }
    via_cfuture_unref(cf);
}

/* The function with an input of that length, in each way, over each transport; and one call that waits behind
 * it. */
static void try_ends(via_bytes_fn fn, size_t in_bytes, size_t answer_bytes)
{
    char *in = calloc(1, in_bytes);
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        for (int way = 0; way < WAYS; way++) {
            struct deed deed = {way, answer_bytes};
            memcpy(in, &deed, sizeof deed);
            via_cfuture *ends = submit(pool, fn, in, in_bytes);
            via_cfuture *after = submit(pool, give_back, "after", 5);
            expect_end(ends, way);
            ck_assert_int_eq(finish(after), 0);
        }
        close_pool(pool);
    }
    free(in);
}

TEST(a_worker_that_ends_while_it_reads_its_input_fails_that_call)
{
    try_ends(end_while_reading, 64, 0);
    try_ends(end_while_reading, BIG_BYTES, 0);
}

TEST(a_worker_that_ends_while_it_writes_its_answer_fails_that_call)
{
    try_ends(end_while_answering, sizeof(struct deed), 16);
    try_ends(end_while_answering, sizeof(struct deed), 100000);
    try_ends(end_while_answering, sizeof(struct deed), BIG_BYTES);
}

TEST(a_worker_that_ends_inside_its_function_fails_that_call)
{
    try_ends(end_while_answering, sizeof(struct deed), 0);
}

TEST(an_input_that_cannot_be_sent_fails_its_call_alone)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_in_bytes = 100;
    via_executor *pool = open_with(&options);
    char in[101] = {0};
    struct via_call call = VIA_CALL_BYTES(give_back, in, sizeof in);
    via_cfuture *cf = NULL;
    for (int i = 0; i < 10; i++) {
        via_cfuture *beside = submit(pool, give_back, in, 100);
        ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_EMSGSIZE);
        ck_assert_int_eq(finish(beside), 0);
    }
    ck_assert_ptr_null(cf);
    close_pool(pool);
}

TEST(a_crash_in_one_worker_leaves_the_others_alone)
{
    via_executor *pool = open_pool(2);
    via_buffer *gate = new_gate();
    via_cfuture *innocent = occupy(pool, gate);
    long pid = atomic_load(&gate_of(gate)->pid);
    for (int i = 0; i < 3; i++) {
        struct deed deed = {BY_SIGNAL, 0};
        expect_end(submit(pool, end_while_answering, &deed, sizeof deed), BY_SIGNAL);
    }
    ck_assert_int_eq(via_cfuture_done(innocent), 0);
    open_gate(gate);
    ck_assert_int_eq(finish(innocent), 0);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->pid), pid);
    ck_assert_int_eq(atomic_load(&gate_of(gate)->arrived), 1);
    close_pool(pool);
    via_buffer_unref(gate);
}

/* Large inputs and large answers of many calls are under way when workers die. */
TEST(a_crash_with_much_data_in_flight_is_an_error_and_no_deadlock)
{
    enum { CALLS = 24 };
    char *in = calloc(1, BIG_BYTES);
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 2);
        via_cfuture *cf[CALLS];
        for (int i = 0; i < CALLS; i++) {
            struct deed deed = {i % 3 ? BY_SIGNAL : BY_EXIT, BIG_BYTES};
            memcpy(in, &deed, sizeof deed);
            cf[i] = submit(pool, i % 2 ? end_while_answering : give_back, in, BIG_BYTES);
        }
        for (int i = 0; i < CALLS; i++) {
            if (i % 2)
                expect_end(cf[i], i % 3 ? BY_SIGNAL : BY_EXIT);
            else
                ck_assert_int_eq(finish(cf[i]), 0);
        }
        ck_assert_uint_eq(process_stats(pool).crashed, CALLS / 2);
        close_pool(pool);
    }
    free(in);
}

/* ---- shutting down ---- */

static int crash_at_the_gate(via_bytes_call *call, const void *in, size_t bytes)
{
    int status = pass_gate(call, in, bytes);
    return status ? status : end_by(BY_SIGNAL);
}

struct shutting {
    via_executor *pool;
    int64_t timeout_ns;
    int status;
};

static void *shut_down(void *arg)
{
    struct shutting *shutting = arg;
    shutting->status = via_executor_shutdown(shutting->pool, 0, shutting->timeout_ns);
    return NULL;
}

TEST(a_worker_that_crashes_while_its_pool_shuts_down_does_not_hang_it)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        via_buffer *gate = new_gate();
        struct via_call call = VIA_CALL_BUFFER(crash_at_the_gate, gate);
        via_cfuture *crashes = submit_call(pool, &call);
        await_arrivals(gate, 1);
        via_cfuture *behind = submit(pool, give_back, "x", 1);
        struct shutting shutting = {pool, via_test_bound_ns(), 1};
        struct via_test_thread thread;
        via_test_thread_start(&thread, shut_down, &shutting);
        via_test_thread_await_blocked(&thread);
        open_gate(gate);
        via_test_thread_join(&thread);
        ck_assert_int_eq(shutting.status, 0);
        ck_assert_int_eq(finish(crashes), VIA_ECRASHED);
        ck_assert_int_eq(finish(behind), 0);
        via_executor_unref(pool);
        via_buffer_unref(gate);
    }
}

TEST(calls_that_fail_after_a_shutdown_without_waiting_still_tell)
{
    struct via_process_pool_options options = pool_options(1);
    options.max_out_bytes = 1000;
    via_executor *pool = open_with(&options);
    via_buffer *gate = new_gate();
    via_cfuture *first = occupy(pool, gate), *cf[WAYS];
    for (int way = 0; way < WAYS; way++) {
        struct deed deed = {way, 10};
        cf[way] = submit(pool, end_while_answering, &deed, sizeof deed);
    }
    struct deed deed = {BY_ERROR, 1001};
    via_cfuture *too_long = submit(pool, end_while_answering, &deed, sizeof deed);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    open_gate(gate);
    ck_assert_int_eq(finish(first), 0);
    for (int way = 0; way < WAYS; way++)
        expect_end(cf[way], way);
    ck_assert_int_eq(finish(too_long), VIA_EMSGSIZE);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(shutting_down_with_only_cancelled_calls_returns)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = submit_gate(pool, gate);
    (void)via_cfuture_cancel(cf);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_cfuture_done(cf), 1);
    ck_assert_int_eq(wait_outcome(cf).status, VIA_ECANCELED);
    via_cfuture_unref(cf);
    via_executor_unref(pool);
    via_buffer_unref(gate);
}

/* Nobody serves while calls are submitted: whatever tells the server must not fill up. */
TEST(submitting_never_waits_for_the_one_who_serves)
{
    enum { CALLS = 20000 };
    static via_cfuture *cf[CALLS];
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new(&loop), 0);
    EACH_TRANSPORT(transport)
    {
        struct via_process_pool_options options = pool_options(2);
        options.loop = loop;
        options.transport = transport;
        via_executor *pool = open_with(&options);
        for (int i = 0; i < CALLS; i++)
            cf[i] = submit(pool, do_nothing, NULL, 0);
        ck_assert_uint_eq(executor_stats(pool).submitted, CALLS);
        for (int i = 0; i < CALLS; i++) {
            RUN_UNTIL(loop, via_cfuture_done(cf[i]));
            ck_assert_int_eq(finish(cf[i]), 0);
        }
        close_pool(pool);
    }
    via_loop_unref(loop);
}

PROCESS_TEST_MAIN("process/pool_deadlocks", a_worker_that_ends_while_it_reads_its_input_fails_that_call,
                  a_worker_that_ends_while_it_writes_its_answer_fails_that_call,
                  a_worker_that_ends_inside_its_function_fails_that_call,
                  an_input_that_cannot_be_sent_fails_its_call_alone,
                  a_crash_in_one_worker_leaves_the_others_alone,
                  a_crash_with_much_data_in_flight_is_an_error_and_no_deadlock,
                  a_worker_that_crashes_while_its_pool_shuts_down_does_not_hang_it,
                  calls_that_fail_after_a_shutdown_without_waiting_still_tell,
                  shutting_down_with_only_cancelled_calls_returns,
                  submitting_never_waits_for_the_one_who_serves)
