/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What evhttp of libevent 2.1.12 cannot do without memory.
 *
 * These definitions come before libevent's own, for its calls of itself too.  Where one of the allocations in
 * a function fails, libevent goes wrong in a way that no program can mend, so just those do not fail; in
 * their place the whole function does where evhttp can take that.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "inject.h"

#pragma GCC visibility push(default)

/* Finds libevent's own definition. */
static void *next_of(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

/* With only part of a connection it calls evhttp_connection_free(), which goes through the list of requests
 * and the event base of a connection that has neither yet: it reads from address 0. */
struct evhttp_connection *evhttp_connection_base_bufferevent_new(struct event_base *base,
                                                                 struct evdns_base *names,
                                                                 struct bufferevent *stream,
                                                                 const char *address, ev_uint16_t port)
{
    __typeof__(evhttp_connection_base_bufferevent_new) *next =
        __extension__(__typeof__(next)) next_of("evhttp_connection_base_bufferevent_new");
    if (fault_hit(FAULT_EVENT_MEMORY))
        return NULL;
    fault_pause();
    struct evhttp_connection *connection = next(base, names, stream, address, port);
    fault_resume();
    return connection;
}

/* With only part of a request it calls evhttp_request_free(), which clears lists of headers that are not
 * there: it reads from address 0. */
struct evhttp_request *evhttp_request_new(void (*done)(struct evhttp_request *, void *), void *arg)
{
    __typeof__(evhttp_request_new) *next = __extension__(__typeof__(next)) next_of("evhttp_request_new");
    if (fault_hit(FAULT_EVENT_MEMORY))
        return NULL;
    fault_pause();
    struct evhttp_request *request = next(done, arg);
    fault_resume();
    return request;
}

/* NULL for want of memory is the same as NULL for a line that is not complete yet: evhttp waits for the rest,
 * which is there already, until the connection's time is up. */
char *evbuffer_readln(struct evbuffer *buffer, size_t *length, enum evbuffer_eol_style style)
{
    __typeof__(evbuffer_readln) *next = __extension__(__typeof__(next)) next_of("evbuffer_readln");
    fault_pause();
    char *line = next(buffer, length, style);
    fault_resume();
    return line;
}

/* evhttp does not look whether this works when it is about to write: the answer then stays in its buffer, and
 * the connection without an event, for good. */
int bufferevent_enable(struct bufferevent *stream, short events)
{
    __typeof__(bufferevent_enable) *next = __extension__(__typeof__(next)) next_of("bufferevent_enable");
    if (!(events & EV_WRITE))
        return next(stream, events);
    fault_pause();
    int rc = next(stream, events);
    fault_resume();
    return rc;
}

#pragma GCC visibility pop
