/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a task starts nothing: it begins when its maker waits for the first time.
 */
#include "gallery.h"

struct job {
    const char *name;
    int64_t duration_ns;
};

static int work(void *arg, void **result)
{
    const struct job *job = arg;
    (void)result;
    say("%s starts", job->name);
    int rc = via_sleep(job->duration_ns);
    say("%s ends", job->name);
    return rc;
}

static int main_task(void *arg, void **result)
{
    struct job first = {"first", 1 * VIA_S}, second = {"second", 2 * VIA_S};
    (void)arg;
    (void)result;
    say("main starts");
    via_future *tasks[] = {via_create_task(work, &first), via_create_task(work, &second)};
    say("main has made both tasks, and goes to wait for them");
    /* The jobs are variables of this function, so it must not return before both tasks have ended.  Asyncio's
     * gather would let it, when one has failed; with VIA_GATHER_DRAIN this one waits for the other. */
    int rc = via_await_all(tasks, 2, VIA_GATHER_DRAIN, NULL);
    say("main ends");
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
