/* SPDX-License-Identifier: BSD-3-Clause */
/* Gather: its value, its errors, and who is cancelled when. */
#include "unit/combine/combine_fixture.h"

static char values[] = "abcdefgh";

static int results_are_in_order(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *children[3] = {new_promise(), new_promise(), new_promise()};
    via_future *own[3];
    for (int i = 0; i < 3; i++)
        own[i] = via_future_ref(children[i]);
    via_future *gather = via_gather(children, 3, 0);
    succeed(own[1], &values[1]);
    succeed(own[0], &values[0]);
    yield_times(3);
    ck_assert_int_eq(via_future_done(gather), 0);
    succeed(own[2], &values[2]);
    yield_times(3);
    ck_assert_int_eq(via_future_done(gather), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(outcomes_of(gather)[i].status, 0);
        ck_assert_ptr_eq(outcomes_of(gather)[i].value, &values[i]);
        via_future_unref(own[i]);
    }
    via_future_unref(gather);
    return 0;
}

TEST(values_are_in_the_order_of_the_list_and_come_with_the_last_child)
{
    ck_assert_int_eq(run_main(results_are_in_order, NULL), 0);
}

static int wait_once(void *arg, void **result)
{
    via_test_record(&history, "ran");
    *result = arg;
    return via_yield();
}

static int gather_one_twice(void *arg, void **result)
{
    struct via_outcome out[4];
    (void)arg;
    (void)result;
    via_future *a = via_create_task(wait_once, &values[0]), *b = via_create_task(wait_once, &values[1]);
    via_future *futures[] = {a, b, a, a};
    ck_assert_int_eq(via_await_all(futures, 4, 0, out), 0);
    ck_assert_ptr_eq(out[0].value, &values[0]);
    ck_assert_ptr_eq(out[1].value, &values[1]);
    ck_assert_ptr_eq(out[2].value, &values[0]);
    ck_assert_ptr_eq(out[3].value, &values[0]);
    ASSERT_RECORD(&history, "ran ran");
    return 0;
}

TEST(a_future_listed_twice_runs_once_and_fills_both_places)
{
    ck_assert_int_eq(run_main(gather_one_twice, NULL), 0);
}

static int gather_many_twice(void *arg, void **result)
{
    enum { MANY = 40 };
    via_future *futures[2 * MANY];
    (void)arg;
    (void)result;
    for (size_t i = 0; i < MANY; i++)
        futures[i] = futures[2 * MANY - 1 - i] = via_create_task(task_give_back, &futures[i]);
    via_future *gather = via_gather(futures, 2 * MANY, 0);
    void *value = NULL;
    ck_assert_int_eq(via_await(gather, &value), 0);
    struct via_outcome *all = value;
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(all[i].value, &futures[i]);
        ck_assert_ptr_eq(all[2 * MANY - 1 - i].value, &futures[i]);
    }
    ck_assert_ptr_null(via_outcomes_free(all));
    return 0;
}

TEST(many_futures_listed_twice_are_found_too)
{
    ck_assert_int_eq(run_main(gather_many_twice, NULL), 0);
}

/* Values with a destructor: each is destroyed once, whoever has them in the end. */
static struct via_test_counted counted[3];

static via_future *done_with_counted(int at)
{
    via_future *future = new_promise();
    ck_assert_int_eq(via_future_set_result(future, &counted[at], via_test_counted_destroy), 0);
    return future;
}

static int gather_counted(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *twice = done_with_counted(0);
    via_future *futures[] = {twice, done_with_counted(1), twice, done_with_counted(2)};
    via_future *gather = via_gather(futures, 4, 0);
    struct via_outcome *out = outcomes_of(gather);
    ck_assert_ptr_eq(out[0].value, &counted[0]);
    ck_assert_ptr_nonnull(out[0].destroy);
    ck_assert_ptr_eq(out[2].value, &counted[0]);
    ck_assert_ptr_null(out[2].destroy);
    out[1].destroy = NULL; // taken
    via_future_unref(gather);
    return 0;
}

TEST(parts_that_were_not_taken_go_with_the_array_once)
{
    ck_assert_int_eq(run_main(gather_counted, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&counted[1]), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[2]), 1);
}

