/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <math.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"

TEST(the_clock_never_goes_back)
{
    int64_t last = via_now_ns();

    ck_assert_int_gt(last, 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = via_now_ns();

        ck_assert_int_ge(now, last);
        last = now;
    }
}

static int64_t ns_of(double seconds)
{
    int64_t ns = 0;

    ck_assert_int_eq(via_seconds_to_ns(seconds, &ns), 0);
    return ns;
}

TEST(seconds_become_nanoseconds_rounded_to_the_nearest)
{
    ck_assert_int_eq(ns_of(0), 0);
    ck_assert_int_eq(ns_of(1.5), 1500000000);
    ck_assert_int_eq(ns_of(-2.25), -2250000000);
    ck_assert_int_eq(ns_of(1e-9), 1);
    ck_assert_int_eq(ns_of(0.6e-9), 1);
    ck_assert_int_eq(ns_of(0.4e-9), 0);
    ck_assert_int_eq(ns_of(-0.6e-9), -1);
    ck_assert_int_eq(ns_of(-0.4e-9), 0);
    ck_assert_int_eq(ns_of(0.1), 100000000);
}

TEST(seconds_beyond_the_range_become_its_ends)
{
    ck_assert_int_eq(ns_of(1e10), VIA_FOREVER);
    ck_assert_int_eq(ns_of(1e300), VIA_FOREVER);
    ck_assert_int_eq(ns_of(INFINITY), VIA_FOREVER);
    ck_assert_int_eq(ns_of(-1e10), INT64_MIN);
    ck_assert_int_eq(ns_of(-INFINITY), INT64_MIN);
}

TEST(what_is_not_a_number_is_refused)
{
    int64_t untouched = 77;

    ck_assert_int_eq(via_seconds_to_ns(NAN, &untouched), VIA_EINVAL);
    ck_assert_int_eq(untouched, 77);
    ck_assert_int_eq(via_seconds_to_ns(1, NULL), VIA_EINVAL);
}

TEST(deadlines_stop_at_the_ends_of_the_range)
{
    ck_assert_int_eq(via__deadline_after(100, 5), 105);
    ck_assert_int_eq(via__deadline_after(100, -5), 95);
    ck_assert_int_eq(via__deadline_after(100, VIA_FOREVER), VIA_FOREVER);
    ck_assert_int_eq(via__deadline_after(100, VIA_FOREVER - 50), VIA_FOREVER);
    ck_assert_int_eq(via__deadline_after(-100, INT64_MIN), INT64_MIN);
    ck_assert_int_eq(via__deadline(VIA_FOREVER), VIA_FOREVER);
    ck_assert_int_ge(via__deadline(VIA_S), via_now_ns());
}

TEST_MAIN("base/clock", the_clock_never_goes_back, seconds_become_nanoseconds_rounded_to_the_nearest,
          seconds_beyond_the_range_become_its_ends, what_is_not_a_number_is_refused,
          deadlines_stop_at_the_ends_of_the_range)
