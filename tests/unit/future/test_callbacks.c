/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <stdatomic.h>
#include <string.h>

#include <viaduct/cfuture.h>
#include <viaduct/error.h>
#include <viaduct/log.h>
#include <viaduct/time.h>

static struct via_test_recorder history = VIA_TEST_RECORDER_INITIALIZER;

static via_cfuture *promise(void)
{
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_cfuture_new(&cf), 0);
    return cf;
}

/* What a callback saw of its future. */
struct seen {
    int calls;
    int state;
    int status;
    void *value;
    pthread_t thread;
};

static int see(via_cfuture *cf, void *arg)
{
    struct seen *seen = arg;
    struct via_outcome outcome = {.status = 1};

    seen->calls++;
    seen->state = via_cfuture_state(cf);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    seen->status = outcome.status;
    seen->value = outcome.value;
    seen->thread = pthread_self();
    return 0;
}

static int record_word(via_cfuture *cf, void *arg)
{
    (void)cf;
    via_test_record(&history, "%s", (const char *)arg);
    return 0;
}

static int record_and_fail(via_cfuture *cf, void *arg)
{
    record_word(cf, arg);
    return VIA_EPERM;
}

static void count_log(enum via_log_level level, const char *text, void *arg)
{
    atomic_int *count = arg;

    ck_assert_int_ge(level, VIA_LOG_WARNING);
    ck_assert_ptr_null(strchr(text, '\n'));
    atomic_fetch_add(count, 1);
}

static void add(via_cfuture *cf, via_cfuture_fn fn, void *arg)
{
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, fn, arg), 0);
}

TEST(a_callback_gets_the_future_with_its_result)
{
    int value = 5;
    struct seen seen = {0};
    via_cfuture *cf = promise();

    add(cf, see, &seen);
    ck_assert_int_eq(seen.calls, 0);
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), 0);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.state, VIA_FINISHED);
    ck_assert_int_eq(seen.status, 0);
    ck_assert_ptr_eq(seen.value, &value);
    ck_assert(pthread_equal(seen.thread, pthread_self()));
    via_cfuture_unref(cf);
}

TEST(a_callback_gets_the_future_with_its_error)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    add(cf, see, &seen);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), 0);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.state, VIA_FINISHED);
    ck_assert_int_eq(seen.status, VIA_EPERM);
    via_cfuture_unref(cf);
}

TEST(a_callback_sees_its_future_cancelled)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    add(cf, see, &seen);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.state, VIA_CANCELLED);
    ck_assert_int_eq(seen.status, VIA_ECANCELED);
    via_cfuture_unref(cf);
}

TEST(asking_a_running_promise_to_stop_runs_no_callback)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    add(cf, see, &seen);
    ck_assert_int_eq(via_cfuture_set_running(cf), 1);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(seen.calls, 0);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ck_assert_int_eq(seen.calls, 1);
    via_cfuture_unref(cf);
}

TEST(a_failing_callback_is_logged_and_the_next_still_runs)
{
    atomic_int logged = 0;
    via_cfuture *cf = promise();

    via_set_log_hook(count_log, &logged);
    add(cf, record_word, "a");
    add(cf, record_and_fail, "bad");
    add(cf, record_word, "b");
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ASSERT_RECORD(&history, "a bad b");
    ck_assert_int_eq(atomic_load(&logged), 1);
    via_set_log_hook(NULL, NULL);
    via_cfuture_unref(cf);
}

TEST(added_after_success_it_runs_at_once)
{
    int value = 5;
    struct seen seen = {0};
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_result(cf, &value, NULL), 0);
    add(cf, see, &seen);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_ptr_eq(seen.value, &value);
    ck_assert(pthread_equal(seen.thread, pthread_self()));
    via_cfuture_unref(cf);
}

TEST(added_after_failure_it_runs_at_once)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), 0);
    add(cf, see, &seen);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.status, VIA_EPERM);
    via_cfuture_unref(cf);
}

TEST(added_after_cancel_it_runs_at_once)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    add(cf, see, &seen);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.state, VIA_CANCELLED);
    via_cfuture_unref(cf);
}

TEST(an_immediate_callback_that_fails_is_logged_not_returned)
{
    atomic_int logged = 0;
    via_cfuture *cf = promise();

    via_set_log_hook(count_log, &logged);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    add(cf, record_and_fail, "bad");
    ck_assert_int_eq(atomic_load(&logged), 1);
    via_set_log_hook(NULL, NULL);
    via_cfuture_unref(cf);
}

TEST(callbacks_run_in_order_of_addition)
{
    via_cfuture *cf = promise();

    add(cf, record_word, "1");
    add(cf, record_word, "2");
    add(cf, record_word, "3");
    add(cf, record_word, "4");
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ASSERT_RECORD(&history, "1 2 3 4");
    via_cfuture_unref(cf);
}

