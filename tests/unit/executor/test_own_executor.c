/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of an executor that a program wrote itself: what a shutdown waits for, asks to stop and reports. */
#include "unit/executor/fixture.h"

#include <signal.h>

#include "future/cfuture.h"

/* It keeps its jobs until the test ends them. */
struct shelf {
    via_job *job[8];
    int jobs;
    int cancelled;
    int shutdowns;
    unsigned flags;
    int64_t deadline_ns;
    int shutdown_rc;
    _Atomic int freed; /* by whoever has the last life, which may be the timekeeper */
};

static int shelf_submit(void *self, via_job *job)
{
    struct shelf *shelf = self;

    shelf->job[shelf->jobs++] = job;
    return 0;
}

static void shelf_cancelled(void *self, via_job *job)
{
    (void)job;
    ((struct shelf *)self)->cancelled++;
}

static int shelf_shutdown(void *self, unsigned flags, int64_t deadline_ns)
{
    struct shelf *shelf = self;

    shelf->shutdowns++;
    shelf->flags = flags;
    shelf->deadline_ns = deadline_ns;
    return shelf->shutdown_rc;
}

static void shelf_free(void *self)
{
    ((struct shelf *)self)->freed++;
}

static const struct via_executor_ops bare_ops = {.kind = "bare",
                                                 .call_kinds = VIA_CALL_POINTER,
                                                 .submit = shelf_submit,
                                                 .cancelled = shelf_cancelled,
                                                 .free = shelf_free};

static const struct via_executor_ops shelf_ops = {.kind = "shelf",
                                                  .call_kinds = VIA_CALL_POINTER,
                                                  .submit = shelf_submit,
                                                  .shutdown = shelf_shutdown,
                                                  .free = shelf_free};

static via_executor *executor_on(const struct via_executor_ops *ops, struct shelf *shelf)
{
    via_executor *executor = NULL;

    ck_assert_int_eq(via_executor_new(ops, shelf, &executor), 0);
    return executor;
}

/* A thread that runs or ends one job. */
struct runner {
    struct via_test_thread thread;
    via_job *job;
    int rc;
};

static void *run_job(void *arg)
{
    struct runner *runner = arg;

    runner->rc = via_job_run(runner->job);
    return NULL;
}

static void start_runner(struct runner *runner, via_job *job)
{
    runner->job = job;
    via_test_thread_start(&runner->thread, run_job, runner);
}

TEST(a_shutdown_waits_for_jobs_that_are_queued_or_run)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct shelf shelf = {0};
    struct runner runner = {.rc = -1};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *cf = submit(executor, via_test_gate_call, &gate);

    ck_assert_int_eq(via_executor_shutdown(executor, 0, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_executor_stuck(executor, NULL, 0), 0);
    start_runner(&runner, shelf.job[0]);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_FOREVER), 0);
    ck_assert_int_eq(via_cfuture_done(cf), 1);
    via_test_thread_join(&runner.thread);
    ck_assert_int_eq(runner.rc, 1);
    finish(cf);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(a_shutdown_of_its_own_that_says_done_does_not_hide_what_is_left)
{
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    via_cfuture *cf = submit(executor, echo, NULL);

    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 1);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), 0);
    ck_assert_int_eq(shelf.shutdowns, 1);
    finish(cf);
    via_executor_unref(executor);
}

