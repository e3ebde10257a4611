/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs, and what the outcome of a call's function looks like from outside. */
#include "unit/executor/fixture.h"

#include <limits.h>
#include <string.h>

/* An executor that hands its one job to the test. */
static int hand_over(void *self, via_job *job)
{
    *(via_job **)self = job;
    return 0;
}

static const struct via_executor_ops ops = {
    .kind = "hand", .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT, .submit = hand_over};

/* A job to be ended by the test, and its future. */
struct held {
    via_executor *executor;
    via_job *job;
    via_cfuture *cf;
};

static void hold(struct held *held, const struct via_call *call)
{
    held->job = NULL;
    ck_assert_int_eq(via_executor_new(&ops, &held->job, &held->executor), 0);
    held->cf = submit_call(held->executor, call);
    ck_assert_ptr_nonnull(held->job);
}

static void let_go(struct held *held)
{
    via_cfuture_unref(held->cf);
    via_executor_unref(held->executor);
}

/* Runs a function as a job in this thread and gives its outcome; the caller lets go. */
static struct via_outcome run(struct held *held, struct via_call call)
{
    struct via_outcome outcome = {.status = 1};

    hold(held, &call);
    ck_assert_int_eq(via_job_run(held->job), 1);
    ck_assert_int_eq(via_cfuture_outcome(held->cf, &outcome), 0);
    return outcome;
}

TEST(run_runs_the_function_here_and_completes_the_future)
{
    struct held held;
    int value;
    struct via_outcome outcome = run(&held, VIA_CALL(echo, &value));

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_ptr_eq(outcome.value, &value);
    let_go(&held);
}

TEST(start_and_finish_bracket_a_run_that_happens_elsewhere)
{
    struct via_test_counted payload = {0}, value = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct via_outcome outcome = {.value = &value, .destroy = via_test_counted_destroy};
    struct held held;

    call.destroy = via_test_counted_destroy;
    hold(&held, &call);
    ck_assert_int_eq(via_job_start(held.job), 1);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_RUNNING);
    ck_assert_int_eq(via_cfuture_cancel(held.cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_job_finish(held.job, &outcome), 0);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_FINISHED);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    let_go(&held);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(finish_copies_the_message)
{
    char text[] = "kept";
    struct via_call call = VIA_CALL(echo, NULL);
    struct via_outcome outcome = {.status = VIA_EFAILED, .code = 12, .message = text}, seen;
    struct held held;

    hold(&held, &call);
    ck_assert_int_eq(via_job_start(held.job), 1);
    ck_assert_int_eq(via_job_finish(held.job, &outcome), 0);
    memset(text, 'x', 4);
    ck_assert_int_eq(via_cfuture_outcome(held.cf, &seen), 0);
    ck_assert_int_eq(seen.status, VIA_EFAILED);
    ck_assert_int_eq(seen.code, 12);
    ck_assert_str_eq(seen.message, "kept");
    let_go(&held);
}

TEST(finish_without_start_leaves_job_and_value_with_the_caller)
{
    struct via_test_counted value = {0};
    struct via_call call = VIA_CALL(echo, NULL);
    struct via_outcome outcome = {.value = &value, .destroy = via_test_counted_destroy};
    struct held held;

    hold(&held, &call);
    ck_assert_int_eq(via_job_finish(held.job, &outcome), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_PENDING);
    ck_assert_int_eq(via_job_run(held.job), 1);
    let_go(&held);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
}

TEST(a_started_job_is_ended_by_finish_alone)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct via_outcome outcome = {0};
    struct held held;

    call.destroy = via_test_counted_destroy;
    hold(&held, &call);
    ck_assert_int_eq(via_job_start(held.job), 1);
    ck_assert_int_eq(via_job_start(held.job), VIA_ESTATE);
    ck_assert_int_eq(via_job_run(held.job), VIA_ESTATE);
    ck_assert_int_eq(via_job_fail(held.job, VIA_EPERM), VIA_ESTATE);
    ck_assert_int_eq(via_job_fail(held.job, VIA_ECANCELED), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_RUNNING);
    ck_assert_int_eq(via_test_destroyed(&payload), 0);
    ck_assert_int_eq(via_job_finish(held.job, &outcome), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    let_go(&held);
}

