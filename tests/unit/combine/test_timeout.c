/* SPDX-License-Identifier: BSD-3-Clause */
/* Time limits for a part of a task. */
#include "unit/combine/group_fixture.h"

#include <math.h>

/* In a task: how long a function takes on the loop's clock. */
static int64_t now_ns(void)
{
    return via_loop_time_ns(via_loop_current());
}

/* A limit around a sleep; tells whether it has cut that short. */
static int sleep_limited(int64_t limit_ns, int64_t sleep_ns, int *expired)
{
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(limit_ns, &limit), 0);
    int status = via_timeout_end(&limit, via_sleep(sleep_ns));
    *expired = via_timeout_expired(&limit);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    return status;
}

static int basic(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int expired;
    int64_t began_ns = now_ns();
    ck_assert_int_eq(sleep_limited(10 * VIA_MS, VIA_S, &expired), VIA_ETIMEDOUT);
    ck_assert_int_eq(expired, 1);
    ck_assert_int_eq(now_ns() - began_ns, 10 * VIA_MS);
    return via_sleep(VIA_MS);
}

TEST(a_limit_cuts_an_await_short_and_the_task_goes_on)
{
    ck_assert_int_eq(run_main(basic, NULL), 0);
}

static int at_a_moment(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope limit;
    int64_t when_ns = now_ns() + 10 * VIA_MS;
    ck_assert_int_eq(via_timeout_begin_at(when_ns, &limit), 0);
    ck_assert_int_eq(via_timeout_when(&limit), when_ns);
    ck_assert_int_eq(via_timeout_end(&limit, via_sleep(VIA_S)), VIA_ETIMEDOUT);
    ck_assert_int_eq(now_ns(), when_ns);
    ck_assert_int_eq(via_timeout_when(&limit), when_ns);
    return 0;
}

TEST(a_limit_may_be_a_moment_of_the_loops_clock)
{
    ck_assert_int_eq(run_main(at_a_moment, NULL), 0);
}

static int in_time(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int expired;
    int64_t began_ns = now_ns();
    ck_assert_int_eq(sleep_limited(VIA_S, 10 * VIA_MS, &expired), 0);
    ck_assert_int_eq(expired, 0);
    ck_assert_int_eq(now_ns() - began_ns, 10 * VIA_MS);
    return via_sleep(2 * VIA_S); /* nothing is left of the limit */
}

TEST(a_limit_that_is_not_reached_changes_nothing)
{
    ck_assert_int_eq(run_main(in_time, NULL), 0);
}

static int without_limit(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int expired;
    struct via_scope limit;
    ck_assert_int_eq(sleep_limited(VIA_FOREVER, VIA_S, &expired), 0);
    ck_assert_int_eq(expired, 0);
    ck_assert_int_eq(via_timeout_begin_at(VIA_FOREVER, &limit), 0);
    ck_assert_int_eq(via_timeout_when(&limit), VIA_FOREVER);
    return via_timeout_end(&limit, via_sleep(VIA_S));
}

TEST(a_limit_may_be_left_open)
{
    ck_assert_int_eq(run_main(without_limit, NULL), 0);
}

static int over_at_once(void *arg, void **result)
{
    static const int64_t limits[] = {0, -1, INT64_MIN};
    (void)arg;
    (void)result;
    int64_t began_ns = now_ns();
    int expired;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        ck_assert_int_eq(sleep_limited(limits[i], 10 * VIA_MS, &expired), VIA_ETIMEDOUT);
        ck_assert_int_eq(expired, 1);
        ck_assert_int_eq(sleep_limited(limits[i], 0, &expired), VIA_ETIMEDOUT); /* as via_yield() */
        ck_assert_int_eq(expired, 1);
    }
    ck_assert_int_eq(now_ns(), began_ns);
    return 0;
}

TEST(a_limit_that_is_over_fails_the_first_await)
{
    ck_assert_int_eq(run_main(over_at_once, NULL), 0);
}

static int no_await(void *arg, void **result)
{
    (void)arg;
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(0, &limit), 0);
    via_future *done = new_promise();
    ck_assert_int_eq(via_future_set_result(done, &limit, NULL), 0);
    int status = via_await(done, result); /* there is nothing to wait for */
    ck_assert_ptr_eq(*result, &limit);
    ck_assert_int_eq(via_timeout_end(&limit, status), 0);
    ck_assert_int_eq(via_timeout_expired(&limit), 0);
    return 0;
}

