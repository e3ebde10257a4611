/* SPDX-License-Identifier: BSD-3-Clause */
/* Cancelling a call in each of its states. */
#include "unit/executor/fixture.h"

static int poll_until_cancelled(void *arg, void **result)
{
    via_test_gate_pass(arg);
    AWAIT(via_call_cancelled());
    *result = arg;
    return 0;
}

TEST(cancel_before_start_never_runs_fn)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(count_up, &payload);
    via_executor *pool = pool_of(1);
    via_cfuture *first = occupy(pool, &gate), *cf;

    call.destroy = via_test_counted_destroy;
    cf = submit_call(pool, &call);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert(pthread_equal(payload.destroyed_in, pthread_self()));
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via_test_gate_open(&gate);
    finish(first);
    finish_with(cf, VIA_ECANCELED);
    ck_assert_uint_eq(stats_of(pool).cancelled, 1);
    ck_assert_uint_eq(stats_of(pool).queued, 0);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_running_function_sees_the_request_and_ends_as_it_likes)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, poll_until_cancelled, &gate);

    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_RUNNING);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    via_test_gate_open(&gate);
    ck_assert_int_eq(status_of(cf), 0);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_FINISHED);
    ck_assert_ptr_eq(finish(cf), &gate);
    close_executor(pool);
}

static int stop_when_asked(void *arg, void **result)
{
    (void)result;
    via_test_gate_pass(arg);
    return via_call_sleep(100 * VIA_S);
}

TEST(a_function_may_answer_a_request_with_canceled)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, stop_when_asked, &gate);

    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish_with(cf, VIA_ECANCELED);
    close_executor(pool);
}

TEST(done_means_returned)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = occupy(pool, &gate);

    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_done(cf), 0);
    ck_assert_int_eq(via_cfuture_wait(cf, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_RUNNING, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_cfuture_done(cf), 0);
    via_test_gate_open(&gate);
    finish(cf);
    close_executor(pool);
}

TEST(cancel_after_the_end_is_too_late)
{
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, echo, pool);

    ck_assert_int_eq(status_of(cf), 0);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_TOO_LATE);
    ck_assert_ptr_eq(finish(cf), pool);
    close_executor(pool);
}

/* An abandonable call's argument: it owns a gate, and becomes the result. */
struct abandoned {
    struct via_test_counted argument;
    struct via_test_counted result;
    struct via_test_gate gate;
    int saw_cancel;
};

static int run_abandoned(void *arg, void **result)
{
    struct abandoned *abandoned = arg;

    via_test_gate_pass(&abandoned->gate);
    abandoned->saw_cancel = via_call_cancelled();
    *result = &abandoned->result;
    return 0;
}

static struct via_call abandonable(struct abandoned *abandoned)
{
    struct via_call call = VIA_CALL(run_abandoned, abandoned);

    *abandoned = (struct abandoned){.gate = VIA_TEST_GATE_INITIALIZER};
    call.flags = VIA_CALL_ABANDONABLE;
    call.destroy = via_test_counted_destroy;
    call.destroy_result = via_test_counted_destroy;
    return call;
}

TEST(an_abandoned_call_is_done_at_once_and_cleans_up_when_it_returns)
{
    struct abandoned abandoned;
    struct via_call call = abandonable(&abandoned);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit_call(pool, &call);

    via_test_gate_await(&abandoned.gate, 1);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_ABANDONED);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_CANCELLED);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_ABANDONED);
    finish_with(cf, VIA_ECANCELED);
    ck_assert_int_eq(via_test_destroyed(&abandoned.argument), 0);
    ck_assert_uint_eq(stats_of(pool).running, 1);
    via_test_gate_open(&abandoned.gate);
    AWAIT(via_test_destroyed(&abandoned.argument) == 1 && via_test_destroyed(&abandoned.result) == 1);
    close_executor(pool);
    ck_assert_int_eq(abandoned.saw_cancel, 1);
    ck_assert_int_eq(via_test_destroyed(&abandoned.argument), 1);
    ck_assert_int_eq(via_test_destroyed(&abandoned.result), 1);
}

TEST(an_abandonable_call_left_alone_gives_its_result)
{
    struct abandoned abandoned;
    struct via_call call = abandonable(&abandoned);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit_call(pool, &call);

    via_test_gate_open(&abandoned.gate);
    ck_assert_int_eq(status_of(cf), 0);
    ck_assert_int_eq(via_test_destroyed(&abandoned.result), 0);
    ck_assert_ptr_eq(finish(cf), &abandoned.result);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&abandoned.result), 1);
    ck_assert_int_eq(abandoned.saw_cancel, 0);
    ck_assert_int_eq(via_test_destroyed(&abandoned.argument), 1);
}

