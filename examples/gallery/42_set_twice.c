/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A result that is read too early, and one that is set twice: errors, and nothing has changed.
 */
#include "gallery.h"

static char first[] = "first", second[] = "second";

static void try_to_read(via_future *future)
{
    void *value = NULL;
    int rc = via_future_result(future, &value);
    say("    reading: %s", rc == 0 ? (char *)value : via_status_text(rc));
}

static void try_to_set(via_future *future, char *value)
{
    int rc = via_future_set_result(future, value, NULL);
    say("    setting the %s: %s", value, via_status_text(rc));
}

static int main_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *future = via_future_new(via_loop_current());
    say("a pending future");
    try_to_read(future);
    try_to_set(future, first);
    say("a finished one");
    try_to_read(future);
    try_to_set(future, second);
    try_to_read(future);
    via_future_unref(future);

    say("a cancelled one");
    future = via_future_new(via_loop_current());
    via_future_cancel(future);
    try_to_set(future, first);
    try_to_read(future);
    via_future_unref(future);
    return 0;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
