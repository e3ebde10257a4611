/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned executors: one thread, always the same. */
#include "unit/executor/fixture.h"

#include <string.h>

static via_executor *pinned_with(const struct via_thread_pool_options *options)
{
    via_executor *pinned = NULL;

    ck_assert_int_eq(via_pinned_new(options, &pinned), 0);
    return pinned;
}

static int where(void *arg, void **result)
{
    (void)result;
    *(pthread_t *)arg = pthread_self();
    return 0;
}

TEST(every_call_runs_in_the_same_thread)
{
    pthread_t first, thread;
    via_executor *pinned = pinned_with(NULL);

    finish(submit(pinned, where, &first));
    ck_assert(!pthread_equal(first, pthread_self()));
    for (int i = 0; i < 20; i++) {
        finish(submit(pinned, where, &thread));
        ck_assert(pthread_equal(thread, first));
    }
    close_executor(pinned);
}

static int count_in_thread(void *arg, void **result)
{
    static _Thread_local int count;

    (void)result;
    *(int *)arg = ++count;
    return 0;
}

TEST(thread_local_state_is_kept)
{
    int count = 0;
    via_executor *pinned = pinned_with(NULL);

    for (int i = 1; i <= 5; i++) {
        finish(submit(pinned, count_in_thread, &count));
        ck_assert_int_eq(count, i);
    }
    close_executor(pinned);
}

TEST(the_thread_is_there_from_the_start_and_only_once)
{
    int before = via_test_threads();
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pinned = pinned_with(NULL);
    via_cfuture *cf[5];

    ck_assert_uint_eq(stats_of(pinned).workers, 1);
    ck_assert_uint_eq(stats_of(pinned).workers_max, 1);
    ck_assert_int_eq(via_test_threads(), before + 1);
    for (int i = 0; i < 5; i++)
        cf[i] = submit(pinned, via_test_gate_call, &gate);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_test_threads(), before + 1);
    via_test_gate_open(&gate);
    for (int i = 0; i < 5; i++)
        finish(cf[i]);
    close_executor(pinned);
}

TEST(numbers_of_workers_and_idle_time_are_not_looked_at)
{
    struct via_thread_pool_options options;
    pthread_t first, thread;
    via_executor *pinned;

    via_thread_pool_options_init(&options);
    options.max_workers = 7;
    options.min_workers = 3;
    options.idle_timeout_ns = 1;
    pinned = pinned_with(&options);
    finish(submit(pinned, where, &first));
    AWAIT(stats_of(pinned).workers_idle == 1);
    finish(submit(pinned, where, &thread));
    ck_assert(pthread_equal(thread, first));
    ck_assert_uint_eq(stats_of(pinned).workers_peak, 1);
    close_executor(pinned);
}

static int note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 0;
}

static void forget_thread(void *arg)
{
    ck_assert(pthread_equal(*(pthread_t *)arg, pthread_self()));
    memset(arg, 0, sizeof(pthread_t));
}

TEST(the_initializer_has_returned_when_the_executor_is_there)
{
    struct via_thread_pool_options options;
    pthread_t initialized, none, thread;
    via_executor *pinned;

    memset(&initialized, 0, sizeof(initialized));
    memset(&none, 0, sizeof(none));
    via_thread_pool_options_init(&options);
    options.initializer = note_thread;
    options.finalizer = forget_thread;
    options.hook_arg = &initialized;
    pinned = pinned_with(&options);
    ck_assert(!pthread_equal(initialized, none));
    finish(submit(pinned, where, &thread));
    ck_assert(pthread_equal(thread, initialized));
    close_executor(pinned);
    ck_assert(pthread_equal(initialized, none));
}

static int refuse(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return VIA_EPERM;
}

TEST(a_failing_initializer_is_told_to_the_maker)
{
    struct via_thread_pool_options options;
    int before = via_test_threads();
    atomic_int calls = 0;
    via_executor *untouched = NULL;

    via_thread_pool_options_init(&options);
    options.initializer = refuse;
    options.hook_arg = &calls;
    ck_assert_int_eq(via_pinned_new(&options, &untouched), VIA_EBROKEN);
    ck_assert_ptr_null(untouched);
    ck_assert_int_eq(atomic_load(&calls), 1);
    via_test_await_threads(before);
}

TEST(bad_options_are_refused)
{
    struct via_thread_pool_options options;
    via_executor *untouched = NULL;

    ck_assert_int_eq(via_pinned_new(NULL, NULL), VIA_EINVAL);
    via_thread_pool_options_init(&options);
    options.when_full = 99;
    ck_assert_int_eq(via_pinned_new(&options, &untouched), VIA_EINVAL);
    via_thread_pool_options_init(&options);
    options.linger_ns = -1;
    ck_assert_int_eq(via_pinned_new(&options, &untouched), VIA_EINVAL);
    ck_assert_ptr_null(untouched);
}

