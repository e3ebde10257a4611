/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for the first that is done, for the first that fails, and for all.
 */
#include "gallery.h"

enum { COUNT = 4 };

struct job {
    int64_t duration_ns;
    int fails;
};

static struct job jobs[COUNT] = {{3 * VIA_S, 0}, {1 * VIA_S, 0}, {2 * VIA_S, 1}, {4 * VIA_S, 0}};

static int work(void *arg, void **result)
{
    const struct job *job = arg;
    (void)result;
    int rc = via_sleep(job->duration_ns);
    return rc < 0 ? rc : job->fails ? via_fail(1, "it was not to be") : 0;
}

static int wait_and_print(const char *name, int when)
{
    via_future *tasks[COUNT];
    for (int i = 0; i < COUNT; i++)
        tasks[i] = via_create_task(work, &jobs[i]);
    int done = via_wait(tasks, COUNT, VIA_FOREVER, when);
    if (done >= 0)
        say("%s: %d done, %d pending", name, done, COUNT - done);
    for (int i = 0; i < COUNT; i++) {
        via_future_cancel(tasks[i]); /* who cancels a task does not want to hear of its error any more */
        via_future_unref(tasks[i]);
    }
    return done < 0 ? done : 0;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = wait_and_print("first completed", VIA_FIRST_COMPLETED);
    if (rc == 0)
        rc = wait_and_print("first exception", VIA_FIRST_EXCEPTION);
    if (rc == 0)
        rc = wait_and_print("all completed", VIA_ALL_COMPLETED);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
