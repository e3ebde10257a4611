/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runners.
 *
 * A run is over only when its main task is, because that uses the caller's argument.  If the loop has come to
 * an end before - nothing is left, somebody has stopped it - the task is cancelled and run to its end; if it
 * still does not end, the loop is closed, which ends every task.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/bridge.h>
#include <viaduct/time.h>

#include "base/log.h"
#include "coro/stack.h"
#include "task/run.h"

#define EXECUTOR_TIMEOUT_NS (300 * VIA_S)
#define INTERRUPTED         130

int via_exit_status(int status)
{
    if (status >= 0 && status <= 125)
        return status;
    return status == VIA_EINTERRUPTED ? INTERRUPTED : EXIT_FAILURE;
}

void via_runner_options_init(struct via_runner_options *options)
{
    if (!options)
        return;
    *options = (struct via_runner_options){.handle_sigint = 1, .executor_timeout_ns = EXECUTOR_TIMEOUT_NS};
    via_loop_options_init(&options->loop);
}

static void on_sigint(struct via__sigint *sigint, int nth)
{
    via_runner *runner = VIA__CONTAINER_OF(sigint, via_runner, sigint);
    if (nth == 1 && runner->is_running && runner->main->state == VIA_PENDING) {
        runner->is_interrupted = 1;
        (void)via_task_cancel(runner->main, "interrupted by SIGINT");
        return;
    }
    runner->must_stop = 1;
    (void)via_loop_stop(runner->loop);
}

static int check(const struct via_runner_options *options)
{
    return options->loop.base || options->executor_timeout_ns < 0 ||
                   via__stack_order(options->stack_bytes) < 0
               ? VIA_EINVAL
               : 0;
}

static via_runner *make(const struct via_runner_options *options)
{
    via_runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return NULL;
    runner->name = strdup(options->name ? options->name : "main");
    if (!runner->name) {
        free(runner);
        return NULL;
    }
    runner->stack_bytes = options->stack_bytes;
    runner->handle_sigint = options->handle_sigint;
    runner->executor_timeout_ns = options->executor_timeout_ns;
    return runner;
}

int via_runner_new(const struct via_runner_options *options, via_runner **runner)
{
    struct via_runner_options defaults;
    via_runner_options_init(&defaults);
    if (!options)
        options = &defaults;
    if (!runner || check(options) < 0)
        return VIA_EINVAL;
    via_runner *fresh = make(options);
    if (!fresh)
        return VIA_ENOMEM;
    int status = via_loop_new_with(&options->loop, &fresh->loop);
    if (status < 0) {
        free(fresh->name);
        free(fresh);
        return status;
    }
    fresh->locals = via__locals_share();
    via__sigint_init(&fresh->sigint, fresh->loop, on_sigint);
    if (options->debug)
        (void)via_loop_set_debug(fresh->loop, 1);
    (void)via_loop_set_exception_handler(fresh->loop, options->exception_fn, options->exception_arg);
    *runner = fresh;
    return 0;
}

via_loop *via_runner_loop(const via_runner *runner)
{
    return runner ? runner->loop : NULL;
}

static void begin_sigint(via_runner *runner)
{
    if (runner->handle_sigint)
        via__sigint_begin(&runner->sigint);
}

static void end_sigint(via_runner *runner)
{
    if (runner->handle_sigint)
        via__sigint_end(&runner->sigint);
}

static void report_deadlock(via_runner *runner)
{
    runner->described = via__tasks_describe_all(runner->loop);
    struct via_exception exception = {.message = "nothing is left that could complete the main task",
                                      .status = VIA_EDEADLK,
                                      .loop = runner->loop,
                                      .future = runner->main,
                                      .text = runner->described};
    (void)via_loop_call_exception_handler(runner->loop, &exception);
}

// The loop does not run any more, but the main task has not ended.
static void end_main(via_runner *runner)
{
    via__runner_begin_ending(runner);
    (void)via_task_cancel(runner->main, "the run has ended");
    if (via__runner_wait(runner, runner->main) < 0)
        (void)via_loop_close(runner->loop);
    else
        via__runner_stop_ending(runner);
}

// What the run comes to.  A main task that succeeded in spite of what has happened did succeed.
static int judge(const via_runner *runner, int run)
{
    struct via_outcome outcome;
    int status = via_future_outcome(runner->main, &outcome);
    if (status == 0)
        status = outcome.status;
    if (run < 0 && runner->must_stop)
        return VIA_EINTERRUPTED;
    if (run < 0 && status < 0)
        return run;
    int is_sigints = runner->is_interrupted && via_task_cancelling(runner->main) == 1;
    return is_sigints && runner->main->state == VIA_CANCELLED ? VIA_EINTERRUPTED : status;
}

static void forget_run(via_runner *runner)
{
    runner->main = via_future_unref(runner->main);
    free(runner->described);
    runner->described = NULL;
}

