/* SPDX-License-Identifier: BSD-3-Clause */
/* Task groups: their limit, and what is done wrong with them. */
#include "unit/combine/group_fixture.h"

/* ---- the limit ---- */

static int running, most_running;

static int count_running(void *arg, void **result)
{
    (void)result;
    running++;
    if (running > most_running)
        most_running = running;
    int status = via_sleep(VIA_MS);
    running--;
    if (status == 0)
        via_test_record(&history, "%s", (const char *)arg);
    return status;
}

static int limited(void *arg, void **result)
{
    (void)arg;
    (void)result;
    static const char *const words[] = {"a", "b", "c", "d", "e", "f", "g"};
    via_group *group = begin_limited(3);
    for (size_t i = 0; i < 7; i++)
        add(group, count_running, (void *)(uintptr_t)words[i]);
    ck_assert_int_eq(end_group(group, 0), 0);
    ck_assert_int_eq(most_running, 3);
    return 0;
}

TEST(so_many_tasks_run_at_once_and_the_others_follow_in_order)
{
    via_loop *loop = open_task_loop();
    int64_t began_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(run_main_on(loop, limited, NULL), 0);
    ck_assert_int_eq(via_loop_time_ns(loop) - began_ns, 3 * VIA_MS);
    close_loop(loop);
    ASSERT_RECORD(&history, "a b c d e f g");
}

static int cancel_a_held_one(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan a = {.name = "a", .sleep_ns = VIA_MS}, c = {.name = "c", .sleep_ns = VIA_MS};
    struct via_task_info info;
    via_group *group = begin_limited(1);
    add_plan(group, &a);
    via_future *held = via_group_create_task(group, task_never_runs, NULL);
    add_plan(group, &c);
    ck_assert_int_eq(via_task_info(held, &info), 0);
    ck_assert_str_eq(info.waits, "room in its group");
    ck_assert_int_eq(via_task_cancel(held, NULL), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_await(held, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, ""); /* it did not wait for the first one */
    return end_group(group, 0);
}

TEST(a_task_that_waits_for_room_can_be_cancelled_and_never_runs)
{
    ck_assert_int_eq(run_main(cancel_a_held_one, NULL), 0);
    ASSERT_RECORD(&history, "a c");
}

static int failure_with_held_ones(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan bad = {.name = "bad", .sleep_ns = VIA_MS, .status = VIA_EBADF};
    via_group *group = begin_limited(1);
    add_plan(group, &bad);
    for (int i = 0; i < 10; i++)
        add(group, task_never_runs, NULL);
    return end_and_say(group, 0);
}

TEST(tasks_that_wait_for_room_never_run_when_the_group_stops)
{
    ck_assert_int_eq(run_main(failure_with_held_ones, NULL), VIA_EGROUP);
    ASSERT_RECORD(&history, "bad EBADF");
}

static int eager_with_limit(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan a = {.name = "a", .sleep_ns = VIA_MS}, b = {.name = "b"};
    struct via_task_options options = {.eager = 1};
    via_group *group = begin_limited(1);
    add_plan(group, &a);
    via_future_unref(via_group_create_task_with(group, task_follow, &b, &options));
    ASSERT_RECORD(&history, "");
    return end_group(group, 0);
}

TEST(an_eager_task_waits_for_room_too)
{
    ck_assert_int_eq(run_main(eager_with_limit, NULL), 0);
    ASSERT_RECORD(&history, "a b");
}

/* ---- misuse ---- */

static int arguments(void *arg, void **result)
{
    (void)arg;
    (void)result;
    const struct via_outcome *errors = NULL;
    ck_assert_int_eq(via_group_begin(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_group_end(NULL, 0), VIA_EINVAL);
    ck_assert_int_eq(via_group_cancel(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_group_errors(NULL, &errors), VIA_EINVAL);
    ck_assert_int_eq(status_of(via_group_create_task(NULL, task_never_runs, NULL)), VIA_EINVAL);
    ck_assert_ptr_null(via_group_free(NULL));
    via_group *group = begin_group();
    ck_assert_int_eq(via_group_errors(group, &errors), VIA_ESTATE);
    ck_assert_int_eq(via_group_errors(group, NULL), VIA_EINVAL);
    return end_group(group, 0);
}

TEST(arguments_are_checked)
{
    via_group *group = NULL;
    ck_assert_int_eq(via_group_begin(NULL, &group), VIA_ESTATE);
    ck_assert_ptr_null(group);
    ck_assert_int_eq(run_main(arguments, NULL), 0);
}

static int end_of_anothers(void *group, void **result)
{
    (void)result;
    return via_group_end(group, 0);
}

static int wrong_ends(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope limit;
    via_group *outer = begin_group();
    via_group *inner = begin_group();
    ck_assert_int_eq(via_group_end(outer, 0), VIA_ESTATE);
    ck_assert_int_eq(end_group(inner, 0), 0);
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_group_end(outer, 0), VIA_ESTATE);
    ck_assert_int_eq(via_timeout_end(&limit, 0), 0);
    ck_assert_int_eq(via_await(via_create_task(end_of_anothers, outer), NULL), VIA_ESTATE);
    ck_assert_int_eq(end_group(outer, 0), 0);
    return 0;
}

TEST(a_group_is_ended_by_its_task_the_innermost_first)
{
    ck_assert_int_eq(run_main(wrong_ends, NULL), 0);
}

static via_group *foreign_group;

static int make_in_foreign(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_group_create_task(foreign_group, task_never_runs, NULL);
    ck_assert_int_eq(status_of(task), VIA_EFOREIGN);
    via_future_unref(task);
    return 0;
}

static int begin_and_wait(void *arg, void **result)
{
    (void)arg;
    (void)result;
    foreign_group = begin_group();
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    return end_group(foreign_group, 0);
}

TEST(a_group_takes_no_task_from_another_loop)
{
    via_loop *one = open_task_loop(), *other = open_task_loop();
    via_future *task = create(one, begin_and_wait, NULL);
    ck_assert_int_ge(via_loop_step(one, 0), 0);
    ck_assert_int_eq(run_main_on(other, make_in_foreign, NULL), 0);
    ck_assert_int_eq(run_task(one, task), 0);
    close_loop(one);
    close_loop(other);
}

static int leaves_open(void *arg, void **result)
{
    (void)result;
    via_group *outer = begin_group();
    add_plan(outer, arg);
    add_plan(begin_group(), arg);
    via_group_free(outer); /* it stays until the task is over */
    return via_yield();
}

TEST(a_task_that_returns_with_open_groups_is_done_only_when_their_tasks_are)
{
    struct plan plan = {.name = "child", .sleep_ns = VIA_S, .clean_up_ns = VIA_S};
    via_loop *loop = open_task_loop();
    int64_t began_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(run_main_on(loop, leaves_open, &plan), 0);
    ck_assert_int_eq(via_loop_time_ns(loop) - began_ns, VIA_S);
    ASSERT_RECORD(&history, "child! child!");
    ck_assert_int_eq(reports.count, 2);
    ck_assert_int_eq(reports.status, VIA_ESTATE);
    ck_assert_str_eq(reports.message, "a task returned with an open task group");
    close_loop(loop);
}

TEST(an_error_in_a_group_that_was_left_open_is_reported)
{
    struct plan plan = {.name = "child", .sleep_ns = VIA_S, .clean_up_status = VIA_EBADF};
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, leaves_open, &plan), 0);
    ck_assert_int_eq(reports.count, 4);
    ck_assert_int_eq(reports.status, VIA_EBADF);
    ck_assert_str_eq(reports.message, "a task of a group that was left open failed");
    close_loop(loop);
}

