/* SPDX-License-Identifier: BSD-3-Clause */
#include "demo.h"
#include "driver.h"
#include "server.h"
#include "svg.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECT, BRIDGED, PHASES };

static const char *const labels[PHASES] = {"on the loop", "bridged"};
static const char *const colors[PHASES] = {"#c2410c", "#0f766e"};

/* One of the two runs: a server in this thread, its load in another. */
struct phase {
    via_loop *loop;
    struct server *server;
    struct load load;
    struct load_result result;
    struct server_figures figures;
    int load_failed;
};

static atomic_int interrupted;

static int on_signal(void *unused)
{
    (void)unused;
    /* The load sees it within 50 ms, and ends as it always does: by stopping the server. */
    atomic_store_explicit(&interrupted, 1, memory_order_relaxed);
    return 0;
}

static void *load_thread(void *arg)
{
    struct phase *phase = arg;
    phase->load_failed = load_run(&phase->load, &phase->result) < 0;
    if (via_call_soon_threadsafe(phase->loop, server_stop, phase->server, NULL) < 0) {
        fprintf(stderr, "sqlite_httpd: the server cannot be stopped: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return NULL;
}

/* Runs the loop while the load lasts. */
static int phase_serve(struct phase *phase)
{
    pthread_t thread;
    phase->load.port = server_port(phase->server);
    int rc = -pthread_create(&thread, NULL, load_thread, phase);
    if (rc < 0)
        return rc;
    rc = via_loop_run_forever(phase->loop);
    pthread_join(thread, NULL);
    server_figures(phase->server, &phase->figures);
    return rc < 0 ? rc : phase->load_failed ? VIA_ENOMEM : 0;
}

static int phase_run(struct phase *phase, const struct demo_options *demo, int direct)
{
    /* The deadline is out of the way here, so that the loads are the same: what is slow stays slow. */
    struct server_options options = {.database = demo->database,
                                     .direct = direct,
                                     .coroutines = demo->coroutines,
                                     .timeout_ns = 30 * VIA_S};
    int rc = via_loop_new(&phase->loop);
    if (rc == 0)
        rc = via_loop_add_signal_handler(phase->loop, SIGINT, on_signal, NULL);
    if (rc == 0)
        rc = via_loop_add_signal_handler(phase->loop, SIGTERM, on_signal, NULL);
    if (rc == 0)
        rc = server_new(phase->loop, &options, &phase->server);
    if (rc == 0) {
        rc = phase_serve(phase);
        server_free(phase->server);
    }
    via_loop_unref(phase->loop);
    if (rc < 0)
        fprintf(stderr, "sqlite_httpd: %s: %s\n", labels[direct ? DIRECT : BRIDGED], via_status_text(rc));
    return rc;
}

static void print_phase(const char *label, const struct phase *phase)
{
    const struct load_result *r = &phase->result;
    double answered = (double)(r->fast + r->slow);
    printf("%-20s %10.1f %9.2f ms %9.2f ms %9.2f ms %12.2f ms %8zu\n", label,
           r->seconds > 0 ? answered / r->seconds : 0, percentile(r->fast_ms, r->fast, 0.5),
           percentile(r->fast_ms, r->fast, 0.99), percentile(r->fast_ms, r->fast, 1),
           (double)phase->figures.lag_ns / (double)VIA_MS, r->refused);
    if (r->failed > 0 || r->unanswered > 0)
        printf("%-20s %zu failed, %zu had no answer when the run was over\n", "", r->failed, r->unanswered);
}

static void print_table(const struct demo_options *options, const struct phase phases[PHASES])
{
    printf("\nFor %g s each: %g searches/s (fast) and %g scans/s (slow) due at random, seed %ju.\n"
           "Latencies are those of the searches, from when each was due.\n\n",
           options->seconds, options->fast_per_s, options->slow_per_s, (uintmax_t)options->seed);
    printf("%-20s %10s %12s %12s %12s %15s %8s\n", "queries", "requests/s", "p50", "p99", "max",
           "worst loop lag", "refused");
    for (int i = 0; i < PHASES; i++)
        print_phase(labels[i], &phases[i]);
}

static int write_plot(const char *path, const struct phase phases[PHASES])
{
    struct svg_series series[PHASES];
    for (int i = 0; i < PHASES; i++)
        series[i] =
            (struct svg_series){labels[i], colors[i], phases[i].result.fast_ms, phases[i].result.fast};
    if (svg_write(path, "Fast requests beside slow ones: queries on the loop, and bridged", series, PHASES) <
        0) {
        fprintf(stderr, "sqlite_httpd: %s: %s\n", path, strerror(errno));
        return -1;
    }
    printf("\nplot: %s\n", path);
    return 0;
}

int demo_check(const struct demo_options *options)
{
    if (svg_check(options->plot) == 0)
        return 0;
    fprintf(stderr, "sqlite_httpd: %s: %s\n", options->plot, strerror(errno));
    return -1;
}

int demo_run(const struct demo_options *options)
{
    struct phase phases[PHASES] = {0};
    int64_t duration_ns = (int64_t)(options->seconds * VIA_S);
    size_t count = 0;
    struct arrival *arrivals =
        arrivals_plan(options->seed, options->fast_per_s, options->slow_per_s, duration_ns, &count);
    int rc = 0;
    if (arrivals == NULL) {
        fprintf(stderr, "sqlite_httpd: %s\n", via_status_text(VIA_ENOMEM));
        return -1;
    }
    for (int i = 0; i < PHASES && rc == 0; i++) {
        phases[i].load = (struct load){.label = labels[i],
                                       .arrivals = arrivals,
                                       .count = count,
                                       .duration_ns = duration_ns,
                                       .interrupted = &interrupted};
        rc = phase_run(&phases[i], options, i == DIRECT);
        if (rc == 0 && atomic_load_explicit(&interrupted, memory_order_relaxed))
            rc = VIA_ECANCELED; /* half a run proves nothing */
    }
    if (rc == 0) {
        print_table(options, phases);
        rc = write_plot(options->plot, phases);
    } else if (rc == VIA_ECANCELED)
        fprintf(stderr, "sqlite_httpd: interrupted\n");
    for (int i = 0; i < PHASES; i++)
        free(phases[i].result.fast_ms);
    free(arrivals);
    return rc < 0 ? -1 : 0;
}
