/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of a loop in executors: where they run, what comes back, what cannot be started. */
#include <event2/event.h>

#include "unit/bridge/bridge_fixture.h"
#include <viaduct/outcome.h>

struct where {
    pthread_t function;
    pthread_t callback;
    int done;
};

static int note_function_thread(void *arg, void **result)
{
    struct where *where = arg;
    where->function = pthread_self();
    *result = where;
    return 0;
}

static int note_callback_thread(via_future *future, void *arg)
{
    struct where *where = arg;
    void *value = NULL;
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, where);
    where->callback = pthread_self();
    where->done = 1;
    return 0;
}

TEST(a_function_runs_in_another_thread_and_its_callback_in_the_loops)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct where where = {.done = 0};
    via_future *future = submit(loop, pool, note_function_thread, &where);
    ck_assert_ptr_eq(via_future_loop(future), loop);
    ck_assert_int_eq(via_future_add_done_callback(future, note_callback_thread, &where), 0);
    RUN_UNTIL(loop, where.done);
    ck_assert(!pthread_equal(where.function, pthread_self()));
    ck_assert(pthread_equal(where.callback, pthread_self()));
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_running_call_is_never_seen_as_running_on_its_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_future *future = submit(loop, pool, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(via_future_state(future), VIA_PENDING);
    ck_assert_uint_eq(stats_of(loop).in_flight, 1);
    via_test_gate_open(&gate);
    finish(loop, future);
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    ck_assert_uint_eq(stats_of(loop).in_flight, 0);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

static int return_busy(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return VIA_EBUSY;
}

static int fail_with_text(void *arg, void **result)
{
    (void)result;
    return via_fail(-7, "table %s is locked", (const char *)arg);
}

static int return_positive(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 17;
}

static int leave_the_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
    return 0;
}

static void expect_outcome(via_call_fn fn, int status, int code, const char *message)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_outcome outcome;
    via_future *future = submit(loop, pool, fn, "rows");
    finish(loop, future);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, status);
    ck_assert_int_eq(outcome.code, code);
    if (message)
        ck_assert_str_eq(outcome.message, message);
    ck_assert_ptr_null(outcome.value);
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_negative_status_is_the_outcomes)
{
    expect_outcome(return_busy, VIA_EBUSY, 0, NULL);
}

TEST(a_code_of_the_functions_own_comes_with_its_text)
{
    expect_outcome(fail_with_text, VIA_EFAILED, -7, "table rows is locked");
}

TEST(a_positive_return_is_a_code_of_the_functions_own)
{
    expect_outcome(return_positive, VIA_EFAILED, 17, NULL);
}

TEST(a_function_that_ends_its_thread_fails)
{
    expect_outcome(leave_the_thread, VIA_EEXITED, 0, NULL);
}

/* A failed call: the future is there, is done, and the argument was destroyed exactly once. */
static void expect_failed(via_future *future, int status, const struct via_test_counted *argument)
{
    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(via_future_done(future), 1);
    ck_assert_int_eq(via_future_state(future), VIA_FINISHED);
    ck_assert_int_eq(status_of(future), status);
    if (argument)
        ck_assert_int_eq(via_test_destroyed(argument), 1);
    via_future_unref(future);
}

/* Threads cannot end a function, nor start it again. */
TEST(what_an_executor_lacks_is_named)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_outcome outcome = {0};
    struct via_call call = VIA_CALL(never_run, NULL);
    call.timeout_ns = VIA_S;
    via_future *future = via_run_in_executor(loop, pool, &call);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_ENOTSUP);
    ck_assert_ptr_nonnull(
        strstr(outcome.message, "only process pools have via_call::timeout_ns and retries"));
    via_future_unref(future);
    call.timeout_ns = 0;
    call.deadline_ns = 1;
    future = via_run_in_executor(loop, pool, &call);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(outcome.message, "had passed when it was submitted"));
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_call_that_makes_no_sense_is_a_failed_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(NULL, &argument);
    call.destroy = via_test_counted_destroy;
    expect_failed(via_run_in_executor(loop, pool, NULL), VIA_EINVAL, NULL);
    expect_failed(via_run_in_executor(loop, pool, &call), VIA_EINVAL, &argument);
    call.fn = never_run;
    argument.destroyed = 0;
    call.kind = 99;
    expect_failed(via_run_in_executor(loop, pool, &call), VIA_EINVAL, &argument);
    argument.destroyed = 0;
    call.kind = VIA_CALL_POINTER;
    call.priority = 12;
    expect_failed(via_run_in_executor(loop, pool, &call), VIA_EINVAL, &argument);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_call_without_a_loop_is_a_failed_future)
{
    via_executor *pool = open_pool(1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    expect_failed(via_run_in_executor(NULL, pool, &call), VIA_EINVAL, &argument);
    close_pool(pool);
}

TEST(a_call_on_a_closed_loop_is_a_failed_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_loop_close(loop), 0);
    expect_failed(via_run_in_executor(loop, pool, &call), VIA_ECLOSED, &argument);
    argument.destroyed = 0;
    expect_failed(via_run_in_executor(loop, NULL, &call), VIA_ECLOSED, &argument);
    via_loop_unref(loop);
    close_pool(pool);
}

