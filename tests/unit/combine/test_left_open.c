/* SPDX-License-Identifier: BSD-3-Clause */
/* Time limits and shielded sections that are open when their function is over. */
#include "unit/combine/combine_fixture.h"

static int waits_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_yield();
}

static via_future *create_on(via_loop *loop, const char *name, via_task_fn fn, void *arg)
{
    struct via_task_options options = {.name = name};
    return via_create_task_with(loop, fn, arg, &options);
}

static int leave_limit(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    return via_yield();
}

static int leave_shield(void *arg, void **result)
{
    struct via_scope shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    return via_yield();
}

static int leave_both(void *arg, void **result)
{
    struct via_scope limit;
    ck_assert_int_eq(via_timeout_begin(VIA_FOREVER, &limit), 0);
    return leave_shield(arg, result);
}

static void assert_left(const char *name, via_task_fn fn, int count, const char *message)
{
    via_loop *loop = open_task_loop();
    via_future *task = via_future_ref(create_on(loop, name, fn, NULL));
    reports = (struct reports){.count = 0};
    ck_assert_int_eq(run_task(loop, task), 0);
    ck_assert_int_eq(reports.count, count);
    ck_assert_str_eq(reports.message, message);
    ck_assert_str_eq(reports.task, name);
    ck_assert_int_eq(reports.status, VIA_ESTATE);
    ck_assert_ptr_eq(reports.future, task);
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)fn);
    ck_assert_int_eq(run_main_on(loop, waits_once, NULL), 0); // no timer is left, and nothing is touched
    ck_assert_int_eq(stats_of(loop).timers, 0);
    via_future_unref(task);
    close_loop(loop);
}

TEST(an_open_limit_is_reported_when_the_task_returns)
{
    assert_left("A", leave_limit, 1, "a task returned with an open time limit");
}

TEST(an_open_shield_is_reported_when_the_task_returns)
{
    assert_left("B", leave_shield, 1, "a task returned with an open shielded section");
}

TEST(of_several_each_sort_is_reported)
{
    assert_left("C", leave_both, 2, "a task returned with an open shielded section");
}

static int close_both(void *arg, void **result)
{
    struct via_scope limit, shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = via_yield();
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return via_timeout_end(&limit, status);
}

TEST(what_was_closed_is_not_reported)
{
    ck_assert_int_eq(run_main(close_both, NULL), 0);
}

TEST_MAIN("combine/left_open", an_open_limit_is_reported_when_the_task_returns,
          an_open_shield_is_reported_when_the_task_returns, of_several_each_sort_is_reported,
          what_was_closed_is_not_reported)
