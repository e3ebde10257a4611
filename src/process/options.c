/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of a process pool: their defaults, and whether they are what they may be. */
#include <config.h>

#include <stdint.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/role.h"
#include "base/thread.h"
#include "process/confine.h"
#include "process/pool.h"

#define MOST_WORKERS 4096
#define MOST_BYTES   ((INT64_C(1) << 40) - 1)

void via_process_pool_options_init(struct via_process_pool_options *options)
{
    if (!options)
        return;
    *options = (struct via_process_pool_options){.max_workers = via__cpu_count(),
                                                 .idle_timeout_ns = 10 * VIA_S,
                                                 .max_in_bytes = (size_t)1 << 30,
                                                 .max_out_bytes = (size_t)64 << 20,
                                                 .prefetch_max = 64,
                                                 .linger_ns = VIA_LINGER_AUTO,
                                                 .start_timeout_ns = 10 * VIA_S,
                                                 .exit_timeout_ns = 2 * VIA_S};
}

struct range {
    const char *name;
    int64_t value, least, most;
};

static int64_t bytes_of(size_t bytes)
{
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

static int check_ranges(const struct range *ranges, size_t count, struct via__why *why)
{
    for (size_t i = 0; i < count; i++) {
        const struct range *range = &ranges[i];
        if (range->value >= range->least && range->value <= range->most)
            continue;
        if (range->most == INT64_MAX)
            return via__why(why, VIA_EINVAL, "%s is %lld, and has to be at least %lld", range->name,
                            (long long)range->value, (long long)range->least);
        return via__why(why, VIA_EINVAL, "%s is %lld, and has to be from %lld to %lld", range->name,
                        (long long)range->value, (long long)range->least, (long long)range->most);
    }
    return 0;
}

static int check_numbers(const struct via_process_pool_options *options, struct via__why *why)
{
    const struct range ranges[] = {
        {"max_workers", options->max_workers, 1, MOST_WORKERS},
        {"min_workers", options->min_workers, 0, options->max_workers},
        {"when_full", options->when_full, VIA_FULL_REJECT, VIA_FULL_BLOCK},
        {"prefetch_max", options->prefetch_max, 1, VIA__CHANNEL_SLOTS - 2},
        {"transport", options->transport, VIA_TRANSPORT_AUTO, VIA_TRANSPORT_SOCKET},
        {"max_in_bytes", bytes_of(options->max_in_bytes), 1, MOST_BYTES},
        {"max_out_bytes", bytes_of(options->max_out_bytes), 0, MOST_BYTES},
    };
    return check_ranges(ranges, sizeof ranges / sizeof *ranges, why);
}

static int check_times(const struct via_process_pool_options *options, struct via__why *why)
{
    const struct range ranges[] = {
        {"idle_timeout_ns", options->idle_timeout_ns, 0, INT64_MAX},
        {"call_timeout_ns", options->call_timeout_ns, 0, INT64_MAX},
        {"cancel_grace_ns", options->cancel_grace_ns, 0, INT64_MAX},
        {"max_worker_age_ns", options->max_worker_age_ns, 0, INT64_MAX},
        {"linger_ns", options->linger_ns, VIA_LINGER_AUTO, INT64_MAX},
        {"serve_linger_ns", options->serve_linger_ns, 0, INT64_MAX},
        {"start_timeout_ns", options->start_timeout_ns, 1, INT64_MAX},
        {"exit_timeout_ns", options->exit_timeout_ns, 0, INT64_MAX},
        {"limits.cpu_ns", options->limits.cpu_ns, 0, INT64_MAX},
        {"limits.call_cpu_ns", options->limits.call_cpu_ns, 0, INT64_MAX},
    };
    return check_ranges(ranges, sizeof ranges / sizeof *ranges, why);
}

// What no defaults have been filled into.
static int is_raw(const struct via_process_pool_options *options)
{
    return !options->max_workers && !options->prefetch_max && !options->max_in_bytes &&
           !options->start_timeout_ns;
}

static int check_values(const struct via_process_pool_options *options, struct via__why *why)
{
    if (is_raw(options))
        return via__why(why, VIA_EINVAL,
                        "the options lack their defaults: start from via_process_pool_options_init()");
    int status = check_numbers(options, why);
    if (status == 0)
        status = check_times(options, why);
    if (status < 0)
        return status;
    if (options->sandbox & ~(unsigned)VIA_SANDBOX_STRICT)
        return via__why(why, VIA_EINVAL, "sandbox has the unknown flags %#x",
                        options->sandbox & ~(unsigned)VIA_SANDBOX_STRICT);
    if (options->initializer_in_bytes && !options->initializer_in)
        return via__why(why, VIA_EINVAL, "initializer_in is NULL, and initializer_in_bytes is not 0");
    return 0;
}

int via__process_check_options(const struct via_process_pool_options *options, struct via__why *why)
{
    int status = check_values(options, why);
    if (status < 0)
        return status;
    if (options->transport == VIA_TRANSPORT_SHARED && !via__channel_can_share())
        return via__why(why, VIA_ENOTSUP, "this system does not have sealed shared memory");
    status = options->loop ? via__loop_check(options->loop) : 0;
    if (status < 0)
        return via__why(why, status, "the loop cannot serve: %s", via_status_text(status));
    if (options->loop && !via__loop_is_served_here(options->loop) && via__role.loop)
        return via__why(why, VIA_EFOREIGN, "the loop belongs to another thread");
    return via__confine_check(options, why);
}
