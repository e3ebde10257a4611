/* SPDX-License-Identifier: BSD-3-Clause */
/* Debug mode: wrong threads are refused, slow callbacks reported. */
#include <signal.h>
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

#include <viaduct/log.h>

struct report {
    int count;
    int64_t took_ns;
    void *function;
};

static int note_report(const struct via_exception *exception, void *arg)
{
    struct report *report = arg;
    report->count++;
    report->took_ns = exception->took_ns;
    report->function = exception->function;
    return 0;
}

/* Keeps the processor busy for a moment, so that the callback counts as slow. */
static int take_a_millisecond(void *arg)
{
    (void)arg;
    int64_t until_ns = via_test_now_ns() + VIA_MS;
    while (via_test_now_ns() < until_ns)
        ;
    return 0;
}

static via_loop *open_debug_loop(struct report *report, int64_t slow_ns)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, slow_ns), 0);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, note_report, report), 0);
    return loop;
}

TEST(a_slow_callback_is_reported)
{
    struct report report = {0};
    via_loop *loop = open_debug_loop(&report, VIA_MS / 2);
    ck_assert_int_eq(via_call_soon(loop, take_a_millisecond, NULL, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(report.count, 1);
    ck_assert_int_ge(report.took_ns, VIA_MS);
    ck_assert_ptr_eq(report.function, (void *)(uintptr_t)take_a_millisecond);
    ck_assert_int_ge(stats_of(loop).longest_callback_ns, VIA_MS);
    close_loop(loop);
}

TEST(slow_timers_and_readers_are_reported)
{
    struct report report = {0};
    via_loop *loop = open_debug_loop(&report, VIA_MS / 2);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(via_call_later(loop, -1, take_a_millisecond, NULL, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(report.count, 1);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], take_a_millisecond, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(report.count, 2);
    close_loop(loop);
    close(fds[0]);
    close(fds[1]);
}

TEST(a_quick_callback_is_not_reported)
{
    struct report report = {0};
    int runs = 0;
    via_loop *loop = open_debug_loop(&report, 15 * VIA_S);
    ck_assert_int_eq(via_call_soon(loop, take_a_millisecond, NULL, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(report.count, 0);
    close_loop(loop);
}

TEST(nothing_is_slow_outside_debug_mode)
{
    struct report report = {0};
    via_loop *loop = open_debug_loop(&report, 1);
    ck_assert_int_eq(via_loop_set_debug(loop, 0), 0);
    ck_assert_int_eq(via_call_soon(loop, take_a_millisecond, NULL, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(report.count, 0);
    close_loop(loop);
}

TEST(a_threshold_must_not_be_negative)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, -1), VIA_EINVAL);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, INT64_MIN), VIA_EINVAL);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(NULL, 1), VIA_EINVAL);
    ck_assert_int_eq(via_loop_set_debug(NULL, 1), VIA_EINVAL);
    close_loop(loop);
}

/* Tries everything that only the loop's own thread may do. */
static void *use_foreign_loop(void *arg)
{
    via_loop *loop = arg;
    via_handle *handle = (via_handle *)&history;
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, &handle), VIA_EFOREIGN);
    ck_assert_int_eq(via_call_later(loop, 0, never_called, NULL, &handle), VIA_EFOREIGN);
    ck_assert_int_eq(via_call_at(loop, 0, never_called, NULL, &handle), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_stop(loop), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_add_reader(loop, 0, never_called, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_add_writer(loop, 0, never_called, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_remove_reader(loop, 0), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_remove_writer(loop, 0), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_remove_signal_handler(loop, SIGUSR1), VIA_EFOREIGN);
    ck_assert_ptr_eq(handle, (via_handle *)&history);
    struct via_loop_stats stats;
    struct via_exception exception = {.message = "nothing"};
    ck_assert_int_eq(via_loop_stats(loop, &stats), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, NULL, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_call_exception_handler(loop, &exception), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_set_slow_callback_ns(loop, 1), VIA_EFOREIGN);
    ck_assert_int_eq(via_loop_set_debug(loop, 0), VIA_EFOREIGN);
    ck_assert_int_eq((int)via_loop_time_ns(loop), VIA_EFOREIGN);
    ck_assert_ptr_null(via_loop_base(loop));
    ck_assert_int_eq(via_call_soon_threadsafe(loop, say, "posted", NULL), 0);
    return NULL;
}

TEST(debug_mode_refuses_a_foreign_thread)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    via_test_thread_start(&thread, use_foreign_loop, loop);
    via_test_thread_join(&thread);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "posted");
    close_loop(loop);
}

