/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <math.h>
#include <time.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"

int64_t via_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * VIA_S + now.tv_nsec;
}

int via_seconds_to_ns(double seconds, int64_t *ns)
{
    if (!ns || isnan(seconds))
        return VIA_EINVAL;
    double exact = seconds * 1e9;
    // 2^63 is the first double beyond the range; every double below it fits.
    if (exact >= 9223372036854775808.0)
        *ns = VIA_FOREVER;
    else if (exact <= -9223372036854775808.0)
        *ns = INT64_MIN;
    else
        *ns = (int64_t)(exact < 0 ? exact - 0.5 : exact + 0.5);
    return 0;
}

int64_t via__deadline_after(int64_t now_ns, int64_t timeout_ns)
{
    if (timeout_ns > 0 && now_ns > VIA_FOREVER - timeout_ns)
        return VIA_FOREVER;
    if (timeout_ns < 0 && now_ns < INT64_MIN - timeout_ns)
        return INT64_MIN;
    return now_ns + timeout_ns;
}

int64_t via__deadline(int64_t timeout_ns)
{
    return timeout_ns == VIA_FOREVER ? VIA_FOREVER : via__deadline_after(via_now_ns(), timeout_ns);
}
