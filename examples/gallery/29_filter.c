/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter whose condition has to be awaited: of ten numbers, those that a slow check agrees to.  All checks
 * run at the same time.
 */
#include "gallery.h"

#define COUNT 10

static int is_prime(void *arg, void **result)
{
    const int *number = arg;
    int rc = via_sleep(1 * VIA_S);
    int divisors = 0;
    for (int i = 1; i <= *number; i++)
        divisors += *number % i == 0;
    *result = divisors == 2 ? arg : NULL; /* yes or no */
    return rc;
}

static int main_task(void *arg, void **result)
{
    int numbers[COUNT];
    via_future *checks[COUNT];
    struct via_outcome outcomes[COUNT];
    (void)arg;
    (void)result;
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = 20 + i;
        checks[i] = via_create_task(is_prime, &numbers[i]);
    }
    int rc = via_await_all(checks, COUNT, VIA_GATHER_DRAIN, outcomes);
    for (int i = 0; i < COUNT && rc == 0; i++)
        if (outcomes[i].value != NULL)
            say("%d", numbers[i]);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
