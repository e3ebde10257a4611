/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time limits over functions that run on threads: they come back only when the function has.
 *
 * Time that stands still does not go on while a call runs.  So where a limit is to be over in the midst of a
 * call the tests move it to now, or wait without any time.
 */
#include "unit/combine/group_fixture.h"

#include <errno.h>
#include <unistd.h>

#include <viaduct/call.h>

/* A worker that stands at a gate, and then writes to what it was given. */
struct worker {
    struct via_test_gate *gate;
    int written;
};

static int write_late(void *arg, void **result)
{
    struct worker *worker = arg;
    *result = worker;
    via_test_gate_pass(worker->gate);
    worker->written = 1;
    return 0;
}

/* What a test knows of the limit. */
struct limit_case {
    struct via_test_gate gate;
    struct via_scope limit;
};
#define LIMIT_CASE_INITIALIZER                                                                               \
    {                                                                                                        \
        .gate = VIA_TEST_GATE_INITIALIZER                                                                    \
    }

static int worker_in_limit(void *arg, void **result)
{
    struct limit_case *now = arg;
    struct worker worker = {.gate = &now->gate};
    ck_assert_int_eq(via_timeout_begin(VIA_S, &now->limit), 0);
    int status = via_await_to_thread(write_late, &worker, result);
    ck_assert_int_eq(worker.written, 1);
    ck_assert_ptr_eq(*result, &worker);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    return via_timeout_end(&now->limit, status);
}

TEST(a_limit_waits_for_the_function_and_what_it_gives_is_delivered)
{
    struct limit_case now = LIMIT_CASE_INITIALIZER;
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, worker_in_limit, &now);
    RUN_UNTIL(loop, via_test_gate_arrived(&now.gate) == 1);
    ck_assert_int_eq(via_timeout_reschedule(&now.limit, via_loop_time_ns(loop)), 0);
    RUN_TICKS(loop, 10);
    ck_assert_int_eq(via_future_done(task), 0);
    via_test_gate_open(&now.gate);
    ck_assert_int_eq(run_task(loop, task), 0);
    ck_assert_int_eq(via_timeout_expired(&now.limit), 1);
    close_loop(loop);
}

static int worker_without_time(void *gate, void **result)
{
    struct worker worker = {.gate = gate};
    via_future *call = via_to_thread(write_late, &worker);
    while (via_test_gate_arrived(gate) < 1)
        ck_assert_int_eq(via_yield(), 0);
    int status = via_wait_for(call, 0, result);
    ck_assert_int_eq(worker.written, 1);
    return status;
}

TEST(wait_for_comes_back_only_when_the_function_has)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, worker_without_time, &gate);
    RUN_UNTIL(loop, via_test_gate_arrived(&gate) == 1);
    RUN_TICKS(loop, 10);
    ck_assert_int_eq(via_future_done(task), 0);
    via_test_gate_open(&gate);
    ck_assert_int_eq(run_task(loop, task), 0);
    close_loop(loop);
}