TEST(fail_ends_a_job_that_will_not_run)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct held held;

    call.destroy = via_test_counted_destroy;
    hold(&held, &call);
    ck_assert_int_eq(via_job_fail(held.job, VIA_EPERM), 0);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_FINISHED);
    ck_assert_int_eq(status_of(held.cf), VIA_EPERM);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    let_go(&held);
}

TEST(failing_with_canceled_cancels_the_future)
{
    struct via_call call = VIA_CALL(echo, NULL);
    struct held held;

    hold(&held, &call);
    ck_assert_int_eq(via_job_fail(held.job, VIA_ECANCELED), 0);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_CANCELLED);
    let_go(&held);
}

TEST(fail_needs_a_negative_status)
{
    struct via_call call = VIA_CALL(echo, NULL);
    struct held held;

    hold(&held, &call);
    ck_assert_int_eq(via_job_fail(held.job, 0), VIA_EINVAL);
    ck_assert_int_eq(via_job_fail(held.job, 1), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_PENDING);
    ck_assert_int_eq(via_job_fail(held.job, VIA_EPERM), 0);
    let_go(&held);
}

TEST(a_cancelled_job_does_not_start_and_stays_cancelled)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct held held;

    call.destroy = via_test_counted_destroy;
    hold(&held, &call);
    ck_assert_int_eq(via_cfuture_cancel(held.cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(via_job_start(held.job), 0);
    ck_assert_int_eq(via_job_fail(held.job, VIA_EPERM), 0);
    ck_assert_int_eq(via_cfuture_state(held.cf), VIA_CANCELLED);
    let_go(&held);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_job_whose_deadline_passed_is_not_run)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct held held;

    call.destroy = via_test_counted_destroy;
    call.deadline_ns = deadline_soon_ns();
    hold(&held, &call);
    AWAIT(via_now_ns() > call.deadline_ns);
    ck_assert_int_eq(via_job_run(held.job), 0);
    struct via_outcome outcome = {0};
    ck_assert_int_eq(via_cfuture_outcome(held.cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    ck_assert_str_eq(outcome.message,
                     "the call had not started when its deadline (via_call::deadline_ns) came");
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    let_go(&held);
}

TEST(a_job_whose_deadline_passed_does_not_start)
{
    struct via_call call = VIA_CALL(echo, NULL);
    struct held held;

    call.deadline_ns = deadline_soon_ns();
    hold(&held, &call);
    AWAIT(via_now_ns() > call.deadline_ns);
    ck_assert_int_eq(via_job_start(held.job), 0);
    ck_assert_int_eq(via_job_fail(held.job, VIA_ETIMEDOUT), 0);
    ck_assert_int_eq(status_of(held.cf), VIA_ETIMEDOUT);
    let_go(&held);
}

static int echo_bytes(via_bytes_call *call, const void *in, size_t in_bytes)
{
    void *out = via_bytes_out(call, in_bytes);

    if (!out)
        return VIA_ENOMEM;
    if (in_bytes)
        memcpy(out, in, in_bytes);
    return 0;
}

TEST(a_job_shows_its_call)
{
    struct via_call call = VIA_CALL(echo, &call), seen;
    struct held held;

    call.name = "a name";
    call.priority = VIA_PRIORITY_HIGH;
    call.deadline_ns = via_now_ns() + 100 * VIA_S;
    hold(&held, &call);
    ck_assert_int_eq(via_job_call(held.job, &seen), 0);
    ck_assert_int_eq(seen.kind, VIA_CALL_POINTER);
    ck_assert(seen.fn == echo);
    ck_assert_ptr_eq(seen.arg, &call);
    ck_assert_str_eq(seen.name, "a name");
    ck_assert_int_eq(seen.priority, VIA_PRIORITY_HIGH);
    ck_assert_int_eq(seen.deadline_ns, call.deadline_ns);
    ck_assert_int_eq(via_job_fail(held.job, VIA_EPERM), 0);
    let_go(&held);
    call = VIA_CALL_BYTES(echo_bytes, "abc", 3);
    hold(&held, &call);
    ck_assert_int_eq(via_job_call(held.job, &seen), 0);
    ck_assert_int_eq(seen.kind, VIA_CALL_BYTES_IN_OUT);
    ck_assert(seen.bytes_fn == echo_bytes);
    ck_assert_uint_eq(seen.in_bytes, 3);
    ck_assert_int_eq(memcmp(seen.in, "abc", 3), 0);
    ck_assert_int_eq(via_job_fail(held.job, VIA_EPERM), 0);
    let_go(&held);
}

TEST(null_jobs_are_refused)
{
    struct via_call call = VIA_CALL(echo, NULL), seen;
    struct via_outcome outcome = {0};
    struct held held;

    ck_assert_int_eq(via_job_run(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_job_start(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_job_finish(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_job_fail(NULL, VIA_EPERM), VIA_EINVAL);
    ck_assert_int_eq(via_job_call(NULL, &seen), VIA_EINVAL);
    hold(&held, &call);
    ck_assert_int_eq(via_job_call(held.job, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_job_start(held.job), 1);
    ck_assert_int_eq(via_job_finish(held.job, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_job_finish(held.job, &outcome), 0);
    let_go(&held);
}

static int return_int(void *arg, void **result)
{
    (void)result;
    return *(int *)arg;
}

TEST(a_positive_return_is_a_code_of_the_functions_own)
{
    static const int code[] = {1, 42, INT_MAX};

    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        int value = code[i];
        struct held held;
        struct via_outcome outcome = run(&held, VIA_CALL(return_int, &value));

        ck_assert_int_eq(outcome.status, VIA_EFAILED);
        ck_assert_int_eq(outcome.code, code[i]);
        ck_assert_ptr_null(outcome.message);
        let_go(&held);
    }
}

TEST(a_negative_return_is_the_status)
{
    static const int status[] = {VIA_EPERM, VIA_ETIMEDOUT, -EINTR, -99999};

    for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
        int value = status[i];
        struct held held;
        struct via_outcome outcome = run(&held, VIA_CALL(return_int, &value));

        ck_assert_int_eq(outcome.status, status[i]);
        ck_assert_int_eq(outcome.code, 0);
        let_go(&held);
    }
}

static int fail_with_text(void *arg, void **result)
{
    (void)result;
    return via_fail(*(int *)arg, "item %d of %s", 3, "list");
}

TEST(fail_gives_code_and_text_to_the_outcome)
{
    static const int code[] = {7, 0, -2, INT_MIN};

    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        int value = code[i];
        struct held held;
        struct via_outcome outcome = run(&held, VIA_CALL(fail_with_text, &value));

        ck_assert_int_eq(outcome.status, VIA_EFAILED);
        ck_assert_int_eq(outcome.code, code[i]);
        ck_assert_str_eq(outcome.message, "item 3 of list");
        let_go(&held);
    }
}

static int fail_long(void *arg, void **result)
{
    (void)result;
    return via_fail(1, "%s", (const char *)arg);
}

TEST(a_long_text_arrives_whole)
{
    char text[5000];
    struct held held;
    struct via_outcome outcome;

    memset(text, 'y', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    outcome = run(&held, VIA_CALL(fail_long, text));
    ck_assert_str_eq(outcome.message, text);
    let_go(&held);
}

static int fail_twice(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_fail(1, "first");
    return via_fail(2, "second");
}

TEST(the_last_text_counts)
{
    struct held held;
    struct via_outcome outcome = run(&held, VIA_CALL(fail_twice, NULL));

    ck_assert_int_eq(outcome.code, 2);
    ck_assert_str_eq(outcome.message, "second");
    let_go(&held);
}

static int fail_but_succeed(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_fail(9, "never mind");
    return 0;
}

TEST(a_text_of_a_call_that_succeeds_reaches_nobody)
{
    int efailed = VIA_EFAILED;
    struct held held;
    struct via_outcome outcome = run(&held, VIA_CALL(fail_but_succeed, NULL));

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert_ptr_null(outcome.message);
    let_go(&held);
    outcome = run(&held, VIA_CALL(return_int, &efailed));
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert_ptr_null(outcome.message);
    let_go(&held);
}

TEST(outside_a_call_fail_only_returns_its_status)
{
    int efailed = VIA_EFAILED;
    struct held held;
    struct via_outcome outcome;

    ck_assert_int_eq(via_fail(7, "lost %d", 1), VIA_EFAILED);
    ck_assert_int_eq(via_fail(0, "%s", "lost"), VIA_EFAILED);
    outcome = run(&held, VIA_CALL(return_int, &efailed));
    ck_assert_ptr_null(outcome.message);
    let_go(&held);
}

TEST(a_result_that_nobody_took_is_destroyed_with_the_future)
{
    struct via_test_counted value = {0};
    struct via_call call = VIA_CALL(echo, &value);
    struct held held;
    struct via_outcome outcome;

    call.destroy_result = via_test_counted_destroy;
    outcome = run(&held, call);
    ck_assert_ptr_eq(outcome.value, &value);
    ck_assert(outcome.destroy == via_test_counted_destroy);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    let_go(&held);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(a_taken_result_is_not_destroyed)
{
    struct via_test_counted value = {0};
    struct via_call call = VIA_CALL(echo, &value);
    struct held held;
    struct via_outcome outcome;

    call.destroy_result = via_test_counted_destroy;
    run(&held, call);
    ck_assert_int_eq(via_cfuture_take(held.cf, &outcome), 0);
    let_go(&held);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    outcome.destroy(outcome.value);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

static int leave_result_and_fail(void *arg, void **result)
{
    *result = arg;
    return VIA_EPERM;
}

TEST(a_result_left_by_a_failing_function_is_destroyed_once)
{
    struct via_test_counted value = {0};
    struct via_call call = VIA_CALL(leave_result_and_fail, &value);
    struct held held;

    call.destroy_result = via_test_counted_destroy;
    ck_assert_int_eq(run(&held, call).status, VIA_EPERM);
    let_go(&held);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(a_bytes_call_answers_in_place)
{
    char in[] = "hello";
    struct via_call call = VIA_CALL_BYTES(echo_bytes, in, 5);
    struct via_outcome outcome;
    struct held held;

    hold(&held, &call);
    memset(in, 'x', 5);
    ck_assert_int_eq(via_job_run(held.job), 1);
    ck_assert_int_eq(via_cfuture_outcome(held.cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 5);
    ck_assert_int_eq(memcmp(outcome.value, "hello", 5), 0);
    ck_assert_uint_eq((uintptr_t)outcome.value % _Alignof(max_align_t), 0);
    let_go(&held);
}

TEST(a_bytes_answer_can_be_taken)
{
    struct via_outcome outcome;
    struct held held;

    run(&held, VIA_CALL_BYTES(echo_bytes, "taken", 6));
    ck_assert_int_eq(via_cfuture_take(held.cf, &outcome), 0);
    let_go(&held);
    ck_assert_uint_eq(outcome.bytes, 6);
    ck_assert_str_eq(outcome.value, "taken");
    ck_assert(outcome.destroy != NULL);
    outcome.destroy(outcome.value);
}

static int no_answer(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call;
    (void)in;
    return in_bytes ? VIA_EPERM : 0;
}

TEST(empty_bytes_in_and_out)
{
    struct held held;
    struct via_outcome outcome = run(&held, VIA_CALL_BYTES(echo_bytes, NULL, 0));

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 0);
    let_go(&held);
    outcome = run(&held, VIA_CALL_BYTES(no_answer, NULL, 0));
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 0);
    let_go(&held);
}

static int answer_in_steps(via_bytes_call *call, const void *in, size_t in_bytes)
{
    char *out = via_bytes_out(call, in_bytes);

    memcpy(out, in, in_bytes);
    out = via_bytes_out(call, 100000);
    ck_assert_int_eq(memcmp(out, in, in_bytes), 0);
    memset(out + in_bytes, 'z', 100000 - in_bytes);
    out = via_bytes_out(call, in_bytes + 1);
    ck_assert_int_eq(memcmp(out, in, in_bytes), 0);
    ck_assert_int_eq(out[in_bytes], 'z');
    return 0;
}

TEST(asking_again_for_the_answer_keeps_the_common_part)
{
    struct held held;
    struct via_outcome outcome = run(&held, VIA_CALL_BYTES(answer_in_steps, "abc", 3));

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 4);
    ck_assert_int_eq(memcmp(outcome.value, "abcz", 4), 0);
    let_go(&held);
}

static int answer_and_fail(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)in;
    memset(via_bytes_out(call, in_bytes), 0, in_bytes);
    return via_fail(5, "no answer");
}

TEST(the_answer_of_a_failing_bytes_call_is_released)
{
    struct held held;
    struct via_outcome outcome = run(&held, VIA_CALL_BYTES(answer_and_fail, "abc", 3));

    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 5);
    ck_assert_str_eq(outcome.message, "no answer");
    let_go(&held);
}

static int ask_too_much(via_bytes_call *call, const void *in, size_t in_bytes)
{
    char *out = via_bytes_out(call, in_bytes);

    memcpy(out, in, in_bytes);
    return via_bytes_out(call, SIZE_MAX - 64) == NULL && via_bytes_out(call, SIZE_MAX) == NULL ? 0
                                                                                               : VIA_EPERM;
}

TEST(an_answer_that_finds_no_memory_keeps_the_one_before)
{
    struct held held;
    struct via_outcome outcome = run(&held, VIA_CALL_BYTES(ask_too_much, "abc", 3));

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 3);
    ck_assert_int_eq(memcmp(outcome.value, "abc", 3), 0);
    ck_assert_ptr_null(via_bytes_out(NULL, 1));
    let_go(&held);
}

TEST_MAIN("executor/job", run_runs_the_function_here_and_completes_the_future,
          start_and_finish_bracket_a_run_that_happens_elsewhere, finish_copies_the_message,
          finish_without_start_leaves_job_and_value_with_the_caller, a_started_job_is_ended_by_finish_alone,
          fail_ends_a_job_that_will_not_run, failing_with_canceled_cancels_the_future,
          fail_needs_a_negative_status, a_cancelled_job_does_not_start_and_stays_cancelled,
          a_job_whose_deadline_passed_is_not_run, a_job_whose_deadline_passed_does_not_start,
          a_job_shows_its_call, null_jobs_are_refused, a_positive_return_is_a_code_of_the_functions_own,
          a_negative_return_is_the_status, fail_gives_code_and_text_to_the_outcome, a_long_text_arrives_whole,
          the_last_text_counts, a_text_of_a_call_that_succeeds_reaches_nobody,
          outside_a_call_fail_only_returns_its_status, a_result_that_nobody_took_is_destroyed_with_the_future,
          a_taken_result_is_not_destroyed, a_result_left_by_a_failing_function_is_destroyed_once,
          a_bytes_call_answers_in_place, a_bytes_answer_can_be_taken, empty_bytes_in_and_out,
          asking_again_for_the_answer_keeps_the_common_part, the_answer_of_a_failing_bytes_call_is_released,
          an_answer_that_finds_no_memory_keeps_the_one_before)
