/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests with callbacks: one for the end of the query, one for its deadline.  coroutines.c is the same with
 * a task.
 */
#include "request.h"

static int on_done(via_future *future, void *arg)
{
    struct via_outcome outcome = {.status = VIA_EINVAL};
    via_future_outcome(future, &outcome);
    request_end(arg, &outcome);
    return 0;
}

static int on_deadline(void *arg)
{
    struct request *request = arg;
    request->timed_out = 1;
    via_future_cancel(request->future);
    return 0;
}

void callbacks_start(struct request *request)
{
    struct server *server = request->server;
    struct via_call call = request_call(request);
    request->future = via_run_in_executor(server->loop, server->executor[request->kind], &call);
    int rc = via_future_add_done_callback(request->future, on_done, request);
    if (rc < 0) {
        via_future_cancel(request->future);
        request_end(request, &(struct via_outcome){.status = rc});
        return;
    }
    /* A deadline that cannot be set is no reason to refuse: the one in the call still holds. */
    via_call_later(server->loop, server->options.timeout_ns, on_deadline, request, &request->deadline);
    request_watch(request);
}
