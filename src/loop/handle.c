/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handles of the loop's thread: callbacks for the next tick, and the common part of timers.
 *
 * A handle has one reference of the loop's until it has run, or was taken out of the timers, or dropped; and
 * one of the program's if it asked for it.  A cancelled handle that is in the ready queue stays there and is
 * skipped.  The program's reference may outlive the loop: then the handle goes back to its slab as from a
 * foreign thread, because the slab has lost its owner.
 */
#include <config.h>

#include "loop/handle.h"
#include "loop/tick.h"
#include "loop/timer.h"

#define HANDLE_BYTES 64
_Static_assert(sizeof(via_handle) <= HANDLE_BYTES, "a handle fits into its slab");

static void unref(via_handle *handle)
{
    if (--handle->refs)
        return;
    void *memory = handle->sort == VIA__HANDLE_TIMED ? (void *)via__timed_of(handle) : handle;
    if (via__loop_is_closed(handle->loop))
        via__slab_free_foreign(memory);
    else
        via__slab_free(memory);
}

static void run(via_loop *loop, struct via__ready *node)
{
    via_handle *handle = VIA__CONTAINER_OF(node, via_handle, ready);
    if (handle->state == VIA__HANDLE_PENDING) {
        handle->state = VIA__HANDLE_RAN;
        via__loop_note_function(loop, (void *)(uintptr_t)handle->fn);
        int status = handle->fn(handle->arg);
        if (status < 0)
            via__loop_report(loop, "a callback failed", status, NULL, handle);
    }
    unref(handle);
}

static void drop(via_loop *loop, struct via__ready *node)
{
    (void)loop;
    via_handle *handle = VIA__CONTAINER_OF(node, via_handle, ready);
    handle->state = VIA__HANDLE_CANCELLED;
    unref(handle);
}

static const struct via__ready_kind handle_kind = {.run = run, .drop = drop};

void via__handle_init(via_handle *fresh, enum via__handle_sort sort, via_loop *loop, via_callback_fn fn,
                      void *arg, via_handle **handle)
{
    fresh->ready.kind = &handle_kind;
    fresh->fn = fn;
    fresh->arg = arg;
    fresh->loop = loop;
    fresh->refs = 1;
    fresh->state = VIA__HANDLE_PENDING;
    fresh->sort = sort;
    if (!handle)
        return;
    via__loop_pin(loop);
    fresh->refs = 2;
    *handle = fresh;
}

int via_call_soon(via_loop *loop, via_callback_fn fn, void *arg, via_handle **handle)
{
    int status = fn ? via__loop_check(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    if (!via__loop_is_in_order(loop))
        return via_call_soon_threadsafe(loop, fn, arg, handle);
    if (!loop->handles && !(loop->handles = via__slab_new(HANDLE_BYTES)))
        return VIA_ENOMEM;
    via_handle *fresh = via__slab_alloc(loop->handles);
    if (!fresh)
        return VIA_ENOMEM;
    via__handle_init(fresh, VIA__HANDLE_SOON, loop, fn, arg, handle);
    via__loop_ready(loop, &fresh->ready);
    return 0;
}

int via_handle_cancel(via_handle *handle)
{
    if (!handle)
        return VIA_EINVAL;
    if (handle->sort == VIA__HANDLE_POSTED)
        return via__posted_cancel(handle);
    int status = via__loop_check_thread(handle->loop);
    if (status < 0)
        return status;
    if (handle->state != VIA__HANDLE_PENDING)
        return handle->state == VIA__HANDLE_CANCELLED;
    handle->state = VIA__HANDLE_CANCELLED;
    handle->arg = NULL;
    if (handle->sort == VIA__HANDLE_TIMED && via__timer_take(handle))
        unref(handle);
    return 1;
}

int via_handle_cancelled(via_handle *handle)
{
    if (!handle)
        return VIA_EINVAL;
    if (handle->sort == VIA__HANDLE_POSTED)
        return via__posted_cancelled(handle);
    int status = via__loop_check_thread(handle->loop);
    return status < 0 ? status : handle->state == VIA__HANDLE_CANCELLED;
}

via_handle *via_handle_unref(via_handle *handle)
{
    if (!handle)
        return NULL;
    via_loop *loop = handle->loop;
    if (handle->sort == VIA__HANDLE_POSTED) {
        via__posted_unref(handle);
    } else {
        via__loop_note_thread(loop, "via_handle_unref");
        unref(handle);
    }
    via__loop_unpin(loop);
    return NULL;
}
