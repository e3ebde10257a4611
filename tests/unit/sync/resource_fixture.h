/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of resources share: one that says what happens to it, awaiting a second each time.
 */
#ifndef VIA_TEST_RESOURCE_FIXTURE_H
#define VIA_TEST_RESOURCE_FIXTURE_H

#include "unit/sync/sync_fixture.h"
#include <viaduct/scoped.h>

/* Says "+name" and "-name(status)"; each comes after an await. */
struct thing {
    const char *name;
    int enter_status; /* what entering returns */
    int leave_status; /* what leaving returns, if it is to replace the status; 1 to settle the matter */
};

static inline int enter_thing(void *self, void **value)
{
    struct thing *thing = self;
    ck_assert_ptr_eq(*value, self);
    int status = via_sleep(VIA_S);
    if (status == 0)
        status = thing->enter_status;
    via_test_record(&history, "%s%s", status == 0 ? "+" : "!", thing->name);
    return status;
}

static inline int leave_thing(void *self, int status)
{
    struct thing *thing = self;
    ck_assert_int_eq(via_sleep(VIA_S), 0); /* also in a task that was cancelled */
    via_test_record(&history, "-%s(%s)", thing->name, status > 0 ? "own" : via_status_name(status));
    if (thing->leave_status == 0)
        return status;
    return thing->leave_status < 0 ? thing->leave_status : 0;
}

static inline struct via_resource thing_resource(struct thing *thing)
{
    return (struct via_resource){.self = thing, .enter = enter_thing, .leave = leave_thing};
}

/* A body that says "body", and returns the int at its argument. */
static inline int give(void *value, void *arg)
{
    (void)value;
    via_test_record(&history, "body");
    return *(int *)arg;
}

/* A body that waits until it is cancelled. */
static inline int wait_for_ever(void *value, void *arg)
{
    (void)value;
    (void)arg;
    via_test_record(&history, "body");
    return via_sleep(VIA_FOREVER);
}

/* Counts what is reported, and keeps the last status. */
struct reported {
    int count, status;
};

static inline int keep_report(const struct via_exception *exception, void *arg)
{
    struct reported *reported = arg;
    reported->count++;
    reported->status = exception->status;
    return 0;
}

/* Has what is reported in the loop that runs counted. */
static inline void count_reports(struct reported *reported)
{
    *reported = (struct reported){0, 0};
    ck_assert_int_eq(via_loop_set_exception_handler(via_loop_current(), keep_report, reported), 0);
}

#endif
