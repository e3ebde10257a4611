/* SPDX-License-Identifier: BSD-3-Clause */
/* libuv: uv_queue_work, uv_timer, and a list under a mutex with uv_async_send for posts. */
#include "peer.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

struct post {
    struct post *next;
};

static uv_loop_t *loop;
static uv_timer_t timer;
static void (*timer_fn)(void);
static uv_async_t async;
static pthread_mutex_t posts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct post *first_post, **last_post = &first_post;

_Static_assert(sizeof(uv_work_t) <= sizeof(((struct job *)0)->space), "a uv_work_t fits in a job");

static int start(int workers, const char *variant)
{
    char count[16];
    if (variant)
        return -1;
    snprintf(count, sizeof count, "%d", workers);
    setenv("UV_THREADPOOL_SIZE", count, 1);
    loop = uv_default_loop();
    return uv_timer_init(loop, &timer);
}

static void run_job(uv_work_t *work)
{
    struct job *job = work->data;
    job->work();
}

static void job_done(uv_work_t *work, int status)
{
    struct job *job = work->data;
    (void)status;
    job->done(job);
}

static void submit(struct job *job)
{
    uv_work_t *work = (uv_work_t *)job->space.bytes;
    work->data = job;
    if (uv_queue_work(loop, work, run_job, job_done))
        die("uv_queue_work");
}

static void run_nothing(uv_work_t *work)
{
    (void)work;
}

static void nothing_done(uv_work_t *work, int status)
{
    (void)status;
    free(work);
    noop_done();
}

static void submit_noop(void)
{
    uv_work_t *work = malloc(sizeof *work);
    if (!work || uv_queue_work(loop, work, run_nothing, nothing_done))
        die("uv_queue_work");
}

static void run(void)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static void quit(void)
{
    uv_stop(loop);
}

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
    timer_fn();
}

static void after_ms(int ms, void (*fn)(void))
{
    timer_fn = fn;
    uv_update_time(loop);
    uv_timer_start(&timer, on_timer, (uint64_t)ms, 0);
}

static void take_posts(uv_async_t *handle)
{
    (void)handle;
    pthread_mutex_lock(&posts_lock);
    struct post *post = first_post;
    first_post = NULL;
    last_post = &first_post;
    pthread_mutex_unlock(&posts_lock);
    while (post) {
        struct post *next = post->next;
        free(post);
        post_arrived();
        post = next;
    }
}

static void post_begin(void)
{
    if (uv_async_init(loop, &async, take_posts))
        die("uv_async_init");
}

static void post_one(void)
{
    struct post *post = malloc(sizeof *post);
    if (!post)
        die("out of memory");
    post->next = NULL;
    pthread_mutex_lock(&posts_lock);
    *last_post = post;
    last_post = &post->next;
    pthread_mutex_unlock(&posts_lock);
    uv_async_send(&async);
}

int main(int argc, char **argv)
{
    const struct peer peer = {"libuv", start, submit, submit_noop, run, quit, after_ms, post_begin, post_one};
    return bench_main(argc, argv, &peer);
}