static int thread_name(void *arg, void **result)
{
    (void)result;
    return pthread_getname_np(pthread_self(), arg, 16) ? VIA_EPERM : 0;
}

TEST(the_thread_has_the_wanted_name)
{
    struct via_thread_pool_options options;
    char name[16];
    via_executor *pinned;

    via_thread_pool_options_init(&options);
    options.name = "sdk";
    pinned = pinned_with(&options);
    finish(submit(pinned, thread_name, name));
    ck_assert_int_eq(strncmp(name, "sdk", 3), 0);
    close_executor(pinned);
}

TEST(queued_calls_can_be_cancelled_and_the_rest_runs)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pinned = pinned_with(NULL);
    via_cfuture *running = occupy(pinned, &gate);
    via_cfuture *cancelled = submit(pinned, echo, NULL), *queued = submit(pinned, echo, NULL);

    ck_assert_int_eq(via_cfuture_cancel(cancelled), VIA_CANCEL_NEVER_RAN);
    via_test_gate_open(&gate);
    finish(running);
    finish(queued);
    finish_with(cancelled, VIA_ECANCELED);
    close_executor(pinned);
}

static int wait_for_own(void *arg, void **result)
{
    via_cfuture *cf = submit(arg, echo, arg);
    int rc = via_cfuture_result(cf, VIA_FOREVER, result);

    via_cfuture_unref(cf);
    return rc;
}

TEST(its_thread_helps_a_call_that_it_waits_for)
{
    via_executor *pinned = pinned_with(NULL);

    ck_assert_ptr_eq(finish(submit(pinned, wait_for_own, pinned)), pinned);
    ck_assert_uint_eq(stats_of(pinned).helped, 1);
    close_executor(pinned);
}

static int end_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

TEST(a_function_that_ends_the_thread_fails_and_nothing_hangs)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pinned = pinned_with(NULL);
    via_cfuture *next = NULL;

    finish_with(submit(pinned, end_thread, NULL), VIA_EEXITED);
    call.destroy = via_test_counted_destroy;
    if (via_executor_submit(pinned, &call, &next) == 0) {
        ck_assert_int_eq(via_cfuture_wait(next, via_test_bound_ns()), 0);
        via_cfuture_unref(next);
    }
    close_executor(pinned);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

static int end_thread_at_once(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

TEST(an_initializer_that_ends_its_thread_is_one_that_failed)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL, *pinned = NULL;

    via_thread_pool_options_init(&options);
    options.initializer = end_thread_at_once;
    ck_assert_int_eq(via_pinned_new(&options, &pinned), VIA_EBROKEN);
    ck_assert_ptr_null(pinned);
    options.max_workers = 1;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    finish_with(submit(pool, echo, NULL), VIA_EBROKEN);
    submit_refused(pool, VIA_CALL(echo, NULL), VIA_EBROKEN);
    close_executor(pool);
}

static void end_thread_at_last(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    pthread_exit(NULL);
}

TEST(a_finalizer_that_ends_the_thread_holds_nobody_up)
{
    struct via_thread_pool_options options;
    atomic_int finalized = 0;
    via_executor *pinned = NULL;

    via_thread_pool_options_init(&options);
    options.finalizer = end_thread_at_last;
    options.hook_arg = &finalized;
    ck_assert_int_eq(via_pinned_new(&options, &pinned), 0);
    ck_assert_ptr_eq(finish(submit(pinned, echo, pinned)), pinned);
    close_executor(pinned);
    ck_assert_int_eq(atomic_load(&finalized), 1);
}

TEST(dropping_the_last_reference_ends_the_thread)
{
    int before = via_test_threads();
    via_executor *pinned = pinned_with(NULL);
    via_cfuture *cf = submit(pinned, echo, &before);

    via_executor_unref(pinned);
    ck_assert_ptr_eq(finish(cf), &before);
    via_test_await_threads(before);
}

TEST_MAIN("executor/pinned", every_call_runs_in_the_same_thread, thread_local_state_is_kept,
          the_thread_is_there_from_the_start_and_only_once,
          numbers_of_workers_and_idle_time_are_not_looked_at,
          the_initializer_has_returned_when_the_executor_is_there, a_failing_initializer_is_told_to_the_maker,
          bad_options_are_refused, the_thread_has_the_wanted_name,
          queued_calls_can_be_cancelled_and_the_rest_runs, its_thread_helps_a_call_that_it_waits_for,
          a_function_that_ends_the_thread_fails_and_nothing_hangs,
          an_initializer_that_ends_its_thread_is_one_that_failed,
          a_finalizer_that_ends_the_thread_holds_nobody_up, dropping_the_last_reference_ends_the_thread)
