/* SPDX-License-Identifier: BSD-3-Clause */
#include "apart.h"
#include "json.h"

#include <ctype.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 127, NEVER = 1 << 20 };

/* All names of the database, one after the other with their NULs, and how many there are. */
static struct {
    char *text;
    size_t length, room, count;
} names;

struct match {
    const char *name;
    int distance;
};

static int add_name(const char *name)
{
    size_t bytes = strlen(name) + 1;
    if (names.length + bytes > names.room) {
        size_t room = 2 * names.room + bytes + 4096;
        char *text = realloc(names.text, room);
        if (text == NULL)
            return VIA_ENOMEM;
        names.text = text;
        names.room = room;
    }
    memcpy(names.text + names.length, name, bytes);
    names.length += bytes;
    names.count++;
    return 0;
}

int similar_load(via_bytes_call *call, const void *database, size_t bytes)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int rc = 0;
    (void)call;
    (void)bytes;
    if (sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "select distinct name from character", -1, &statement, NULL) != SQLITE_OK)
        rc = via_fail(HTTP_INTERNAL, "%s", sqlite3_errmsg(db));
    while (rc == 0 && sqlite3_step(statement) == SQLITE_ROW)
        rc = add_name((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return rc;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* How many letters have to be put in, left out or changed to make `name` of `word`: one row of the table of
 * all their beginnings at a time. */
static int distance_of(const char *word, size_t word_length, const char *name, size_t name_length)
{
    int row[MAX_NAME + 1];
    if (name_length > MAX_NAME)
        return NEVER;
    for (size_t j = 0; j <= name_length; j++)
        row[j] = (int)j;
    for (size_t i = 0; i < word_length; i++) {
        int diagonal = row[0];
        row[0] = (int)i + 1;
        for (size_t j = 0; j < name_length; j++) {
            int changed = diagonal + (word[i] != name[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(row[j], diagonal) + 1);
        }
    }
    return row[name_length];
}

/* Keeps the closest, in order; of equal ones the first. */
static void keep(struct match *best, int limit, struct match match)
{
    int at = limit;
    while (at > 0 && (best[at - 1].name == NULL || best[at - 1].distance > match.distance))
        at--;
    if (at == limit)
        return;
    memmove(&best[at + 1], &best[at], (size_t)(limit - at - 1) * sizeof *best);
    best[at] = match;
}

static int find(const char *word, struct match *best, int limit)
{
    const char *name = names.text;
    size_t length = strlen(word), name_length;
    for (size_t i = 0; i < names.count; i++, name += name_length + 1) {
        name_length = strlen(name);
        /* A request that is over need not be finished; the pool waits for a moment before it kills. */
        if (i % 1024 == 0 && via_call_cancelled())
            return VIA_ECANCELED;
        keep(best, limit, (struct match){name, distance_of(word, length, name, name_length)});
    }
    return 0;
}

static int write_matches(struct evbuffer *out, const struct match *best, int limit)
{
    int rc = evbuffer_add(out, "[", 1);
    for (int i = 0; rc >= 0 && i < limit && best[i].name != NULL; i++) {
        if (evbuffer_add_printf(out, "%s{\"name\":", i == 0 ? "" : ",\n ") < 0 ||
            json_add_string(out, best[i].name) < 0 ||
            evbuffer_add_printf(out, ",\"distance\":%d}", best[i].distance) < 0)
            rc = -1;
    }
    return rc < 0 || evbuffer_add(out, "]\n", 2) < 0 ? VIA_ENOMEM : 0;
}

static int answer(via_bytes_call *call, const struct match *best, int limit)
{
    struct evbuffer *out = evbuffer_new();
    int rc = out != NULL ? write_matches(out, best, limit) : VIA_ENOMEM;
    size_t bytes = rc == 0 ? evbuffer_get_length(out) : 0;
    void *to = rc == 0 ? via_bytes_out(call, bytes) : NULL;
    if (to != NULL)
        evbuffer_remove(out, to, bytes);
    if (out != NULL)
        evbuffer_free(out);
    return rc == 0 && to == NULL ? VIA_ENOMEM : rc;
}

int similar_run(via_bytes_call *call, const void *in, size_t bytes)
{
    struct match best[SIMILAR_MAX_LIMIT] = {{NULL, 0}};
    struct similar similar;
    if (bytes != sizeof similar)
        return VIA_EINVAL;
    memcpy(&similar, in, sizeof similar);
    for (char *at = similar.name; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    int rc = find(similar.name, best, similar.limit);
    return rc == 0 ? answer(call, best, similar.limit) : rc;
}
