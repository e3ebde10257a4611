/* SPDX-License-Identifier: BSD-3-Clause */
/* Awaiting one future, but not for ever. */
#include "unit/combine/group_fixture.h"

#include <viaduct/combine.h>

/* In a task: a task that follows a plan, which has begun. */
static via_future *begun(struct plan *plan)
{
    via_future *task = via_create_task(task_follow, plan);
    ck_assert_int_eq(via_yield(), 0);
    return task;
}

/* A plan, and how long it is waited for. */
struct bounded {
    struct plan plan;
    int64_t limit_ns;
};

static int wait_for_plan(void *arg, void **result)
{
    struct bounded *bounded = arg;
    int status = via_wait_for(begun(&bounded->plan), bounded->limit_ns, result);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int run_and_cancel(via_task_fn fn, void *arg, int64_t after_ns)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, fn, arg);
    ck_assert_int_eq(via_call_later(loop, after_ns, cancel_it, task, NULL), 0);
    int status = run_task(loop, task);
    close_loop(loop);
    return status;
}

/* ---- what is awaited ends in time, or not ---- */

TEST(what_ends_in_time_gives_its_value)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_MS}, .limit_ns = VIA_S};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), 0);
    ASSERT_RECORD(&history, "a VIA_OK");
}

TEST(without_a_limit_it_is_an_await)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}, .limit_ns = VIA_FOREVER};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), 0);
    ASSERT_RECORD(&history, "a VIA_OK");
}

TEST(when_the_time_is_over_what_is_awaited_is_cancelled)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}, .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "a! VIA_ETIMEDOUT");
}

TEST(a_clean_up_is_waited_for_however_long_it_takes)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = 10 * VIA_S},
                              .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "a! VIA_ETIMEDOUT");
}

TEST(a_clean_up_is_waited_for_without_any_time_too)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = VIA_S}};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "a! VIA_ETIMEDOUT");
}

TEST(an_error_of_the_clean_up_is_what_comes_back)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_status = VIA_EBADF},
                              .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), VIA_EBADF);
    ASSERT_RECORD(&history, "a! VIA_EBADF");
}

/* Gives its argument although it was cut short. */
static int succeed_anyhow(void *arg, void **result)
{
    *result = arg;
    return via_sleep(VIA_S) == VIA_ECANCELED ? 0 : VIA_EBADF;
}

static int value_after_the_limit(void *arg, void **result)
{
    ck_assert_int_eq(via_wait_for(via_create_task(succeed_anyhow, arg), VIA_MS, result), 0);
    ck_assert_ptr_eq(*result, arg);
    return via_sleep(VIA_MS);
}

TEST(a_value_that_comes_all_the_same_is_delivered)
{
    int value;
    ck_assert_int_eq(run_main(value_after_the_limit, &value), 0);
}

/* ---- no time at all ---- */

static int done_and_no_time(void *arg, void **result)
{
    for (int64_t limit_ns = -1; limit_ns <= 0; limit_ns++) {
        via_future *done = new_promise();
        ck_assert_int_eq(via_future_set_result(done, arg, NULL), 0);
        *result = NULL;
        ck_assert_int_eq(via_wait_for(done, limit_ns, result), 0);
        ck_assert_ptr_eq(*result, arg);
    }
    return 0;
}

TEST(without_any_time_what_is_done_gives_its_value)
{
    int value;
    ck_assert_int_eq(run_main(done_and_no_time, &value), 0);
}

static int never_begun(void *arg, void **result)
{
    (void)arg;
    ck_assert_int_eq(via_wait_for(via_create_task(task_never_runs, NULL), 0, result), VIA_ETIMEDOUT);
    return via_wait_for(via_create_task(task_never_runs, NULL), -VIA_S, result);
}

TEST(without_any_time_a_task_that_has_not_begun_never_runs)
{
    ck_assert_int_eq(run_main(never_begun, NULL), VIA_ETIMEDOUT);
}

TEST(without_any_time_what_runs_is_cancelled)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}};
    ck_assert_int_eq(run_main(wait_for_plan, &bounded), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "a! VIA_ETIMEDOUT");
}

/* ---- what is done wins over the limit ---- */

