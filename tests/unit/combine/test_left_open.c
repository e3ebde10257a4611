/* SPDX-License-Identifier: BSD-3-Clause */
/* Time limits and shielded sections that are open when their function is over. */
#include "unit/combine/combine_fixture.h"

#include <viaduct/coro.h>

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

/* ---- in generators ---- */

static via_coro *generator(via_coro_fn fn, void *arg)
{
    via_coro *coro = NULL;
    ck_assert_int_eq(via_coro_new(fn, arg, NULL, &coro), 0);
    return coro;
}

/* Opens a section, yields, and returns without closing it. */
static int open_limit(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    return via_coro_yield(NULL, NULL);
}

static int open_shield(void *arg, void **result)
{
    struct via_scope shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    return via_coro_yield(NULL, NULL);
}

static int close_limit(void *arg, void **result)
{
    struct via_scope limit;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_S, &limit), 0);
    int status = via_coro_yield(NULL, NULL);
    return via_timeout_end(&limit, status);
}

static void expect_report(const char *message)
{
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.message, message);
    ck_assert_ptr_eq(reports.future, via_current_task());
    reports = (struct reports){.count = 0};
}

static int outlive_generator(void *arg, void **result)
{
    via_coro *coro = generator(open_limit, NULL);
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    expect_report("a coroutine returned with an open time limit");
    via_coro_free(coro);
    via_coro_trim(); // its stack is gone
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    return 0;
}

TEST(a_limit_in_a_generator_ends_with_that)
{
    ck_assert_int_eq(run_main(outlive_generator, NULL), 0);
}

/* The task's own sections lie around the generator's, and between them. */
static int have_sections_around(void *arg, void **result)
{
    struct via_scope outer, inner;
    (void)arg;
    (void)result;
    via_coro *first = generator(open_shield, NULL), *second = generator(open_limit, NULL);
    ck_assert_int_eq(via_timeout_begin(5 * VIA_S, &outer), 0);
    ck_assert_int_eq(via_coro_next(first, NULL), 1);
    ck_assert_int_eq(via_shield_begin(&inner), 0);
    ck_assert_int_eq(via_coro_next(second, NULL), 1);
    ck_assert_int_eq(via_coro_next(first, NULL), 0);
    expect_report("a coroutine returned with an open shielded section");
    ck_assert_int_eq(via_coro_next(second, NULL), 0);
    expect_report("a coroutine returned with an open time limit");
    via_coro_free(first);
    via_coro_free(second);
    via_coro_trim();
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    ck_assert_int_eq(via_shield_end(&inner), 0);
    return via_timeout_end(&outer, via_sleep(10 * VIA_S));
}

TEST(sections_of_the_task_around_it_stay_as_they_are)
{
    ck_assert_int_eq(run_main(have_sections_around, NULL), VIA_ETIMEDOUT);
}

static int be_cancelled_in_lost_shields(void *arg, void **result)
{
    struct via_scope inner;
    (void)arg;
    (void)result;
    via_coro *coro = generator(open_shield, NULL);
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_shield_begin(&inner), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    expect_report("a coroutine returned with an open shielded section");
    via_coro_free(coro);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_shield_end(&inner), 0);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    return 0;
}

TEST(a_shield_that_is_lost_hides_nothing_any_more)
{
    ck_assert_int_eq(run_main(be_cancelled_in_lost_shields, NULL), 0);
}

static int close_in_order(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_coro *coro = generator(close_limit, NULL);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
    return via_sleep(2 * VIA_S);
}

TEST(a_generator_that_closes_what_it_opens_is_not_reported)
{
    ck_assert_int_eq(run_main(close_in_order, NULL), 0);
}

/* The task is over first, and its generator is freed elsewhere. */
static int leave_generator(void *arg, void **result)
{
    (void)result;
    *(via_coro **)arg = generator(close_limit, NULL);
    return via_coro_next(*(via_coro **)arg, NULL) == 1 ? 0 : VIA_ESTATE;
}

TEST(a_generator_may_outlive_the_task_that_stepped_it)
{
    via_loop *loop = open_task_loop();
    via_coro *coro = NULL;
    struct via_outcome outcome;
    ck_assert_int_eq(run_main_on(loop, leave_generator, &coro), 0);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_str_eq(reports.message, "a task returned with an open time limit");
    ck_assert_int_eq(via_coro_close(coro), VIA_ESTATE); // the limit cannot be ended outside of the task
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    via_coro_free(coro);
    ck_assert_int_eq(reports.count, 1);
    close_loop(loop);
}

/* It is closed by another task, while the one whose section it has left open waits. */
static int step_and_wait(void *arg, void **result)
{
    (void)result;
    *(via_coro **)arg = generator(open_shield, NULL);
    ck_assert_int_eq(via_coro_next(*(via_coro **)arg, NULL), 1);
    return via_sleep(VIA_FOREVER);
}

static int free_it_elsewhere(void *arg, void **result)
{
    (void)result;
    via_future *task = via_create_task(step_and_wait, arg);
    yield_times(2);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    yield_times(2);
    ck_assert_int_eq(via_future_done(task), 0); // shielded
    via_coro_free(*(via_coro **)arg);
    ck_assert_int_eq(reports.count, 1);
    reports.count = 0;
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_task_that_waits_in_the_section_hears_of_its_end)
{
    via_coro *coro = NULL;
    ck_assert_int_eq(run_main(free_it_elsewhere, &coro), 0);
}

TEST_MAIN("combine/left_open", an_open_limit_is_reported_when_the_task_returns,
          an_open_shield_is_reported_when_the_task_returns, of_several_each_sort_is_reported,
          what_was_closed_is_not_reported, a_limit_in_a_generator_ends_with_that,
          sections_of_the_task_around_it_stay_as_they_are, a_shield_that_is_lost_hides_nothing_any_more,
          a_generator_that_closes_what_it_opens_is_not_reported,
          a_generator_may_outlive_the_task_that_stepped_it, a_task_that_waits_in_the_section_hears_of_its_end)
