/* SPDX-License-Identifier: BSD-3-Clause */
/* What a task is: how it begins, and what becomes of its value, its argument and its error. */
#include "support/sanitizers.h"
#include "unit/task/task_fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <viaduct/coro.h>

static int say_step(void *word, void **result)
{
    (void)result;
    via_test_record(&history, "%s1", (const char *)word);
    int status = via_yield();
    via_test_record(&history, "%s2", (const char *)word);
    return status;
}

static int add_two(void *arg, void **result)
{
    int one = 1, two = 2;
    void *a = NULL, *b = NULL;
    ck_assert_int_eq(via_await(via_create_task(task_give_back, &one), &a), 0);
    ck_assert_int_eq(via_await(via_create_task(task_give_back, &two), &b), 0);
    *(int *)arg = *(int *)a + *(int *)b;
    *result = arg;
    return 0;
}

TEST(a_task_awaits_others_and_gives_its_value)
{
    via_loop *loop = open_task_loop();
    int sum = 0;
    void *value = NULL;
    via_future *task = create(loop, add_two, &sum);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_future_result(task, &value), 0);
    ck_assert_ptr_eq(value, &sum);
    ck_assert_int_eq(sum, 3);
    via_future_unref(task);
    close_loop(loop);
}

static int create_two(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *a = via_create_task(say_step, (void *)"a"), *b = via_create_task(say_step, (void *)"b");
    say((void *)"made");
    ck_assert_int_eq(via_await(b, NULL), 0);
    ck_assert_int_eq(via_await(a, NULL), 0);
    return 0;
}

TEST(tasks_begin_in_a_later_tick_in_the_order_of_creation)
{
    ck_assert_int_eq(run_main(create_two, NULL), 0);
    ASSERT_RECORD(&history, "made a1 b1 a2 b2");
}

TEST(a_task_runs_between_callbacks_in_the_order_of_the_queue)
{
    via_loop *loop = open_task_loop();
    soon(loop, "before");
    via_future *task = create(loop, say_step, (void *)"task");
    soon(loop, "after");
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "before task1 after task2");
    close_loop(loop);
}

/* What could not be made. */

static void assert_not_made(via_future *future, int status, const struct via_test_counted *arg)
{
    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(status_of(future), status);
    ck_assert_int_eq(via_test_destroyed(arg), 1);
    ck_assert_ptr_null(via_future_unref(future));
}

static int create_in_child(void *loop)
{
    return status_of(via_create_task_with(loop, task_never_runs, NULL, NULL)) == VIA_EFORKED &&
                   status_of(via_create_task(task_never_runs, NULL)) == VIA_ESTATE
               ? 0
               : 1;
}

TEST(what_cannot_be_made_is_a_failed_future_and_the_argument_is_released)
{
    via_loop *loop = open_task_loop();
    struct via_test_counted args[5] = {{.value = 0}};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    assert_not_made(via_create_task_with(NULL, task_never_runs, &args[0], &options), VIA_ESTATE, &args[0]);
    assert_not_made(via_create_task_with(loop, NULL, &args[1], &options), VIA_EINVAL, &args[1]);
    options.stack_bytes = SIZE_MAX;
    assert_not_made(via_create_task_with(loop, task_never_runs, &args[2], &options), VIA_EINVAL, &args[2]);
    options.stack_bytes = 0;
    if (!via_test_under_valgrind())
        ck_assert_int_eq(via_test_fork(create_in_child, loop), 0);
    ck_assert_int_eq(via_loop_close(loop), 0);
    assert_not_made(via_create_task_with(loop, task_never_runs, &args[3], &options), VIA_ECLOSED, &args[3]);
    via_loop_unref(loop);
    ck_assert_int_eq(status_of(via_create_task(task_never_runs, NULL)), VIA_ESTATE);
}

/* Arguments and results. */

static int keep_or_fail(void *arg, void **result)
{
    struct via_test_counted *counted = arg;
    *result = counted + 1;
    return counted->value;
}

static int run_counted(struct via_test_counted counted[2], int status)
{
    via_loop *loop = open_task_loop();
    struct via_task_options options = {.destroy = via_test_counted_destroy,
                                       .destroy_result = via_test_counted_destroy};
    counted[0].value = status;
    via_future *task = via_create_task_with(loop, keep_or_fail, counted, &options);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 0);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&counted[1]), status != 0);
    int seen = status_of(task);
    via_future_unref(task);
    close_loop(loop);
    return seen;
}

TEST(the_argument_and_a_value_that_nobody_takes_are_released_once)
{
    struct via_test_counted counted[2] = {{.value = 0}};
    ck_assert_int_eq(run_counted(counted, 0), 0);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&counted[1]), 1);
}

