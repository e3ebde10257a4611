/* SPDX-License-Identifier: BSD-3-Clause */
#include "query.h"
#include "json.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <string.h>
#include <viaduct.h>

const char *const query_name[QUERY_KINDS] = {"search", "scan", "note", "similar", "zone"};

static const char search_sql[] = "select printf('%04X', code) as code, name, category,"
                                 " (select count(*) from note where note.code = character.code) as notes"
                                 " from character where name >= ?1 and name < ?1 || char(1114111)"
                                 " order by name limit ?2";

/* Blanks and hyphens do not count, so no index can help: this is the slow one.  Names are in capitals. */
static const char scan_sql[] =
    "select printf('%04X', code) as code, name, category from character c,"
    " (select upper(?1) as word, replace(replace(upper(?1), ' ', ''), '-', '') as plain)"
    " where plain <> '' and (instr(replace(replace(name, ' ', ''), '-', ''), plain)"
    " or instr(replace(replace(old_name, ' ', ''), '-', ''), plain)"
    " or exists (select 1 from note where note.code = c.code and instr(upper(text), word)))"
    " order by length(name), name limit 50";

static const char note_sql[] = "insert into note (code, text) select code, ?2 from character where name = ?1"
                               " limit 1 returning id, printf('%04X', code) as code";

static const char *const sql[QUERY_SQL_KINDS] = {search_sql, scan_sql, note_sql};

/* This thread's connection and its statements, prepared once. */
static _Thread_local struct {
    sqlite3 *db;
    sqlite3_stmt *statement[QUERY_SQL_KINDS];
} here;

static int stop_if_cancelled(void *unused)
{
    (void)unused;
    return via_call_cancelled();
}

void query_close_thread(void *unused)
{
    (void)unused;
    for (int kind = 0; kind < QUERY_SQL_KINDS; kind++)
        sqlite3_finalize(here.statement[kind]);
    sqlite3_close(here.db);
    memset(&here, 0, sizeof here);
}

/* The message of a connection is good until its next use, and the next call of this worker is for somebody
 * else: so it is copied into the outcome here, on the worker. */
static int fail(int rc)
{
    if (rc == SQLITE_INTERRUPT)
        return VIA_ECANCELED;
    if (rc == SQLITE_NOMEM)
        return VIA_ENOMEM;
    /* A file that was there at the start cannot be opened when there is no descriptor left. */
    int status = rc == SQLITE_BUSY || rc == SQLITE_CANTOPEN ? HTTP_SERVUNAVAIL : HTTP_INTERNAL;
    return via_fail(status, "%s", sqlite3_errmsg(here.db));
}

static int open_statements(const char *database)
{
    int rc = sqlite3_open_v2(database, &here.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        sqlite3_busy_timeout(here.db, 1000);
    for (int kind = 0; rc == SQLITE_OK && kind < QUERY_SQL_KINDS; kind++)
        rc = sqlite3_prepare_v3(here.db, sql[kind], -1, SQLITE_PREPARE_PERSISTENT, &here.statement[kind],
                                NULL);
    return rc;
}

/* Opens this thread's connection, if it is not open yet.  An initializer could do it too, but one that fails
 * breaks its executor for good, and a lack of memory or descriptors passes. */
static int open_thread(const char *database)
{
    if (here.db != NULL)
        return 0;
    int rc = open_statements(database);
    if (rc != SQLITE_OK) {
        int status = fail(rc);
        query_close_thread(NULL);
        return status;
    }
    /* sqlite3_interrupt() does nothing to a statement that is about to start.  A cancel that comes just then
     * is seen here, a thousand steps of the virtual machine later. */
    sqlite3_progress_handler(here.db, 1000, stop_if_cancelled, NULL);
    return 0;
}

static int add_row(struct evbuffer *out, sqlite3_stmt *statement)
{
    int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; i++) {
        /* The type first: reading a number as text may change what its type is said to be. */
        int is_text = sqlite3_column_type(statement, i) == SQLITE_TEXT;
        const char *text = (const char *)sqlite3_column_text(statement, i);
        if (evbuffer_add_printf(out, "%s\"%s\":", i == 0 ? "{" : ",", sqlite3_column_name(statement, i)) <
                0 ||
            text == NULL ||
            (is_text ? json_add_string(out, text) : evbuffer_add(out, text, strlen(text))) < 0)
            return VIA_ENOMEM;
    }
    return evbuffer_add(out, "}", 1) < 0 ? VIA_ENOMEM : 0;
}

static int add_rows(struct evbuffer *out, sqlite3_stmt *statement, int *rows)
{
    int rc = evbuffer_add(out, "[", 1) < 0 ? VIA_ENOMEM : 0, step = SQLITE_ROW;
    while (rc == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        if ((*rows)++ > 0 && evbuffer_add(out, ",\n ", 3) < 0)
            rc = VIA_ENOMEM;
        else
            rc = add_row(out, statement);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = fail(step);
    return rc == 0 && evbuffer_add(out, "]\n", 2) < 0 ? VIA_ENOMEM : rc;
}

static void bind_values(sqlite3_stmt *statement, const struct query *query)
{
    sqlite3_bind_text(statement, 1, query->name, -1, SQLITE_STATIC);
    if (query->kind == QUERY_SEARCH)
        sqlite3_bind_int(statement, 2, query->limit);
    else if (query->kind == QUERY_NOTE)
        sqlite3_bind_text(statement, 2, query->text, -1, SQLITE_STATIC);
}

int query_run(void *arg, void **result)
{
    struct query *query = arg;
    int rows = 0, rc = open_thread(query->database);
    if (rc < 0)
        return rc;
    sqlite3_stmt *statement = here.statement[query->kind];
    struct evbuffer *out = evbuffer_new();
    if (out == NULL)
        return VIA_ENOMEM;
    /* Publishes the connection, which is this thread's own, to query_cancel(). */
    atomic_store(&query->db, here.db);
    bind_values(statement, query);
    rc = add_rows(out, statement, &rows);
    /* Reset ends the read transaction, which would otherwise keep the write-ahead log from being emptied. */
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (rc == 0 && rows == 0 && query->kind == QUERY_NOTE)
        rc = via_fail(HTTP_NOTFOUND, "no character is called \"%s\"", query->name);
    if (rc < 0)
        evbuffer_free(out);
    else
        *result = out;
    return rc;
}

/* Runs in the loop's thread, and only while query_run() does: the connection cannot be closed meanwhile. */
void query_cancel(void *arg)
{
    struct query *query = arg;
    /* Pairs with the store in query_run(). */
    sqlite3 *db = atomic_load(&query->db);
    if (db != NULL)
        sqlite3_interrupt(db);
}

void query_free_result(void *result)
{
    evbuffer_free(result);
}
