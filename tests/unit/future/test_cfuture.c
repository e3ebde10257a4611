/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/time.h>

#include "future/cfuture.h"

static via_cfuture *promise(void)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    ck_assert_ptr_nonnull(cf);
    return cf;
}

/* One future in each state: pending, running, cancelled, finished well, finished badly. */
enum { PENDING, RUNNING, CANCELLED, SUCCEEDED, FAILED, STATES };

static via_cfuture *promise_in(int state)
{
    via_cfuture *cf = promise();

    if (state == RUNNING)
        ck_assert_int_eq(via_cfuture_set_running(cf), 1);
    else if (state == CANCELLED)
        ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    else if (state == SUCCEEDED)
        ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    else if (state == FAILED)
        ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), 0);
    return cf;
}

static void all_states(via_cfuture *cf[STATES])
{
    for (int i = 0; i < STATES; i++)
        cf[i] = promise_in(i);
}

static void unref_all(via_cfuture *cf[STATES])
{
    for (int i = 0; i < STATES; i++)
        ck_assert_ptr_null(via_cfuture_unref(cf[i]));
}

struct waiter {
    struct via_test_thread thread;
    via_cfuture *cf;
    int rc;
    void *value;
};

static void *wait_for_result(void *arg)
{
    struct waiter *waiter = arg;

    waiter->rc = via_cfuture_result(waiter->cf, VIA_FOREVER, &waiter->value);
    return NULL;
}

/* Starts a thread that blocks in via_cfuture_result(), and comes back once it does. */
static void start_waiter(struct waiter *waiter, via_cfuture *cf)
{
    waiter->cf = cf;
    waiter->rc = 1;
    waiter->value = NULL;
    via_test_thread_start(&waiter->thread, wait_for_result, waiter);
    via_test_thread_await_blocked(&waiter->thread);
}

TEST(a_new_future_is_pending)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_state(cf), VIA_PENDING);
    ck_assert_int_eq(via_cfuture_done(cf), 0);
    via_cfuture_unref(cf);
}

