/* SPDX-License-Identifier: BSD-3-Clause */
/* What the program shows: how far it is, what failed, and the sums. */
#ifndef REPORT_H
#define REPORT_H

#include "files.h"

/* Shows how far it is, if standard error is a terminal; `done` are ready.  Not more often than is readable.
 */
void report_progress(const struct files *files, size_t done);

/* Lists the files that were not decoded, at most so many, and why. */
void report_failures(const struct files *files, size_t at_most);

/* How many files are in a state. */
size_t report_count(const struct files *files, enum state state);

/* What the decoded files say in sum. */
void report_sums(const struct files *files);

#endif
