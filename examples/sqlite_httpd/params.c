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

static int parse_limit(const struct evkeyvalq *params, int normal, int most, struct query *query)
{
    const char *limit = evhttp_find_header(params, "limit");
    char *end = NULL;
    long number = limit != NULL ? strtol(limit, &end, 10) : normal;
    if (limit != NULL && (end == limit || *end != '\0' || number < 1 || number > most))
        return HTTP_BADREQUEST;
    query->limit = (int)number;
    return 0;
}

static int parse_search(const struct evkeyvalq *params, struct query *query, const char **reason)
{
    *reason = "limit= must be a number from 1 to 1000";
    int code = parse_limit(params, 20, MAX_LIMIT, query);
    return code == 0 ? parse_word(params, "name", query, reason) : code;
}

static int parse_similar(const struct evkeyvalq *params, struct query *query, const char **reason)
{
    *reason = "limit= must be a number from 1 to 20";
    int code = parse_limit(params, 5, SIMILAR_MAX_LIMIT, query);
    if (code == 0)
        code = parse_word(params, "name", query, reason);
    if (code == 0 && strlen(query->name) > SIMILAR_NAME_BYTES) {
        *reason = "name= has at most 64 bytes";
        code = HTTP_BADREQUEST;
    }
    return code;
}

static int read_body(struct evhttp_request *http, size_t most, struct query *query)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(http);
    query->text_bytes = evbuffer_get_length(body);
    if (query->text_bytes > most)
        return HTTP_ENTITYTOOLARGE;
    evbuffer_remove(body, query->text, query->text_bytes);
    return 0;
}

static int parse_note(struct evhttp_request *http, const struct evkeyvalq *params, struct query *query,
                      const char **reason)
{
    *reason = "a note has at most 2000 bytes";
    int code = read_body(http, QUERY_NOTE_BYTES, query);
    if (code != 0)
        return code;
    *reason = "the body must be the note, in UTF-8";
    if (query->text_bytes == 0 || !utf8_is_valid((const unsigned char *)query->text, query->text_bytes))
        return HTTP_BADREQUEST;
    return parse_word(params, "name", query, reason);
}

/* Whether it is a time zone is for the decoder to say. */
static int parse_zone(struct evhttp_request *http, struct query *query, const char **reason)
{
    *reason = "a time zone has at most 8000 bytes";
    int code = read_body(http, ZONE_BYTES, query);
    if (code == 0 && query->text_bytes == 0) {
        *reason = "the body must be a file as in /usr/share/zoneinfo";
        code = HTTP_BADREQUEST;
    }
    return code;
}

static int parse_kind(struct evhttp_request *http, const struct evkeyvalq *params, struct query *query,
                      const char **reason)
{
    switch (query->kind) {
    case QUERY_SEARCH:
        return parse_search(params, query, reason);
    case QUERY_SCAN:
        return parse_word(params, "pattern", query, reason);
    case QUERY_NOTE:
        return parse_note(http, params, query, reason);
    case QUERY_SIMILAR:
        return parse_similar(params, query, reason);
    default:
        return parse_zone(http, query, reason);
    }
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
    int code = parse_kind(http, &params, query, reason);
    evhttp_clear_headers(&params);
    return code;
}
