/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of tasks when their loop is closed. */
#include <event2/event.h>

#include "unit/task/task_fixture.h"
#include <viaduct/log.h>
#include <viaduct/threadsafe.h>

#include <config.h>

#include "loop/loop.h"

TEST(tasks_that_have_not_begun_never_do_and_their_arguments_are_released)
{
    via_loop *loop = open_task_loop();
    struct via_test_counted arg = {.value = 0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_future *task = via_create_task_with(loop, task_never_runs, &arg, &options);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_test_destroyed(&arg), 1);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    via_loop_unref(loop);
}

/* Waits, each of which says what it was told. */

static int sleep_on(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = via_sleep(3600 * VIA_S);
    via_test_record(&history, "sleep:%s", via_status_name(status));
    return via_yield();
}

static int await_on(void *future, void **result)
{
    int status = via_await(via_future_ref(future), result);
    via_test_record(&history, "await:%s", via_status_name(status));
    return via_sleep(VIA_S);
}

static int await_delay(void *arg, void **result)
{
    (void)arg;
    int status = via_await(via_sleep_future(VIA_S, NULL), result);
    via_test_record(&history, "delay:%s", via_status_name(status));
    return status;
}

static int yield_on(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = via_yield();
    via_test_record(&history, "yield:%s", via_status_name(status));
    return via_yield();
}

static int stay_shielded(void *arg, void **result)
{
    struct via_scope shield;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = via_sleep(VIA_S);
    via_test_record(&history, "shield:%s", via_status_name(status));
    status = via_await_to_thread(never_run, NULL, NULL);
    ck_assert_int_eq(status, VIA_ECANCELED);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
}

static void run_and_close(via_task_fn fn, void *arg, int state)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, fn, arg);
    run_one_tick(loop);
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_future_state(task), state);
    via_future_unref(task);
    via_loop_unref(loop);
    ck_assert_int_eq(reports.count, 0);
}

TEST(a_sleeper_is_told_and_ends)
{
    run_and_close(sleep_on, NULL, VIA_CANCELLED);
    ASSERT_RECORD(&history, "sleep:VIA_ECANCELED");
}

TEST(who_waits_for_a_while_is_told_and_ends)
{
    run_and_close(await_delay, NULL, VIA_CANCELLED);
    ASSERT_RECORD(&history, "delay:VIA_ECANCELED");
}

TEST(who_has_its_turn_coming_gets_it)
{
    run_and_close(yield_on, NULL, VIA_CANCELLED);
    ASSERT_RECORD(&history, "yield:VIA_OK");
}

TEST(no_shield_holds)
{
    run_and_close(stay_shielded, NULL, VIA_CANCELLED);
    ASSERT_RECORD(&history, "shield:VIA_ECANCELED");
}

/* Its own loop: the future is made before. */
static via_future *close_with_awaiter(via_future *(*make)(via_loop *loop), int taken)
{
    via_loop *loop = open_task_loop();
    via_future *future = make(loop), *task = create(loop, await_on, future);
    settle(loop);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_future_state(task), taken);
    via_future_unref(task);
    via_loop_unref(loop);
    return future;
}

TEST(who_awaits_a_promise_is_told_and_ends)
{
    via_future *promise = close_with_awaiter(via_future_new, VIA_CANCELLED);
    ASSERT_RECORD(&history, "await:VIA_ECANCELED");
    ck_assert_int_eq(via_future_state(promise), VIA_CANCELLED);
    via_future_unref(promise);
}

static via_cfuture *wrapped;

static via_future *make_wrap(via_loop *loop)
{
    ck_assert_int_eq(via_cfuture_new(&wrapped), 0);
    return via_wrap_future(loop, wrapped);
}

TEST(who_awaits_a_concurrent_future_is_told_and_ends)
{
    via_future_unref(close_with_awaiter(make_wrap, VIA_CANCELLED));
    ASSERT_RECORD(&history, "await:VIA_ECANCELED");
    via_cfuture_unref(wrapped);
}