TEST(an_abandoned_function_keeps_its_slot_until_it_returns)
{
    struct abandoned abandoned;
    struct via_call call = abandonable(&abandoned);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit_call(pool, &call), *next;

    via_test_gate_await(&abandoned.gate, 1);
    next = submit(pool, echo, NULL);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_ABANDONED);
    ck_assert_int_eq(via_cfuture_wait(next, VIA_MS), VIA_ETIMEDOUT);
    via_test_gate_open(&abandoned.gate);
    finish(next);
    via_cfuture_unref(cf);
    close_executor(pool);
}

static int bytes_at_gate(via_bytes_call *call, const void *in, size_t in_bytes)
{
    struct via_test_gate *gate;

    ck_assert_uint_eq(in_bytes, sizeof(gate));
    gate = *(struct via_test_gate *const *)in;
    via_test_gate_pass(gate);
    return via_bytes_out(call, 100) ? 0 : VIA_ENOMEM;
}

TEST(a_bytes_call_may_always_be_abandonable)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER, *at = &gate;
    struct via_call call = VIA_CALL_BYTES(bytes_at_gate, &at, sizeof(at));
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    call.flags = VIA_CALL_ABANDONABLE;
    cf = submit_call(pool, &call);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_ABANDONED);
    finish_with(cf, VIA_ECANCELED);
    via_test_gate_open(&gate);
    close_executor(pool);
}

/* What a cancel hook saw. */
struct hook {
    struct via_test_gate running; /* where the function waits */
    struct via_test_gate inside;  /* where the hook waits */
    atomic_int calls;
    pthread_t thread;
};

#define HOOK_INITIALIZER                                                                                     \
    {                                                                                                        \
        VIA_TEST_GATE_INITIALIZER, VIA_TEST_GATE_INITIALIZER, 0, 0                                           \
    }

static void call_hook(void *arg)
{
    struct hook *hook = arg;

    hook->thread = pthread_self();
    atomic_fetch_add(&hook->calls, 1);
    via_test_gate_pass(&hook->inside);
}

static struct via_call hooked(struct hook *hook)
{
    struct via_call call = VIA_CALL(via_test_gate_call, &hook->running);

    call.cancel = call_hook;
    call.cancel_arg = hook;
    return call;
}

TEST(the_cancel_hook_runs_once_in_the_cancelling_thread)
{
    struct hook hook = HOOK_INITIALIZER;
    struct via_call call = hooked(&hook);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit_call(pool, &call);

    via_test_gate_open(&hook.inside);
    via_test_gate_await(&hook.running, 1);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(atomic_load(&hook.calls), 1);
    ck_assert(pthread_equal(hook.thread, pthread_self()));
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(atomic_load(&hook.calls), 1);
    via_test_gate_open(&hook.running);
    finish(cf);
    close_executor(pool);
}

TEST(the_cancel_hook_is_not_called_for_a_queued_call)
{
    struct hook hook = HOOK_INITIALIZER;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = hooked(&hook);
    via_executor *pool = pool_of(1);
    via_cfuture *first = occupy(pool, &gate), *cf = submit_call(pool, &call);

    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(atomic_load(&hook.calls), 0);
    via_test_gate_open(&gate);
    finish(first);
    via_cfuture_unref(cf);
    close_executor(pool);
}

TEST(the_cancel_hook_is_not_called_after_the_end)
{
    struct hook hook = HOOK_INITIALIZER;
    struct via_call call = hooked(&hook);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit_call(pool, &call);

    via_test_gate_open(&hook.running);
    ck_assert_int_eq(status_of(cf), 0);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(atomic_load(&hook.calls), 0);
    finish(cf);
    close_executor(pool);
}

static void *cancel_in_thread(void *arg)
{
    ck_assert_int_eq(via_cfuture_cancel(arg), VIA_CANCEL_REQUESTED);
    return NULL;
}

