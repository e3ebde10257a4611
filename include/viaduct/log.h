/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The log hook.  The library prints nothing; what has no caller to be returned to goes here.
 */
#ifndef VIADUCT_LOG_H
#define VIADUCT_LOG_H

#include <viaduct/attr.h>

/** How much a message matters. */
enum via_log_level {
    VIA_LOG_DEBUG,   /**< for those who debug the library's use; only in debug mode */
    VIA_LOG_WARNING, /**< something was lost or is suspect, and the program goes on */
    VIA_LOG_ERROR    /**< an error that no caller could be told of */
};

/** A log hook: `text` is one line without a newline, valid during the call; called in any thread. */
typedef void (*via_log_fn)(enum via_log_level level, const char *text, void *arg);

VIA_BEGIN_C

/**
 * Sets the function that is given the library's messages.  Without one they are dropped.
 *
 * - Ownership: borrows `arg` until the hook is replaced and calls under way have returned.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param fn the hook, which must be callable in any thread; NULL for none.
 * @param arg passed to it.
 */
VIA_PUBLIC void via_set_log_hook(via_log_fn fn, void *arg);

VIA_END_C

#endif
