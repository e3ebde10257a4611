/* SPDX-License-Identifier: BSD-3-Clause */
/* Cancelling calls: before they start, while they run, after they completed, during their callback. */
#include <errno.h>
#include <unistd.h>

#include "unit/bridge/bridge_fixture.h"

/* A loop, a pool of one worker, and a call that occupies the worker until the gate opens. */
struct stage {
    via_loop *loop;
    via_executor *pool;
    struct via_test_gate gate;
    via_cfuture *occupant;
};

static void set_stage(struct stage *stage, int occupied)
{
    *stage = (struct stage){open_loop(), open_pool(1), VIA_TEST_GATE_INITIALIZER, NULL};
    if (occupied)
        stage->occupant = occupy(stage->pool, &stage->gate);
}

static void clear_stage(struct stage *stage)
{
    via_test_gate_open(&stage->gate);
    via_cfuture_unref(stage->occupant);
    close_loop(stage->loop);
    close_pool(stage->pool);
}

TEST(a_call_cancelled_before_its_start_never_runs)
{
    struct stage stage;
    set_stage(&stage, 1);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(never_run, &argument);
    call.destroy = via_test_counted_destroy;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    when_done(future, "cancelled");
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    ASSERT_RECORD(&history, "");
    RUN_TICKS(stage.loop, 2);
    ASSERT_RECORD(&history, "cancelled");
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    via_future_unref(future);
    clear_stage(&stage);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    ASSERT_RECORD(&history, "cancelled");
}

TEST(the_others_in_the_queue_keep_their_order)
{
    struct stage stage;
    set_stage(&stage, 1);
    static char words[3][2] = {"a", "b", "c"};
    via_future *futures[3];
    for (int i = 0; i < 3; i++) {
        futures[i] = submit(stage.loop, stage.pool, i == 1 ? never_run : give_back, NULL);
        when_done(futures[i], words[i]);
    }
    ck_assert_int_eq(via_future_cancel(futures[1]), VIA_CANCEL_NEVER_RAN);
    RUN_TICKS(stage.loop, 2);
    via_test_gate_open(&stage.gate);
    RUN_UNTIL(stage.loop, via_test_recorded(&history) == 3);
    ASSERT_RECORD(&history, "b a c");
    for (int i = 0; i < 3; i++)
        via_future_unref(futures[i]);
    clear_stage(&stage);
}

/* A function that waits at the gate and tells what it was told. */
struct watched {
    struct via_test_gate *gate;
    int before;
    int after;
    int returned; /* what it is to return */
};

static int watch_for_cancel(void *arg, void **result)
{
    struct watched *watched = arg;
    watched->before = via_call_cancelled();
    via_test_gate_pass(watched->gate);
    watched->after = via_call_cancelled();
    *result = watched;
    return watched->returned;
}

TEST(a_running_call_is_asked_and_done_when_it_has_returned)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct watched watched = {&stage.gate, -1, -1, VIA_ECANCELED};
    via_future *future = submit(stage.loop, stage.pool, watch_for_cancel, &watched);
    when_done(future, "done");
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    RUN_TICKS(stage.loop, 5);
    ck_assert_int_eq(via_future_done(future), 0);
    ASSERT_RECORD(&history, "");
    via_test_gate_open(&stage.gate);
    RUN_UNTIL(stage.loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(watched.before, 0);
    ck_assert_int_eq(watched.after, 1);
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    via_future_unref(future);
    clear_stage(&stage);
}

TEST(a_running_call_that_ignores_the_request_delivers_its_value)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct watched watched = {&stage.gate, -1, -1, 0};
    void *value = NULL;
    via_future *future = submit(stage.loop, stage.pool, watch_for_cancel, &watched);
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    via_test_gate_open(&stage.gate);
    finish(stage.loop, future);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &watched);
    via_future_unref(future);
    clear_stage(&stage);
}

TEST(the_argument_of_a_cancelled_running_call_lives_until_it_returns)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct via_test_counted argument = {0};
    struct via_call call = VIA_CALL(via_test_gate_call, &stage.gate);
    call.cancel_arg = &argument;
    call.cancel = via_test_counted_destroy;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_test_destroyed(&argument), 0);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    ck_assert(pthread_equal(argument.destroyed_in, pthread_self()));
    via_test_gate_open(&stage.gate);
    finish(stage.loop, future);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_test_destroyed(&argument), 1);
    via_future_unref(future);
    clear_stage(&stage);
}

