/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_LOG_H
#define VIADUCT_BASE_LOG_H

#include <viaduct/log.h>

// Formats a line of at most 511 bytes and gives it to the program's log hook, if there is one.
// Holds no lock while the hook runs, and may be called with none held.
void via__log(enum via_log_level level, const char *format, ...) VIA_PRINTF(2, 3);

// Whether the environment asks for debug mode (VIADUCT_DEBUG): what is made from now on begins with it.
int via__debug_wanted(void);

// In a forked child: makes the lock anew, which another thread of the parent may have held.  The hook stays.
void via__log_reset(void);

#endif
