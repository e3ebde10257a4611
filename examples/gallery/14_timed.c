/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same two fetches one after the other and at the same time, each way timed by one wrapper.
 */
#include "gallery.h"

static int64_t half_s = 500 * VIA_MS, one_and_a_half_s = 1500 * VIA_MS;

static int fetch(void *arg, void **result)
{
    (void)result;
    return via_sleep(*(int64_t *)arg);
}

/* A task is made of a function, but a function that awaits can be called like any other. */
static int calls(void)
{
    int rc = fetch(&half_s, NULL);
    return rc < 0 ? rc : fetch(&one_and_a_half_s, NULL);
}

static int tasks_one_by_one(void)
{
    int rc = via_await(via_create_task(fetch, &half_s), NULL);
    return rc < 0 ? rc : via_await(via_create_task(fetch, &one_and_a_half_s), NULL);
}

static int gathered(void)
{
    via_future *tasks[] = {via_create_task(fetch, &half_s), via_create_task(fetch, &one_and_a_half_s)};
    return via_await(via_gather(tasks, 2, 0), NULL);
}

static int grouped(void)
{
    via_group *group;
    int rc = via_group_begin(NULL, &group);
    if (rc < 0)
        return rc;
    via_future_unref(via_group_create_task(group, fetch, &half_s));
    via_future_unref(via_group_create_task(group, fetch, &one_and_a_half_s));
    rc = via_group_end(group, 0);
    via_group_free(group);
    return rc;
}

static int timed(const char *name, int (*way)(void))
{
    via_loop *loop = via_loop_current();
    int64_t start_ns = via_loop_time_ns(loop);
    int rc = way();
    printf("%-18s %.1f s\n", name, (double)(via_loop_time_ns(loop) - start_ns) / (double)VIA_S);
    return rc;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int rc = timed("calls", calls);
    if (rc == 0)
        rc = timed("tasks one by one", tasks_one_by_one);
    if (rc == 0)
        rc = timed("gather", gathered);
    if (rc == 0)
        rc = timed("group", grouped);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
