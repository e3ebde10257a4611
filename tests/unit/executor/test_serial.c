/* SPDX-License-Identifier: BSD-3-Clause */
/* Strands: one call at a time, in order, on the threads of another executor. */
#include "unit/executor/fixture.h"

#include <stdio.h>
#include <string.h>

static via_executor *strand_on(via_executor *on)
{
    via_executor *strand = NULL;

    ck_assert_int_eq(via_serial_new(on, &strand), 0);
    return strand;
}

/* What the calls of one strand see of each other.  Not atomic: a strand is to make that right. */
struct ordered {
    int inside;
    int next;
    int wrong;
};

struct step {
    struct ordered *ordered;
    int number;
};

static int take_step(void *arg, void **result)
{
    struct step *step = arg;
    struct ordered *ordered = step->ordered;

    (void)result;
    ordered->wrong += ordered->inside++ != 0;
    ordered->wrong += ordered->next++ != step->number;
    via_test_yield();
    ordered->inside--;
    return 0;
}

TEST(calls_of_a_strand_run_in_order_and_never_two_at_once)
{
    struct ordered ordered = {0};
    struct step step[200];
    via_executor *pool = pool_of(4), *strand = strand_on(pool);

    for (int i = 0; i < 200; i++) {
        step[i] = (struct step){&ordered, i};
        via_cfuture_unref(submit(strand, take_step, &step[i]));
    }
    close_executor(strand);
    ck_assert_int_eq(ordered.next, 200);
    ck_assert_int_eq(ordered.wrong, 0);
    close_executor(pool);
}

/* Four threads submit to one strand at once. */
struct submitter {
    struct via_test_thread thread;
    struct via_test_gate *gate;
    via_executor *strand;
    struct ordered *ordered;
};

static int enter_alone(void *arg, void **result)
{
    struct ordered *ordered = arg;

    (void)result;
    ordered->wrong += ordered->inside++ != 0;
    ordered->next++;
    ordered->inside--;
    return 0;
}

static void *submit_50(void *arg)
{
    struct submitter *submitter = arg;

    via_test_gate_pass(submitter->gate);
    for (int i = 0; i < 50; i++)
        via_cfuture_unref(submit(submitter->strand, enter_alone, submitter->ordered));
    return NULL;
}

TEST(submitted_from_many_threads_they_still_run_alone)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct ordered ordered = {0};
    struct submitter submitter[4];
    via_executor *pool = pool_of(4), *strand = strand_on(pool);

    for (int i = 0; i < 4; i++) {
        submitter[i] = (struct submitter){.gate = &gate, .strand = strand, .ordered = &ordered};
        via_test_thread_start(&submitter[i].thread, submit_50, &submitter[i]);
    }
    via_test_gate_await(&gate, 4);
    via_test_gate_open(&gate);
    for (int i = 0; i < 4; i++)
        via_test_thread_join(&submitter[i].thread);
    close_executor(strand);
    ck_assert_int_eq(ordered.next, 200);
    ck_assert_int_eq(ordered.wrong, 0);
    close_executor(pool);
}

// Runs between two turns of the strand, and counts what the strand has done until then.
static int count_completed(void *arg, void **result)
{
    via_executor *strand = arg;
    struct via_executor_stats stats;
    int status = via_executor_stats(strand, &stats);
    *result = (void *)(uintptr_t)stats.completed;
    return status;
}

TEST(a_long_strand_lets_others_have_their_turn)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct ordered ordered = {0};
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *running = occupy(pool, &gate), *other;

    for (int i = 0; i < 5000; i++)
        via_cfuture_unref(submit(strand, enter_alone, &ordered));
    other = submit(pool, count_completed, strand);
    via_test_gate_open(&gate);
    finish(running);
    void *completed = NULL;
    ck_assert_int_eq(via_cfuture_result(other, via_test_bound_ns(), &completed), 0);
    via_cfuture_unref(other);
    ck_assert_uint_lt((uintptr_t)completed, 5000);
    close_executor(strand);
    ck_assert_int_eq(ordered.next, 5000);
    close_executor(pool);
}

