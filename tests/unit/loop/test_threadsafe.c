/* SPDX-License-Identifier: BSD-3-Clause */
/* Posts of other threads, and the handles that any thread may use. */
#include "unit/loop/loop_fixture.h"

#include <unistd.h>

#include "loop/source.h"

static void *run_in_this_thread(void *loop)
{
    return (void *)(intptr_t)via_loop_run_forever(loop);
}

static void post_stop(via_loop *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
}

static int expect_thread(void *thread)
{
    ck_assert(pthread_equal(pthread_self(), *(pthread_t *)thread));
    via_test_record(&history, "here");
    return 0;
}

struct poster {
    via_loop *loop;
    via_callback_fn fn;
    void *arg;
    int count;
};

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < poster->count; i++)
        ck_assert_int_eq(via_call_soon_threadsafe(poster->loop, poster->fn, poster->arg, NULL), 0);
    return NULL;
}

TEST(a_post_runs_in_the_thread_of_the_loop)
{
    via_loop *loop = open_loop();
    pthread_t self = pthread_self();
    struct poster poster = {loop, expect_thread, &self, 1};
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_many, &poster);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    via_test_thread_join(&thread);
    close_loop(loop);
}

TEST(a_post_wakes_a_sleeping_loop)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_test_thread_start(&thread, run_in_this_thread, loop);
    via_test_thread_await_blocked(&thread);
    post_stop(loop);
    ck_assert_ptr_null(via_test_thread_join(&thread));
    ck_assert_uint_ge(stats_of(loop).wakes, 1);
    close_loop(loop);
}

TEST(a_post_wakes_a_loop_that_sleeps_until_a_timer)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    struct via_test_thread thread;
    via_test_thread_start(&thread, run_in_this_thread, loop);
    via_test_thread_await_blocked(&thread);
    post_stop(loop);
    ck_assert_ptr_null(via_test_thread_join(&thread));
    close_loop(loop);
}

/* A thread posts its numbers; the loop checks that they come in order. */
struct sender {
    via_loop *loop;
    int expected;
    int count;
    struct message {
        struct sender *sender;
        int number;
    } messages[500];
};

static int receive(void *arg)
{
    struct message *message = arg;
    ck_assert_int_eq(message->number, message->sender->expected);
    message->sender->expected++;
    return 0;
}

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < sender->count; i++) {
        sender->messages[i] = (struct message){sender, i};
        ck_assert_int_eq(via_call_soon_threadsafe(sender->loop, receive, &sender->messages[i], NULL), 0);
    }
    return NULL;
}

TEST(posts_of_four_threads_all_arrive_each_threads_in_order)
{
    static struct sender senders[4];
    struct via_test_thread threads[4];
    via_loop *loop = open_loop();
    for (int i = 0; i < 4; i++) {
        senders[i].loop = loop;
        senders[i].count = 500;
        via_test_thread_start(&threads[i], send_all, &senders[i]);
    }
    RUN_UNTIL(loop, senders[0].expected == 500 && senders[1].expected == 500 && senders[2].expected == 500 &&
                        senders[3].expected == 500);
    for (int i = 0; i < 4; i++)
        via_test_thread_join(&threads[i]);
    ck_assert_uint_eq(stats_of(loop).posts, 2000);
    close_loop(loop);
}

TEST(a_post_of_the_loops_own_thread_keeps_its_place)
{
    via_loop *loop = open_loop();
    post(loop, "hello");
    soon(loop, "world");
    post(loop, "again");
    RUN_UNTIL(loop, via_test_recorded(&history) == 3);
    ASSERT_RECORD(&history, "hello world again");
    close_loop(loop);
}

TEST(a_post_made_before_a_tick_runs_in_it)
{
    via_loop *loop = open_loop();
    struct poster poster = {loop, say, "posted", 2};
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_many, &poster);
    via_test_thread_join(&thread);
    later(loop, -1, "timer");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "posted posted timer");
    close_loop(loop);
}

