/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A task group with a child that fails: the others are cancelled, and the end of the group has all errors.
 */
#include "gallery.h"

static int work(void *arg, void **result)
{
    (void)result;
    int rc = via_sleep(10 * VIA_S);
    say("%s: %s", (const char *)arg, via_status_text(rc));
    return rc;
}

static int stumble(void *arg, void **result)
{
    (void)result;
    int rc = via_sleep(1 * VIA_S);
    return rc < 0 ? rc : via_fail(1, "%s has stumbled", (const char *)arg);
}

static int run_group(via_group *group)
{
    /* The end of a group waits for all of its tasks, so they may have variables of this function. */
    char names[][6] = {"Anna", "Bert", "Cora", "Dora"};
    via_future_unref(via_group_create_task(group, work, names[0]));
    via_future_unref(via_group_create_task(group, stumble, names[1]));
    via_future_unref(via_group_create_task(group, work, names[2]));
    via_future_unref(via_group_create_task(group, stumble, names[3]));
    return via_group_end(group, 0);
}

static int main_task(void *arg, void **result)
{
    const struct via_outcome *errors = NULL;
    via_group *group;
    (void)arg;
    (void)result;
    int rc = via_group_begin(NULL, &group);
    if (rc < 0)
        return rc;
    rc = run_group(group);
    say("the group: %s", via_status_text(rc));
    int count = via_group_errors(group, &errors);
    for (int i = 0; i < count; i++)
        say("    %s", errors[i].message);
    via_group_free(group);
    return rc == VIA_EGROUP ? 0 : rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
