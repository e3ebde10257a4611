/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A shield is cancelled in place of what is behind it.
 */
#include "gallery.h"

static char paid[] = "the bill is paid";

static int pay(void *arg, void **result)
{
    (void)arg;
    int rc = via_sleep(2 * VIA_S);
    *result = paid;
    return rc;
}

static int cancel_future(void *future)
{
    say("somebody cancels the shield");
    via_future_cancel(future);
    return 0;
}

static int main_task(void *arg, void **result)
{
    void *value = NULL;
    (void)arg;
    (void)result;
    via_future *inner = via_create_task(pay, NULL);
    via_future *outer = via_shield(via_future_ref(inner)); /* one reference for the shield, one for later */
    via_call_later(via_loop_current(), 1 * VIA_S, cancel_future, outer, NULL);
    int rc = via_await(outer, NULL);
    /* Asyncio says CancelledError both here and when this task is told to stop; these are two statuses. */
    say("awaiting the shield: %s (%s)", via_status_text(rc), via_status_name(rc));
    say("behind it the task is %s", via_future_done(inner) ? "done" : "still at work");
    rc = via_await(inner, &value);
    if (rc == 0)
        say("awaiting the task: %s", (char *)value);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
