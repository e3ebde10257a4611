/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that other threads start. */
#include "unit/task/run_fixture.h"

#include <viaduct/threadsafe.h>

/* A thread that starts a task and waits for it. */
struct starter {
    via_loop *loop;
    via_task_fn fn;
    void *arg;
    struct via_outcome outcome;
    int started, done;
    char text[100];
    struct via_test_thread thread;
};

static void *start_and_wait(void *arg)
{
    struct starter *starter = arg;
    via_cfuture *cf = NULL;
    starter->started = via_run_coroutine_threadsafe(starter->loop, starter->fn, starter->arg, NULL, &cf);
    if (starter->started == 0) {
        ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
        ck_assert_int_eq(via_cfuture_outcome(cf, &starter->outcome), 0);
        strncpy(starter->text, starter->outcome.message ? starter->outcome.message : "", 99);
        via_cfuture_unref(cf);
    }
    __atomic_store_n(&starter->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

static int is_done(struct starter *starter)
{
    return __atomic_load_n(&starter->done, __ATOMIC_ACQUIRE);
}

/* Starts the threads, and runs the loop until all of them have their outcomes. */
static void run_starters(via_loop *loop, struct starter *starters, int count)
{
    for (int i = 0; i < count; i++)
        via_test_thread_start(&starters[i].thread, start_and_wait, &starters[i]);
    for (int i = 0; i < count; i++)
        RUN_UNTIL(loop, is_done(&starters[i]));
    for (int i = 0; i < count; i++)
        via_test_thread_join(&starters[i].thread);
}

static int sleep_and_give(void *arg, void **result)
{
    int status = via_sleep(VIA_MS);
    *result = arg;
    return status;
}

static int fail_with_text(void *arg, void **result)
{
    (void)result;
    int status = via_yield();
    return status < 0 ? status : via_fail(*(int *)arg, "no luck");
}

static int cancel_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_task_cancel(via_current_task(), NULL);
    return via_yield();
}

static via_cfuture *start(via_loop *loop, via_task_fn fn, void *arg)
{
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, fn, arg, NULL, &cf), 0);
    ck_assert_ptr_nonnull(cf);
    return cf;
}

static struct via_outcome outcome_of(via_cfuture *cf)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    return outcome;
}

TEST(another_thread_gets_the_value)
{
    via_loop *loop = open_loop();
    int number = 5;
    struct starter starter = {.loop = loop, .fn = sleep_and_give, .arg = &number};
    run_starters(loop, &starter, 1);
    ck_assert_int_eq(starter.outcome.status, 0);
    ck_assert_ptr_eq(starter.outcome.value, &number);
    close_loop(loop);
}

TEST(another_thread_gets_the_error_and_its_text)
{
    via_loop *loop = open_loop();
    int code = 42;
    struct starter starter = {.loop = loop, .fn = fail_with_text, .arg = &code};
    keep_reports(loop, &reports);
    run_starters(loop, &starter, 1);
    ck_assert_int_eq(starter.outcome.status, VIA_EFAILED);
    ck_assert_int_eq(starter.outcome.code, 42);
    ck_assert_str_eq(starter.text, "no luck");
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

TEST(ten_threads_get_what_is_theirs)
{
    via_loop *loop = open_loop();
    int numbers[10];
    struct starter starters[10];
    for (int i = 0; i < 10; i++) {
        numbers[i] = i + 1;
        starters[i] =
            (struct starter){.loop = loop, .fn = i % 2 ? fail_with_text : sleep_and_give, .arg = &numbers[i]};
    }
    run_starters(loop, starters, 10);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(starters[i].outcome.status, i % 2 ? VIA_EFAILED : 0);
        ck_assert_int_eq(starters[i].outcome.code, i % 2 ? i + 1 : 0);
        ck_assert_ptr_eq(starters[i].outcome.value, i % 2 ? NULL : &numbers[i]);
    }
    close_loop(loop);
}

TEST(a_task_that_is_cancelled_in_its_loop_cancels_the_future)
{
    via_loop *loop = open_loop();
    struct starter starter = {.loop = loop, .fn = cancel_itself};
    run_starters(loop, &starter, 1);
    ck_assert_int_eq(starter.outcome.status, VIA_ECANCELED);
    close_loop(loop);
}

TEST(a_future_that_is_cancelled_before_the_loop_has_it_never_runs)
{
    via_loop *loop = open_loop();
    struct via_test_counted payload = {0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, never_run, &payload, &options, &cf), 0);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_PENDING);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    via_cfuture_unref(cf);
    close_loop(loop);
}

