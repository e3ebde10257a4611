/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a runner: what its runs have left is brought to its end.
 *
 * Tasks come first, all cancelled before one of them runs, and those that they make meanwhile in the next
 * round; then the calls of the default executor.  Each is waited for by running the loop.  What cannot be
 * waited for - a task that does not heed, one that nothing can bring to its end, the rest when SIGINT has
 * come too often - is left to the closing of the loop, which ends every task at once (close.c).
 *
 * A task that takes its request back and goes on is waited for, however long that is; but it is looked at
 * from time to time, and reported.
 */
#include <config.h>

#include <stdlib.h>

#include <viaduct/bridge.h>

#include "task/run.h"

#define ROUNDS  100
#define LOOK_NS (2 * VIA_S)

struct leftovers {
    via_future **tasks;
    size_t count;
};

char *via__tasks_describe_all(via_loop *loop)
{
    int bytes = via_tasks_describe(loop, 0, NULL);
    char *text = bytes < 0 ? NULL : malloc((size_t)bytes + 1);
    if (text)
        (void)via_tasks_describe(loop, (size_t)bytes + 1, text);
    return text;
}

// Takes a reference on each task there is.  0 or VIA_ENOMEM.
static int list_all(via_loop *loop, struct leftovers *left)
{
    int count = via_all_tasks(loop, NULL, 0);
    left->tasks = count > 0 ? malloc((size_t)count * sizeof *left->tasks) : NULL;
    left->count = left->tasks ? (size_t)count : 0;
    if (count > 0 && !left->tasks)
        return VIA_ENOMEM;
    (void)via_all_tasks(loop, left->tasks, left->count);
    for (size_t i = 0; i < left->count; i++)
        via_future_ref(left->tasks[i]);
    return 0;
}

// ---- tasks that take their requests back ----

static void look(via_loop *loop, struct via__ready *node);
static void drop_look(via_loop *loop, struct via__ready *node);
static const struct via__ready_kind look_kind = {.run = look, .drop = drop_look};

static void look_later(struct via__tasks *tasks)
{
    struct via__patience *patience = tasks->patience;
    if (!patience || patience->is_set || tasks->closing)
        return;
    patience->timer.ready.kind = &look_kind;
    // Without memory nothing is reported.
    patience->is_set =
        via__timer_set(tasks->loop, &patience->timer, via_loop_time_ns(tasks->loop) + LOOK_NS) == 0;
}

void via__task_stays(struct via__task *task)
{
    task->stays = 1;
    look_later(task->tasks);
}

static void report_stay(const struct via__task *task, via_future *future)
{
    struct via_exception exception = {.message = "a task has taken its request to stop back and goes on, "
                                                 "while the end of the run waits for it",
                                      .loop = future->loop,
                                      .future = future,
                                      .function = (void *)(uintptr_t)task->fn};
    (void)via_loop_call_exception_handler(future->loop, &exception);
}

// One that only cleans up has the time from one look to the next.
static void look_at(via_future *future)
{
    struct via__task *task = via__task_of(future);
    if (future->state != VIA_PENDING || !task->stays || task->stays > 2)
        return;
    task->stays = task->cancelling ? 0 : task->stays + 1;
    if (task->stays == 2)
        look_later(task->tasks);
    else if (task->stays)
        report_stay(task, future);
}

static void look(via_loop *loop, struct via__ready *node)
{
    struct leftovers left;
    VIA__CONTAINER_OF(node, struct via__patience, timer.ready)->is_set = 0;
    if (list_all(loop, &left) < 0)
        return;
    for (size_t i = 0; i < left.count; i++) {
        look_at(left.tasks[i]);
        via_future_unref(left.tasks[i]);
    }
    free(left.tasks);
}

static void drop_look(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    VIA__CONTAINER_OF(node, struct via__patience, timer.ready)->is_set = 0;
}

void via__runner_begin_ending(via_runner *runner)
{
    struct via__tasks *tasks = runner->loop->tasks;
    tasks->ending = 1;
    tasks->patience = &runner->patience;
}

void via__runner_stop_ending(via_runner *runner)
{
    struct via__tasks *tasks = runner->loop->tasks;
    tasks->ending = 0;
    tasks->patience = NULL;
    if (runner->patience.is_set && via__timer_unset(runner->loop, &runner->patience.timer))
        runner->patience.is_set = 0;
}

// ---- waiting ----

static int is_deaf(const via_future *future)
{
    return via__is_task(future) && via__task_of((via_future *)(uintptr_t)future)->deaf;
}

