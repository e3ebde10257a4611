/* SPDX-License-Identifier: BSD-3-Clause */
/* The library within the program: one call after the other, as one would without worker processes. */
#ifndef IN_PROCESS_H
#define IN_PROCESS_H

#include "files.h"

/* Decodes the files here, and most likely ends the program. */
void in_process_run(struct files *files);

struct in_process_end {
    size_t files;  /* so many it went through */
    char how[200]; /* what came then, in words */
};

/* Does the same in a child, and tells how that ended; untouched if there could be no child. */
void in_process_show(struct files *files, struct in_process_end *end);

#endif
