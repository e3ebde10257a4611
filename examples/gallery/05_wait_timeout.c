/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wait with a time limit only looks on: when the time is over the program sees which are done, and decides
 * what becomes of the others.
 */
#include "gallery.h"

static int64_t seconds[] = {1, 3, 5};

static int work(void *arg, void **result)
{
    *result = arg;
    return via_sleep(*(int64_t *)arg * VIA_S);
}

static int end(via_future *task)
{
    void *value;
    if (!via_future_done(task)) {
        printf("        pending, so it is cancelled\n");
        via_task_cancel(task, "it took too long");
    }
    /* What was cancelled by somebody fails with VIA_EABORTED; VIA_ECANCELED would mean this very task. */
    int rc = via_await(task, &value);
    if (rc == 0)
        printf("        done: the %lld s job\n", (long long)*(int64_t *)value);
    return rc == VIA_EABORTED ? 0 : rc;
}

static int main_task(void *arg, void **result)
{
    via_future *tasks[3];
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++)
        tasks[i] = via_create_task(work, &seconds[i]);
    int done = via_wait(tasks, 3, 2 * VIA_S, VIA_ALL_COMPLETED);
    if (done < 0)
        return done;
    say("%d done, %d pending", done, 3 - done);
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = end(tasks[i]);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
