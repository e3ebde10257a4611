/* SPDX-License-Identifier: BSD-3-Clause */
/* Viaduct: via_run_in_executor on a pool, with a done callback, as a program would.
 * The variant "nolinger" turns the linger off in loop and pool; "nice19" gives the pool its low-priority
 * option. */
#include "peer.h"

#include <string.h>
#include <viaduct.h>

static via_loop *loop;
static via_executor *pool;

static int start_pool(int workers, int nice, int linger)
{
    struct via_thread_pool_options options;
    via_thread_pool_options_init(&options);
    options.name = "bench";
    options.max_workers = workers;
    options.min_workers = workers;
    options.nice = nice;
    if (!linger)
        options.linger_ns = 0;
    return via_thread_pool_new(&options, &pool);
}

static int start(int workers, const char *variant)
{
    struct via_loop_options options;
    int linger = !variant || strcmp(variant, "nolinger");
    int nice = variant && !strcmp(variant, "nice19") ? 19 : 0;
    if (variant && linger && !nice)
        return -1;
    via_loop_options_init(&options);
    if (!linger)
        options.linger_ns = 0;
    if (via_loop_new_with(&options, &loop) < 0)
        die("no loop");
    if (workers && start_pool(workers, nice, linger) < 0)
        die("no pool");
    return 0;
}

/* Runs a function on the pool and a callback on the loop when it has returned. */
static void call_and_then(via_call_fn fn, via_future_fn done, void *arg)
{
    struct via_call call = VIA_CALL(fn, arg);
    via_future *future = via_run_in_executor(loop, pool, &call);
    if (via_future_add_done_callback(future, done, arg) < 0)
        die("no callback");
    via_future_unref(future);
}

static void check(via_future *future)
{
    void *value;
    int status = via_future_result(future, &value);
    if (status < 0)
        die(via_status_text(status));
}

static int run_job(void *arg, void **result)
{
    struct job *job = arg;
    (void)result;
    job->work();
    return 0;
}

static int job_done(via_future *future, void *arg)
{
    struct job *job = arg;
    check(future);
    job->done(job);
    return 0;
}

static void submit(struct job *job)
{
    call_and_then(run_job, job_done, job);
}

static int run_nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static int nothing_done(via_future *future, void *arg)
{
    (void)arg;
    check(future);
    noop_done();
    return 0;
}

static void submit_noop(void)
{
    call_and_then(run_nothing, nothing_done, NULL);
}

static void run(void)
{
    if (via_loop_run_forever(loop) < 0)
        die("the loop did not run");
}

static void quit(void)
{
    via_loop_stop(loop);
}

static int on_timer(void *arg)
{
    void (**fn)(void) = arg;
    (*fn)();
    return 0;
}

static void after_ms(int ms, void (*fn)(void))
{
    static void (*timer_fn)(void);
    timer_fn = fn;
    if (via_call_later(loop, ms * VIA_MS, on_timer, &timer_fn, NULL) < 0)
        die("no timer");
}

static void post_begin(void)
{
    if (via_loop_hold(loop) < 0)
        die("no hold");
}

static int on_post(void *arg)
{
    (void)arg;
    post_arrived();
    return 0;
}

static void post_one(void)
{
    if (via_call_soon_threadsafe(loop, on_post, NULL, NULL) < 0)
        die("no post");
}

int main(int argc, char **argv)
{
    const struct peer peer = {"viaduct", start,    submit,     submit_noop, run,
                              quit,      after_ms, post_begin, post_one};
    return bench_main(argc, argv, &peer);
}
