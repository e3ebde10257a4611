/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the server is reached. */
#ifndef SQLITE_HTTPD_LISTEN_H
#define SQLITE_HTTPD_LISTEN_H

struct event_base;
struct evhttp;
struct evhttp_bound_socket;

/* Accepts connections on a port of the loopback interface, 0 for a free one.  0, or a negative status; the
 * socket belongs to the evhttp. */
int listen_on_loopback(struct evhttp *http, struct event_base *base, int port,
                       struct evhttp_bound_socket **socket);

/* Goes on accepting, after a failure to accept has ended it; call it now and then.  0, or a negative status.
 */
int listen_again(struct evhttp_bound_socket *socket);

/* The port it became. */
int listen_port(struct evhttp_bound_socket *socket);

#endif
