/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "executor/buffer.h"

via_buffer *via_buffer_ref(via_buffer *buffer)
{
    // Relaxed: a reference is made from one the caller has.
    if (buffer)
        atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

via_buffer *via_buffer_unref(via_buffer *buffer)
{
    // Release and acquire: what every user did with the memory comes before it is used again.
    if (buffer && atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1)
        buffer->last(buffer);
    return NULL;
}

void *via_buffer_data(const via_buffer *buffer)
{
    return buffer ? buffer->data : NULL;
}

size_t via_buffer_bytes(const via_buffer *buffer)
{
    return buffer ? buffer->bytes : 0;
}
