/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that write to a variable of the task that awaits them, after they were asked to stop.  With
 * AddressSanitizer, which looks for the use of variables of functions that have returned, an await that came
 * back too early is seen here. */
#include <event2/event.h>

#include "unit/task/task_fixture.h"

/* AddressSanitizer reads this before main(), and its environment after. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_stack_use_after_return=1";
}

/* The variable of a task that a worker writes to. */
struct work {
    struct via_test_gate *gate;
    int written;
};

static int write_late(void *arg, void **result)
{
    struct work *work = arg;
    via_test_gate_pass(work->gate);
    work->written = 42;
    *result = NULL;
    return 0;
}

/* Writes when it has been asked to stop. */
static int write_when_asked(void *arg, void **result)
{
    struct work *work = arg;
    via_test_gate_pass(work->gate);
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();
    while (!via_call_cancelled() && via_test_now_ns() < end_ns)
        via_test_yield();
    work->written = 42;
    (void)result;
    return VIA_ECANCELED;
}

static struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;

/* The default executor is the test's own, which can be waited for. */
static via_executor *pool;

static via_loop *open_loop_with_pool_of(int workers)
{
    via_loop *loop = open_task_loop();
    pool = open_pool(workers);
    ck_assert_int_eq(via_loop_set_default_executor(loop, pool), 0);
    return loop;
}

static via_loop *open_loop_with_pool(void)
{
    return open_loop_with_pool_of(1);
}

/* A depth of its own, so that the variable is gone when it has returned. */
static __attribute__((noinline)) int await_writer(via_call_fn fn)
{
    struct work work = {.gate = &gate};
    int status = via_await_to_thread(fn, &work, NULL);
    ck_assert_int_eq(work.written, 42);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int task_write_late(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return await_writer(write_late);
}

static int task_write_when_asked(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return await_writer(write_when_asked);
}

static int cancel_while_it_runs(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_write_late, NULL);
    ck_assert_int_eq(via_yield(), 0);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    yield_times(10);
    ck_assert_int_eq(via_future_done(task), 0);
    ASSERT_RECORD(&history, "");
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_await(task, NULL), 0); // what the function has returned counts
    return 0;
}

TEST(a_cancelled_task_waits_for_the_function)
{
    ck_assert_int_eq(run_main(cancel_while_it_runs, NULL), 0);
    ASSERT_RECORD(&history, "VIA_OK");
}

static int cancel_what_listens(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_test_gate_open(&gate);
    via_future *task = via_create_task(task_write_when_asked, NULL);
    ck_assert_int_eq(via_yield(), 0);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_function_that_listens_ends_when_its_task_is_cancelled)
{
    ck_assert_int_eq(run_main(cancel_what_listens, NULL), 0);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
}

/* The future of a call on a variable, awaited when the task was cancelled already. */
static __attribute__((noinline)) int await_borrowing_call(void)
{
    struct work work = {.gate = &gate};
    via_future *call = via_to_thread(write_when_asked, &work);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    int status = via_await(call, NULL);
    ck_assert_int_eq(work.written, 42);
    return status;
}

static int cancelled_before_it_awaits(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_test_gate_open(&gate);
    return await_borrowing_call();
}

TEST(a_task_that_was_cancelled_before_it_awaits_waits_for_the_function_too)
{
    ck_assert_int_eq(run_main(cancelled_before_it_awaits, NULL), VIA_ECANCELED);
}

/* A call that was queued never runs, and does not keep the task. */

static __attribute__((noinline)) int await_queued(via_executor *executor)
{
    struct work work = {.gate = &gate};
    struct via_call call = VIA_CALL(never_run, &work);
    struct via_outcome outcome;
    int status = via_await_in_executor(executor, &call, &outcome);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int task_await_queued(void *executor, void **result)
{
    (void)result;
    return await_queued(executor);
}

TEST(a_queued_call_of_a_cancelled_task_never_runs)
{
    via_loop *loop = open_loop_with_pool();
    via_cfuture *running = occupy(pool, &gate);
    via_future *task = create(loop, task_await_queued, pool);
    settle(loop);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    via_test_gate_open(&gate);
    close_loop(loop);
    close_pool(pool);
    via_cfuture_unref(running);
}

TEST(a_queued_call_of_a_closed_loop_never_runs)
{
    via_loop *loop = open_loop_with_pool();
    via_cfuture *running = occupy(pool, &gate);
    via_future *task = create(loop, task_await_queued, pool);
    settle(loop);
    close_loop(loop);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    via_test_gate_open(&gate);
    via_future_unref(task);
    close_pool(pool);
    via_cfuture_unref(running);
}

/* A call that owns its argument and may be left behind. */

struct owned {
    struct via_test_counted argument, result;
};

static int use_owned(void *arg, void **result)
{
    struct owned *owned = arg;
    via_test_gate_pass(&gate);
    *result = &owned->result;
    return 0;
}

static void destroy_argument(void *arg)
{
    via_test_counted_destroy(&((struct owned *)arg)->argument);
}

static int await_abandonable(void *arg, void **result)
{
    struct via_call call = VIA_CALL(use_owned, arg);
    (void)result;
    call.destroy = destroy_argument;
    call.destroy_result = via_test_counted_destroy;
    call.flags = VIA_CALL_ABANDONABLE;
    return via_await_in_executor(NULL, &call, NULL);
}

TEST(an_abandonable_call_lets_its_task_go_at_once)
{
    via_loop *loop = open_loop_with_pool();
    struct owned owned = {.argument = {.value = 0}};
    via_future *task = create(loop, await_abandonable, &owned);
    settle(loop);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    ck_assert_int_eq(via_test_destroyed(&owned.argument), 0);
    via_test_gate_open(&gate);
    close_loop(loop);
    close_pool(pool);
    ck_assert_int_eq(via_test_destroyed(&owned.result), 1);
    ck_assert_int_eq(via_test_destroyed(&owned.argument), 1);
}

/* Closing. */

TEST(closing_the_loop_waits_for_the_function)
{
    via_loop *loop = open_loop_with_pool();
    via_test_gate_open(&gate);
    via_future *task = create(loop, task_write_when_asked, NULL);
    settle(loop);
    via_test_gate_await(&gate, 1);
    close_loop(loop);
    close_pool(pool);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
}

TEST(closing_the_loop_waits_for_the_function_of_a_task_that_was_cancelled)
{
    via_loop *loop = open_loop_with_pool();
    via_test_gate_open(&gate);
    via_future *task = create(loop, task_write_when_asked, NULL);
    settle(loop);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    close_loop(loop);
    close_pool(pool);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    via_future_unref(task);
}

static int close_when_it_runs(void *loop)
{
    via_test_gate_await(&gate, 1);
    return via_loop_close(loop);
}

TEST(closing_an_attached_loop_in_a_callback_waits_for_the_function)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    pool = open_pool(1);
    ck_assert_int_eq(via_loop_set_default_executor(loop, pool), 0);
    via_test_gate_open(&gate);
    via_future *task = create(loop, task_write_when_asked, NULL);
    ck_assert_int_eq(via_call_soon(loop, close_when_it_runs, loop, NULL), 0);
    event_base_dispatch(base);
    ck_assert_int_eq(via_loop_is_closed(loop), 1);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    via_future_unref(task);
    via_loop_unref(loop);
    close_pool(pool);
    event_base_free(base);
}

