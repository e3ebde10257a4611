/* SPDX-License-Identifier: BSD-3-Clause */
#include "demo.h"
#include "import.h"
#include "server.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: sqlite_httpd [--port N] [--direct] [--timeout MS]   serve until SIGINT or SIGTERM\n"
    "       sqlite_httpd --demo [--quick] [--seconds N] [--seed N] [--plot FILE]\n"
    "both:  [--coroutines] [--processes N] [--database FILE] [--data FILE]\n"
    "\n"
    "  --port N         listen there on 127.0.0.1; default a free port\n"
    "  --direct         run queries on the loop's thread, to see what that does\n"
    "  --coroutines     handle requests in tasks, not in callbacks; the same otherwise\n"
    "  --processes N    so many for /similar, and so many for /zone; default 2, 0 for neither\n"
    "  --timeout MS     how long a request may take; default 2000\n"
    "  --demo           put load on a server of its own and compare; about 16 s\n"
    "  --quick          one second for each half of the demo\n"
    "  --seconds N      so many for each half; default 7\n"
    "  --seed N         of the demo's random arrivals; default 1\n"
    "  --plot FILE      the demo's picture; default sqlite_httpd.svg\n"
    "  --database FILE  default sqlite_httpd.db, made on first start\n"
    "  --data FILE      default " IMPORT_DATA "\n";

struct program {
    struct server_options server;
    struct demo_options demo;
    const char *data;
    int is_demo;
};

static int print_log(enum via_log_level level, const char *text)
{
    return fprintf(stderr, "sqlite_httpd: %s%s\n", level == VIA_LOG_ERROR ? "error: " : "", text);
}

static void on_log(enum via_log_level level, const char *text, void *unused)
{
    (void)unused;
    print_log(level, text);
}

static int on_exception(const struct via_exception *exception, void *unused)
{
    (void)unused;
    print_log(VIA_LOG_ERROR, exception->message);
    return 0;
}

static int listen_to_signals(via_loop *loop, struct server *server)
{
    int rc = via_loop_add_signal_handler(loop, SIGINT, server_stop, server);
    return rc < 0 ? rc : via_loop_add_signal_handler(loop, SIGTERM, server_stop, server);
}

static int serve(const struct server_options *options)
{
    via_loop *loop = NULL;
    struct server *server = NULL;
    int rc = via_loop_new(&loop);
    if (rc == 0)
        rc = via_loop_set_exception_handler(loop, on_exception, NULL);
    if (rc == 0)
        rc = server_new(loop, options, &server);
    if (rc == 0)
        rc = listen_to_signals(loop, server);
    if (rc == 0) {
        printf("serving on http://127.0.0.1:%d/search?name=SNOWMAN\n", server_port(server));
        fflush(stdout);
        rc = via_loop_run_forever(loop);
    }
    if (server != NULL)
        server_free(server);
    via_loop_unref(loop);
    if (rc < 0)
        fprintf(stderr, "sqlite_httpd: cannot serve on 127.0.0.1:%d: %s\n", options->port,
                via_status_text(rc));
    return rc;
}

/* Reads a number from `least` to `most`; another text ends the program. */
static double number(const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        fprintf(stderr, "sqlite_httpd: --%s takes a number from %g to %g\n", option, least, most);
        exit(EXIT_FAILURE);
    }
    return value;
}

static double whole_number(const char *option, const char *text, double most)
{
    double value = number(option, text, 0, most);
    if (value != floor(value)) {
        fprintf(stderr, "sqlite_httpd: --%s takes a whole number\n", option);
        exit(EXIT_FAILURE);
    }
    return value;
}

static void set_option(struct program *program, int option)
{
    switch (option) {
    case 'd':
        program->is_demo = 1;
        break;
    case 'q':
        program->demo.seconds = 1;
        break;
    case 's':
        program->demo.seconds = number("seconds", optarg, 0.1, 3600);
        break;
    case 'e':
        program->demo.seed = (uint64_t)whole_number("seed", optarg, 1e9);
        break;
    case 'o':
        program->demo.plot = optarg;
        break;
    case 'p':
        program->server.port = (int)whole_number("port", optarg, 65535);
        break;
    case 'i':
        program->server.direct = 1;
        break;
    case 'c':
        program->demo.coroutines = program->server.coroutines = 1;
        break;
    case 'n':
        program->server.processes = (int)whole_number("processes", optarg, 64);
        if (program->server.processes == 0)
            program->server.processes = -1;
        break;
    case 't':
        program->server.timeout_ns = (int64_t)number("timeout", optarg, 1, 3600e3) * VIA_MS;
        break;
    case 'b':
        program->demo.database = program->server.database = optarg;
        break;
    case 'f':
        program->data = optarg;
        break;
    default:
        fputs(usage, option == 'h' ? stdout : stderr);
        exit(option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
    }
}

static void read_options(struct program *program, int argc, char **argv)
{
    static const struct option options[] = {{"demo", no_argument, NULL, 'd'},
                                            {"quick", no_argument, NULL, 'q'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"seed", required_argument, NULL, 'e'},
                                            {"plot", required_argument, NULL, 'o'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"direct", no_argument, NULL, 'i'},
                                            {"coroutines", no_argument, NULL, 'c'},
                                            {"database", required_argument, NULL, 'b'},
                                            {"data", required_argument, NULL, 'f'},
                                            {"processes", required_argument, NULL, 'n'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set_option(program, option);
    if (optind < argc)
        set_option(program, '?');
}

int main(int argc, char **argv)
{
    via_process_enter(); /* worker processes go no further */
    struct program program = {
        .server = {.database = "sqlite_httpd.db"},
        .demo = {.database = "sqlite_httpd.db",
                 .plot = "sqlite_httpd.svg",
                 .seconds = 7,
                 .fast_per_s = 400,
                 .slow_per_s = 5,
                 .seed = 1},
        .data = IMPORT_DATA,
    };
    read_options(&program, argc, argv);
    /* A client that leaves while it is written to is no reason to die. */
    signal(SIGPIPE, SIG_IGN);
    via_set_log_hook(on_log, NULL);
    if (program.is_demo && demo_check(&program.demo) < 0)
        return EXIT_FAILURE;
    if (import_once(program.server.database, program.data) < 0)
        return EXIT_FAILURE;
    int rc = program.is_demo ? demo_run(&program.demo) : serve(&program.server);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
