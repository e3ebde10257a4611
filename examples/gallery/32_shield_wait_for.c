/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A time limit over a shield: the shield is cancelled, the task behind it is not.
 */
#include "gallery.h"

static char report[] = "the report";

static int write_report(void *arg, void **result)
{
    (void)arg;
    int rc = via_sleep(3 * VIA_S);
    *result = report;
    return rc;
}

static const char *state_name(const via_future *future)
{
    int state = via_future_state(future);
    return state == VIA_PENDING ? "pending" : state == VIA_CANCELLED ? "cancelled" : "finished";
}

static int main_task(void *arg, void **result)
{
    void *value;
    (void)arg;
    (void)result;
    via_future *task = via_create_task(write_report, NULL);
    via_future *shield = via_shield(via_future_ref(task));
    int rc = via_wait_for(via_future_ref(shield), 1 * VIA_S, NULL);
    say("%s", via_status_text(rc));
    say("the shield is %s, the task is %s", state_name(shield), state_name(task));
    via_future_unref(shield);
    rc = via_await(task, &value);
    if (rc == 0)
        say("%s", (char *)value);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