/* The task is asked to stop as well, while the worker still writes. */
TEST(a_request_after_the_limit_does_not_bring_it_back_sooner)
{
    struct limit_case now = LIMIT_CASE_INITIALIZER;
    via_loop *loop = open_task_loop();
    via_future *task = create(loop, worker_in_limit, &now);
    RUN_UNTIL(loop, via_test_gate_arrived(&now.gate) == 1);
    ck_assert_int_eq(via_timeout_reschedule(&now.limit, via_loop_time_ns(loop)), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    RUN_TICKS(loop, 10);
    ck_assert_int_eq(via_future_done(task), 0);
    via_test_gate_open(&now.gate);
    ck_assert_int_eq(run_task(loop, task), 0);
    close_loop(loop);
}

static int queued_call(void *pool, void **result)
{
    struct via_scope limit;
    int on_the_stack = 0;
    struct via_call call = VIA_CALL(never_run, &on_the_stack);
    (void)result;
    ck_assert_int_eq(via_timeout_begin(-1, &limit), 0);
    /* What could not even begin to wait is not started. */
    ck_assert_int_eq(via_await_in_executor(pool, &call, NULL), VIA_ECANCELED);
    ck_assert_int_eq(via_timeout_end(&limit, VIA_ECANCELED), VIA_ETIMEDOUT);
    return via_wait_for(via_run_in_executor(via_loop_current(), pool, &call), 0, NULL);
}

TEST(a_call_that_has_not_started_never_does)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = open_pool(1);
    via_cfuture *cf = occupy(pool, &gate);
    ck_assert_int_eq(run_main(queued_call, pool), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    via_cfuture_unref(cf);
    close_pool(pool);
}

/* ---- calls that can be asked to stop ---- */

/* A call in a limit that will be over when its function runs. */
struct call_case {
    struct via_call call;
    struct via_test_gate started;
    struct via_scope limit;
    int fds[2];
    int written;
};

static int call_in_limit(void *arg, void **result)
{
    struct call_case *now = arg;
    (void)result;
    ck_assert_int_eq(via_timeout_begin(VIA_FOREVER, &now->limit), 0);
    int status = via_timeout_end(&now->limit, via_await_in_executor(NULL, &now->call, NULL));
    ck_assert_int_eq(via_timeout_expired(&now->limit), 1);
    return status;
}

/* What a limit makes of a call whose function has begun. */
static int end_by_limit(struct call_case *now)
{
    via_loop *loop = open_task_loop();
    via_test_gate_open(&now->started);
    via_future *task = create(loop, call_in_limit, now);
    RUN_UNTIL(loop, via_test_gate_arrived(&now->started) == 1);
    ck_assert_int_eq(via_timeout_reschedule(&now->limit, via_loop_time_ns(loop)), 0);
    int status = run_task(loop, task);
    ck_assert_int_eq(reports.count, 0);
    close_loop(loop);
    return status;
}

static int poll(void *arg, void **result)
{
    struct call_case *now = arg;
    (void)result;
    via_test_gate_pass(&now->started);
    AWAIT(via_call_cancelled());
    now->written = 1;
    return VIA_ECANCELED;
}

TEST(a_limit_ends_a_function_that_polls)
{
    struct call_case now = {.started = VIA_TEST_GATE_INITIALIZER, .call = VIA_CALL(poll, &now)};
    ck_assert_int_eq(end_by_limit(&now), VIA_ETIMEDOUT);
    ck_assert_int_eq(now.written, 1);
}

static int sleep_in_call(void *arg, void **result)
{
    struct call_case *now = arg;
    (void)result;
    via_test_gate_pass(&now->started);
    return via_call_sleep(VIA_FOREVER);
}

TEST(a_limit_ends_a_function_that_sleeps)
{
    struct call_case now = {.started = VIA_TEST_GATE_INITIALIZER, .call = VIA_CALL(sleep_in_call, &now)};
    ck_assert_int_eq(end_by_limit(&now), VIA_ETIMEDOUT);
}

static int read_pipe(void *arg, void **result)
{
    struct call_case *now = arg;
    char byte;
    (void)result;
    via_test_gate_pass(&now->started);
    return read(now->fds[0], &byte, 1) < 0 ? -errno : 0;
}

static void write_byte(void *fd)
{
    ck_assert_int_eq(write(*(int *)fd, "", 1), 1);
}

TEST(a_limit_ends_a_function_that_has_a_hook)
{
    struct call_case now = {.started = VIA_TEST_GATE_INITIALIZER, .call = VIA_CALL(read_pipe, &now)};
    ck_assert_int_eq(pipe(now.fds), 0);
    now.call.cancel = write_byte;
    now.call.cancel_arg = &now.fds[1];
    ck_assert_int_eq(end_by_limit(&now), 0); /* it gave what it gives */
    close(now.fds[0]);
    close(now.fds[1]);
}

TEST(a_limit_ends_a_function_that_blocks_in_a_system_call)
{
    struct call_case now = {.started = VIA_TEST_GATE_INITIALIZER, .call = VIA_CALL(read_pipe, &now)};
    ck_assert_int_eq(pipe(now.fds), 0);
    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    now.call.flags = VIA_CALL_INTERRUPTIBLE;
    ck_assert_int_eq(end_by_limit(&now), -EINTR);
    close(now.fds[0]);
    close(now.fds[1]);
}

/* An abandonable call owns what it uses, and nobody waits for it. */
struct owned {
    struct via_test_gate *gate;
    struct via_test_counted counted;
};

static int pass_and_own(void *arg, void **result)
{
    struct owned *owned = arg;
    via_test_gate_pass(owned->gate);
    *result = &owned->counted;
    return 0;
}

static void ignore(void *arg)
{
    (void)arg;
}

static int abandon(void *arg, void **result)
{
    struct owned *owned = arg;
    struct via_call call = VIA_CALL(pass_and_own, owned);
    (void)result;
    call.flags = VIA_CALL_ABANDONABLE;
    call.destroy = ignore;
    call.destroy_result = via_test_counted_destroy;
    via_future *future = via_run_in_executor(via_loop_current(), NULL, &call);
    while (via_test_gate_arrived(owned->gate) < 1)
        ck_assert_int_eq(via_yield(), 0);
    int status = via_wait_for(future, 0, NULL);
    ck_assert_int_eq(via_test_destroyed(&owned->counted), 0);
    return status;
}

TEST(a_limit_leaves_an_abandonable_call_to_itself)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct owned owned = {.gate = &gate};
    via_loop *loop = open_task_loop();
    ck_assert_int_eq(run_main_on(loop, abandon, &owned), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    AWAIT(via_test_destroyed(&owned.counted) == 1);
    close_loop(loop);
}

TEST_MAIN("combine/timeout_threads", a_limit_waits_for_the_function_and_what_it_gives_is_delivered,
          wait_for_comes_back_only_when_the_function_has,
          a_request_after_the_limit_does_not_bring_it_back_sooner, a_call_that_has_not_started_never_does,
          a_limit_ends_a_function_that_polls, a_limit_ends_a_function_that_sleeps,
          a_limit_ends_a_function_that_has_a_hook, a_limit_ends_a_function_that_blocks_in_a_system_call,
          a_limit_leaves_an_abandonable_call_to_itself)