/* A task that awaits a task that awaits a call. */
static int await_inner(void *arg, void **result)
{
    (void)arg;
    return via_await(via_create_task(task_write_when_asked, NULL), result);
}

TEST(closing_the_loop_ends_a_chain_behind_the_function)
{
    via_loop *loop = open_loop_with_pool();
    via_test_gate_open(&gate);
    via_future *task = create(loop, await_inner, NULL);
    settle(loop);
    via_test_gate_await(&gate, 1);
    close_loop(loop);
    close_pool(pool);
    ASSERT_RECORD(&history, "VIA_ECANCELED");
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_future_unref(task);
}

static int write_at_once(void *arg, void **result)
{
    ((struct work *)arg)->written = 42;
    *result = arg;
    return 0;
}

/* A task that awaits two others in a shielded section; they use a variable of it. */
struct family {
    struct via_test_gate second;
    int parent_is_there;
};

static int return_when_asked(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_test_gate_pass(&gate);
    AWAIT(via_call_cancelled());
    return 0;
}

static int return_after_the_first(void *family, void **result)
{
    (void)result;
    via_test_gate_pass(&gate);
    via_test_gate_pass(&((struct family *)family)->second);
    return 0;
}

static int first_child(void *family, void **result)
{
    int status = via_await_to_thread(return_when_asked, NULL, result);
    via_test_gate_open(&((struct family *)family)->second);
    return status;
}

static int second_child(void *family, void **result)
{
    int status = via_await_to_thread(return_after_the_first, family, result);
    via_test_record(&history, "%d", ((struct family *)family)->parent_is_there);
    return status;
}

static int shielded_parent(void *arg, void **result)
{
    struct family family = {.second = VIA_TEST_GATE_INITIALIZER, .parent_is_there = 1};
    struct via_scope shield;
    (void)arg;
    (void)result;
    via_future *first = via_create_task(first_child, &family),
               *second = via_create_task(second_child, &family);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_await(first, NULL), 0);
    ck_assert_int_eq(via_await(second, NULL), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    family.parent_is_there = 0;
    return 0;
}

TEST(closing_the_loop_ends_tasks_before_the_one_that_awaits_them_in_a_shield)
{
    via_loop *loop = open_loop_with_pool_of(2);
    via_test_gate_open(&gate);
    via_future *task = create(loop, shielded_parent, NULL);
    settle(loop);
    via_test_gate_await(&gate, 2);
    close_loop(loop);
    close_pool(pool);
    ASSERT_RECORD(&history, "1");
    ck_assert_int_eq(status_of(task), 0);
    via_future_unref(task);
}

static int await_many(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 100; i++) {
        struct work work = {.written = 0};
        void *value = NULL;
        ck_assert_int_eq(via_await_to_thread(write_at_once, &work, &value), 0);
        ck_assert_int_eq(work.written, 42);
        ck_assert_ptr_eq(value, &work);
    }
    return 0;
}

TEST(what_the_function_has_written_is_seen)
{
    ck_assert_int_eq(run_main(await_many, NULL), 0);
}

TEST_MAIN("task/done_means_returned", a_cancelled_task_waits_for_the_function,
          a_function_that_listens_ends_when_its_task_is_cancelled,
          a_task_that_was_cancelled_before_it_awaits_waits_for_the_function_too,
          a_queued_call_of_a_cancelled_task_never_runs, a_queued_call_of_a_closed_loop_never_runs,
          an_abandonable_call_lets_its_task_go_at_once, closing_the_loop_waits_for_the_function,
          closing_the_loop_waits_for_the_function_of_a_task_that_was_cancelled,
          closing_an_attached_loop_in_a_callback_waits_for_the_function,
          closing_the_loop_ends_a_chain_behind_the_function,
          closing_the_loop_ends_tasks_before_the_one_that_awaits_them_in_a_shield,
          what_the_function_has_written_is_seen)
