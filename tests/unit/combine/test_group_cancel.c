/* SPDX-License-Identifier: BSD-3-Clause */
/* Task groups and requests to stop: of the task that holds the group, of the group, and of scopes around. */
#include "unit/combine/group_fixture.h"
#include <viaduct/combine.h>
#include <viaduct/log.h>

/* ---- the task is asked to stop ---- */

/* Runs it and asks it to stop after a while; tells how it ended. */
static int run_and_cancel(via_task_fn fn, void *arg, int64_t after_ns)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, fn, arg);
    ck_assert_int_eq(via_call_later(loop, after_ns, cancel_it, task, NULL), 0);
    int status = run_task(loop, task);
    close_loop(loop);
    ck_assert_msg(reports.count == 0, "reported: %s", reports.message);
    return status;
}

static int five_children(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    for (int i = 0; i < 5; i++)
        add_plan(group, arg);
    ck_assert_int_eq(end_group(group, 0), VIA_ECANCELED);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    return VIA_ECANCELED;
}

TEST(a_request_while_the_end_waits_reaches_every_task_of_the_group)
{
    struct plan plan = {.name = "x", .sleep_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(five_children, &plan, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "x! x! x! x! x!");
}

TEST(the_end_waits_for_the_clean_up_of_every_task)
{
    struct plan plan = {.name = "x", .sleep_ns = VIA_S, .clean_up_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(five_children, &plan, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "x! x! x! x! x!");
}

/* A group of two children, with a body that follows a plan. */
struct family {
    struct plan body, first, second;
};

static int a_family(void *arg, void **result)
{
    struct family *family = arg;
    (void)result;
    via_group *group = begin_group();
    add_plan(group, &family->first);
    if (family->second.name)
        add_plan(group, &family->second);
    return end_and_say(group, follow(&family->body));
}

TEST(a_request_cuts_the_body_short_and_the_end_its_tasks)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S},
                            .first = {.name = "a", .sleep_ns = VIA_S},
                            .second = {.name = "b", .sleep_ns = VIA_S}};
    ck_assert_int_eq(run_and_cancel(a_family, &family, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "body! a! b!");
}

TEST(tasks_that_fail_in_their_clean_up_make_the_group_fail)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S},
                            .first = {.name = "a", .sleep_ns = VIA_S, .clean_up_status = VIA_EBADF},
                            .second = {.name = "b", .sleep_ns = VIA_S, .clean_up_status = VIA_ENOENT}};
    ck_assert_int_eq(run_and_cancel(a_family, &family, VIA_MS), VIA_EGROUP);
    ASSERT_RECORD(&history, "body! a! b! EBADF ENOENT");
}

TEST(a_task_may_fail_while_the_body_cleans_up)
{
    struct family family = {
        .body = {.name = "body", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS},
        .first = {.name = "a", .sleep_ns = 3 * VIA_MS, .status = VIA_EBADF},
    };
    ck_assert_int_eq(run_and_cancel(a_family, &family, VIA_MS), VIA_EGROUP);
    ASSERT_RECORD(&history, "a body! EBADF");
}

TEST(a_body_that_makes_an_error_of_the_request_ends_with_the_error)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S, .clean_up_status = VIA_EPERM},
                            .first = {.name = "a", .sleep_ns = VIA_S}};
    ck_assert_int_eq(run_and_cancel(a_family, &family, VIA_MS), VIA_EPERM);
    ASSERT_RECORD(&history, "body! a! EPERM");
}

TEST(a_body_whose_clean_up_fails_ends_with_that_error_beside_the_tasks)
{
    struct family family = {
        .body = {.name = "body", .sleep_ns = VIA_S, .clean_up_status = VIA_EPERM},
        .first = {.name = "a", .sleep_ns = VIA_MS, .status = VIA_EBADF},
    };
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, a_family, &family);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_task_cancelling(task), 0);
    ck_assert_int_eq(run_task(loop, task), VIA_EGROUP);
    close_loop(loop);
    ASSERT_RECORD(&history, "a body! EBADF EPERM");
}

static int empty_group(void *arg, void **result)
{
    (void)result;
    return end_group(begin_group(), follow(arg));
}