static int begin_chain(void *left, void **result)
{
    if (--*(int *)left == 0)
        return sleep_on(NULL, result);
    int status = via_await(via_create_task(begin_chain, left), result);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

TEST(tasks_that_await_each_other_end_the_innermost_first)
{
    via_loop *loop = open_task_loop();
    int left = 3;
    via_future *task = create(loop, begin_chain, &left);
    settle(loop);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    ASSERT_RECORD(&history, "sleep:VIA_ECANCELED VIA_ECANCELED VIA_ECANCELED");
    via_future_unref(task);
    via_loop_unref(loop);
}

/* A future that is done, and has callbacks of the program's too: these are dropped, the task is told. */

static void close_when_done(int callback_first)
{
    via_loop *loop = open_task_loop();
    via_future *future = via_future_new(loop);
    if (callback_first)
        ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    via_future *task = create(loop, await_on, future);
    settle(loop);
    ck_assert_int_eq(via_future_add_done_callback(future, never_done, NULL), 0);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ASSERT_RECORD(&history, "await:VIA_OK");
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    via_future_unref(future);
    via_loop_unref(loop);
}

TEST(what_is_done_is_delivered_behind_a_callback_that_is_dropped)
{
    close_when_done(1);
}

TEST(what_is_done_is_delivered_before_a_callback_that_is_dropped)
{
    close_when_done(0);
}

static int be_deaf(void *arg, void **result)
{
    (void)result;
    while (arg)
        (void)!via_sleep(VIA_S);
    return 0;
}

static int await_deaf(void *arg, void **result)
{
    (void)result;
    int status = via_await(via_future_ref(arg), NULL);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

TEST(a_task_that_does_not_listen_is_ended)
{
    via_loop *loop = open_task_loop();
    struct via_test_counted arg = {.value = 0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_future *task = via_create_task_with(loop, be_deaf, &arg, &options);
    via_future *waits = create(loop, await_deaf, task);
    settle(loop);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(status_of(task), VIA_EEXITED);
    ck_assert_int_eq(via_test_destroyed(&arg), 1);
    ASSERT_RECORD(&history, "VIA_EEXITED");
    via_future_unref(task);
    ck_assert_int_eq(status_of(waits), VIA_EEXITED);
    via_future_unref(waits);
    via_loop_unref(loop);
}

static int start_things(void *loop, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_await(via_create_task(task_never_runs, NULL), NULL), VIA_ECLOSED);
    struct via_task_options eager = {.eager = 1};
    ck_assert_int_eq(via_await(via_create_task_with(NULL, task_never_runs, NULL, &eager), NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_await(via_to_thread(never_run, NULL), NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_await(via_future_new(loop), NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_await(via_sleep_future(VIA_S, NULL), NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, NULL), VIA_ECLOSED);
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_ECLOSED);
    say((void *)"done");
    return 0;
}

TEST(nothing_new_can_be_started_meanwhile)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, start_things, loop);
    settle(loop);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(status_of(task), 0);
    ASSERT_RECORD(&history, "done");
    via_future_unref(task);
    via_loop_unref(loop);
}

static int fail_when_told(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ECANCELED);
    return VIA_EBUSY;
}

TEST(an_error_at_the_end_that_nobody_can_look_at_is_reported)
{
    via_loop *loop = open_task_loop();
    via_future_unref(create(loop, fail_when_told, NULL));
    settle(loop);
    close_loop(loop);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EBUSY);
}

enum { MANY = 1000 };

static int sleep_and_count(void *told, void **result)
{
    (void)result;
    int status = via_sleep(3600 * VIA_S);
    *(int *)told += status == VIA_ECANCELED;
    return status;
}

TEST(a_thousand_sleepers_end_with_the_last_reference_of_the_loop)
{
    via_loop *loop = open_task_loop();
    int told = 0;
    for (int i = 0; i < MANY; i++)
        via_future_unref(create(loop, sleep_and_count, &told));
    settle(loop);
    via_loop_unref(loop);
    ck_assert_int_eq(told, MANY);
}

static void *wait_in_thread(void *cf)
{
    ck_assert_int_eq(via_cfuture_result(cf, via_test_bound_ns(), NULL), VIA_ECANCELED);
    return NULL;
}

TEST(a_thread_that_waits_for_a_task_is_told)
{
    via_loop *loop = open_task_loop();
    struct via_test_thread thread;
    via_cfuture *cf = NULL;
    via_future *task = create(loop, sleep_on, NULL);
    ck_assert_int_eq(via_future_cfuture(task, &cf), 0);
    settle(loop);
    via_test_thread_start(&thread, wait_in_thread, cf);
    close_loop(loop);
    via_test_thread_join(&thread);
    via_cfuture_unref(cf);
    via_future_unref(task);
}

TEST(the_value_of_a_task_outlives_its_loop)
{
    via_loop *loop = open_task_loop();
    struct via_test_counted value = {.value = 0};
    struct via_task_options options = {.destroy_result = via_test_counted_destroy};
    via_future *task = via_create_task_with(loop, task_give_back, &value, &options);
    struct via_outcome outcome;
    settle(loop);
    close_loop(loop);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    ck_assert_ptr_eq(outcome.value, &value);
    ck_assert_str_eq(via_task_name(task), "Task-1");
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_ECLOSED);
    via_future_unref(task);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

