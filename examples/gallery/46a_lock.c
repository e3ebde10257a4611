/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lock: who has it is alone with what it guards, across all awaits; who is cancelled gives it up.
 */
#include "gallery.h"

static struct via_lock lock;

/* Every function that holds a lock has this shape: what comes between does not return. */
static int hold(const char *name, int64_t duration_ns)
{
    int rc = via_lock_acquire(&lock);
    if (rc < 0)
        return rc;
    say("%s has the lock", name);
    rc = via_sleep(duration_ns);
    say("%s gives the lock up: %s", name, via_status_text(rc));
    via_lock_release(&lock);
    return rc;
}

static int hold_long(void *name, void **result)
{
    (void)result;
    return hold(name, 60 * VIA_S);
}

static int hold_briefly(void *name, void **result)
{
    (void)result;
    return hold(name, 1 * VIA_S);
}

static int main_task(void *arg, void **result)
{
    char names[][5] = {"Anna", "Bert", "Cora"};
    (void)arg;
    (void)result;
    via_lock_init(NULL, &lock);
    via_future *tasks[] = {via_create_task(hold_long, names[0]), via_create_task(hold_briefly, names[1]),
                           via_create_task(hold_briefly, names[2])};
    int rc = via_sleep(2 * VIA_S);
    say("main cancels Anna");
    via_task_cancel(tasks[0], NULL);
    struct via_outcome outcomes[3];
    int all = via_await_all(tasks, 3, VIA_GATHER_RETURN_ERRORS, outcomes);
    via_lock_fini(&lock);
    return rc < 0 ? rc : all;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
