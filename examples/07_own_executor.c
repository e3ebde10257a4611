/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An executor of one's own: calls that only the main thread may run.  Toolkits, OpenGL and some vendor SDKs
 * insist on that.  Workers submit to it and wait as with any executor; the main thread runs what has come in
 * whenever its own loop gets round to it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <viaduct.h>

enum { ROOM = 16 };

struct main_queue {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    via_job *jobs[ROOM]; /* a ring */
    size_t first, count;
    int closed;
};

/* Any thread. */
static int queue_submit(void *self, via_job *job)
{
    struct main_queue *queue = self;
    int rc = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->closed)
        rc = VIA_ESHUTDOWN;
    else if (queue->count == ROOM)
        rc = VIA_EBUSY;
    else
        queue->jobs[(queue->first + queue->count++) % ROOM] = job;
    pthread_cond_signal(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
    return rc; /* where it is negative the library fails the job's future with it */
}

/* What is queued stays queued: the main thread still runs it, and via_executor_shutdown() waits for that.
 * There is no thread to be ended here, so nothing is left to be done. */
static int queue_shutdown(void *self, unsigned flags, int64_t deadline_ns)
{
    struct main_queue *queue = self;
    (void)flags;
    (void)deadline_ns;
    pthread_mutex_lock(&queue->lock);
    queue->closed = 1;
    pthread_mutex_unlock(&queue->lock);
    return 0;
}

static void queue_stats(void *self, struct via_executor_stats *stats)
{
    struct main_queue *queue = self;
    pthread_mutex_lock(&queue->lock);
    stats->queued = queue->count;
    pthread_mutex_unlock(&queue->lock);
}

static void queue_free(void *self)
{
    struct main_queue *queue = self;
    pthread_cond_destroy(&queue->arrived);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static const struct via_executor_ops queue_ops = {
    .kind = "main thread",
    .call_kinds = VIA_CALL_POINTER,
    .submit = queue_submit,
    .shutdown = queue_shutdown,
    .stats = queue_stats,
    .free = queue_free,
};

static struct main_queue *queue_new(void)
{
    struct main_queue *queue = calloc(1, sizeof *queue);
    if (queue != NULL) {
        pthread_mutex_init(&queue->lock, NULL);
        pthread_cond_init(&queue->arrived, NULL);
    }
    return queue;
}

/* The main thread's turn.  The lock is not held while the job runs, so a job may submit another. */
static void queue_run_one(struct main_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0)
        pthread_cond_wait(&queue->arrived, &queue->lock);
    via_job *job = queue->jobs[queue->first];
    queue->first = (queue->first + 1) % ROOM;
    queue->count--;
    pthread_mutex_unlock(&queue->lock);
    via_job_run(job); /* runs the function, completes the future, and takes the job */
}

/* What must happen in the main thread. */
static pthread_t main_thread;

static int paint(void *line, void **result)
{
    (void)result;
    printf("%s (%s)\n", (const char *)line,
           pthread_equal(pthread_self(), main_thread) ? "in the main thread" : "in a worker");
    return 0;
}

/* A worker's job, which needs the main thread for a part of it. */
static int work(void *arg, void **result)
{
    static char line[] = "painted for a worker";
    via_executor *on_main = arg;
    via_cfuture *cf;
    struct via_call call = VIA_CALL(paint, line);
    (void)result;
    int rc = via_executor_submit(on_main, &call, &cf);
    if (rc < 0)
        return rc;
    rc = via_cfuture_result(cf, 5 * VIA_S, NULL);
    via_cfuture_unref(cf);
    return rc;
}

int main(void)
{
    struct main_queue *queue = queue_new();
    via_executor *on_main, *pool;
    via_cfuture *cf;
    main_thread = pthread_self();
    if (queue == NULL || via_executor_new(&queue_ops, queue, &on_main) < 0 ||
        via_thread_pool_new(NULL, &pool) < 0)
        return 1;
    struct via_call call = VIA_CALL(work, on_main);
    if (via_executor_submit(pool, &call, &cf) < 0)
        return 1;
    queue_run_one(queue);
    printf("the worker says: %s\n", via_status_text(via_cfuture_result(cf, 5 * VIA_S, NULL)));
    via_cfuture_unref(cf);

    via_executor_shutdown(on_main, 0, 0);
    call = VIA_CALL(paint, NULL);
    printf("after the shutdown: %s\n", via_status_text(via_executor_submit(on_main, &call, NULL)));
    via_executor_unref(on_main);
    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return 0;
}