/* A loop that is closed by one of its own, under a base of the program's. */

static via_loop *open_attached(struct event_base **base)
{
    via_loop *loop = NULL;
    *base = event_base_new();
    ck_assert_int_eq(via_loop_attach(*base, &loop), 0);
    return loop;
}

static int close_it(void *loop)
{
    return via_loop_close(loop);
}

TEST(a_callback_may_close_the_loop_of_tasks_that_wait)
{
    struct event_base *base;
    via_loop *loop = open_attached(&base);
    via_future *promise = via_future_new(loop), *task = create(loop, await_on, promise);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, close_it, loop, NULL), 0);
    event_base_dispatch(base);
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    ASSERT_RECORD(&history, "await:VIA_ECANCELED");
    via_future_unref(task);
    via_future_unref(promise);
    via_loop_unref(loop);
    event_base_free(base);
}

static int close_and_wait(void *loop, void **result)
{
    (void)result;
    ck_assert_int_eq(via_loop_close(loop), 0);
    say((void *)"closed");
    return via_sleep(VIA_S);
}

TEST(a_task_may_close_its_own_loop_and_is_told_by_its_next_wait)
{
    struct event_base *base;
    via_loop *loop = open_attached(&base);
    via_future *task = create(loop, close_and_wait, loop), *other = create(loop, sleep_on, NULL);
    event_base_dispatch(base);
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    ck_assert_int_eq(via_future_state(other), VIA_CANCELLED);
    via_future_unref(task);
    via_future_unref(other);
    via_loop_unref(loop);
    event_base_free(base);
}

static int close_when_future_done(via_future *future, void *loop)
{
    (void)future;
    return via_loop_close(loop);
}

/* The callback is the last one; the task behind it is told by the closing. */
TEST(a_done_callback_that_closes_the_loop_leaves_the_value_to_the_task)
{
    struct event_base *base;
    via_loop *loop = open_attached(&base);
    via_future *promise = via_future_new(loop);
    ck_assert_int_eq(via_future_add_done_callback(promise, close_when_future_done, loop), 0);
    via_future *task = create(loop, await_on, promise);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, set_result, promise, NULL), 0);
    event_base_dispatch(base);
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    ASSERT_RECORD(&history, "await:VIA_OK");
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    via_future_unref(promise);
    via_loop_unref(loop);
    event_base_free(base);
}

/* A loop that is closed by a task of another one. */

static int close_other(void *loop, void **result)
{
    (void)result;
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_ptr_ne(via_loop_current(), loop);
    return via_yield();
}

TEST(a_task_of_another_loop_may_close_it)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, sleep_on, NULL);
    settle(loop);
    ck_assert_int_eq(run_main(close_other, loop), 0);
    ASSERT_RECORD(&history, "sleep:VIA_ECANCELED");
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
    via_loop_unref(loop);
}

/* Another layer's state may go after the tasks and before the futures, and let go of a task. */

/* Two threads, one of which runs the loop for a while. */
static void *run_for_a_while(void *loop)
{
    settle(loop);
    return NULL;
}

static void ignore_line(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    (void)arg;
}

/* Runs the loop in a thread, which ends. */
static void run_elsewhere(via_loop *loop)
{
    struct via_test_thread thread;
    via_set_log_hook(ignore_line, NULL); /* the thread's stacks are lost */
    via_test_thread_start(&thread, run_for_a_while, loop);
    via_test_thread_join(&thread);
    via_set_log_hook(NULL, NULL);
}