TEST(what_does_not_wait_is_not_cut_short)
{
    ck_assert_int_eq(run_main(no_await, NULL), 0);
}

static int every_await(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(VIA_MS, &limit), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    /* The body makes good of it, and no limit was missed. */
    ck_assert_int_eq(via_timeout_end(&limit, 0), 0);
    ck_assert_int_eq(via_timeout_expired(&limit), 1);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    return via_sleep(VIA_MS);
}

TEST(every_await_fails_until_the_end_which_keeps_a_status_of_0)
{
    ck_assert_int_eq(run_main(every_await, NULL), 0);
}

static int other_errors(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(0, &limit), 0);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    ck_assert_int_eq(via_timeout_end(&limit, VIA_EBADF), VIA_EBADF);
    ck_assert_int_eq(via_timeout_begin(0, &limit), 0);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    ck_assert_int_eq(via_timeout_end(&limit, 7), 7);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, VIA_ECANCELED), VIA_ECANCELED); /* not of its making */
    return 0;
}

TEST(other_statuses_pass)
{
    ck_assert_int_eq(run_main(other_errors, NULL), 0);
}

/* ---- limits in limits ---- */

/* Two limits around a sleep; the statuses of both ends go to the history. */
static int two_limits(int64_t outer_ns, int64_t inner_ns, int64_t sleep_ns)
{
    struct via_scope outer, inner;
    ck_assert_int_eq(via_timeout_begin(outer_ns, &outer), 0);
    ck_assert_int_eq(via_timeout_begin(inner_ns, &inner), 0);
    int status = via_timeout_end(&inner, via_sleep(sleep_ns));
    via_test_record(&history, "%s", via_status_name(status));
    status = via_timeout_end(&outer, status);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int outer_first(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return two_limits(10 * VIA_MS, 20 * VIA_MS, VIA_S);
}

TEST(an_outer_limit_that_is_over_first_is_the_one_that_timed_out)
{
    ck_assert_int_eq(run_main(outer_first, NULL), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "VIA_ECANCELED VIA_ETIMEDOUT");
}

static int inner_first(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return two_limits(20 * VIA_MS, 10 * VIA_MS, VIA_S);
}

TEST(an_inner_limit_that_is_over_first_is_the_one_that_timed_out)
{
    ck_assert_int_eq(run_main(inner_first, NULL), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "VIA_ETIMEDOUT VIA_ETIMEDOUT"); /* the outer end passes it on */
}

static int both_at_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)two_limits(10 * VIA_MS, 10 * VIA_MS, VIA_S);
    return two_limits(-2, -1, VIA_S);
}

TEST(of_two_limits_that_are_over_together_the_outer_one_timed_out)
{
    ck_assert_int_eq(run_main(both_at_once, NULL), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "VIA_ECANCELED VIA_ETIMEDOUT VIA_ECANCELED VIA_ETIMEDOUT");
}

static int outer_goes_on(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope outer;
    int expired;
    ck_assert_int_eq(via_timeout_begin(10 * VIA_MS, &outer), 0);
    ck_assert_int_eq(sleep_limited(-1, VIA_MS, &expired), VIA_ETIMEDOUT);
    ck_assert_int_eq(sleep_limited(VIA_MS, VIA_S, &expired), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_timeout_expired(&outer), 0);
    ck_assert_int_eq(via_sleep(5 * VIA_MS), 0);
    return via_timeout_end(&outer, via_sleep(5 * VIA_MS));
}

TEST(an_outer_limit_is_still_watched_when_an_inner_one_is_over)
{
    via_loop *loop = open_task_loop();
    int64_t began_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(run_main_on(loop, outer_goes_on, NULL), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_loop_time_ns(loop) - began_ns, 10 * VIA_MS);
    close_loop(loop);
}

static int in_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope outer, shield;
    int expired;
    ck_assert_int_eq(via_timeout_begin(VIA_MS, &outer), 0);
    int status = via_sleep(VIA_S);
    ck_assert_int_eq(status, VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(sleep_limited(VIA_MS, VIA_S, &expired), VIA_ETIMEDOUT);
    ck_assert_int_eq(expired, 1);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return via_timeout_end(&outer, status);
}