TEST(two_strands_on_one_pool_run_side_by_side)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(2), *a = strand_on(pool), *b = strand_on(pool);
    via_cfuture *one = occupy(a, &gate), *two = occupy(b, &gate), *waiting = submit(a, echo, NULL);

    ck_assert_int_eq(via_cfuture_wait(waiting, VIA_MS), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    finish(one);
    finish(two);
    finish(waiting);
    close_executor(a);
    close_executor(b);
    close_executor(pool);
}

TEST(a_queued_call_of_a_strand_can_be_cancelled)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pool = pool_of(2), *strand = strand_on(pool);
    via_cfuture *running = occupy(strand, &gate), *cf, *last;

    call.destroy = via_test_counted_destroy;
    cf = submit_call(strand, &call);
    last = submit(strand, echo, NULL);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(via_cfuture_cancel(running), VIA_CANCEL_REQUESTED);
    via_test_gate_open(&gate);
    finish(running);
    finish(last);
    finish_with(cf, VIA_ECANCELED);
    ck_assert_uint_eq(stats_of(strand).cancelled, 1);
    close_executor(strand);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_strand_shuts_down_and_its_pool_goes_on)
{
    atomic_int calls = 0;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *running = occupy(strand, &gate);

    via_cfuture_unref(submit(strand, count_up, &calls));
    ck_assert_int_eq(via_executor_shutdown(strand, 0, 0), VIA_ETIMEDOUT);
    submit_refused(strand, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_executor_shutdown(strand, 0, via_test_bound_ns()), 0);
    ck_assert_int_eq(atomic_load(&calls), 1);
    finish(running);
    finish(submit(pool, echo, NULL));
    via_executor_unref(strand);
    close_executor(pool);
}

TEST(a_strands_shutdown_can_cancel_what_is_queued)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *running = occupy(strand, &gate), *queued = submit(strand, echo, NULL);

    ck_assert_int_eq(via_executor_shutdown(strand, VIA_SHUTDOWN_CANCEL_QUEUED, 0), VIA_ETIMEDOUT);
    finish_with(queued, VIA_ECANCELED);
    via_test_gate_open(&gate);
    finish(running);
    close_executor(strand);
    close_executor(pool);
}

TEST(a_strand_keeps_its_pool_alive)
{
    int before = via_test_threads();
    via_executor *pool = pool_of(1), *strand = strand_on(pool);

    via_executor_unref(pool);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(finish(submit(strand, echo, &before)), &before);
    ck_assert_int_eq(via_executor_shutdown(strand, 0, via_test_bound_ns()), 0);
    via_executor_unref(strand);
    via_test_await_threads(before);
}

TEST(a_dropped_strand_still_runs_what_is_queued)
{
    int before = via_test_threads();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    atomic_int calls = 0;
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *running = occupy(strand, &gate), *last;

    for (int i = 0; i < 20; i++)
        via_cfuture_unref(submit(strand, count_up, &calls));
    last = submit(strand, echo, NULL);
    via_executor_unref(strand);
    via_executor_unref(pool);
    via_test_gate_open(&gate);
    finish(running);
    finish(last);
    ck_assert_int_eq(atomic_load(&calls), 20);
    via_test_await_threads(before);
}

