/* SPDX-License-Identifier: BSD-3-Clause */
/* Cancelling a gather: before its children begin, while they wait, when they are done, while they clean up.
 */
#include "support/heap.h"
#include "unit/combine/combine_fixture.h"

static int say_how_it_ended(void *word, void **result)
{
    (void)result;
    int status = via_sleep(VIA_FOREVER);
    via_test_record(&history, "%s:%s", (const char *)word, via_status_name(status));
    return status;
}

static int cancel_before_they_begin(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(task_never_runs, NULL), via_create_task(task_never_runs, NULL)};
    via_future *gather = via_gather(futures, 2, 0);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_future_done(gather), 0);
    yield_times(4);
    ck_assert_int_eq(via_future_state(gather), VIA_CANCELLED);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    return 0;
}

TEST(before_they_begin_the_children_never_run)
{
    ck_assert_int_eq(run_main(cancel_before_they_begin, NULL), 0);
}

static int cancel_while_they_wait(void *flags, void **result)
{
    (void)result;
    via_future *futures[] = {via_create_task(say_how_it_ended, (void *)(uintptr_t) "a"),
                             via_create_task(say_how_it_ended, (void *)(uintptr_t) "b"), new_promise()};
    via_future *gather = via_gather(futures, 3, *(unsigned *)flags);
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "a:VIA_ECANCELED b:VIA_ECANCELED");
    return 0;
}

TEST(while_they_wait_all_children_are_cancelled)
{
    unsigned flags = 0;
    ck_assert_int_eq(run_main(cancel_while_they_wait, &flags), 0);
}

TEST(with_return_errors_the_gather_is_cancelled_all_the_same)
{
    unsigned flags = VIA_GATHER_RETURN_ERRORS;
    ck_assert_int_eq(run_main(cancel_while_they_wait, &flags), 0);
}

static int await_two(void *children, void **result)
{
    via_future **futures = children;
    int status = via_await_all(futures, 2, 0, NULL);
    via_test_record(&history, "all:%s", via_status_name(status));
    (void)result;
    return status;
}

static int cancel_the_awaiting_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(say_how_it_ended, (void *)(uintptr_t) "a"),
                             via_create_task(say_how_it_ended, (void *)(uintptr_t) "b")};
    via_future *task = via_create_task(await_two, futures);
    yield_times(2);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "a:VIA_ECANCELED b:VIA_ECANCELED all:VIA_ECANCELED");
    return 0;
}

TEST(cancelling_the_task_that_awaits_it_cancels_all_children)
{
    ck_assert_int_eq(run_main(cancel_the_awaiting_task, NULL), 0);
}

static int cancel_when_done(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *children[] = {via_future_ref(new_promise()), via_future_ref(new_promise())};
    via_future *gather = via_gather(children, 2, 0);
    succeed(children[0], children[0]);
    succeed(children[1], children[1]);
    // Both are done, and the gather has not heard of it.
    ck_assert_int_eq(via_future_done(gather), 0);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_TOO_LATE);
    via_future_unref(via_future_ref(children[0]));
    yield_times(2);
    ck_assert_ptr_eq(outcomes_of(gather)[1].value, children[1]);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_TOO_LATE);
    via_future_unref(children[0]);
    via_future_unref(children[1]);
    via_future_unref(gather);
    return 0;
}

TEST(when_the_children_are_done_it_is_too_late)
{
    ck_assert_int_eq(run_main(cancel_when_done, NULL), 0);
}

static int await_promises(void *children, void **result)
{
    struct via_outcome out[2];
    (void)result;
    int status = via_await_all(children, 2, 0, out);
    if (status == 0)
        via_test_record(&history, "%d", *(int *)out[0].value + *(int *)out[1].value);
    return via_yield();
}

static int cancel_between_done_and_resumed(void *arg, void **result)
{
    static int one = 1, two = 2;
    (void)arg;
    (void)result;
    via_future *children[] = {new_promise(), new_promise()};
    via_future *task = via_create_task(await_promises, children);
    yield_times(2);
    succeed(children[0], &one);
    succeed(children[1], &two);
    via_task_cancel(task, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "3");
    return 0;
}

TEST(what_was_done_before_the_request_is_delivered)
{
    ck_assert_int_eq(run_main(cancel_between_done_and_resumed, NULL), 0);
}

static int one = 1;

/* Gives a value although it was cancelled. */
static int give_all_the_same(void *value, void **result)
{
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    *result = value;
    return 0;
}

static int cancel_those_that_do_not_mind(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(give_all_the_same, &one), done_with(&one)};
    via_future *gather = via_gather(futures, 2, 0);
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    void *value = NULL;
    ck_assert_int_eq(via_await(gather, &value), 0);
    ck_assert_ptr_eq(((struct via_outcome *)value)[0].value, &one);
    via_outcomes_free(value);
    return 0;
}