TEST(a_request_ends_the_body_of_an_empty_group)
{
    struct plan plan = {.name = "body", .sleep_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(empty_group, &plan, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "body!");
}

/* Notes how often it was asked to stop, and ends when it likes. */
static int deaf(void *asked, void **result)
{
    (void)result;
    sleep_shielded(VIA_S);
    *(int *)asked = via_task_cancelling(NULL);
    return 0;
}

static int with_deaf_child(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    add(group, deaf, arg);
    int status = end_group(group, 0);
    ck_assert_int_eq(via_task_cancelling(NULL), 1000);
    return status;
}

TEST(a_thousand_requests_reach_a_task_of_the_group_once)
{
    via_loop *loop = open_task_loop();
    int asked = 0;
    via_future *task = create(loop, with_deaf_child, &asked);
    int64_t began_ns = via_loop_time_ns(loop);
    settle(loop);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    ck_assert_int_eq(asked, 1);
    ck_assert_int_eq(via_loop_time_ns(loop) - began_ns, VIA_S);
    close_loop(loop);
}

/* Takes the request back and works on. */
static int obstinate(void *arg, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    return say(arg);
}

static int with_obstinate_child(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    add(group, obstinate, (void *)(uintptr_t) "obstinate");
    return end_group(group, 0);
}

TEST(a_task_that_takes_the_request_back_is_waited_for)
{
    ck_assert_int_eq(run_and_cancel(with_obstinate_child, NULL, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "obstinate");
}

static int requests_before_and_after(void *arg, void **result)
{
    (void)result;
    via_task_cancel(via_current_task(), NULL);
    ck_assert_int_eq(end_group(begin_group(), 0), 0); /* nothing to wait for */
    via_group *group = begin_group();
    add(group, task_never_runs, NULL);
    ck_assert_int_eq(end_group(group, 0), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    group = begin_group();
    add_plan(group, arg);
    return end_group(group, 0);
}

TEST(a_task_that_was_asked_to_stop_before_the_end_does_not_let_its_group_begin)
{
    struct plan plan = {.name = "a"};
    ck_assert_int_eq(run_main(requests_before_and_after, &plan), 0);
    ASSERT_RECORD(&history, "a");
}

/* Ends, and somebody asks its parent to stop before that has heard of it. */
static int end_and_ask(void *parent, void **result)
{
    (void)result;
    call_soon(cancel_it, parent);
    return 0;
}

static int asked_too_late(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    add(group, end_and_ask, via_current_task());
    ck_assert_int_eq(end_group(group, 0), 0);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    return via_yield();
}

TEST(a_request_after_the_last_task_is_done_does_not_cut_the_end_short)
{
    ck_assert_int_eq(run_main(asked_too_late, NULL), VIA_ECANCELED);
}

static int survives(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    static int status = VIA_EBADF;
    add(group, task_fail, &status);
    add_plan(group, arg);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED); /* the group's doing */
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    ck_assert_int_eq(end_and_say(group, 0), VIA_EGROUP);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return via_sleep(VIA_MS);
}

TEST(a_request_survives_the_failure_of_a_group)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS};
    ck_assert_int_eq(run_and_cancel(survives, &plan, 2 * VIA_MS), 0);
    ASSERT_RECORD(&history, "a! EBADF");
}

static int count_is_kept(void *arg, void **result)
{
    struct via_scope shield;
    (void)result;
    via_task_cancel(via_current_task(), NULL);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    via_group *group = begin_group();
    add_plan(group, arg);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    ck_assert_int_eq(end_and_say(group, 0), VIA_EGROUP);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    return via_yield();
}

TEST(a_group_that_fails_leaves_the_count_of_requests_alone)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_MS, .status = VIA_EBADF};
    ck_assert_int_eq(run_main(count_is_kept, &plan), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a EBADF");
}

static int in_a_shield(void *arg, void **result)
{
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    via_group *group = begin_group();
    add_plan(group, arg);
    ck_assert_int_eq(end_group(group, 0), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return via_yield();
}

TEST(a_group_in_a_shield_is_not_cut_short)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_S};
    ck_assert_int_eq(run_and_cancel(in_a_shield, &plan, VIA_MS), VIA_ECANCELED);
    ASSERT_RECORD(&history, "a");
}

