/* SPDX-License-Identifier: BSD-3-Clause */
/* The demonstration: the same load on the server twice, with queries on the loop and with queries bridged. */
#ifndef SQLITE_HTTPD_DEMO_H
#define SQLITE_HTTPD_DEMO_H

#include <stdint.h>

struct demo_options {
    const char *database;
    const char *plot;  /* where the picture goes */
    int coroutines;    /* as of struct server_options, for the bridged run */
    double seconds;    /* how long each of the two loads takes */
    double fast_per_s; /* searches due per second */
    double slow_per_s; /* scans due per second */
    uint64_t seed;     /* of the random arrivals */
};

/* Looks for what would spoil its end, before it begins.  0, or -1 after saying what is wrong. */
int demo_check(const struct demo_options *options);

/* Runs it and prints the table.  0, or -1 after saying what went wrong. */
int demo_run(const struct demo_options *options);

#endif
