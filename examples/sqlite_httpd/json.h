/* SPDX-License-Identifier: BSD-3-Clause */
/* The little JSON and UTF-8 that the server needs. */
#ifndef SQLITE_HTTPD_JSON_H
#define SQLITE_HTTPD_JSON_H

#include <stddef.h>

struct evbuffer;

/* Appends a text in quotes.  0, or -1 if memory ran out. */
int json_add_string(struct evbuffer *out, const char *text);

/* Tells whether the bytes are well-formed UTF-8 without a NUL. */
int utf8_is_valid(const unsigned char *bytes, size_t length);

#endif