/* asyncio, where a limit cuts once, needs no shield for this. */
TEST(a_limit_in_a_shielded_clean_up_has_a_time_of_its_own)
{
    ck_assert_int_eq(run_main(in_clean_up, NULL), VIA_ETIMEDOUT);
}

/* ---- requests to stop ---- */

static int limited_plan(void *arg, void **result)
{
    struct via_scope limit;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(10 * VIA_MS, &limit), 0);
    int status = via_timeout_end(&limit, follow(arg));
    via_test_record(&history, "%s %s", via_status_name(status),
                    via_timeout_expired(&limit) ? "expired" : "in-time");
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

TEST(a_request_before_the_limit_is_not_taken_for_it)
{
    struct plan plan = {.name = "body", .sleep_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(limited_plan, &plan, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "body! VIA_ECANCELED in-time");
}

TEST(a_request_during_the_clean_up_after_the_limit_comes_first)
{
    struct plan plan = {.name = "body", .sleep_ns = VIA_S, .clean_up_ns = 10 * VIA_MS};
    ck_assert_int_eq(run_and_cancel(limited_plan, &plan, 15 * VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "body! VIA_ECANCELED expired");
}

TEST(a_request_at_the_very_moment_of_the_limit_comes_first)
{
    struct plan plan = {.name = "body", .sleep_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(limited_plan, &plan, 10 * VIA_MS), VIA_ECANCELED);
}

static int asked_before(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    via_task_cancel(via_current_task(), NULL);
    ck_assert_int_eq(via_timeout_begin(0, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_yield()), VIA_ECANCELED);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    return via_yield();
}

/* asyncio's timeout(0) swallows such a request. */
TEST(a_limit_of_0_does_not_swallow_a_request_from_before)
{
    ck_assert_int_eq(run_main(asked_before, NULL), VIA_ECANCELED);
}

static int after_a_request(void *arg, void **result)
{
    int expired;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    /* In asyncio the count may stay where it is; here awaits work again only when it is taken back. */
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(sleep_limited(VIA_MS, VIA_S, &expired), VIA_ETIMEDOUT);
    ck_assert_int_eq(expired, 1);
    return 0;
}

TEST(a_limit_works_after_a_request_that_was_taken_back)
{
    ck_assert_int_eq(run_and_cancel(after_a_request, NULL, VIA_MS), 0);
}

static int asked_again(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    call_later(VIA_MS, cancel_it, via_current_task());
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    int status = via_timeout_end(&limit, via_sleep(2 * VIA_S));
    ck_assert_int_eq(via_timeout_expired(&limit), 0);
    return status;
}

TEST(another_request_in_a_limit_is_a_request)
{
    ck_assert_int_eq(run_and_cancel(asked_again, NULL, VIA_MS), VIA_ECANCELED);
}

static int awaits_a_cancelled_one(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    call_later(VIA_MS, cancel_it, promise);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    int status = via_timeout_end(&limit, via_await(promise, NULL));
    ck_assert_int_eq(via_timeout_expired(&limit), 0);
    return status == VIA_EABORTED ? 0 : VIA_EBADF;
}

TEST(what_somebody_else_cancelled_is_not_taken_for_the_limit)
{
    ck_assert_int_eq(run_main(awaits_a_cancelled_one, NULL), 0);
}

static int asked_by_body(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope limit;
    via_future *task = via_create_task(task_wait_for_ever, NULL);
    ck_assert_int_eq(via_timeout_begin(VIA_MS, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_await(via_future_ref(task), NULL)), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    return 0;
}

TEST(what_the_task_awaits_when_the_time_is_over_is_cancelled)
{
    ck_assert_int_eq(run_main(asked_by_body, NULL), 0);
}

/* ---- moving the limit ---- */

static int reschedule(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    int64_t began_ns = now_ns();
    ck_assert_int_eq(via_timeout_begin(10 * VIA_MS, &limit), 0);
    ck_assert_int_eq(via_timeout_reschedule(&limit, began_ns + 50 * VIA_MS), 0);
    ck_assert_int_eq(via_timeout_when(&limit), began_ns + 50 * VIA_MS);
    ck_assert_int_eq(via_sleep(20 * VIA_MS), 0);
    ck_assert_int_eq(via_timeout_reschedule(&limit, VIA_FOREVER), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_timeout_reschedule(&limit, now_ns() + VIA_MS), 0);
    int status = via_timeout_end(&limit, via_sleep(VIA_S));
    ck_assert_int_eq(now_ns() - began_ns, 20 * VIA_MS + VIA_S + VIA_MS);
    return status;
}

TEST(a_limit_can_be_moved_to_later_to_never_and_back)
{
    ck_assert_int_eq(run_main(reschedule, NULL), VIA_ETIMEDOUT);
}

struct moved {
    struct via_scope limit;
    int64_t when_ns;
};

static int move(void *arg)
{
    struct moved *moved = arg;
    return via_timeout_reschedule(&moved->limit, moved->when_ns);
}

static int moved_while_waiting(void *arg, void **result)
{
    struct moved *moved = arg;
    (void)result;
    int64_t began_ns = now_ns();
    ck_assert_int_eq(via_timeout_begin(10 * VIA_MS, &moved->limit), 0);
    moved->when_ns = began_ns + moved->when_ns;
    call_later(5 * VIA_MS, move, moved);
    int status = via_timeout_end(&moved->limit, via_sleep(VIA_S));
    via_test_record(&history, "%lld", (long long)((now_ns() - began_ns) / VIA_MS));
    return status;
}

TEST(a_limit_can_be_moved_while_its_task_waits)
{
    struct moved later = {.when_ns = 30 * VIA_MS}, sooner = {.when_ns = 7 * VIA_MS},
                 over = {.when_ns = VIA_MS};
    ck_assert_int_eq(run_main(moved_while_waiting, &later), VIA_ETIMEDOUT);
    ck_assert_int_eq(run_main(moved_while_waiting, &sooner), VIA_ETIMEDOUT);
    ck_assert_int_eq(run_main(moved_while_waiting, &over), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "30 7 5");
}

static int moved_too_late(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(0, &limit), 0);
    /* Nobody has noticed yet. */
    ck_assert_int_eq(via_timeout_reschedule(&limit, now_ns() + VIA_MS), 0);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_timeout_reschedule(&limit, VIA_FOREVER), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_end(&limit, VIA_ECANCELED), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_timeout_reschedule(&limit, VIA_FOREVER), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0); /* it can be used anew */
    ck_assert_int_eq(via_timeout_expired(&limit), 0);
    return via_timeout_end(&limit, 0);
}

TEST(a_limit_that_has_cut_an_await_short_cannot_be_moved)
{
    ck_assert_int_eq(run_main(moved_too_late, NULL), 0);
}

/* ---- misuse ---- */

TEST(a_limit_belongs_to_a_task)
{
    struct via_scope limit = {.task = NULL};
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_begin_at(VIA_S, &limit), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_end(&limit, 0), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_reschedule(&limit, 0), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_reschedule(NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_timeout_expired(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_timeout_when(NULL), VIA_FOREVER);
}

static int wrong_ends(void *arg, void **result)
{
    struct via_scope outer, inner, shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_timeout_end(NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &outer), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &inner), 0);
    ck_assert_int_eq(via_timeout_end(&outer, 0), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_end(&inner, 0), 0);
    ck_assert_int_eq(via_timeout_end(&inner, 0), VIA_ESTATE);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_timeout_end(&shield, 0), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_reschedule(&shield, 0), VIA_ESTATE);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return via_timeout_end(&outer, 0);
}

