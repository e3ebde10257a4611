/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gather with errors as outcomes like others: all in the order of the arguments, to be sorted out afterwards.
 */
#include "gallery.h"

struct page {
    const char *address;
    int seconds;
    int code; /* 200, or what goes wrong */
};

static int fetch(void *arg, void **result)
{
    struct page *page = arg;
    int rc = via_sleep(page->seconds * VIA_S);
    if (rc < 0)
        return rc;
    if (page->code != 200)
        return via_fail(page->code, "%s cannot be had", page->address);
    *result = page;
    return 0;
}

static void print_both_lists(const struct via_outcome *outcomes, size_t count)
{
    say("pages:");
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].status == 0)
            printf("        %s\n", ((const struct page *)outcomes[i].value)->address);
    say("errors:");
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].status < 0)
            printf("        %d: %s\n", outcomes[i].code, outcomes[i].message);
}

static int main_task(void *arg, void **result)
{
    struct page pages[] = {{"/slow", 3, 200}, {"/missing", 1, 404}, {"/quick", 1, 200}, {"/broken", 2, 500}};
    via_future *tasks[4];
    struct via_outcome outcomes[4];
    (void)arg;
    (void)result;
    for (int i = 0; i < 4; i++)
        tasks[i] = via_create_task(fetch, &pages[i]);
    int rc = via_await_all(tasks, 4, VIA_GATHER_RETURN_ERRORS, outcomes);
    if (rc == 0)
        print_both_lists(outcomes, 4);
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
