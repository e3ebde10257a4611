/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gather tells the first error at once.  The other tasks are not cancelled: they go on, if there is time.
 */
#include "gallery.h"

static int succeed(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = via_sleep(2 * VIA_S);
    say("the sibling ends: %s", via_status_text(rc));
    return rc;
}

static int fail(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = via_sleep(1 * VIA_S);
    return rc < 0 ? rc : via_fail(7, "no such page");
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *tasks[] = {via_create_task(succeed, NULL), via_create_task(fail, NULL)};
    struct via_outcome outcome;
    if (via_await_outcome(via_gather(tasks, 2, 0), &outcome) == VIA_EFAILED)
        say("gather failed with code %d: %s", outcome.code, outcome.message);
    int rc = via_sleep(2 * VIA_S);
    say("main ends");
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
