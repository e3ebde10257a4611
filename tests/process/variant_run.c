/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs functions in a process pool, and prints what comes of it.
 *
 * Each is called once before files are changed under the program, so that it has its number; then in workers
 * that are forked afterwards; and then in workers that are started anew.
 */
#include "variant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct.h>

enum { MOST = 16, WHY_BYTES = 512 };

static struct variant_function functions[MOST];
static int count;

void variant_add(const char *name, via_bytes_fn function)
{
    if (count == MOST)
        exit(90);
    functions[count++] = (struct variant_function){name, function};
}

static void tell(const char *name, const struct via_outcome *outcome)
{
    if (outcome->status == VIA_EINVAL)
        printf("%s refused: %s\n", name, outcome->message ? outcome->message : "");
    else if (outcome->status != VIA_EFAILED || outcome->message)
        printf("%s not found: %s\n", name,
               outcome->message ? outcome->message : via_status_name(outcome->status));
    else
        printf("%s %d\n", name, outcome->code);
}

/* Calls one function; the functions give their number as an error code. */
static int call_one(via_executor *pool, const struct variant_function *function, char *text, size_t capacity)
{
    struct via_call call = VIA_CALL_BYTES(function->function, NULL, 0);
    struct via_outcome outcome = {.status = 1};
    via_cfuture *cf = NULL;
    if (via_executor_submit(pool, &call, &cf) < 0 || via_cfuture_wait(cf, 30 * VIA_S) < 0 ||
        via_cfuture_outcome(cf, &outcome) < 0)
        exit(91);
    if (text)
        snprintf(text, capacity, "%d %d", outcome.status, outcome.code);
    else
        tell(function->name, &outcome);
    via_cfuture_unref(cf);
    return outcome.status;
}

static via_executor *open_pool(int fresh_exec, int *status)
{
    struct via_process_pool_options options;
    char why[WHY_BYTES] = "";
    via_executor *pool = NULL;
    via_process_pool_options_init(&options);
    options.max_workers = 1;
    options.fresh_exec = fresh_exec;
    options.why = why;
    options.why_bytes = sizeof why;
    const char *start_ms = getenv("VARIANT_START_MS");
    if (start_ms)
        options.start_timeout_ns = strtol(start_ms, NULL, 10) * VIA_MS;
    *status = via_process_pool_new(&options, &pool);
    if (*status < 0)
        printf("refused: %s\n", why);
    return pool;
}

static void close_pool(via_executor *pool)
{
    if (via_executor_shutdown(pool, 0, 30 * VIA_S) < 0)
        exit(92);
    via_executor_unref(pool);
}

/* In workers that are started anew everything is as in those that are forked. */
static int compare(char said[MOST][64])
{
    char text[64];
    int status;
    via_executor *pool = open_pool(1, &status);
    if (!pool)
        return 3;
    for (int i = 0; i < count; i++) {
        call_one(pool, &functions[i], text, sizeof text);
        if (strcmp(text, said[i]) != 0) {
            printf("%s started anew: %s instead of %s\n", functions[i].name, text, said[i]);
            status = 4;
        }
    }
    close_pool(pool);
    return status;
}

int variant_run(void)
{
    static char said[MOST][64];
    const char *spoil = getenv("VARIANT_SPOIL");
    int status;
    via_executor *pool = open_pool(0, &status);
    if (!pool)
        return 3;
    for (int i = 0; i < count; i++)
        call_one(pool, &functions[i], said[i], sizeof said[i]);
    if (spoil && system(spoil) != 0)
        return 97;
    fflush(stdout);
    if (via_process_pool_kill(pool) < 0)
        return 98;
    for (int i = 0; i < count; i++)
        call_one(pool, &functions[i], NULL, 0);
    status = compare(said);
    close_pool(pool);
    return status;
}
