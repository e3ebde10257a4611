/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that wait for a query, and what the parts of the server share.
 *
 * Life of a request: evhttp calls on_request() -> the parameters go into a `struct query` -> the query goes
 * to the executor for its kind -> on a worker query_run(), or a function of apart.h in a worker process,
 * builds the whole answer -> back on the loop's thread request_end() sends it.  Whatever ends the query early
 * (deadline, client gone, server stopping) only cancels the request's future; the end still comes, so there
 * is one place where requests end.
 *
 * From the parameters to the end it is told twice: in callbacks.c, and as a task in coroutines.c.
 */
#ifndef SQLITE_HTTPD_REQUEST_H
#define SQLITE_HTTPD_REQUEST_H

#include "query.h"
#include "server.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/queue.h>

struct request {
    struct server *server;
    struct evhttp_request *http;
    enum query_kind kind;
    struct query *query;  /* the call's, once that is made */
    struct event *gone;   /* tells when the client closes its side; NULL if the backend cannot */
    via_future *future;   /* to be cancelled: the call, or the task */
    via_handle *deadline; /* callbacks.c: cancels the query when the time is up */
    int timed_out;        /* callbacks.c */
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

void send_buffer(struct server *server, struct evhttp_request *http, int code, const char *type,
                 struct evbuffer *body);

/* Refuses a request, and says why in a sentence. */
void send_reason(struct server *server, struct evhttp_request *http, int code, const char *reason);

/* A request for a query, which it takes; NULL if memory ran out. */
struct request *request_new(struct server *server, struct evhttp_request *http, struct query *query);

/* The call that runs the request's query.  The query belongs to the call, whatever becomes of it. */
struct via_call request_call(struct request *request);

/* Has the future cancelled when the client leaves. */
void request_watch(struct request *request);

/* Sends what the query has come to, and frees the request. */
void request_end(struct request *request, const struct via_outcome *outcome);
void request_free(struct request *request);

/* The server stops when nothing is open any more. */
void stop_when_idle(struct server *server);

/* The two ways. */
void callbacks_start(struct request *request);
void coroutines_start(struct request *request);

#endif