static int gather_what_fails(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *kept = via_future_ref(done_with_counted(0));
    via_future *futures[] = {kept, failed_with(VIA_EBUSY)};
    via_future *gather = via_gather(futures, 2, 0);
    struct via_outcome outcome;
    ck_assert_int_eq(via_await_outcome(gather, &outcome), VIA_EBUSY);
    ck_assert_str_eq(outcome.message, "it failed");
    // The value was not taken from the one that succeeded.
    ck_assert_int_eq(via_future_take(kept, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &counted[0]);
    via_future_unref(kept);
    return 0;
}

TEST(a_gather_that_fails_takes_no_values)
{
    ck_assert_int_eq(run_main(gather_what_fails, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 0);
}

static int await_values_unseen(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {done_with_counted(0)};
    ck_assert_int_eq(via_await_all(futures, 1, 0, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    return 0;
}

TEST(values_that_nobody_wants_are_destroyed_at_once)
{
    ck_assert_int_eq(run_main(await_values_unseen, NULL), 0);
}

static int gather_taken(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_outcome outcome;
    via_future *taken = via_future_ref(done_with_counted(0));
    ck_assert_int_eq(via_future_take(taken, &outcome), 0);
    via_future *one = via_gather(&taken, 1, 0);
    ck_assert_int_eq(via_await(one, NULL), VIA_ETAKEN);
    one = via_gather(&taken, 1, VIA_GATHER_RETURN_ERRORS);
    ck_assert_int_eq(outcomes_of(one)[0].status, VIA_ETAKEN);
    via_future_unref(one);
    return 0;
}

TEST(a_value_that_somebody_took_is_an_error)
{
    ck_assert_int_eq(run_main(gather_taken, NULL), 0);
}

TEST(outside_of_a_loop_an_empty_gather_has_nowhere_to_be)
{
    via_loop *loop = open_task_loop();
    via_future *nowhere = via_gather(NULL, 0, 0);
    ck_assert_int_eq(status_of(nowhere), VIA_ESTATE);
    close_loop(loop);
}

static int gather_nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *gather = via_gather(NULL, 0, 0);
    ck_assert_int_eq(via_future_done(gather), 1);
    ck_assert_ptr_nonnull(outcomes_of(gather));
    via_future_unref(gather);
    return via_await_all(NULL, 0, 0, NULL);
}

TEST(in_a_loop_that_runs_an_empty_gather_is_done_at_once)
{
    ck_assert_int_eq(run_main(gather_nothing, NULL), 0);
}

static int gather_done_ones(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {done_with(&values[0]), done_with(&values[1])};
    call_soon(say, (void *)(uintptr_t) "tick");
    struct via_outcome out[2];
    ck_assert_int_eq(via_await_all(futures, 2, 0, out), 0);
    ASSERT_RECORD(&history, "");
    ck_assert_ptr_eq(out[1].value, &values[1]);
    return 0;
}

TEST(if_all_are_done_no_tick_passes)
{
    ck_assert_int_eq(run_main(gather_done_ones, NULL), 0);
}

/* ---- bad lists ---- */

static int gather_over_two_loops(void *other, void **result)
{
    (void)result;
    via_future *theirs = via_future_new(other), *mine = new_promise();
    ck_assert_int_eq(via_future_set_result(theirs, &counted[0], via_test_counted_destroy), 0);
    ck_assert_int_eq(via_future_set_result(mine, &counted[1], via_test_counted_destroy), 0);
    via_future *futures[] = {mine, theirs, mine};
    via_future *gather = via_gather(futures, 3, 0);
    ck_assert_int_eq(status_of(gather), VIA_EFOREIGN);
    return 0;
}

TEST(futures_of_two_loops_are_refused_and_their_references_released)
{
    via_loop *other = open_loop();
    ck_assert_int_eq(run_main(gather_over_two_loops, other), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&counted[1]), 1);
    close_loop(other);
}

struct foreign {
    struct via_test_thread thread;
    via_loop *loop;
    via_future *future;
};

static void *gather_elsewhere(void *arg)
{
    struct foreign *foreign = arg;
    via_loop *mine = open_task_loop();
    via_future *futures[] = {via_future_new(mine), foreign->future};
    ck_assert_int_eq(status_of(via_gather(futures, 2, 0)), VIA_EFOREIGN);
    close_loop(mine);
    return NULL;
}

TEST(a_reference_of_another_threads_loop_goes_back_there)
{
    struct foreign foreign = {.loop = open_loop()};
    foreign.future = via_future_new(foreign.loop);
    ck_assert_int_eq(via_future_set_result(foreign.future, &counted[0], via_test_counted_destroy), 0);
    via_test_thread_start(&foreign.thread, gather_elsewhere, &foreign);
    via_test_thread_join(&foreign.thread);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 0);
    RUN_UNTIL(foreign.loop, via_test_destroyed(&counted[0]) == 1);
    close_loop(foreign.loop);
}

TEST(the_loop_is_the_childrens_where_none_runs)
{
    via_loop *loop = open_task_loop();
    via_future *futures[] = {create(loop, task_give_back, &values[0]), create(loop, task_return_0, NULL)};
    via_future *gather = via_gather(futures, 2, 0);
    ck_assert_ptr_eq(via_future_loop(gather), loop);
    ck_assert_int_eq(via_loop_run_until_complete(loop, gather), 0);
    ck_assert_ptr_eq(outcomes_of(gather)[0].value, &values[0]);
    via_future_unref(gather);
    close_loop(loop);
}

static int gather_badly(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_say, (void *)(uintptr_t) "ran");
    via_future *futures[] = {via_future_ref(task), NULL, new_promise()};
    ck_assert_int_eq(status_of(via_gather(futures, 3, 0)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_gather(NULL, 1, 0)), VIA_EINVAL);
    via_future *good[] = {new_promise()};
    ck_assert_int_eq(status_of(via_gather(good, 1, 4)), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_gather(futures, (size_t)-1, 0)), VIA_EINVAL);
    return via_await(task, NULL);
}

