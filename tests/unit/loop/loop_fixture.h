/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of loops share: one history per test process, callbacks that write to it, and loops that
 * must be made and closed without an error.
 */
#ifndef VIA_TEST_LOOP_FIXTURE_H
#define VIA_TEST_LOOP_FIXTURE_H

#include <string.h>

#include "support/support.h"
#include <viaduct/error.h>
#include <viaduct/loop.h>
#include <viaduct/time.h>

/* The history of this test; every test has a process of its own. */
static struct via_test_recorder history __attribute__((unused)) = VIA_TEST_RECORDER_INITIALIZER;

/* A callback that writes its argument, a word, to the history. */
static inline int say(void *word)
{
    via_test_record(&history, "%s", (const char *)word);
    return 0;
}

/* A callback that adds one to the int it is given. */
static inline int count_up(void *counter)
{
    (*(int *)counter)++;
    return 0;
}

/* A callback that stops the loop it is given. */
static inline int stop_loop(void *loop)
{
    return via_loop_stop(loop);
}

/* A callback that must not run. */
static inline int never_called(void *unused)
{
    (void)unused;
    ck_abort_msg("a callback ran that must not");
    return 0;
}

static inline via_loop *open_loop(void)
{
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new(&loop), 0);
    ck_assert_ptr_nonnull(loop);
    return loop;
}

static inline via_loop *open_virtual_loop(void)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.virtual_clock = 1;
    via_loop *loop = NULL;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    return loop;
}

static inline void close_loop(via_loop *loop)
{
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_ptr_null(via_loop_unref(loop));
}

/* Runs the loop until one of its callbacks stops it. */
static inline void run(via_loop *loop)
{
    ck_assert_int_eq(via_loop_run_forever(loop), 0);
}

/* Runs exactly one tick that does not wait. */
static inline void run_one_tick(via_loop *loop)
{
    ck_assert_int_eq(via_loop_stop(loop), 0);
    run(loop);
}

static inline void soon(via_loop *loop, const char *word)
{
    ck_assert_int_eq(via_call_soon(loop, say, (void *)word, NULL), 0);
}

static inline void later(via_loop *loop, int64_t delay_ns, const char *word)
{
    ck_assert_int_eq(via_call_later(loop, delay_ns, say, (void *)word, NULL), 0);
}

static inline void post(via_loop *loop, const char *word)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, say, (void *)word, NULL), 0);
}

static inline void stop_after(via_loop *loop, int64_t delay_ns)
{
    ck_assert_int_eq(via_call_later(loop, delay_ns, stop_loop, loop, NULL), 0);
}

static inline struct via_loop_stats stats_of(via_loop *loop)
{
    struct via_loop_stats stats;
    memset(&stats, 0xff, sizeof stats);
    ck_assert_int_eq(via_loop_stats(loop, &stats), 0);
    return stats;
}

#endif
