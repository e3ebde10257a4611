/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Five tasks, of which one fails: numbers and errors apart.
 */
#include "gallery.h"

static int check(void *arg, void **result)
{
    int *number = arg;
    int rc = via_sleep(100 * VIA_MS);
    if (rc < 0)
        return rc;
    if (*number == 2)
        return via_fail(1, "Met invalid value %d", *number);
    *result = number;
    return 0;
}

static int main_task(void *arg, void **result)
{
    int numbers[] = {0, 1, 2, 3, 4};
    via_future *tasks[5];
    struct via_outcome outcomes[5];
    (void)arg;
    (void)result;
    for (int i = 0; i < 5; i++)
        tasks[i] = via_create_task(check, &numbers[i]);
    int rc = via_await_all(tasks, 5, VIA_GATHER_RETURN_ERRORS, outcomes);
    if (rc < 0)
        return rc;
    printf("numbers:");
    for (int i = 0; i < 5; i++)
        if (outcomes[i].status == 0)
            printf(" %d", *(int *)outcomes[i].value);
    printf("\nerrors:");
    for (int i = 0; i < 5; i++)
        if (outcomes[i].status < 0)
            printf(" %s", outcomes[i].message);
    printf("\n");
    return 0;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
