/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests as tasks: what callbacks.c does in three functions is one here, from the top to the bottom.
 */
#include "request.h"

#include <stdlib.h>

/* Waits for the query, but not too long.  A client that leaves, and a server that stops, cancel the task: the
 * await asks the query to stop then, and returns when it has. */
static void run_query(struct request *request, struct via_outcome *outcome)
{
    struct server *server = request->server;
    struct via_call call = request_call(request);
    struct via_scope limit;
    via_timeout_begin(server->options.timeout_ns, &limit);
    int rc = via_await_in_executor(server->executor[request->kind], &call, outcome);
    outcome->status = via_timeout_end(&limit, rc);
}

static int serve(void *arg, void **result)
{
    struct request *request = arg;
    struct via_outcome outcome = {.status = 0};
    (void)result;
    request->future = via_future_ref(via_current_task());
    request_watch(request);
    run_query(request, &outcome);
    request_end(request, &outcome);
    if (outcome.destroy != NULL)
        outcome.destroy(outcome.value);
    return 0;
}

/* An eager task runs at once, up to its first wait.  One that waited for its turn could be cancelled before,
 * and would never run. */
void coroutines_start(struct request *request)
{
    struct via_task_options options = {.name = "request", .eager = 1};
    struct server *server = request->server;
    via_future *task = via_create_task_with(server->loop, serve, request, &options);
    int rc = via_future_result(task, NULL);
    if (rc < 0 && rc != VIA_EPENDING) { /* it could not be made; serve() itself never fails */
        free(request->query);
        request_end(request, &(struct via_outcome){.status = rc});
    }
    via_future_unref(task);
}
