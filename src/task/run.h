/* SPDX-License-Identifier: BSD-3-Clause */
/* A runner, inside. */
#ifndef VIADUCT_TASK_RUN_H
#define VIADUCT_TASK_RUN_H

#include <viaduct/run.h>

#include "task/sigint.h"
#include "task/task.h"

struct via_runner {
    via_loop *loop;
    struct via__sigint sigint;
    via_future *main;           // of the last run, which may be going on
    int status;                 // of the last run
    char *described;            // the tasks, when nothing was left to wait for
    int is_busy;                // a run or the closing is going on, though its loop may not run just now
    int is_running;             // a run is going on
    int is_interrupted;         // SIGINT has cancelled the main task
    int must_stop;              // SIGINT has come too often to wait for anything
    struct via__locals *locals; // the main tasks'
    int drains;                 // tasks that are left are waited for, not cancelled
    int handle_sigint;
    char *name;
    size_t stack_bytes;
    int64_t executor_timeout_ns;
    struct via__patience patience;
};

// From now on the runner waits for tasks that were cancelled; and not any more.
void via__runner_begin_ending(via_runner *runner);
void via__runner_stop_ending(via_runner *runner);

// The lines of via_tasks_describe(), to be freed; NULL if memory ran out.
char *via__tasks_describe_all(via_loop *loop);

// Runs the loop until the future is done: 0; VIA_EDEADLK if nothing can complete it, VIA_EINTERRUPTED,
// VIA_ESTATE for a task that does not heed that it was cancelled; or an error of the run.
int via__runner_wait(via_runner *runner, via_future *future);

// While the runner drains: cancels every task after all.  In the loop's thread.
void via__runner_cancel(via_runner *runner);

// Ends every task of the loop, or waits for their ends if the runner drains; shuts the default executor down,
// closes the loop.  0, or why it could not wait for everything.
int via__runner_finish(via_runner *runner);

#endif
