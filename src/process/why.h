/* SPDX-License-Identifier: BSD-3-Clause */
/* A sentence that says why something failed, written where the caller has room for it. */
#ifndef VIADUCT_PROCESS_WHY_H
#define VIADUCT_PROCESS_WHY_H

#include <viaduct/attr.h>

#define VIA__WHY_BYTES 512

struct via__why {
    char text[VIA__WHY_BYTES]; // "" for none
};

// Writes the sentence and gives back `status`.  `why` may be NULL.
int via__why(struct via__why *why, int status, const char *format, ...) VIA_PRINTF(3, 4);

#endif