TEST(a_bad_argument_leaves_nothing_behind_and_the_good_ones_run)
{
    ck_assert_int_eq(run_main(gather_badly, NULL), 0);
    ASSERT_RECORD(&history, "ran");
}

static int gather_not_started(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(NULL, NULL), new_promise()};
    ck_assert_int_eq(via_await_all(futures, 2, 0, NULL), VIA_EINVAL);
    struct via_outcome out[2];
    via_future *again[] = {via_create_task(NULL, NULL), done_with(NULL)};
    ck_assert_int_eq(via_await_all(again, 2, VIA_GATHER_RETURN_ERRORS, out), 0);
    ck_assert_int_eq(out[0].status, VIA_EINVAL);
    ck_assert_ptr_nonnull(out[0].message);
    return 0;
}

TEST(a_child_that_could_not_be_started_is_an_error_like_others)
{
    ck_assert_int_eq(run_main(gather_not_started, NULL), 0);
}

/* ---- errors ---- */

static int busy = VIA_EBUSY;

static int fail_after_a_while(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = via_sleep(VIA_S);
    say((void *)(uintptr_t) "later");
    return status < 0 ? status : VIA_ENOENT;
}

static int gather_two_errors(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *sibling = via_create_task(fail_after_a_while, NULL);
    via_future *futures[] = {via_future_ref(sibling), via_create_task(task_fail, &busy)};
    int status = via_await_all(futures, 2, 0, NULL);
    ASSERT_RECORD(&history, "");
    ck_assert_int_eq(via_future_done(sibling), 0);
    ck_assert_int_eq(via_task_cancelling(sibling), 0);
    via_future_unref(sibling);
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    ASSERT_RECORD(&history, "later");
    return status;
}

TEST(the_first_error_ends_it_and_a_later_one_is_not_reported)
{
    ck_assert_int_eq(run_main(gather_two_errors, NULL), VIA_EBUSY);
}

static int gather_ready_errors(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {new_promise(), failed_with(VIA_EBUSY), failed_with(VIA_ENOENT)};
    via_future *gather = via_gather(futures, 3, 0);
    ck_assert_int_eq(via_future_done(gather), 1);
    return via_await(gather, NULL);
}

TEST(an_error_that_is_there_already_ends_it_at_once)
{
    ck_assert_int_eq(run_main(gather_ready_errors, NULL), VIA_EBUSY);
}

static int drop_a_failed_gather(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {failed_with(VIA_EBUSY)};
    via_future_unref(via_gather(futures, 1, 0));
    return 0;
}

TEST(the_error_of_a_gather_that_nobody_looks_at_is_reported_once)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, drop_a_failed_gather, NULL), 0);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EBUSY);
    close_loop(loop);
}

static int fail_with_7(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 7;
}

static int gather_errors_as_values(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *asleep = via_create_task(task_wait_for_ever, NULL);
    via_future *futures[] = {via_create_task(task_give_back, &values[0]), via_create_task(fail_with_7, NULL),
                             asleep, cancelled()};
    call_later(VIA_S, cancel_it, asleep);
    struct via_outcome out[4];
    ck_assert_int_eq(via_await_all(futures, 4, VIA_GATHER_RETURN_ERRORS, out), 0);
    ck_assert_int_eq(out[0].status, 0);
    ck_assert_ptr_eq(out[0].value, &values[0]);
    ck_assert_int_eq(out[1].status, VIA_EFAILED);
    ck_assert_int_eq(out[1].code, 7);
    ck_assert_int_eq(out[2].status, VIA_EABORTED);
    ck_assert_int_eq(out[3].status, VIA_EABORTED);
    return 0;
}

TEST(with_return_errors_errors_and_cancelled_children_are_outcomes)
{
    ck_assert_int_eq(run_main(gather_errors_as_values, NULL), 0);
}

