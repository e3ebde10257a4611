/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One task sets the future that another awaits.
 */
#include "gallery.h"

static int set_after_a_second(void *future, void **result)
{
    static char data[] = "data";
    (void)result;
    int rc = via_sleep(1 * VIA_S);
    return rc < 0 ? rc : via_future_set_result(future, data, NULL);
}

static int print_when_there(void *future, void **result)
{
    void *value;
    (void)result;
    int rc = via_await(via_future_ref(future), &value);
    if (rc == 0)
        say("%s", (char *)value);
    return rc;
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *future = via_future_new(via_loop_current());
    via_future *tasks[] = {via_create_task(print_when_there, future),
                           via_create_task(set_after_a_second, future)};
    int rc = via_await_all(tasks, 2, VIA_GATHER_DRAIN, NULL);
    via_future_unref(future);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
