/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * An event: something that has happened or not, and tasks that wait until it has.
 *
 *     if (via_event_wait(&server->ready) == 0)         // in any number of tasks
 *         talk(server);
 *     ...
 *     via_event_set(&server->ready);                   // once, in a task or a callback
 *
 * Setting it releases everybody who waits at that moment, even if it is cleared again before they run.  How
 * tasks wait is told in waiters.h.
 */
#ifndef VIADUCT_EVENT_H
#define VIADUCT_EVENT_H

#include <viaduct/attr.h>
#include <viaduct/waiters.h>

/** An event.  Its fields are the library's. */
struct via_event {
    via_loop *loop;             /**< whose tasks may wait for it */
    struct via_waiters waiters; /**< who waits */
    int set;                    /**< it has happened */
};

VIA_BEGIN_C

/**
 * Makes an event that has not happened.
 *
 * - Ownership: borrows `loop`, and `event` until via_event_fini().
 * - Threads: any; the event is for the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Event`.
 *
 * @param loop the loop; NULL for the one that runs in this thread.
 * @param event the event.
 * @return 0; VIA_ESTATE if no loop runs here; VIA_ECLOSED; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_event_init(via_loop *loop, struct via_event *event);

/**
 * Ends the use of an event.
 *
 * - Ownership: gives `event` back.
 * - Threads: the loop's; any once the loop is closed.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param event the event.
 * @return 0; VIA_EBUSY, and it stays as it is, while a task waits; VIA_EINVAL.
 */
VIA_PUBLIC int via_event_fini(struct via_event *event);

/**
 * Waits in a task until the event has happened.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's, in a task.
 * - Blocks: suspends the task until the event is set; not at all if it is.
 * - Cancel: fails with VIA_ECANCELED.
 * - Origin: asyncio `Event.wait`.
 *
 * @param event the event.
 * @return 0; VIA_ECANCELED; VIA_ESTATE outside of a task; VIA_EFOREIGN in another loop or thread;
 * VIA_EFORKED; VIA_ENOMEM; VIA_EINVAL.
 */
VIA_PUBLIC int via_event_wait(struct via_event *event) VIA_MUST_USE;

/**
 * Sets the event: it has happened, and those who wait go on in the order in which they came.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's; from another one, post a callback that does it.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Event.set`.
 *
 * @param event the event.
 * @return 0; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_event_set(struct via_event *event);

/**
 * Clears the event: it has not happened, for those who come from now on.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Event.clear`.
 *
 * @param event the event.
 * @return as via_event_set().
 */
VIA_PUBLIC int via_event_clear(struct via_event *event);

/**
 * Tells whether the event has happened.
 *
 * - Ownership: nothing changes hands.
 * - Threads: the loop's.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: asyncio `Event.is_set`.
 *
 * @param event the event.
 * @return 1 or 0; VIA_EFOREIGN; VIA_EFORKED; VIA_EINVAL.
 */
VIA_PUBLIC int via_event_is_set(const struct via_event *event);

VIA_END_C

#endif
