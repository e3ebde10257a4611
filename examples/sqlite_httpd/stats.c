/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"

#include <event2/buffer.h>
#include <inttypes.h>

int stats_add_loop(struct evbuffer *out, via_loop *loop, const struct server_figures *figures)
{
    struct via_loop_stats s = {0};
    via_loop_stats(loop, &s);
    return evbuffer_add_printf(
        out,
        "{\"served\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"open\": %zu,\n \"loop\": "
        "{\"ticks\": %" PRIu64 ", \"callbacks\": %" PRIu64 ", \"posts\": %" PRIu64 ", \"wakes\": %" PRIu64
        ", \"timers\": %zu, \"in_flight\": %zu, \"worst_lag_us\": %" PRId64 "}",
        figures->served, figures->refused, figures->open, s.ticks, s.callbacks, s.posts, s.wakes, s.timers,
        s.in_flight, figures->lag_ns / VIA_US);
}

int stats_add_executor(struct evbuffer *out, const char *name, via_executor *executor)
{
    struct via_executor_stats s = {0};
    via_executor_stats(executor, &s);
    return evbuffer_add_printf(
        out,
        ",\n \"%s\": {\"workers\": %zu, \"queued\": %zu, \"queued_peak\": %zu, \"running\": %zu,"
        " \"submitted\": %" PRIu64 ", \"completed\": %" PRIu64 ", \"cancelled\": %" PRIu64
        ", \"expired\": %" PRIu64 ", \"rejected\": %" PRIu64 ", \"oldest_running_us\": %" PRId64 "}",
        name, s.workers, s.queued, s.queued_peak, s.running, s.submitted, s.completed, s.cancelled, s.expired,
        s.rejected, s.oldest_running_ns / VIA_US);
}

int stats_add_processes(struct evbuffer *out, const char *name, via_executor *executor)
{
    struct via_process_pool_stats s = {0};
    if (via_process_pool_get_stats(executor, &s) < 0)
        return 0;
    return evbuffer_add_printf(out,
                               ",\n \"%s_processes\": {\"started\": %" PRIu64 ", \"crashed\": %" PRIu64
                               ", \"killed\": %" PRIu64 ", \"timed_out\": %" PRIu64 "}",
                               name, s.started, s.crashed, s.killed, s.timed_out);
}
