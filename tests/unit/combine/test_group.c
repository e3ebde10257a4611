/* SPDX-License-Identifier: BSD-3-Clause */
/* Task groups: their tasks, their errors, their end. */
#include "unit/combine/group_fixture.h"

#include <viaduct/call.h>

/* ---- tasks of a group ---- */

static int two_results(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan a = {.name = "a", .sleep_ns = 100 * VIA_MS}, b = {.name = "b", .sleep_ns = 50 * VIA_MS};
    via_group *group = begin_group();
    via_future *first = via_group_create_task(group, task_follow, &a);
    via_future *second = via_group_create_task(group, task_follow, &b);
    ck_assert_int_eq(end_group(group, 0), 0);
    void *value = NULL;
    ck_assert_int_eq(via_await(first, &value), 0);
    ck_assert_ptr_eq(value, &a);
    ck_assert_int_eq(via_await(second, &value), 0);
    ck_assert_ptr_eq(value, &b);
    return 0;
}

TEST(the_end_waits_for_every_task_and_the_results_are_there)
{
    ck_assert_int_eq(run_main(two_results, NULL), 0);
    ASSERT_RECORD(&history, "b a");
}

static int added_later(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan a = {.name = "a", .sleep_ns = 100 * VIA_MS}, b = {.name = "b", .sleep_ns = 100 * VIA_MS};
    via_group *group = begin_group();
    add_plan(group, &a);
    ck_assert_int_eq(via_sleep(50 * VIA_MS), 0);
    add_plan(group, &b);
    ck_assert_int_eq(via_sleep(60 * VIA_MS), 0);
    say("body");
    return end_group(group, 0);
}

TEST(a_task_may_be_added_while_others_run)
{
    ck_assert_int_eq(run_main(added_later, NULL), 0);
    ASSERT_RECORD(&history, "a body b");
}

static int empty(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_loop *loop = via_loop_current();
    uint64_t ticks = stats_of(loop).ticks;
    ck_assert_int_eq(end_group(begin_group(), 0), 0);
    ck_assert_uint_eq(stats_of(loop).ticks, ticks);
    return 0;
}

TEST(an_empty_group_ends_without_a_wait)
{
    ck_assert_int_eq(run_main(empty, NULL), 0);
}

/* Adds a task to its group, which does the same, so many times. */
struct spawner {
    via_group *group;
    int left;
};

static int spawn(void *arg, void **result)
{
    struct spawner *spawner = arg;
    (void)result;
    int status = via_sleep(VIA_MS);
    if (status < 0)
        return status;
    via_test_record(&history, "%d", spawner->left);
    if (spawner->left--)
        add(spawner->group, spawn, spawner);
    return 0;
}

static int adding_at_the_end(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct spawner spawner = {.group = begin_group(), .left = 3};
    add(spawner.group, spawn, &spawner);
    return end_group(spawner.group, 0);
}

TEST(the_end_waits_for_tasks_that_are_added_meanwhile)
{
    ck_assert_int_eq(run_main(adding_at_the_end, NULL), 0);
    ASSERT_RECORD(&history, "3 2 1 0");
}

static int forgotten(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan plan = {.name = "x", .sleep_ns = VIA_MS};
    via_group *group = begin_group();
    size_t blocks = 0;
    for (int i = 0; i < 200; i++) {
        add_plan(group, &plan);
        ck_assert_int_eq(via_sleep(2 * VIA_MS), 0);
        if (i == 100)
            blocks = via_test_heap_blocks();
    }
    ck_assert_uint_le(via_test_heap_blocks(), blocks);
    return end_group(group, 0);
}

TEST(a_group_keeps_nothing_of_tasks_that_have_succeeded)
{
    ck_assert_int_eq(run_main(forgotten, NULL), 0);
}

static int say_name(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return say((void *)(uintptr_t)via_task_name(NULL));
}

static int names(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_task_options options = {.name = "yolo"};
    via_group *group = begin_group();
    via_future *task = via_group_create_task_with(group, say_name, NULL, &options);
    ck_assert_str_eq(via_task_name(task), "yolo");
    via_future_unref(task);
    return end_group(group, 0);
}

TEST(a_task_of_a_group_may_have_a_name)
{
    ck_assert_int_eq(run_main(names, NULL), 0);
    ASSERT_RECORD(&history, "yolo");
}

