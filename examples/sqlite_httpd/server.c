/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of a request: evhttp calls on_request() -> the parameters go into a `struct query` -> the query goes
 * to the executor for its kind -> on a worker query_run() builds the whole answer -> on_done(), back on the
 * loop's thread, sends it.  Whatever ends the query early (deadline, client gone, server stopping) only
 * cancels its future; on_done() still comes, so there is one place where requests end.
 */
#include "server.h"
#include "executors.h"
#include "listen.h"
#include "params.h"
#include "query.h"
#include "stats.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { MAX_URI_BYTES = 1000 };

static const int64_t beat_ns = 5 * VIA_MS;

struct request {
    struct server *server;
    struct evhttp_request *http;
    struct event *gone;   /* tells when the client closes its side; NULL if the backend cannot */
    via_handle *deadline; /* cancels the query when the time is up */
    via_future *future;
    int timed_out;
    LIST_ENTRY(request) link;
};

struct server {
    via_loop *loop;
    struct server_options options;
    struct evhttp *http;
    struct evhttp_bound_socket *socket;
    via_executor *executor[QUERY_KINDS];
    LIST_HEAD(, request) open;
    int stopping;
    via_handle *beat; /* the heart beat, which measures how late the loop is */
    int64_t beat_due_ns;
    struct server_figures figures;
};

static void send_buffer(struct server *server, struct evhttp_request *http, int code, const char *type,
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

/* Refuses a request, and says why in a sentence. */
static void send_reason(struct server *server, struct evhttp_request *http, int code, const char *reason)
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
static void stop_when_idle(struct server *server)
{
    if (server->stopping && LIST_EMPTY(&server->open) &&
        via_call_later(server->loop, 100 * VIA_MS, stop_loop, server->loop, NULL) < 0)
        via_loop_stop(server->loop);
}

static void request_free(struct request *request)
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
        reason = "the query took too long";
    } else if (outcome->status == VIA_EBUSY || outcome->status == VIA_ECANCELED ||
               outcome->status == VIA_ENOMEM || outcome->status == VIA_EAGAIN) {
        code = HTTP_SERVUNAVAIL;
        reason = outcome->status == VIA_EBUSY ? "too many requests are waiting" : reason;
    }
    send_reason(server, request->http, code, reason);
}

static void request_end(struct request *request, const struct via_outcome *outcome)
{
    struct server *server = request->server;
    /* The watch goes before the reply, because sending it may already close the connection. */
    if (request->gone != NULL)
        event_del(request->gone);
    if (outcome->status == 0)
        send_buffer(server, request->http, HTTP_OK, "application/json", outcome->value);
    else
        send_failure(request, outcome);
    request_free(request);
    stop_when_idle(server);
}

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

static void on_gone(evutil_socket_t fd, short what, void *arg)
{
    struct request *request = arg;
    (void)fd;
    (void)what;
    via_future_cancel(request->future);
}

/* evhttp does not read while it waits for a reply, so it does not see the client leave, and its close
 * callback comes too late to save any work.  EV_CLOSED sees it without reading. */
static struct event *watch_for_close(struct request *request)
{
    struct event_base *base = via_loop_base(request->server->loop);
    struct bufferevent *stream =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request->http));
    if ((event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE) == 0)
        return NULL;
    struct event *gone = event_new(base, bufferevent_getfd(stream), EV_CLOSED, on_gone, request);
    if (gone != NULL)
        event_add(gone, NULL);
    return gone;
}

static struct request *request_new(struct server *server, struct evhttp_request *http)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = server;
    request->http = http;
    LIST_INSERT_HEAD(&server->open, request, link);
    server->figures.open++;
    return request;
}

static void start_query(struct server *server, struct evhttp_request *http, struct query *query)
{
    struct request *request = request_new(server, http);
    if (request == NULL) {
        free(query);
        send_reason(server, http, HTTP_SERVUNAVAIL, via_status_text(VIA_ENOMEM));
        return;
    }
    struct via_call call = VIA_CALL(query_run, query);
    call.destroy = free; /* from here on the query belongs to the call, whatever becomes of it */
    call.destroy_result = query_free_result;
    call.cancel = query_cancel;
    call.cancel_arg = query;
    call.name = query_name[query->kind];
    call.deadline_ns = via_now_ns() + server->options.timeout_ns;
    request->future = via_run_in_executor(server->loop, server->executor[query->kind], &call);
    int rc = via_future_add_done_callback(request->future, on_done, request);
    if (rc < 0) {
        via_future_cancel(request->future);
        request_end(request, &(struct via_outcome){.status = rc});
        return;
    }
    /* A deadline that cannot be set is no reason to refuse: the one in the call still holds. */
    via_call_later(server->loop, server->options.timeout_ns, on_deadline, request, &request->deadline);
    request->gone = watch_for_close(request);
}

static void on_query(struct server *server, struct evhttp_request *http, enum query_kind kind)
{
    const char *reason;
    struct query *query = calloc(1, sizeof *query);
    if (query == NULL) {
        send_reason(server, http, HTTP_SERVUNAVAIL, via_status_text(VIA_ENOMEM));
        return;
    }
    query->kind = kind;
    query->database = server->options.database;
    int code = params_parse(http, query, &reason);
    if (code == 0)
        start_query(server, http, query);
    else {
        free(query);
        send_reason(server, http, code, reason);
    }
}

