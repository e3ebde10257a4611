/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A task runs without being awaited.  What is left when the main task has ended is cancelled, and cleans up.
 */
#include "gallery.h"

/* Nobody awaits the tasks, so what they are given must not lie in the function that makes them. */
static char coffee[] = "coffee", toast[] = "toast";

static int make(void *arg, void **result)
{
    const char *what = arg;
    (void)result;
    say("%s: started", what);
    int rc = via_sleep(10 * VIA_S);
    say("%s: %s", what, rc == 0 ? "done" : via_status_text(rc));
    return rc;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    /* The loop keeps a task until it has ended, so the reference can be dropped.  (In asyncio the task could
     * vanish then: its loop has weak references only.) */
    via_future_unref(via_create_task(make, coffee));
    via_future_unref(via_create_task(make, toast));
    int rc = via_sleep(100 * VIA_MS);
    say("main ends");
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
