/* SPDX-License-Identifier: BSD-3-Clause */
/* Shield: a future that can be cancelled without the one that it stands for. */
#include "unit/combine/combine_fixture.h"

static char value;

static int shield_what_is_done(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *done = done_with(&value), *failed = failed_with(VIA_EBUSY),
               *lost = via_create_task(NULL, NULL);
    ck_assert_ptr_eq(via_shield(done), done);
    ck_assert_ptr_eq(via_shield(failed), failed);
    ck_assert_ptr_eq(via_shield(lost), lost);
    ck_assert_int_eq(status_of(via_shield(NULL)), VIA_EINVAL);
    via_future_unref(done);
    return via_await(failed, NULL);
}

TEST(one_that_is_done_is_given_back_as_it_is)
{
    ck_assert_int_eq(run_main(shield_what_is_done, NULL), VIA_EBUSY);
}

static struct via_test_counted counted;

static int take_through(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_future_ref(new_promise());
    via_future *outer = via_shield(inner);
    ck_assert_ptr_ne(outer, inner);
    ck_assert_int_eq(via_future_set_result(inner, &counted, via_test_counted_destroy), 0);
    struct via_outcome outcome;
    ck_assert_int_eq(via_await_outcome(outer, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &counted);
    ck_assert_ptr_nonnull(outcome.destroy);
    outcome.destroy(outcome.value);
    ck_assert_int_eq(via_future_take(inner, &outcome), VIA_ETAKEN);
    via_future_unref(inner);
    return 0;
}

TEST(a_value_passes_with_its_destructor)
{
    ck_assert_int_eq(run_main(take_through, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

static int drop_through(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_future_ref(new_promise());
    via_future *outer = via_shield(inner);
    ck_assert_int_eq(via_future_set_result(inner, &counted, via_test_counted_destroy), 0);
    via_future_unref(inner);
    ck_assert_int_eq(via_await(outer, NULL), 0);
    return 0;
}

TEST(a_value_that_nobody_takes_is_destroyed_once)
{
    ck_assert_int_eq(run_main(drop_through, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

static int fail_through(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = new_promise(), *outer = via_shield(inner);
    ck_assert_int_eq(via_future_set_error(inner, VIA_EFAILED, 7, "seven"), 0);
    struct via_outcome outcome;
    ck_assert_int_eq(via_await_outcome(outer, &outcome), VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 7);
    ck_assert_str_eq(outcome.message, "seven");
    return 0;
}

TEST(an_error_passes_with_code_and_text)
{
    ck_assert_int_eq(run_main(fail_through, NULL), 0);
}

static int cancel_the_inner(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_create_task(task_wait_for_ever, NULL), *outer = via_shield(inner);
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(inner), VIA_CANCEL_REQUESTED);
    yield_times(4);
    ck_assert_int_eq(via_future_state(outer), VIA_CANCELLED);
    ck_assert_int_eq(via_await(outer, NULL), VIA_EABORTED);
    return 0;
}

TEST(cancelling_the_inner_one_cancels_the_shield)
{
    ck_assert_int_eq(run_main(cancel_the_inner, NULL), 0);
}

/* ---- cancelling the shield ---- */

static int nap(void *arg, void **result)
{
    *result = arg;
    int status = via_sleep(VIA_S);
    via_test_record(&history, "%s", status == 0 ? "slept" : "woken");
    return status;
}

static int cancel_the_outer(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_create_task(nap, &value), *outer = via_shield(via_future_ref(inner));
    // Before it begins.
    ck_assert_int_eq(via_future_cancel(outer), VIA_CANCEL_ABANDONED);
    ck_assert_int_eq(via_future_state(outer), VIA_CANCELLED);
    ck_assert_int_eq(via_future_cancel(outer), VIA_CANCEL_TOO_LATE);
    via_future_unref(outer);
    // While it waits.
    outer = via_shield(via_future_ref(inner));
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(outer), VIA_CANCEL_ABANDONED);
    via_future_unref(outer);
    void *got = NULL;
    ck_assert_int_eq(via_await(inner, &got), 0);
    ck_assert_ptr_eq(got, &value);
    ASSERT_RECORD(&history, "slept");
    return 0;
}

TEST(cancelling_the_shield_leaves_the_inner_one_alone)
{
    ck_assert_int_eq(run_main(cancel_the_outer, NULL), 0);
}

static int cancel_when_done(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_future_ref(new_promise()), *outer = via_shield(inner);
    succeed(inner, &value);
    // The shield has not heard of it.
    ck_assert_int_eq(via_future_done(outer), 0);
    ck_assert_int_eq(via_future_cancel(outer), VIA_CANCEL_TOO_LATE);
    void *got = NULL;
    ck_assert_int_eq(via_await(outer, &got), 0);
    ck_assert_ptr_eq(got, &value);
    via_future_unref(inner);
    return 0;
}

TEST(when_the_inner_one_is_done_it_is_too_late)
{
    ck_assert_int_eq(run_main(cancel_when_done, NULL), 0);
}

static int await_shielded(void *inner, void **result)
{
    (void)result;
    int status = via_await(via_shield(via_future_ref(inner)), NULL);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int cancel_the_caller(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_create_task(nap, NULL), *caller = via_create_task(await_shielded, inner);
    yield_times(2);
    via_task_cancel(caller, NULL);
    ck_assert_int_eq(via_await(caller, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    ck_assert_int_eq(via_await(inner, NULL), 0);
    ASSERT_RECORD(&history, "VIA_ECANCELED slept");
    return 0;
}

TEST(a_caller_that_is_cancelled_returns_while_the_inner_one_goes_on)
{
    ck_assert_int_eq(run_main(cancel_the_caller, NULL), 0);
}

static int shield_in_clean_up(void *inner, void **result)
{
    struct via_scope scope;
    (void)result;
    int status = via_sleep(VIA_FOREVER);
    ck_assert_int_eq(via_await(via_shield(via_future_ref(inner)), NULL), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&scope), 0);
    ck_assert_int_eq(via_await(via_shield(via_future_ref(inner)), NULL), 0);
    ck_assert_int_eq(via_shield_end(&scope), 0);
    return status;
}

static int cancel_in_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_create_task(nap, NULL), *task = via_create_task(shield_in_clean_up, inner);
    yield_times(2);
    via_task_cancel(task, NULL);
    yield_times(2);
    via_task_cancel(task, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_future_done(inner), 1);
    via_future_unref(inner);
    return 0;
}

TEST(in_clean_up_a_shielded_section_waits_for_it)
{
    ck_assert_int_eq(run_main(cancel_in_clean_up, NULL), 0);
}

static int limit_a_shield(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = via_create_task(nap, NULL);
    ck_assert_int_eq(via_wait_for(via_shield(via_future_ref(inner)), VIA_MS, NULL), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_future_done(inner), 0);
    return via_await(inner, NULL);
}

TEST(a_time_limit_does_not_reach_through_it)
{
    ck_assert_int_eq(run_main(limit_a_shield, NULL), 0);
}

/* ---- what becomes of the inner one ---- */

static int fail_in_a_while(void *arg, void **result)
{
    (void)result;
    int status = via_sleep(VIA_S);
    return status < 0 ? status : *(int *)arg;
}

struct shields {
    int count;     /* of shields, all of them cancelled */
    int status;    /* of the inner task */
    int is_looked; /* somebody looks at the inner task */
};

static int cancel_shields(void *arg, void **result)
{
    struct shields *shields = arg;
    (void)result;
    via_future *inner = via_create_task(fail_in_a_while, &shields->status);
    for (int i = 0; i < shields->count; i++) {
        via_future *outer = via_shield(via_future_ref(inner));
        via_future_cancel(outer);
        via_future_unref(outer);
    }
    if (shields->is_looked)
        (void)via_future_add_done_callback(inner, say_done, (void *)(uintptr_t) "seen");
    via_future_unref(inner);
    return via_sleep(2 * VIA_S);
}

static int reports_of(struct shields shields)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, cancel_shields, &shields), 0);
    close_loop(loop);
    return reports.count;
}

TEST(a_value_that_comes_after_the_shield_was_cancelled_is_dropped_silently)
{
    ck_assert_int_eq(reports_of((struct shields){.count = 1}), 0);
}

TEST(an_error_that_comes_after_the_shield_was_cancelled_is_reported_once)
{
    ck_assert_int_eq(reports_of((struct shields){.count = 1, .status = VIA_EBUSY}), 1);
    ck_assert_int_eq(reports.status, VIA_EBUSY);
}

TEST(with_two_shields_too)
{
    ck_assert_int_eq(reports_of((struct shields){.count = 2, .status = VIA_EBUSY}), 1);
}

TEST(if_somebody_looks_at_it_there_is_nothing_to_report)
{
    ck_assert_int_eq(reports_of((struct shields){.count = 1, .status = VIA_EBUSY, .is_looked = 1}), 0);
    ASSERT_RECORD(&history, "seen");
}

static int drop_a_shield(void *arg, void **result)
{
    static int busy = VIA_EBUSY;
    (void)arg;
    (void)result;
    via_future_unref(via_shield(via_create_task(fail_in_a_while, &busy)));
    return via_sleep(2 * VIA_S);
}

TEST(a_shield_that_was_dropped_reports_the_error_once_too)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, drop_a_shield, NULL), 0);
    ck_assert_int_eq(reports.count, 1);
    close_loop(loop);
}