static int wait_in_named(void *arg, void **result)
{
    (void)result;
    struct via_group_options options = {.name = "fetchers"};
    via_group *group = NULL;
    ck_assert_int_eq(via_group_begin(&options, &group), 0);
    add_plan(group, arg);
    return end_group(group, 0);
}

TEST(the_wait_of_the_end_names_its_group)
{
    struct plan plan = {.name = "child", .sleep_ns = VIA_S};
    struct via_task_info info;
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, wait_in_named, &plan);
    settle(loop);
    ck_assert_int_eq(via_task_info(task, &info), 0);
    ck_assert_str_eq(info.waits, "the tasks of fetchers");
    ck_assert_int_eq(run_task(loop, task), 0);
    close_loop(loop);
}

TEST_MAIN("combine/group_limit", so_many_tasks_run_at_once_and_the_others_follow_in_order,
          a_task_that_waits_for_room_can_be_cancelled_and_never_runs,
          tasks_that_wait_for_room_never_run_when_the_group_stops, an_eager_task_waits_for_room_too,
          arguments_are_checked, a_group_is_ended_by_its_task_the_innermost_first,
          a_group_takes_no_task_from_another_loop,
          a_task_that_returns_with_open_groups_is_done_only_when_their_tasks_are,
          an_error_in_a_group_that_was_left_open_is_reported, the_wait_of_the_end_names_its_group)
