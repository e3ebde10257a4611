/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evhttp_bind_socket_with_handle() does the same in one line, but when memory runs out it leaves its
 * descriptor open, or says that all is well and never accepts anybody.
 */
#include "listen.h"

#include <errno.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <viaduct.h>

static struct evconnlistener *listener_new(struct event_base *base, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return evconnlistener_new_bind(base, NULL, NULL, flags, -1, (struct sockaddr *)&address, sizeof address);
}

/* Most often there is no descriptor left.  libevent would try again at once, and print a line each time. */
static void on_accept_failed(struct evconnlistener *listener, void *unused)
{
    (void)unused;
    evconnlistener_disable(listener);
}

int listen_on_loopback(struct evhttp *http, struct event_base *base, int port,
                       struct evhttp_bound_socket **socket)
{
    errno = 0;
    struct evconnlistener *listener = listener_new(base, port);
    if (listener == NULL)
        return errno != 0 ? -errno : VIA_ENOMEM;
    struct evhttp_bound_socket *bound = evhttp_bind_listener(http, listener);
    if (bound == NULL) {
        evconnlistener_free(listener);
        return VIA_ENOMEM;
    }
    evconnlistener_set_error_cb(listener, on_accept_failed);
    *socket = bound;
    /* It is enabled since it has a callback, but evhttp did not look whether that worked. */
    return listen_again(bound);
}

int listen_again(struct evhttp_bound_socket *socket)
{
    return evconnlistener_enable(evhttp_bound_socket_get_listener(socket)) < 0 ? VIA_ENOMEM : 0;
}

int listen_port(struct evhttp_bound_socket *socket)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}
