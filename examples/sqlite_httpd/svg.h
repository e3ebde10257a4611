/* SPDX-License-Identifier: BSD-3-Clause */
/* Plots distributions of latency as an SVG file. */
#ifndef SQLITE_HTTPD_SVG_H
#define SQLITE_HTTPD_SVG_H

#include <stddef.h>

struct svg_series {
    const char *label; /* plain text without markup */
    const char *color;
    const double *values_ms; /* ascending */
    size_t count;
};

/* Tries whether a plot could be written there, and leaves no trace.  0, or -1 with errno set. */
int svg_check(const char *path);

/* Writes a cumulative plot over a logarithmic axis.  0, or -1 with errno set. */
int svg_write(const char *path, const char *title, const struct svg_series *series, size_t count);

#endif