/* Only counters are read here, so this may run on the loop's thread. */
static int add_stats(struct server *server, struct evbuffer *body)
{
    int rc = stats_add_loop(body, server->loop, &server->figures);
    for (int kind = 0; rc >= 0 && kind < QUERY_KINDS; kind++)
        rc = stats_add_executor(body, query_name[kind], server->executor[kind]);
    return rc < 0 ? rc : evbuffer_add_printf(body, "}\n");
}

static void on_stats(struct server *server, struct evhttp_request *http)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL && add_stats(server, body) >= 0)
        send_buffer(server, http, HTTP_OK, "application/json", body);
    else
        send_reason(server, http, HTTP_SERVUNAVAIL, via_status_text(VIA_ENOMEM));
    if (body != NULL)
        evbuffer_free(body);
}

static void on_request(struct evhttp_request *http, void *arg)
{
    static const char *const paths[] = {"/search", "/scan", "/note", "/stats"}; /* as enum query_kind */
    struct server *server = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(http));
    int route = 0;
    while (route <= QUERY_KINDS && (path == NULL || strcmp(path, paths[route]) != 0))
        route++;
    enum evhttp_cmd_type method = route == QUERY_NOTE ? EVHTTP_REQ_POST : EVHTTP_REQ_GET;
    if (strlen(evhttp_request_get_uri(http)) > MAX_URI_BYTES)
        send_reason(server, http, 414, "the address is too long");
    else if (route > QUERY_KINDS)
        send_reason(server, http, HTTP_NOTFOUND, "there are /search, /scan, /note and /stats");
    else if (evhttp_request_get_command(http) != method) {
        const char *allowed = method == EVHTTP_REQ_POST ? "POST" : "GET";
        evhttp_add_header(evhttp_request_get_output_headers(http), "Allow", allowed);
        send_reason(server, http, HTTP_BADMETHOD, "this address has another method: see Allow");
    } else if (server->stopping)
        send_reason(server, http, HTTP_SERVUNAVAIL, "the server is stopping");
    else if (route < QUERY_KINDS)
        on_query(server, http, (enum query_kind)route);
    else
        on_stats(server, http);
}

static int on_beat(void *arg)
{
    struct server *server = arg;
    int64_t now_ns = via_loop_time_ns(server->loop);
    if (now_ns - server->beat_due_ns > server->figures.lag_ns)
        server->figures.lag_ns = now_ns - server->beat_due_ns;
    server->beat_due_ns = now_ns + beat_ns;
    if (!server->stopping)
        (void)listen_again(server->socket); /* a failure passes, and the next beat tries again */
    server->beat = via_handle_unref(server->beat);
    return via_call_at(server->loop, server->beat_due_ns, on_beat, server, &server->beat);
}

static int http_new(struct server *server)
{
    struct event_base *base = via_loop_base(server->loop);
    server->http = evhttp_new(base);
    if (server->http == NULL)
        return VIA_ENOMEM;
    evhttp_set_gencb(server->http, on_request, server);
    /* Every method reaches on_request(), which knows better what to answer. */
    evhttp_set_allowed_methods(server->http, 0xffff);
    evhttp_set_max_headers_size(server->http, 16 * 1024);
    evhttp_set_max_body_size(server->http, 16 * 1024);
    evhttp_set_timeout(server->http, 30);
    return listen_on_loopback(server->http, base, server->options.port, &server->socket);
}

int server_new(via_loop *loop, const struct server_options *options, struct server **result)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return VIA_ENOMEM;
    server->loop = loop;
    server->options = *options;
    if (server->options.timeout_ns == 0)
        server->options.timeout_ns = 2 * VIA_S;
    server->beat_due_ns = via_loop_time_ns(loop);
    int rc = options->direct ? executors_new_direct(server->executor)
                             : executors_new(options->max_scans, server->executor);
    if (rc == 0)
        rc = http_new(server);
    if (rc == 0)
        rc = on_beat(server);
    if (rc == 0)
        *result = server;
    else
        server_free(server);
    return rc;
}

int server_port(const struct server *server)
{
    return listen_port(server->socket);
}

void server_figures(const struct server *server, struct server_figures *figures)
{
    *figures = server->figures;
}

int server_stop(void *arg)
{
    struct server *server = arg;
    struct request *request;
    if (server->stopping++ == 0)
        evhttp_del_accept_socket(server->http, server->socket);
    else
        for (request = LIST_FIRST(&server->open); request != NULL; request = LIST_NEXT(request, link))
            via_future_cancel(request->future);
    stop_when_idle(server);
    return 0;
}

void server_free(struct server *server)
{
    /* These go first: when their threads have ended nobody is left who could post to the loop. */
    executors_free(server->executor, server->options.direct);
    while (!LIST_EMPTY(&server->open))
        request_free(LIST_FIRST(&server->open));
    if (server->beat != NULL)
        via_handle_cancel(server->beat);
    via_handle_unref(server->beat);
    if (server->http != NULL)
        evhttp_free(server->http);
    free(server);
}