TEST(a_shutdown_cancels_what_is_queued_and_does_not_wait_for_it)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *first, *second;

    call.destroy = via_test_counted_destroy;
    first = submit_call(executor, &call);
    call = VIA_CALL(echo, NULL);
    second = submit_call(executor, &call);
    ck_assert_int_eq(via_executor_shutdown(executor, VIA_SHUTDOWN_CANCEL_QUEUED, VIA_FOREVER), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(shelf.cancelled, 2);
    finish_with(first, VIA_ECANCELED);
    finish_with(second, VIA_ECANCELED);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 0);
    ck_assert_int_eq(via_job_run(shelf.job[1]), 0);
    ck_assert_int_eq(via_job_fail(shelf.job[0], VIA_EPERM), 0);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(a_shutdown_by_force_asks_jobs_that_run_here_or_elsewhere)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted hooked = {0};
    struct via_call call = VIA_CALL(echo, NULL);
    struct via_outcome outcome = {.status = VIA_ECANCELED};
    struct shelf shelf = {0};
    struct runner runner = {.rc = -1};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *here = submit(executor, via_test_gate_call, &gate), *elsewhere, *queued;

    call.cancel = via_test_counted_destroy;
    call.cancel_arg = &hooked;
    elsewhere = submit_call(executor, &call);
    queued = submit(executor, echo, NULL);
    start_runner(&runner, shelf.job[0]);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_job_start(shelf.job[1]), 1);
    ck_assert_int_eq(via_executor_shutdown(executor, VIA_SHUTDOWN_CANCEL_RUNNING, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_test_destroyed(&hooked), 1);
    ck_assert_uint_ne(via__cf_state(here) & VIA__REQUESTED, 0);
    ck_assert_int_eq(via_cfuture_state(queued), VIA_PENDING);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_job_finish(shelf.job[1], &outcome), 0);
    ck_assert_int_eq(via_job_run(shelf.job[2]), 1);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_FOREVER), 0);
    via_test_thread_join(&runner.thread);
    finish(here);
    finish_with(elsewhere, VIA_ECANCELED);
    finish(queued);
    via_executor_unref(executor);
}

TEST(the_jobs_that_run_are_listed_the_longest_first)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(via_test_gate_call, &gate);
    struct via_outcome outcome = {0};
    struct via_stuck_call stuck[3];
    struct shelf shelf = {0};
    struct runner runner = {.rc = -1};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *first, *second;

    call.name = "first";
    first = submit_call(executor, &call);
    second = submit(executor, echo, NULL);
    start_runner(&runner, shelf.job[0]);
    via_test_gate_await(&gate, 1);
    ck_assert_int_eq(via_job_start(shelf.job[1]), 1);
    ck_assert_int_eq(via_executor_stuck(executor, stuck, 3), 2);
    ck_assert_str_eq(stuck[0].name, "first");
    ck_assert_ptr_eq(stuck[0].function, (void *)(uintptr_t)via_test_gate_call);
    ck_assert_int_eq(stuck[0].thread_id, runner.thread.tid);
    ck_assert_int_ge(stuck[0].running_ns, stuck[1].running_ns);
    ck_assert_ptr_null(stuck[1].name);
    ck_assert_ptr_eq(stuck[1].function, (void *)(uintptr_t)echo);
    ck_assert_int_eq(stuck[1].thread_id, 0);
    ck_assert_int_eq(via_executor_stuck(executor, stuck, 1), 2);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_job_finish(shelf.job[1], &outcome), 0);
    via_test_thread_join(&runner.thread);
    ck_assert_int_eq(via_executor_stuck(executor, stuck, 3), 0);
    finish(first);
    finish(second);
    close_executor(executor);
}

static int end_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

