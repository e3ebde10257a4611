/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What became of a call in a worker process, beyond its outcome.
 */
#ifndef VIADUCT_PROCESS_REPORT_H
#define VIADUCT_PROCESS_REPORT_H

#include <viaduct/attr.h>

/** What a call in a worker process has used, and how the process ended if it did.  See
 *  via_outcome::process.  A function may itself return VIA_ECRASHED or VIA_ETIMEDOUT: then no process has
 *  ended, so there is no report, or one with `signal` 0 and `exit_status` -1; via_outcome::message says so.
 */
struct via_process_report {
    long pid;              /**< of the worker that ran the call last; 0 if it never started */
    void *function;        /**< the function, for a symbolizer */
    const char *name;      /**< via_call::name, or NULL; copied */
    int signal;            /**< the signal that ended the worker, or 0 */
    int exit_status;       /**< what the worker passed to exit(), or -1 if it did not */
    int core_dumped;       /**< 1 if it left a core file */
    int probably_oom;      /**< 1 if the kernel has most likely killed it because memory ran out */
    int unkillable;        /**< 1 if it was killed and did not die: the call may still be running */
    int tries;             /**< how often the call was started */
    int64_t wall_ns;       /**< how long it ran, in nanoseconds; 0 if that is not known */
    int64_t user_ns;       /**< CPU time in user mode, in nanoseconds; with VIA_CALL_MEASURED */
    int64_t system_ns;     /**< CPU time in the kernel, in nanoseconds; with VIA_CALL_MEASURED */
    int64_t max_rss_bytes; /**< the most memory the worker ever occupied, in bytes; with VIA_CALL_MEASURED */
};

#endif
