/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The executors that run queries, one for each kind.
 *
 * Searches and scans have a pool each, so that however many scans there are, a thread for searches is left;
 * notes have one thread, since SQLite has one writer at a time anyway.  Similar names and time zones have
 * processes, and a pool each as well, so that a crash of the one costs the other no process.  All their
 * queues are bounded: what does not fit fails with VIA_EBUSY, and its client is told 503.
 */
#ifndef SQLITE_HTTPD_EXECUTORS_H
#define SQLITE_HTTPD_EXECUTORS_H

#include "query.h"
#include "server.h"

#include <viaduct.h>

/* Makes them; those for processes stay NULL if there are to be none.  0, or a negative status, and then those
 * that were made are still to be freed. */
int executors_new(via_loop *loop, const struct server_options *options, via_executor *executor[QUERY_KINDS]);

/* What a program does without Viaduct: the same calls, in the loop's thread, on its own connection.  There
 * a decoder that crashes ends the server, and one that never returns ends its service. */
int executors_new_direct(const struct server_options *options, via_executor *executor[QUERY_KINDS]);

/* Stops what runs, waits for the threads, and releases the executors; NULLs among them are skipped. */
void executors_free(via_executor *executor[QUERY_KINDS], int direct);

#endif