/* A thread whose patience is over at once. */
static void *give_up(void *cf)
{
    ck_assert_int_eq(via_cfuture_wait(cf, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    return NULL;
}

TEST(a_running_task_is_asked_and_its_future_done_when_it_has_ended)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_cfuture *cf = start(loop, sleep_for_ever, "task");
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_RUNNING);
    via_test_thread_start(&thread, give_up, cf);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    via_test_thread_join(&thread);
    ASSERT_RECORD(&history, "task:VIA_ECANCELED");
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via_cfuture_unref(cf);
    close_loop(loop);
}

static int succeed_all_the_same(void *arg, void **result)
{
    (void)sleep_for_ever("task", result);
    *result = arg;
    return 0;
}

TEST(a_task_may_succeed_though_it_was_asked_to_stop)
{
    via_loop *loop = open_loop();
    int number = 5;
    via_cfuture *cf = start(loop, succeed_all_the_same, &number);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_int_eq(outcome_of(cf).status, 0);
    ck_assert_ptr_eq(outcome_of(cf).value, &number);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_TOO_LATE);
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(a_closed_loop_is_refused_and_the_argument_released)
{
    struct via_test_counted payload = {0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_cfuture *cf = NULL;
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, never_run, &payload, &options, &cf), VIA_ECLOSED);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_ptr_null(cf);
    via_loop_unref(loop);
}

TEST(wrong_arguments_are_refused_and_the_argument_released)
{
    struct via_test_counted payload = {0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_cfuture *cf = NULL;
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, NULL, &payload, &options, &cf), VIA_EINVAL);
    ck_assert_int_eq(via_run_coroutine_threadsafe(NULL, never_run, &payload, &options, &cf), VIA_EINVAL);
    options.stack_bytes = SIZE_MAX;
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, never_run, &payload, &options, &cf), VIA_EINVAL);
    ck_assert_int_eq(via_test_destroyed(&payload), 3);
    ck_assert_ptr_null(cf);
    close_loop(loop);
}

TEST(closing_the_loop_fails_what_it_has_not_taken_over)
{
    struct via_test_counted payload = {0};
    struct via_task_options options = {.destroy = via_test_counted_destroy, .name = "never"};
    via_loop *loop = open_loop();
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, never_run, &payload, &options, &cf), 0);
    close_loop(loop);
    ck_assert_int_eq(outcome_of(cf).status, VIA_ECLOSED);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    via_cfuture_unref(cf);
}

TEST(closing_the_loop_ends_the_task_and_with_it_the_future)
{
    via_loop *loop = open_loop();
    via_cfuture *asked, *cf = start(loop, sleep_for_ever, "a");
    asked = start(loop, sleep_for_ever, "b");
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_cfuture_cancel(asked), VIA_CANCEL_REQUESTED);
    close_loop(loop);
    ASSERT_RECORD(&history, "a:VIA_ECANCELED b:VIA_ECANCELED");
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    ck_assert_int_eq(via_cfuture_state(asked), VIA_CANCELLED);
    via_cfuture_unref(cf);
    via_cfuture_unref(asked);
}

static int block_on_sibling(void *arg, void **result)
{
    via_cfuture **cf = arg;
    (void)result;
    *cf = start(via_loop_current(), sleep_for_ever, "sibling");
    ck_assert_int_eq(via_cfuture_wait(*cf, VIA_FOREVER), VIA_EDEADLK);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_cfuture_wait(*cf, VIA_FOREVER), VIA_EDEADLK);
    return 0;
}

TEST(to_block_in_the_loops_own_thread_is_refused)
{
    via_loop *loop = open_loop();
    via_cfuture *inner = NULL, *cf = start(loop, block_on_sibling, &inner);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_int_eq(outcome_of(cf).status, 0);
    via_cfuture_unref(cf);
    close_loop(loop);
    via_cfuture_unref(inner);
}

static int await_wrapped(void *arg, void **result)
{
    via_cfuture *cf = start(via_loop_current(), sleep_and_give, arg);
    via_future *wrapped = via_wrap_future(via_loop_current(), cf);
    via_cfuture_unref(cf);
    return via_await(wrapped, result);
}

TEST(a_task_can_await_what_it_has_started_this_way)
{
    via_loop *loop = open_loop();
    int number = 5;
    via_cfuture *cf = start(loop, await_wrapped, &number);
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ck_assert_ptr_eq(outcome_of(cf).value, &number);
    via_cfuture_unref(cf);
    close_loop(loop);
}

static int give_payload(void *arg, void **result)
{
    *result = arg;
    return 0;
}

TEST(the_value_belongs_to_the_future_until_it_is_taken)
{
    struct via_test_counted values[3] = {{0}};
    struct via_task_options options = {.destroy_result = via_test_counted_destroy};
    struct via_outcome outcome;
    via_cfuture *cf[3];
    via_loop *loop = open_loop();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_run_coroutine_threadsafe(loop, give_payload, &values[i], &options, &cf[i]), 0);
    via_cfuture_unref(cf[2]);
    RUN_UNTIL(loop, via_cfuture_done(cf[1]) == 1 && via_test_destroyed(&values[2]) == 1);
    ck_assert_int_eq(via_cfuture_take(cf[0], &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &values[0]);
    via_cfuture_unref(cf[0]);
    ck_assert_int_eq(via_test_destroyed(&values[0]), 0);
    via_cfuture_unref(cf[1]);
    ck_assert_int_eq(via_test_destroyed(&values[1]), 1);
    close_loop(loop);
}

