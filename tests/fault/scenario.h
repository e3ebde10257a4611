/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scenarios, and what they share.
 *
 * A scenario goes on as far as the fault lets it, takes an error as an answer only where a fault explains
 * it, and releases everything.  Each also runs without faults, and then every check in it must hold.
 */
#ifndef VIADUCT_TESTS_FAULT_SCENARIO_H
#define VIADUCT_TESTS_FAULT_SCENARIO_H

#include <semaphore.h>
#include <stdatomic.h>

#include <viaduct.h>

#include "inject.h"

struct fault_scenario {
    const char *name;
    void (*run)(void);
    bool accepts;   /* it listens for connections */
    bool processes; /* it starts processes */
};

extern const struct fault_scenario coro_scenarios[];
extern const struct fault_scenario loop_scenarios[];
extern const struct fault_scenario executor_scenarios[];
extern const struct fault_scenario bridge_scenarios[];
extern const struct fault_scenario task_scenarios[];
extern const struct fault_scenario sync_scenarios[];
extern const struct fault_scenario process_scenarios[];
extern const struct fault_scenario httpd_scenarios[];

/* What a process that a pool has started does before it enters. */
void process_enter(void);

/* Makes the files that the scenarios of the example program need, and removes them. */
bool httpd_prepare(void);
void httpd_clean_up(void);

/* One call's argument: it counts what became of it. */
struct item {
    atomic_int ran;               /* times the function ran */
    atomic_int destroyed;         /* times the argument was released */
    atomic_int results_destroyed; /* times the result was released */
    atomic_int callbacks;         /* times a callback was run for it */
    int callbacks_due;            /* times one should be */
    int given;                    /* whether the call was handed over */
    sem_t *started;               /* posted by the function, if not NULL */
    sem_t *gate;                  /* waited for by the function, if not NULL */
};

/* Makes items unused again. */
void items_reset(struct item *items, size_t count);
/* A call that runs the item, and counts the release of argument and result; marks the item as given. */
struct via_call item_call(struct item *item);
/* Checks that each item's argument and result were released exactly once and its callbacks were run. */
void items_check(struct item *items, size_t count);
/* Callbacks that count for the item that is their argument. */
int item_future_done(via_future *future, void *arg);
int item_cfuture_done(via_cfuture *cf, void *arg);
int item_called(void *arg);
/* Checks that an outcome tells the truth about the item: it ran if and only if the call succeeded. */
void item_check_outcome(const struct item *item, const struct via_outcome *outcome);

/* Opens a loop or a pool; NULL if a fault prevents it. */
via_loop *loop_open(void);
via_executor *pool_open(int max_workers);
/* Runs the loop until the future is done.  When faults keep it from running they are ended first, for a
 * future that is not done then is lost. */
void loop_drive(via_loop *loop, via_future *future);
/* Runs the loop until nothing is ready. */
void loop_settle(via_loop *loop);
/* Closes and releases. */
void loop_shut(via_loop *loop);
/* Shuts down, waits for every thread, releases. */
void pool_shut(via_executor *pool);
/* Checks a concurrent future of an item once it is done, and releases it. */
void cfuture_finish(via_cfuture *cf, const struct item *item);
/* The same for a future of a loop. */
void future_finish(via_future *future, const struct item *item);

#endif
