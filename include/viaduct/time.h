/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Time: durations are int64 nanoseconds, deadlines are nanoseconds of the monotonic clock.
 */
#ifndef VIADUCT_TIME_H
#define VIADUCT_TIME_H

#include <viaduct/attr.h>

/** A microsecond in nanoseconds. */
#define VIA_US INT64_C(1000)
/** A millisecond in nanoseconds. */
#define VIA_MS INT64_C(1000000)
/** A second in nanoseconds. */
#define VIA_S INT64_C(1000000000)
/** A timeout or deadline that never comes. */
#define VIA_FOREVER INT64_MAX

VIA_BEGIN_C

/**
 * Reads the monotonic clock.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any; also in signal handlers.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct; CLOCK_MONOTONIC.
 *
 * @return the time in nanoseconds since a moment fixed for this boot.
 */
VIA_PUBLIC int64_t via_now_ns(void);

/**
 * Converts seconds to nanoseconds, for programs that keep time in floating point.
 *
 * Values beyond the range, infinities included, become VIA_FOREVER or INT64_MIN.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param seconds the duration in seconds; may be negative.
 * @param ns receives the duration in nanoseconds, rounded to the nearest; untouched on failure.
 * @return 0; VIA_EINVAL if `seconds` is not a number or `ns` is NULL.
 */
VIA_PUBLIC int via_seconds_to_ns(double seconds, int64_t *ns);

VIA_END_C

#endif