TEST(a_tick_takes_no_more_posts_than_its_budget)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.drain_budget = 4;
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    struct poster poster = {loop, say, "p", 10};
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_many, &poster);
    via_test_thread_join(&thread);
    later(loop, -1, "timer");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "p p p p timer");
    run_one_tick(loop);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "p p p p timer p p p p p p");
    close_loop(loop);
}

TEST(posts_left_over_by_the_budget_need_no_further_wake)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.drain_budget = 1;
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    struct poster poster = {loop, say, "p", 5};
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_many, &poster);
    via_test_thread_join(&thread);
    for (int i = 1; i <= 5; i++) {
        while (via_test_recorded(&history) < i)
            ck_assert_int_ge(via_loop_step(loop, VIA_FOREVER), 0);
    }
    ASSERT_RECORD(&history, "p p p p p");
    close_loop(loop);
}

/* A callback that parks until the test lets it go on. */
struct parked {
    struct via_test_gate gate;
    via_handle *handle;
    int result;
    int finished; /* written by the callback before it returns, read after the handle says that it has */
};

static int park(void *arg)
{
    struct parked *parked = arg;
    via_test_gate_pass(&parked->gate);
    parked->finished = 1;
    return 0;
}

static void *cancel_parked(void *arg)
{
    struct parked *parked = arg;
    parked->result = via_handle_cancel(parked->handle);
    ck_assert_int_eq(parked->finished, 1);
    return NULL;
}

static void *ask_parked(void *arg)
{
    struct parked *parked = arg;
    parked->result = via_handle_cancelled(parked->handle);
    ck_assert_int_eq(parked->finished, 1);
    return NULL;
}

static void meet_parked_callback(void *(*visitor)(void *arg), int expected)
{
    via_loop *loop = open_loop();
    struct parked parked = {VIA_TEST_GATE_INITIALIZER, NULL, -1, 0};
    struct via_test_thread runner, other;
    ck_assert_int_eq(via_call_soon_threadsafe(loop, park, &parked, &parked.handle), 0);
    via_test_thread_start(&runner, run_in_this_thread, loop);
    via_test_gate_await(&parked.gate, 1);
    via_test_thread_start(&other, visitor, &parked);
    via_test_thread_await_blocked(&other);
    via_test_gate_open(&parked.gate);
    via_test_thread_join(&other);
    ck_assert_int_eq(parked.result, expected);
    via_handle_unref(parked.handle);
    post_stop(loop);
    via_test_thread_join(&runner);
    close_loop(loop);
}

TEST(cancelling_in_another_thread_waits_for_the_running_callback)
{
    meet_parked_callback(cancel_parked, 0);
}

TEST(asking_in_another_thread_waits_for_the_running_callback)
{
    meet_parked_callback(ask_parked, 0);
}

static int cancel_self(void *arg)
{
    struct parked *parked = arg;
    parked->result = via_handle_cancel(parked->handle);
    parked->finished++;
    return 0;
}

TEST(a_posted_callback_that_cancels_itself_is_not_affected)
{
    via_loop *loop = open_loop();
    struct parked parked = {VIA_TEST_GATE_INITIALIZER, NULL, -1, 0};
    ck_assert_int_eq(via_call_soon_threadsafe(loop, cancel_self, &parked, &parked.handle), 0);
    RUN_UNTIL(loop, parked.finished == 1);
    ck_assert_int_eq(parked.result, 0);
    ck_assert_int_eq(via_handle_cancelled(parked.handle), 0);
    via_handle_unref(parked.handle);
    close_loop(loop);
}

static void *cancel_before_start(void *handle)
{
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    ck_assert_int_eq(via_handle_cancelled(handle), 1);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    via_handle_unref(handle);
    return NULL;
}

TEST(another_thread_can_cancel_a_post_before_it_starts)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    struct via_test_thread thread;
    ck_assert_int_eq(via_call_soon_threadsafe(loop, never_called, NULL, &handle), 0);
    via_test_thread_start(&thread, cancel_before_start, handle);
    via_test_thread_join(&thread);
    RUN_TICKS(loop, 3);
    close_loop(loop);
}