TEST(a_failure_does_not_reach_into_a_shield_of_the_body)
{
    struct family family = {
        .body = {.name = "body", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS},
        .first = {.name = "a", .sleep_ns = VIA_MS, .status = VIA_EBADF},
        .second = {.name = "b", .sleep_ns = 2 * VIA_MS, .clean_up_status = VIA_EPERM},
    };
    ck_assert_int_eq(run_main(a_family, &family), VIA_EGROUP);
    ASSERT_RECORD(&history, "a b! body! EBADF EPERM");
}

/* ---- groups in groups ---- */

static int nested(void *arg, void **result)
{
    struct family *family = arg;
    (void)result;
    via_group *outer = begin_group();
    if (family->first.name)
        add_plan(outer, &family->first);
    via_group *inner = begin_group();
    add_plan(inner, &family->second);
    int status = end_and_say(inner, follow(&family->body));
    return end_and_say(outer, status);
}

TEST(an_inner_group_that_fails_is_the_failure_of_the_outer_body)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S},
                            .second = {.name = "in", .sleep_ns = VIA_MS, .status = VIA_EBADF}};
    ck_assert_int_eq(run_main(nested, &family), VIA_EGROUP);
    ASSERT_RECORD(&history, "in body! EBADF EGROUP");
}

TEST(an_inner_group_that_fails_cancels_the_tasks_of_the_outer_one)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S},
                            .first = {.name = "out", .sleep_ns = VIA_S},
                            .second = {.name = "in", .sleep_ns = VIA_MS, .status = VIA_EBADF}};
    ck_assert_int_eq(run_main(nested, &family), VIA_EGROUP);
    ASSERT_RECORD(&history, "in body! EBADF out! EGROUP");
}

TEST(a_failure_in_the_outer_group_cuts_the_inner_one_short)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S},
                            .first = {.name = "out", .sleep_ns = VIA_MS, .status = VIA_EBADF},
                            .second = {.name = "in", .sleep_ns = VIA_S}};
    ck_assert_int_eq(run_main(nested, &family), VIA_EGROUP);
    ASSERT_RECORD(&history, "out body! in! EBADF");
}

TEST(a_failure_in_the_outer_group_cuts_the_end_of_the_inner_one_short)
{
    struct family family = {.body = {.name = "body"},
                            .first = {.name = "out", .sleep_ns = VIA_MS, .status = VIA_EBADF},
                            .second = {.name = "in", .sleep_ns = VIA_S, .clean_up_status = VIA_EPERM}};
    ck_assert_int_eq(run_main(nested, &family), VIA_EGROUP);
    ASSERT_RECORD(&history, "body out in! EPERM EBADF EGROUP");
}

static int both_fail(void *arg, void **result)
{
    struct family *family = arg;
    (void)result;
    via_group *outer = begin_group(), *inner = begin_group();
    add_plan(outer, &family->first);
    add_plan(inner, &family->second);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(end_and_say(inner, VIA_ECANCELED), VIA_EGROUP);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED); /* the outer one is cut too */
    ck_assert_int_eq(end_and_say(outer, 0), VIA_EGROUP);
    return via_sleep(VIA_MS);
}

TEST(each_of_two_groups_that_fail_at_once_says_so_itself)
{
    struct family family = {.first = {.name = "out", .sleep_ns = VIA_MS, .status = VIA_EBADF},
                            .second = {.name = "in", .sleep_ns = VIA_MS, .status = VIA_EPERM}};
    ck_assert_int_eq(run_main(both_fail, &family), 0);
    ASSERT_RECORD(&history, "out in EPERM EBADF");
}

static int task_with_family(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    add(group, a_family, arg);
    return end_and_say(group, 0);
}

