/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two plain threads and a loop: one has tasks run there, and blocks for their results; one posts callbacks.
 */
#include <pthread.h>

#include "gallery.h"

struct program {
    via_loop *loop;
    via_future *all_ended; /* kept when both threads have nothing more to send */
    int threads, posts;
    int product, product_status, slow_status;
};

/* ---- in the loop's thread ---- */

static int multiply(void *arg, void **result)
{
    struct program *program = arg;
    (void)result;
    int rc = via_yield();
    program->product = 6 * 7;
    return rc;
}

static int take_too_long(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_sleep(3600 * VIA_S);
}

static int count_post(void *program)
{
    ((struct program *)program)->posts++;
    return 0;
}

static int count_thread(void *arg)
{
    struct program *program = arg;
    return --program->threads == 0 ? via_future_set_result(program->all_ended, NULL, NULL) : 0;
}

/* ---- in the threads ---- */

static int run_there(struct program *program, via_task_fn fn, int64_t timeout_ns)
{
    via_cfuture *cf;
    int rc = via_run_coroutine_threadsafe(program->loop, fn, program, NULL, &cf);
    if (rc < 0)
        return rc;
    rc = via_cfuture_result(cf, timeout_ns, NULL);
    if (rc == VIA_ETIMEDOUT)
        via_cfuture_cancel(cf); /* giving up waiting does not end the task */
    via_cfuture_unref(cf);
    return rc;
}

static void end_thread(struct program *program)
{
    via_call_soon_threadsafe(program->loop, count_thread, program, NULL);
    via_loop_release(program->loop);
}

static void *ask_for_results(void *arg)
{
    struct program *program = arg;
    program->product_status = run_there(program, multiply, 10 * VIA_S);
    program->slow_status = run_there(program, take_too_long, 50 * VIA_MS);
    end_thread(program);
    return NULL;
}

static void *post(void *arg)
{
    struct program *program = arg;
    for (int i = 0; i < 3; i++)
        via_call_soon_threadsafe(program->loop, count_post, program, NULL);
    end_thread(program);
    return NULL;
}

/* ---- the main task ---- */

/* A hold says that somebody will send something.  Without it a run in which everybody waits would say that
 * nothing is left to wait for; asyncio cannot tell the two apart, and hangs. */
static int start(struct program *program, pthread_t *thread, void *(*fn)(void *arg))
{
    via_loop_hold(program->loop);
    int rc = pthread_create(thread, NULL, fn, program);
    if (rc != 0)
        via_loop_release(program->loop);
    program->threads += rc == 0;
    return -rc;
}

static int main_task(void *arg, void **result)
{
    static struct program program;
    pthread_t asker, poster;
    (void)arg;
    (void)result;
    program.loop = via_loop_current();
    program.all_ended = via_future_new(program.loop);
    int rc = start(&program, &asker, ask_for_results);
    if (rc < 0)
        return rc;
    rc = start(&program, &poster, post);
    if (rc == 0)
        rc = via_await(program.all_ended, NULL);
    pthread_join(asker, NULL);
    if (rc == 0)
        pthread_join(poster, NULL);
    printf("the product: %s, %d\n", via_status_text(program.product_status), program.product);
    printf("the slow one: %s\n", via_status_text(program.slow_status));
    printf("%d posts\n", program.posts);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