TEST(the_cancel_hook_is_not_called_before_the_start)
{
    struct stage stage;
    set_stage(&stage, 1);
    struct via_test_counted hook = {0};
    struct via_call call = VIA_CALL(never_run, NULL);
    call.cancel = via_test_counted_destroy;
    call.cancel_arg = &hook;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    RUN_TICKS(stage.loop, 2);
    via_future_unref(future);
    clear_stage(&stage);
    ck_assert_int_eq(via_test_destroyed(&hook), 0);
}

TEST(cancelling_after_the_completion_arrived_is_too_late)
{
    struct stage stage;
    set_stage(&stage, 0);
    int number = 5;
    void *value = NULL;
    via_future *future = submit(stage.loop, stage.pool, give_back, &number);
    finish(stage.loop, future);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    clear_stage(&stage);
}

TEST(cancelling_between_completion_and_callback_keeps_the_value)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct via_test_counted counted = {0};
    void *value = NULL;
    struct via_call call = VIA_CALL(give_back, &counted);
    call.destroy_result = via_test_counted_destroy;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    when_done(future, "done");
    ck_assert_int_eq(via_executor_shutdown(stage.pool, 0, via_test_bound_ns()), 0);
    int did = via_future_cancel(future);
    ck_assert_msg(did == VIA_CANCEL_TOO_LATE || did == VIA_CANCEL_REQUESTED, "cancel says %d", did);
    RUN_UNTIL(stage.loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &counted);
    ck_assert_int_eq(via_test_destroyed(&counted), 0);
    via_future_unref(future);
    clear_stage(&stage);
    ck_assert_int_eq(via_test_destroyed(&counted), 1);
    ASSERT_RECORD(&history, "done");
}

static int cancel_in_callback(via_future *future, void *arg)
{
    *(int *)arg = via_future_cancel(future);
    via_test_record(&history, "callback");
    return 0;
}

TEST(cancelling_during_the_callback_is_too_late)
{
    struct stage stage;
    set_stage(&stage, 0);
    int number = 5, did = 77;
    void *value = NULL;
    via_future *future = submit(stage.loop, stage.pool, give_back, &number);
    ck_assert_int_eq(via_future_add_done_callback(future, cancel_in_callback, &did), 0);
    when_done(future, "next");
    RUN_UNTIL(stage.loop, via_test_recorded(&history) == 2);
    RUN_TICKS(stage.loop, 2);
    ASSERT_RECORD(&history, "callback next");
    ck_assert_int_eq(did, VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_future_result(future, &value), 0);
    ck_assert_ptr_eq(value, &number);
    via_future_unref(future);
    clear_stage(&stage);
}

/* The argument of an abandonable call: it holds its own gate. */
struct abandoned {
    struct via_test_gate gate;
    struct via_test_counted argument;
    struct via_test_counted result;
};

static int give_result_of_abandoned(void *arg, void **result)
{
    struct abandoned *abandoned = arg;
    via_test_gate_pass(&abandoned->gate);
    *result = &abandoned->result;
    return 0;
}

static void destroy_abandoned(void *arg)
{
    via_test_counted_destroy(&((struct abandoned *)arg)->argument);
}

static struct via_call abandonable_call(struct abandoned *abandoned)
{
    struct via_call call = VIA_CALL(give_result_of_abandoned, abandoned);
    call.flags = VIA_CALL_ABANDONABLE;
    call.destroy = destroy_abandoned;
    call.destroy_result = via_test_counted_destroy;
    return call;
}

TEST(an_abandonable_call_is_cancelled_at_once_and_destroyed_when_it_returns)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct abandoned abandoned = {.gate = VIA_TEST_GATE_INITIALIZER};
    struct via_call call = abandonable_call(&abandoned);
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    when_done(future, "abandoned");
    via_test_gate_await(&abandoned.gate, 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_ABANDONED);
    ck_assert_int_eq(via_future_state(future), VIA_CANCELLED);
    RUN_TICKS(stage.loop, 2);
    ASSERT_RECORD(&history, "abandoned");
    ck_assert_int_eq(via_test_destroyed(&abandoned.argument), 0);
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    via_future_unref(future);
    via_test_gate_open(&abandoned.gate);
    RUN_UNTIL(stage.loop, via_test_destroyed(&abandoned.result) == 1);
    clear_stage(&stage);
    ck_assert_int_eq(via_test_destroyed(&abandoned.argument), 1);
    ck_assert_int_eq(via_test_destroyed(&abandoned.result), 1);
    ASSERT_RECORD(&history, "abandoned");
}