TEST(a_request_reaches_the_groups_of_the_tasks_of_a_group)
{
    struct family family = {.body = {.name = "body", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS},
                            .first = {.name = "a", .sleep_ns = 3 * VIA_MS, .status = VIA_EBADF}};
    ck_assert_int_eq(run_and_cancel(task_with_family, &family, VIA_MS), VIA_EGROUP);
    ASSERT_RECORD(&history, "a body! EBADF EGROUP");
}

/* Holds a group with one task, that holds a group with one, and so on. */
static int deepen(void *levels, void **result)
{
    size_t left = (size_t)(uintptr_t)levels;
    (void)result;
    if (!left)
        return via_sleep(VIA_FOREVER);
    via_group *group = begin_group();
    via_future_unref(via_group_create_task(group, deepen, (void *)(uintptr_t)(left - 1)));
    int status = via_group_end(group, 0);
    via_group_free(group);
    return status;
}

static int cancel_a_tower(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *top = via_create_task(deepen, (void *)(uintptr_t)1000);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    via_task_cancel(top, NULL);
    ck_assert_int_eq(via_await(top, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_tower_of_groups_is_cancelled_on_a_small_stack)
{
    ck_assert_int_eq(run_main(cancel_a_tower, NULL), 0);
}

/* ---- the group is stopped ---- */

static int stop_group(void *group)
{
    return via_group_cancel(group);
}

static int stopped(void *arg, void **result)
{
    struct family *family = arg;
    (void)result;
    via_group *group = begin_group();
    add_plan(group, &family->first);
    add_plan(group, &family->second);
    call_later(VIA_MS, stop_group, group);
    call_later(VIA_MS, stop_group, group); /* once more changes nothing */
    ck_assert_int_eq(end_group(group, follow(&family->body)), 0);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    return via_sleep(5 * VIA_MS);
}

TEST(a_group_that_is_stopped_ends_with_0)
{
    struct family family = {
        .body = {.name = "body", .sleep_ns = VIA_S},
        .first = {.name = "a", .sleep_ns = VIA_S},
        .second = {.name = "b", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS},
    };
    ck_assert_int_eq(run_main(stopped, &family), 0);
    ASSERT_RECORD(&history, "body! a! b!");
}

TEST(a_group_may_be_stopped_while_its_end_waits)
{
    struct family family = {.body = {.name = "body"},
                            .first = {.name = "a", .sleep_ns = VIA_S},
                            .second = {.name = "b", .sleep_ns = VIA_S}};
    ck_assert_int_eq(run_main(stopped, &family), 0);
    ASSERT_RECORD(&history, "body a! b!");
}

static int stopped_then_asked(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    add_plan(group, arg);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_group_cancel(group), 0);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    call_later(VIA_MS, cancel_it, via_current_task());
    ck_assert_int_eq(end_group(group, VIA_ECANCELED), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return via_sleep(VIA_MS);
}

TEST(a_request_while_a_stopped_group_waits_is_what_its_end_says)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS};
    ck_assert_int_eq(run_main(stopped_then_asked, &plan), 0);
    ASSERT_RECORD(&history, "a!");
}

static int stop_at_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    add(group, task_never_runs, NULL);
    ck_assert_int_eq(via_group_cancel(group), 0);
    add(group, task_never_runs, NULL);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    return end_group(group, VIA_ECANCELED);
}

TEST(tasks_of_a_group_that_is_stopped_before_they_begin_never_run)
{
    ck_assert_int_eq(run_main(stop_at_once, NULL), 0);
}

/* A task of a group that stops it while it is made. */
static int stop_from_within(void *group, void **result)
{
    (void)result;
    ck_assert_int_eq(via_group_cancel(group), 0);
    int status = via_sleep(VIA_S);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int stopped_from_within(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_task_options options = {.eager = 1};
    via_group *group = begin_group();
    via_future_unref(via_group_create_task_with(group, stop_from_within, group, &options));
    return end_group(group, via_yield());
}

TEST(an_eager_task_that_stops_its_group_is_stopped_itself)
{
    ck_assert_int_eq(run_main(stopped_from_within, NULL), 0);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
}

static int error_after_stop(void *arg, void **result)
{
    (void)result;
    via_group *group = begin_group();
    add_plan(group, arg);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_group_cancel(group), 0);
    return end_and_say(group, 0);
}

