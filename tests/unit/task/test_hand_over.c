/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that wait and hand over to the next one, without the loop between them. */
#include "unit/task/task_fixture.h"

#include <errno.h>

#include <viaduct/coro.h>
#include <viaduct/local.h>

static via_local *local;

/* What belongs to a task is its own each time that it goes on. */
static int take_turns(void *word, void **result)
{
    (void)result;
    ck_assert_int_eq(via_local_set(local, word, NULL), 0);
    for (int i = 0; i < 100; i++) {
        errno = *(char *)word;
        ck_assert_int_eq(via_yield(), 0);
        ck_assert_int_eq(errno, *(char *)word);
        ck_assert_ptr_eq(via_local_get(local), word);
        ck_assert_str_eq(via_task_name(via_current_task()), word);
    }
    return via_fail(*(char *)word, "%s", (char *)word);
}

static int three_take_turns(void *arg, void **result)
{
    char *words[] = {"a", "b", "c"};
    via_future *tasks[3];
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_local_set(local, words, NULL), 0);
    for (int i = 0; i < 3; i++)
        tasks[i] = create_named(words[i], take_turns, words[i]);
    for (int i = 0; i < 3; i++) {
        struct via_outcome outcome;
        ck_assert_int_eq(via_await_outcome(tasks[i], &outcome), VIA_EFAILED);
        ck_assert_int_eq(outcome.code, words[i][0]);
        ck_assert_str_eq(outcome.message, words[i]);
        ck_assert_ptr_eq(via_local_get(local), words);
    }
    return 0;
}

TEST(each_has_its_own_errno_values_and_failure)
{
    ck_assert_int_eq(via_local_new(NULL, &local), 0);
    ck_assert_int_eq(run_main(three_take_turns, NULL), 0);
    local = via_local_free(local);
}

static int stop_the_loop(void *arg, void **result)
{
    (void)arg;
    (void)result;
    yield_times(2);
    ck_assert_int_eq(via_loop_stop(via_loop_current()), 0);
    say((void *)"stops");
    yield_times(1);
    say((void *)"again");
    return 0;
}

static int say_each_turn(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 4; i++) {
        say((void *)"turn");
        yield_times(1);
    }
    return 0;
}

TEST(who_stops_the_loop_does_not_hand_over)
{
    via_loop *loop = open_task_loop();
    via_future *other = create(loop, say_each_turn, NULL), *stopper = create(loop, stop_the_loop, NULL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, stopper), VIA_ESTOPPED);
    ASSERT_RECORD(&history, "turn turn turn stops");
    via_test_recorder_clear(&history);
    ck_assert_int_eq(run_task(loop, stopper), 0);
    ck_assert_int_eq(run_task(loop, other), 0);
    ASSERT_RECORD(&history, "turn again");
    via_loop_unref(loop);
}

/* It hands over to nobody, since the task that has started it goes on when it waits. */
static int start_eagerly(void *arg, void **result)
{
    struct via_task_options options = {.eager = 1};
    (void)result;
    yield_times(2);
    via_future *eager = via_create_task_with(NULL, task_await, arg, &options);
    say((void *)"started");
    ck_assert_int_eq(set_result(arg), 0);
    say((void *)"settled");
    return via_await(eager, NULL);
}

static int start_eagerly_beside_another(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *promise = new_promise();
    via_future *other = via_create_task(say_each_turn, NULL);
    ck_assert_int_eq(via_await(via_create_task(start_eagerly, promise), NULL), 0);
    return via_await(other, NULL);
}

TEST(an_eager_task_that_waits_hands_back_to_who_started_it)
{
    ck_assert_int_eq(run_main(start_eagerly_beside_another, NULL), 0);
    ASSERT_RECORD(&history, "turn turn turn started settled turn");
}

static int wake_itself_for_ever(void *turns, void **result)
{
    (void)result;
    while (*(int *)turns < 1000000)
        *(int *)turns += via_yield() == 0;
    return 0;
}

static int count_callback(void *count)
{
    ++*(int *)count;
    return 0;
}

