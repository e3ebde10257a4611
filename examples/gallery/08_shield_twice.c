/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whoever shields a task and wants to come back to it has to keep it.  To make another one from the same
 * function does the work a second time.
 */
#include "gallery.h"

static char letter[] = "letter";

static int send(void *arg, void **result)
{
    (void)result;
    say("    sending the %s starts", (const char *)arg);
    int rc = via_sleep(2 * VIA_S);
    say("    sending the %s ends", (const char *)arg);
    return rc;
}

static int without_keeping(void)
{
    say("the task is not kept");
    int rc = via_wait_for(via_shield(via_create_task(send, letter)), 1 * VIA_S, NULL);
    say("waited: %s; once more", via_status_text(rc));
    return via_await(via_create_task(send, letter), NULL); /* it runs twice */
}

static int keeping(void)
{
    say("the task is kept");
    via_future *task = via_create_task(send, letter);
    int rc = via_wait_for(via_shield(via_future_ref(task)), 1 * VIA_S, NULL);
    say("waited: %s; once more", via_status_text(rc));
    return via_await(task, NULL);
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = without_keeping();
    return rc < 0 ? rc : keeping();
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
