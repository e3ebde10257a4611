/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function that waits, on a thread, and one that computes, in a process, at once: together they take as
 * long as the longer one.  Threads of C compute side by side as well; what a process has more is that it may
 * crash.
 */
#include "gallery.h"

#include <inttypes.h>

static int blocking_io(void *arg, void **result) /* on a thread */
{
    static char text[] = "what was read";
    (void)arg;
    *result = text;
    return via_call_sleep(2 * VIA_S);
}

/* In another process.  The sum is wider than 64 bits, so it is kept in two parts; and since the program wants
 * to print it, the answer is the text. */
static int cpu_bound(via_bytes_call *call, const void *in, size_t in_bytes)
{
    static const uint64_t unit = 1000000000000000;
    uint64_t high = 0, low = 0;
    long end;
    memcpy(&end, in, in_bytes);
    for (long i = 0; i < end; i++) {
        low += (uint64_t)i * (uint64_t)i;
        high += low / unit;
        low %= unit;
    }
    char *text = via_bytes_out(call, 40);
    if (text == NULL)
        return VIA_ENOMEM;
    snprintf(text, 40, "%" PRIu64 "%015" PRIu64, high, low);
    return 0;
}

static int main_task(void *pool, void **result)
{
    long end = 10000000;
    struct via_call wait = VIA_CALL(blocking_io, NULL);
    struct via_call compute = VIA_CALL_BYTES(cpu_bound, &end, sizeof end);
    via_future *both[] = {via_run_in_executor(via_loop_current(), NULL, &wait),
                          via_run_in_executor(via_loop_current(), pool, &compute)};
    struct via_outcome outcomes[2];
    (void)result;
    say("both have begun");
    int rc = via_await_all(both, 2, VIA_GATHER_DRAIN, outcomes);
    if (rc < 0)
        return rc;
    say("the thread:  %s", (char *)outcomes[0].value);
    say("the process: %s", (char *)outcomes[1].value);
    outcomes[1].destroy(outcomes[1].value);
    return 0;
}

int main(void)
{
    via_process_enter();
    via_executor *pool;
    int rc = via_process_pool_new(NULL, &pool);
    if (rc < 0)
        return via_exit_status(rc);
    rc = gallery_run(main_task, pool, NULL);
    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return via_exit_status(rc);
}
