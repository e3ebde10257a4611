/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What runs in worker processes.  Nothing here knows of connections or of the loop, and none of it would have
 * to change on a pool of threads: bytes come in, JSON goes out.
 *
 * Similar names run apart because they are all computing: processes are scheduled on their own, and a request
 * whose time is up is ended, whatever it does.  Time zones run apart because their decoder, a small library
 * with known defects (../crashy_codec), crashes on some files and never ends on others.
 */
#ifndef SQLITE_HTTPD_APART_H
#define SQLITE_HTTPD_APART_H

#include <stddef.h>
#include <viaduct.h>

enum { SIMILAR_NAME_BYTES = 64, SIMILAR_MAX_LIMIT = 20, ZONE_BYTES = 8000 };

/* What is asked: copied to the worker as it is, so there are no pointers in it. */
struct similar {
    int limit;
    char name[SIMILAR_NAME_BYTES + 1];
};

/* Initializer: reads all names of a database, whose path is the input with its NUL.  They stay for as long as
 * the process. */
int similar_load(via_bytes_call *call, const void *database, size_t bytes);

/* A call: the characters whose names are closest to the one in a `struct similar`, by the fewest letters that
 * have to be changed. */
int similar_run(via_bytes_call *call, const void *similar, size_t bytes);

/* A call: decodes a compiled time zone, as in /usr/share/zoneinfo. */
int zone_run(via_bytes_call *call, const void *file, size_t bytes);

#endif
