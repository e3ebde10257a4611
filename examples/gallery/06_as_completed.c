/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Results in the order in which they come; and the same with a time limit for all of it.
 */
#include "gallery.h"

static int64_t seconds[] = {3, 1, 2};

static int work(void *arg, void **result)
{
    *result = arg;
    return via_sleep(*(int64_t *)arg * VIA_S);
}

static int walk(via_future *const *tasks, int64_t timeout_ns)
{
    via_completed *it;
    via_future *task; /* the very one that was put in, which asyncio gives since 3.13 only */
    void *value;
    int rc = via_as_completed(tasks, 3, timeout_ns, &it);
    if (rc < 0)
        return rc;
    while ((rc = via_completed_next(it, &task)) == 1)
        if (via_future_result(task, &value) == 0)
            say("the %lld s job", (long long)*(int64_t *)value);
    if (rc == VIA_ETIMEDOUT) {
        say("time is over, and %d more would have come", via_completed_pending(it, NULL));
        rc = 0;
    }
    via_completed_free(it);
    return rc;
}

static int make_and_walk(int64_t timeout_ns)
{
    via_future *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = via_create_task(work, &seconds[i]);
    int rc = walk(tasks, timeout_ns);
    for (int i = 0; i < 3; i++)
        via_future_unref(tasks[i]);
    return rc;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = make_and_walk(VIA_FOREVER);
    return rc < 0 ? rc : make_and_walk(1500 * VIA_MS);
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