TEST(limits_end_in_their_task_the_innermost_first)
{
    ck_assert_int_eq(run_main(wrong_ends, NULL), 0);
}

static int begun_twice(void *arg, void **result)
{
    struct via_scope outer, limit, shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &outer), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_MS, &limit), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_MS, &limit), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_begin_at(0, &outer), VIA_ESTATE);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_shield_begin(&shield), VIA_ESTATE);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    int status = via_timeout_end(&limit, via_sleep(10 * VIA_MS));
    return via_timeout_end(&outer, status);
}

TEST(a_section_that_is_open_cannot_be_begun_again)
{
    ck_assert_int_eq(run_main(begun_twice, NULL), VIA_ETIMEDOUT);
}

static int leave_open(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    return via_timeout_begin(VIA_MS, &limit);
}

static int await_that(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_await(via_create_task(leave_open, NULL), NULL), 0);
    ck_assert_int_eq(reports.count, 1);
    reports.count = 0;
    return via_sleep(VIA_S);
}

TEST(a_limit_that_is_left_open_ends_with_its_task)
{
    ck_assert_int_eq(run_main(await_that, NULL), 0);
}

TEST(a_limit_of_nan_is_no_number_of_nanoseconds)
{
    int64_t limit_ns = 42;
    ck_assert_int_eq(via_seconds_to_ns(nan(""), &limit_ns), VIA_EINVAL);
    ck_assert_int_eq(limit_ns, 42);
}

