/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An event: many wait until something has happened, and who comes later does not have to.
 */
#include "gallery.h"

static struct via_event ready;

static int wait_until_ready(void *name, void **result)
{
    (void)result;
    int rc = via_event_wait(&ready);
    say("%s goes on: %s", (const char *)name, via_status_text(rc));
    return rc;
}

static int main_task(void *arg, void **result)
{
    char names[][5] = {"Anna", "Bert", "Cora"};
    (void)arg;
    (void)result;
    via_event_init(NULL, &ready);
    via_future *tasks[] = {via_create_task(wait_until_ready, names[0]),
                           via_create_task(wait_until_ready, names[1]), NULL};
    int rc = via_sleep(1 * VIA_S);
    say("now it happens");
    via_event_set(&ready);
    tasks[2] = via_create_task(wait_until_ready, names[2]);
    int all = via_await_all(tasks, 3, VIA_GATHER_DRAIN, NULL);
    via_event_fini(&ready);
    return rc < 0 ? rc : all;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