TEST(a_call_on_an_executor_that_was_shut_down_is_a_failed_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), 0);
    expect_failed(via_run_in_executor(loop, pool, &call), VIA_ESHUTDOWN, &argument);
    close_loop(loop);
    close_pool(pool);
}

static int submit_to_full_pool(void *arg)
{
    void **loop_and_pool = arg;
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    expect_failed(via_run_in_executor(loop_and_pool[0], loop_and_pool[1], &call), VIA_EBUSY, &argument);
    via_test_record(&history, "refused");
    return 0;
}

/* Whatever the pool does when it is full, a loop is told at once. */
static void expect_busy(int when_full)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_bounded_pool(1, when_full);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    void *both[2] = {loop, pool};
    via_cfuture *running = occupy(pool, &gate);
    via_future *queued = submit(loop, pool, give_back, NULL);
    ck_assert_int_eq(via_call_soon(loop, submit_to_full_pool, both, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "refused");
    via_test_gate_open(&gate);
    finish(loop, queued);
    ck_assert_int_eq(status_of(queued), 0);
    via_future_unref(queued);
    via_cfuture_unref(running);
    close_loop(loop);
    close_pool(pool);
}

TEST(a_full_queue_is_a_failed_future)
{
    expect_busy(VIA_FULL_REJECT);
}

TEST(a_pool_that_blocks_when_full_does_not_block_the_loop)
{
    expect_busy(VIA_FULL_BLOCK);
}

TEST(a_pool_whose_callers_run_calls_does_not_run_them_in_the_loop)
{
    expect_busy(VIA_FULL_CALLER_RUNS);
}

TEST(a_call_that_came_too_late_is_a_failed_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    call.deadline_ns = 1;
    via_future *future = via_run_in_executor(loop, pool, &call);
    finish(loop, future);
    expect_failed(future, VIA_ETIMEDOUT, &argument);
    close_loop(loop);
    close_pool(pool);
}

TEST(to_thread_outside_a_loop_is_a_failed_future)
{
    expect_failed(via_to_thread(never_run, NULL), VIA_ESTATE, NULL);
}

/* Ten calls that can only end when all of them run at once. */
struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int present;
};

static int meet(void *arg, void **result)
{
    struct meeting *meeting = arg;
    pthread_mutex_lock(&meeting->lock);
    meeting->present++;
    pthread_cond_broadcast(&meeting->all_here);
    while (meeting->present < 5)
        pthread_cond_wait(&meeting->all_here, &meeting->lock);
    pthread_mutex_unlock(&meeting->lock);
    *result = meeting;
    return 0;
}

struct batch {
    struct meeting meeting;
    via_future *futures[10];
};

static int start_ten(void *arg)
{
    struct batch *batch = arg;
    for (int i = 0; i < 10; i++)
        batch->futures[i] = via_to_thread(meet, &batch->meeting);
    return 0;
}

TEST(ten_calls_of_to_thread_run_beside_each_other)
{
    via_loop *loop = open_loop();
    struct batch batch = {.meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}};
    ck_assert_int_eq(via_call_soon(loop, start_ten, &batch, NULL), 0);
    run_one_tick(loop);
    for (int i = 0; i < 10; i++) {
        finish(loop, batch.futures[i]);
        ck_assert_int_eq(status_of(batch.futures[i]), 0);
        via_future_unref(batch.futures[i]);
    }
    ck_assert_int_eq(batch.meeting.present, 10);
    close_loop(loop);
}

