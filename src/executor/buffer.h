/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers, as far as executors that run functions in threads need to know them. */
#ifndef VIADUCT_EXECUTOR_BUFFER_H
#define VIADUCT_EXECUTOR_BUFFER_H

#include <stdatomic.h>
#include <stdint.h>

#include <viaduct/buffer.h>

// The first member of what its maker allocates.
struct via_buffer {
    _Atomic uint32_t refs;
    int is_writable; // by functions that have it as their input
    void *data;
    size_t bytes;
    void (*last)(via_buffer *buffer); // the last reference is gone
};

#endif
