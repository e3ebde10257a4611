/* SPDX-License-Identifier: BSD-3-Clause */
/* GLib: an exclusive GThreadPool; completions and posts are idle sources of the main context. */
#include "peer.h"

#include <glib.h>
#include <stdlib.h>

static GMainLoop *loop;
static GThreadPool *pool;
static struct job noop;

static gboolean job_done(gpointer data)
{
    struct job *job = data;
    job->done(job);
    return G_SOURCE_REMOVE;
}

static void send_to_loop(GSourceFunc fn, gpointer data)
{
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, fn, data, NULL);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

static void run_job(gpointer data, gpointer user_data)
{
    struct job *job = data;
    (void)user_data;
    job->work();
    send_to_loop(job_done, job);
}

static void do_nothing(void)
{
}

static void nothing_done(struct job *job)
{
    (void)job;
    noop_done();
}

static int start(int workers, const char *variant)
{
    if (variant)
        return -1;
    noop.work = do_nothing;
    noop.done = nothing_done;
    loop = g_main_loop_new(NULL, FALSE);
    if (workers)
        pool = g_thread_pool_new(run_job, NULL, workers, TRUE, NULL);
    return workers && !pool ? -1 : 0;
}

static void submit(struct job *job)
{
    g_thread_pool_push(pool, job, NULL);
}

/* A job that is only read can be pushed any number of times: GLib keeps what it needs per call itself. */
static void submit_noop(void)
{
    g_thread_pool_push(pool, &noop, NULL);
}

static void run(void)
{
    g_main_loop_run(loop);
}

static void quit(void)
{
    g_main_loop_quit(loop);
}

static gboolean on_timer(gpointer data)
{
    void (*fn)(void) = *(void (**)(void))data;
    g_free(data);
    fn();
    return G_SOURCE_REMOVE;
}

static void after_ms(int ms, void (*fn)(void))
{
    void (**copy)(void) = g_malloc(sizeof *copy);
    *copy = fn;
    g_timeout_add_full(G_PRIORITY_DEFAULT, (guint)ms, on_timer, copy, NULL);
}

static void post_begin(void)
{
}

static gboolean on_post(gpointer data)
{
    (void)data;
    post_arrived();
    return G_SOURCE_REMOVE;
}

static void post_one(void)
{
    send_to_loop(on_post, NULL);
}

int main(int argc, char **argv)
{
    const struct peer peer = {"glib", start, submit, submit_noop, run, quit, after_ms, post_begin, post_one};
    return bench_main(argc, argv, &peer);
}