/* ---- with gather ---- */

static int shield_a_gather(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *children[] = {via_create_task(nap, &value), via_create_task(nap, &value)};
    via_future *gather = via_gather(children, 2, 0), *outer = via_shield(via_future_ref(gather));
    yield_times(2);
    via_future_cancel(outer);
    via_future_unref(outer);
    void *all = NULL;
    ck_assert_int_eq(via_await(gather, &all), 0);
    ck_assert_ptr_eq(((struct via_outcome *)all)[1].value, &value);
    via_outcomes_free(all);
    ASSERT_RECORD(&history, "slept slept");
    return 0;
}

TEST(a_shielded_gather_completes)
{
    ck_assert_int_eq(run_main(shield_a_gather, NULL), 0);
}

static int gather_shields(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *a = via_create_task(nap, NULL), *b = via_create_task(nap, NULL);
    via_future *shields[] = {via_shield(via_future_ref(a)), via_shield(via_future_ref(b))};
    via_future *gather = via_gather(shields, 2, 0);
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    via_future *both[] = {a, b};
    ck_assert_int_eq(via_await_all(both, 2, 0, NULL), 0);
    ASSERT_RECORD(&history, "slept slept");
    return 0;
}

TEST(cancelling_a_gather_of_shields_cancels_only_the_shields)
{
    ck_assert_int_eq(run_main(gather_shields, NULL), 0);
}