// Main tasks go on with the local values of the one before.
static void make_main(via_runner *runner, via_task_fn main, void *arg)
{
    const struct via_task_options options = {.name = runner->name, .stack_bytes = runner->stack_bytes};
    struct via__locals *outer = via__role.locals;
    via__role.locals = runner->locals;
    runner->main = via_create_task_with(runner->loop, main, arg, &options);
    runner->locals = via__role.locals;
    via__role.locals = outer;
    if (via__is_task(runner->main))
        via__task_of(runner->main)->keeps_locals = 1;
}

static void take_locals(via_runner *runner)
{
    struct via__task *task = via__task_of(runner->main);
    struct via__locals *before = runner->locals;
    runner->locals = task->locals;
    task->locals = NULL;
    via__locals_unref(before);
}

static int run_main(via_runner *runner, via_task_fn main, void *arg)
{
    make_main(runner, main, arg);
    if (!runner->main->loop || runner->main->state != VIA_PENDING)
        return via_future_result(runner->main, NULL);
    int status = via_loop_run_until_complete(runner->loop, runner->main);
    if (status == VIA_EDEADLK)
        report_deadlock(runner);
    if (runner->main->state == VIA_PENDING)
        end_main(runner);
    take_locals(runner);
    return judge(runner, status);
}

// Reports are made between the runs of the loop, too: whoever hears of one may not run or close the runner.
static int check_idle(const via_runner *runner)
{
    int status = via__loop_check_run(runner->loop);
    if (runner->is_busy && status != VIA_EFORKED)
        return VIA_ERUNNING;
    return status < 0 ? status : via__tasks_check_thread(runner->loop);
}

int via_runner_run(via_runner *runner, via_task_fn main, void *arg, void **result)
{
    int status = runner && main ? check_idle(runner) : VIA_EINVAL;
    if (status < 0)
        return status;
    forget_run(runner);
    begin_sigint(runner);
    runner->is_busy = runner->is_running = 1;
    runner->is_interrupted = runner->must_stop = 0;
    runner->status = run_main(runner, main, arg);
    runner->is_busy = runner->is_running = 0;
    end_sigint(runner);
    struct via_outcome outcome;
    if (runner->status == 0 && result && via_future_outcome(runner->main, &outcome) == 0)
        *result = outcome.value;
    return runner->status;
}

int via_runner_outcome(via_runner *runner, struct via_outcome *outcome)
{
    struct via_outcome last;
    if (!runner || !outcome)
        return VIA_EINVAL;
    if (!runner->main || runner->is_running)
        return VIA_EPENDING;
    int status = via_future_outcome(runner->main, &last);
    if (status < 0)
        return status;
    last.status = runner->status;
    if (runner->status == VIA_EDEADLK)
        last.message = runner->described;
    *outcome = last;
    return 0;
}

int via_runner_close(via_runner *runner)
{
    if (!runner)
        return VIA_EINVAL;
    if (!runner->is_busy && via_loop_is_closed(runner->loop) == 1)
        return 0;
    int status = check_idle(runner);
    if (status < 0)
        return status;
    begin_sigint(runner);
    runner->is_busy = 1;
    status = via__runner_finish(runner);
    runner->is_busy = 0;
    end_sigint(runner);
    return status;
}

via_runner *via_runner_free(via_runner *runner)
{
    if (!runner)
        return NULL;
    if (via_runner_close(runner) == VIA_ERUNNING) {
        via__log(
            VIA_LOG_ERROR,
            "via_runner_free() was called while a loop runs in this thread, or by a report of the runner");
        return NULL;
    }
    forget_run(runner);
    via__locals_unref(runner->locals);
    via_loop_unref(runner->loop);
    free(runner->name);
    free(runner);
    return NULL;
}

// Nobody else will hear of the text.
static void log_failure(via_runner *runner)
{
    struct via_outcome outcome;
    if (runner->status >= 0 || runner->status == VIA_EDEADLK || via_runner_outcome(runner, &outcome) < 0)
        return;
    if (outcome.message)
        via__log(VIA_LOG_ERROR, "the main task failed: %s", outcome.message);
    else
        via__log(VIA_LOG_ERROR, "the main task failed: %s (%s)", via_status_text(runner->status),
                 via_status_name(runner->status));
}

int via_run(via_task_fn main, void *arg, void **result)
{
    via_runner *runner;
    int status = main ? 0 : VIA_EINVAL;
    if (status == 0 && via_loop_current())
        status = VIA_ERUNNING;
    if (status == 0)
        status = via_runner_new(NULL, &runner);
    if (status < 0)
        return status;
    via__sigint_begin(&runner->sigint); // from here to the end of the clean-up
    status = via_runner_run(runner, main, arg, result);
    log_failure(runner);
    (void)via_runner_close(runner);
    via__sigint_end(&runner->sigint);
    via_runner_free(runner);
    return status;
}
