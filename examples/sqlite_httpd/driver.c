/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver.h"
#include "progress.h"

#include <event2/event.h>
#include <event2/http.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <viaduct.h>

enum { LINKS = 64 };

/* How long to wait for the last answers after the last request was due. */
static const int64_t patience_ns = 5 * VIA_S;

static const char *const fast_uris[] = {
    "/search?name=SNOWMAN",           "/search?name=LATIN+SMALL+LETTER+A",
    "/search?name=GREEK+CAPITAL",     "/search?name=BLACK+HEART",
    "/search?name=EURO+SIGN",         "/search?name=RIGHTWARDS",
    "/search?name=CYRILLIC&limit=50", "/search?name=MUSICAL+SYMBOL",
    "/search?name=NO+SUCH+NAME",
};
static const char *const slow_uris[] = {"/scan?pattern=HEART", "/scan?pattern=FISH",
                                        "/scan?pattern=ARROWRIGHT", "/scan?pattern=ZZZ"};

/* A kept-alive connection, with one request at a time on it. */
struct connection {
    struct client *client;
    struct evhttp_connection *http;
    const struct arrival *arrival;
};

struct client {
    const struct load *load;
    struct load_result *result;
    struct progress progress;
    struct event_base *base;
    struct event *clock;
    struct connection connections[LINKS];
    struct connection *idle[LINKS];
    size_t idle_count;
    size_t due, sent, answered; /* arrivals: answered <= sent <= due <= load->count */
    int64_t start_ns, last_ns;
};

/* splitmix64. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Above 0, at most 1. */
static double random_unit(uint64_t *state)
{
    return (double)((random_next(state) >> 11) + 1) / 9007199254740992.0;
}

struct arrival *arrivals_plan(uint64_t seed, double fast_per_s, double slow_per_s, int64_t duration_ns,
                              size_t *count)
{
    double rate = fast_per_s + slow_per_s, seconds = (double)duration_ns / VIA_S, now = 0;
    size_t room = (size_t)(rate * seconds * 1.2) + 100, n = 0;
    struct arrival *arrivals = calloc(room, sizeof *arrivals);
    if (arrivals == NULL)
        return NULL;
    while (n < room && (now -= log(random_unit(&seed)) / rate) < seconds) {
        struct arrival *arrival = &arrivals[n++];
        arrival->due_ns = (int64_t)(now * VIA_S);
        arrival->slow = random_unit(&seed) * rate <= slow_per_s;
        size_t pick = random_next(&seed);
        arrival->uri = arrival->slow ? slow_uris[pick % (sizeof slow_uris / sizeof *slow_uris)]
                                     : fast_uris[pick % (sizeof fast_uris / sizeof *fast_uris)];
    }
    *count = n;
    return arrivals;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double percentile(const double *values, size_t count, double share)
{
    size_t rank = (size_t)ceil(share * (double)count);
    return count == 0 ? 0 : values[rank > 0 ? rank - 1 : 0];
}

static void count_answer(struct client *client, const struct arrival *arrival, int code)
{
    struct load_result *result = client->result;
    client->answered++;
    client->last_ns = via_now_ns();
    if (code == HTTP_SERVUNAVAIL)
        result->refused++;
    else if (code != HTTP_OK)
        result->failed++;
    else if (arrival->slow)
        result->slow++;
    else
        result->fast_ms[result->fast++] =
            (double)(client->last_ns - client->start_ns - arrival->due_ns) / (double)VIA_MS;
}

/* `answer` is NULL when the connection broke; the connection then opens anew with its next request. */
static void on_answer(struct evhttp_request *answer, void *arg)
{
    struct connection *connection = arg;
    struct client *client = connection->client;
    count_answer(client, connection->arrival, answer != NULL ? evhttp_request_get_response_code(answer) : 0);
    client->idle[client->idle_count++] = connection;
    if (client->sent < client->due || client->answered == client->load->count)
        event_active(client->clock, EV_TIMEOUT, 0);
}

static void send_next(struct client *client)
{
    struct connection *connection = client->idle[--client->idle_count];
    struct evhttp_request *request = evhttp_request_new(on_answer, connection);
    connection->arrival = &client->load->arrivals[client->sent++];
    if (request == NULL) {
        on_answer(NULL, connection);
        return;
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", "localhost");
    if (evhttp_make_request(connection->http, request, EVHTTP_REQ_GET, connection->arrival->uri) < 0)
        on_answer(NULL, connection);
}

static void show_progress(struct client *client, int64_t now_ns)
{
    char news[80];
    snprintf(news, sizeof news, "%zu sent, %zu waiting for an answer", client->sent,
             client->due - client->answered);
    double done = (double)now_ns / (double)client->load->duration_ns;
    progress_show(&client->progress, done < 1 ? done : 1, news);
}

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;
    const struct load *load = client->load;
    int64_t now_ns = via_now_ns() - client->start_ns, next_ns = now_ns + 50 * VIA_MS;
    (void)fd;
    (void)what;
    while (client->due < load->count && load->arrivals[client->due].due_ns <= now_ns)
        client->due++;
    while (client->sent < client->due && client->idle_count > 0)
        send_next(client);
    show_progress(client, now_ns);
    /* A plain flag: nothing else depends on when exactly it is seen. */
    if (client->answered == load->count || now_ns > load->duration_ns + patience_ns ||
        atomic_load_explicit(load->interrupted, memory_order_relaxed)) {
        event_base_loopbreak(client->base);
        return;
    }
    if (client->due < load->count && load->arrivals[client->due].due_ns < next_ns)
        next_ns = load->arrivals[client->due].due_ns;
    struct timeval delay = {0, (next_ns - now_ns) / VIA_US + 1};
    event_add(client->clock, &delay);
}

static int client_init(struct client *client)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return -1;
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    client->base = event_base_new_with_config(config);
    event_config_free(config);
    client->clock = client->base != NULL ? event_new(client->base, -1, 0, on_clock, client) : NULL;
    client->result->fast_ms = calloc(client->load->count + 1, sizeof *client->result->fast_ms);
    if (client->clock == NULL || client->result->fast_ms == NULL)
        return -1;
    for (int i = 0; i < LINKS; i++) {
        struct connection *connection = &client->connections[i];
        connection->client = client;
        connection->http =
            evhttp_connection_base_new(client->base, NULL, "127.0.0.1", (uint16_t)client->load->port);
        if (connection->http == NULL)
            return -1;
        client->idle[client->idle_count++] = connection;
    }
    return 0;
}

static void client_fini(struct client *client)
{
    for (int i = 0; i < LINKS; i++)
        if (client->connections[i].http != NULL)
            evhttp_connection_free(client->connections[i].http);
    if (client->clock != NULL)
        event_free(client->clock);
    if (client->base != NULL)
        event_base_free(client->base);
}

int load_run(const struct load *load, struct load_result *result)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return -1;
    *result = (struct load_result){0};
    client->load = load;
    client->result = result;
    client->progress = (struct progress){.label = load->label, .lines = 4};
    int rc = client_init(client);
    if (rc == 0) {
        client->start_ns = client->last_ns = via_now_ns();
        event_active(client->clock, EV_TIMEOUT, 0);
        event_base_dispatch(client->base);
        result->unanswered = client->due - client->answered;
        result->seconds = (double)(client->last_ns - client->start_ns) / (double)VIA_S;
        qsort(result->fast_ms, result->fast, sizeof *result->fast_ms, compare_doubles);
        if (atomic_load_explicit(load->interrupted, memory_order_relaxed))
            progress_stop();
        else
            progress_end(&client->progress, "");
    }
    client_fini(client);
    free(client);
    return rc;
}
