/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of combined futures share: futures that are done, and calls that wait at a gate before they
 * write to what they were given.
 */
#ifndef VIA_TEST_COMBINE_FIXTURE_H
#define VIA_TEST_COMBINE_FIXTURE_H

#include "unit/task/task_fixture.h"
#include <viaduct/combine.h>
#include <viaduct/timeout.h>

/* A future of the loop that runs, done with a value. */
static inline via_future *done_with(void *value)
{
    via_future *future = new_promise();
    ck_assert_int_eq(via_future_set_result(future, value, NULL), 0);
    return future;
}

/* One that has failed, with a text. */
static inline via_future *failed_with(int status)
{
    via_future *future = new_promise();
    ck_assert_int_eq(via_future_set_error(future, status, 0, "it failed"), 0);
    return future;
}

static inline via_future *cancelled(void)
{
    via_future *future = new_promise();
    ck_assert_int_eq(via_future_cancel(future), VIA_CANCEL_NEVER_RAN);
    return future;
}

static inline void succeed(via_future *future, void *value)
{
    ck_assert_int_eq(via_future_set_result(future, value, NULL), 0);
}

static inline void fail_it(via_future *future, int status)
{
    ck_assert_int_eq(via_future_set_error(future, status, 0, "it failed"), 0);
}

/* The array that a done gather gives, borrowed. */
static inline struct via_outcome *outcomes_of(via_future *gather)
{
    void *value = NULL;
    ck_assert_int_eq(via_future_result(gather, &value), 0);
    ck_assert_ptr_nonnull(value);
    return value;
}

/* A call that waits at a gate and then writes to what it was given. */
struct writer {
    struct via_test_gate *gate;
    int written;
};

static inline int write_late(void *arg, void **result)
{
    struct writer *writer = arg;
    via_test_gate_pass(writer->gate);
    writer->written = 1;
    *result = writer;
    return 0;
}

#endif
