/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "support/support.h"

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/park.h"

struct sleeper {
    struct via_test_thread thread;
    struct via__parker parker;
    int64_t deadline_ns;
    int rc;
    int value; /* written by the waker before it wakes */
    int seen;
};

static void *sleep_once(void *arg)
{
    struct sleeper *sleeper = arg;

    sleeper->rc = via__park(&sleeper->parker, sleeper->deadline_ns);
    sleeper->seen = sleeper->value;
    return NULL;
}

TEST(a_wake_that_comes_first_is_kept)
{
    struct via__parker parker;

    via__parker_init(&parker);
    via__unpark(&parker);
    ck_assert_int_eq(via__park(&parker, VIA_FOREVER), 0);
    via__parker_fini(&parker);
}

TEST(several_wakes_make_one_token)
{
    struct via__parker parker;

    via__parker_init(&parker);
    via__unpark(&parker);
    via__unpark(&parker);
    ck_assert_int_eq(via__park(&parker, VIA_FOREVER), 0);
    ck_assert_int_eq(via__park(&parker, via_now_ns() + VIA_MS), VIA_ETIMEDOUT);
    via__parker_fini(&parker);
}

TEST(a_deadline_in_the_past_only_looks_for_a_token)
{
    struct via__parker parker;

    via__parker_init(&parker);
    ck_assert_int_eq(via__park(&parker, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(via__park(&parker, -5), VIA_ETIMEDOUT);
    ck_assert_int_eq(via__park(&parker, INT64_MIN), VIA_ETIMEDOUT);
    ck_assert_int_eq(via__park(&parker, via_now_ns() - 1), VIA_ETIMEDOUT);
    via__unpark(&parker);
    ck_assert_int_eq(via__park(&parker, 0), 0);
    via__parker_fini(&parker);
}

TEST(a_sleeper_sleeps_until_its_deadline)
{
    struct via__parker parker;
    int64_t deadline_ns = via_now_ns() + 3 * VIA_MS;

    via__parker_init(&parker);
    ck_assert_int_eq(via__park(&parker, deadline_ns), VIA_ETIMEDOUT);
    ck_assert_int_ge(via_now_ns(), deadline_ns);
    via__parker_fini(&parker);
}

TEST(a_sleeper_is_woken_and_sees_what_the_waker_wrote)
{
    static const int64_t deadline_ns[] = {VIA_FOREVER, VIA_FOREVER - 1};

    for (int i = 0; i < 2; i++) {
        struct sleeper sleeper = {.deadline_ns = deadline_ns[i], .rc = 1};

        via__parker_init(&sleeper.parker);
        via_test_thread_start(&sleeper.thread, sleep_once, &sleeper);
        via_test_thread_await_blocked(&sleeper.thread);
        sleeper.value = 42;
        via__unpark(&sleeper.parker);
        via_test_thread_join(&sleeper.thread);
        ck_assert_int_eq(sleeper.rc, 0);
        ck_assert_int_eq(sleeper.seen, 42);
        via__parker_fini(&sleeper.parker);
    }
}

/* Two threads that wake each other in turn: a lost wake-up would end in a timeout. */
struct player {
    struct via_test_thread thread;
    struct via__parker mine, *other;
    int rounds;
};

static void *play(void *arg)
{
    struct player *player = arg;

    for (int i = 0; i < 2000; i++) {
        if (via__park(&player->mine, via_now_ns() + via_test_bound_ns()) < 0)
            break;
        player->rounds++;
        via__unpark(player->other);
    }
    return NULL;
}

TEST(no_wake_is_ever_lost)
{
    struct player one = {0}, two = {0};

    one.other = &two.mine;
    two.other = &one.mine;
    via__parker_init(&one.mine);
    via__parker_init(&two.mine);
    via_test_thread_start(&one.thread, play, &one);
    via_test_thread_start(&two.thread, play, &two);
    via__unpark(&one.mine);
    via_test_thread_join(&one.thread);
    via_test_thread_join(&two.thread);
    ck_assert_int_eq(one.rounds, 2000);
    ck_assert_int_eq(two.rounds, 2000);
    via__parker_fini(&one.mine);
    via__parker_fini(&two.mine);
}

TEST_MAIN("base/park", a_wake_that_comes_first_is_kept, several_wakes_make_one_token,
          a_deadline_in_the_past_only_looks_for_a_token, a_sleeper_sleeps_until_its_deadline,
          a_sleeper_is_woken_and_sees_what_the_waker_wrote, no_wake_is_ever_lost)
