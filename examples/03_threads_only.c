/* SPDX-License-Identifier: BSD-3-Clause */
/* No loop at all: a threaded program that submits calls and blocks for their results when it wants them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

/* Fails in its own words for what it cannot read; the caller sees VIA_EFAILED, the code and the text. */
static int count_vowels(void *arg, void **result)
{
    const char *text = arg;
    if (*text == '\0')
        return via_fail(7, "there is no text");
    int *count = malloc(sizeof *count);
    if (count == NULL)
        return VIA_ENOMEM;
    *count = 0;
    for (; *text != '\0'; text++)
        *count += strchr("aeiou", *text) != NULL;
    *result = count;
    return 0;
}

static void print_outcome(const char *text, via_cfuture *cf)
{
    struct via_outcome outcome;
    int rc = via_cfuture_wait(cf, 5 * VIA_S);
    if (rc == 0)
        rc = via_cfuture_outcome(cf, &outcome);
    if (rc < 0)
        printf("\"%s\": %s\n", text, via_status_text(rc));
    else if (outcome.status == VIA_EFAILED)
        printf("\"%s\": error %d, %s\n", text, outcome.code, outcome.message);
    else
        printf("\"%s\": %d vowels\n", text, *(int *)outcome.value);
}

int main(void)
{
    static char texts[][16] = {"viaduct", "aqueduct", ""};
    enum { COUNT = sizeof texts / sizeof *texts };
    via_cfuture *futures[COUNT];
    via_executor *pool;
    if (via_thread_pool_new(NULL, &pool) < 0)
        return 1;
    for (int i = 0; i < COUNT; i++) {
        struct via_call call = VIA_CALL(count_vowels, texts[i]);
        /* Who releases a result that is only borrowed from the future: the future, when it goes. */
        call.destroy_result = free;
        if (via_executor_submit(pool, &call, &futures[i]) < 0)
            return 1;
    }
    for (int i = 0; i < COUNT; i++) {
        print_outcome(texts[i], futures[i]);
        via_cfuture_unref(futures[i]);
    }
    /* Waits until the threads have ended, so that nothing of them is left when main() returns. */
    int rc = via_executor_shutdown(pool, 0, 5 * VIA_S);
    printf("shut down: %s\n", via_status_name(rc));
    via_executor_unref(pool);
    return 0;
}