TEST(what_a_failed_task_leaves_is_released_once)
{
    struct via_test_counted counted[2] = {{.value = 0}};
    ck_assert_int_eq(run_counted(counted, VIA_EBUSY), VIA_EBUSY);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&counted[1]), 1);
}

TEST(what_a_cancelled_task_leaves_is_released_once)
{
    struct via_test_counted counted[2] = {{.value = 0}};
    ck_assert_int_eq(run_counted(counted, VIA_EABORTED), VIA_ECANCELED);
    ck_assert_int_eq(via_test_destroyed(&counted[0]), 1);
    ck_assert_int_eq(via_test_destroyed(&counted[1]), 1);
}

TEST(a_positive_return_is_a_code_of_its_own)
{
    via_loop *loop = open_task_loop();
    int code = 17;
    struct via_outcome outcome;
    via_future *task = create(loop, task_fail, &code);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(via_future_outcome(task, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 17);
    via_future_unref(task);
    close_loop(loop);
}

static int settle_child(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *child = via_create_task(say_step, (void *)"child");
    ck_assert_int_eq(via_future_set_result(child, NULL, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_set_result(child, NULL, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_future_set_error(child, VIA_EBUSY, 0, NULL), VIA_ESTATE);
    return via_await(child, NULL);
}

TEST(only_its_function_gives_a_task_its_outcome)
{
    ck_assert_int_eq(run_main(settle_child, NULL), 0);
    ASSERT_RECORD(&history, "child1 child2");
}

static int give_promise(void *arg, void **result)
{
    (void)arg;
    *result = new_promise();
    return 0;
}

static int await_promise_giver(void *arg, void **result)
{
    void *value = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_await(via_create_task(give_promise, NULL), &value), 0);
    ck_assert_int_eq(via_future_state(value), VIA_PENDING);
    ck_assert_int_eq(via_future_cancel(value), VIA_CANCEL_NEVER_RAN);
    via_future_unref(value);
    return 0;
}

TEST(a_future_that_a_task_gives_is_not_awaited)
{
    ck_assert_int_eq(run_main(await_promise_giver, NULL), 0);
}

TEST(an_error_that_nobody_looked_at_is_reported)
{
    via_loop *loop = open_task_loop();
    int status = VIA_EBUSY;
    via_future_unref(create(loop, task_fail, &status));
    settle(loop);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.status, VIA_EBUSY);
    close_loop(loop);
}

TEST(after_a_cancel_nobody_asks_for_the_error)
{
    via_loop *loop = open_task_loop();
    int status = VIA_EBUSY;
    via_future *task = create(loop, task_fail, &status);
    settle(loop);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_TOO_LATE);
    via_future_unref(task);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
}

static int say_later(void *word, void **result)
{
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    return say(word);
}

static int drop_child(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future_unref(via_create_task(say_later, (void *)"done"));
    return via_sleep(2 * VIA_S);
}

TEST(a_task_whose_reference_was_dropped_runs_to_its_end)
{
    ck_assert_int_eq(run_main(drop_child, NULL), 0);
    ASSERT_RECORD(&history, "done");
}

static void *wait_in_thread(void *cf)
{
    ck_assert_int_eq(via_cfuture_result(cf, via_test_bound_ns(), NULL), 0);
    return NULL;
}

TEST(another_thread_can_wait_for_a_task)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, say_step, (void *)"a");
    via_cfuture *cf = NULL;
    struct via_test_thread thread;
    ck_assert_int_eq(via_future_cfuture(task, &cf), 0);
    via_test_thread_start(&thread, wait_in_thread, cf);
    ck_assert_int_eq(run_task(loop, task), 0);
    via_test_thread_join(&thread);
    via_cfuture_unref(cf);
    close_loop(loop);
}

enum { MANY = 1000 };

static int sum_of_many(void *arg, void **result)
{
    static int64_t times_ns[MANY];
    static via_future *tasks[MANY];
    (void)arg;
    (void)result;
    for (int i = 0; i < MANY; i++) {
        times_ns[i] = (int64_t)(i % 7) * VIA_MS;
        tasks[i] = via_create_task(task_sleep, &times_ns[i]);
    }
    for (int i = MANY; i-- > 0;) {
        void *value = NULL;
        ck_assert_int_eq(via_await(tasks[i], &value), 0);
        ck_assert_ptr_eq(value, &times_ns[i]);
    }
    return 0;
}

TEST(a_thousand_tasks_each_give_their_value)
{
    ck_assert_int_eq(run_main(sum_of_many, NULL), 0);
}

