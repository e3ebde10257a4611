/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker gives up: resource limits, privileges, system calls, files. */
#ifndef VIADUCT_PROCESS_CONFINE_H
#define VIADUCT_PROCESS_CONFINE_H

#include "process/config.h"
#include "process/why.h"

// Program's side: whether this system can do what the options ask.  0; VIA_EINVAL; VIA_ENOTSUP.
int via__confine_check(const struct via_process_pool_options *options, struct via__why *why);

// In a worker before its initializer: limits; and no new privileges.
int via__confine_limits(const struct via__process_config *config, struct via__why *why);

// In a worker after its initializer: the sandbox.
int via__confine_sandbox(const struct via__process_config *config, struct via__why *why);

// Each call's CPU time: arms a timer that kills the process, whatever signals it blocks; 0 disarms it.
int via__confine_call_cpu(int64_t cpu_ns);

#endif
