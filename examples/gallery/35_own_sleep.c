/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sleep of one's own, of a timer and a future: it behaves like the library's, also when it is cancelled.
 */
#include "gallery.h"

static int wake(void *future)
{
    return via_future_set_result(future, NULL, NULL);
}

static int own_sleep(int64_t duration_ns)
{
    via_loop *loop = via_loop_current();
    via_future *future = via_future_new(loop);
    via_handle *timer;
    int rc = via_call_later(loop, duration_ns, wake, future, &timer);
    if (rc == 0) {
        rc = via_await(via_future_ref(future), NULL);
        via_handle_cancel(timer); /* if it has not run: it must not touch a future that is gone */
        via_handle_unref(timer);
    }
    via_future_unref(future);
    return rc;
}

static int library_sleep(int64_t duration_ns)
{
    return via_sleep(duration_ns);
}

struct sleeper {
    const char *name;
    int (*sleep)(int64_t duration_ns);
    int64_t duration_ns;
};

static int sleep_and_say(void *arg, void **result)
{
    const struct sleeper *sleeper = arg;
    (void)result;
    int rc = sleeper->sleep(sleeper->duration_ns);
    say("%s sleep: %s", sleeper->name, via_status_text(rc));
    return rc;
}

static int main_task(void *arg, void **result)
{
    static struct sleeper sleepers[] = {{"own", own_sleep, 1 * VIA_S},
                                        {"library's", library_sleep, 1 * VIA_S},
                                        {"long own", own_sleep, 60 * VIA_S},
                                        {"library's long", library_sleep, 60 * VIA_S}};
    via_future *tasks[4];
    (void)arg;
    (void)result;
    for (int i = 0; i < 4; i++)
        tasks[i] = via_create_task(sleep_and_say, &sleepers[i]);
    int rc = via_sleep(2 * VIA_S);
    say("the long ones are cancelled");
    for (int i = 0; i < 4; i++) {
        via_task_cancel(tasks[i], NULL);
        int ended = via_await(tasks[i], NULL);
        if (rc == 0 && ended != (i < 2 ? 0 : VIA_EABORTED))
            rc = ended;
    }
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
