/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generators that await between their values: all of them, some of them, those of several, and an early end.
 *
 * There is no second kind of generator for this.  One that is stepped by a task may await as that task.
 */
#include "gallery.h"

struct range {
    int from, to;
};

static int count(void *arg, void **result)
{
    const struct range *range = arg;
    int rc = 0;
    (void)result;
    for (int i = range->from; i < range->to && rc == 0; i++) {
        rc = via_sleep(500 * VIA_MS);
        if (rc == 0)
            rc = via_coro_yield(&i, NULL);
    }
    if (rc == VIA_ECANCELED) {
        /* The clean-up of a generator that is closed early may await as well. */
        int slept = via_sleep(500 * VIA_MS);
        say("the generator has cleaned up");
        return slept < 0 ? slept : rc;
    }
    return rc;
}

/* A generator of what other generators give, one after the other. */
static int chain(void *arg, void **result)
{
    struct range *ranges = arg;
    int rc = 0;
    (void)result;
    for (int i = 0; i < 2 && rc == 0; i++) {
        via_coro *coro;
        rc = via_coro_new(count, &ranges[i], NULL, &coro);
        if (rc < 0)
            return rc;
        rc = via_coro_yield_from(coro, NULL);
        via_coro_free(coro);
    }
    return rc;
}

static int is_even(int number)
{
    return number % 2 == 0;
}

/* Collects what the filter lets through. */
static int collect(via_coro_fn fn, void *arg, int (*filter)(int number))
{
    via_coro *coro;
    void *value;
    int numbers[10], found = 0;
    int rc = via_coro_new(fn, arg, NULL, &coro);
    if (rc < 0)
        return rc;
    while (found < 10 && (rc = via_coro_next(coro, &value)) == 1)
        if (filter == NULL || filter(*(int *)value))
            numbers[found++] = *(int *)value;
    via_coro_free(coro);
    say("collected:");
    for (int i = 0; i < found; i++)
        printf("        %d\n", numbers[i]);
    return rc;
}

static int take_two(struct range *range)
{
    via_coro *coro;
    void *value;
    int rc = via_coro_new(count, range, NULL, &coro);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 2 && (rc = via_coro_next(coro, &value)) == 1; i++)
        say("took %d", *(int *)value);
    /* Asyncio leaves a generator that was broken off to the garbage collector; here it ends where it is
     * freed, before the next line. */
    via_coro_free(coro);
    say("freed");
    return rc < 0 ? rc : 0;
}

static int main_task(void *arg, void **result)
{
    struct range ten = {0, 10}, parts[] = {{1, 3}, {7, 9}};
    (void)arg;
    (void)result;
    int rc = collect(count, &ten, is_even);
    if (rc == 0)
        rc = collect(chain, parts, NULL);
    if (rc == 0)
        rc = take_two(&ten);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