TEST(an_error_in_a_group_that_is_stopped_is_its_failure)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_S, .clean_up_status = VIA_EBADF};
    ck_assert_int_eq(run_main(error_after_stop, &plan), VIA_EGROUP);
    ASSERT_RECORD(&history, "a! EBADF");
}

/* ---- time limits ---- */

struct limited_family {
    struct family family;
    int64_t limit_ns;
};

static int family_in_limit(void *arg, void **result)
{
    struct limited_family *limited = arg;
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(limited->limit_ns, &limit), 0);
    int status = via_timeout_end(&limit, a_family(&limited->family, result));
    ck_assert_int_eq(via_timeout_expired(&limit), 1);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    return status;
}

TEST(a_limit_around_a_group_cancels_its_tasks_and_waits_for_them)
{
    struct limited_family limited = {
        .family = {.body = {.name = "body", .sleep_ns = VIA_S},
                   .first = {.name = "a", .sleep_ns = VIA_S, .clean_up_ns = VIA_S},
                   .second = {.name = "b", .sleep_ns = VIA_S}},
        .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(family_in_limit, &limited), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "body! b! a!");
}

TEST(a_limit_may_be_over_while_the_end_of_a_group_waits)
{
    struct limited_family limited = {.family = {.body = {.name = "body"},
                                                .first = {.name = "a", .sleep_ns = VIA_S},
                                                .second = {.name = "b", .sleep_ns = VIA_S}},
                                     .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(family_in_limit, &limited), VIA_ETIMEDOUT);
    ASSERT_RECORD(&history, "body a! b!");
}

TEST(a_clean_up_that_fails_is_a_failure_of_the_group_and_not_of_the_limit_around_it)
{
    struct limited_family limited = {
        .family = {.body = {.name = "body", .sleep_ns = VIA_S},
                   .first = {.name = "a", .sleep_ns = VIA_S, .clean_up_status = VIA_EBADF}},
        .limit_ns = VIA_MS};
    ck_assert_int_eq(run_main(family_in_limit, &limited), VIA_EGROUP);
    ASSERT_RECORD(&history, "body! a! EBADF");
}

static int limit_in_group(void *arg, void **result)
{
    struct via_scope limit;
    (void)result;
    via_group *group = begin_group();
    add_plan(group, arg);
    ck_assert_int_eq(via_timeout_begin(VIA_MS, &limit), 0);
    ck_assert_int_eq(via_timeout_end(&limit, via_sleep(VIA_S)), VIA_ETIMEDOUT);
    return end_group(group, 0);
}

TEST(a_limit_in_the_body_leaves_the_tasks_alone)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_S};
    ck_assert_int_eq(run_main(limit_in_group, &plan), 0);
    ASSERT_RECORD(&history, "a");
}

static int failure_in_limit(void *arg, void **result)
{
    struct via_scope limit;
    (void)result;
    via_group *group = begin_group();
    add_plan(group, arg);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    int status = via_timeout_end(&limit, via_sleep(2 * VIA_S));
    ck_assert_int_eq(status, VIA_ECANCELED); /* the group's doing */
    ck_assert_int_eq(via_timeout_expired(&limit), 0);
    return end_and_say(group, status);
}

TEST(a_failure_of_a_group_is_not_taken_for_the_limit_in_its_body)
{
    struct plan plan = {.name = "a", .sleep_ns = VIA_MS, .status = VIA_EBADF};
    ck_assert_int_eq(run_main(failure_in_limit, &plan), VIA_EGROUP);
    ASSERT_RECORD(&history, "a EBADF");
}

/* ---- calls on threads ---- */

/* The worker stands at the gate, and writes to what it was given when it has passed. */
struct borrowed {
    struct via_test_gate *gate;
    int written;
};

static int write_late(void *arg, void **result)
{
    struct borrowed *borrowed = arg;
    (void)result;
    via_test_gate_pass(borrowed->gate);
    borrowed->written = 1;
    return 0;
}

static int with_a_thread(void *gate, void **result)
{
    (void)result;
    struct borrowed borrowed = {.gate = gate};
    ck_assert_int_eq(via_await_to_thread(write_late, &borrowed, NULL), 0);
    ck_assert_int_eq(borrowed.written, 1);
    say("returned");
    return 0;
}

