/* SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

void send_buffer(struct server *server, struct evhttp_request *http, int code, const char *type,
                 struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
    evhttp_add_header(headers, "Content-Type", type);
    if (code == HTTP_SERVUNAVAIL) {
        evhttp_add_header(headers, "Retry-After", "1");
        server->figures.refused++;
    }
    if (server->stopping)
        evhttp_add_header(headers, "Connection", "close");
    server->figures.served++;
    evhttp_send_reply(http, code, NULL, body);
}

void send_reason(struct server *server, struct evhttp_request *http, int code, const char *reason)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL)
        evbuffer_add_printf(body, "%s\n", reason);
    send_buffer(server, http, code, "text/plain; charset=utf-8", body);
    if (body != NULL)
        evbuffer_free(body);
}

static int stop_loop(void *loop)
{
    return via_loop_stop(loop);
}

/* The last replies still stand in buffers: give the clients a moment to take them. */
void stop_when_idle(struct server *server)
{
    if (server->stopping && LIST_EMPTY(&server->open) &&
        via_call_later(server->loop, 100 * VIA_MS, stop_loop, server->loop, NULL) < 0)
        via_loop_stop(server->loop);
}

void request_free(struct request *request)
{
    if (request->gone != NULL)
        event_free(request->gone);
    if (request->deadline != NULL)
        via_handle_cancel(request->deadline);
    via_handle_unref(request->deadline);
    via_future_unref(request->future);
    LIST_REMOVE(request, link);
    request->server->figures.open--;
    free(request);
}

/* Ends a request whose query did not succeed. */
static void send_failure(struct request *request, const struct via_outcome *outcome)
{
    struct server *server = request->server;
    const char *reason = outcome->message != NULL ? outcome->message : via_status_text(outcome->status);
    int code = HTTP_INTERNAL;
    if (outcome->status == VIA_EFAILED)
        code = outcome->code;
    else if (request->timed_out || outcome->status == VIA_ETIMEDOUT) {
        code = 504;
        reason = outcome->message != NULL ? outcome->message : "the query took too long";
    } else if (outcome->status == VIA_ECRASHED || outcome->status == VIA_ECORRUPT) {
        code = 502; /* not this server's fault, and nothing of it was lost but this request */
    } else if (outcome->status == VIA_EBUSY || outcome->status == VIA_ECANCELED ||
               outcome->status == VIA_ENOMEM || outcome->status == VIA_EAGAIN) {
        code = HTTP_SERVUNAVAIL;
        reason = outcome->status == VIA_EBUSY ? "too many requests are waiting" : reason;
    }
    send_reason(server, request->http, code, reason);
}

/* A thread's answer is a buffer that is moved into the reply, a process's are bytes that are copied. */
static void send_answer(struct request *request, const struct via_outcome *outcome)
{
    struct evbuffer *body = outcome->value;
    if (request->kind >= QUERY_SQL_KINDS) {
        body = evbuffer_new();
        if (body != NULL)
            evbuffer_add(body, outcome->value, outcome->bytes);
    }
    if (body == NULL)
        send_reason(request->server, request->http, HTTP_SERVUNAVAIL, via_status_text(VIA_ENOMEM));
    else
        send_buffer(request->server, request->http, HTTP_OK, "application/json", body);
    if (body != NULL && body != outcome->value)
        evbuffer_free(body);
}

void request_end(struct request *request, const struct via_outcome *outcome)
{
    struct server *server = request->server;
    /* The watch goes before the reply, because sending it may already close the connection. */
    if (request->gone != NULL)
        event_del(request->gone);
    if (outcome->status == 0)
        send_answer(request, outcome);
    else
        send_failure(request, outcome);
    request_free(request);
    stop_when_idle(server);
}

static void on_gone(evutil_socket_t fd, short what, void *arg)
{
    struct request *request = arg;
    (void)fd;
    (void)what;
    via_future_cancel(request->future);
}

/* evhttp does not read while it waits for a reply, so it does not see the client leave, and its close
 * callback comes too late to save any work.  EV_CLOSED sees it without reading. */
void request_watch(struct request *request)
{
    struct event_base *base = via_loop_base(request->server->loop);
    struct bufferevent *stream =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request->http));
    if ((event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE) == 0)
        return;
    request->gone = event_new(base, bufferevent_getfd(stream), EV_CLOSED, on_gone, request);
    if (request->gone != NULL)
        event_add(request->gone, NULL);
}

struct request *request_new(struct server *server, struct evhttp_request *http, struct query *query)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = server;
    request->http = http;
    request->query = query;
    request->kind = query->kind;
    LIST_INSERT_HEAD(&server->open, request, link);
    server->figures.open++;
    return request;
}

/* On a thread, where it runs as long as it likes but can be told to stop. */
static struct via_call sql_call(struct query *query)
{
    struct via_call call = VIA_CALL(query_run, query);
    call.destroy_result = query_free_result;
    call.cancel = query_cancel;
    call.cancel_arg = query;
    return call;
}

/* In a process, which is killed when the time is up.  On the loop's own thread nobody can do that. */
static struct via_call call_apart(struct query *query, const struct server_options *options)
{
    struct via_call call = VIA_CALL_BYTES(zone_run, query->text, query->text_bytes);
    if (query->kind == QUERY_SIMILAR) {
        query->similar.limit = query->limit;
        strcpy(query->similar.name, query->name);
        call = VIA_CALL_BYTES(similar_run, &query->similar, sizeof query->similar);
    }
    call.arg = query; /* for `destroy` */
    call.timeout_ns = options->direct ? 0 : options->timeout_ns / 2;
    return call;
}

struct via_call request_call(struct request *request)
{
    struct query *query = request->query;
    struct via_call call =
        query->kind < QUERY_SQL_KINDS ? sql_call(query) : call_apart(query, &request->server->options);
    call.destroy = free;
    call.name = query_name[query->kind];
    call.deadline_ns = via_now_ns() + request->server->options.timeout_ns;
    return call;
}
