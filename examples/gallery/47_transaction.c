/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A transaction as a resource: committed if the code inside succeeds, rolled back if it fails or is
 * cancelled. SQLite blocks, so it runs on a thread; a strand keeps its calls apart.
 */
#include <sqlite3.h>
#include <unistd.h>

#include "gallery.h"

struct database {
    sqlite3 *handle;
    via_executor *strand;
};

struct statement {
    sqlite3 *handle;
    const char *sql;
    int number; /* the first column of the first row */
};

static int read_number(void *number, int columns, char **values, char **names)
{
    (void)names;
    if (columns > 0 && values[0] != NULL)
        *(int *)number = atoi(values[0]);
    return 0;
}

static int execute_blocking(void *arg, void **result) /* on a thread */
{
    struct statement *statement = arg;
    (void)result;
    int code = sqlite3_exec(statement->handle, statement->sql, read_number, &statement->number, NULL);
    return code == SQLITE_OK ? 0 : via_fail(code, "%s", sqlite3_errmsg(statement->handle));
}

/* The await comes back only when the function on the thread has returned, so the statement may lie here. */
static int execute(struct database *database, const char *sql, int *number)
{
    struct statement statement = {.handle = database->handle, .sql = sql};
    struct via_call call = VIA_CALL(execute_blocking, &statement);
    struct via_outcome outcome;
    int rc = via_await_in_executor(database->strand, &call, &outcome);
    if (rc == VIA_EFAILED)
        return via_fail(outcome.code, "%s", outcome.message);
    if (rc == 0 && number != NULL)
        *number = statement.number;
    return rc;
}

static int begin(void *self, void **value)
{
    (void)value;
    return execute(self, "BEGIN IMMEDIATE", NULL);
}

/* This is a shielded section, so it may await although the task was cancelled. */
static int finish(void *self, int status)
{
    int rc = execute(self, status == 0 ? "COMMIT" : "ROLLBACK", NULL);
    say("    %s", status == 0 ? "committed" : "rolled back");
    return status != 0 ? status : rc;
}

static int move(void *value, void *arg)
{
    struct database *database = value;
    int rc = execute(database, "UPDATE account SET balance = balance + 70 WHERE name = 'Bert'", NULL);
    (void)arg;
    if (rc == 0)
        rc = via_sleep(1 * VIA_S); /* others have the loop meanwhile, but nobody sees half a transfer */
    if (rc == 0)
        rc = execute(database, "UPDATE account SET balance = balance - 70 WHERE name = 'Anna'", NULL);
    return rc;
}

static int transfer(void *database, void **result)
{
    (void)result;
    return via_with((struct via_resource){database, begin, finish}, move, NULL);
}

static int try_transfer(struct database *database, const char *what, int64_t cancel_after_ns)
{
    int anna = 0, bert = 0;
    struct via_outcome outcome = {.status = 0};
    say("%s", what);
    via_future *task = via_create_task(transfer, database);
    int rc = via_sleep(cancel_after_ns);
    via_task_cancel(task, NULL); /* too late for one that has ended */
    int ended = via_await_outcome(task, &outcome);
    say("    %s", outcome.message != NULL ? outcome.message : via_status_text(ended));
    if (rc == 0)
        rc = execute(database, "SELECT balance FROM account WHERE name = 'Anna'", &anna);
    if (rc == 0)
        rc = execute(database, "SELECT balance FROM account WHERE name = 'Bert'", &bert);
    say("    Anna has %d, Bert has %d", anna, bert);
    return rc;
}

static int try_transfers(struct database *database)
{
    int rc = execute(database,
                     "CREATE TABLE account (name TEXT, balance INTEGER CHECK (balance >= 0));"
                     "INSERT INTO account VALUES ('Anna', 100), ('Bert', 0)",
                     NULL);
    if (rc == 0)
        rc = try_transfer(database, "a transfer that is cancelled", 500 * VIA_MS);
    if (rc == 0)
        rc = try_transfer(database, "a transfer", 2 * VIA_S);
    if (rc == 0)
        rc = try_transfer(database, "a transfer of what is not there", 2 * VIA_S);
    return rc;
}

static int main_task(void *path, void **result)
{
    struct database database;
    via_executor *pool;
    (void)result;
    int rc = via_loop_default_executor(via_loop_current(), &pool);
    if (rc == 0)
        rc = via_serial_new(pool, &database.strand);
    if (rc < 0)
        return rc;
    rc = sqlite3_open(path, &database.handle) == SQLITE_OK ? try_transfers(&database) : VIA_EBADF;
    sqlite3_close(database.handle);
    via_executor_unref(database.strand);
    return rc;
}

int main(void)
{
    char path[] = "/tmp/gallery-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    int rc = gallery_run(main_task, path, NULL);
    close(fd);
    unlink(path);
    return via_exit_status(rc);
}
