/* SPDX-License-Identifier: BSD-3-Clause */
/* Naps: when the loop sleeps without being signalled, and that nothing is lost by it. */
#include "unit/loop/loop_fixture.h"

#include "loop/tick.h"

enum { CALLS = 100, POSTS = 2000 };

/* A loop that saw as many calls in flight as it needs, ending one every `pace_ns`. */
static via_loop *busy_loop(int64_t pace_ns)
{
    via_loop *loop = open_loop();

    loop->in_flight = CALLS;
    loop->pace_ns = pace_ns;
    loop->pace_since_ns = via_now_ns() + 1000 * VIA_S; // however long this test takes, no time has passed
    return loop;
}

static void end_loop(via_loop *loop)
{
    loop->in_flight = 0;
    close_loop(loop);
}

static int naps(via_loop *loop)
{
    return via__nap_until(loop) != 0;
}

TEST(a_nap_lasts_for_two_completions)
{
    via_loop *loop = busy_loop(50 * VIA_US);
    int64_t before_ns = via_now_ns(), until_ns = via__nap_until(loop);

    ck_assert_int_ge(until_ns, before_ns + 20 * VIA_US);
    ck_assert_int_le(until_ns, via_now_ns() + loop->nap_ns);
    end_loop(loop);
}

TEST(few_calls_are_not_kept_waiting)
{
    via_loop *loop = busy_loop(50 * VIA_US);

    loop->in_flight = 7;
    ck_assert(!naps(loop));
    loop->in_flight = 11;
    ck_assert(!naps(loop));
    end_loop(loop);
}

TEST(calls_that_end_seldom_wake_the_loop)
{
    via_loop *loop = busy_loop(VIA_MS);

    ck_assert(!naps(loop));
    end_loop(loop);
}

TEST(calls_too_short_for_those_in_flight_wake_the_loop)
{
    via_loop *loop = busy_loop(100);

    ck_assert(!naps(loop));
    end_loop(loop);
}

TEST(naps_that_bring_nothing_end)
{
    via_loop *loop = busy_loop(50 * VIA_US);

    ck_assert(naps(loop));
    // Long ago the last call ended.
    loop->pace_since_ns = via_now_ns() - VIA_S;
    ck_assert(!naps(loop));
    end_loop(loop);
}

TEST(the_pace_is_learned_from_what_ends)
{
    via_loop *loop = busy_loop(VIA_MS);

    loop->pace_since_ns = via_now_ns();
    for (int i = 0; i < 50 && !naps(loop); i++) {
        loop->calls_ended += 1000; // in whatever time has passed
        loop->in_flight = 100000;
    }
    ck_assert_int_lt(loop->pace_ns, 150 * VIA_US);
    end_loop(loop);
}

TEST(it_can_be_turned_off)
{
    struct via_loop_options options;
    via_loop *loop = NULL;

    via_loop_options_init(&options);
    options.nap_ns = 0;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), 0);
    loop->in_flight = CALLS;
    loop->pace_ns = 50 * VIA_US;
    loop->pace_since_ns = via_now_ns();
    ck_assert(!naps(loop));
    end_loop(loop);
    options.nap_ns = -1;
    ck_assert_int_eq(via_loop_new_with(&options, &loop), VIA_EINVAL);
}

/* A callback of libevent's own may do that, without a tick. */
TEST(a_nap_ends_although_the_last_timer_was_cancelled)
{
    via_loop *loop = busy_loop(50 * VIA_US);
    via_handle *timer = NULL;

    ck_assert_int_eq(via_call_later(loop, VIA_S, never_called, NULL, &timer), 0);
    via__tick_arm(loop);
    ck_assert(via__inbox_empty(&loop->inbox));
    ck_assert_int_eq(via_handle_cancel(timer), 1);
    // A post is not signalled now.
    ck_assert(event_pending(&loop->tick_event, EV_TIMEOUT, NULL));
    ck_assert_int_eq(via_call_soon_threadsafe(loop, stop_loop, loop, NULL), 0);
    ck_assert_int_eq(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY), 0);
    ck_assert(via__inbox_empty(&loop->inbox));
    via_handle_unref(timer);
    end_loop(loop);
}

static int count_post(void *arg)
{
    (*(int *)arg)++;
    return 0;
}

struct poster {
    struct via_test_thread thread;
    via_loop *loop;
    int arrived;
};

static void *post_many(void *arg)
{
    struct poster *poster = arg;

    for (int i = 0; i < POSTS; i++)
        ck_assert_int_eq(via_call_soon_threadsafe(poster->loop, count_post, &poster->arrived, NULL), 0);
    ck_assert_int_eq(via_call_soon_threadsafe(poster->loop, stop_loop, poster->loop, NULL), 0);
    return NULL;
}

/* Keeps the loop believing that calls end all the time. */
static int keep_busy(void *arg)
{
    struct poster *poster = arg;

    poster->loop->pace_ns = 50 * VIA_US;
    poster->loop->pace_since_ns = via_now_ns() + 1000 * VIA_S;
    return poster->arrived < POSTS ? via_call_later(poster->loop, 100 * VIA_US, keep_busy, poster, NULL) : 0;
}

TEST(what_is_posted_during_naps_arrives)
{
    struct poster poster = {.loop = busy_loop(50 * VIA_US)};

    ck_assert_int_eq(via_call_soon(poster.loop, keep_busy, &poster, NULL), 0);
    via_test_thread_start(&poster.thread, post_many, &poster);
    ck_assert_int_eq(via_loop_run_forever(poster.loop), 0);
    via_test_thread_join(&poster.thread);
    RUN_TICKS(poster.loop, 3);
    ck_assert_int_eq(poster.arrived, POSTS);
    end_loop(poster.loop);
}

TEST_MAIN("loop/nap", a_nap_lasts_for_two_completions, few_calls_are_not_kept_waiting,
          calls_that_end_seldom_wake_the_loop, calls_too_short_for_those_in_flight_wake_the_loop,
          naps_that_bring_nothing_end, the_pace_is_learned_from_what_ends, it_can_be_turned_off,
          a_nap_ends_although_the_last_timer_was_cancelled, what_is_posted_during_naps_arrives)