TEST(an_abandonable_call_must_own_what_it_touches)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct abandoned abandoned = {.gate = VIA_TEST_GATE_INITIALIZER};
    struct via_call call = abandonable_call(&abandoned);
    call.destroy_result = NULL;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    ck_assert_int_eq(status_of(future), VIA_EINVAL);
    ck_assert_int_eq(via_test_destroyed(&abandoned.argument), 1);
    via_future_unref(future);
    call = abandonable_call(&abandoned);
    call.destroy = NULL;
    future = via_run_in_executor(stage.loop, stage.pool, &call);
    ck_assert_int_eq(status_of(future), VIA_EINVAL);
    via_future_unref(future);
    clear_stage(&stage);
}

static int sleep_for_an_hour(void *gate, void **result)
{
    (void)result;
    via_test_gate_pass(gate);
    return via_call_sleep(3600 * VIA_S);
}

TEST(cancelling_ends_the_sleep_of_a_call)
{
    struct stage stage;
    set_stage(&stage, 0);
    via_test_gate_open(&stage.gate);
    via_future *future = submit(stage.loop, stage.pool, sleep_for_an_hour, &stage.gate);
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    finish(stage.loop, future);
    ck_assert_int_eq(status_of(future), VIA_ECANCELED);
    via_future_unref(future);
    clear_stage(&stage);
}

struct reading {
    struct via_test_gate *gate;
    int fd;
};

static int read_until_interrupted(void *arg, void **result)
{
    struct reading *reading = arg;
    char byte;
    (void)result;
    via_test_gate_pass(reading->gate);
    ssize_t n = read(reading->fd, &byte, 1);
    return n < 0 ? -errno : 0;
}

TEST(cancelling_interrupts_a_system_call)
{
    struct stage stage;
    set_stage(&stage, 0);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    via_test_gate_open(&stage.gate);
    struct reading reading = {&stage.gate, fds[0]};
    struct via_call call = VIA_CALL(read_until_interrupted, &reading);
    call.flags = VIA_CALL_INTERRUPTIBLE;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    finish(stage.loop, future);
    ck_assert_int_eq(status_of(future), -EINTR);
    via_future_unref(future);
    clear_stage(&stage);
    close(fds[0]);
    close(fds[1]);
}

struct timeout {
    via_future *future;
    int did;
};

static int cancel_on_timeout(void *arg)
{
    struct timeout *timeout = arg;
    timeout->did = via_future_cancel(timeout->future);
    return 0;
}

TEST(a_timer_that_cancels_is_a_timeout)
{
    struct stage stage;
    set_stage(&stage, 1);
    struct timeout queued = {submit(stage.loop, stage.pool, never_run, NULL), 77};
    ck_assert_int_eq(via_call_later(stage.loop, VIA_MS, cancel_on_timeout, &queued, NULL), 0);
    finish(stage.loop, queued.future);
    ck_assert_int_eq(queued.did, VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(status_of(queued.future), VIA_ECANCELED);
    via_future_unref(queued.future);
    clear_stage(&stage);
}

TEST(a_timer_that_cancels_a_running_call_requests)
{
    struct stage stage;
    set_stage(&stage, 0);
    via_test_gate_open(&stage.gate);
    struct timeout running = {submit(stage.loop, stage.pool, sleep_for_an_hour, &stage.gate), 77};
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_call_later(stage.loop, VIA_MS, cancel_on_timeout, &running, NULL), 0);
    finish(stage.loop, running.future);
    ck_assert_int_eq(running.did, VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(status_of(running.future), VIA_ECANCELED);
    via_future_unref(running.future);
    clear_stage(&stage);
}

TEST(a_timeout_that_comes_too_late_changes_nothing)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct timeout quick = {submit(stage.loop, stage.pool, give_back, NULL), 77};
    via_handle *timer = NULL;
    ck_assert_int_eq(via_call_later(stage.loop, 3600 * VIA_S, cancel_on_timeout, &quick, &timer), 0);
    finish(stage.loop, quick.future);
    ck_assert_int_eq(via_handle_cancel(timer), 1);
    ck_assert_int_eq(quick.did, 77);
    via_handle_unref(timer);
    via_future_unref(quick.future);
    clear_stage(&stage);
}

