/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A concurrent future, such as an executor gives to any thread, wrapped into a future of the loop.
 */
#include "gallery.h"

static int square(void *arg, void **result) /* on a thread */
{
    int *number = arg;
    int rc = via_call_sleep(*number * VIA_S);
    *number *= *number;
    *result = number;
    return rc;
}

static int submit(via_executor *pool, int *number, via_future **future)
{
    struct via_call call = VIA_CALL(square, number);
    via_cfuture *cf;
    int rc = via_executor_submit(pool, &call, &cf);
    if (rc < 0)
        return rc;
    *future = via_wrap_future(via_loop_current(), cf);
    via_cfuture_unref(cf);
    return 0;
}

static int main_task(void *arg, void **result)
{
    static int numbers[] = {3, 2};
    via_executor *pool = arg;
    via_future *futures[2];
    struct via_outcome outcomes[2];
    (void)result;
    for (int i = 0; i < 2; i++) {
        int rc = submit(pool, &numbers[i], &futures[i]);
        if (rc < 0)
            return rc;
    }
    int rc = via_await_all(futures, 2, VIA_GATHER_DRAIN, outcomes);
    for (int i = 0; i < 2 && rc == 0; i++)
        say("result %d: %d", i, *(int *)outcomes[i].value);
    return rc;
}

int main(void)
{
    struct via_thread_pool_options options;
    via_executor *pool;
    via_thread_pool_options_init(&options);
    options.max_workers = 3;
    int rc = via_thread_pool_new(&options, &pool);
    if (rc < 0)
        return via_exit_status(rc);
    rc = gallery_run(main_task, pool, NULL);
    /* Unlike asyncio's, a pool that is shut down says who keeps it from ending. */
    int stuck = via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return via_exit_status(rc < 0 ? rc : stuck);
}
