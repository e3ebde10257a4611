/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resources that take time to enter and to leave: one of two functions, one of a generator, and one that
 * keeps a value for the code inside.
 */
#include "gallery.h"

/* ---- two functions ---- */

static int open_door(void *self, void **value)
{
    (void)value;
    int rc = via_sleep(1 * VIA_S);
    say("%s: entered", (const char *)self);
    return rc;
}

/* Leaving may await even if the task was cancelled.  What it returns counts from there on. */
static int shut_door(void *self, int status)
{
    int rc = via_sleep(1 * VIA_S);
    say("%s: left, after %s", (const char *)self, status == 0 ? "success" : "an error");
    return status != 0 ? status : rc;
}

static int stay(void *value, void *arg)
{
    int rc = via_sleep(2 * VIA_S);
    (void)arg;
    say("%s: inside", (const char *)value);
    return rc;
}

static int stumble(void *value, void *arg)
{
    (void)arg;
    return via_fail(1, "%s was too dark", (const char *)value);
}

/* ---- a generator: acquire, yield, release ---- */

static int rent(void *arg, void **result)
{
    static char car[] = "a red car";
    (void)arg;
    (void)result;
    say("renting");
    int rc = via_coro_yield(car, NULL); /* fails as the code inside fails */
    say("giving back");
    return rc;
}

static int drive(void *value, void *arg)
{
    (void)arg;
    say("driving %s", (char *)value);
    return via_sleep(1 * VIA_S);
}

static int drive_a_rented_car(void)
{
    via_coro *coro;
    int rc = via_coro_new(rent, NULL, NULL, &coro);
    if (rc < 0)
        return rc;
    rc = via_with(via_coro_resource(coro), drive, NULL);
    via_coro_free(coro);
    return rc;
}

/* ---- one that carries a value ---- */

struct stopwatch {
    int64_t start_ns, elapsed_ns;
};

static int start(void *self, void **value)
{
    struct stopwatch *watch = self;
    (void)value;
    watch->start_ns = via_loop_time_ns(via_loop_current());
    return 0;
}

static int stop(void *self, int status)
{
    struct stopwatch *watch = self;
    watch->elapsed_ns = via_loop_time_ns(via_loop_current()) - watch->start_ns;
    return status;
}

static int run_a_lap(void *value, void *arg)
{
    (void)value;
    (void)arg;
    return via_sleep(3 * VIA_S);
}

static int main_task(void *arg, void **result)
{
    static char cellar[] = "the cellar", attic[] = "the attic";
    struct stopwatch watch;
    (void)arg;
    (void)result;
    int rc = via_with((struct via_resource){cellar, open_door, shut_door}, stay, NULL);
    if (rc < 0)
        return rc;
    rc = via_with((struct via_resource){attic, open_door, shut_door}, stumble, NULL);
    say("%s: %s", attic, via_status_text(rc));
    rc = drive_a_rented_car();
    if (rc == 0)
        rc = via_with((struct via_resource){&watch, start, stop}, run_a_lap, NULL);
    if (rc == 0)
        say("the lap took %.1f s", (double)watch.elapsed_ns / (double)VIA_S);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