struct post_and_cancel {
    via_loop *loop;
    int result;
};

static void *post_then_cancel(void *arg)
{
    struct post_and_cancel *self = arg;
    int *argument = malloc(sizeof *argument);
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_soon_threadsafe(self->loop, count_up, argument, &handle), 0);
    self->result = via_handle_cancel(handle);
    free(argument);
    via_handle_unref(handle);
    return NULL;
}

TEST(a_cancelled_post_gives_its_argument_back)
{
    via_loop *loop = open_loop();
    struct post_and_cancel self = {loop, -1};
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_then_cancel, &self);
    via_test_thread_join(&thread);
    ck_assert_int_eq(self.result, 1);
    RUN_TICKS(loop, 3);
    ck_assert_uint_eq(stats_of(loop).callbacks, 0);
    close_loop(loop);
}

/* The cancelling thread and the loop race for the callback: exactly one of them has its way. */
struct race {
    via_loop *loop;
    int runs;
    int cancelled;
};

static void *post_and_race(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < 300; i++) {
        via_handle *handle = NULL;
        ck_assert_int_eq(via_call_soon_threadsafe(race->loop, count_up, &race->runs, &handle), 0);
        if (i % 2 == 0)
            via_test_yield();
        int rc = via_handle_cancel(handle);
        ck_assert(rc == 0 || rc == 1);
        race->cancelled += rc;
        via_handle_unref(handle);
    }
    post_stop(race->loop);
    return NULL;
}

TEST(a_post_either_runs_or_is_cancelled)
{
    via_loop *loop = open_loop();
    struct race race = {loop, 0, 0};
    struct via_test_thread thread;
    via_test_thread_start(&thread, post_and_race, &race);
    run(loop);
    via_test_thread_join(&thread);
    ck_assert_int_eq(race.runs + race.cancelled, 300);
    close_loop(loop);
}

static int park_and_note(void *arg)
{
    via_test_gate_pass(arg);
    return 0;
}

TEST(posts_to_a_busy_loop_do_not_wake_it_each)
{
    via_loop *loop = open_loop();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_thread runner;
    int runs = 0;
    ck_assert_int_eq(via_call_soon(loop, park_and_note, &gate, NULL), 0);
    via_test_thread_start(&runner, run_in_this_thread, loop);
    via_test_gate_await(&gate, 1);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(via_call_soon_threadsafe(loop, count_up, &runs, NULL), 0);
    post_stop(loop);
    via_test_gate_open(&gate);
    via_test_thread_join(&runner);
    ck_assert_int_eq(runs, 1000);
    ck_assert_uint_le(stats_of(loop).wakes, 2);
    close_loop(loop);
}

TEST(posting_to_a_closed_loop_is_refused)
{
    via_loop *loop = open_loop();
    via_handle *handle = (via_handle *)&history;
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, never_called, NULL, &handle), VIA_ECLOSED);
    ck_assert_ptr_eq(handle, (via_handle *)&history);
    via_loop_unref(loop);
}

/* Posts until it is told that the loop is closed. */
static void *post_until_closed(void *arg)
{
    struct poster *poster = arg;
    int rc;
    do {
        via_handle *handle = NULL;
        rc = via_call_soon_threadsafe(poster->loop, poster->fn, poster->arg, &handle);
        if (rc == 0)
            via_handle_unref(handle);
        via_test_yield();
    } while (rc == 0);
    ck_assert_int_eq(rc, VIA_ECLOSED);
    return NULL;
}