static int fail_when_asked(void *future, void **result)
{
    (void)result;
    ck_assert_int_eq(via_await(future, NULL), 0);
    return VIA_EBADF;
}

struct thread_case {
    struct via_test_gate gate;
    via_future *go;
};

static int sibling_on_a_thread(void *arg, void **result)
{
    struct thread_case *now = arg;
    (void)result;
    via_group *group = begin_group();
    add(group, with_a_thread, &now->gate);
    add(group, fail_when_asked, via_future_ref(now->go));
    return end_and_say(group, 0);
}

TEST(a_group_that_fails_waits_for_the_function_that_runs_on_a_thread)
{
    struct thread_case now = {.gate = VIA_TEST_GATE_INITIALIZER};
    via_loop *loop = open_task_loop();
    now.go = via_future_new(loop);
    via_future *task = create(loop, sibling_on_a_thread, &now);
    RUN_UNTIL(loop, via_test_gate_arrived(&now.gate) == 1);
    ck_assert_int_eq(via_future_set_result(now.go, NULL, NULL), 0);
    RUN_TICKS(loop, 10);
    ck_assert_int_eq(via_future_done(task), 0);
    ASSERT_RECORD(&history, "");
    via_test_gate_open(&now.gate);
    ck_assert_int_eq(run_task(loop, task), VIA_EGROUP);
    ASSERT_RECORD(&history, "returned EBADF");
    via_future_unref(now.go);
    close_loop(loop);
}

TEST_MAIN(
    "combine/group_cancel", a_request_while_the_end_waits_reaches_every_task_of_the_group,
    the_end_waits_for_the_clean_up_of_every_task, a_request_cuts_the_body_short_and_the_end_its_tasks,
    tasks_that_fail_in_their_clean_up_make_the_group_fail, a_task_may_fail_while_the_body_cleans_up,
    a_body_that_makes_an_error_of_the_request_ends_with_the_error,
    a_body_whose_clean_up_fails_ends_with_that_error_beside_the_tasks,
    a_request_ends_the_body_of_an_empty_group, a_thousand_requests_reach_a_task_of_the_group_once,
    a_task_that_takes_the_request_back_is_waited_for,
    a_task_that_was_asked_to_stop_before_the_end_does_not_let_its_group_begin,
    a_request_after_the_last_task_is_done_does_not_cut_the_end_short,
    a_request_survives_the_failure_of_a_group, a_group_that_fails_leaves_the_count_of_requests_alone,
    a_group_in_a_shield_is_not_cut_short, a_failure_does_not_reach_into_a_shield_of_the_body,
    an_inner_group_that_fails_is_the_failure_of_the_outer_body,
    an_inner_group_that_fails_cancels_the_tasks_of_the_outer_one,
    a_failure_in_the_outer_group_cuts_the_inner_one_short,
    a_failure_in_the_outer_group_cuts_the_end_of_the_inner_one_short,
    each_of_two_groups_that_fail_at_once_says_so_itself, a_request_reaches_the_groups_of_the_tasks_of_a_group,
    a_tower_of_groups_is_cancelled_on_a_small_stack, a_group_that_is_stopped_ends_with_0,
    a_group_may_be_stopped_while_its_end_waits, a_request_while_a_stopped_group_waits_is_what_its_end_says,
    tasks_of_a_group_that_is_stopped_before_they_begin_never_run,
    an_eager_task_that_stops_its_group_is_stopped_itself, an_error_in_a_group_that_is_stopped_is_its_failure,
    a_limit_around_a_group_cancels_its_tasks_and_waits_for_them,
    a_limit_may_be_over_while_the_end_of_a_group_waits,
    a_clean_up_that_fails_is_a_failure_of_the_group_and_not_of_the_limit_around_it,
    a_limit_in_the_body_leaves_the_tasks_alone, a_failure_of_a_group_is_not_taken_for_the_limit_in_its_body,
    a_group_that_fails_waits_for_the_function_that_runs_on_a_thread)