static int eager(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_task_options options = {.eager = 1};
    via_group *group = begin_group();
    via_future *task = via_group_create_task_with(group, task_say, (void *)(uintptr_t) "eager", &options);
    ck_assert_int_eq(via_future_done(task), 1);
    via_future_unref(task);
    say("body");
    return end_group(group, 0);
}

TEST(an_eager_task_may_be_done_before_its_group_hears_of_it)
{
    ck_assert_int_eq(run_main(eager, NULL), 0);
    ASSERT_RECORD(&history, "eager body");
}

static int owns(void *arg, void **result)
{
    struct via_test_counted *counted = arg;
    (void)result;
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_group *group = begin_group();
    via_future_unref(via_group_create_task_with(group, task_return_0, &counted[0], &options));
    ck_assert_int_eq(via_group_end(group, 0), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    via_future_unref(via_group_create_task_with(group, task_never_runs, &counted[1], &options));
    ck_assert_int_eq(via_test_destroyed(&counted[1]), 1);
    via_group_free(group);
    return 0;
}

TEST(the_argument_is_released_once_also_when_the_group_is_over)
{
    struct via_test_counted counted[2] = {{0}};
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, owns, counted), 0);
    close_loop(loop);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(reports.count, 1); /* of the task that nobody made */
    ck_assert_int_eq(reports.status, VIA_ESTATE);
}

/* ---- failures ---- */

static int one_fails(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan bad = {.name = "bad", .sleep_ns = 10 * VIA_MS, .status = VIA_EBADF};
    struct plan good = {.name = "good", .sleep_ns = VIA_S};
    via_group *group = begin_group();
    add_plan(group, &bad);
    via_future *other = via_group_create_task(group, task_follow, &good);
    int status = via_sleep(VIA_S);
    ck_assert_int_eq(status, VIA_ECANCELED);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    say("body!");
    ck_assert_int_eq(end_and_say(group, status), VIA_EGROUP);
    ck_assert_int_eq(via_future_state(other), VIA_CANCELLED);
    via_future_unref(other);
    return 0;
}

TEST(a_failure_cancels_the_other_tasks_and_cuts_the_body_short)
{
    via_loop *loop = open_task_loop();
    int64_t began_ns = via_loop_time_ns(loop);
    ck_assert_int_eq(run_main_on(loop, one_fails, NULL), 0);
    ck_assert_int_eq(via_loop_time_ns(loop) - began_ns, 10 * VIA_MS);
    close_loop(loop);
    ck_assert_int_eq(reports.count, 0);
    ASSERT_RECORD(&history, "bad body! good! EBADF");
}

static int one_fails_at_the_end(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan bad = {.name = "bad", .sleep_ns = 10 * VIA_MS, .status = VIA_EBADF};
    struct plan good = {.name = "good", .sleep_ns = VIA_S};
    via_group *group = begin_group();
    add_plan(group, &good);
    add_plan(group, &bad);
    ck_assert_int_eq(end_and_say(group, 0), VIA_EGROUP);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    return 0;
}

TEST(a_failure_while_the_end_waits_cancels_the_rest_and_nothing_leaks_out)
{
    ck_assert_int_eq(run_main(one_fails_at_the_end, NULL), 0);
    ASSERT_RECORD(&history, "bad good! EBADF");
}

/* A task that fails with a code of its own. */
static int fail_with_code(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 7;
}

static int several_fail(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan first = {.name = "first", .sleep_ns = 10 * VIA_MS, .status = VIA_EBADF};
    struct plan second = {
        .name = "second", .sleep_ns = VIA_S, .clean_up_ns = 5 * VIA_MS, .clean_up_status = VIA_ENOENT};
    via_group *group = begin_group();
    add_plan(group, &second);
    add_plan(group, &first);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_group_end(group, VIA_EPERM), VIA_EGROUP);
    const struct via_outcome *errors = NULL;
    ck_assert_int_eq(via_group_errors(group, &errors), 3);
    ck_assert_int_eq(errors[0].status, VIA_EBADF);
    ck_assert_int_eq(errors[1].status, VIA_ENOENT);
    ck_assert_int_eq(errors[2].status, VIA_EPERM);
    via_group_free(group);
    return 0;
}

