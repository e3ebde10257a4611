/* SPDX-License-Identifier: BSD-3-Clause */
#include "executors.h"

#include <stdio.h>
#include <string.h>

static int new_threads(const struct server_options *options, via_executor *executor[QUERY_KINDS])
{
    struct via_thread_pool_options pool;
    via_thread_pool_options_init(&pool);
    pool.finalizer = query_close_thread;
    pool.name = query_name[QUERY_SEARCH];
    pool.max_workers = 4;
    pool.max_queued = 256;
    int rc = via_thread_pool_new(&pool, &executor[QUERY_SEARCH]);
    pool.name = query_name[QUERY_NOTE];
    if (rc == 0)
        rc = via_pinned_new(&pool, &executor[QUERY_NOTE]);
    pool.name = query_name[QUERY_SCAN];
    pool.max_workers = 2;
    pool.max_queued = options->max_scans != 0 ? options->max_scans : 16;
    pool.nice = 10; /* the loop and the searches go first where there are few CPUs */
    if (rc == 0)
        rc = via_thread_pool_new(&pool, &executor[QUERY_SCAN]);
    return rc;
}

/* The loop serves these pools: it hears of an answer in the same poll as of everything else. */
static int new_processes(via_loop *loop, const struct server_options *options,
                         via_executor *executor[QUERY_KINDS])
{
    struct via_process_pool_options pool;
    char why[256] = "";
    via_process_pool_options_init(&pool);
    pool.loop = loop;
    pool.max_workers = options->processes != 0 ? options->processes : 2;
    pool.max_queued = 64;
    pool.why = why;
    pool.why_bytes = sizeof why;
    pool.name = query_name[QUERY_ZONE];
    pool.max_calls = 10000; /* what the decoder leaks goes with its process */
    int rc = via_process_pool_new(&pool, &executor[QUERY_ZONE]);
    pool.name = query_name[QUERY_SIMILAR];
    pool.max_calls = 0;
    pool.initializer = similar_load;
    pool.initializer_in = options->database;
    pool.initializer_in_bytes = strlen(options->database) + 1;
    pool.cancel_grace_ns = 20 * VIA_MS; /* the function asks, and the names need not be read again */
    if (rc == 0)
        rc = via_process_pool_new(&pool, &executor[QUERY_SIMILAR]);
    if (*why != '\0')
        fprintf(stderr, "sqlite_httpd: %s\n", why);
    return rc;
}

int executors_new(via_loop *loop, const struct server_options *options, via_executor *executor[QUERY_KINDS])
{
    int rc = new_threads(options, executor);
    return rc == 0 && options->processes >= 0 ? new_processes(loop, options, executor) : rc;
}

int executors_new_direct(const struct server_options *options, via_executor *executor[QUERY_KINDS])
{
    via_executor *here = NULL;
    int rc = via_inline_new(&here);
    for (int kind = 0; rc == 0 && kind < QUERY_KINDS; kind++)
        executor[kind] = via_executor_ref(here);
    via_executor_unref(here);
    return rc == 0 ? similar_load(NULL, options->database, strlen(options->database) + 1) : rc;
}

static void executor_free(via_executor *executor, const char *name)
{
    unsigned flags = VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING;
    int rc = via_executor_shutdown(executor, flags, 5 * VIA_S);
    if (rc < 0)
        fprintf(stderr, "sqlite_httpd: a %s does not end: %s\n", name, via_status_text(rc));
    via_executor_unref(executor);
}

void executors_free(via_executor *executor[QUERY_KINDS], int direct)
{
    for (int kind = 0; kind < QUERY_KINDS; kind++)
        if (executor[kind] != NULL)
            executor_free(executor[kind], query_name[kind]);
    if (direct)
        query_close_thread(NULL);
}
