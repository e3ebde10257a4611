/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers, as far as executors that run functions in threads need to know them.
 *
 * The references of the program together are one of the library's, and as long as there are some the buffer
 * stands in a list.  So a pointer to one that was freed, or to none at all, is found out before anything is
 * read through it, and does no harm to calls that still have the buffer.
 */
#ifndef VIADUCT_EXECUTOR_BUFFER_H
#define VIADUCT_EXECUTOR_BUFFER_H

#include <stdatomic.h>
#include <stdint.h>

#include <viaduct/buffer.h>

// The first member of what its maker allocates.
struct via_buffer {
    _Atomic uint32_t refs; // of the library
    int is_writable;       // by functions that have it as their input
    void *data;
    size_t bytes;
    void (*last)(via_buffer *buffer); // the last reference is gone
    // Guarded by the list's lock.
    size_t users; // references of the program
    via_buffer *next;
};

// Makes a reference of the library's the first one of the program's: the buffer enters the list.
void via__buffer_publish(via_buffer *buffer);

// A reference for a call whose input is the first `bytes` bytes of it: 0; VIA_EINVAL if the program has no
// such buffer, or it is shorter.
int via__buffer_hold(via_buffer *buffer, size_t bytes);

// Gives a reference of the library's back; NULL is allowed.
void via__buffer_drop(via_buffer *buffer);

// In a forked child: another thread of the parent may have held the list's locks.
void via__buffer_reset(void);

#endif