static int one_tick_before(void *arg, void **result)
{
    (void)arg;
    via_future *promise = new_promise();
    call_later(10 * VIA_MS, set_result, promise);
    int status = via_wait_for(promise, 10 * VIA_MS, result);
    ck_assert_ptr_eq(*result, promise);
    return status;
}

/* In asyncio the limit wins in this case, and the value is lost. */
TEST(a_value_that_comes_at_the_moment_of_the_limit_wins)
{
    ck_assert_int_eq(run_main(one_tick_before, NULL), 0);
}

static int one_after_the_other(void *arg, void **result)
{
    (void)arg;
    via_future *promise = new_promise();
    call_later(9 * VIA_MS, set_result, promise);
    return via_wait_for(promise, 10 * VIA_MS, result);
}

TEST(a_value_that_comes_just_before_the_limit_wins)
{
    ck_assert_int_eq(run_main(one_after_the_other, NULL), 0);
}

/* ---- requests to stop ---- */

TEST(a_request_reaches_what_is_awaited)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}, .limit_ns = VIA_FOREVER};
    ck_assert_int_eq(run_and_cancel(wait_for_plan, &bounded, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a! VIA_ECANCELED");
}

TEST(a_request_before_the_limit_reaches_what_is_awaited)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}, .limit_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(wait_for_plan, &bounded, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a! VIA_ECANCELED");
}

TEST(a_request_waits_for_the_clean_up_of_what_is_awaited)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = 10 * VIA_S},
                              .limit_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(wait_for_plan, &bounded, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a! VIA_ECANCELED");
}

TEST(a_request_during_the_clean_up_after_the_limit_comes_first)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = VIA_S},
                              .limit_ns = VIA_MS};
    ck_assert_int_eq(run_and_cancel(wait_for_plan, &bounded, 10 * VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a! VIA_ECANCELED");
}

TEST(a_request_before_the_task_begins_keeps_it_from_waiting)
{
    via_loop *loop = open_task_loop();
    struct bounded bounded = {.limit_ns = VIA_S};
    via_future *task = create(loop, wait_for_plan, &bounded);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    close_loop(loop);
    ASSERT_RECORD(&history, "");
}

static int asked_before(void *arg, void **result)
{
    via_future *task = begun(arg);
    via_task_cancel(via_current_task(), NULL);
    return via_wait_for(task, VIA_S, result);
}

TEST(a_request_from_before_waits_for_the_clean_up_too)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = VIA_S};
    ck_assert_int_eq(run_main(asked_before, &plan), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a!");
}

static int suppressed(void *arg, void **result)
{
    ck_assert_int_eq(via_wait_for(via_create_task(succeed_anyhow, arg), 10 * VIA_S, result), 0);
    ck_assert_ptr_eq(*result, arg);
    ck_assert_int_eq(via_task_cancelling(NULL), 1); /* the request stays */
    return via_yield();
}

TEST(a_value_that_comes_after_a_request_is_delivered_and_the_request_stays)
{
    int value;
    ck_assert_int_eq(run_and_cancel(suppressed, &value, VIA_MS), VIA_ECANCELED);
}

/* Settles the promise and asks the task to stop, in one tick. */
struct both {
    via_future *promise, *task;
};

static int settle_and_ask(void *arg)
{
    struct both *both = arg;
    ck_assert_int_eq(via_future_set_result(both->promise, both, NULL), 0);
    ck_assert_int_eq(via_task_cancel(both->task, NULL), VIA_CANCEL_REQUESTED);
    return 0;
}

static int done_when_asked(void *arg, void **result)
{
    (void)arg;
    struct both both = {.promise = new_promise(), .task = via_current_task()};
    call_later(VIA_MS, settle_and_ask, &both);
    ck_assert_int_eq(via_wait_for(both.promise, VIA_S, result), 0);
    ck_assert_ptr_eq(*result, &both);
    return via_sleep(VIA_S);
}

TEST(a_request_is_not_lost_when_what_is_awaited_is_done_already)
{
    ck_assert_int_eq(run_main(done_when_asked, NULL), VIA_ECANCELED);
}

/* ---- shields ---- */

