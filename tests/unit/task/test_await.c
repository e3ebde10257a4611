/* SPDX-License-Identifier: BSD-3-Clause */
/* Awaiting: what is delivered, to whom, and where it is refused. */
#include "unit/task/task_fixture.h"

#include <viaduct/coro.h>
#include <viaduct/outcome.h>

static void *untouched = &untouched;

static int await_done(void *arg, void **result)
{
    (void)arg;
    (void)result;
    void *value = NULL;
    via_future *future = new_promise();
    ck_assert_int_eq(via_future_set_result(future, &value, NULL), 0);
    uint64_t ticks = stats_of(via_loop_current()).ticks;
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(future, &value), 0);
    ck_assert_ptr_eq(value, &value);
    ck_assert_uint_eq(stats_of(via_loop_current()).ticks, ticks);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return 0;
}

TEST(a_future_that_is_done_is_delivered_at_once_to_a_cancelled_task_too)
{
    ck_assert_int_eq(run_main(await_done, NULL), 0);
}

static int await_failed(void *arg, void **result)
{
    (void)arg;
    (void)result;
    void *value = untouched;
    struct via_outcome outcome;
    via_future *future = new_promise();
    ck_assert_int_eq(via_future_set_error(future, VIA_EFAILED, 3, "three went wrong"), 0);
    ck_assert_int_eq(via_await(via_future_ref(future), &value), VIA_EFAILED);
    ck_assert_ptr_eq(value, untouched);
    ck_assert_int_eq(via_await_outcome(future, &outcome), VIA_EFAILED);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 3);
    ck_assert_str_eq(outcome.message, "three went wrong"); // good until the next await
    return 0;
}

TEST(an_error_comes_with_its_code_and_text_and_the_value_stays_untouched)
{
    ck_assert_int_eq(run_main(await_failed, NULL), 0);
}

static int await_what_was_not_made(void *arg, void **result)
{
    (void)arg;
    (void)result;
    void *value = untouched;
    struct via_outcome outcome = {.code = 7};
    ck_assert_int_eq(via_await(via_create_task(NULL, NULL), &value), VIA_EINVAL);
    ck_assert_int_eq(via_await(via_future_new(NULL), NULL), VIA_EINVAL);
    ck_assert_int_eq(via_await_outcome(via_future_new(NULL), &outcome), VIA_EINVAL);
    ck_assert_int_eq(outcome.status, VIA_EINVAL);
    ck_assert_ptr_nonnull(outcome.message);
    ck_assert_ptr_eq(value, untouched);
    return 0;
}

TEST(what_could_not_be_made_says_so_when_it_is_awaited)
{
    ck_assert_int_eq(run_main(await_what_was_not_made, NULL), 0);
}

/* Values that have to be destroyed. */

static struct via_test_counted counted;

static int give_counted(void *arg, void **result)
{
    (void)arg;
    *result = &counted;
    return via_yield();
}

static via_future *create_giver(void)
{
    struct via_task_options options = {.destroy_result = via_test_counted_destroy};
    return via_create_task_with(NULL, give_counted, NULL, &options);
}

/* What two awaiters of one future were told. */
struct two_awaiters {
    via_future *future;
    int taken, refused;
};

static int take_counted(void *arg, void **result)
{
    struct two_awaiters *two = arg;
    void *value = untouched;
    (void)result;
    int status = via_await(via_future_ref(two->future), &value);
    if (status == VIA_ETAKEN) {
        two->refused++;
        ck_assert_ptr_eq(value, untouched);
        return 0;
    }
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_eq(value, &counted);
    via_test_counted_destroy(value);
    two->taken++;
    return 0;
}

static int await_twice(void *arg, void **result)
{
    struct two_awaiters two = {.future = create_giver()};
    (void)arg;
    (void)result;
    via_future *a = via_create_task(take_counted, &two), *b = via_create_task(take_counted, &two);
    ck_assert_int_eq(via_await(a, NULL), 0);
    ck_assert_int_eq(via_await(b, NULL), 0);
    via_future_unref(two.future);
    ck_assert_int_eq(two.taken, 1);
    ck_assert_int_eq(two.refused, 1);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
    return 0;
}