TEST(the_errors_come_in_the_order_of_the_tasks_ends_and_the_bodys_last)
{
    ck_assert_int_eq(run_main(several_fail, NULL), 0);
    ASSERT_RECORD(&history, "first second!");
}

static int codes_of_both(void *arg, void **result)
{
    (void)arg;
    (void)result;
    const struct via_outcome *errors = NULL;
    via_group *group = begin_group();
    add(group, fail_with_code, NULL);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_group_end(group, 3), VIA_EGROUP);
    ck_assert_int_eq(via_group_errors(group, &errors), 2);
    ck_assert_int_eq(errors[0].status, VIA_EFAILED);
    ck_assert_int_eq(errors[0].code, 7);
    ck_assert_int_eq(errors[1].status, VIA_EFAILED);
    ck_assert_int_eq(errors[1].code, 3);
    via_group_free(group);
    return 0;
}

TEST(codes_of_ones_own_are_kept)
{
    ck_assert_int_eq(run_main(codes_of_both, NULL), 0);
}

static int body_fails(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan plan = {.name = "child", .sleep_ns = VIA_S};
    via_group *group = begin_group();
    add_plan(group, &plan);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    int status = via_group_end(group, VIA_ENOENT);
    say_errors(group);
    via_group_free(group);
    return status;
}

TEST(a_failure_of_the_body_alone_cancels_the_tasks_and_comes_back_as_it_is)
{
    ck_assert_int_eq(run_main(body_fails, NULL), VIA_ENOENT);
    ASSERT_RECORD(&history, "child! ENOENT");
}

static int body_fails_first(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    add(group, task_never_runs, NULL);
    add(group, task_never_runs, NULL);
    return end_and_say(group, 5);
}

TEST(a_failure_of_the_body_before_the_tasks_began_is_all_that_happens)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, body_fails_first, NULL);
    struct via_outcome outcome;
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 5);
    via_future_unref(task);
    close_loop(loop);
    ASSERT_RECORD(&history, "EFAILED");
}

static int one_is_cancelled(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan a = {.name = "a", .sleep_ns = 10 * VIA_MS}, b = {.name = "b", .sleep_ns = 20 * VIA_MS};
    via_group *group = begin_group();
    via_future *first = via_group_create_task(group, task_follow, &a);
    add_plan(group, &b);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_cancel(first, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(first, NULL), VIA_EABORTED);
    return end_group(group, 0);
}

TEST(a_task_that_was_cancelled_is_no_failure)
{
    ck_assert_int_eq(run_main(one_is_cancelled, NULL), 0);
    ASSERT_RECORD(&history, "a! b");
}

static int cancels_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return VIA_ECANCELED;
}

static int says_cancelled(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan plan = {.name = "other", .sleep_ns = VIA_MS};
    via_group *group = begin_group();
    add(group, cancels_itself, NULL);
    add_plan(group, &plan);
    return end_group(group, 0);
}

TEST(a_task_that_says_it_was_cancelled_is_no_failure)
{
    ck_assert_int_eq(run_main(says_cancelled, NULL), 0);
    ASSERT_RECORD(&history, "other");
}

static int spawn_until_failure(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan bad = {.name = "bad", .sleep_ns = 9 * VIA_MS + 1, .status = VIA_EBADF};
    struct spawner spawner = {.group = begin_group(), .left = 1000000};
    add(spawner.group, spawn, &spawner);
    add_plan(spawner.group, &bad);
    ck_assert_int_eq(via_group_end(spawner.group, 0), VIA_EGROUP);
    ck_assert_int_eq(spawner.left, 1000000 - 9);
    via_group_free(spawner.group);
    return 0;
}

TEST(a_failure_stops_tasks_that_go_on_adding_tasks)
{
    ck_assert_int_eq(run_main(spawn_until_failure, NULL), 0);
}

static int no_more_tasks(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan bad = {.name = "bad", .status = VIA_EBADF};
    via_group *group = begin_group();
    add_plan(group, &bad);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    via_future *refused = via_group_create_task(group, task_never_runs, NULL);
    ck_assert_int_eq(status_of(refused), VIA_ESTATE);
    via_future_unref(refused);
    add(group, task_never_runs, NULL); /* not looking at it does no harm */
    ck_assert_int_eq(via_group_end(group, 0), VIA_EGROUP);
    const struct via_outcome *errors = NULL;
    ck_assert_int_eq(via_group_errors(group, &errors), 1);
    via_group_free(group);
    return 0;
}