TEST(a_null_future_is_invalid_everywhere)
{
    struct via_outcome outcome;

    ck_assert_int_eq(via_cfuture_new(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_state(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_done(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_cancel(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_wait(NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_outcome(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_result(NULL, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_take(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_set_running(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_set_result(NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_set_error(NULL, VIA_EPERM, 0, NULL), VIA_EINVAL);
}

TEST(references_of_null_are_null)
{
    ck_assert_ptr_null(via_cfuture_ref(NULL));
    ck_assert_ptr_null(via_cfuture_unref(NULL));
}

TEST(cancel_in_each_state_tells_what_it_did)
{
    via_cfuture *cf[STATES];

    all_states(cf);
    ck_assert_int_eq(via_cfuture_cancel(cf[PENDING]), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_cfuture_state(cf[PENDING]), VIA_CANCELLED);
    ck_assert_int_eq(via_cfuture_cancel(cf[RUNNING]), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_state(cf[RUNNING]), VIA_RUNNING);
    ck_assert_int_eq(via_cfuture_cancel(cf[CANCELLED]), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_cfuture_state(cf[CANCELLED]), VIA_CANCELLED);
    ck_assert_int_eq(via_cfuture_cancel(cf[SUCCEEDED]), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_cfuture_state(cf[SUCCEEDED]), VIA_FINISHED);
    ck_assert_int_eq(via_cfuture_cancel(cf[FAILED]), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_cfuture_state(cf[FAILED]), VIA_FINISHED);
    unref_all(cf);
}

TEST(state_and_done_agree_in_each_state)
{
    static const int state[STATES] = {VIA_PENDING, VIA_RUNNING, VIA_CANCELLED, VIA_FINISHED, VIA_FINISHED};
    static const int done[STATES] = {0, 0, 1, 1, 1};
    via_cfuture *cf[STATES];

    all_states(cf);
    for (int i = 0; i < STATES; i++) {
        ck_assert_int_eq(via_cfuture_state(cf[i]), state[i]);
        ck_assert_int_eq(via_cfuture_done(cf[i]), done[i]);
    }
    unref_all(cf);
}

TEST(result_with_timeout_zero_polls_each_state)
{
    static const int status[STATES] = {VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ECANCELED, 0, VIA_EPERM};
    via_cfuture *cf[STATES];

    all_states(cf);
    for (int i = 0; i < STATES; i++)
        ck_assert_int_eq(via_cfuture_result(cf[i], 0, NULL), status[i]);
    unref_all(cf);
}

TEST(outcome_in_each_state)
{
    static const int rc[STATES] = {VIA_EPENDING, VIA_EPENDING, 0, 0, 0};
    static const int status[STATES] = {1, 1, VIA_ECANCELED, 0, VIA_EPERM};
    via_cfuture *cf[STATES];

    all_states(cf);
    for (int i = 0; i < STATES; i++) {
        struct via_outcome outcome = {.status = 1};

        ck_assert_int_eq(via_cfuture_outcome(cf[i], &outcome), rc[i]);
        ck_assert_int_eq(outcome.status, status[i]);
        ck_assert_int_eq(via_cfuture_outcome(cf[i], NULL), VIA_EINVAL);
    }
    unref_all(cf);
}

TEST(wait_says_zero_however_the_future_ended)
{
    static const int rc[STATES] = {VIA_ETIMEDOUT, VIA_ETIMEDOUT, 0, 0, 0};
    via_cfuture *cf[STATES];

    all_states(cf);
    for (int i = 0; i < STATES; i++)
        ck_assert_int_eq(via_cfuture_wait(cf[i], 0), rc[i]);
    unref_all(cf);
}

TEST(a_wait_that_times_out_leaves_the_future_alone)
{
    via_cfuture *cf = promise();
    int64_t start_ns = via_test_now_ns();

    ck_assert_int_eq(via_cfuture_wait(cf, 2 * VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_ge(via_test_now_ns() - start_ns, 2 * VIA_MS);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_PENDING);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ck_assert_int_eq(via_cfuture_wait(cf, VIA_FOREVER), 0);
    via_cfuture_unref(cf);
}

TEST(a_negative_timeout_is_invalid)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_wait(cf, -1), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_wait(cf, INT64_MIN), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_result(cf, -1, NULL), VIA_EINVAL);
    via_cfuture_unref(cf);
}

TEST(an_absurdly_long_timeout_is_a_long_wait)
{
    struct waiter waiter;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), 0);
    ck_assert_int_eq(via_cfuture_wait(cf, INT64_MAX - 1), 0);
    via_cfuture_unref(cf);
    cf = promise();
    start_waiter(&waiter, cf);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.rc, 0);
    via_cfuture_unref(cf);
}

TEST(a_blocked_result_is_released_by_set_result)
{
    int value = 42;
    struct waiter waiter;
    via_cfuture *cf = promise();

    start_waiter(&waiter, cf);
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), 0);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.rc, 0);
    ck_assert_ptr_eq(waiter.value, &value);
    via_cfuture_unref(cf);
}

TEST(a_blocked_result_is_released_by_cancel)
{
    struct waiter waiter;
    via_cfuture *cf = promise();

    start_waiter(&waiter, cf);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.rc, VIA_ECANCELED);
    ck_assert_ptr_null(waiter.value);
    via_cfuture_unref(cf);
}

TEST(a_blocked_result_is_released_by_set_error)
{
    struct waiter waiter;
    via_cfuture *cf = promise();

    start_waiter(&waiter, cf);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, "no"), 0);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.rc, VIA_EPERM);
    via_cfuture_unref(cf);
}

TEST(every_blocked_thread_is_released)
{
    struct waiter waiter[4];
    int value = 7;
    via_cfuture *cf = promise();

    for (int i = 0; i < 4; i++)
        start_waiter(&waiter[i], cf);
    ck_assert_int_eq(via_cfuture_set_running(cf), 1);
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), 0);
    for (int i = 0; i < 4; i++) {
        via_test_thread_join(&waiter[i].thread);
        ck_assert_int_eq(waiter[i].rc, 0);
        ck_assert_ptr_eq(waiter[i].value, &value);
    }
    via_cfuture_unref(cf);
}

TEST(a_second_result_is_refused_and_stays_the_callers)
{
    static struct via_test_counted first, second;
    void *value = NULL;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &first, via_test_counted_destroy), 0);
    ck_assert_int_eq(via_cfuture_set_result(cf, &second, via_test_counted_destroy), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, "late"), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_result(cf, 0, &value), 0);
    ck_assert_ptr_eq(value, &first);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&first), 1);
    ck_assert_int_eq(via_test_destroyed(&second), 0);
}

TEST(a_second_error_is_refused_and_the_first_kept)
{
    static struct via_test_counted late;
    struct via_outcome outcome;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EFAILED, 3, "first"), 0);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, "second"), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_result(cf, &late, via_test_counted_destroy), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 3);
    ck_assert_str_eq(outcome.message, "first");
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&late), 0);
}

