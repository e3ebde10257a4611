/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cancelling a task, and awaiting its end.
 */
#include "gallery.h"

static int work(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = via_sleep(3600 * VIA_S);
    say("the task cleans up, because %s", via_task_cancel_reason(NULL));
    return rc;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(work, NULL);
    int rc = via_sleep(1 * VIA_S);
    if (rc < 0)
        return rc;
    via_task_cancel(task, "nobody wants it any more");
    /* To an await of asyncio the task's cancelling looks like one's own.  Here it is another status, so a
     * function that is cancelled itself meanwhile does not take it for the end of the task. */
    rc = via_await(task, NULL);
    if (rc == VIA_EABORTED)
        say("Task was cancelled");
    return rc == VIA_EABORTED ? 0 : rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
