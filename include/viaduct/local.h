/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Local values: what belongs to the task that runs, such as the request that it serves.
 *
 *     static via_local *request;                          -- via_local_new(NULL, &request), once
 *
 *     via_local_set(request, &this_request, NULL);
 *     ...
 *     struct request *of = via_local_get(request);        -- in whatever this task calls
 *
 * A task that is made begins with the values of the code that makes it, and so does a function that is given
 * to via_to_thread() or via_await_to_thread(); it sees them in its thread.  Each goes on with values of its
 * own: what it sets is not seen elsewhere.  via_run_in_executor() hands nothing on.
 *
 * Outside of tasks and such functions every thread has values of its own.  A callback of a loop belongs to no
 * task: it sees those of the loop's thread.
 */
#ifndef VIADUCT_LOCAL_H
#define VIADUCT_LOCAL_H

#include <viaduct/attr.h>

/** Names a local value. */
typedef struct via_local via_local;

/** Remembers a value that was replaced.  Its fields are the library's. */
struct via_local_token {
    uint64_t id;  /**< whose it is; 0 if it was used, or never filled */
    void *before; /**< what there was */
};

VIA_BEGIN_C

/**
 * Makes a name for a local value.
 *
 * - Ownership: gives the name.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextvars `ContextVar`.
 *
 * @param destroy releases a value when nobody can see it any more, in whatever thread that is; NULL for none.
 * @param local receives the name; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM.
 */
VIA_PUBLIC int via_local_new(void (*destroy)(void *value), via_local **local);

/**
 * Frees a name.  Values that were set stay until nobody could have seen them any more.
 *
 * - Ownership: takes `local`, which nobody may use any more.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param local the name, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_local *via_local_free(via_local *local);

/**
 * Sets the value, for the task, function or thread that runs.
 *
 * - Ownership: takes `value` if it returns 0; on failure it stays the caller's.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextvars `ContextVar.set`.
 *
 * @param local the name.
 * @param value the value.
 * @param token receives what via_local_reset() needs, which must then be called; NULL to set it for good.
 * @return 0; VIA_EINVAL; VIA_ENOMEM.
 */
VIA_PUBLIC int via_local_set(const via_local *local, void *value, struct via_local_token *token);

/**
 * Gives the value that the task, function or thread that runs has.
 *
 * - Ownership: the value is borrowed, until it is set again here or what runs has ended.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextvars `ContextVar.get`.
 *
 * @param local the name.
 * @return the value; NULL if none was set, and for NULL.
 */
VIA_PUBLIC void *via_local_get(const via_local *local);

/**
 * Puts back what there was before a via_local_set(), also if that was nothing.
 *
 * - Ownership: gives up the value that is there now; empties the token.
 * - Threads: that of the via_local_set(), in the same task or function.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: contextvars `ContextVar.reset`.
 *
 * @param token the token, once.
 * @return 0; VIA_EINVAL for NULL; VIA_ESTATE for a token that was used or never filled; VIA_ENOMEM, and then
 *         it can be tried again.
 */
VIA_PUBLIC int via_local_reset(struct via_local_token *token);

VIA_END_C

#endif