TEST(a_call_is_not_done_while_its_cancel_hook_runs)
{
    struct hook hook = HOOK_INITIALIZER;
    struct via_call call = hooked(&hook);
    struct via_test_thread thread;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit_call(pool, &call);

    via_test_gate_await(&hook.running, 1);
    via_test_thread_start(&thread, cancel_in_thread, cf);
    via_test_gate_await(&hook.inside, 1);
    via_test_gate_open(&hook.running);
    ck_assert_int_eq(via_cfuture_wait(cf, 2 * VIA_MS), VIA_ETIMEDOUT);
    via_test_gate_open(&hook.inside);
    ck_assert_int_eq(status_of(cf), 0);
    via_test_thread_join(&thread);
    via_cfuture_unref(cf);
    close_executor(pool);
}

/* The argument of a short call whose hook looks at it. */
struct raced {
    struct via_test_counted argument;
    atomic_int hooks;
    atomic_int bad;
};

static void look_at_argument(void *arg)
{
    struct raced *raced = arg;

    atomic_fetch_add(&raced->hooks, 1);
    if (via_test_destroyed(&raced->argument))
        atomic_fetch_add(&raced->bad, 1);
}

static int return_at_once(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

TEST(the_cancel_hook_never_meets_a_destroyed_argument)
{
    via_executor *pool = pool_of(1);

    for (int round = 0; round < 300; round++) {
        struct raced raced = {0};
        struct via_call call = VIA_CALL(return_at_once, &raced);
        via_cfuture *cf;
        int did;

        call.destroy = via_test_counted_destroy;
        call.cancel = look_at_argument;
        call.cancel_arg = &raced;
        cf = submit_call(pool, &call);
        for (int spin = 0; spin < round % 50 && !via_cfuture_done(cf); spin++)
            via_test_yield();
        did = via_cfuture_cancel(cf);
        ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
        AWAIT(via_test_destroyed(&raced.argument) == 1);
        ck_assert_int_le(atomic_load(&raced.hooks), did == VIA_CANCEL_REQUESTED);
        ck_assert_int_eq(atomic_load(&raced.bad), 0);
        ck_assert_int_eq(via_cfuture_state(cf), did == VIA_CANCEL_NEVER_RAN ? VIA_CANCELLED : VIA_FINISHED);
        via_cfuture_unref(cf);
    }
    close_executor(pool);
}

struct ran {
    struct via_test_counted argument;
    atomic_int calls;
};

static int count_run(void *arg, void **result)
{
    (void)result;
    atomic_fetch_add(&((struct ran *)arg)->calls, 1);
    return 0;
}

TEST(cancelling_at_the_moment_of_the_start_has_one_winner)
{
    via_executor *pool = pool_of(2);

    for (int round = 0; round < 300; round++) {
        struct ran ran = {0};
        struct via_call call = VIA_CALL(count_run, &ran);
        via_cfuture *cf;
        int did;

        call.destroy = via_test_counted_destroy;
        cf = submit_call(pool, &call);
        did = via_cfuture_cancel(cf);
        ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
        AWAIT(via_test_destroyed(&ran.argument) == 1);
        ck_assert_int_eq(atomic_load(&ran.calls), did != VIA_CANCEL_NEVER_RAN);
        via_cfuture_unref(cf);
    }
    close_executor(pool);
}

TEST(outside_a_call_nothing_is_cancelled)
{
    ck_assert_int_eq(via_call_cancelled(), 0);
    ck_assert_int_eq(via_call_sleep(0), 0);
    ck_assert_int_eq(via_call_sleep(-5), 0);
    ck_assert_int_eq(via_call_sleep(INT64_MIN), 0);
    ck_assert_int_eq(via_call_sleep(VIA_MS), 0);
}

static int sleep_three_times(void *arg, void **result)
{
    int64_t start_ns = via_now_ns();

    (void)arg;
    (void)result;
    if (via_call_sleep(0) != 0 || via_call_sleep(-1) != 0 || via_call_sleep(2 * VIA_MS) != 0)
        return VIA_EPERM;
    return via_now_ns() - start_ns >= 2 * VIA_MS ? 0 : VIA_ETIMEDOUT;
}

TEST(a_sleep_that_nobody_ends_takes_the_whole_time)
{
    via_executor *pool = pool_of(1);

    finish(submit(pool, sleep_three_times, NULL));
    close_executor(pool);
}

static int sleep_after_cancel(void *arg, void **result)
{
    (void)result;
    via_test_gate_pass(arg);
    AWAIT(via_call_cancelled());
    if (via_call_sleep(100 * VIA_S) != VIA_ECANCELED)
        return VIA_EPERM;
    return via_call_sleep(VIA_FOREVER) == VIA_ECANCELED ? 0 : VIA_EPERM;
}

TEST(a_sleep_after_the_cancel_does_not_begin)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, sleep_after_cancel, &gate);

    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish(cf);
    close_executor(pool);
}

