/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An hour's work with two seconds to do it in.
 */
#include "gallery.h"

static int work(void *arg, void **result)
{
    (void)arg;
    (void)result;
    say("work begins");
    int rc = via_sleep(3600 * VIA_S);
    say("work ends: %s", via_status_text(rc));
    return rc;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = via_wait_for(via_create_task(work, NULL), 2 * VIA_S, NULL);
    say("main: %s", via_status_text(rc));
    return rc == VIA_ETIMEDOUT ? 0 : rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
