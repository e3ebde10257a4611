/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be asked, and the blocking half of the server: what runs on worker threads.  What runs in worker
 * processes is in apart.h.  Nothing here knows of connections or of the
 * loop.
 *
 * Each thread that runs queries has a connection of its own, opened by its first query and closed by its
 * executor's finalizer, so that no statement is ever shared and SQLite needs no locks between threads.
 */
#ifndef SQLITE_HTTPD_QUERY_H
#define SQLITE_HTTPD_QUERY_H

#include "apart.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum query_kind {
    QUERY_SEARCH, /* characters by name or beginning of a name: an index finds them */
    QUERY_SCAN,   /* characters with a word in name, old name or a note: looks at every row */
    QUERY_NOTE,   /* adds a note to a character */
    QUERY_SQL_KINDS,
    QUERY_SIMILAR = QUERY_SQL_KINDS, /* characters by names that are almost right; in a process */
    QUERY_ZONE,                      /* decodes a time zone that the client sends; in a process */
    QUERY_KINDS
};

/* What each kind is called: "search", "scan", "note", "similar", "zone". */
extern const char *const query_name[QUERY_KINDS];

enum { QUERY_NAME_BYTES = 128, QUERY_NOTE_BYTES = 2000, QUERY_BODY_BYTES = ZONE_BYTES };

struct query {
    enum query_kind kind;
    const char *database;            /* the file, borrowed until the executors are freed */
    int limit;                       /* QUERY_SEARCH, QUERY_SIMILAR: at most so many */
    char name[QUERY_NAME_BYTES + 1]; /* the name, its beginning, or the word to look for */
    char text[QUERY_BODY_BYTES + 1]; /* QUERY_NOTE: the note; QUERY_ZONE: the file */
    size_t text_bytes;               /* its length */
    struct similar similar;          /* QUERY_SIMILAR: the input of the call, made of the above */
    /* The connection that runs this query, for query_cancel() in the loop's thread; NULL before it began. */
    _Atomic(sqlite3 *) db;
};

/* Finalizer: closes this thread's connection, if it has one. */
void query_close_thread(void *unused);

/* The call for threads: runs a `struct query`; the result is a `struct evbuffer` with JSON.  A code is an
 * HTTP status. */
int query_run(void *query, void **result);

/* The cancel hook: stops the query, in whatever thread it runs. */
void query_cancel(void *query);

/* Destroys a result. */
void query_free_result(void *result);

#endif