/* ---- foreign futures, and the closing of the loop ---- */

static int shield_foreign(void *other, void **result)
{
    (void)result;
    via_future *foreign = via_future_new(other);
    ck_assert_int_eq(status_of(via_shield(foreign)), VIA_EFOREIGN);
    return 0;
}

TEST(another_loops_future_is_refused)
{
    via_loop *other = open_loop();
    ck_assert_int_eq(run_main(shield_foreign, other), 0);
    close_loop(other);
}

static int await_promise_shielded(void *promise, void **result)
{
    (void)result;
    int status = via_await(via_shield(promise), NULL);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

TEST(closing_the_loop_ends_it)
{
    via_loop *loop = open_task_loop();
    via_future *promise = via_future_new(loop), *kept = via_shield(via_future_ref(promise));
    via_future_unref(create(loop, await_promise_shielded, promise));
    RUN_TICKS(loop, 3);
    close_loop(loop);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    via_future_unref(kept);
}

static int wait_for_no_time(void *arg, void **result)
{
    (void)arg;
    via_future *inner = new_promise();
    via_future *outer = via_shield(via_future_ref(inner));
    succeed(inner, &value);
    via_future_unref(inner);
    ck_assert_int_eq(via_future_done(outer), 0);
    return via_wait_for(outer, 0, result);
}

TEST(what_has_come_is_delivered_though_the_shield_had_not_heard_of_it)
{
    ck_assert_int_eq(run_main(wait_for_no_time, NULL), 0);
}

static int take_twice(void *arg, void **result)
{
    (void)arg;
    via_future *inner = new_promise();
    via_future *outer = via_shield(via_future_ref(inner));
    succeed(inner, &value);
    via_future_unref(inner);
    ck_assert_int_eq(via_await(via_future_ref(outer), result), 0);
    ck_assert_ptr_eq(*result, &value);
    *result = NULL;
    return via_await(outer, result);
}

TEST(a_value_that_nobody_has_to_destroy_is_there_for_everybody)
{
    ck_assert_int_eq(run_main(take_twice, NULL), 0);
}

TEST_MAIN("combine/shield", one_that_is_done_is_given_back_as_it_is, a_value_passes_with_its_destructor,
          a_value_that_nobody_takes_is_destroyed_once, an_error_passes_with_code_and_text,
          cancelling_the_inner_one_cancels_the_shield, cancelling_the_shield_leaves_the_inner_one_alone,
          when_the_inner_one_is_done_it_is_too_late,
          a_caller_that_is_cancelled_returns_while_the_inner_one_goes_on,
          in_clean_up_a_shielded_section_waits_for_it, a_time_limit_does_not_reach_through_it,
          a_value_that_comes_after_the_shield_was_cancelled_is_dropped_silently,
          an_error_that_comes_after_the_shield_was_cancelled_is_reported_once, with_two_shields_too,
          if_somebody_looks_at_it_there_is_nothing_to_report,
          a_shield_that_was_dropped_reports_the_error_once_too, a_shielded_gather_completes,
          cancelling_a_gather_of_shields_cancels_only_the_shields, another_loops_future_is_refused,
          closing_the_loop_ends_it, what_has_come_is_delivered_though_the_shield_had_not_heard_of_it,
          a_value_that_nobody_has_to_destroy_is_there_for_everybody)