TEST(a_cancelled_future_cannot_be_settled)
{
    static struct via_test_counted late;
    via_cfuture *cf = promise_in(CANCELLED);

    ck_assert_int_eq(via_cfuture_set_result(cf, &late, via_test_counted_destroy), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&late), 0);
}

TEST(an_error_must_be_a_negative_status)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, 0, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_set_error(cf, 5, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_PENDING);
    via_cfuture_unref(cf);
}

TEST(set_running_in_each_state)
{
    static const int rc[STATES] = {1, VIA_ESTATE, 0, VIA_ESTATE, VIA_ESTATE};
    via_cfuture *cf[STATES];

    all_states(cf);
    for (int i = 0; i < STATES; i++)
        ck_assert_int_eq(via_cfuture_set_running(cf[i]), rc[i]);
    ck_assert_int_eq(via_cfuture_set_running(cf[CANCELLED]), 0);
    unref_all(cf);
}

TEST(a_running_promise_asked_to_stop_still_settles_as_it_likes)
{
    int value = 1;
    void *got = NULL;
    via_cfuture *cf = promise_in(RUNNING);

    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_done(cf), 0);
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), 0);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_FINISHED);
    ck_assert_int_eq(via_cfuture_result(cf, 0, &got), 0);
    ck_assert_ptr_eq(got, &value);
    via_cfuture_unref(cf);
}

TEST(the_value_goes_with_the_last_reference)
{
    static struct via_test_counted value;
    via_cfuture *cf = promise();

    ck_assert_ptr_eq(via_cfuture_ref(cf), cf);
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, via_test_counted_destroy), 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    ck_assert_ptr_null(via_cfuture_unref(cf));
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(a_value_without_destructor_is_left_alone)
{
    static struct via_test_counted value;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
}

TEST(a_pending_future_can_be_dropped)
{
    via_cfuture *cf[STATES];

    all_states(cf);
    unref_all(cf);
}

TEST(a_value_is_borrowed_any_number_of_times)
{
    static struct via_test_counted value;
    void *got = NULL;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &value, via_test_counted_destroy), 0);
    for (int i = 0; i < 3; i++) {
        struct via_outcome outcome;

        ck_assert_int_eq(via_cfuture_result(cf, VIA_S, &got), 0);
        ck_assert_ptr_eq(got, &value);
        ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
        ck_assert_ptr_eq(outcome.value, &value);
    }
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(a_taken_value_is_the_takers_and_nobody_elses)
{
    static struct via_test_counted value;
    struct via_outcome outcome, second = {.status = 77};
    void *got = &second;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &value, via_test_counted_destroy), 0);
    ck_assert_int_eq(via_cfuture_take(cf, &outcome), 0);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_ptr_eq(outcome.value, &value);
    ck_assert_int_eq(via_cfuture_take(cf, &second), VIA_ETAKEN);
    ck_assert_int_eq(via_cfuture_outcome(cf, &second), VIA_ETAKEN);
    ck_assert_int_eq(via_cfuture_result(cf, 0, &got), VIA_ETAKEN);
    ck_assert_int_eq(second.status, 77);
    ck_assert_ptr_eq(got, &second);
    ck_assert_int_eq(via_cfuture_wait(cf, 0), 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    outcome.destroy(outcome.value);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(nothing_can_be_taken_before_the_end)
{
    struct via_outcome outcome = {.status = 77};
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_take(cf, &outcome), VIA_EPENDING);
    ck_assert_int_eq(via_cfuture_set_running(cf), 1);
    ck_assert_int_eq(via_cfuture_take(cf, &outcome), VIA_EPENDING);
    ck_assert_int_eq(outcome.status, 77);
    ck_assert_int_eq(via_cfuture_take(cf, NULL), VIA_EINVAL);
    via_cfuture_unref(cf);
}

struct taker {
    struct via_test_thread thread;
    struct via_test_gate *gate;
    via_cfuture *cf;
    int rc;
    struct via_outcome outcome;
};

static void *take_after_gate(void *arg)
{
    struct taker *taker = arg;

    via_test_gate_pass(taker->gate);
    taker->rc = via_cfuture_take(taker->cf, &taker->outcome);
    return NULL;
}

TEST(of_several_takers_exactly_one_gets_the_value)
{
    static struct via_test_counted value;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct taker taker[4];
    int winners = 0;
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &value, via_test_counted_destroy), 0);
    for (int i = 0; i < 4; i++) {
        taker[i] = (struct taker){.gate = &gate, .cf = cf};
        via_test_thread_start(&taker[i].thread, take_after_gate, &taker[i]);
    }
    via_test_gate_await(&gate, 4);
    via_test_gate_open(&gate);
    for (int i = 0; i < 4; i++) {
        via_test_thread_join(&taker[i].thread);
        if (taker[i].rc == 0) {
            winners++;
            ck_assert_ptr_eq(taker[i].outcome.value, &value);
        } else {
            ck_assert_int_eq(taker[i].rc, VIA_ETAKEN);
        }
    }
    ck_assert_int_eq(winners, 1);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
}

