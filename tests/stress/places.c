/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The executors that all threads share.  Each place is replaced now and then, while others submit to what
 * they took from there before.
 */
#include "stress.h"

#include <pthread.h>
#include <stdlib.h>

enum { POOLS = 3, STRAND = 3, SINGLE = 4, MAX_THREADS = 4 };

static struct place {
    pthread_mutex_t lock; /* guards `executor` */
    via_executor *executor;
} places[STRESS_PLACES];

static int make_pool(struct choices *choices, via_executor **pool)
{
    struct via_thread_pool_options options;
    via_thread_pool_options_init(&options);
    options.max_workers = 1 + (int)choose_below(choices, MAX_THREADS);
    options.min_workers = (int)choose_below(choices, 4) == 0;
    if (choose_below(choices, 2))
        options.idle_timeout_ns = choose_below(choices, 2000) * VIA_US;
    if (choose_below(choices, 2)) {
        options.max_queued = 1 + choose_below(choices, 40);
        options.when_full = (int)choose_below(choices, 3);
    }
    if (choose_below(choices, 2))
        options.linger_ns = 0;
    return via_thread_pool_new(&options, pool);
}

/* The kind of executor depends on the place: pools, a strand over one of them, a thread or none. */
static int make_executor(unsigned place, struct choices *choices, via_executor **executor)
{
    if (place < POOLS)
        return make_pool(choices, executor);
    if (place == STRAND) {
        via_executor *pool = place_get(choose_below(choices, POOLS));
        int rc = via_serial_new(pool, executor);
        via_executor_unref(pool);
        return rc;
    }
    return choose_below(choices, 2) ? via_pinned_new(NULL, executor) : via_inline_new(executor);
}

via_executor *place_get(unsigned place)
{
    pthread_mutex_lock(&places[place].lock);
    via_executor *executor = via_executor_ref(places[place].executor);
    pthread_mutex_unlock(&places[place].lock);
    return executor;
}

static via_executor *place_put(unsigned place, via_executor *executor)
{
    pthread_mutex_lock(&places[place].lock);
    via_executor *old = places[place].executor;
    places[place].executor = executor;
    pthread_mutex_unlock(&places[place].lock);
    return old;
}

int places_init(uint64_t seed)
{
    struct choices choices = choices_of(seed, 1000);
    for (unsigned i = 0; i < STRESS_PLACES; i++) {
        pthread_mutex_init(&places[i].lock, NULL);
        if (make_executor(i, &choices, &places[i].executor) < 0)
            return -1;
    }
    return 0;
}

/* Some are shut down in one way or another, some are merely dropped and finish by themselves. */
static void retire(via_executor *executor, struct choices *choices)
{
    unsigned flags = choose_below(choices, 4);
    static const int64_t timeouts_ns[] = {0, 50 * VIA_US, VIA_FOREVER};
    int64_t timeout_ns = timeouts_ns[choose_below(choices, 3)];
    struct via_executor_stats stats;
    if (choose_below(choices, 4)) {
        int rc = via_executor_shutdown(executor, flags, timeout_ns);
        expect_status("a shutdown", rc, VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ETIMEDOUT, VIA_ETIMEDOUT);
        if (rc < 0 && timeout_ns == VIA_FOREVER)
            complain("a shutdown without a limit timed out");
        if (rc == 0 && timeout_ns && via_executor_stats(executor, &stats) == 0 &&
            (stats.running || stats.queued))
            complain("calls are left after a complete shutdown: %zu running, %zu queued", stats.running,
                     stats.queued);
    }
    via_executor_unref(executor);
}

void place_renew(unsigned place, struct choices *choices)
{
    via_executor *executor = NULL;
    int rc = make_executor(place, choices, &executor);
    expect_status("making an executor", rc, VIA_EAGAIN, VIA_EAGAIN, VIA_EAGAIN, VIA_EAGAIN);
    if (rc == 0)
        retire(place_put(place, executor), choices);
}

/* From the last place down: the strand goes before the pools. */
void places_fini(void)
{
    for (unsigned i = STRESS_PLACES; i-- > 0;) {
        via_executor *executor = place_put(i, NULL);
        if (via_executor_shutdown(executor, 0, VIA_FOREVER) != 0)
            complain("the last shutdown of place %u failed", i);
        via_executor_unref(executor);
        pthread_mutex_destroy(&places[i].lock);
    }
}
