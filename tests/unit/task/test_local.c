/* SPDX-License-Identifier: BSD-3-Clause */
/* Where local values go: into tasks, into functions on threads, and nowhere else. */
#include "unit/task/run_fixture.h"

#include "support/sanitizers.h"

#include <viaduct/local.h>
#include <viaduct/threadsafe.h>

static via_local *word;

static const char *word_here(void)
{
    const char *value = via_local_get(word);
    return value ? value : "none";
}

static void say_word(const char *who)
{
    via_test_record(&history, "%s=%s", who, word_here());
}

static void set_word(const char *value)
{
    ck_assert_int_eq(via_local_set(word, (void *)value, NULL), 0);
}

/* Runs a main task with a name for a local value. */
static void run_with_word(via_task_fn fn, void *arg)
{
    ck_assert_int_eq(via_local_new(NULL, &word), 0);
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, fn, arg), 0);
    close_runner(runner);
    word = via_local_free(word);
}

static int say_word_twice(void *name, void **result)
{
    (void)result;
    say_word(name);
    int status = via_yield();
    say_word(name);
    return status;
}

static int set_and_say(void *name, void **result)
{
    (void)result;
    set_word(name);
    int status = via_yield();
    say_word(name);
    return status;
}

static int make_children(void *arg, void **result)
{
    (void)arg;
    (void)result;
    set_word("before");
    via_future *first = via_create_task(say_word_twice, "first");
    set_word("after");
    via_future *second = via_create_task(say_word_twice, "second");
    int status = via_await(first, NULL);
    if (status == 0)
        status = via_await(second, NULL);
    say_word("main");
    return status;
}

TEST(a_child_begins_with_what_its_maker_has_at_that_moment)
{
    run_with_word(make_children, NULL);
    ASSERT_RECORD(&history, "first=before second=after first=before second=after main=after");
}

static int make_setters(void *arg, void **result)
{
    (void)arg;
    (void)result;
    set_word("main");
    via_future *a = via_create_task(set_and_say, "a"), *b = via_create_task(set_and_say, "b");
    int status = via_await(a, NULL);
    if (status == 0)
        status = via_await(b, NULL);
    say_word("main");
    return status;
}

TEST(what_a_task_sets_is_its_own)
{
    run_with_word(make_setters, NULL);
    ASSERT_RECORD(&history, "a=a b=b main=main");
}

static int make_eager(void *arg, void **result)
{
    struct via_task_options options = {.eager = 1};
    (void)arg;
    (void)result;
    set_word("main");
    via_future *task = via_create_task_with(NULL, set_and_say, "eager", &options);
    say_word("main");
    int status = via_await(task, NULL);
    say_word("main");
    return status;
}

TEST(an_eager_task_gives_its_maker_the_values_back)
{
    run_with_word(make_eager, NULL);
    ASSERT_RECORD(&history, "main=main eager=eager main=main");
}

static int say_in_callback(void *name)
{
    say_word(name);
    return 0;
}

static int schedule(void *arg, void **result)
{
    (void)arg;
    (void)result;
    set_word("main");
    ck_assert_int_eq(via_call_soon(via_loop_current(), say_in_callback, "callback", NULL), 0);
    return via_sleep(VIA_MS);
}

TEST(a_callback_belongs_to_no_task)
{
    run_with_word(schedule, NULL);
    ASSERT_RECORD(&history, "callback=none");
}

static int look_on_thread(void *name, void **result)
{
    (void)result;
    say_word(name);
    set_word("worker");
    return 0;
}

static int go_to_threads(void *executor, void **result)
{
    struct via_call call = VIA_CALL(look_on_thread, "executor");
    (void)result;
    set_word("main");
    int status = via_await_to_thread(look_on_thread, "await", NULL);
    if (status == 0)
        status = via_await(via_to_thread(look_on_thread, "thread"), NULL);
    say_word("main");
    if (status == 0)
        status = via_await_in_executor(executor, &call, NULL);
    return status;
}

TEST(a_function_on_a_thread_begins_with_its_callers_values)
{
    via_executor *pool = open_pool(1);
    run_with_word(go_to_threads, pool);
    close_pool(pool);
    ASSERT_RECORD(&history, "await=main thread=main main=main executor=none");
}

static int go_without(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_await_to_thread(look_on_thread, "first", NULL);
}

static int go_again(void *arg, void **result)
{
    int status = go_without(arg, result);
    set_word("main");
    return status == 0 ? via_await_to_thread(look_on_thread, "second", NULL) : status;
}

TEST(the_workers_own_value_comes_back_after_a_function_with_others)
{
    run_with_word(go_again, NULL);
    ASSERT_RECORD(&history, "first=none second=main");
}

static int end_its_thread(void *unused, void **result)
{
    (void)unused;
    (void)result;
    pthread_exit(NULL);
    return 0;
}

static int go_to_a_deserter(void *counted, void **result)
{
    (void)result;
    ck_assert_int_eq(via_local_set(word, counted, NULL), 0);
    return via_await_to_thread(end_its_thread, NULL, NULL) == VIA_EEXITED ? 0 : VIA_ESTATE;
}

TEST(a_function_that_ends_its_thread_leaves_no_value_behind)
{
    struct via_test_counted value = {0};
    ck_assert_int_eq(via_local_new(via_test_counted_destroy, &word), 0);
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, go_to_a_deserter, &value), 0);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    close_runner(runner);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    via_local_free(word);
}

