/* SPDX-License-Identifier: BSD-3-Clause */
/* Sections in which a task is not cancelled. */
#include "unit/task/task_fixture.h"

static int clean_up_shielded(void *arg, void **result)
{
    struct via_scope shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_await(via_create_task(task_return_0, NULL), NULL), 0);
    ck_assert_int_eq(via_await_to_thread(give_back, NULL, NULL), 0);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    say((void *)"clean");
    return VIA_ECANCELED;
}

TEST(the_clean_up_of_a_cancelled_task_can_wait)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, clean_up_shielded, NULL);
    settle(loop);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    ASSERT_RECORD(&history, "clean");
    close_loop(loop);
}

static int wait_shielded(void *arg, void **result)
{
    struct via_scope shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), 4 * VIA_S);
    return via_sleep(VIA_S);
}

static int cancel_shielded(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(wait_shielded, NULL);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), 4 * VIA_S);
    return 0;
}

TEST(a_request_during_the_section_is_seen_after_it)
{
    ck_assert_int_eq(run_main(cancel_shielded, NULL), 0);
}

/* Requests inside two sections, taken back or not. */

static void ask_self(void)
{
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
}

static int nest(void *arg, void **result)
{
    struct via_scope outer, inner;
    (void)arg;
    (void)result;
    ask_self();
    ck_assert_int_eq(via_shield_begin(&outer), 0);
    ck_assert_int_eq(via_yield(), 0);
    ask_self();
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_shield_begin(&inner), 0);
    ask_self();
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_shield_end(&outer), VIA_ESTATE);
    ck_assert_int_eq(via_shield_end(&inner), 0);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_cancelling(NULL), 3);
    ck_assert_int_eq(via_shield_end(&outer), 0);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 2);
    ck_assert_int_eq(via_task_uncancel(NULL), 1);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_yield(), 0);
    return 0;
}

TEST(sections_nest)
{
    ck_assert_int_eq(run_main(nest, NULL), 0);
}

static int take_back_inside(void *arg, void **result)
{
    struct via_scope outer, inner;
    (void)arg;
    (void)result;
    ask_self();
    ck_assert_int_eq(via_shield_begin(&outer), 0);
    ck_assert_int_eq(via_shield_begin(&inner), 0);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_shield_end(&inner), 0);
    ask_self();
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ask_self();
    ck_assert_int_eq(via_shield_end(&outer), 0);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_shield_begin(&outer), 0);
    ck_assert_int_eq(via_shield_end(&outer), 0);
    return via_yield();
}

TEST(requests_can_be_taken_back_inside)
{
    ck_assert_int_eq(run_main(take_back_inside, NULL), 0);
}

static int misuse(void *arg, void **result)
{
    struct via_scope shield, never = {.outer = NULL};
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_shield_begin(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_shield_end(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_shield_end(&never), VIA_ESTATE);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_shield_end(&never), VIA_ESTATE);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    ck_assert_int_eq(via_shield_end(&shield), VIA_ESTATE);
    return via_yield();
}

TEST(sections_are_ended_by_the_task_that_opened_them_the_innermost_first)
{
    struct via_scope shield;
    ck_assert_int_eq(via_shield_begin(&shield), VIA_ESTATE);
    ck_assert_int_eq(via_shield_end(&shield), VIA_ESTATE);
    ck_assert_int_eq(run_main(misuse, NULL), 0);
}

static int leave_open(void *arg, void **result)
{
    struct via_scope shield;
    (void)arg;
    (void)result;
    return via_shield_begin(&shield);
}

TEST(a_section_that_is_left_open_ends_with_the_task)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, leave_open, NULL), 0);
    ck_assert_int_eq(reports.count, 1);
    close_loop(loop);
}

TEST_MAIN("task/shield", the_clean_up_of_a_cancelled_task_can_wait,
          a_request_during_the_section_is_seen_after_it, sections_nest, requests_can_be_taken_back_inside,
          sections_are_ended_by_the_task_that_opened_them_the_innermost_first,
          a_section_that_is_left_open_ends_with_the_task)
