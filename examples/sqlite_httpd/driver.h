/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load: requests that are due at moments fixed beforehand, whether or not earlier ones were answered, as
 * with real visitors who do not know of each other.  A latency counts from the moment the request was due, so
 * a server that stalls for 100 ms is charged for everybody who came meanwhile, not only for one request.
 */
#ifndef SQLITE_HTTPD_DRIVER_H
#define SQLITE_HTTPD_DRIVER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A request that is due `due_ns` after the start. */
struct arrival {
    int64_t due_ns;
    int slow;        /* 1: a scan, 0: a search */
    const char *uri; /* static */
};

struct load {
    int port;
    const char *label; /* for the progress bar */
    const struct arrival *arrivals;
    size_t count;
    int64_t duration_ns;
    atomic_int *interrupted; /* ends the load early when it becomes 1 */
};

struct load_result {
    double *fast_ms; /* latencies of the searches that were answered, ascending; the caller frees it */
    size_t fast;     /* how many */
    size_t slow;     /* scans that were answered */
    size_t refused;  /* requests answered with 503 */
    size_t failed;   /* requests that got another status, or none because the connection broke */
    size_t unanswered;
    double seconds; /* from the start to the last answer */
};

/* Plans arrivals at random (Poisson), the same for the same seed.  NULL if memory ran out. */
struct arrival *arrivals_plan(uint64_t seed, double fast_per_s, double slow_per_s, int64_t duration_ns,
                              size_t *count);

/* Puts the load on the server, on an event base of its own in this thread.  0, or -1 if it could not start.
 */
int load_run(const struct load *load, struct load_result *result);

/* The value that the part `share` of the ascending values does not exceed; 0 if there are none. */
double percentile(const double *values, size_t count, double share);

#endif
