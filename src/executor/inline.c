/* SPDX-License-Identifier: BSD-3-Clause */
/* The inline executor: a call runs in the thread that submits it.  `lock` guards figures only. */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "executor/executor.h"

struct inline_executor {
    via_executor base; // first
    pthread_mutex_t lock;
    pthread_cond_t idle; // signalled when no call runs
    int stopping;
    size_t running;
    uint64_t submitted, completed, expired;
};

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    (void)how;
    pthread_mutex_lock(&self->lock);
    int status = self->stopping ? VIA_ESHUTDOWN : 0;
    self->running += status == 0;
    self->submitted += status == 0;
    pthread_mutex_unlock(&self->lock);
    if (status < 0)
        return status;
    via__executor_live(executor); // the call may drop the last reference
    int ran = via__job_execute(job);
    pthread_mutex_lock(&self->lock);
    self->completed += ran != 0;
    self->expired += ran == 0;
    if (--self->running == 0)
        pthread_cond_broadcast(&self->idle);
    pthread_mutex_unlock(&self->lock);
    via__executor_die(executor);
    return 0;
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / VIA_S), .tv_nsec = (long)(deadline_ns % VIA_S)};
    (void)flags;
    pthread_mutex_lock(&self->lock);
    self->stopping = 1;
    while (self->running && deadline_ns > 0 && via_now_ns() < deadline_ns) {
        if (deadline_ns == VIA_FOREVER)
            pthread_cond_wait(&self->idle, &self->lock);
        else
            pthread_cond_timedwait(&self->idle, &self->lock, &until);
    }
    int status = self->running ? VIA_ETIMEDOUT : 0;
    pthread_mutex_unlock(&self->lock);
    return status;
}

static void stats(via_executor *executor, struct via_executor_stats *figures)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    pthread_mutex_lock(&self->lock);
    figures->submitted = self->submitted;
    figures->completed = self->completed;
    figures->expired = self->expired;
    figures->running = self->running;
    pthread_mutex_unlock(&self->lock);
}

static void destroy(via_executor *executor)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    pthread_cond_destroy(&self->idle);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static const struct via__executor_kind inline_kind = {.name = "inline",
                                                      .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT,
                                                      .jobs_live = 1,
                                                      .submit = submit,
                                                      .shutdown = shut_down,
                                                      .stats = stats,
                                                      .destroy = destroy};

int via_inline_new(via_executor **executor)
{
    if (!executor)
        return VIA_EINVAL;
    struct inline_executor *self = calloc(1, sizeof *self);
    if (!self)
        return VIA_ENOMEM;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->idle, &attr);
    pthread_condattr_destroy(&attr);
    via__mutex_init(&self->lock);
    via__executor_init(&self->base, &inline_kind);
    *executor = &self->base;
    return 0;
}
