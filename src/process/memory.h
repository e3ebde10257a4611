/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory files: memory behind a descriptor, which can be sealed and shown to other processes.
 *
 * A file in /dev/shm without a name would not do where there are none: without seals whoever has it can
 * shorten it at any time, and then whoever reads it, the program, dies of SIGBUS.
 */
#ifndef VIADUCT_PROCESS_MEMORY_H
#define VIADUCT_PROCESS_MEMORY_H

#include <stddef.h>

// Lengths come in classes, so that what was released fits again: four to each power of two from 64 KiB on,
// which wastes less than a quarter.  Pages that nobody touches take no memory.
#define VIA__MEMORY_LEAST   65536
#define VIA__MEMORY_CLASSES 97 // up to 2^40

// The whole length for `bytes`, at most 2^40; `index` receives the class, unless it is NULL.
size_t via__memory_class(size_t bytes, unsigned *index);

// Makes a file of zeros.  0; VIA_ENOTSUP if the system has or allows none; VIA_EAGAIN for want of
// descriptors; VIA_ENOMEM; another negative errno.
int via__memory_new(const char *name, size_t bytes, int *fd);

enum via__memory_use { VIA__MEMORY_READ, VIA__MEMORY_WRITE };

// Maps a file from its beginning; it is left out of core files.  0; VIA_ENOMEM; another negative errno.
int via__memory_map(int fd, size_t bytes, enum via__memory_use use, void **data);

// Fixes the length, and that nothing can be sealed further.  0 or a negative errno.
int via__memory_seal(int fd);

// The same, and keeps whoever has it not mapped for writing already from changing it; `*fd` may become
// another descriptor of the file.
int via__memory_seal_from_others(int *fd);

// Whether a descriptor that somebody else has sent is such a file of exactly `bytes`, and of a length that
// nobody can change any more.  1 or 0.
int via__memory_is_sound(int fd, size_t bytes);

#endif
