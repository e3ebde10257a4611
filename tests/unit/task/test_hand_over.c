/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that wait and hand over to the next one, without the loop between them. */
#include "unit/task/task_fixture.h"

#include <errno.h>

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

TEST_MAIN("task/hand_over", each_has_its_own_errno_values_and_failure, who_stops_the_loop_does_not_hand_over,
          an_eager_task_that_waits_hands_back_to_who_started_it,
          tasks_that_take_turns_for_ever_let_a_callback_have_its_own)