static int count_done(via_future *future, void *counter)
{
    ck_assert_int_eq(via_future_result(future, NULL), 0);
    (*(int *)counter)++;
    return 0;
}

TEST(five_thousand_calls_may_be_pending)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(2);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int done = 0;
    for (int i = 0; i < 5000; i++) {
        via_future *future = submit(loop, pool, via_test_gate_call, &gate);
        ck_assert_int_eq(via_future_add_done_callback(future, count_done, &done), 0);
        via_future_unref(future);
    }
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(done, 0);
    ck_assert_uint_eq(stats_of(loop).in_flight, 5000);
    via_test_gate_open(&gate);
    RUN_UNTIL(loop, done == 5000);
    ck_assert_int_eq(via_test_gate_arrived(&gate), 5000);
    ck_assert_uint_eq(stats_of(loop).in_flight, 0);
    close_loop(loop);
    close_pool(pool);
}

struct numbered {
    int number;
    int *next;
};

static int expect_number(via_future *future, void *arg)
{
    struct numbered *numbered = arg;
    ck_assert_int_eq(via_future_done(future), 1);
    ck_assert_int_eq(numbered->number, *numbered->next);
    (*numbered->next)++;
    return 0;
}

TEST(calls_of_one_worker_complete_in_order)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    static struct numbered calls[500];
    int next = 0;
    for (int i = 0; i < 500; i++) {
        calls[i] = (struct numbered){i, &next};
        via_future *future = submit(loop, pool, give_back, NULL);
        ck_assert_int_eq(via_future_add_done_callback(future, expect_number, &calls[i]), 0);
        via_future_unref(future);
    }
    RUN_UNTIL(loop, next == 500);
    close_loop(loop);
    close_pool(pool);
}

static int report_progress(void *loop, void **result)
{
    (void)result;
    post(loop, "half");
    post(loop, "nearly");
    return 0;
}

TEST(progress_posted_by_the_function_arrives_before_its_completion)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    for (int i = 0; i < 20; i++) {
        via_test_recorder_clear(&history);
        via_future *future = submit(loop, pool, report_progress, loop);
        when_done(future, "done");
        via_future_unref(future);
        RUN_UNTIL(loop, via_test_recorded(&history) == 3);
        ASSERT_RECORD(&history, "half nearly done");
    }
    close_loop(loop);
    close_pool(pool);
}

TEST(a_dropped_future_still_runs_and_destroys_once)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted value = {0};
    via_cfuture *running = occupy(pool, &gate);
    struct via_call call = VIA_CALL(give_back, &value);
    call.destroy_result = via_test_counted_destroy;
    via_future_unref(via_run_in_executor(loop, pool, &call));
    via_test_gate_open(&gate);
    RUN_UNTIL(loop, via_test_destroyed(&value) == 1);
    via_cfuture_unref(running);
    RUN_TICKS(loop, 2);
    close_loop(loop);
    close_pool(pool);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

TEST(an_argument_is_destroyed_once_when_the_function_has_returned)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(return_busy, &argument);
    call.destroy = via_test_counted_destroy;
    via_future *future = via_run_in_executor(loop, pool, &call);
    finish(loop, future);
    ck_assert_int_eq(status_of(future), VIA_EBUSY);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
}

TEST(a_result_that_nobody_took_goes_with_the_future)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_counted value = {0};
    struct via_call call = VIA_CALL(give_back, &value);
    struct via_outcome outcome;
    call.destroy_result = via_test_counted_destroy;
    via_future *read = via_run_in_executor(loop, pool, &call);
    via_future *taken = via_run_in_executor(loop, pool, &call);
    finish(loop, read);
    finish(loop, taken);
    ck_assert_int_eq(status_of(read), 0);
    ck_assert_int_eq(via_future_take(taken, &outcome), 0);
    via_future_unref(taken);
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    via_future_unref(read);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    outcome.destroy(outcome.value);
    close_loop(loop);
    close_pool(pool);
}

TEST(the_call_is_copied_when_it_is_submitted)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *running = occupy(pool, &gate);
    int number = 5;
    void *value = NULL;
    struct via_call call = VIA_CALL(give_back, &number);
    via_future *future = via_run_in_executor(loop, pool, &call);
    memset(&call, 0xff, sizeof call);
    via_test_gate_open(&gate);
    finish(loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    via_cfuture_unref(running);
    close_loop(loop);
    close_pool(pool);
}

