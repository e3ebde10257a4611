/* SPDX-License-Identifier: BSD-3-Clause */
/* One function over many items, on all CPUs: results come in the order of the items, and one that fails does
 * not stop the others. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <viaduct.h>

/* A source of items: it is asked for the next one when there is room for it. */
struct range {
    unsigned next, end;
};

static int next_number(void *source, void **item)
{
    struct range *range = source;
    if (range->next == range->end)
        return 0;
    unsigned *number = malloc(sizeof *number);
    if (number == NULL)
        return VIA_ENOMEM;
    *number = range->next++;
    *item = number;
    return 1;
}

/* How many steps of the Collatz rule lead from a number to 1. */
static int count_steps(void *item, void **result)
{
    uint64_t n = *(unsigned *)item;
    if (n == 0)
        return via_fail(1, "0 never gets to 1");
    unsigned *steps = calloc(1, sizeof *steps);
    if (steps == NULL)
        return VIA_ENOMEM;
    for (; n != 1; ++*steps)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    *result = steps;
    return 0;
}

static void print_outcome(unsigned number, const struct via_outcome *outcome)
{
    if (outcome->status == VIA_EFAILED)
        printf("%u: %s\n", number, outcome->message);
    else if (outcome->status < 0)
        printf("%u: %s\n", number, via_status_text(outcome->status));
    else
        printf("%u: %u steps\n", number, *(unsigned *)outcome->value);
}

int main(void)
{
    struct range numbers = {0, 30};
    struct via_map_options options = {
        .next_item = next_number,
        .source = &numbers,
        .fn = count_steps,
        .destroy_item = free,
        .destroy_result = free,
        .chunk = 4,   /* short calls travel together, which saves most of the cost of travelling */
        .buffer = 16, /* and no more than this are under way, so the source could as well be endless */
    };
    struct via_outcome outcome;
    via_executor *pool;
    via_map *map;
    if (via_thread_pool_new(NULL, &pool) < 0 || via_map_new(pool, &options, &map) < 0)
        return 1;
    unsigned number = 0;
    while (via_map_next(map, &outcome) == 1) {
        print_outcome(number++, &outcome);
        /* The value is the caller's now. */
        if (outcome.destroy != NULL)
            outcome.destroy(outcome.value);
    }
    via_map_free(map);
    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return 0;
}