/* How many turns of the loop something takes, as asyncio counts them: a callback that schedules itself again
 * counts. */
static int turns, counting;

static int count_turn(void *arg)
{
    turns++;
    if (counting)
        call_soon(count_turn, arg);
    return 0;
}

static void begin_count(void)
{
    counting = 1;
    turns = 0;
    call_soon(count_turn, NULL);
}

static int end_count(void)
{
    counting = 0;
    int count = turns;
    ck_assert_int_eq(via_yield(), 0);
    return count;
}

static int count_turns(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *done = new_promise();
    ck_assert_int_eq(via_future_set_result(done, NULL, NULL), 0);
    begin_count();
    ck_assert_int_eq(via_await(done, NULL), 0);
    ck_assert_int_eq(end_count(), 0);
    begin_count();
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(end_count(), 1);
    begin_count();
    ck_assert_int_eq(via_sleep(0), 0);
    ck_assert_int_eq(end_count(), 1);
    begin_count();
    ck_assert_int_eq(via_sleep_until(0), 0);
    ck_assert_int_eq(end_count(), 1);
    begin_count();
    ck_assert_int_eq(via_await(via_create_task(task_return_0, NULL), NULL), 0);
    ck_assert_int_eq(end_count(), 2);
    begin_count();
    via_future *promise = new_promise();
    call_soon(set_result, promise);
    ck_assert_int_eq(via_await(promise, NULL), 0);
    ck_assert_int_eq(end_count(), 2);
    return 0;
}

TEST(each_wait_takes_as_many_turns_as_in_asyncio)
{
    ck_assert_int_eq(run_main(count_turns, NULL), 0);
}

/* errno. */

static int keep_errno(void *number, void **result)
{
    (void)result;
    errno = *(int *)number;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(via_yield(), 0);
        ck_assert_int_eq(errno, *(int *)number);
    }
    ck_assert_int_eq(via_sleep(VIA_MS), 0);
    ck_assert_int_eq(errno, *(int *)number);
    return 0;
}

static int clobber_errno(void *left)
{
    errno = E2BIG;
    if (--*(int *)left > 0)
        call_soon(clobber_errno, left);
    return 0;
}

TEST(errno_is_each_tasks_own)
{
    via_loop *loop = open_task_loop();
    int numbers[2] = {EDOM, ERANGE}, left = 10;
    via_future *a = create(loop, keep_errno, &numbers[0]), *b = create(loop, keep_errno, &numbers[1]);
    ck_assert_int_eq(via_call_soon(loop, clobber_errno, &left, NULL), 0);
    ck_assert_int_eq(run_task(loop, a), 0);
    ck_assert_int_eq(run_task(loop, b), 0);
    close_loop(loop);
}

/* Blocking calls. */

static int block_in_task(void *arg, void **result)
{
    via_loop *loop = via_loop_current();
    via_cfuture *cf = NULL;
    (void)arg;
    (void)result;
    via_future *child = via_create_task(task_return_0, NULL);
    ck_assert_int_eq(via_future_cfuture(child, &cf), 0);
    ck_assert_int_eq(via_cfuture_wait(cf, VIA_FOREVER), VIA_EDEADLK);
    ck_assert_int_eq(via_cfuture_wait(cf, VIA_S), VIA_EDEADLK);
    ck_assert_int_eq(via_cfuture_result(cf, VIA_FOREVER, NULL), VIA_EDEADLK);
    ck_assert_int_eq(via_call_sleep(VIA_S), VIA_EDEADLK);
    ck_assert_int_eq(via_loop_run_forever(loop), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_run_until_complete(loop, child), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_step(loop, 0), VIA_ERUNNING);
    ck_assert_int_eq(via_loop_close(loop), VIA_ERUNNING);
    ck_assert_int_eq(via_await(child, NULL), 0);
    ck_assert_int_eq(via_cfuture_wait(cf, VIA_FOREVER), 0);
    via_cfuture_unref(cf);
    return 0;
}

TEST(a_blocking_call_in_a_task_is_refused)
{
    ck_assert_int_eq(run_main(block_in_task, NULL), 0);
}

/* Running again. */

static int stop_and_go_on(void *loop, void **result)
{
    (void)result;
    ck_assert_int_eq(via_loop_stop(loop), 0);
    ck_assert_int_eq(via_yield(), 0);
    return say((void *)"done");
}

TEST(a_task_that_stops_its_loop_goes_on_in_the_next_run)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, stop_and_go_on, loop);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), VIA_ESTOPPED);
    ck_assert_int_eq(via_future_done(task), 0);
    ASSERT_RECORD(&history, "");
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "done");
    close_loop(loop);
}

