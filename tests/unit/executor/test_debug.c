/* SPDX-License-Identifier: BSD-3-Clause */
/* Debug mode of executors: a pending call that is dropped, and whose argument is then nobody's. */
#include "unit/executor/fixture.h"

#include <stdio.h>
#include <string.h>

#include <viaduct/log.h>

struct heard {
    int count;
    enum via_log_level level;
    char text[512];
};

static void hear(enum via_log_level level, const char *text, void *arg)
{
    struct heard *heard = arg;

    heard->count++;
    heard->level = level;
    strncpy(heard->text, text, sizeof(heard->text) - 1);
}

static via_executor *pool_that_hears(const char *debug, struct heard *heard)
{
    via_executor *pool;

    ck_assert_int_eq(setenv("VIADUCT_DEBUG", debug, 1), 0);
    pool = pool_of(1);
    ck_assert_int_eq(unsetenv("VIADUCT_DEBUG"), 0);
    via_set_log_hook(hear, heard);
    return pool;
}

static void close_all(via_executor *pool, struct via_test_gate *gate, via_cfuture *running)
{
    via_test_gate_open(gate);
    finish(running);
    close_executor(pool);
    via_set_log_hook(NULL, NULL);
}

TEST(dropping_a_pending_call_with_a_borrowed_argument_is_reported)
{
    char function[64];
    int argument = 0;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct heard heard = {0};
    struct via_call call = VIA_CALL(echo, &argument);
    via_executor *pool = pool_that_hears("1", &heard);
    via_cfuture *running = occupy(pool, &gate), *cf;

    call.name = "echoing";
    cf = via_cfuture_ref(submit_call(pool, &call));
    via_cfuture_unref(cf);
    ck_assert_int_eq(heard.count, 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(heard.count, 1);
    ck_assert_int_eq(heard.level, VIA_LOG_DEBUG);
    snprintf(function, sizeof(function), "echoing (%p)", (void *)(uintptr_t)echo);
    ck_assert_ptr_nonnull(strstr(heard.text, function));
    call.name = NULL;
    call.deadline_ns = via_now_ns() + 100 * VIA_S;
    via_cfuture_unref(submit_call(pool, &call));
    ck_assert_int_eq(heard.count, 2);
    close_all(pool, &gate, running);
    ck_assert_int_eq(heard.count, 2);
}

TEST(dropping_what_is_done_or_owned_or_was_never_wanted_is_not)
{
    struct via_test_counted argument = {0};
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct heard heard = {0};
    struct via_call call = VIA_CALL(echo, &argument);
    via_executor *pool = pool_that_hears("1", &heard);
    via_cfuture *running, *cf;

    finish(submit_call(pool, &call));
    running = occupy(pool, &gate);
    cf = submit_call(pool, &call);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via_cfuture_unref(cf);
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), 0);
    via_cfuture_unref(submit(pool, echo, NULL));
    call.destroy = via_test_counted_destroy;
    via_cfuture_unref(submit_call(pool, &call));
    close_all(pool, &gate, running);
    ck_assert_int_eq(heard.count, 0);
}

/* An executor that keeps its one job. */
static int keep_job(void *self, via_job *job)
{
    *(via_job **)self = job;
    return 0;
}

TEST(a_call_dropped_on_an_executor_of_ones_own_is_reported)
{
    static const struct via_executor_ops ops = {
        .kind = "keeper", .call_kinds = VIA_CALL_POINTER, .submit = keep_job};
    int argument = 0;
    struct heard heard = {0};
    via_job *job = NULL;
    via_executor *executor = NULL;
    via_cfuture *cf;

    ck_assert_int_eq(setenv("VIADUCT_DEBUG", "1", 1), 0);
    ck_assert_int_eq(via_executor_new(&ops, &job, &executor), 0);
    ck_assert_int_eq(unsetenv("VIADUCT_DEBUG"), 0);
    via_set_log_hook(hear, &heard);
    cf = via_cfuture_ref(submit(executor, echo, &argument));
    via_cfuture_unref(cf);
    ck_assert_int_eq(heard.count, 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(heard.count, 1);
    ck_assert_int_eq(via_job_run(job), 1);
    cf = submit(executor, echo, &argument);
    ck_assert_int_eq(via_job_run(job), 1);
    via_cfuture_unref(cf);
    ck_assert_int_eq(heard.count, 1);
    via_set_log_hook(NULL, NULL);
    close_executor(executor);
}

TEST(outside_debug_mode_nothing_is_reported)
{
    int argument = 0;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct heard heard = {0};
    via_executor *pool = pool_that_hears("0", &heard);
    via_cfuture *running = occupy(pool, &gate);

    via_cfuture_unref(submit(pool, echo, &argument));
    close_all(pool, &gate, running);
    ck_assert_int_eq(heard.count, 0);
}

TEST_MAIN("executor/debug", dropping_a_pending_call_with_a_borrowed_argument_is_reported,
          dropping_what_is_done_or_owned_or_was_never_wanted_is_not,
          a_call_dropped_on_an_executor_of_ones_own_is_reported, outside_debug_mode_nothing_is_reported)