TEST(a_job_whose_function_ends_its_thread_is_over)
{
    struct shelf shelf = {0};
    struct runner runner = {.rc = -1};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *cf = submit(executor, end_thread, NULL);

    start_runner(&runner, shelf.job[0]);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_FOREVER), 0);
    via_test_thread_join(&runner.thread);
    ck_assert_int_eq(runner.rc, -1);
    finish_with(cf, VIA_EEXITED);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(a_job_that_expires_is_not_waited_for)
{
    struct via_call call = VIA_CALL(echo, NULL);
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *cf;

    call.deadline_ns = deadline_soon_ns();
    cf = submit_call(executor, &call);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_FOREVER), 0);
    finish_with(cf, VIA_ETIMEDOUT);
    ck_assert_int_eq(via_job_start(shelf.job[0]), 0);
    ck_assert_int_eq(via_job_fail(shelf.job[0], VIA_ETIMEDOUT), 0);
    via_executor_unref(executor);
    via_test_await_threads(1);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(with_the_last_reference_it_is_shut_down_without_waiting)
{
    struct shelf shelf = {.shutdown_rc = VIA_ETIMEDOUT, .flags = 99, .deadline_ns = 99};
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    via_cfuture *cf = submit(executor, echo, NULL);

    via_executor_ref(executor);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.shutdowns, 0);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.shutdowns, 1);
    ck_assert_uint_eq(shelf.flags, 0);
    ck_assert_int_eq(shelf.deadline_ns, 0);
    ck_assert_int_eq(shelf.freed, 0);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 1);
    ck_assert_int_eq(shelf.freed, 1);
    finish(cf);
}

TEST(once_shut_down_it_is_not_shut_down_again)
{
    struct shelf shelf = {.shutdown_rc = VIA_ETIMEDOUT};
    via_executor *executor = executor_on(&shelf_ops, &shelf);

    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), VIA_ETIMEDOUT);
    shelf.shutdown_rc = 0;
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), 0);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, VIA_MS), 0);
    ck_assert_int_eq(shelf.shutdowns, 2);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.shutdowns, 2);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(a_started_job_can_only_be_finished)
{
    struct via_outcome outcome = {0};
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *cf = submit(executor, echo, NULL);

    ck_assert_int_eq(via_job_start(shelf.job[0]), 1);
    ck_assert_int_eq(via_job_fail(shelf.job[0], VIA_EPERM), VIA_ESTATE);
    ck_assert_int_eq(via_job_finish(shelf.job[0], &outcome), 0);
    finish(cf);
    close_executor(executor);
}

static int look_whether_interruptible(void *arg, void **result)
{
    sigset_t mask;

    (void)result;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *(int *)arg = !sigismember(&mask, SIGURG);
    return 0;
}

TEST(an_interruptible_call_runs_but_is_not_started_elsewhere)
{
    int interruptible = 0;
    struct via_call call = VIA_CALL(look_whether_interruptible, &interruptible);
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *run, *refused, *cancelled;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGURG);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    call.flags = VIA_CALL_INTERRUPTIBLE;
    run = submit_call(executor, &call);
    refused = submit_call(executor, &call);
    cancelled = submit_call(executor, &call);
    ck_assert_int_eq(via_job_start(shelf.job[0]), VIA_ENOTSUP);
    ck_assert_int_eq(via_cfuture_state(run), VIA_PENDING);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 1);
    ck_assert_int_eq(interruptible, 1);
    ck_assert_int_eq(via_job_fail(shelf.job[1], VIA_ENOTSUP), 0);
    ck_assert_int_eq(via_cfuture_cancel(cancelled), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_job_start(shelf.job[2]), 0);
    ck_assert_int_eq(via_job_fail(shelf.job[2], VIA_ECANCELED), 0);
    finish(run);
    finish_with(refused, VIA_ENOTSUP);
    finish_with(cancelled, VIA_ECANCELED);
    close_executor(executor);
}

TEST_MAIN("executor/own_executor", a_shutdown_waits_for_jobs_that_are_queued_or_run,
          a_shutdown_of_its_own_that_says_done_does_not_hide_what_is_left,
          a_shutdown_cancels_what_is_queued_and_does_not_wait_for_it,
          a_shutdown_by_force_asks_jobs_that_run_here_or_elsewhere,
          the_jobs_that_run_are_listed_the_longest_first, a_job_whose_function_ends_its_thread_is_over,
          a_job_that_expires_is_not_waited_for, with_the_last_reference_it_is_shut_down_without_waiting,
          once_shut_down_it_is_not_shut_down_again, a_started_job_can_only_be_finished,
          an_interruptible_call_runs_but_is_not_started_elsewhere)
