/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A future that nobody computes: one task keeps the promise, another awaits it, and a callback hears of it.
 */
#include "gallery.h"

static char parcel[] = "a parcel";

static int deliver(void *arg, void **result)
{
    via_future *promise = arg;
    (void)result;
    int rc = via_sleep(2 * VIA_S);
    if (rc == 0)
        rc = via_future_set_result(promise, parcel, NULL);
    say("the carrier has delivered");
    return rc;
}

static int ring(via_future *promise, void *arg)
{
    void *value;
    (void)arg;
    if (via_future_result(promise, &value) == 0)
        say("the bell rings: %s", (char *)value);
    return 0;
}

static int main_task(void *arg, void **result)
{
    void *value;
    (void)arg;
    (void)result;
    via_future *promise = via_future_new(via_loop_current());
    via_future_add_done_callback(promise, ring, NULL);
    via_future *carrier = via_create_task(deliver, promise);
    say("waiting for the carrier");
    int rc = via_await(via_future_ref(promise), &value);
    if (rc == 0)
        say("the customer has %s", (char *)value);
    rc = via_await(carrier, NULL);
    via_future_unref(promise);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
