/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest run.
 */
#include "gallery.h"

static int main_task(void *arg, void **result)
{
    static int answer = 42;
    (void)arg;
    *result = &answer;
    return 0;
}

int main(void)
{
    void *answer;
    int rc = gallery_run(main_task, NULL, &answer);
    if (rc == 0)
        printf("%d\n", *(int *)answer);
    return via_exit_status(rc);
}
