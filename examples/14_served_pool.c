/* SPDX-License-Identifier: BSD-3-Clause */
/* A process pool that the loop serves, under a limit for each call as a whole, and its end without blocking.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <viaduct.h>

static int work(via_bytes_call *call, const void *in, size_t in_bytes) /* runs in another process */
{
    char *out = via_bytes_out(call, in_bytes);
    if (out == NULL)
        return VIA_ENOMEM;
    memcpy(out, in, in_bytes);
    while (in_bytes > 3)
        pause(); /* a long word hangs, as a defect may */
    return 0;
}

/* Whatever passes, in the queue and in the worker: when the time is over the call is cancelled, and a running
 * one killed. */
static void look_up(via_executor *pool, const char *word, int64_t limit_ns)
{
    struct via_call call = VIA_CALL_BYTES(work, word, strlen(word));
    via_future *future = via_run_in_executor(via_loop_current(), pool, &call);
    int rc = via_wait_for(future, limit_ns, NULL);
    printf("%s: %s\n", word, via_status_text(rc));
}

/* Waiting for the end takes a thread: in the loop's it would block the loop. */
static int shut_down(void *pool, void **result)
{
    (void)result;
    return via_executor_shutdown(pool, 0, 5 * VIA_S);
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    struct via_process_pool_options options;
    via_process_pool_options_init(&options);
    options.loop = via_loop_current();
    via_executor *pool;
    int rc = via_process_pool_new(&options, &pool);
    if (rc < 0)
        return rc;
    look_up(pool, "yes", 60 * VIA_S);
    look_up(pool, "perhaps", 50 * VIA_MS);
    rc = via_await_to_thread(shut_down, pool, NULL); /* the loop goes on meanwhile */
    printf("the end: %s\n", via_status_text(rc));
    via_executor_unref(pool);
    return rc;
}

int main(void)
{
    via_process_enter();
    return via_exit_status(via_run(main_task, NULL, NULL));
}
