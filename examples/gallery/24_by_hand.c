/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Coroutines without a loop: stepped by hand to their end, where their results are.
 */
#include "gallery.h"

static int sum(void *arg, void **result)
{
    static int total;
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        int rc = via_coro_yield(&i, NULL);
        if (rc < 0)
            return rc;
        total += i;
    }
    *result = &total;
    return 0;
}

static int greet(void *arg, void **result)
{
    static char greeting[32];
    snprintf(greeting, sizeof greeting, "Hello, %s", (const char *)arg);
    *result = greeting;
    return 0;
}

/* Runs a coroutine that never waits for anybody, and gives its result. */
static int run_at_once(via_coro_fn fn, void *arg, void **result)
{
    via_coro *coro;
    int rc = via_coro_new(fn, arg, NULL, &coro);
    if (rc < 0)
        return rc;
    rc = via_coro_next(coro, NULL);
    rc = rc == 1 ? VIA_ESTATE : rc < 0 ? rc : via_coro_take(coro, result);
    via_coro_free(coro);
    return rc;
}

static int step_to_the_end(void)
{
    via_coro *coro;
    void *value;
    int rc = via_coro_new(sum, NULL, NULL, &coro);
    if (rc < 0)
        return rc;
    while ((rc = via_coro_next(coro, &value)) == 1)
        printf("it yields %d\n", *(int *)value);
    if (rc == 0)
        rc = via_coro_take(coro, &value);
    if (rc == 0)
        printf("it returns %d\n", *(int *)value);
    via_coro_free(coro);
    return rc;
}

int main(void)
{
    char name[] = "world";
    void *value;
    int rc = step_to_the_end();
    if (rc == 0)
        rc = run_at_once(greet, name, &value);
    if (rc == 0)
        printf("%s\n", (char *)value);
    if (rc == 0 && run_at_once(sum, NULL, &value) == VIA_ESTATE)
        printf("one that wants to wait is told apart\n");
    return via_exit_status(rc);
}
