/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a function is named across processes: by the ELF object that it stands in, and by where.
 *
 * An object is known by its identity, the build-id or else a hash of its executable segments, and loaded from
 * its path as the kernel knows it, or from the program's own open file of it where that has been replaced.
 */
#ifndef VIADUCT_PROCESS_NAME_H
#define VIADUCT_PROCESS_NAME_H

#include <limits.h>
#include <stdint.h>

#include "process/elf.h"
#include "process/why.h"

struct via__object {
    struct via__identity identity;
    int is_program; // the executable itself
    uintptr_t base;
    int fd;    // the mapped file, opened for the worker; -1 for the program or where it cannot be had
    void *pin; // keeps it loaded, so that nothing else comes to its addresses; NULL where nothing unloads it
    char path[PATH_MAX];
};

// Program's side: the base of the object whose code holds `address`: 1; 0 if it is no code of an ELF object.
int via__name_base(const void *address, uintptr_t *base);

// Program's side: finds the object whose code holds `address`, and the offset in it.  Opens `object->fd` and
// pins the object; via__name_release() undoes both.  Not to be called with a lock held, since the loader has
// one of its own, under which it runs code of the program.
// 0; VIA_EINVAL if it is no code of an ELF object; VIA_EAGAIN for want of descriptors.
int via__name_of(const void *address, struct via__object *object, uint64_t *offset, struct via__why *why);
void via__name_release(int fd, void *pin);

// Worker's side: finds the object here, loading it if need be, and gives the address of the function.  `fd`
// is the program's open file of it, or -1; stays the caller's.  0; VIA_ENOENT, or VIA_EAGAIN for want of
// descriptors or memory, with why.
int via__name_find(const struct via__identity *identity, int is_program, const char *path, int fd,
                   uint64_t offset, void **address, struct via__why *why);

#endif