static void hear(enum via_log_level level, const char *text, void *arg)
{
    (void)arg;
    ck_assert_int_eq(level, VIA_LOG_ERROR);
    via_test_record(&history, "%s", text);
}

/* A timer's handle, with a reference to give back. */
static void *use_foreign_handle(void *handle)
{
    int64_t when_ns;
    ck_assert_int_eq(via_handle_cancelled(handle), VIA_EFOREIGN);
    ck_assert_int_eq(via_handle_when(handle, &when_ns), VIA_EFOREIGN);
    return via_handle_unref(handle);
}

TEST(debug_mode_refuses_or_reports_the_foreign_use_of_a_handle)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_call_later(loop, VIA_S, never_called, NULL, &handle), 0);
    via_set_log_hook(hear, NULL);
    via_test_thread_start(&thread, use_foreign_handle, handle);
    via_test_thread_join(&thread);
    via_set_log_hook(NULL, NULL);
    ASSERT_RECORD(&history, "via_handle_unref() was called outside of the loop's thread");
    close_loop(loop);
}

static void *cancel_foreign_handle(void *handle)
{
    ck_assert_int_eq(via_handle_cancel(handle), VIA_EFOREIGN);
    return NULL;
}

TEST(debug_mode_refuses_to_cancel_from_a_foreign_thread)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_handle *handle = NULL;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_call_soon(loop, say, "not-cancelled", &handle), 0);
    via_test_thread_start(&thread, cancel_foreign_handle, handle);
    via_test_thread_join(&thread);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "not-cancelled");
    via_handle_unref(handle);
    close_loop(loop);
}

static void *schedule_from_foreign_thread(void *loop)
{
    soon(loop, "unchecked");
    return NULL;
}

TEST(outside_debug_mode_the_thread_is_not_checked)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    via_test_thread_start(&thread, schedule_from_foreign_thread, loop);
    via_test_thread_join(&thread);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "unchecked");
    close_loop(loop);
}

static int schedule_in_running_thread(void *loop)
{
    ck_assert_int_eq(via_call_soon(loop, stop_loop, loop, NULL), 0);
    return 0;
}

static void *run_in_this_thread(void *loop)
{
    return (void *)(intptr_t)via_loop_run_forever(loop);
}

TEST(the_thread_that_runs_a_loop_owns_it)
{
    via_loop *loop = open_loop();
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_set_debug(loop, 1), 0);
    ck_assert_int_eq(via_call_soon(loop, schedule_in_running_thread, loop, NULL), 0);
    via_test_thread_start(&thread, run_in_this_thread, loop);
    ck_assert_ptr_null(via_test_thread_join(&thread));
    soon(loop, "mine-again");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "mine-again");
    close_loop(loop);
}

TEST(the_environment_turns_debug_mode_on)
{
    ck_assert_int_eq(setenv("VIADUCT_DEBUG", "1", 1), 0);
    via_loop *loop = open_loop();
    ck_assert_int_eq(unsetenv("VIADUCT_DEBUG"), 0);
    struct via_test_thread thread;
    via_test_thread_start(&thread, use_foreign_loop, loop);
    via_test_thread_join(&thread);
    close_loop(loop);
}

TEST_MAIN("loop/debug", debug_mode_refuses_or_reports_the_foreign_use_of_a_handle,
          a_slow_callback_is_reported, slow_timers_and_readers_are_reported, a_quick_callback_is_not_reported,
          nothing_is_slow_outside_debug_mode, a_threshold_must_not_be_negative,
          debug_mode_refuses_a_foreign_thread, debug_mode_refuses_to_cancel_from_a_foreign_thread,
          outside_debug_mode_the_thread_is_not_checked, the_thread_that_runs_a_loop_owns_it,
          the_environment_turns_debug_mode_on)
