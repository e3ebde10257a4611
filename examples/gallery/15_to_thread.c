/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A blocking function with an argument, on a thread, while the loop is free for others.
 */
#include "gallery.h"

static int twice(void *arg, void **result) /* on a thread */
{
    int *number = arg;
    int rc = via_call_sleep(1 * VIA_S);
    *number *= 2;
    *result = number;
    return rc;
}

static int tick(void *arg, void **result)
{
    int rc = 0;
    (void)arg;
    (void)result;
    while (rc == 0) {
        say("the loop is free");
        rc = via_sleep(300 * VIA_MS);
    }
    return rc;
}

static int main_task(void *arg, void **result)
{
    int number = 42;
    void *value;
    (void)arg;
    (void)result;
    via_future_unref(via_create_task(tick, NULL));
    say("in:  %d", number);
    /* This returns only when the function has, however this task is cancelled: so a variable of the task may
     * be the argument.  In asyncio the thread would go on with it after the cancelled await. */
    int rc = via_await_to_thread(twice, &number, &value);
    if (rc == 0)
        say("out: %d", *(int *)value);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
