/* SPDX-License-Identifier: BSD-3-Clause */
/* From a request's address and body to a query. */
#ifndef SQLITE_HTTPD_PARAMS_H
#define SQLITE_HTTPD_PARAMS_H

struct evhttp_request;
struct query;

/* Fills in a query whose kind is set.  0, or the HTTP status to refuse with, and then a reason in words. */
int params_parse(struct evhttp_request *http, struct query *query, const char **reason);

#endif
