/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios of coroutines: more of them than the first slab has stacks for, in two threads one after the
 * other. */
#include "scenario.h"

enum { COROS = 40, YIELDS = 3 };

static int run_item(void *arg, void **result)
{
    struct item *item = arg;
    atomic_fetch_add(&item->ran, 1);
    *result = item;
    for (int i = 0; i < YIELDS; i++) {
        int rc = via_coro_yield(item, NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static via_coro *open_coro(struct item *item, size_t stack_bytes)
{
    struct via_call call = item_call(item);
    struct via_coro_options options = {.name = "fault",
                                       .stack_bytes = stack_bytes,
                                       .destroy = call.destroy,
                                       .destroy_result = call.destroy_result};
    via_coro *coro = NULL;
    if (!FAULT_WORKED(via_coro_new(run_item, item, &options, &coro)))
        FAULT_CHECK(!coro);
    return coro;
}

/* Every third one never begins, every other runs to its end, the rest are closed in the middle. */
static void step_coro(via_coro *coro, struct item *item, int number)
{
    void *value = NULL;
    if (number % 3 == 0)
        return;
    FAULT_CHECK(via_coro_next(coro, &value) == 1 && value == item);
    for (int i = 1; number % 2 && i < YIELDS; i++)
        FAULT_CHECK(via_coro_next(coro, NULL) == 1);
    if (number % 2)
        FAULT_CHECK(via_coro_next(coro, NULL) == 0);
}

static void use_coros(struct item *items)
{
    via_coro *coros[COROS];
    FAULT_WORKED(via_coro_overflow_enable());
    for (int i = 0; i < COROS; i++)
        coros[i] = open_coro(&items[i], i % 4 ? 0 : 16384);
    for (int i = 0; i < COROS; i++)
        if (coros[i])
            step_coro(coros[i], &items[i], i);
    for (int i = 0; i < COROS; i += 2)
        coros[i] = via_coro_free(coros[i]);
    via_coro_trim();
    for (int i = 1; i < COROS; i += 2)
        FAULT_CHECK(via_coro_free(coros[i]) == NULL);
    via_coro_trim();
}

static void *use_in_thread(void *items)
{
    use_coros(items);
    return NULL;
}

static void run_coros(void)
{
    static struct item items[2 * COROS];
    items_reset(items, 2 * COROS);
    use_coros(items);
    pthread_join(fault_own_thread(use_in_thread, items + COROS), NULL);
    items_check(items, 2 * COROS);
}

const struct fault_scenario coro_scenarios[] = {
    {"coroutines of two threads", run_coros, false, false},
    {NULL, NULL, false, false},
};
