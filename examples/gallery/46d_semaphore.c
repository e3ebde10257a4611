/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A semaphore: five downloads, two at a time.
 */
#include "gallery.h"

static struct via_semaphore slots;

static int download(void *name, void **result)
{
    (void)result;
    int rc = via_semaphore_acquire(&slots);
    if (rc < 0)
        return rc;
    say("%s begins", (const char *)name);
    rc = via_sleep(1 * VIA_S);
    via_semaphore_release(&slots);
    return rc;
}

static int main_task(void *arg, void **result)
{
    char names[][4] = {"one", "two", "3rd", "4th", "5th"};
    via_future *tasks[5];
    (void)arg;
    (void)result;
    /* Where a limit is all that is wanted, via_gather_map() and task groups have one: asyncio's do not. */
    via_semaphore_init(NULL, 2, 2, &slots);
    for (int i = 0; i < 5; i++)
        tasks[i] = via_create_task(download, names[i]);
    int rc = via_await_all(tasks, 5, VIA_GATHER_DRAIN, NULL);
    say("all are done");
    /* A unit that is given back too often is noticed, because the semaphore has a bound. */
    say("one release too many: %s", via_status_text(via_semaphore_release(&slots)));
    via_semaphore_fini(&slots);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
