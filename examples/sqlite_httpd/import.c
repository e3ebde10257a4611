/* SPDX-License-Identifier: BSD-3-Clause */
#include "import.h"
#include "progress.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The number that the finished database carries, so that another layout of the tables is not mistaken for
 * this one. */
enum { LAYOUT = 1, FIELDS = 15 };

static const char schema[] = "create table character (code integer primary key, name text not null,"
                             " category text not null, old_name text not null);"
                             "create index character_name on character (name);"
                             "create table note (id integer primary key, code integer not null"
                             " references character, text text not null);"
                             "create index note_code on note (code);";

static int complain(sqlite3 *db, const char *database)
{
    int error = sqlite3_system_errno(db);
    fprintf(stderr, "sqlite_httpd: %s: %s%s%s\n", database, sqlite3_errmsg(db), error != 0 ? ": " : "",
            error != 0 ? strerror(error) : "");
    return -1;
}

static int layout_of(sqlite3 *db)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, "pragma user_version", -1, &statement, NULL) != SQLITE_OK)
        return -1;
    int layout = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int(statement, 0) : -1;
    sqlite3_finalize(statement);
    return layout;
}

/* Cuts a line at its semicolons: UnicodeData.txt has fifteen fields, and empty ones count. */
static int split(char *line, char *field[FIELDS])
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *rest = line; rest != NULL && n < FIELDS; n++)
        field[n] = strsep(&rest, ";");
    return n;
}

static int insert_line(sqlite3_stmt *insert, char *line)
{
    char *field[FIELDS], *end;
    if (split(line, field) != FIELDS)
        return -1;
    sqlite3_bind_int64(insert, 1, strtol(field[0], &end, 16));
    if (end == field[0] || *end != '\0')
        return -1;
    sqlite3_bind_text(insert, 2, field[1], -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, field[2], -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 4, field[10], -1, SQLITE_STATIC);
    int ok = sqlite3_step(insert) == SQLITE_DONE;
    sqlite3_reset(insert);
    return ok ? 0 : -1;
}

static int insert_lines(sqlite3_stmt *insert, FILE *file, const char *data)
{
    struct progress progress = {.label = "loading", .lines = 4};
    struct stat status;
    double total = fstat(fileno(file), &status) == 0 && status.st_size > 0 ? (double)status.st_size : 1;
    char *line = NULL, news[40] = "";
    size_t room = 0;
    long rows = 0;
    int rc = 0;
    while (rc == 0 && getline(&line, &room, file) >= 0) {
        rc = insert_line(insert, line);
        snprintf(news, sizeof news, "%ld characters", ++rows);
        if (rc < 0)
            fprintf(stderr, "sqlite_httpd: %s:%ld: not a line of UnicodeData.txt\n", data, rows);
        else
            progress_show(&progress, (double)ftell(file) / total, news);
    }
    if (rc == 0 && (rows == 0 || !feof(file))) {
        fprintf(stderr, "sqlite_httpd: %s: %s\n", data, feof(file) ? "the file is empty" : strerror(errno));
        rc = -1;
    }
    free(line);
    if (rc == 0)
        progress_end(&progress, news);
    return rc;
}

/* One transaction: a program that is stopped half way leaves no half of a database behind. */
static int import(sqlite3 *db, const char *database, FILE *file, const char *data)
{
    char done[64];
    sqlite3_stmt *insert = NULL;
    snprintf(done, sizeof done, "pragma user_version = %d; commit", LAYOUT);
    if (sqlite3_exec(db, "pragma journal_mode = wal; begin immediate", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "insert into character values (?, ?, ?, ?)", -1, &insert, NULL) != SQLITE_OK)
        return complain(db, database);
    int rc = insert_lines(insert, file, data);
    sqlite3_finalize(insert);
    if (rc == 0 && sqlite3_exec(db, done, NULL, NULL, NULL) != SQLITE_OK)
        rc = complain(db, database);
    return rc;
}

static int import_from(sqlite3 *db, const char *database, const char *data)
{
    FILE *file = fopen(data, "re");
    if (file == NULL) {
        fprintf(stderr,
                "sqlite_httpd: cannot read %s: %s\n"
                "It is in the Debian package unicode-data (sudo apt-get install unicode-data);\n"
                "a copy elsewhere can be given with --data FILE.\n",
                data, strerror(errno));
        return -1;
    }
    int rc = import(db, database, file, data);
    fclose(file);
    return rc;
}

int import_once(const char *database, const char *data)
{
    sqlite3 *db;
    int rc = sqlite3_open(database, &db) == SQLITE_OK ? 0 : complain(db, database);
    int layout = rc == 0 ? layout_of(db) : -1;
    if (rc == 0 && layout < 0)
        rc = complain(db, database);
    else if (rc == 0 && layout == 0)
        rc = import_from(db, database, data);
    else if (rc == 0 && layout != LAYOUT) {
        fprintf(stderr, "sqlite_httpd: %s is another program's database\n", database);
        rc = -1;
    }
    sqlite3_close(db);
    return rc;
}