static int add_nested(via_cfuture *cf, void *arg)
{
    record_word(cf, arg);
    add(cf, record_word, "nested");
    return 0;
}

TEST(added_from_a_callback_it_runs_before_the_remaining_ones)
{
    via_cfuture *cf = promise();

    add(cf, add_nested, "1");
    add(cf, record_word, "2");
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ASSERT_RECORD(&history, "1 nested 2");
    via_cfuture_unref(cf);
}

TEST(the_same_callback_added_twice_runs_twice)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    add(cf, see, &seen);
    add(cf, see, &seen);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ck_assert_int_eq(seen.calls, 2);
    via_cfuture_unref(cf);
}

TEST(many_callbacks_all_run)
{
    struct seen seen = {0};
    via_cfuture *cf = promise();

    for (int i = 0; i < 1000; i++)
        add(cf, see, &seen);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ck_assert_int_eq(seen.calls, 1000);
    via_cfuture_unref(cf);
}

TEST(removing_counts_every_instance_with_that_argument)
{
    char one[] = "one", two[] = "two";
    via_cfuture *cf = promise();

    add(cf, record_word, one);
    add(cf, record_word, two);
    add(cf, record_word, one);
    add(cf, record_and_fail, one);
    ck_assert_int_eq(via_cfuture_remove_done_callback(cf, record_word, one), 2);
    ck_assert_int_eq(via_cfuture_remove_done_callback(cf, record_word, one), 0);
    ck_assert_int_eq(via_cfuture_remove_done_callback(cf, record_and_fail, two), 0);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ASSERT_RECORD(&history, "two one");
    ck_assert_int_eq(via_cfuture_remove_done_callback(cf, record_word, two), 0);
    via_cfuture_unref(cf);
}

TEST(the_last_callback_can_be_removed_and_others_added_after)
{
    char one[] = "one", two[] = "two", three[] = "three";
    via_cfuture *cf = promise();

    add(cf, record_word, one);
    add(cf, record_word, two);
    ck_assert_int_eq(via_cfuture_remove_done_callback(cf, record_word, two), 1);
    add(cf, record_word, three);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ASSERT_RECORD(&history, "one three");
    via_cfuture_unref(cf);
}

static char victim[] = "victim";
static int removed;

static int remove_victim(via_cfuture *cf, void *arg)
{
    record_word(cf, arg);
    removed = via_cfuture_remove_done_callback(cf, record_word, victim);
    return 0;
}

TEST(a_callback_can_remove_one_that_has_not_begun)
{
    via_cfuture *cf = promise();

    add(cf, remove_victim, "first");
    add(cf, record_word, victim);
    add(cf, record_word, "last");
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ck_assert_int_eq(removed, 1);
    ASSERT_RECORD(&history, "first last");
    via_cfuture_unref(cf);
}

static int remove_itself(via_cfuture *cf, void *arg)
{
    *(int *)arg = via_cfuture_remove_done_callback(cf, remove_itself, arg);
    return 0;
}

TEST(a_callback_that_runs_can_no_longer_be_removed)
{
    int count = 9;
    via_cfuture *cf = promise();

    add(cf, remove_itself, &count);
    ck_assert_int_eq(via_cfuture_set_result(cf, NULL, NULL), 0);
    ck_assert_int_eq(count, 0);
    via_cfuture_unref(cf);
}

struct settler {
    struct via_test_thread thread;
    via_cfuture *cf;
};

static void *settle(void *arg)
{
    struct settler *settler = arg;

    ck_assert_int_eq(via_cfuture_set_result(settler->cf, NULL, NULL), 0);
    return NULL;
}

TEST(callbacks_run_in_the_thread_that_completes)
{
    struct seen seen = {0};
    struct settler settler = {.cf = promise()};
    pthread_t thread;

    add(settler.cf, see, &seen);
    via_test_thread_start(&settler.thread, settle, &settler);
    thread = settler.thread.thread;
    via_test_thread_join(&settler.thread);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert(pthread_equal(seen.thread, thread));
    via_cfuture_unref(settler.cf);
}

static int park(via_cfuture *cf, void *gate)
{
    (void)cf;
    via_test_gate_pass(gate);
    return 0;
}

TEST(waiters_are_released_before_the_callbacks_run)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct settler settler = {.cf = promise()};

    add(settler.cf, park, &gate);
    via_test_thread_start(&settler.thread, settle, &settler);
    ck_assert_int_eq(via_cfuture_wait(settler.cf, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_cfuture_done(settler.cf), 1);
    via_test_gate_await(&gate, 1);
    via_test_gate_open(&gate);
    via_test_thread_join(&settler.thread);
    via_cfuture_unref(settler.cf);
}

