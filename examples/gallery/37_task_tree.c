/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is there: the current task, all tasks, and what each waits for.
 */
#include "gallery.h"

static int boil(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_sleep(3 * VIA_S);
}

static int brew(void *arg, void **result)
{
    struct via_task_options options = {.name = "boil the water"};
    (void)arg;
    (void)result;
    return via_await(via_create_task_with(NULL, boil, NULL, &options), NULL);
}

static int print_tasks(void)
{
    char text[1000];
    via_loop *loop = via_loop_current();
    printf("this is the task '%s', one of %d:\n", via_task_name(NULL), via_all_tasks(loop, NULL, 0));
    int rc = via_tasks_describe(loop, sizeof text, text);
    if (rc >= 0)
        printf("%s", text);
    return rc < 0 ? rc : 0;
}

static int main_task(void *arg, void **result)
{
    struct via_task_options options = {.name = "brew tea"};
    (void)arg;
    (void)result;
    via_future *tea = via_create_task_with(NULL, brew, NULL, &options);
    via_future *toast = via_create_task(boil, NULL); /* a task without a name gets a number */
    int rc = via_sleep(1 * VIA_S);
    if (rc == 0)
        rc = via_task_set_name(NULL, "look around");
    if (rc == 0)
        rc = print_tasks();
    via_future *both[] = {tea, toast};
    return rc < 0 ? rc : via_await_all(both, 2, VIA_GATHER_DRAIN, NULL);
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
