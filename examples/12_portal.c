/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program with threads, and without a loop, calls asynchronous code: a portal runs a loop in a thread of
 * its own.  The task that is started there notes for which request it works, in a local value that functions
 * on threads see too, and reads ahead in a list of words by calls on threads.
 */
#include <stdio.h>
#include <string.h>
#include <viaduct.h>

static via_local *request; /* made once, before there are threads */

struct words {
    const char *const *next;
};

static int next_word(void *source, void **item)
{
    struct words *words = source;
    if (!*words->next)
        return 0;
    *item = (void *)*words->next++;
    return 1;
}

/* Both on a thread of the pool. */
static int announce(void *arg, void **result)
{
    (void)arg;
    (void)result;
    printf("a thread works for %s\n", (const char *)via_local_get(request));
    return 0;
}

static int measure(void *word, void **result)
{
    *result = (void *)strlen(word);
    return 0;
}

static int print_lengths(via_async_map *map)
{
    struct via_outcome length;
    int rc;
    while ((rc = via_async_map_next(map, &length)) == 1 && length.status == 0)
        printf("%zu\n", (size_t)length.value);
    return rc == 1 ? length.status : rc;
}

/* In the portal's thread. */
static int handle(void *words, void **result)
{
    struct words rest = {.next = words};
    struct via_async_map_options options = {
        .next_item = next_word, .source = &rest, .fn = measure, .ahead = 2};
    via_async_map *map;
    (void)result;
    int rc = via_local_set(request, "request 7", NULL);
    if (rc == 0)
        rc = via_await_to_thread(announce, NULL, NULL);
    if (rc == 0)
        rc = via_async_map_new(NULL, &options, &map);
    if (rc < 0)
        return rc;
    rc = print_lengths(map);
    via_async_map_free(map);
    return rc;
}

int main(void)
{
    static const char *const words[] = {"one", "three", "seventeen", NULL};
    via_portal *portal;
    int rc = via_local_new(NULL, &request);
    if (rc == 0)
        rc = via_portal_new(NULL, &portal);
    if (rc < 0)
        return via_exit_status(rc);
    rc = via_portal_run(portal, handle, (void *)words, NULL); /* blocks until the task has ended */
    printf("handled: %s\n", via_status_text(rc));
    via_portal_free(portal);
    via_local_free(request);
    return via_exit_status(rc);
}