TEST(a_value_that_has_to_be_destroyed_goes_to_the_first_of_two_awaiters)
{
    ck_assert_int_eq(run_main(await_twice, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

static int leave_value(void *arg, void **result)
{
    void *value = NULL;
    (void)arg;
    (void)result;
    via_future *giver = via_future_ref(create_giver());
    ck_assert_int_eq(via_await(giver, NULL), 0);
    ck_assert_int_eq(via_future_result(giver, &value), 0);
    ck_assert_ptr_eq(value, &counted);
    ck_assert_int_eq(via_test_destroyed(&counted), 0);
    ck_assert_int_eq(via_await(giver, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
    return 0;
}

TEST(a_value_that_is_left_is_destroyed_with_the_last_reference)
{
    ck_assert_int_eq(run_main(leave_value, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

static int take_outcome(void *arg, void **result)
{
    struct via_outcome outcome;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_await_outcome(create_giver(), &outcome), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 0);
    ck_assert_ptr_eq(outcome.value, &counted);
    outcome.destroy(outcome.value);
    return 0;
}

TEST(an_outcome_comes_with_its_value_and_how_to_destroy_it)
{
    ck_assert_int_eq(run_main(take_outcome, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
}

/* Order. */

struct named_wait {
    via_future *future;
    const char *name;
};

static int await_and_say(void *arg, void **result)
{
    const struct named_wait *wait = arg;
    int status = via_await(via_future_ref(wait->future), result);
    via_test_record(&history, "%s", wait->name);
    return status;
}

static int await_in_order(void *arg, void **result)
{
    via_future *future = new_promise();
    struct named_wait waits[3] = {{future, "a"}, {future, "b"}, {future, "c"}};
    (void)arg;
    (void)result;
    via_future *a = via_create_task(await_and_say, &waits[0]);
    ck_assert_int_eq(via_yield(), 0);
    when_done(future, "callback");
    via_future *b = via_create_task(await_and_say, &waits[1]);
    via_future *c = via_create_task(await_and_say, &waits[2]);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ASSERT_RECORD(&history, "");
    ck_assert_int_eq(via_await(c, NULL), 0);
    ck_assert_int_eq(via_future_done(a) + via_future_done(b), 2);
    via_future_unref(a);
    via_future_unref(b);
    via_future_unref(future);
    return 0;
}

TEST(tasks_and_callbacks_are_told_in_the_order_in_which_they_began_to_wait)
{
    ck_assert_int_eq(run_main(await_in_order, NULL), 0);
    ASSERT_RECORD(&history, "a callback b c");
}

static void *settle_in_thread(void *cf)
{
    ck_assert_int_eq(via_cfuture_set_result(cf, cf, NULL), 0);
    return NULL;
}

static int await_wrap(void *arg, void **result)
{
    struct via_test_thread thread;
    via_cfuture *cf = NULL;
    (void)arg;
    (void)result;
    void *value = NULL;
    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    via_future *future = via_wrap_future(via_loop_current(), cf);
    via_test_thread_start(&thread, settle_in_thread, cf);
    ck_assert_int_eq(via_await(future, &value), 0);
    ck_assert_ptr_eq(value, cf);
    via_test_thread_join(&thread);
    via_cfuture_unref(cf);
    return 0;
}

TEST(a_concurrent_future_can_be_awaited)
{
    ck_assert_int_eq(run_main(await_wrap, NULL), 0);
}

static int await_cancelled(void *arg, void **result)
{
    (void)arg;
    (void)result;
    void *value = untouched;
    via_future *future = new_promise();
    call_soon(cancel_it, future);
    ck_assert_int_eq(via_await(via_future_ref(future), &value), VIA_EABORTED);
    ck_assert_int_eq(via_await(future, &value), VIA_EABORTED);
    ck_assert_ptr_eq(value, untouched);
    ck_assert_int_eq(via_task_cancelling(NULL), 0);
    return VIA_EABORTED;
}

TEST(a_future_that_somebody_cancelled_is_aborted_and_ends_the_task_cancelled)
{
    ck_assert_int_eq(run_main(await_cancelled, NULL), VIA_ECANCELED);
}

/* Where it is refused. */

TEST(outside_of_a_task_nothing_can_be_awaited)
{
    via_loop *loop = open_task_loop();
    struct via_outcome outcome = {.code = 7};
    struct via_test_counted arg = {.value = 0};
    struct via_call call = VIA_CALL(never_run, &arg);
    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_await(via_future_new(loop), NULL), VIA_ESTATE);
    ck_assert_int_eq(via_await_outcome(via_future_new(loop), &outcome), VIA_ESTATE);
    ck_assert_int_eq(outcome.code, 7);
    ck_assert_int_eq(via_await_outcome(via_future_new(loop), NULL), VIA_EINVAL);
    ck_assert_int_eq(via_await(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_await_outcome(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_await_to_thread(never_run, NULL, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_await_to_thread(NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_await_in_executor(NULL, &call, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_test_destroyed(&arg), 1);
    ck_assert_int_eq(via_await_in_executor(NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ESTATE);
    ck_assert_int_eq(via_sleep_until(VIA_S), VIA_ESTATE);
    ck_assert_int_eq(via_yield(), VIA_ESTATE);
    ck_assert_ptr_null(via_current_task());
    close_loop(loop);
}

static int await_in_callback(void *loop)
{
    ck_assert_ptr_null(via_current_task());
    ck_assert_int_eq(via_await(via_future_new(loop), NULL), VIA_ESTATE);
    ck_assert_int_eq(via_yield(), VIA_ESTATE);
    via_test_record(&history, "callback");
    return 0;
}

static int await_in_done_callback(via_future *future, void *loop)
{
    (void)future;
    return await_in_callback(loop);
}

TEST(in_a_callback_nothing_can_be_awaited)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, task_return_0, NULL), *waits = create(loop, task_wait_for_ever, NULL);
    ck_assert_int_eq(via_call_soon(loop, await_in_callback, loop, NULL), 0);
    ck_assert_int_eq(via_future_add_done_callback(task, await_in_done_callback, loop), 0);
    ck_assert_int_eq(run_task(loop, task), 0);
    settle(loop);
    ASSERT_RECORD(&history, "callback callback");
    via_future_unref(waits);
    close_loop(loop);
}

static int await_in_call(void *future, void **result)
{
    (void)result;
    ck_assert_int_eq(via_await(future, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_yield(), VIA_ESTATE);
    ck_assert_int_eq(via_sleep(VIA_S), VIA_ESTATE);
    struct via_scope scope;
    ck_assert_int_eq(via_shield_begin(&scope), VIA_ESTATE);
    via_test_record(&history, "call");
    return 0;
}

static int run_call_here(void *arg, void **result)
{
    via_executor *inline_executor = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_inline_new(&inline_executor), 0);
    struct via_call call = VIA_CALL(await_in_call, new_promise());
    ck_assert_int_eq(via_await_in_executor(inline_executor, &call, NULL), 0);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_ptr_null(via_executor_unref(inline_executor));
    return 0;
}

TEST(in_a_call_that_the_task_runs_itself_nothing_can_be_awaited)
{
    ck_assert_int_eq(run_main(run_call_here, NULL), 0);
    ASSERT_RECORD(&history, "call");
}

static int await_other_loops(void *future, void **result)
{
    struct via_outcome outcome = {.code = 7};
    (void)result;
    ck_assert_int_eq(via_await(future, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_await_outcome(future, &outcome), VIA_EFOREIGN);
    ck_assert_int_eq(outcome.code, 7);
    return 0;
}

TEST(another_loops_future_is_refused_and_left_to_the_caller)
{
    via_loop *other = open_task_loop();
    via_future *future = via_future_new(other);
    ck_assert_int_eq(run_main(await_other_loops, future), 0);
    ck_assert_int_eq(via_future_set_result(future, NULL, NULL), 0);
    ck_assert_int_eq(run_main(await_other_loops, future), 0);
    via_future_unref(future);
    close_loop(other);
}

static int await_self(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_await(via_future_ref(via_current_task()), NULL), VIA_EDEADLK);
    return via_yield();
}

TEST(a_task_that_awaits_itself_is_refused)
{
    ck_assert_int_eq(run_main(await_self, NULL), 0);
}

enum { CIRCLE = 3 };

static via_future *circle[CIRCLE];

static int await_next(void *at, void **result)
{
    (void)result;
    size_t next = ((size_t)((via_future **)at - circle) + 1) % CIRCLE;
    int status = via_await(via_future_ref(circle[next]), NULL);
    via_test_record(&history, "%d:%s", (int)((via_future **)at - circle), via_status_name(status));
    return status;
}

/* The last one that would close the circle is told. */
static int await_in_a_circle(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < CIRCLE; i++)
        circle[i] = via_create_task(await_next, &circle[i]);
    for (int i = 0; i < CIRCLE; i++)
        ck_assert_int_eq(via_await(circle[i], NULL), VIA_EDEADLK);
    return 0;
}

TEST(a_circle_of_tasks_that_await_each_other_is_refused)
{
    ck_assert_int_eq(run_main(await_in_a_circle, NULL), 0);
    ASSERT_RECORD(&history, "2:VIA_EDEADLK 1:VIA_EDEADLK 0:VIA_EDEADLK");
}

enum { DEEP = 2000 };

static int await_deeper(void *level, void **result)
{
    int *depth = level;
    if (*depth == DEEP)
        return via_sleep(VIA_FOREVER);
    ++*depth;
    int status = via_await(via_create_task(await_deeper, depth), result);
    --*depth;
    return status;
}

static int cancel_deep(void *arg, void **result)
{
    int depth = 0;
    (void)arg;
    (void)result;
    via_future *task = via_create_task(await_deeper, &depth);
    while (depth < DEEP)
        ck_assert_int_eq(via_yield(), 0);
    yield_times(2);
    ck_assert_int_eq(via_task_cancel(task, "enough"), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(depth, 0);
    return 0;
}

/* A request goes down the chain of those who wait for each other, without a stack for each of them. */
TEST(a_request_reaches_the_end_of_a_long_chain)
{
    ck_assert_int_eq(run_main(cancel_deep, NULL), 0);
}

static int await_in_generator(void *future, void **result)
{
    ck_assert_int_eq(via_await(future, result), 0);
    ck_assert_int_eq(via_coro_yield(*result, NULL), 0);
    return via_yield();
}

static int step_awaiting_generator(void *arg, void **result)
{
    via_coro *coro = NULL;
    void *value = NULL;
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    call_later(VIA_S, set_result, promise);
    ck_assert_int_eq(via_coro_new(await_in_generator, promise, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, &value), 1);
    ck_assert_ptr_eq(value, promise);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
    return 0;
}

TEST(a_generator_awaits_as_the_task_that_steps_it)
{
    ck_assert_int_eq(run_main(step_awaiting_generator, NULL), 0);
}

static int give_word(void *word, void **result)
{
    *result = word;
    return 0;
}

static int fail_in_thread(void *code, void **result)
{
    (void)result;
    return via_fail(*(int *)code, "code %d", *(int *)code);
}

static int await_calls(void *arg, void **result)
{
    char word[] = "word";
    void *value = NULL;
    int code = 5;
    struct via_outcome outcome;
    struct via_call call = VIA_CALL(fail_in_thread, &code);
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_await_to_thread(give_word, word, &value), 0);
    ck_assert_ptr_eq(value, word);
    value = untouched;
    ck_assert_int_eq(via_await_to_thread(fail_in_thread, &code, &value), VIA_EFAILED);
    ck_assert_ptr_eq(value, untouched);
    ck_assert_int_eq(via_await_in_executor(NULL, &call, &outcome), VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 5);
    ck_assert_str_eq(outcome.message, "code 5");
    return 0;
}

TEST(a_blocking_function_runs_on_a_thread_and_gives_its_outcome)
{
    ck_assert_int_eq(run_main(await_calls, NULL), 0);
}

static int await_counted_call(void *executor, void **result)
{
    struct via_test_counted value = {.value = 0};
    struct via_call call = VIA_CALL(give_back, &value);
    (void)result;
    call.destroy_result = via_test_counted_destroy;
    ck_assert_int_eq(via_await_in_executor(executor, &call, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    return 0;
}

TEST(the_value_of_a_call_that_nobody_wants_is_destroyed)
{
    ck_assert_int_eq(run_main(await_counted_call, NULL), 0);
}

static int await_refused_call(void *executor, void **result)
{
    struct via_test_counted arg = {.value = 0};
    struct via_outcome outcome = {.code = 7};
    struct via_call call = VIA_CALL(never_run, &arg);
    (void)result;
    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_await_in_executor(executor, &call, &outcome), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_test_destroyed(&arg), 1);
    return 0;
}

TEST(a_call_that_cannot_be_started_says_so)
{
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_int_eq(run_main(await_refused_call, pool), 0);
    via_executor_unref(pool);
}

TEST_MAIN("task/await", a_future_that_is_done_is_delivered_at_once_to_a_cancelled_task_too,
          an_error_comes_with_its_code_and_text_and_the_value_stays_untouched,
          what_could_not_be_made_says_so_when_it_is_awaited,
          a_value_that_has_to_be_destroyed_goes_to_the_first_of_two_awaiters,
          a_value_that_is_left_is_destroyed_with_the_last_reference,
          an_outcome_comes_with_its_value_and_how_to_destroy_it,
          tasks_and_callbacks_are_told_in_the_order_in_which_they_began_to_wait,
          a_concurrent_future_can_be_awaited,
          a_future_that_somebody_cancelled_is_aborted_and_ends_the_task_cancelled,
          outside_of_a_task_nothing_can_be_awaited, in_a_callback_nothing_can_be_awaited,
          in_a_call_that_the_task_runs_itself_nothing_can_be_awaited,
          another_loops_future_is_refused_and_left_to_the_caller, a_task_that_awaits_itself_is_refused,
          a_circle_of_tasks_that_await_each_other_is_refused, a_request_reaches_the_end_of_a_long_chain,
          a_generator_awaits_as_the_task_that_steps_it,
          a_blocking_function_runs_on_a_thread_and_gives_its_outcome,
          the_value_of_a_call_that_nobody_wants_is_destroyed, a_call_that_cannot_be_started_says_so)
