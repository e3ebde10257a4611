/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_CLOCK_H
#define VIADUCT_BASE_CLOCK_H

#include <stdint.h>

#include <viaduct/time.h>

// `now_ns + timeout_ns`, stopping at the ends of the range instead of overflowing.
int64_t via__deadline_after(int64_t now_ns, int64_t timeout_ns);

// The deadline of a timeout that starts now; VIA_FOREVER stays for ever.
int64_t via__deadline(int64_t timeout_ns);

#endif
