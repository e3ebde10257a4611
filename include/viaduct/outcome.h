/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Outcomes: what became of a call or a future.
 */
#ifndef VIADUCT_OUTCOME_H
#define VIADUCT_OUTCOME_H

#include <viaduct/attr.h>
#include <viaduct/process_report.h>

/**
 * What became of a call or a future: status, the function's own code, and the value.
 *
 * The value belongs to the future that the outcome was read from and lives as long as that future, unless
 * it was taken (via_cfuture_take(), via_future_take()).
 */
struct via_outcome {
    int status;                   /**< 0, or a negative status; VIA_EFAILED if the function gave a code */
    int code;                     /**< the function's own code where status is VIA_EFAILED, else 0 */
    void *value;                  /**< what the function left in its result, or NULL */
    size_t bytes;                 /**< for a bytes call the length of the value in bytes, else 0 */
    void (*destroy)(void *value); /**< releases the value; NULL where nobody has to */
    const char *message;          /**< a text from via_fail(), or what to do where a call was not started, or
                                     NULL; lives as long as the future */
    /** What a worker process has used and how it ended, where one ran the call and that is known; NULL
     *  elsewhere; lives as long as the future. */
    const struct via_process_report *process;
};

VIA_BEGIN_C

/**
 * Ends the running function with an error code of its own and a text: `return via_fail(code, "...", ...)`.
 *
 * The function is that of a call, a coroutine or a task, the innermost on this stack.  Whoever looks at its
 * outcome sees VIA_EFAILED, the code and the text.  If memory for the text runs out the code still arrives.
 * Elsewhere, as in a callback of a loop, the text is dropped.
 *
 * - Ownership: copies what it formats.
 * - Threads: the thread that runs the function.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param code the function's own code, any number.
 * @param format a printf format for the text, followed by its values.
 * @return VIA_EFAILED, to be returned from the function.
 */
VIA_PUBLIC int via_fail(int code, const char *format, ...) VIA_PRINTF(2, 3);

VIA_END_C

#endif
