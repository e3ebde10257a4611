/* SPDX-License-Identifier: BSD-3-Clause */
/* Done means returned, for what stands between a task and a call: when a task comes back, no worker writes to
 * what the task has on its stack.  In each test a worker writes after the request. */
#include "unit/combine/combine_fixture.h"

static struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
static via_loop *loop;
static via_executor *pool;

static via_future *start(struct writer *writer)
{
    writer->gate = &gate;
    writer->written = 0;
    return submit(loop, pool, write_late, writer);
}

static int open_gate(void *arg)
{
    (void)arg;
    via_test_gate_open(&gate);
    return 0;
}

/* Opens the gate in a later tick than this one and the next. */
static int open_later(void *arg)
{
    return via_call_soon(loop, open_gate, arg, NULL);
}

static void check(via_task_fn fn, int expected)
{
    loop = open_loop();
    keep_reports(loop, &reports);
    pool = open_pool(4);
    via_future *task = create(loop, fn, NULL);
    ck_assert_int_eq(via_loop_run_until_complete(loop, task), 0);
    ck_assert_int_eq(status_of(task), expected);
    via_future_unref(task);
    via_test_gate_open(&gate);
    close_loop(loop);
    close_pool(pool);
    ck_assert_int_eq(reports.count, 0);
}

static int cancel_me_soon(void *task)
{
    call_soon(open_later, NULL);
    return via_task_cancel(task, NULL) < 0 ? VIA_ESTATE : 0;
}

static int cancelled_in_gather(void *arg, void **result)
{
    struct writer writers[2];
    via_future *calls[] = {start(&writers[0]), start(&writers[1])};
    (void)arg;
    (void)result;
    via_test_gate_await(&gate, 2);
    call_soon(cancel_me_soon, via_current_task());
    // Both calls could not be stopped and gave their values, which are delivered.
    ck_assert_int_eq(via_await_all(calls, 2, 0, NULL), 0);
    ck_assert_int_eq(writers[0].written + writers[1].written, 2);
    ck_assert_int_eq(via_yield(), VIA_ECANCELED);
    return 0;
}

TEST(a_gather_whose_task_is_cancelled_ends_when_the_calls_have_returned)
{
    check(cancelled_in_gather, 0);
}

static int cancelled_before_gather(void *arg, void **result)
{
    struct writer writers[2];
    via_future *calls[] = {start(&writers[0]), start(&writers[1])};
    (void)arg;
    (void)result;
    via_test_gate_await(&gate, 2);
    via_task_cancel(via_current_task(), NULL);
    call_soon(open_later, NULL);
    ck_assert_int_eq(via_await_all(calls, 2, 0, NULL), 0);
    ck_assert_int_eq(writers[0].written + writers[1].written, 2);
    return 0;
}

TEST(a_gather_that_begins_in_a_cancelled_task_waits_for_the_calls_too)
{
    check(cancelled_before_gather, 0);
}

static int cancelled_before_nested_gather(void *arg, void **result)
{
    struct writer writers[2];
    via_future *calls[] = {start(&writers[0]), start(&writers[1])};
    via_future *gather = via_gather(calls, 2, 0);
    (void)arg;
    (void)result;
    via_test_gate_await(&gate, 2);
    via_task_cancel(via_current_task(), NULL);
    call_soon(open_later, NULL);
    ck_assert_int_eq(via_await_all(&gather, 1, 0, NULL), 0);
    ck_assert_int_eq(writers[0].written + writers[1].written, 2);
    return 0;
}

TEST(and_through_a_gather_of_gathers)
{
    check(cancelled_before_nested_gather, 0);
}

static int fail_soon(void *arg, void **result)
{
    (void)arg;
    (void)result;
    call_soon(open_later, NULL);
    int status = via_yield();
    return status < 0 ? status : VIA_EBUSY;
}

static int first_error_drained(void *arg, void **result)
{
    struct writer writer;
    via_future *children[] = {start(&writer), via_create_task(fail_soon, NULL)};
    (void)arg;
    (void)result;
    via_test_gate_await(&gate, 1);
    int status = via_await_all(children, 2, VIA_GATHER_DRAIN, NULL);
    ck_assert_int_eq(writer.written, 1);
    return status;
}

TEST(a_draining_gathers_first_error_comes_when_the_calls_have_returned)
{
    check(first_error_drained, VIA_EBUSY);
}

/* A writer that owns itself: its destructor is what says that nobody uses it any more. */
struct owned_writer {
    struct writer writer; /* first */
    struct via_test_counted destroyed;
};

static void destroy_writer(void *owned)
{
    via_test_counted_destroy(&((struct owned_writer *)owned)->destroyed);
}

static int write_owned(void *arg, void **result)
{
    void *unused = NULL;
    (void)result;
    return write_late(arg, &unused);
}

static int first_error_at_once(void *arg, void **result)
{
    static struct owned_writer owned = {.writer = {.gate = &gate}};
    struct via_call call = VIA_CALL(write_owned, &owned);
    (void)arg;
    (void)result;
    call.destroy = destroy_writer;
    via_future *children[] = {via_run_in_executor(loop, pool, &call), failed_with(VIA_EBUSY)};
    via_future *call_future = via_future_ref(children[0]);
    via_test_gate_await(&gate, 1);
    int status = via_await_all(children, 2, 0, NULL);
    // The call goes on, and its argument is its own until it has returned.
    ck_assert_int_eq(via_future_done(call_future), 0);
    ck_assert_int_eq(via_test_destroyed(&owned.destroyed), 0);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_await(call_future, NULL), 0);
    ck_assert_int_eq(owned.writer.written, 1);
    ck_assert_int_eq(via_test_destroyed(&owned.destroyed), 1);
    return status;
}