TEST(if_all_children_succeed_all_the_same_so_does_the_gather)
{
    ck_assert_int_eq(run_main(cancel_those_that_do_not_mind, NULL), 0);
}

/* Fails while it cleans up. */
static int fail_in_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    return VIA_EBUSY;
}

static int clean_up_slowly(void *arg, void **result)
{
    struct via_scope shield;
    (void)result;
    int status = via_sleep(VIA_FOREVER);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    via_test_record(&history, "%s", (const char *)arg);
    return status;
}

static int cancel_during_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_create_task(fail_in_clean_up, NULL),
                             via_create_task(clean_up_slowly, (void *)(uintptr_t) "cleaned")};
    via_future *gather = via_gather(futures, 2, 0);
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    yield_times(2);
    // One has failed, the other cleans up; another request changes nothing.
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    yield_times(2);
    ck_assert_int_eq(via_future_done(gather), 0);
    int status = via_await(gather, NULL);
    ASSERT_RECORD(&history, "cleaned");
    return status;
}

TEST(it_waits_for_the_clean_up_and_tells_an_error_of_it)
{
    ck_assert_int_eq(run_main(cancel_during_clean_up, NULL), VIA_EBUSY);
}

/* In a task that was cancelled: what is awaited is not waited for. */
static int await_when_cancelled(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *sibling = via_create_task(say_how_it_ended, (void *)(uintptr_t) "child");
    via_task_cancel(via_current_task(), NULL);
    ck_assert_int_eq(via_await_all(&sibling, 1, 0, NULL), VIA_ECANCELED);
    return 0;
}

TEST(in_a_task_that_was_cancelled_the_children_are_cancelled_at_once)
{
    ck_assert_int_eq(run_main(await_when_cancelled, NULL), 0);
}

static int gather_nested(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *leaves[] = {via_create_task(say_how_it_ended, (void *)(uintptr_t) "a"), new_promise()};
    via_future *outer[] = {via_gather(leaves, 2, 0),
                           via_create_task(say_how_it_ended, (void *)(uintptr_t) "b")};
    via_future *gather = via_gather(outer, 2, VIA_GATHER_RETURN_ERRORS);
    yield_times(2);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(gather, NULL), VIA_EABORTED);
    ASSERT_RECORD(&history, "a:VIA_ECANCELED b:VIA_ECANCELED");
    return 0;
}

TEST(a_gather_of_gathers_cancels_every_leaf)
{
    ck_assert_int_eq(run_main(gather_nested, NULL), 0);
}

/* ---- circles and towers ---- */

static int await_itself(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {via_future_ref(via_current_task()), new_promise()};
    ck_assert_int_eq(via_await_all(futures, 2, 0, NULL), VIA_EDEADLK);
    return 0;
}

TEST(a_task_that_awaits_a_gather_of_itself_is_refused)
{
    ck_assert_int_eq(run_main(await_itself, NULL), 0);
}

static int await_back(void *task, void **result)
{
    (void)result;
    return via_await(via_future_ref(task), NULL);
}

static int await_around(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *other = via_create_task(await_back, via_current_task());
    return via_await_all(&other, 1, 0, NULL);
}

TEST(a_circle_through_a_gather_is_refused)
{
    ck_assert_int_eq(run_main(await_around, NULL), VIA_EDEADLK);
}

static int await_back_without_memory(void *task, void **result)
{
    (void)result;
    via_test_heap_resizes(0);
    return via_await(via_future_ref(task), NULL);
}

/* A circle behind so many futures that it is not seen without memory. */
static int await_many_around(void *arg, void **result)
{
    enum { MANY = 200 };
    via_future *futures[MANY + 1];
    (void)arg;
    (void)result;
    for (int i = 0; i < MANY; i++)
        futures[i] = new_promise();
    futures[MANY] = via_create_task(await_back_without_memory, via_current_task());
    return via_await_all(futures, MANY + 1, 0, NULL);
}

TEST(a_request_in_a_circle_that_was_not_seen_comes_to_an_end)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, await_many_around, NULL);
    RUN_TICKS(loop, 4);
    via_test_heap_resizes(1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    RUN_TICKS(loop, 4);
    ck_assert_int_ge(via_task_cancelling(task), 1);
    via_future_unref(task);
    close_loop(loop);
}

/* Awaits a gather of one task, that awaits a gather of one, and so on. */
static int deepen(void *levels, void **result)
{
    size_t left = (size_t)(uintptr_t)levels;
    (void)result;
    if (!left)
        return via_sleep(VIA_FOREVER);
    via_future *below = via_create_task(deepen, (void *)(uintptr_t)(left - 1));
    return via_await_all(&below, 1, 0, NULL);
}