TEST(a_group_that_stops_takes_no_more_tasks)
{
    ck_assert_int_eq(run_main(no_more_tasks, NULL), 0);
}

static int after_the_end(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    ck_assert_int_eq(via_group_end(group, 0), 0);
    via_future *refused = via_group_create_task(group, task_never_runs, NULL);
    struct via_outcome outcome;
    ck_assert_int_eq(via_future_outcome(refused, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_ESTATE);
    ck_assert_str_eq(outcome.message, "the task group is over: make the task in another one");
    via_future_unref(refused);
    ck_assert_int_eq(via_group_end(group, 0), VIA_ESTATE);
    ck_assert_int_eq(via_group_cancel(group), 0);
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    via_group_free(group);
    return 0;
}

TEST(a_group_that_is_over_takes_no_tasks_and_no_second_end)
{
    ck_assert_int_eq(run_main(after_the_end, NULL), 0);
}

static int cannot_start(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct plan plan = {.name = "other", .sleep_ns = VIA_S};
    struct via_task_options options = {.stack_bytes = SIZE_MAX};
    via_group *group = begin_group();
    add_plan(group, &plan);
    ck_assert_int_eq(via_yield(), 0);
    via_future *failed = via_group_create_task_with(group, task_never_runs, NULL, &options);
    ck_assert_int_eq(status_of(failed), VIA_EINVAL);
    via_future_unref(failed);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    return end_and_say(group, 0);
}

TEST(a_task_that_cannot_be_started_is_a_failure_of_its_group)
{
    ck_assert_int_eq(run_main(cannot_start, NULL), VIA_EGROUP);
    ASSERT_RECORD(&history, "other! EINVAL");
}

/* Fails at once, when it is made. */
static int fails_while_made(void *arg, void **result)
{
    (void)result;
    static int status = VIA_EBADF;
    struct via_task_options options = {.eager = 1};
    via_group *group = begin_group();
    via_future *task = via_group_create_task_with(group, task_fail, &status, &options);
    ck_assert_int_eq(via_future_state(task), VIA_FINISHED);
    via_future_unref(task);
    add(group, task_never_runs, arg); /* the group has yet to hear of it */
    return end_and_say(group, 0);
}

TEST(an_eager_failure_is_heard_of_in_a_later_turn)
{
    ck_assert_int_eq(run_main(fails_while_made, NULL), VIA_EGROUP);
    ASSERT_RECORD(&history, "EBADF");
}

/* The eager task that fails is made by an eager task, while that is being made. */
struct nested_eager {
    via_group *group;
    int status;
};

static int waits_after_making(void *arg, void **result)
{
    struct nested_eager *nested = arg;
    struct via_task_options options = {.eager = 1};
    (void)result;
    via_future_unref(via_group_create_task_with(nested->group, task_fail, &nested->status, &options));
    int status = via_sleep(VIA_S);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int fails_while_another_is_made(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct nested_eager nested = {.group = begin_group(), .status = VIA_EBADF};
    struct via_task_options options = {.eager = 1};
    via_future_unref(via_group_create_task_with(nested.group, waits_after_making, &nested, &options));
    return end_and_say(nested.group, 0);
}

TEST(a_task_is_cancelled_whose_sibling_failed_while_it_was_made)
{
    ck_assert_int_eq(run_main(fails_while_another_is_made, NULL), VIA_EGROUP);
    ASSERT_RECORD(&history, "VIA_ECANCELED EBADF");
}

static int await_it(void *task, void **result)
{
    (void)result;
    return via_await(via_future_ref(task), NULL);
}

/* The one that awaits is the last of so many that a search through the tasks would not find it. */
static int hold_many(void *arg, void **result)
{
    enum { MANY = 100 };
    (void)result;
    via_group *group = begin_group();
    for (int i = 0; i < MANY; i++)
        via_future_unref(via_group_create_task(group, task_wait_for_ever, NULL));
    via_future *last = via_group_create_task(group, await_it, arg ? arg : via_current_task());
    int status = via_group_end(group, 0);
    ck_assert_int_eq(status_of(last), VIA_EDEADLK);
    via_future_unref(last);
    via_group_free(group);
    return status;
}

static int hold_a_holder(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    via_future_unref(via_group_create_task(group, hold_many, via_current_task()));
    int status = via_group_end(group, 0);
    via_group_free(group);
    return status;
}

TEST(a_task_of_a_group_cannot_await_who_holds_it)
{
    ck_assert_int_eq(run_main(hold_many, NULL), VIA_EGROUP);
    ck_assert_int_eq(run_main(hold_a_holder, NULL), VIA_EGROUP);
}

static int await_it_later(void *task, void **result)
{
    yield_times(1);
    return await_it(task, result);
}

/* The task of the group awaits one that awaits the holder, who has not come to the end yet. */
static int hold_who_awaits_another(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    via_future *other = via_create_task(await_it_later, via_current_task());
    via_future_unref(via_group_create_task(group, await_it, other));
    yield_times(4);
    ck_assert_int_eq(status_of(other), VIA_EDEADLK);
    via_future_unref(other);
    int status = via_group_end(group, 0);
    via_group_free(group);
    return status;
}

TEST(an_await_that_closes_a_circle_through_a_group_is_refused)
{
    ck_assert_int_eq(run_main(hold_who_awaits_another, NULL), VIA_EGROUP);
}

/* The memory of a task that is done may serve the next one. */
static int make_one_after_a_group(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_group *group = begin_group();
    via_future_unref(via_group_create_task(group, task_return_0, NULL));
    ck_assert_int_eq(via_group_end(group, 0), 0);
    via_group_free(group);
    via_future *task = via_create_task(await_it, via_current_task());
    yield_times(2);
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    via_future_unref(task);
    return 0;
}

TEST(a_task_that_is_made_when_a_group_is_over_is_in_none)
{
    ck_assert_int_eq(run_main(make_one_after_a_group, NULL), 0);
}

/* Its function returns while a task of its group, which has begun, awaits the argument. */
static int leave_a_group_open(void *other, void **result)
{
    (void)result;
    struct via_task_options options = {.eager = 1};
    via_future_unref(via_group_create_task_with(begin_group(), await_it, other, &options));
    return 0;
}

static int await_who_left_a_group_open(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_scope shield;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    via_future *task = via_create_task(leave_a_group_open, via_current_task());
    yield_times(2);
    ck_assert_int_eq(via_await(task, NULL), VIA_EDEADLK);
    return via_shield_end(&shield);
}

TEST(a_circle_through_a_group_that_was_left_open_is_refused)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, await_who_left_a_group_open, NULL), 0);
    RUN_TICKS(loop, 3);
    close_loop(loop);
    ck_assert_int_eq(reports.count, 1);
}

