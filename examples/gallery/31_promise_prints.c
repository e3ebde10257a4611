/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A promise, looked at before it is kept, on the way, and after.
 */
#include "gallery.h"

static int set_world(void *future, void **result)
{
    static char world[] = "world";
    (void)result;
    int rc = via_sleep(1 * VIA_S);
    return rc < 0 ? rc : via_future_set_result(future, world, NULL);
}

static int called_back(via_future *future, void *arg)
{
    (void)future;
    (void)arg;
    puts("callback");
    return 0;
}

static int main_task(void *arg, void **result)
{
    void *value;
    (void)arg;
    (void)result;
    via_future *future = via_future_new(via_loop_current());
    via_future_add_done_callback(future, called_back, NULL);
    via_future_unref(via_create_task(set_world, future));
    puts("hello");
    puts(via_future_done(future) ? "True" : "False");
    int rc = via_await(via_future_ref(future), &value);
    if (rc < 0)
        return rc;
    puts(value);
    puts(via_future_done(future) ? "True" : "False");
    rc = via_future_result(future, &value); /* as often as one likes */
    if (rc == 0)
        puts(value);
    via_future_unref(future);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
