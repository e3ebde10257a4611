/* SPDX-License-Identifier: BSD-3-Clause */
#include "executors.h"

#include <stdio.h>

int executors_new(size_t max_scans, via_executor *executor[QUERY_KINDS])
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
    pool.max_queued = max_scans != 0 ? max_scans : 16;
    pool.nice = 10; /* the loop and the searches go first where there are few CPUs */
    if (rc == 0)
        rc = via_thread_pool_new(&pool, &executor[QUERY_SCAN]);
    return rc;
}

int executors_new_direct(via_executor *executor[QUERY_KINDS])
{
    via_executor *here = NULL;
    int rc = via_inline_new(&here);
    for (int kind = 0; rc == 0 && kind < QUERY_KINDS; kind++)
        executor[kind] = via_executor_ref(here);
    via_executor_unref(here);
    return rc;
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
