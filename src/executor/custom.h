/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Executors that a program wrote itself, and the jobs that it is given.
 *
 * A job that the program was given stands in one of the executor's lists until its future is done: `queued`,
 * or `runs` from the moment when it is about to be claimed for a run.  An outsider that ends the future takes
 * it out, since then nothing is left to be waited for; the job itself is the program's until that gives it
 * back, and only then is it freed.
 *
 * What keeps things alive: each job that was not given back is a life of the executor, whatever became of its
 * future, and has a reference on the future besides that of the completer.
 *
 * Lock order: hashed lock, then the executor's `lock`; no function of the program runs under the latter.
 */
#ifndef VIADUCT_EXECUTOR_CUSTOM_H
#define VIADUCT_EXECUTOR_CUSTOM_H

#include "executor/executor.h"

struct via__custom {
    via_executor base; // first
    struct via__executor_kind kind;
    const struct via_executor_ops *ops;
    void *self;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t ended; // a job has left its list
    struct via__list queued, runs;
    int stopping;
    int closed; // the program's shutdown has said that all is done
};

struct via_job {
    struct via__list link; // guarded by the executor's lock, as is:
    int asked;             // a shutdown has cancelled it, or tried to
    struct via__custom *custom;
    via_cfuture *cf; // with a reference
    int started;     // by via_job_start()
    struct via_stuck_call call;
    int64_t started_ns;
};

// Frees a job that was given back, when its future is done.
void via__custom_over(via_job *job);

#endif
