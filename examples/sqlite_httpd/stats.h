/* SPDX-License-Identifier: BSD-3-Clause */
/* The figures of /stats, as parts of one JSON object. */
#ifndef SQLITE_HTTPD_STATS_H
#define SQLITE_HTTPD_STATS_H

#include "server.h"

struct evbuffer;

/* Opens the object with the figures of server and loop.  Negative if memory ran out. */
int stats_add_loop(struct evbuffer *out, via_loop *loop, const struct server_figures *figures);

/* Adds an executor's figures; the object is still to be closed.  Negative if memory ran out. */
int stats_add_executor(struct evbuffer *out, const char *name, via_executor *executor);

/* Adds what has become of a pool's processes, if it is a pool of processes. */
int stats_add_processes(struct evbuffer *out, const char *name, via_executor *executor);

#endif
