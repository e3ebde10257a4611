/* SPDX-License-Identifier: BSD-3-Clause */
/* The server: HTTP on the loop's thread, SQLite on worker threads, what is not trusted in worker processes.
 */
#ifndef SQLITE_HTTPD_SERVER_H
#define SQLITE_HTTPD_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <viaduct.h>

struct server;

/* Everything zero but `database` gives a server on a free port of the loopback interface. */
struct server_options {
    const char *database; /* the file that import_once() made; borrowed for as long as the server */
    int port;             /* 0 for a free one */
    int direct;           /* 1: run queries on the loop's thread, to show what that does */
    int coroutines;       /* 1: requests are tasks (coroutines.c); 0: callbacks (callbacks.c) */
    int64_t timeout_ns;   /* how long a request may take; 0 for 2 s */
    size_t max_scans;     /* so many scans may wait; 0 for 16 */
    int processes;        /* so many worker processes for each kind of call that has them; 0 for 2,
                           * -1 for none, and then these calls are refused */
};

struct server_figures {
    uint64_t served;  /* requests answered, of every status */
    uint64_t refused; /* those of them that were told to come back later */
    size_t open;      /* requests not answered yet */
    int64_t lag_ns;   /* the most that the loop was late for its heart beat, in nanoseconds */
};

/* Starts to serve on the loop.  0, or a negative status; `server` is then untouched. */
int server_new(via_loop *loop, const struct server_options *options, struct server **server);

int server_port(const struct server *server);
void server_figures(const struct server *server, struct server_figures *figures);

/* A callback of the loop: accepts nothing new, answers what is open, then stops the loop.  Called again it
 * also cancels what is open. */
int server_stop(void *server);

/* Ends the server's threads and releases it; to be called when the loop does not run, and before it is
 * closed. */
void server_free(struct server *server);

#endif