static int reverse(via_bytes_call *call, const void *in, size_t in_bytes)
{
    char *out = via_bytes_out(call, in_bytes);
    if (!out)
        return VIA_ENOMEM;
    for (size_t i = 0; i < in_bytes; i++)
        out[i] = ((const char *)in)[in_bytes - 1 - i];
    return 0;
}

TEST(a_bytes_call_answers_with_bytes)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct via_outcome outcome;
    char in[] = "stressed";
    struct via_call call = VIA_CALL_BYTES(reverse, in, 8);
    via_future *future = via_run_in_executor(loop, pool, &call);
    memset(in, 'x', 8);
    finish(loop, future);
    ck_assert_int_eq(via_future_outcome(future, &outcome), 0);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_uint_eq(outcome.bytes, 8);
    ck_assert_mem_eq(outcome.value, "desserts", 8);
    via_future_unref(future);
    close_loop(loop);
    close_pool(pool);
}

/* An executor of one's own: it keeps one job until the test runs it, and knows pointer calls only. */
static via_job *kept_job;

static int keep_job(void *self, via_job *job)
{
    (void)self;
    kept_job = job;
    return 0;
}

static const struct via_executor_ops keeper_ops = {
    .kind = "keeper", .call_kinds = VIA_CALL_POINTER, .submit = keep_job};

TEST(an_executor_of_ones_own_serves_a_loop)
{
    via_loop *loop = open_loop();
    via_executor *keeper = NULL;
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_executor_new(&keeper_ops, NULL, &keeper), 0);
    via_future *future = submit(loop, keeper, give_back, &number);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_future_done(future), 0);
    ck_assert_int_eq(via_job_run(kept_job), 1);
    finish(loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    struct via_call call = VIA_CALL_BYTES(reverse, "x", 1);
    expect_failed(via_run_in_executor(loop, keeper, &call), VIA_ENOTSUP, NULL);
    via_executor_unref(keeper);
    close_loop(loop);
}

static void serve_with(via_executor *executor)
{
    via_loop *loop = open_loop();
    int number = 5;
    void *value = NULL;
    via_test_recorder_clear(&history);
    via_future *future = submit(loop, executor, give_back, &number);
    when_done(future, "done");
    ASSERT_RECORD(&history, "");
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    close_loop(loop);
    close_pool(executor);
}

TEST(inline_serial_and_pinned_executors_serve_a_loop)
{
    via_executor *executor = NULL;
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(via_inline_new(&executor), 0);
    serve_with(executor);
    ck_assert_int_eq(via_serial_new(pool, &executor), 0);
    serve_with(executor);
    ck_assert_int_eq(via_pinned_new(NULL, &executor), 0);
    serve_with(executor);
    close_pool(pool);
}

TEST(an_error_that_nobody_looked_at_is_reported)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct reports reports = {0};
    keep_reports(loop, &reports);
    via_future_unref(submit(loop, pool, fail_with_text, "rows"));
    RUN_UNTIL(loop, reports.count == 1);
    ck_assert_int_eq(reports.status, VIA_EFAILED);
    ck_assert_str_eq(reports.text, "table rows is locked");
    close_loop(loop);
    close_pool(pool);
    ck_assert_int_eq(reports.count, 1);
}

TEST(debug_mode_reports_a_dropped_call_that_does_not_own_its_argument)
{
    via_loop *loop = open_loop();
    via_executor *pool = open_pool(1);
    struct reports reports = {0};
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted argument = {0};
    keep_reports(loop, &reports);
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, VIA_FOREVER), 0);
    struct via_call call = VIA_CALL(give_back, &argument);
    via_cfuture *running = occupy(pool, &gate);
    via_future_unref(via_run_in_executor(loop, pool, &call));
    ck_assert_int_eq(reports.count, 1);
    ck_assert_ptr_eq(reports.function, (void *)(uintptr_t)give_back);
    ck_assert_str_eq(reports.text, "");
    call.name = "give back";
    via_future_unref(via_run_in_executor(loop, pool, &call));
    ck_assert_int_eq(reports.count, 2);
    ck_assert_str_eq(reports.text, "give back");
    call.destroy = via_test_counted_destroy;
    via_future_unref(via_run_in_executor(loop, pool, &call));
    ck_assert_int_eq(reports.count, 2);
    via_test_gate_open(&gate);
    RUN_UNTIL(loop, stats_of(loop).in_flight == 0);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    via_cfuture_unref(running);
    close_loop(loop);
    close_pool(pool);
}