TEST(tasks_that_another_thread_has_run_are_lost)
{
    via_loop *loop = open_task_loop();
    struct via_test_counted arg = {.value = 0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_future *task = via_create_task_with(loop, task_wait_for_ever, &arg, &options);
    run_elsewhere(loop);
    via_future *late = create(loop, task_never_runs, NULL);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(status_of(task), VIA_EEXITED);
    ck_assert_int_eq(status_of(late), VIA_EEXITED);
    ck_assert_int_eq(via_test_destroyed(&arg), 1);
    via_future_unref(task);
    via_future_unref(late);
    via_loop_unref(loop);
}

TEST(a_loop_whose_tasks_have_not_begun_or_have_ended_may_change_threads)
{
    via_loop *loop = open_task_loop();
    via_future *first = create(loop, task_return_0, NULL);
    run_elsewhere(loop);
    ck_assert_int_eq(status_of(first), 0);
    ck_assert_int_eq(run_task(loop, create(loop, task_return_0, NULL)), 0);
    via_future_unref(first);
    close_loop(loop);
}

/* A function on a thread that waits for the loop whose closing waits for it. */
struct dependent {
    struct via_test_gate gate;
    via_loop *loop;
    via_cfuture *promise;
    int status;
};

static int ask_the_loop(void *arg, void **result)
{
    struct dependent *dependent = arg;
    via_cfuture *cf = NULL;
    (void)result;
    via_test_gate_open(&dependent->gate);
    ck_assert_int_eq(via_call_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_run_coroutine_threadsafe(dependent->loop, task_never_runs, NULL, NULL, &cf), 0);
    dependent->status = via_cfuture_result(cf, via_test_bound_ns(), NULL);
    via_cfuture_unref(cf);
    return 0;
}

static int await_a_promise(void *arg, void **result)
{
    struct dependent *dependent = arg;
    (void)result;
    via_test_gate_open(&dependent->gate);
    dependent->status = via_cfuture_result(dependent->promise, via_test_bound_ns(), NULL);
    return 0;
}

static int start_dependent(void *arg, void **result)
{
    return via_await_to_thread(ask_the_loop, arg, result);
}

static int start_waiting(void *arg, void **result)
{
    return via_await_to_thread(await_a_promise, arg, result);
}

static int close_under(via_task_fn fn)
{
    struct dependent dependent = {.gate = VIA_TEST_GATE_INITIALIZER, .loop = open_task_loop()};
    via_future *promise = via_future_new(dependent.loop), *task = create(dependent.loop, fn, &dependent);
    ck_assert_int_eq(via_future_cfuture(promise, &dependent.promise), 0);
    settle(dependent.loop);
    via_test_gate_pass(&dependent.gate);
    close_loop(dependent.loop);
    ck_assert_int_eq(status_of(task), 0);
    via_cfuture_unref(dependent.promise);
    via_future_unref(promise);
    via_future_unref(task);
    return dependent.status;
}

TEST(a_function_that_asks_for_a_task_meanwhile_is_refused)
{
    ck_assert_int_eq(close_under(start_dependent), VIA_ECLOSED);
}

TEST(a_function_that_waits_for_a_promise_is_told)
{
    ck_assert_int_eq(close_under(start_waiting), VIA_ECLOSED);
}

struct holder {
    struct via__loop_closer closer;
    via_future *task;
};

static void drop_held(via_loop *loop, struct via__loop_closer *closer)
{
    (void)loop;
    struct holder *holder = (struct holder *)closer;
    holder->task = via_future_unref(holder->task);
}

TEST(a_task_may_be_dropped_after_the_tasks_were_closed)
{
    via_loop *loop = open_task_loop();
    struct holder holder = {.task = NULL};
    via_future_unref(via_future_new(loop));
    via__loop_add_closer(loop, &holder.closer, drop_held);
    holder.task = create(loop, task_return_0, NULL);
    settle(loop);
    close_loop(loop);
    ck_assert_ptr_null(holder.task);
}

TEST_MAIN("task/close", tasks_that_have_not_begun_never_do_and_their_arguments_are_released,
          a_sleeper_is_told_and_ends, who_waits_for_a_while_is_told_and_ends, who_has_its_turn_coming_gets_it,
          no_shield_holds, who_awaits_a_promise_is_told_and_ends,
          who_awaits_a_concurrent_future_is_told_and_ends,
          tasks_that_await_each_other_end_the_innermost_first,
          what_is_done_is_delivered_behind_a_callback_that_is_dropped,
          what_is_done_is_delivered_before_a_callback_that_is_dropped, a_task_that_does_not_listen_is_ended,
          nothing_new_can_be_started_meanwhile, an_error_at_the_end_that_nobody_can_look_at_is_reported,
          a_thousand_sleepers_end_with_the_last_reference_of_the_loop, a_thread_that_waits_for_a_task_is_told,
          the_value_of_a_task_outlives_its_loop, a_callback_may_close_the_loop_of_tasks_that_wait,
          a_task_may_close_its_own_loop_and_is_told_by_its_next_wait,
          a_done_callback_that_closes_the_loop_leaves_the_value_to_the_task,
          a_task_of_another_loop_may_close_it, a_task_may_be_dropped_after_the_tasks_were_closed,
          tasks_that_another_thread_has_run_are_lost,
          a_loop_whose_tasks_have_not_begun_or_have_ended_may_change_threads,
          a_function_that_asks_for_a_task_meanwhile_is_refused, a_function_that_waits_for_a_promise_is_told)
