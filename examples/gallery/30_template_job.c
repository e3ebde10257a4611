/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Three jobs of three steps each, at the same time: they take as long as the longest, and their results come
 * in the order of the arguments, though they end in another.
 */
#include "gallery.h"

enum { JOBS = 3, STEPS = 3 };

struct job {
    const char *name;
    int seconds[STEPS];
};

static int run_job(void *arg, void **result)
{
    static const char *const steps[STEPS] = {"fetched", "rendered", "stored"};
    struct job *job = arg;
    int rc = 0;
    for (int i = 0; i < STEPS && rc == 0; i++) {
        rc = via_sleep(job->seconds[i] * VIA_S);
        if (rc == 0)
            say("%s is %s", job->name, steps[i]);
    }
    *result = job;
    return rc;
}

static int main_task(void *arg, void **result)
{
    struct job jobs[JOBS] = {{"alpha", {4, 2, 3}}, {"beta", {2, 1, 3}}, {"gamma", {3, 1, 4}}};
    via_future *tasks[JOBS];
    struct via_outcome outcomes[JOBS];
    (void)arg;
    (void)result;
    for (int i = 0; i < JOBS; i++)
        tasks[i] = via_create_task(run_job, &jobs[i]);
    int rc = via_await_all(tasks, JOBS, VIA_GATHER_DRAIN, outcomes);
    for (int i = 0; i < JOBS && rc == 0; i++)
        say("result %d: %s", i, ((struct job *)outcomes[i].value)->name);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