static int report_cancelled(void *arg, void **result)
{
    (void)result;
    *(int *)arg = via_call_cancelled();
    return 0;
}

TEST(a_cancel_does_not_outlive_its_call)
{
    int cancelled = 9;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, poll_until_cancelled, &gate);

    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish(cf);
    finish(submit(pool, report_cancelled, &cancelled));
    ck_assert_int_eq(cancelled, 0);
    close_executor(pool);
}

TEST(a_forced_shutdown_asks_running_calls_to_stop)
{
    struct hook hook = HOOK_INITIALIZER;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = hooked(&hook);
    via_executor *pool = pool_of(2);
    via_cfuture *polls = submit(pool, poll_until_cancelled, &gate), *waits = submit_call(pool, &call);

    via_test_gate_await(&gate, 1);
    via_test_gate_await(&hook.running, 1);
    via_test_gate_open(&gate);
    via_test_gate_open(&hook.inside);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_RUNNING, VIA_MS), VIA_ETIMEDOUT);
    finish(polls);
    ck_assert_int_eq(atomic_load(&hook.calls), 1);
    via_test_gate_open(&hook.running);
    finish(waits);
    close_executor(pool);
}

/* Calls that run inside each other on one worker: each waits for the next, and the last at a gate. */
struct inside {
    struct inside *next;
    via_executor *executor; /* where the next one runs */
    struct via_test_gate *gate;
    int cancelled;
};

static int run_inside(void *arg, void **result)
{
    struct inside *inside = arg;

    (void)result;
    if (inside->next)
        finish(submit(inside->executor, run_inside, inside->next));
    else
        via_test_gate_pass(inside->gate);
    inside->cancelled = via_call_cancelled();
    return 0;
}

static void shut_down_by_force(via_executor *pool, struct inside *inside, int count)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_cfuture *cf;

    inside[count - 1].gate = &gate;
    cf = submit(pool, run_inside, inside);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_RUNNING, 0), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    finish(cf);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(inside[i].cancelled, 1);
}

TEST(a_shutdown_by_force_asks_the_calls_that_a_worker_helps_with_too)
{
    via_executor *pool = pool_of(1);
    struct inside inside[4] = {{&inside[1], pool, NULL, 0},
                               {&inside[2], pool, NULL, 0},
                               {&inside[3], pool, NULL, 0},
                               {NULL, NULL, NULL, 0}};

    shut_down_by_force(pool, inside, 4);
    close_executor(pool);
}

TEST(a_shutdown_by_force_asks_what_runs_on_its_workers_for_others)
{
    via_executor *pool = pool_of(1), *strand = NULL, *here = NULL;
    struct inside inside[3] = {
        {&inside[1], NULL, NULL, 0}, {&inside[2], NULL, NULL, 0}, {NULL, NULL, NULL, 0}};

    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    ck_assert_int_eq(via_inline_new(&here), 0);
    inside[0].executor = strand;
    inside[1].executor = here;
    shut_down_by_force(pool, inside, 3);
    close_executor(here);
    close_executor(strand);
    close_executor(pool);
}

TEST_MAIN("executor/cancel", cancel_before_start_never_runs_fn,
          a_running_function_sees_the_request_and_ends_as_it_likes,
          a_function_may_answer_a_request_with_canceled, done_means_returned,
          cancel_after_the_end_is_too_late, an_abandoned_call_is_done_at_once_and_cleans_up_when_it_returns,
          an_abandonable_call_left_alone_gives_its_result,
          an_abandoned_function_keeps_its_slot_until_it_returns, a_bytes_call_may_always_be_abandonable,
          the_cancel_hook_runs_once_in_the_cancelling_thread, the_cancel_hook_is_not_called_for_a_queued_call,
          the_cancel_hook_is_not_called_after_the_end, a_call_is_not_done_while_its_cancel_hook_runs,
          the_cancel_hook_never_meets_a_destroyed_argument,
          cancelling_at_the_moment_of_the_start_has_one_winner, outside_a_call_nothing_is_cancelled,
          a_sleep_that_nobody_ends_takes_the_whole_time, a_sleep_after_the_cancel_does_not_begin,
          a_cancel_does_not_outlive_its_call, a_forced_shutdown_asks_running_calls_to_stop,
          a_shutdown_by_force_asks_the_calls_that_a_worker_helps_with_too,
          a_shutdown_by_force_asks_what_runs_on_its_workers_for_others)