static int code_of_first(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(fail_with_7, NULL)};
    struct via_outcome outcome;
    ck_assert_int_eq(via_await_outcome(via_gather(futures, 1, 0), &outcome), VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 7);
    return 0;
}

TEST(the_first_error_comes_with_its_code)
{
    ck_assert_int_eq(run_main(code_of_first, NULL), 0);
}

static int one_child_cancelled(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *sibling = via_future_ref(new_promise()), *victim = new_promise();
    via_future *futures[] = {sibling, victim};
    via_future *gather = via_gather(futures, 2, 0);
    via_future_cancel(victim);
    yield_times(3);
    ck_assert_int_eq(via_future_state(gather), VIA_FINISHED);
    ck_assert_int_eq(status_of(gather), VIA_EABORTED);
    ck_assert_int_eq(via_future_done(sibling), 0);
    via_future_unref(sibling);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_child_cancelled_alone_is_an_error_and_its_siblings_go_on)
{
    ck_assert_int_eq(run_main(one_child_cancelled, NULL), 0);
}

/* ---- draining ---- */

/* Takes a while to end when it is cancelled. */
static int clean_up_slowly(void *arg, void **result)
{
    struct via_scope shield;
    (void)result;
    int status = via_sleep(VIA_FOREVER);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    via_test_record(&history, "%s", (const char *)arg);
    return status;
}

static int fail_soon(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = via_yield();
    return status < 0 ? status : VIA_EBUSY;
}

static int drain_an_error(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(clean_up_slowly, (void *)(uintptr_t) "a"),
                             via_create_task(fail_soon, NULL),
                             via_create_task(clean_up_slowly, (void *)(uintptr_t) "b")};
    int status = via_await_all(futures, 3, VIA_GATHER_DRAIN, NULL);
    ASSERT_RECORD(&history, "a b");
    return status;
}

TEST(a_draining_gather_cancels_the_rest_and_tells_the_error_when_they_have_ended)
{
    ck_assert_int_eq(run_main(drain_an_error, NULL), VIA_EBUSY);
}

static int drain_a_success(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(task_give_back, &values[0]), done_with(&values[1])};
    struct via_outcome out[2];
    int status = via_await_all(futures, 2, VIA_GATHER_DRAIN, out);
    ck_assert_ptr_eq(out[0].value, &values[0]);
    ck_assert_ptr_eq(out[1].value, &values[1]);
    return status;
}

TEST(a_draining_gather_without_errors_gives_its_value)
{
    ck_assert_int_eq(run_main(drain_a_success, NULL), 0);
}

static int drain_errors_as_values(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(fail_soon, NULL), via_sleep_future(VIA_S, &values[1])};
    struct via_outcome out[2];
    int status = via_await_all(futures, 2, VIA_GATHER_DRAIN | VIA_GATHER_RETURN_ERRORS, out);
    ck_assert_int_eq(out[0].status, VIA_EBUSY);
    ck_assert_ptr_eq(out[1].value, &values[1]);
    return status;
}

TEST(where_errors_are_outcomes_nothing_is_cancelled_for_them)
{
    ck_assert_int_eq(run_main(drain_errors_as_values, NULL), 0);
}

TEST_MAIN("combine/gather", values_are_in_the_order_of_the_list_and_come_with_the_last_child,
          a_future_listed_twice_runs_once_and_fills_both_places, many_futures_listed_twice_are_found_too,
          parts_that_were_not_taken_go_with_the_array_once, a_gather_that_fails_takes_no_values,
          values_that_nobody_wants_are_destroyed_at_once, a_value_that_somebody_took_is_an_error,
          outside_of_a_loop_an_empty_gather_has_nowhere_to_be,
          in_a_loop_that_runs_an_empty_gather_is_done_at_once, if_all_are_done_no_tick_passes,
          futures_of_two_loops_are_refused_and_their_references_released,
          a_reference_of_another_threads_loop_goes_back_there, the_loop_is_the_childrens_where_none_runs,
          a_bad_argument_leaves_nothing_behind_and_the_good_ones_run,
          a_child_that_could_not_be_started_is_an_error_like_others,
          the_first_error_ends_it_and_a_later_one_is_not_reported,
          an_error_that_is_there_already_ends_it_at_once,
          the_error_of_a_gather_that_nobody_looks_at_is_reported_once,
          with_return_errors_errors_and_cancelled_children_are_outcomes, the_first_error_comes_with_its_code,
          a_child_cancelled_alone_is_an_error_and_its_siblings_go_on,
          a_draining_gather_cancels_the_rest_and_tells_the_error_when_they_have_ended,
          a_draining_gather_without_errors_gives_its_value,
          where_errors_are_outcomes_nothing_is_cancelled_for_them)