TEST(threads_may_post_while_the_loop_is_closed)
{
    for (int i = 0; i < 30; i++) {
        via_loop *loop = open_loop();
        int runs = 0;
        struct poster poster = {loop, count_up, &runs, 0};
        struct via_test_thread threads[2];
        for (int j = 0; j < 2; j++)
            via_test_thread_start(&threads[j], post_until_closed, &poster);
        RUN_TICKS(loop, i % 4);
        ck_assert_int_eq(via_loop_close(loop), 0);
        for (int j = 0; j < 2; j++)
            via_test_thread_join(&threads[j]);
        via_loop_unref(loop);
    }
}

TEST(a_post_without_loop_or_function_is_refused)
{
    via_loop *loop = open_loop();
    via_handle *handle = (via_handle *)&history;
    ck_assert_int_eq(via_call_soon_threadsafe(NULL, say, "x", &handle), VIA_EINVAL);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, NULL, "x", &handle), VIA_EINVAL);
    ck_assert_ptr_eq(handle, (via_handle *)&history);
    close_loop(loop);
}

/* ---- besides a source ---- */

#define BUSY_TICKS  20
#define BUSY_BUDGET 4

// It has as many completions as a tick takes, each time that it is asked.
struct busy_source {
    struct via__loop_source source;
    uintptr_t links[BUSY_TICKS * BUSY_BUDGET];
    int sent;
};

static void serve_busily(struct via__loop_source *source)
{
    struct busy_source *busy = VIA__CONTAINER_OF(source, struct busy_source, source);
    for (int i = 0; i < BUSY_BUDGET && busy->sent < BUSY_TICKS * BUSY_BUDGET; i++)
        ck_assert_int_eq(via__loop_post_completion(source->loop, &busy->links[busy->sent++], 0), 0);
}

static void do_nothing(struct via__loop_source *source)
{
    (void)source;
}

static void take_nothing(via_loop *loop, uintptr_t *link)
{
    (void)loop;
    (void)link;
}

TEST(a_source_that_always_has_something_does_not_starve_posts)
{
    static const struct via__loop_source_kind kind = {serve_busily, do_nothing, do_nothing};
    struct busy_source busy = {.sent = 0};
    struct via_loop_options options;
    via_loop *loop = NULL;
    int ends[2], count = 0;
    via_loop_options_init(&options);
    options.drain_budget = BUSY_BUDGET;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    loop->on_completion = loop->on_completion_dropped = take_nothing;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq((int)write(ends[1], "x", 1), 1);
    ck_assert_int_eq(via__source_add(loop, &busy.source, ends[0], &kind), 0);
    for (int i = 0; i < 2 * BUSY_BUDGET; i++)
        ck_assert_int_eq(via_call_soon_threadsafe(loop, count_up, &count, NULL), 0);
    RUN_TICKS(loop, BUSY_TICKS);
    ck_assert_int_gt(busy.sent, 2 * BUSY_BUDGET);
    ck_assert_int_eq(count, 2 * BUSY_BUDGET);
    via__source_remove(&busy.source);
    close_loop(loop);
    close(ends[0]);
    close(ends[1]);
}

TEST_MAIN("loop/threadsafe", a_post_runs_in_the_thread_of_the_loop, a_post_wakes_a_sleeping_loop,
          a_post_wakes_a_loop_that_sleeps_until_a_timer,
          posts_of_four_threads_all_arrive_each_threads_in_order,
          a_post_of_the_loops_own_thread_keeps_its_place, a_post_made_before_a_tick_runs_in_it,
          a_tick_takes_no_more_posts_than_its_budget, posts_left_over_by_the_budget_need_no_further_wake,
          cancelling_in_another_thread_waits_for_the_running_callback,
          asking_in_another_thread_waits_for_the_running_callback,
          a_posted_callback_that_cancels_itself_is_not_affected,
          another_thread_can_cancel_a_post_before_it_starts, a_cancelled_post_gives_its_argument_back,
          a_post_either_runs_or_is_cancelled, posts_to_a_busy_loop_do_not_wake_it_each,
          posting_to_a_closed_loop_is_refused, threads_may_post_while_the_loop_is_closed,
          a_post_without_loop_or_function_is_refused,
          a_source_that_always_has_something_does_not_starve_posts)