TEST(completions_do_not_starve_timers_of_the_loop)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.drain_budget = 16;
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    via_executor *pool = open_pool(1);
    int done = 0, ticks = 0;
    for (int i = 0; i < 200; i++) {
        via_future *future = submit(loop, pool, give_back, NULL);
        ck_assert_int_eq(via_future_add_done_callback(future, count_done, &done), 0);
        via_future_unref(future);
    }
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    while (done < 200) {
        int before = done;
        ck_assert_int_eq(via_call_later(loop, -1, count_up, &ticks, NULL), 0);
        run_one_tick(loop);
        ck_assert_int_le(done - before, 32);
        ck_assert_int_le(stats_of(loop).ticks, 100);
    }
    ck_assert_int_ge(ticks, 200 / 32);
    close_loop(loop);
    via_executor_unref(pool);
}

TEST(a_call_keeps_an_attached_program_until_it_is_done)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    via_executor *pool = open_pool(2);
    int done = 0;
    for (int i = 0; i < 50; i++) {
        via_future *future = submit(loop, pool, give_back, NULL);
        ck_assert_int_eq(via_future_add_done_callback(future, count_done, &done), 0);
        via_future_unref(future);
    }
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_int_eq(done, 50);
    close_loop(loop);
    close_pool(pool);
    event_base_free(base);
}

struct chain {
    via_loop *loop;
    via_executor *pool;
    int left;
};

static int next_of_chain(via_future *future, void *arg)
{
    struct chain *chain = arg;
    ck_assert_int_eq(via_future_result(future, NULL), 0);
    if (--chain->left == 0)
        return 0;
    via_future *next = submit(chain->loop, chain->pool, give_back, NULL);
    ck_assert_int_eq(via_future_add_done_callback(next, next_of_chain, chain), 0);
    via_future_unref(next);
    return 0;
}

TEST(a_done_callback_may_start_the_next_call_in_an_attached_program)
{
    struct event_base *base = event_base_new();
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    struct chain chain = {loop, open_pool(1), 100};
    via_future *first = submit(loop, chain.pool, give_back, NULL);
    ck_assert_int_eq(via_future_add_done_callback(first, next_of_chain, &chain), 0);
    via_future_unref(first);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_int_eq(chain.left, 0);
    close_loop(loop);
    close_pool(chain.pool);
    event_base_free(base);
}

TEST_MAIN("bridge/run_in_executor", a_function_runs_in_another_thread_and_its_callback_in_the_loops,
          a_running_call_is_never_seen_as_running_on_its_future, a_negative_status_is_the_outcomes,
          a_code_of_the_functions_own_comes_with_its_text, a_positive_return_is_a_code_of_the_functions_own,
          a_function_that_ends_its_thread_fails, what_an_executor_lacks_is_named,
          a_call_that_makes_no_sense_is_a_failed_future, a_call_without_a_loop_is_a_failed_future,
          a_call_on_a_closed_loop_is_a_failed_future,
          a_call_on_an_executor_that_was_shut_down_is_a_failed_future, a_full_queue_is_a_failed_future,
          a_pool_that_blocks_when_full_does_not_block_the_loop,
          a_pool_whose_callers_run_calls_does_not_run_them_in_the_loop,
          a_call_that_came_too_late_is_a_failed_future, to_thread_outside_a_loop_is_a_failed_future,
          ten_calls_of_to_thread_run_beside_each_other, five_thousand_calls_may_be_pending,
          calls_of_one_worker_complete_in_order,
          progress_posted_by_the_function_arrives_before_its_completion,
          a_dropped_future_still_runs_and_destroys_once,
          an_argument_is_destroyed_once_when_the_function_has_returned,
          a_result_that_nobody_took_goes_with_the_future, the_call_is_copied_when_it_is_submitted,
          a_bytes_call_answers_with_bytes, an_executor_of_ones_own_serves_a_loop,
          inline_serial_and_pinned_executors_serve_a_loop, an_error_that_nobody_looked_at_is_reported,
          debug_mode_reports_a_dropped_call_that_does_not_own_its_argument,
          completions_do_not_starve_timers_of_the_loop, a_call_keeps_an_attached_program_until_it_is_done,
          a_done_callback_may_start_the_next_call_in_an_attached_program)
