/* SPDX-License-Identifier: BSD-3-Clause */
/* The exception handler: what it is told, and what happens when it fails itself. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit/loop/loop_fixture.h"
#include <viaduct/log.h>

/* What the handler saw last. */
struct seen {
    int count;
    struct via_exception last;
    char message[256];
    int result; /* what the handler is to return */
};

static int see(const struct via_exception *exception, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = *exception;
    snprintf(seen->message, sizeof seen->message, "%s", exception->message ? exception->message : "");
    via_test_record(&history, "reported");
    return seen->result;
}

static void log_to_history(enum via_log_level level, const char *text, void *arg)
{
    (void)arg;
    ck_assert_int_ge(level, VIA_LOG_WARNING);
    ck_assert_ptr_null(strchr(text, '\n'));
    ck_assert_uint_gt(strlen(text), 0);
    via_test_record(&history, "logged");
}

static void append_line(enum via_log_level level, const char *text, void *arg)
{
    char *lines = arg;
    ck_assert_int_eq(level, VIA_LOG_ERROR);
    strcat(strcat(lines, text), "|");
}

static int fail_busy(void *arg)
{
    (void)arg;
    return VIA_EBUSY;
}

TEST(a_failing_callback_is_reported_and_the_next_one_runs)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    via_handle *handle = NULL;
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, &handle), 0);
    soon(loop, "next");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "reported next");
    ck_assert_int_eq(seen.last.status, VIA_EBUSY);
    ck_assert_ptr_eq(seen.last.loop, loop);
    ck_assert_ptr_eq(seen.last.handle, handle);
    ck_assert_ptr_null(seen.last.future);
    ck_assert_ptr_eq(seen.last.function, (void *)(uintptr_t)fail_busy);
    ck_assert_uint_gt(strlen(seen.message), 0);
    via_handle_unref(handle);
    close_loop(loop);
}

TEST(a_failing_timer_is_reported)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_call_later(loop, -1, fail_busy, NULL, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.last.status, VIA_EBUSY);
    close_loop(loop);
}

static void *post_failing(void *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, fail_busy, NULL, NULL), 0);
    return NULL;
}

TEST(a_failing_post_is_reported)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    struct via_test_thread thread;
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    via_test_thread_start(&thread, post_failing, loop);
    via_test_thread_join(&thread);
    run_one_tick(loop);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_ptr_eq(seen.last.function, (void *)(uintptr_t)fail_busy);
    close_loop(loop);
}

TEST(a_failing_reader_is_reported_and_stays)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], fail_busy, NULL), 0);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(seen.count, 2);
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 1);
    close_loop(loop);
    close(fds[0]);
    close(fds[1]);
}

static int return_five(void *arg)
{
    (void)arg;
    return 5;
}

TEST(a_positive_return_is_no_error)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_call_soon(loop, return_five, NULL, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(seen.count, 0);
    close_loop(loop);
}

TEST(without_a_handler_errors_go_to_the_log_hook)
{
    via_loop *loop = open_loop();
    via_set_log_hook(log_to_history, NULL);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    ck_assert_int_eq(via_call_later(loop, -1, fail_busy, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "logged logged");
    via_set_log_hook(NULL, NULL);
    close_loop(loop);
}

TEST(the_log_hook_gets_a_text_of_several_lines_line_by_line)
{
    via_loop *loop = open_loop();
    struct via_exception exception = {
        .message = "stuck", .status = VIA_EDEADLK, .text = "a waits\n\nb waits\n"};
    char lines[256] = "";
    via_set_log_hook(append_line, lines);
    ck_assert_int_eq(via_loop_call_exception_handler(loop, &exception), 0);
    ck_assert_str_eq(lines, "stuck: this wait could never end (VIA_EDEADLK)|  a waits|  |  b waits|");
    exception.status = 0;
    lines[0] = '\0';
    ck_assert_int_eq(via_loop_call_exception_handler(loop, &exception), 0);
    ck_assert_str_eq(lines, "stuck|  a waits|  |  b waits|");
    via_set_log_hook(NULL, NULL);
    close_loop(loop);
}

TEST(without_handler_and_log_hook_errors_are_dropped)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    soon(loop, "next");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "next");
    close_loop(loop);
}

TEST(a_handler_can_be_taken_back)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    via_set_log_hook(log_to_history, NULL);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    run_one_tick(loop);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, NULL, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "reported logged");
    via_set_log_hook(NULL, NULL);
    close_loop(loop);
}

/* The log hook hears of the handler and of what it was to handle. */
TEST(a_failing_handler_is_reported_to_the_log_hook)
{
    via_loop *loop = open_loop();
    struct seen seen = {.result = VIA_ENOMEM};
    via_set_log_hook(log_to_history, NULL);
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    soon(loop, "next");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "reported logged logged next");
    via_set_log_hook(NULL, NULL);
    close_loop(loop);
}

TEST(a_failing_handler_without_log_hook_does_not_stop_the_loop)
{
    via_loop *loop = open_loop();
    struct seen seen = {.result = VIA_ENOMEM};
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    soon(loop, "next");
    run_one_tick(loop);
    ASSERT_RECORD(&history, "reported next");
    close_loop(loop);
}

TEST(a_program_can_report_something_itself)
{
    via_loop *loop = open_loop();
    struct seen seen = {0};
    struct via_exception exception = {
        .message = "the disk is full", .status = VIA_EAGAIN, .loop = loop, .took_ns = 17, .text = "no space"};
    ck_assert_int_eq(via_loop_set_exception_handler(loop, see, &seen), 0);
    ck_assert_int_eq(via_loop_call_exception_handler(loop, &exception), 0);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_str_eq(seen.message, "the disk is full");
    ck_assert_int_eq(seen.last.status, VIA_EAGAIN);
    ck_assert_int_eq(seen.last.took_ns, 17);
    ck_assert_str_eq(seen.last.text, "no space");
    close_loop(loop);
}

static int schedule_from_handler(const struct via_exception *exception, void *arg)
{
    (void)arg;
    soon(exception->loop, "repaired");
    ck_assert_int_eq(via_loop_set_exception_handler(exception->loop, NULL, NULL), 0);
    return 0;
}

TEST(a_handler_may_use_the_loop_and_replace_itself)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_set_exception_handler(loop, schedule_from_handler, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, fail_busy, NULL, NULL), 0);
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "repaired");
    close_loop(loop);
}

TEST(handlers_refuse_missing_arguments)
{
    via_loop *loop = open_loop();
    struct via_exception exception = {.message = "x"};
    ck_assert_int_eq(via_loop_set_exception_handler(NULL, see, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_loop_call_exception_handler(NULL, &exception), VIA_EINVAL);
    ck_assert_int_eq(via_loop_call_exception_handler(loop, NULL), VIA_EINVAL);
    close_loop(loop);
}

TEST_MAIN("loop/exception", a_failing_callback_is_reported_and_the_next_one_runs, a_failing_timer_is_reported,
          a_failing_post_is_reported, a_failing_reader_is_reported_and_stays, a_positive_return_is_no_error,
          without_a_handler_errors_go_to_the_log_hook, the_log_hook_gets_a_text_of_several_lines_line_by_line,
          without_handler_and_log_hook_errors_are_dropped, a_handler_can_be_taken_back,
          a_failing_handler_is_reported_to_the_log_hook,
          a_failing_handler_without_log_hook_does_not_stop_the_loop, a_program_can_report_something_itself,
          a_handler_may_use_the_loop_and_replace_itself, handlers_refuse_missing_arguments)