static int say_name(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_test_record(&history, "%s", via_task_name(NULL));
    return 0;
}

TEST(options_are_copied)
{
    char name[] = "worker";
    struct via_task_options options = {.name = name, .eager = 1};
    via_cfuture *cf = NULL;
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, say_name, NULL, &options, &cf), 0);
    name[0] = 'W';
    RUN_UNTIL(loop, via_cfuture_done(cf) == 1);
    ASSERT_RECORD(&history, "worker");
    via_cfuture_unref(cf);
    close_loop(loop);
}

TEST(the_error_of_a_task_whose_future_nobody_wanted_is_reported)
{
    via_loop *loop = open_loop();
    int code = 42;
    keep_reports(loop, &reports);
    ck_assert_int_eq(via_run_coroutine_threadsafe(loop, fail_with_text, &code, NULL, NULL), 0);
    RUN_UNTIL(loop, reports.count == 1);
    ck_assert_str_eq(reports.text, "no luck");
    close_loop(loop);
}

static int start_in_child(void *loop)
{
    via_cfuture *cf = NULL;
    return via_run_coroutine_threadsafe(loop, never_run, NULL, NULL, &cf) == VIA_EFORKED && !cf ? 0 : 1;
}

TEST(the_loop_of_a_parent_is_refused)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_test_fork(start_in_child, loop), 0);
    close_loop(loop);
}

/* Threads that start and cancel tasks while the loop is closed under them. */
struct crowd {
    via_loop *loop;
    struct via_test_counted payloads[200];
    int refused, over;
};

static int yield_a_few_times(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = 0;
    for (int i = 0; i < 5 && status == 0; i++)
        status = via_yield();
    return status;
}

static void *start_many(void *arg)
{
    struct crowd *crowd = arg;
    struct via_task_options options = {.destroy = via_test_counted_destroy, .name = "one of many"};
    via_cfuture *cf[200] = {NULL};
    for (int i = 0; i < 200; i++) {
        int status = via_run_coroutine_threadsafe(crowd->loop, yield_a_few_times, &crowd->payloads[i],
                                                  &options, &cf[i]);
        ck_assert(status == 0 || status == VIA_ECLOSED);
        crowd->refused += status < 0;
        if (status == 0 && i % 3 == 0)
            ck_assert_int_ge(via_cfuture_cancel(cf[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        if (cf[i])
            ck_assert_int_eq(via_cfuture_wait(cf[i], via_test_bound_ns()), 0);
        via_cfuture_unref(cf[i]);
    }
    __atomic_store_n(&crowd->over, 1, __ATOMIC_RELEASE);
    return NULL;
}

TEST(a_loop_may_be_closed_while_threads_start_tasks)
{
    static struct crowd crowds[3];
    struct via_test_thread threads[3];
    via_loop *loop = open_loop();
    for (int i = 0; i < 3; i++) {
        crowds[i].loop = loop;
        via_test_thread_start(&threads[i], start_many, &crowds[i]);
    }
    RUN_UNTIL(loop, stats_of(loop).posts > 200);
    ck_assert_int_eq(via_loop_close(loop), 0);
    for (int i = 0; i < 3; i++)
        via_test_thread_join(&threads[i]);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 200; j++)
            ck_assert_int_eq(via_test_destroyed(&crowds[i].payloads[j]), 1);
    via_loop_unref(loop);
}

TEST_MAIN("task/threadsafe", another_thread_gets_the_value, another_thread_gets_the_error_and_its_text,
          ten_threads_get_what_is_theirs, a_task_that_is_cancelled_in_its_loop_cancels_the_future,
          a_future_that_is_cancelled_before_the_loop_has_it_never_runs,
          a_running_task_is_asked_and_its_future_done_when_it_has_ended,
          a_task_may_succeed_though_it_was_asked_to_stop, a_closed_loop_is_refused_and_the_argument_released,
          wrong_arguments_are_refused_and_the_argument_released,
          closing_the_loop_fails_what_it_has_not_taken_over,
          closing_the_loop_ends_the_task_and_with_it_the_future, to_block_in_the_loops_own_thread_is_refused,
          a_task_can_await_what_it_has_started_this_way, the_value_belongs_to_the_future_until_it_is_taken,
          options_are_copied, the_error_of_a_task_whose_future_nobody_wanted_is_reported,
          the_loop_of_a_parent_is_refused, a_loop_may_be_closed_while_threads_start_tasks)
