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
    int fd; // the mapped file, opened for the worker; -1 for the program or where it cannot be had
    char path[PATH_MAX];
};

// Program's side: finds the object whose code holds `address`, and the offset in it.  Opens `object->fd`.
// 0; VIA_EINVAL if it is no code of an ELF object; VIA_ENOMEM; another negative errno.
int via__name_of(const void *address, struct via__object *object, uint64_t *offset, struct via__why *why);

// Worker's side: finds the object here, loading it if need be, and gives the address of the function.  `fd`
// is the program's open file of it, or -1; stays the caller's.  0; VIA_ENOENT, with why.
int via__name_find(const struct via__identity *identity, int is_program, const char *path, int fd,
                   uint64_t offset, void **address, struct via__why *why);

#endif