static int look_after_a_callback(void *arg, void **result)
{
    int turns = 0, called = 0;
    (void)arg;
    (void)result;
    via_future *busy = via_create_task(wake_itself_for_ever, &turns);
    yield_times(1);
    call_soon(count_callback, &called);
    while (!called)
        yield_times(1);
    ck_assert_int_lt(turns, 1000000); // what is not a task had its turn in between
    turns = 1000000;
    return via_await(busy, NULL);
}

TEST(tasks_that_take_turns_for_ever_let_a_callback_have_its_own)
{
    ck_assert_int_eq(run_main(look_after_a_callback, NULL), 0);
}

/* ---- tasks that end ---- */

/* Where the stacks begin of three tasks that end at once. */
struct tops {
    int count;
    void *at[3];
};

static int note_top(void *arg, void **result)
{
    struct tops *tops = arg;
    (void)result;
    tops->at[tops->count++] = __builtin_frame_address(0);
    return 0;
}

static int create_three(void *arg, void **result)
{
    (void)result;
    for (int i = 0; i < 3; i++)
        via_future_unref(via_create_task(note_top, arg));
    return via_yield();
}

static struct tops run_three(int debug)
{
    struct tops tops = {.count = 0};
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, debug), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, VIA_FOREVER), 0);
    ck_assert_int_eq(run_main_on(loop, create_three, &tops), 0);
    ck_assert_int_eq(tops.count, 3);
    via_loop_unref(loop);
    return tops;
}

/* The next task has begun when the stack is given back, so it is on another one, and the one after it on the
   first again. */
TEST(a_task_that_ends_is_followed_on_its_stack_by_the_one_after_the_next)
{
    struct tops tops = run_three(0);
    ck_assert_ptr_ne(tops.at[0], tops.at[1]);
    ck_assert_ptr_eq(tops.at[0], tops.at[2]);
}

TEST(in_debug_mode_the_loop_is_between_them)
{
    struct tops tops = run_three(1);
    ck_assert_ptr_eq(tops.at[0], tops.at[1]);
    ck_assert_ptr_eq(tops.at[0], tops.at[2]);
}

static int end_after_a_turn(void *word, void **result)
{
    (void)result;
    say(word);
    yield_times(1);
    errno = EDOM;
    return *(char *)word == 'f' ? via_fail(1, "failed") : 0;
}

static int await_in_generator(void *word, void **result)
{
    (void)result;
    errno = ERANGE;
    ck_assert_int_eq(via_await(via_create_task(end_after_a_turn, word), NULL), 0);
    ck_assert_int_eq(errno, ERANGE);
    say((void *)"generated");
    return 0;
}

static int step_generator(void *word, void **result)
{
    via_coro *generator;
    (void)result;
    ck_assert_int_eq(via_coro_new(await_in_generator, word, NULL, &generator), 0);
    ck_assert_int_eq(via_coro_next(generator, NULL), 0);
    via_coro_free(generator);
    return 0;
}

static int await_one_of_each(void *arg, void **result)
{
    static char *const words[] = {"a", "b", "fail", "c"};
    via_future *steps = via_create_task(step_generator, (void *)"g");
    (void)arg;
    (void)result;
    for (int i = 0; i < 4; i++) {
        via_future *task = via_create_task(end_after_a_turn, words[i]);
        when_done(task, "told");
        call_soon(say, (void *)"called");
        ck_assert_int_eq(via_await(task, NULL), i == 2 ? VIA_EFAILED : 0);
    }
    return via_await(steps, NULL);
}

static void assert_order(int debug)
{
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, debug), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, VIA_FOREVER), 0);
    ck_assert_int_eq(run_main_on(loop, await_one_of_each, NULL), 0);
    ASSERT_RECORD(&history, "a called g told generated b called told fail called told c called told");
    via_test_recorder_clear(&history);
    via_loop_unref(loop);
}

TEST(the_order_is_the_same_whoever_comes_between_them)
{
    assert_order(0);
    assert_order(1);
}

TEST_MAIN("task/hand_over", each_has_its_own_errno_values_and_failure, who_stops_the_loop_does_not_hand_over,
          an_eager_task_that_waits_hands_back_to_who_started_it,
          tasks_that_take_turns_for_ever_let_a_callback_have_its_own,
          a_task_that_ends_is_followed_on_its_stack_by_the_one_after_the_next,
          in_debug_mode_the_loop_is_between_them, the_order_is_the_same_whoever_comes_between_them)