TEST(a_strand_on_a_pool_that_was_shut_down_refuses)
{
    via_executor *pool = pool_of(1), *strand = strand_on(pool);

    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    submit_refused(strand, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    via_executor_unref(strand);
    via_executor_unref(pool);
}

static int end_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

TEST(a_function_that_ends_its_thread_does_not_end_the_strand)
{
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *dies = submit(strand, end_thread, NULL), *next = submit(strand, echo, pool);

    finish_with(dies, VIA_EEXITED);
    ck_assert_ptr_eq(finish(next), pool);
    close_executor(strand);
    close_executor(pool);
}

static int end_badly(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_fail(3, "three");
}

TEST(an_error_of_one_call_is_not_the_next_ones)
{
    struct via_outcome outcome;
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *bad = submit(strand, end_badly, NULL), *good = submit(strand, echo, pool);

    ck_assert_int_eq(status_of(bad), VIA_EFAILED);
    ck_assert_int_eq(via_cfuture_outcome(bad, &outcome), 0);
    ck_assert_int_eq(outcome.code, 3);
    ck_assert_str_eq(outcome.message, "three");
    ck_assert_ptr_eq(finish(good), pool);
    via_cfuture_unref(bad);
    close_executor(strand);
    close_executor(pool);
}

static int answer(via_bytes_call *call, const void *in, size_t in_bytes)
{
    memcpy(via_bytes_out(call, in_bytes), in, in_bytes);
    return 0;
}

TEST(a_strand_runs_bytes_calls_too)
{
    struct via_call call = VIA_CALL_BYTES(answer, "bytes", 6);
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *cf = submit_call(strand, &call);
    void *value = NULL;

    ck_assert_int_eq(via_cfuture_result(cf, via_test_bound_ns(), &value), 0);
    ck_assert_str_eq(value, "bytes");
    via_cfuture_unref(cf);
    close_executor(strand);
    close_executor(pool);
}

TEST(a_strand_on_a_strand_works)
{
    struct ordered ordered = {0};
    struct step step[50];
    via_executor *pool = pool_of(2), *below = strand_on(pool), *strand = strand_on(below);

    for (int i = 0; i < 50; i++) {
        step[i] = (struct step){&ordered, i};
        via_cfuture_unref(submit(strand, take_step, &step[i]));
    }
    close_executor(strand);
    ck_assert_int_eq(ordered.next, 50);
    ck_assert_int_eq(ordered.wrong, 0);
    close_executor(below);
    close_executor(pool);
}

TEST(the_figures_of_a_strand_are_its_own)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_executor_stats stats;
    via_executor *pool = pool_of(1), *strand = strand_on(pool);
    via_cfuture *running = occupy(strand, &gate), *queued = submit(strand, echo, NULL);

    stats = stats_of(strand);
    ck_assert_uint_eq(stats.submitted, 2);
    ck_assert_uint_eq(stats.running, 1);
    ck_assert_uint_eq(stats.queued, 1);
    ck_assert_uint_eq(stats.workers_max, 0);
    ck_assert_int_eq(via_executor_stuck(strand, NULL, 0), 1);
    via_test_gate_open(&gate);
    finish(running);
    finish(queued);
    AWAIT(stats_of(strand).completed == 2);
    close_executor(strand);
    close_executor(pool);
}

static int keep_nothing(void *self, via_job *job)
{
    (void)self;
    (void)job;
    return VIA_ENOTSUP;
}

TEST(a_strand_needs_an_executor_that_runs_pointer_calls)
{
    static const struct via_executor_ops bytes_only = {
        .kind = "bytes", .call_kinds = VIA_CALL_BYTES_IN_OUT, .submit = keep_nothing};
    via_executor *bytes = NULL, *untouched = NULL;

    ck_assert_int_eq(via_executor_new(&bytes_only, NULL, &bytes), 0);
    ck_assert_int_eq(via_serial_new(NULL, &untouched), VIA_EINVAL);
    ck_assert_int_eq(via_serial_new(bytes, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_serial_new(bytes, &untouched), VIA_ENOTSUP);
    ck_assert_ptr_null(untouched);
    via_executor_unref(bytes);
}

TEST_MAIN("executor/serial", calls_of_a_strand_run_in_order_and_never_two_at_once,
          submitted_from_many_threads_they_still_run_alone, a_long_strand_lets_others_have_their_turn,
          two_strands_on_one_pool_run_side_by_side, a_queued_call_of_a_strand_can_be_cancelled,
          a_strand_shuts_down_and_its_pool_goes_on, a_strands_shutdown_can_cancel_what_is_queued,
          a_strand_keeps_its_pool_alive, a_dropped_strand_still_runs_what_is_queued,
          a_strand_on_a_pool_that_was_shut_down_refuses,
          a_function_that_ends_its_thread_does_not_end_the_strand, an_error_of_one_call_is_not_the_next_ones,
          a_strand_runs_bytes_calls_too, a_strand_on_a_strand_works, the_figures_of_a_strand_are_its_own,
          a_strand_needs_an_executor_that_runs_pointer_calls)