static int sleep_for_ever_shielded(void *arg, void **result)
{
    struct via_scope limit, shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = via_sleep(VIA_FOREVER);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return via_timeout_end(&limit, status);
}

static int leave_cancelled_group(void *arg, void **result)
{
    struct via_scope limit;
    via_group *group = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_group_begin(NULL, &group), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_group_cancel(group), 0);
    ck_assert_int_eq(via_timeout_end(&limit, 0), 0);
    ck_assert_int_eq(via_group_end(group, 0), 0);
    via_group_free(group);
    return via_sleep(VIA_FOREVER);
}

static void deadlock_now(via_task_fn fn)
{
    via_loop *loop = open_task_loop();
    int64_t began_ns = via_loop_time_ns(loop);
    via_future *task = create(loop, fn, NULL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), VIA_EDEADLK);
    ck_assert_int_eq(via_loop_time_ns(loop), began_ns);
    close_loop(loop);
    via_future_unref(task);
}

TEST(a_limit_that_cannot_cut_anything_short_does_not_keep_the_loop_busy)
{
    deadlock_now(sleep_for_ever_shielded);
    deadlock_now(leave_cancelled_group);
}

static struct via_scope moved;

static int move_to_now(void *arg)
{
    (void)arg;
    return via_timeout_reschedule(&moved, via_loop_time_ns(via_loop_current()));
}

static int clean_up_and_count(void *count, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    sleep_shielded(VIA_MS);
    *(int *)count = via_task_cancelling(NULL);
    return VIA_ECANCELED;
}

static int await_until_moved(void *arg, void **result)
{
    int count = 0;
    (void)arg;
    (void)result;
    via_future *task = via_create_task(clean_up_and_count, &count);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &moved), 0);
    call_later(VIA_MS, move_to_now, NULL);
    ck_assert_int_eq(via_timeout_end(&moved, via_await(task, NULL)), VIA_ETIMEDOUT);
    return count == 1 ? 0 : VIA_EINVAL;
}

TEST(a_limit_that_is_moved_to_now_asks_once)
{
    ck_assert_int_eq(run_main(await_until_moved, NULL), 0);
}

TEST_MAIN("combine/timeout", a_limit_cuts_an_await_short_and_the_task_goes_on,
          a_limit_may_be_a_moment_of_the_loops_clock, a_limit_that_is_not_reached_changes_nothing,
          a_limit_may_be_left_open, a_limit_that_is_over_fails_the_first_await,
          what_does_not_wait_is_not_cut_short, every_await_fails_until_the_end_which_keeps_a_status_of_0,
          other_statuses_pass, an_outer_limit_that_is_over_first_is_the_one_that_timed_out,
          an_inner_limit_that_is_over_first_is_the_one_that_timed_out,
          of_two_limits_that_are_over_together_the_outer_one_timed_out,
          an_outer_limit_is_still_watched_when_an_inner_one_is_over,
          a_limit_in_a_shielded_clean_up_has_a_time_of_its_own,
          a_request_before_the_limit_is_not_taken_for_it,
          a_request_during_the_clean_up_after_the_limit_comes_first,
          a_request_at_the_very_moment_of_the_limit_comes_first,
          a_limit_of_0_does_not_swallow_a_request_from_before,
          a_limit_works_after_a_request_that_was_taken_back, another_request_in_a_limit_is_a_request,
          what_somebody_else_cancelled_is_not_taken_for_the_limit,
          what_the_task_awaits_when_the_time_is_over_is_cancelled,
          a_limit_can_be_moved_to_later_to_never_and_back, a_limit_can_be_moved_while_its_task_waits,
          a_limit_that_has_cut_an_await_short_cannot_be_moved, a_limit_belongs_to_a_task,
          limits_end_in_their_task_the_innermost_first, a_section_that_is_open_cannot_be_begun_again,
          a_limit_that_is_left_open_ends_with_its_task, a_limit_of_nan_is_no_number_of_nanoseconds,
          a_limit_that_cannot_cut_anything_short_does_not_keep_the_loop_busy,
          a_limit_that_is_moved_to_now_asks_once)