static int end_the_thread(void *counted, void **result)
{
    (void)result;
    ck_assert_int_eq(via_local_set(word, counted, NULL), 0);
    pthread_exit(NULL);
}

static void *run_to_the_end(void *arg)
{
    struct via_test_counted *values = arg;
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_local_set(word, &values[0], NULL), 0);
    drop(via_create_task_with(loop, end_the_thread, &values[1], NULL));
    (void)via_loop_step(loop, 0);
    return NULL;
}

TEST(a_task_that_ends_its_thread_leaves_no_value_behind)
{
    struct via_test_counted values[2] = {{0}};
    struct via_test_thread thread;
    /* ThreadSanitizer takes pthread_exit() only on the stack that the thread began with, and the loop, which
     * runs for ever now, is a leak to AddressSanitizer. */
    if (UNDER_SANITIZER)
        return;
    via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_DESCRIPTORS, "the loop of the thread is lost");
    ck_assert_int_eq(via_local_new(via_test_counted_destroy, &word), 0);
    via_test_thread_start(&thread, run_to_the_end, values);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_test_destroyed(&values[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&values[1]), 1);
    via_local_free(word);
}

static int poll_request(void *arg, void **result)
{
    struct via_test_gate *gate = arg;
    (void)result;
    via_test_gate_pass(gate);
    say_word("late");
    return 0;
}

static int borrow_with_values(void *arg, void **result)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER, **shown = arg;
    set_word("main");
    *shown = &gate;
    int status = via_await_to_thread(poll_request, &gate, result);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int cancel_borrower(void *arg, void **result)
{
    struct via_test_gate *gate = NULL;
    (void)arg;
    (void)result;
    via_future *task = via_create_task(borrow_with_values, &gate);
    while (!gate || !via_test_gate_arrived(gate))
        ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_done(task), 0);
    via_test_gate_open(gate);
    return via_await(task, NULL);
}

TEST(a_function_with_values_still_borrows_its_argument)
{
    run_with_word(cancel_borrower, NULL);
    ASSERT_RECORD(&history, "late=main VIA_OK");
}

struct remote_start {
    via_loop *loop;
    via_cfuture *cf;
};

static void *start_remotely(void *arg)
{
    struct remote_start *start = arg;
    set_word("thread");
    ck_assert_int_eq(via_run_coroutine_threadsafe(start->loop, say_word_twice, "remote", NULL, &start->cf),
                     0);
    set_word("later");
    return NULL;
}

TEST(a_task_of_another_thread_begins_with_that_threads_values)
{
    struct via_test_thread thread;
    struct remote_start start = {.loop = open_loop()};
    ck_assert_int_eq(via_local_new(NULL, &word), 0);
    via_test_thread_start(&thread, start_remotely, &start);
    via_test_thread_join(&thread);
    RUN_UNTIL(start.loop, via_cfuture_done(start.cf) == 1);
    via_cfuture_unref(start.cf);
    ASSERT_RECORD(&history, "remote=thread remote=thread");
    close_loop(start.loop);
    via_local_free(word);
}

static int say_and_set(void *value, void **result)
{
    (void)result;
    say_word("main");
    set_word(value);
    return 0;
}

TEST(a_runner_keeps_the_values_of_its_main_tasks)
{
    struct via_local_token token;
    ck_assert_int_eq(via_local_new(NULL, &word), 0);
    ck_assert_int_eq(via_local_set(word, "thread", &token), 0);
    via_runner *runner = open_runner();
    ck_assert_int_eq(run_status(runner, say_and_set, "one"), 0);
    ck_assert_int_eq(run_status(runner, say_and_set, "two"), 0);
    ck_assert_int_eq(run_status(runner, say_and_set, "three"), 0);
    close_runner(runner);
    say_word("thread");
    ck_assert_int_eq(via_local_reset(&token), 0);
    ASSERT_RECORD(&history, "main=thread main=one main=two thread=thread");
    via_local_free(word);
}

static int sleep_with_value(void *counted, void **result)
{
    (void)result;
    ck_assert_int_eq(via_local_set(word, counted, NULL), 0);
    return via_sleep(VIA_S);
}

TEST(values_go_when_their_task_is_done)
{
    struct via_test_counted ended = {0}, closed = {0};
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_local_new(via_test_counted_destroy, &word), 0);
    via_future *one = via_create_task_with(loop, sleep_with_value, &ended, NULL);
    via_future *two = via_create_task_with(loop, sleep_with_value, &closed, NULL);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_task_cancel(one, NULL), VIA_CANCEL_REQUESTED);
    finish(loop, one);
    ck_assert_int_eq(via_test_destroyed(&ended), 1);
    ck_assert_int_eq(via_test_destroyed(&closed), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_test_destroyed(&closed), 1);
    via_future_unref(one);
    via_future_unref(two);
    via_loop_unref(loop);
    via_local_free(word);
}

TEST_MAIN("task/local", a_child_begins_with_what_its_maker_has_at_that_moment, what_a_task_sets_is_its_own,
          an_eager_task_gives_its_maker_the_values_back, a_callback_belongs_to_no_task,
          a_function_on_a_thread_begins_with_its_callers_values,
          the_workers_own_value_comes_back_after_a_function_with_others,
          a_function_that_ends_its_thread_leaves_no_value_behind,
          a_task_that_ends_its_thread_leaves_no_value_behind,
          a_function_with_values_still_borrows_its_argument,
          a_task_of_another_thread_begins_with_that_threads_values,
          a_runner_keeps_the_values_of_its_main_tasks, values_go_when_their_task_is_done)