static int cancel_a_tower(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *top = via_create_task(deepen, (void *)(uintptr_t)2000);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    via_task_cancel(top, NULL);
    ck_assert_int_eq(via_await(top, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_tower_of_gathers_is_cancelled_on_a_small_stack)
{
    ck_assert_int_eq(run_main(cancel_a_tower, NULL), 0);
}

/* ---- the closing of the loop ---- */

static int stay_for_ever(void *children, void **result)
{
    (void)result;
    int status = via_await_all(children, 2, 0, NULL);
    via_test_record(&history, "all:%s", via_status_name(status));
    return status;
}

TEST(closing_the_loop_ends_the_children_and_then_the_task)
{
    via_loop *loop = open_task_loop();
    via_future *children[] = {create(loop, say_how_it_ended, (void *)(uintptr_t) "a"), via_future_new(loop)};
    via_future_unref(create(loop, stay_for_ever, children));
    RUN_TICKS(loop, 3);
    close_loop(loop);
    ASSERT_RECORD(&history, "a:VIA_ECANCELED all:VIA_ECANCELED");
}

TEST(callbacks_of_the_program_on_the_children_do_not_keep_the_task_from_its_end)
{
    via_loop *loop = open_task_loop();
    via_future *children[] = {via_future_new(loop), via_future_new(loop)};
    ck_assert_int_eq(via_future_add_done_callback(children[0], never_done, NULL), 0);
    via_future_unref(create(loop, stay_for_ever, children));
    RUN_TICKS(loop, 3);
    close_loop(loop);
    ASSERT_RECORD(&history, "all:VIA_ECANCELED");
}

TEST(a_gather_that_nobody_awaits_goes_with_its_loop)
{
    via_loop *loop = open_task_loop();
    via_future *children[] = {via_future_new(loop), via_future_new(loop)};
    via_future *gather = via_gather(children, 2, 0);
    via_cfuture *seen = NULL;
    ck_assert_int_eq(via_future_cfuture(gather, &seen), 0);
    close_loop(loop);
    ck_assert_int_eq(via_cfuture_result(seen, 0, NULL), VIA_ECLOSED);
    via_cfuture_unref(seen);
    via_future_unref(gather);
}

static int be_busy_in_clean_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    return VIA_EBUSY;
}

static int cancel_first_and_fail_second(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *futures[] = {new_promise(), via_create_task(be_busy_in_clean_up, NULL)};
    via_future *gather = via_gather(futures, 2, 0);
    yield_times(1);
    ck_assert_int_eq(via_future_cancel(gather), VIA_CANCEL_REQUESTED);
    return via_await(gather, NULL);
}

TEST(an_error_of_the_clean_up_comes_before_a_child_that_was_cancelled)
{
    ck_assert_int_eq(run_main(cancel_first_and_fail_second, NULL), VIA_EBUSY);
}

static int drain_after_a_cancelled_child(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *first = via_future_ref(new_promise());
    via_future *futures[] = {first, via_create_task(be_busy_in_clean_up, NULL)};
    via_future *gather = via_gather(futures, 2, VIA_GATHER_DRAIN);
    yield_times(1);
    ck_assert_int_eq(via_future_cancel(first), VIA_CANCEL_NEVER_RAN);
    via_future_unref(first);
    return via_await(gather, NULL);
}

TEST(a_drain_tells_of_the_child_that_was_cancelled_first)
{
    ck_assert_int_eq(run_main(drain_after_a_cancelled_child, NULL), VIA_ECANCELED);
}

TEST_MAIN("combine/gather_cancel", before_they_begin_the_children_never_run,
          while_they_wait_all_children_are_cancelled, with_return_errors_the_gather_is_cancelled_all_the_same,
          cancelling_the_task_that_awaits_it_cancels_all_children, when_the_children_are_done_it_is_too_late,
          what_was_done_before_the_request_is_delivered,
          if_all_children_succeed_all_the_same_so_does_the_gather,
          it_waits_for_the_clean_up_and_tells_an_error_of_it,
          in_a_task_that_was_cancelled_the_children_are_cancelled_at_once,
          a_gather_of_gathers_cancels_every_leaf, a_task_that_awaits_a_gather_of_itself_is_refused,
          a_circle_through_a_gather_is_refused, a_request_in_a_circle_that_was_not_seen_comes_to_an_end,
          a_tower_of_gathers_is_cancelled_on_a_small_stack,
          closing_the_loop_ends_the_children_and_then_the_task,
          callbacks_of_the_program_on_the_children_do_not_keep_the_task_from_its_end,
          a_gather_that_nobody_awaits_goes_with_its_loop,
          an_error_of_the_clean_up_comes_before_a_child_that_was_cancelled,
          a_drain_tells_of_the_child_that_was_cancelled_first)
