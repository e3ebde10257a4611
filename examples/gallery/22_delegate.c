/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A generator that yields all that another one yields, between values of its own.
 */
#include "gallery.h"

static int inner(void *arg, void **result)
{
    int rc = 0;
    (void)arg;
    (void)result;
    for (int i = 2; i <= 4 && rc == 0; i++)
        rc = via_coro_yield(&i, NULL);
    return rc;
}

static int outer(void *arg, void **result)
{
    int first = 1, last = 5;
    via_coro *coro;
    (void)arg;
    (void)result;
    int rc = via_coro_yield(&first, NULL);
    if (rc == 0)
        rc = via_coro_new(inner, NULL, NULL, &coro);
    if (rc < 0)
        return rc;
    rc = via_coro_yield_from(coro, NULL);
    via_coro_free(coro);
    return rc < 0 ? rc : via_coro_yield(&last, NULL);
}

int main(void)
{
    via_coro *coro;
    void *value;
    int rc = via_coro_new(outer, NULL, NULL, &coro);
    if (rc < 0)
        return via_exit_status(rc);
    while ((rc = via_coro_next(coro, &value)) == 1)
        printf("%d\n", *(int *)value);
    via_coro_free(coro);
    return via_exit_status(rc);
}