int via__runner_wait(via_runner *runner, via_future *future)
{
    int status = 0;
    while (status == 0 && future->state == VIA_PENDING) {
        if (runner->must_stop)
            return VIA_EINTERRUPTED;
        if (is_deaf(future))
            return VIA_ESTATE;
        status = via_loop_run_until_complete(runner->loop, future);
        if (status == VIA_ESTOPPED)
            status = 0; // by SIGINT, a deaf task, or code of the program, which does not matter here
    }
    return status;
}

// What is cancelled may run code of the program: all of them have references.
static void cancel_all(const struct leftovers *left)
{
    for (size_t i = 0; i < left->count; i++)
        (void)via_task_cancel(left->tasks[i], "the run is over");
}

static void report_error(via_future *task)
{
    struct via_outcome outcome;
    if (task->state != VIA_FINISHED || task->looked || via_future_outcome(task, &outcome) < 0 ||
        outcome.status >= 0)
        return;
    struct via_exception exception = {.message = "a task failed while the run was being shut down",
                                      .status = outcome.status,
                                      .loop = task->loop,
                                      .future = task,
                                      .function = (void *)(uintptr_t)via__task_of(task)->fn,
                                      .text = outcome.message};
    (void)via_loop_call_exception_handler(task->loop, &exception);
}

void via__runner_cancel(via_runner *runner)
{
    struct leftovers left = {.tasks = NULL};
    runner->drains = 0;
    if (list_all(runner->loop, &left) < 0)
        (void)via_loop_stop(runner->loop); // to have them cancelled in the next round
    cancel_all(&left);
    for (size_t i = 0; i < left.count; i++)
        via_future_unref(left.tasks[i]);
    free(left.tasks);
}

static void let_go(struct leftovers *left)
{
    for (size_t i = 0; i < left->count; i++) {
        report_error(left->tasks[i]);
        via_future_unref(left->tasks[i]);
    }
    free(left->tasks);
    *left = (struct leftovers){.tasks = NULL};
}

static void report_deadlock(via_loop *loop)
{
    char *text = via__tasks_describe_all(loop);
    struct via_exception exception = {.message = "nothing is left that could end the tasks of a run",
                                      .status = VIA_EDEADLK,
                                      .loop = loop,
                                      .text = text};
    (void)via_loop_call_exception_handler(loop, &exception);
    free(text);
}

// Waits for those that can be waited for.  0 if these were all.
static int wait_for_all(via_runner *runner, const struct leftovers *left)
{
    int worst = 0;
    for (size_t i = 0; i < left->count; i++) {
        int status = via__runner_wait(runner, left->tasks[i]);
        if (status == VIA_EDEADLK)
            report_deadlock(runner->loop);
        if (status < 0 && status != VIA_ESTATE)
            return status; // the others would fare no better
        worst = status < 0 ? status : worst;
    }
    return worst;
}

// What could not be ended is left in `left`.
static int end_tasks(via_runner *runner, struct leftovers *left)
{
    int status = 0;
    for (int round = 0; round < ROUNDS && status == 0; round++) {
        status = list_all(runner->loop, left);
        if (status < 0 || !left->count)
            break;
        if (!runner->drains)
            cancel_all(left);
        status = wait_for_all(runner, left);
        if (status == 0)
            let_go(left);
    }
    return status == VIA_ESTATE ? 0 : status;
}

// Its name may be gone when it ends: the function says which call it is.
static void report_calls(via_loop *loop, via_executor *executor)
{
    struct via_stuck_call call = {.name = NULL};
    (void)via_executor_stuck(executor, &call, 1);
    struct via_exception exception = {.message = "calls on the default executor were left behind",
                                      .status = VIA_ETIMEDOUT,
                                      .loop = loop,
                                      .function = call.function};
    (void)via_loop_call_exception_handler(loop, &exception);
}

static int shut_executor_down(via_runner *runner)
{
    const struct via__bridge *bridge = runner->loop->bridge;
    if (!bridge || !bridge->executor || bridge->executor_shut)
        return 0;
    via_executor *executor = via_executor_ref(bridge->executor);
    via_future *future = via_loop_shutdown_default_executor(runner->loop, runner->executor_timeout_ns);
    int status = via__runner_wait(runner, future);
    if (status == 0)
        status = via_future_result(future, NULL);
    if (status == VIA_ETIMEDOUT)
        report_calls(runner->loop, executor);
    via_future_unref(future);
    via_executor_unref(executor);
    return status;
}

int via__runner_finish(via_runner *runner)
{
    struct leftovers left = {.tasks = NULL};
    if (runner->loop->tasks)
        via__runner_begin_ending(runner);
    int status = end_tasks(runner, &left);
    int shut = shut_executor_down(runner);
    (void)via_loop_close(runner->loop);
    let_go(&left);
    return status < 0 ? status : shut;
}