TEST(a_task_that_nothing_can_wake_is_noticed)
{
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, task_wait_for_ever, NULL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), VIA_EDEADLK);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    close_loop(loop);
}

/* Stacks. */

static int use_stack(void *bytes, void **result)
{
    volatile char block[(size_t)512 * 1024];
    for (size_t i = 0; i < sizeof block; i += 4096)
        block[i] = 1;
    ck_assert_int_eq(via_yield(), 0);
    *result = bytes;
    return block[0] == 1 ? 0 : VIA_EINVAL;
}

TEST(a_task_may_have_a_larger_stack)
{
    via_loop *loop = open_task_loop();
    struct via_task_options options = {.stack_bytes = (size_t)1024 * 1024};
    ck_assert_int_eq(run_task(loop, via_create_task_with(loop, use_stack, NULL, &options)), 0);
    close_loop(loop);
}

static volatile int deep = 1;

static int recurse(void *arg, void **result)
{
    volatile char block[256];
    block[0] = 1;
    return deep ? recurse(arg, result) + block[0] : 0;
}

/* In a child: a task that was renamed overflows its stack. */
static void overflow(void)
{
    struct rlimit no_core = {0, 0};
    struct via_task_options options = {.name = "before"};
    via_loop *loop = NULL;
    setrlimit(RLIMIT_CORE, &no_core);
    via_coro_overflow_enable();
    if (via_loop_new(&loop) < 0)
        return;
    via_future *task = via_create_task_with(loop, recurse, NULL, &options);
    via_task_set_name(task, "upload 17");
    via_loop_run_until_complete(loop, task);
}

TEST(the_report_of_an_overflow_names_the_task)
{
    static char said[16384];
    int fds[2], status = 0;
    size_t length = 0;
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        overflow();
        _exit(0);
    }
    close(fds[1]);
    for (ssize_t got = 1; got > 0 && length<sizeof said - 1; length += got> 0 ? (size_t)got : 0)
        got = read(fds[0], said + length, sizeof said - 1 - length);
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_ne(status, 0);
    ck_assert_msg(strstr(said, "\"upload 17\": its stack of 65536 bytes") != NULL, "it said: %s", said);
}

/* Generators. */

static int count_slowly(void *arg, void **result)
{
    static int numbers[3] = {1, 2, 3};
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_sleep(VIA_S), 0);
        ck_assert_int_eq(via_coro_yield(&numbers[i], NULL), 0);
    }
    return 0;
}

static int step_generator(void *arg, void **result)
{
    via_coro *coro = NULL;
    void *value = NULL;
    int sum = 0;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_coro_new(count_slowly, NULL, NULL, &coro), 0);
    via_future *other = via_create_task(say_step, (void *)"other");
    while (via_coro_next(coro, &value) == 1)
        sum += *(int *)value;
    ck_assert_int_eq(sum, 6);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), 3 * VIA_S);
    ck_assert_int_eq(via_future_done(other), 1);
    via_future_unref(other);
    via_coro_free(coro);
    return 0;
}

TEST(a_generator_that_a_task_steps_awaits_as_the_task)
{
    ck_assert_int_eq(run_main(step_generator, NULL), 0);
    ASSERT_RECORD(&history, "other1 other2");
}

TEST_MAIN("task/task", a_task_awaits_others_and_gives_its_value,
          tasks_begin_in_a_later_tick_in_the_order_of_creation,
          a_task_runs_between_callbacks_in_the_order_of_the_queue,
          what_cannot_be_made_is_a_failed_future_and_the_argument_is_released,
          the_argument_and_a_value_that_nobody_takes_are_released_once,
          what_a_failed_task_leaves_is_released_once, what_a_cancelled_task_leaves_is_released_once,
          a_positive_return_is_a_code_of_its_own, only_its_function_gives_a_task_its_outcome,
          a_future_that_a_task_gives_is_not_awaited, an_error_that_nobody_looked_at_is_reported,
          after_a_cancel_nobody_asks_for_the_error, a_task_whose_reference_was_dropped_runs_to_its_end,
          another_thread_can_wait_for_a_task, a_thousand_tasks_each_give_their_value,
          each_wait_takes_as_many_turns_as_in_asyncio, errno_is_each_tasks_own,
          a_blocking_call_in_a_task_is_refused, a_task_that_stops_its_loop_goes_on_in_the_next_run,
          a_task_that_nothing_can_wake_is_noticed, a_task_may_have_a_larger_stack,
          the_report_of_an_overflow_names_the_task, a_generator_that_a_task_steps_awaits_as_the_task)
