/* SPDX-License-Identifier: BSD-3-Clause */
/* The inline executor: each job is run by the thread that submits it, before submitting returns. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/role.h"
#include "base/thread.h"
#include "executor/executor.h"

struct inline_executor {
    via_executor base;    // first
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t ended; // a run has ended
    struct via__list runs;
    int stopping;
    size_t running;
    uint64_t submitted, completed, rejected;
};

// A call under way, on the stack of its thread.
struct run {
    struct via__list link; // the longest is the first
    struct inline_executor *executor;
    via_cfuture *cf; // with a reference of its own
    struct via_stuck_call call;
    int64_t started_ns;
};

static void begin(struct run *run, via_cfuture *cf)
{
    run->cf = via_cfuture_ref(cf);
    run->call = via__job_describe(cf, via__thread_id(), 0);
    run->started_ns = via_now_ns();
}

// Under the lock.
static void count_off(struct inline_executor *self)
{
    self->running--;
    self->completed++;
    pthread_cond_broadcast(&self->ended);
}

// Whether the function has left its thread by pthread_exit(): then its frame is still to be ended.
static int is_exiting(const struct run *run)
{
    const struct via__frame *frame = via__role.frame;
    while (frame && frame->cf != run->cf)
        frame = frame->outer;
    return frame != NULL;
}

static void end(void *arg)
{
    struct run *run = arg;
    struct inline_executor *self = run->executor;
    pthread_mutex_lock(&self->lock);
    via__list_remove(&run->link);
    if (!is_exiting(run))
        count_off(self);
    pthread_mutex_unlock(&self->lock);
    via_cfuture_unref(run->cf);
}

static void exited(via_executor *executor, const via_cfuture *job)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    (void)job;
    pthread_mutex_lock(&self->lock);
    count_off(self);
    pthread_mutex_unlock(&self->lock);
}

static int submit(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    struct run run = {.executor = self};
    (void)how;
    begin(&run, job);
    pthread_mutex_lock(&self->lock);
    int stopping = self->stopping;
    if (stopping) {
        self->rejected++;
    } else {
        self->submitted++;
        self->running++;
        via__list_push_back(&self->runs, &run.link);
    }
    pthread_mutex_unlock(&self->lock);
    if (stopping) {
        via_cfuture_unref(run.cf);
        return VIA_ESHUTDOWN;
    }
    // A function that ends its thread leaves this stack too, and only then is the job ended.
    pthread_cleanup_push(end, &run);
    (void)via__job_execute(job);
    pthread_cleanup_pop(1);
    return 0;
}

// Asks every call under way to stop.  Hooks run without the lock, so each round takes one that was not asked
// yet.
static void cancel_running(struct inline_executor *self)
{
    via_cfuture *cf;
    do {
        cf = NULL;
        pthread_mutex_lock(&self->lock);
        for (struct via__list *at = self->runs.next; at != &self->runs && !cf; at = at->next) {
            struct run *run = VIA__CONTAINER_OF(at, struct run, link);
            uint32_t state = via__cf_state(run->cf);
            if (!via__state_done(state) && !(state & VIA__REQUESTED))
                cf = via_cfuture_ref(run->cf);
        }
        pthread_mutex_unlock(&self->lock);
        if (cf)
            via_cfuture_cancel(cf);
        via_cfuture_unref(cf);
    } while (cf);
}

static int wait_for_end(struct inline_executor *self, int64_t deadline_ns)
{
    pthread_mutex_lock(&self->lock);
    while (self->running && deadline_ns > 0 && via_now_ns() < deadline_ns)
        via__cond_wait_until(&self->ended, &self->lock, deadline_ns);
    size_t left = self->running;
    pthread_mutex_unlock(&self->lock);
    return left ? VIA_ETIMEDOUT : 0;
}

static int shut_down(via_executor *executor, unsigned flags, int64_t deadline_ns)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    pthread_mutex_lock(&self->lock);
    self->stopping = 1;
    pthread_mutex_unlock(&self->lock);
    if (flags & VIA_SHUTDOWN_CANCEL_RUNNING)
        cancel_running(self);
    return wait_for_end(self, deadline_ns);
}

static void fill_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    pthread_mutex_lock(&self->lock);
    stats->running = self->running;
    stats->submitted = self->submitted;
    stats->completed = self->completed;
    stats->rejected = self->rejected;
    if (!via__list_empty(&self->runs))
        stats->oldest_running_ns =
            via_now_ns() - VIA__CONTAINER_OF(self->runs.next, struct run, link)->started_ns;
    pthread_mutex_unlock(&self->lock);
}

static int list_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    int64_t now_ns = via_now_ns();
    size_t count = 0;
    pthread_mutex_lock(&self->lock);
    for (struct via__list *at = self->runs.next; at != &self->runs; at = at->next, count++) {
        struct run *run = VIA__CONTAINER_OF(at, struct run, link);
        if (count >= capacity)
            continue;
        calls[count] = run->call;
        calls[count].running_ns = now_ns - run->started_ns;
    }
    pthread_mutex_unlock(&self->lock);
    return (int)count;
}

static void destroy(via_executor *executor)
{
    struct inline_executor *self = (struct inline_executor *)executor;
    pthread_cond_destroy(&self->ended);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static const struct via__executor_kind inline_kind = {.name = "inline",
                                                      .packs = 1,
                                                      .call_kinds = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT,
                                                      .jobs_live = 1,
                                                      .submit = submit,
                                                      .exited = exited,
                                                      .shutdown = shut_down,
                                                      .stats = fill_stats,
                                                      .stuck = list_stuck,
                                                      .destroy = destroy};

int via_inline_new(via_executor **executor)
{
    if (!executor)
        return VIA_EINVAL;
    int status = via__executor_watch_forks();
    if (status < 0)
        return status;
    struct inline_executor *self = calloc(1, sizeof *self);
    if (!self)
        return VIA_ENOMEM;
    via__cond_init(&self->ended);
    via__mutex_init(&self->lock);
    via__list_init(&self->runs);
    via__executor_init(&self->base, &inline_kind);
    *executor = &self->base;
    return 0;
}