TEST(a_failed_result_leaves_the_place_untouched)
{
    int other;
    void *value = &other;
    via_cfuture *cf = promise_in(FAILED);

    ck_assert_int_eq(via_cfuture_result(cf, VIA_FOREVER, &value), VIA_EPERM);
    ck_assert_ptr_eq(value, &other);
    via_cfuture_unref(cf);
}

struct settler {
    struct via_test_thread thread;
    struct via_test_gate *gate;
    via_cfuture *cf;
    struct via_test_counted value;
    int rc;
};

static void *settle_after_gate(void *arg)
{
    struct settler *settler = arg;

    via_test_gate_pass(settler->gate);
    settler->rc = via_cfuture_set_result(settler->cf, &settler->value, via_test_counted_destroy);
    return NULL;
}

/* One round of settling against cancelling: exactly one of the two must win. */
static void race_settle_against_cancel(void)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct settler settler = {.gate = &gate, .cf = promise()};
    int cancel;

    via_test_thread_start(&settler.thread, settle_after_gate, &settler);
    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    cancel = via_cfuture_cancel(settler.cf);
    via_test_thread_join(&settler.thread);
    if (cancel == VIA_CANCEL_NEVER_RAN) {
        ck_assert_int_eq(settler.rc, VIA_ESTATE);
        ck_assert_int_eq(via_cfuture_state(settler.cf), VIA_CANCELLED);
    } else {
        ck_assert(cancel == VIA_CANCEL_TOO_LATE || cancel == VIA_CANCEL_REQUESTED);
        ck_assert_int_eq(settler.rc, 0);
        ck_assert_int_eq(via_cfuture_state(settler.cf), VIA_FINISHED);
    }
    via_cfuture_unref(settler.cf);
    ck_assert_int_eq(via_test_destroyed(&settler.value), settler.rc == 0);
}

TEST(settling_and_cancelling_at_once_has_one_winner)
{
    for (int round = 0; round < 100; round++)
        race_settle_against_cancel();
}

TEST(what_is_cancelled_only_if_pending_is_not_asked_to_stop_when_it_runs)
{
    via_cfuture *cf[STATES];

    all_states(cf);
    for (int i = 0; i < STATES; i++) {
        int state = via_cfuture_state(cf[i]);

        ck_assert_int_eq(via__cf_cancel_pending(cf[i]), i == PENDING);
        ck_assert_int_eq(via_cfuture_state(cf[i]), i == PENDING ? VIA_CANCELLED : state);
        ck_assert_uint_eq(via__cf_state(cf[i]) & VIA__REQUESTED, 0);
        via_cfuture_unref(cf[i]);
    }
}

TEST_MAIN("future/cfuture", a_new_future_is_pending, a_null_future_is_invalid_everywhere,
          references_of_null_are_null, cancel_in_each_state_tells_what_it_did,
          state_and_done_agree_in_each_state, result_with_timeout_zero_polls_each_state,
          outcome_in_each_state, wait_says_zero_however_the_future_ended,
          a_wait_that_times_out_leaves_the_future_alone, a_negative_timeout_is_invalid,
          an_absurdly_long_timeout_is_a_long_wait, a_blocked_result_is_released_by_set_result,
          a_blocked_result_is_released_by_cancel, a_blocked_result_is_released_by_set_error,
          every_blocked_thread_is_released, a_second_result_is_refused_and_stays_the_callers,
          a_second_error_is_refused_and_the_first_kept, a_cancelled_future_cannot_be_settled,
          an_error_must_be_a_negative_status, set_running_in_each_state,
          a_running_promise_asked_to_stop_still_settles_as_it_likes, the_value_goes_with_the_last_reference,
          a_value_without_destructor_is_left_alone, a_pending_future_can_be_dropped,
          a_value_is_borrowed_any_number_of_times, a_taken_value_is_the_takers_and_nobody_elses,
          nothing_can_be_taken_before_the_end, of_several_takers_exactly_one_gets_the_value,
          a_failed_result_leaves_the_place_untouched, settling_and_cancelling_at_once_has_one_winner,
          what_is_cancelled_only_if_pending_is_not_asked_to_stop_when_it_runs)
