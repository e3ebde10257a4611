/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A barrier: three walkers wait for each other at every stop.
 */
#include "gallery.h"

static struct via_barrier stop;

struct walker {
    const char *name;
    int64_t pace_ns;
};

static int walk(void *arg, void **result)
{
    const struct walker *walker = arg;
    int rc = 0, index;
    (void)result;
    for (int stage = 1; stage <= 2 && rc == 0; stage++) {
        rc = via_sleep(walker->pace_ns);
        if (rc < 0)
            break;
        say("%s is at stop %d", walker->name, stage);
        rc = via_barrier_wait(&stop, &index);
        if (rc == 0 && index == 0) /* one of them, whichever came first */
            say("all are at stop %d", stage);
    }
    return rc;
}

static int main_task(void *arg, void **result)
{
    struct walker walkers[] = {{"Anna", 3 * VIA_S}, {"Bert", 1 * VIA_S}, {"Cora", 2 * VIA_S}};
    via_future *tasks[3];
    (void)arg;
    (void)result;
    via_barrier_init(NULL, 3, &stop);
    for (int i = 0; i < 3; i++)
        tasks[i] = via_create_task(walk, &walkers[i]);
    int rc = via_await_all(tasks, 3, VIA_GATHER_DRAIN, NULL);
    via_barrier_fini(&stop);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
