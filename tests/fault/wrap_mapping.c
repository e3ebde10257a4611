/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings: the linker's --wrap sends the library's calls here.  The names are the linker's. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "inject.h"

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *at, size_t bytes, int protection);
int __real_madvise(void *at, size_t bytes, int advice);

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_mprotect(void *at, size_t bytes, int protection);
int __wrap_madvise(void *at, size_t bytes, int advice);

static int refused(void)
{
    if (!fault_hit(FAULT_MAPPING))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return refused() ? MAP_FAILED : __real_mmap(at, bytes, protection, flags, fd, offset);
}

void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return __wrap_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_mprotect(void *at, size_t bytes, int protection)
{
    return refused() ? -1 : __real_mprotect(at, bytes, protection);
}

int __wrap_madvise(void *at, size_t bytes, int advice)
{
    return refused() ? -1 : __real_madvise(at, bytes, advice);
}