TEST(a_call_dropped_after_its_cancel_destroys_once)
{
    struct stage stage;
    set_stage(&stage, 0);
    struct via_test_counted hook = {0};
    struct via_call call = VIA_CALL(via_test_gate_call, &stage.gate);
    call.cancel = via_test_counted_destroy;
    call.cancel_arg = &hook;
    via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
    via_test_gate_await(&stage.gate, 1);
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_REQUESTED);
    via_future_unref(future);
    RUN_TICKS(stage.loop, 2);
    via_test_gate_open(&stage.gate);
    RUN_UNTIL(stage.loop, stats_of(stage.loop).in_flight == 0);
    clear_stage(&stage);
    ck_assert_int_eq(via_test_destroyed(&hook), 1);
}

static int cancel_other(via_future *future, void *arg)
{
    struct timeout *other = arg;
    ck_assert_int_eq(via_future_done(future), 1);
    other->did = via_future_cancel(other->future);
    return 0;
}

TEST(the_callback_of_one_future_may_cancel_another)
{
    struct stage stage;
    set_stage(&stage, 1);
    via_future *first = via_future_new(stage.loop);
    struct timeout other = {submit(stage.loop, stage.pool, never_run, NULL), 77};
    ck_assert_int_eq(via_future_add_done_callback(first, cancel_other, &other), 0);
    when_done(other.future, "other");
    ck_assert_int_eq(via_future_set_result(first, NULL, NULL), 0);
    RUN_UNTIL(stage.loop, via_test_recorded(&history) == 1);
    ck_assert_int_eq(other.did, VIA_CANCEL_NEVER_RAN);
    via_future_unref(first);
    via_future_unref(other.future);
    clear_stage(&stage);
}

/* The loop cancels while the worker takes the call: every one is either run or cancelled, and its argument
 * destroyed once. */
TEST(cancelling_races_with_the_start)
{
    struct stage stage;
    set_stage(&stage, 0);
    for (int i = 0; i < 300; i++) {
        struct via_test_counted argument = {0};
        struct via_call call = VIA_CALL(give_back, &argument);
        call.destroy = via_test_counted_destroy;
        via_future *future = via_run_in_executor(stage.loop, stage.pool, &call);
        if (i % 3 == 0)
            via_test_yield();
        int did = via_future_cancel(future);
        ck_assert_int_ge(did, 0);
        finish(stage.loop, future);
        if (did == VIA_CANCEL_NEVER_RAN)
            ck_assert_int_eq(status_of(future), VIA_ECANCELED);
        ck_assert_int_eq(via_test_destroyed(&argument), 1);
        via_future_unref(future);
    }
    clear_stage(&stage);
}

TEST_MAIN("bridge/cancel", a_call_cancelled_before_its_start_never_runs,
          the_others_in_the_queue_keep_their_order, a_running_call_is_asked_and_done_when_it_has_returned,
          a_running_call_that_ignores_the_request_delivers_its_value,
          the_argument_of_a_cancelled_running_call_lives_until_it_returns,
          the_cancel_hook_is_not_called_before_the_start, cancelling_after_the_completion_arrived_is_too_late,
          cancelling_between_completion_and_callback_keeps_the_value,
          cancelling_during_the_callback_is_too_late,
          an_abandonable_call_is_cancelled_at_once_and_destroyed_when_it_returns,
          an_abandonable_call_must_own_what_it_touches, cancelling_ends_the_sleep_of_a_call,
          cancelling_interrupts_a_system_call, a_timer_that_cancels_is_a_timeout,
          a_timer_that_cancels_a_running_call_requests, a_timeout_that_comes_too_late_changes_nothing,
          a_call_dropped_after_its_cancel_destroys_once, the_callback_of_one_future_may_cancel_another,
          cancelling_races_with_the_start)
