/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same question to three executors: the loop's default one, a pool of threads of one's own, and a pool of
 * processes.  What comes back is the same kind of future each time.
 *
 * In asyncio the function for the processes has to be importable by name, and its arguments picklable.  Here
 * it is any function over bytes, and such a function runs on threads as well.
 */
#include "gallery.h"

static int measure(via_bytes_call *call, const void *in, size_t in_bytes)
{
    size_t *length = via_bytes_out(call, sizeof *length);
    if (length == NULL)
        return VIA_ENOMEM;
    *length = strnlen(in, in_bytes);
    return 0;
}

static const char *state(const via_future *future)
{
    switch (via_future_state(future)) {
    case VIA_PENDING:
        return "pending";
    case VIA_CANCELLED:
        return "cancelled";
    default:
        return "finished";
    }
}

static int ask(const char *name, via_executor *executor)
{
    struct via_call call = VIA_CALL_BYTES(measure, name, strlen(name));
    via_future *future = via_run_in_executor(via_loop_current(), executor, &call);
    say("%s: %s", name, state(future));
    int rc = via_await(via_future_ref(future), NULL); /* the value stays with the future, which is kept */
    struct via_outcome outcome = {0};
    if (rc == 0)
        rc = via_future_outcome(future, &outcome);
    if (rc == 0)
        say("%s: %s, %zu", name, state(future), *(size_t *)outcome.value);
    via_future_unref(future);
    return rc;
}

struct pools {
    via_executor *threads, *processes;
};

static int main_task(void *arg, void **result)
{
    struct pools *pools = arg;
    (void)result;
    int rc = ask("the default executor", NULL);
    if (rc == 0)
        rc = ask("threads", pools->threads);
    if (rc == 0)
        rc = ask("processes", pools->processes);
    return rc;
}

static int pools_new(struct pools *pools)
{
    int rc = via_thread_pool_new(NULL, &pools->threads);
    return rc == 0 ? via_process_pool_new(NULL, &pools->processes) : rc;
}

static void pool_free(via_executor *pool)
{
    if (pool != NULL)
        via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
}

int main(void)
{
    via_process_enter();
    struct pools pools = {0};
    int rc = pools_new(&pools);
    if (rc == 0)
        rc = gallery_run(main_task, &pools, NULL);
    pool_free(pools.processes);
    pool_free(pools.threads);
    return via_exit_status(rc);
}
