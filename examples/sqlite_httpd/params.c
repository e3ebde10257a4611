/* SPDX-License-Identifier: BSD-3-Clause */
#include "params.h"
#include "json.h"
#include "query.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIMIT = 1000 };

static int parse_word(const struct evkeyvalq *params, const char *key, struct query *query,
                      const char **reason)
{
    const char *word = evhttp_find_header(params, key);
    *reason = "name= or pattern= is missing, empty, too long or not UTF-8";
    if (word == NULL || *word == '\0' || strlen(word) > QUERY_NAME_BYTES ||
        !utf8_is_valid((const unsigned char *)word, strlen(word)))
        return HTTP_BADREQUEST;
    strcpy(query->name, word);
    return 0;
}

static int parse_search(const struct evkeyvalq *params, struct query *query, const char **reason)
{
    const char *limit = evhttp_find_header(params, "limit");
    char *end = NULL;
    long number = limit != NULL ? strtol(limit, &end, 10) : 20;
    if (limit != NULL && (end == limit || *end != '\0' || number < 1 || number > MAX_LIMIT)) {
        *reason = "limit= must be a number from 1 to 1000";
        return HTTP_BADREQUEST;
    }
    query->limit = (int)number;
    return parse_word(params, "name", query, reason);
}

static int parse_note(struct evhttp_request *http, const struct evkeyvalq *params, struct query *query,
                      const char **reason)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(http);
    size_t length = evbuffer_get_length(body);
    *reason = "a note has at most 2000 bytes";
    if (length > QUERY_TEXT_BYTES)
        return HTTP_ENTITYTOOLARGE;
    evbuffer_remove(body, query->text, length);
    *reason = "the body must be the note, in UTF-8";
    if (length == 0 || !utf8_is_valid((const unsigned char *)query->text, length))
        return HTTP_BADREQUEST;
    return parse_word(params, "name", query, reason);
}

int params_parse(struct evhttp_request *http, struct query *query, const char **reason)
{
    struct evkeyvalq params = {0};
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(http));
    *reason = "the query string is malformed";
    /* evhttp would take what comes before a NUL for the whole value. */
    if (text != NULL && strstr(text, "%00") != NULL)
        return HTTP_BADREQUEST;
    if (evhttp_parse_query_str(text != NULL ? text : "", &params) < 0)
        return HTTP_BADREQUEST;
    int code = query->kind == QUERY_SEARCH ? parse_search(&params, query, reason)
               : query->kind == QUERY_SCAN ? parse_word(&params, "pattern", query, reason)
                                           : parse_note(http, &params, query, reason);
    evhttp_clear_headers(&params);
    return code;
}
