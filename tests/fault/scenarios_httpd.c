/* SPDX-License-Identifier: BSD-3-Clause */
/* The scenario of a whole program: the server of examples/sqlite_httpd starts and answers one request. */
#include "scenario.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "import.h"
#include "server.h"
#include "wrap.h"

static char directory[] = "/tmp/viaduct-fault-XXXXXX";
static char database[64];

static void path_of(const char *name, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s/%s", directory, name);
}

static void remove_files(void)
{
    static const char *const names[] = {"data", "db", "db-wal", "db-shm"};
    char path[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        path_of(names[i], path, sizeof(path));
        unlink(path);
    }
    rmdir(directory);
}

/* A small file in the layout of UnicodeData.txt. */
static int write_data(const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -1;
    for (int i = 0; i < 20; i++)
        fprintf(file, "%04X;LATIN LETTER %c;Lu;0;L;;;;;N;;;;;\n", 0x41 + i, 'A' + i);
    return fclose(file);
}

bool httpd_prepare(void)
{
    char data[64];
    signal(SIGPIPE, SIG_IGN);
    if (wrap_sqlite_memory() < 0 || !mkdtemp(directory))
        return false;
    path_of("data", data, sizeof(data));
    path_of("db", database, sizeof(database));
    if (write_data(data) == 0 && import_once(database, data) == 0)
        return true;
    remove_files();
    return false;
}

void httpd_clean_up(void)
{
    remove_files();
}

struct client {
    via_loop *loop;
    int port;
    int code; /* the answer's; 0 if the connection was closed without one; -1 if nothing came */
};

static int stop_loop(void *loop)
{
    FAULT_CHECK(via_loop_stop(loop) == 0);
    return 0;
}

/* Reads until the server closes the connection; a server that does neither has lost the request. */
static int read_answer(int fd)
{
    char answer[4096];
    size_t length = 0;
    for (;;) {
        ssize_t got = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return -1;
        if (got <= 0 || length + (size_t)got == sizeof(answer) - 1)
            break;
        length += (size_t)got;
    }
    answer[length] = '\0';
    int code = 0;
    if (sscanf(answer, "HTTP/1.1 %d", &code) != 1)
        return 0;
    FAULT_CHECK(code != 200 || (strstr(answer, "LETTER A\"") && strstr(answer, "LETTER T\"") &&
                                strcmp(answer + length - 2, "]\n") == 0));
    return code;
}

static int ask(int port)
{
    static const char request[] =
        "GET /search?name=LATIN HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 10};
    int code = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1)
        code = read_answer(fd);
    close(fd);
    return code;
}

/* The client is not part of the server: nothing fails in its thread. */
static void *run_client(void *arg)
{
    struct client *client = arg;
    fault_pause();
    client->code = ask(client->port);
    FAULT_CHECK(via_call_soon_threadsafe(client->loop, stop_loop, client->loop, NULL) == 0);
    fault_resume();
    return NULL;
}

static void serve_one(via_loop *loop, struct server *server)
{
    struct client client = {.loop = loop, .port = server_port(server), .code = 0};
    pthread_t thread = fault_own_thread(run_client, &client);
    for (int attempt = 0; attempt < 2 && !FAULT_WORKED(via_loop_run_forever(loop)); attempt++)
        fault_disarm();
    pthread_join(thread, NULL);
    FAULT_CHECK(client.code >= 0);
    FAULT_CHECK(client.code == 200 || fault_injected());
}

static void run_server(int coroutines)
{
    struct server_options options = {.database = database, .coroutines = coroutines, .processes = -1};
    struct server *server = NULL;
    via_loop *loop = loop_open();
    if (!loop)
        return;
    if (FAULT_WORKED(server_new(loop, &options, &server))) {
        serve_one(loop, server);
        server_free(server);
    }
    loop_shut(loop);
}

static void run_httpd(void)
{
    run_server(0);
}

static void run_httpd_with_tasks(void)
{
    run_server(1);
}

const struct fault_scenario httpd_scenarios[] = {
    {"sqlite_httpd starts and answers one request", run_httpd, true, false},
    {"sqlite_httpd answers one request in a task", run_httpd_with_tasks, true, false},
    {NULL, NULL, false, false},
};
