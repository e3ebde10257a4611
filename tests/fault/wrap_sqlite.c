/* SPDX-License-Identifier: BSD-3-Clause */
/* SQLite's own allocation, with faults and ledger. */
#include <sqlite3.h>
#include <stdlib.h>

#include "ledger.h"
#include "wrap.h"

static void *allocate(int bytes)
{
    return wrap_malloc(FAULT_SQLITE_MEMORY, (size_t)bytes);
}

static void *reallocate(void *block, int bytes)
{
    return wrap_realloc(FAULT_SQLITE_MEMORY, block, (size_t)bytes);
}

static int bytes_of(void *block)
{
    return (int)ledger_bytes(block);
}

static int round_up(int bytes)
{
    return (bytes + 7) & ~7;
}

static int begin(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void end(void *unused)
{
    (void)unused;
}

int wrap_sqlite_memory(void)
{
    static const struct sqlite3_mem_methods methods = {allocate, free,  reallocate, bytes_of,
                                                       round_up, begin, end,        NULL};
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK ? 0 : -1;
}