TEST_MAIN(
    "combine/group", the_end_waits_for_every_task_and_the_results_are_there,
    a_task_may_be_added_while_others_run, an_empty_group_ends_without_a_wait,
    the_end_waits_for_tasks_that_are_added_meanwhile, a_group_keeps_nothing_of_tasks_that_have_succeeded,
    a_task_of_a_group_may_have_a_name, an_eager_task_may_be_done_before_its_group_hears_of_it,
    the_argument_is_released_once_also_when_the_group_is_over,
    a_failure_cancels_the_other_tasks_and_cuts_the_body_short,
    a_failure_while_the_end_waits_cancels_the_rest_and_nothing_leaks_out,
    the_errors_come_in_the_order_of_the_tasks_ends_and_the_bodys_last, codes_of_ones_own_are_kept,
    a_failure_of_the_body_alone_cancels_the_tasks_and_comes_back_as_it_is,
    a_failure_of_the_body_before_the_tasks_began_is_all_that_happens, a_task_that_was_cancelled_is_no_failure,
    a_task_that_says_it_was_cancelled_is_no_failure, a_failure_stops_tasks_that_go_on_adding_tasks,
    a_group_that_stops_takes_no_more_tasks, a_group_that_is_over_takes_no_tasks_and_no_second_end,
    a_task_that_cannot_be_started_is_a_failure_of_its_group, an_eager_failure_is_heard_of_in_a_later_turn,
    a_task_is_cancelled_whose_sibling_failed_while_it_was_made, a_task_of_a_group_cannot_await_who_holds_it,
    an_await_that_closes_a_circle_through_a_group_is_refused,
    a_task_that_is_made_when_a_group_is_over_is_in_none,
    a_circle_through_a_group_that_was_left_open_is_refused)