TEST(a_gathers_early_error_leaves_the_call_its_argument)
{
    check(first_error_at_once, VIA_EBUSY);
}

static int first_error_then_await(void *arg, void **result)
{
    struct writer writer;
    via_future *call = start(&writer);
    via_future *children[] = {via_future_ref(call), failed_with(VIA_EBUSY)};
    (void)arg;
    (void)result;
    via_test_gate_await(&gate, 1);
    int status = via_await_all(children, 2, 0, NULL);
    call_soon(open_later, NULL);
    // Who gave it a variable awaits it before that goes.
    via_task_cancel(via_current_task(), NULL);
    ck_assert_int_eq(via_await(call, NULL), 0);
    ck_assert_int_eq(writer.written, 1);
    return status;
}

TEST(after_an_early_error_the_call_can_still_be_awaited)
{
    check(first_error_then_await, VIA_EBUSY);
}

static int shield_then_await(void *arg, void **result)
{
    struct writer writer;
    via_future *call = start(&writer);
    (void)arg;
    (void)result;
    via_test_gate_await(&gate, 1);
    call_soon(cancel_me_soon, via_current_task());
    ck_assert_int_eq(via_await(via_shield(via_future_ref(call)), NULL), VIA_ECANCELED);
    ck_assert_int_eq(via_future_done(call), 0);
    // The shield is over, the call is not: awaiting it comes back when it has returned.
    ck_assert_int_eq(via_await(call, NULL), 0);
    ck_assert_int_eq(writer.written, 1);
    return 0;
}

TEST(behind_a_shield_that_was_cancelled_the_call_goes_on_and_can_be_awaited)
{
    check(shield_then_await, 0);
}

static int time_limit_on_a_call(void *arg, void **result)
{
    struct writer writer;
    (void)arg;
    (void)result;
    via_future *call = start(&writer);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, open_later, NULL, NULL), 0);
    void *value = NULL;
    // The time is over at once; the call cannot be stopped, and what it gives is delivered.
    ck_assert_int_eq(via_wait_for(call, 0, &value), 0);
    ck_assert_ptr_eq(value, &writer);
    ck_assert_int_eq(writer.written, 1);
    return 0;
}

TEST(wait_for_comes_back_when_the_call_has_returned)
{
    check(time_limit_on_a_call, 0);
}

static int time_limit_on_a_gather(void *arg, void **result)
{
    struct writer writers[2];
    (void)arg;
    (void)result;
    via_future *calls[] = {start(&writers[0]), start(&writers[1]), new_promise()};
    via_test_gate_await(&gate, 2);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, open_later, NULL, NULL), 0);
    ck_assert_int_eq(via_wait_for(via_gather(calls, 3, 0), 0, NULL), VIA_ETIMEDOUT);
    ck_assert_int_eq(writers[0].written + writers[1].written, 2);
    return 0;
}

TEST(wait_for_on_a_gather_does_too)
{
    check(time_limit_on_a_gather, 0);
}

static int time_limit_while_waiting(void *arg, void **result)
{
    struct writer writers[2];
    (void)arg;
    (void)result;
    via_future *calls[] = {start(&writers[0]), start(&writers[1]), new_promise()};
    via_test_gate_await(&gate, 2);
    ck_assert_int_eq(via_call_later(loop, 2 * VIA_MS, open_later, NULL, NULL), 0);
    ck_assert_int_eq(via_wait_for(via_gather(calls, 3, VIA_GATHER_RETURN_ERRORS), VIA_MS, NULL),
                     VIA_ETIMEDOUT);
    ck_assert_int_eq(writers[0].written + writers[1].written, 2);
    return 0;
}

TEST(and_when_the_time_is_over_while_it_waits)
{
    check(time_limit_while_waiting, 0);
}

/* What a call is asked to stop with. */
static void open_the_gate(void *arg)
{
    via_test_gate_open(arg);
}

static via_future *start_hooked(struct writer *writer)
{
    *writer = (struct writer){.gate = &gate};
    struct via_call call = VIA_CALL(write_late, writer);
    call.cancel = open_the_gate;
    call.cancel_arg = &gate;
    return via_run_in_executor(loop, pool, &call);
}

static int stay_in_gather(void *arg, void **result)
{
    struct writer writers[2];
    via_future *calls[] = {start_hooked(&writers[0]), start_hooked(&writers[1])};
    (void)arg;
    (void)result;
    int status = via_await_all(calls, 2, 0, NULL);
    via_test_record(&history, "%d", writers[0].written + writers[1].written);
    return status;
}

TEST(closing_the_loop_waits_for_the_calls_of_a_gather)
{
    loop = open_loop();
    pool = open_pool(4);
    via_future_unref(create(loop, stay_in_gather, NULL));
    RUN_UNTIL(loop, via_test_gate_arrived(&gate) == 2);
    close_loop(loop);
    ASSERT_RECORD(&history, "2");
    close_pool(pool);
}

TEST_MAIN("combine/returned", a_gather_whose_task_is_cancelled_ends_when_the_calls_have_returned,
          a_gather_that_begins_in_a_cancelled_task_waits_for_the_calls_too, and_through_a_gather_of_gathers,
          a_draining_gathers_first_error_comes_when_the_calls_have_returned,
          a_gathers_early_error_leaves_the_call_its_argument,
          after_an_early_error_the_call_can_still_be_awaited,
          behind_a_shield_that_was_cancelled_the_call_goes_on_and_can_be_awaited,
          wait_for_comes_back_when_the_call_has_returned, wait_for_on_a_gather_does_too,
          and_when_the_time_is_over_while_it_waits, closing_the_loop_waits_for_the_calls_of_a_gather)
