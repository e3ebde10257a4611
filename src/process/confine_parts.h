/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of a sandbox: system calls, files, privileges. */
#ifndef VIADUCT_PROCESS_CONFINE_PARTS_H
#define VIADUCT_PROCESS_CONFINE_PARTS_H

#include "process/config.h"
#include "process/why.h"

// The flags that the file system's half is needed for.
#define VIA__SANDBOX_FILES (VIA_SANDBOX_READ_ONLY | VIA_SANDBOX_NO_FILES)

// Whether this system filters system calls: 1 or 0.
int via__confine_can_filter(void);

// The version of what this kernel offers to restrict files with, from 1 on; 0 for nothing.
int via__confine_files_version(void);

// Forbids system calls to all threads of this process, for good.  0 or a negative errno.
int via__confine_calls(unsigned sandbox, int files_version);

// Forbids files to this thread, and to those it will start, for good.  0 or a negative status, with why.
int via__confine_files(const struct via__process_config *config, struct via__why *why);

// Takes all capabilities from this thread, the only one, for good.  0 or a negative status, with why.
int via__confine_rights(struct via__why *why);

// Whether this process has more threads than this one.
int via__confine_has_threads(void);

#endif