/* Waits for a shielded task; says what came of that, and then of the task. */
static int wait_for_shielded(void *arg, void **result)
{
    struct bounded *bounded = arg;
    (void)result;
    via_future *inner = begun(&bounded->plan);
    int status = via_wait_for(via_shield(via_future_ref(inner)), bounded->limit_ns, NULL);
    via_test_record(&history, "%s", via_status_name(status));
    return via_await(inner, NULL);
}

TEST(a_shielded_task_survives_the_limit)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}, .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(wait_for_shielded, &bounded), 0);
    ASSERT_RECORD(&history, "VIA_ETIMEDOUT a");
}

TEST(a_shielded_task_survives_a_look_without_any_time)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}};
    ck_assert_int_eq(run_main(wait_for_shielded, &bounded), 0);
    ASSERT_RECORD(&history, "VIA_ETIMEDOUT a");
}

TEST(a_shielded_task_may_be_waited_for_without_a_limit)
{
    struct bounded bounded = {.plan = {.name = "a", .sleep_ns = VIA_S}, .limit_ns = VIA_FOREVER};
    ck_assert_int_eq(run_main(wait_for_shielded, &bounded), 0);
    ASSERT_RECORD(&history, "a VIA_OK");
}

/* ---- arguments ---- */

static int arguments(void *arg, void **result)
{
    (void)arg;
    void *untouched = result;
    ck_assert_int_eq(via_wait_for(NULL, VIA_S, &untouched), VIA_EINVAL);
    ck_assert_int_eq(via_wait_for(via_create_task(NULL, NULL), VIA_S, &untouched), VIA_EINVAL);
    ck_assert_int_eq(via_wait_for(via_future_ref(via_current_task()), VIA_S, &untouched), VIA_EDEADLK);
    ck_assert_ptr_eq(untouched, result);
    return 0;
}

TEST(arguments_are_checked)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_wait_for(via_future_new(loop), VIA_S, NULL), VIA_ESTATE);
    ck_assert_int_eq(run_main_on(loop, arguments, NULL), 0);
    close_loop(loop);
}

/* It goes on for a while when it is asked to stop, and tells how often it was. */
static int count_requests(void *count, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    struct via_scope shield;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    *(int *)count = via_task_cancelling(NULL);
    return VIA_ECANCELED;
}

static int give_no_time(void *arg, void **result)
{
    int count = 0;
    (void)arg;
    (void)result;
    via_future *task = via_create_task(count_requests, &count);
    yield_times(1);
    ck_assert_int_eq(via_wait_for(task, 0, NULL), VIA_ETIMEDOUT);
    return count == 1 ? 0 : VIA_EINVAL;
}

TEST(without_any_time_what_runs_is_asked_once)
{
    ck_assert_int_eq(run_main(give_no_time, NULL), 0);
}

TEST_MAIN("combine/wait_for", what_ends_in_time_gives_its_value, without_a_limit_it_is_an_await,
          when_the_time_is_over_what_is_awaited_is_cancelled, a_clean_up_is_waited_for_however_long_it_takes,
          a_clean_up_is_waited_for_without_any_time_too, an_error_of_the_clean_up_is_what_comes_back,
          a_value_that_comes_all_the_same_is_delivered, without_any_time_what_is_done_gives_its_value,
          without_any_time_a_task_that_has_not_begun_never_runs, without_any_time_what_runs_is_cancelled,
          a_value_that_comes_at_the_moment_of_the_limit_wins, a_value_that_comes_just_before_the_limit_wins,
          a_request_reaches_what_is_awaited, a_request_before_the_limit_reaches_what_is_awaited,
          a_request_waits_for_the_clean_up_of_what_is_awaited,
          a_request_during_the_clean_up_after_the_limit_comes_first,
          a_request_before_the_task_begins_keeps_it_from_waiting,
          a_request_from_before_waits_for_the_clean_up_too,
          a_value_that_comes_after_a_request_is_delivered_and_the_request_stays,
          a_request_is_not_lost_when_what_is_awaited_is_done_already, a_shielded_task_survives_the_limit,
          a_shielded_task_survives_a_look_without_any_time, a_shielded_task_may_be_waited_for_without_a_limit,
          arguments_are_checked, without_any_time_what_runs_is_asked_once)
