/* SPDX-License-Identifier: BSD-3-Clause */
/* Who asks for what, and the server's own life.  The life of a request is told in request.h. */
#include "server.h"
#include "executors.h"
#include "listen.h"
#include "params.h"
#include "query.h"
#include "request.h"
#include "stats.h"

#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_URI_BYTES = 1000 };

static const int64_t beat_ns = 5 * VIA_MS;

static void start_query(struct server *server, struct evhttp_request *http, struct query *query)
{
    struct request *request = request_new(server, http, query);
    if (request == NULL) {
        free(query);
        send_reason(server, http, HTTP_SERVUNAVAIL, via_status_text(VIA_ENOMEM));
    } else if (server->options.coroutines && !server->options.direct) {
        coroutines_start(request);
    } else {
        callbacks_start(request);
    }
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
    for (int kind = 0; rc >= 0 && kind < QUERY_KINDS; kind++) {
        if (server->executor[kind] == NULL)
            continue;
        rc = stats_add_executor(body, query_name[kind], server->executor[kind]);
        if (rc >= 0 && kind >= QUERY_SQL_KINDS)
            rc = stats_add_processes(body, query_name[kind], server->executor[kind]);
    }
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
    static const char *const paths[] = {"/search",  "/scan", "/note", /* as enum query_kind */
                                        "/similar", "/zone", "/stats"};
    struct server *server = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(http));
    int route = 0;
    while (route <= QUERY_KINDS && (path == NULL || strcmp(path, paths[route]) != 0))
        route++;
    enum evhttp_cmd_type method =
        route == QUERY_NOTE || route == QUERY_ZONE ? EVHTTP_REQ_POST : EVHTTP_REQ_GET;
    if (strlen(evhttp_request_get_uri(http)) > MAX_URI_BYTES)
        send_reason(server, http, 414, "the address is too long");
    else if (route > QUERY_KINDS)
        send_reason(server, http, HTTP_NOTFOUND,
                    "there are /search, /scan, /note, /similar, /zone and /stats");
    else if (evhttp_request_get_command(http) != method) {
        const char *allowed = method == EVHTTP_REQ_POST ? "POST" : "GET";
        evhttp_add_header(evhttp_request_get_output_headers(http), "Allow", allowed);
        send_reason(server, http, HTTP_BADMETHOD, "this address has another method: see Allow");
    } else if (server->stopping)
        send_reason(server, http, HTTP_SERVUNAVAIL, "the server is stopping");
    else if (route < QUERY_KINDS && server->executor[route] == NULL)
        send_reason(server, http, HTTP_NOTIMPLEMENTED, "this server has no worker processes");
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
    int rc = options->direct ? executors_new_direct(options, server->executor)
                             : executors_new(loop, options, server->executor);
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