static int drop(via_cfuture *cf, void *arg)
{
    (void)arg;
    via_cfuture_unref(cf);
    return 0;
}

TEST(a_callback_may_drop_the_last_reference)
{
    static struct via_test_counted value;
    via_cfuture *cf = promise();

    add(cf, drop, NULL);
    add(cf, record_word, "after");
    ck_assert_int_eq(via_cfuture_set_result(cf, &value, via_test_counted_destroy), 0);
    ASSERT_RECORD(&history, "after");
    ck_assert_int_eq(via_test_destroyed(&value), 1);
}

static int use_from_callback(via_cfuture *cf, void *arg)
{
    int *rc = arg;

    rc[0] = via_cfuture_cancel(cf);
    rc[1] = via_cfuture_set_result(cf, NULL, NULL);
    rc[2] = via_cfuture_wait(cf, VIA_FOREVER);
    return 0;
}

TEST(a_callback_finds_its_future_done_in_every_way)
{
    int rc[3] = {99, 99, 99};
    via_cfuture *cf = promise();

    add(cf, use_from_callback, rc);
    ck_assert_int_eq(via_cfuture_set_error(cf, VIA_EPERM, 0, NULL), 0);
    ck_assert_int_eq(rc[0], VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(rc[1], VIA_ESTATE);
    ck_assert_int_eq(rc[2], 0);
    via_cfuture_unref(cf);
}

TEST(bad_arguments_are_refused)
{
    via_cfuture *cf = promise();

    ck_assert_int_eq(via_cfuture_add_done_callback(cf, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_add_done_callback(NULL, record_word, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_remove_done_callback(cf, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_cfuture_remove_done_callback(NULL, record_word, NULL), VIA_EINVAL);
    via_cfuture_unref(cf);
}

TEST(callbacks_of_a_dropped_pending_future_never_run)
{
    via_cfuture *cf = promise();

    add(cf, record_word, "never");
    add(cf, record_word, "never");
    via_cfuture_unref(cf);
    ASSERT_RECORD(&history, "");
}

static int count_call(via_cfuture *cf, void *arg)
{
    (void)cf;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

TEST(a_callback_added_while_the_future_completes_runs_once)
{
    for (int round = 0; round < 100; round++) {
        atomic_int calls = 0;
        struct settler settler = {.cf = promise()};

        via_test_thread_start(&settler.thread, settle, &settler);
        for (int i = 0; i < 5; i++)
            add(settler.cf, count_call, &calls);
        via_test_thread_join(&settler.thread);
        ck_assert_int_eq(atomic_load(&calls), 5);
        via_cfuture_unref(settler.cf);
    }
}

TEST(removed_or_run_but_never_both)
{
    for (int round = 0; round < 100; round++) {
        atomic_int calls = 0;
        int taken_back;
        struct settler settler = {.cf = promise()};

        add(settler.cf, count_call, &calls);
        via_test_thread_start(&settler.thread, settle, &settler);
        taken_back = via_cfuture_remove_done_callback(settler.cf, count_call, &calls);
        via_test_thread_join(&settler.thread);
        ck_assert_int_eq(atomic_load(&calls) + taken_back, 1);
        via_cfuture_unref(settler.cf);
    }
}

TEST_MAIN("future/callbacks", a_callback_gets_the_future_with_its_result,
          a_callback_gets_the_future_with_its_error, a_callback_sees_its_future_cancelled,
          asking_a_running_promise_to_stop_runs_no_callback,
          a_failing_callback_is_logged_and_the_next_still_runs, added_after_success_it_runs_at_once,
          added_after_failure_it_runs_at_once, added_after_cancel_it_runs_at_once,
          an_immediate_callback_that_fails_is_logged_not_returned, callbacks_run_in_order_of_addition,
          added_from_a_callback_it_runs_before_the_remaining_ones, the_same_callback_added_twice_runs_twice,
          many_callbacks_all_run, removing_counts_every_instance_with_that_argument,
          the_last_callback_can_be_removed_and_others_added_after,
          a_callback_can_remove_one_that_has_not_begun, a_callback_that_runs_can_no_longer_be_removed,
          callbacks_run_in_the_thread_that_completes, waiters_are_released_before_the_callbacks_run,
          a_callback_may_drop_the_last_reference, a_callback_finds_its_future_done_in_every_way,
          bad_arguments_are_refused, callbacks_of_a_dropped_pending_future_never_run,
          a_callback_added_while_the_future_completes_runs_once, removed_or_run_but_never_both)
