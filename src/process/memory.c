/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/memory.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define TMPFS 0x01021994 // the file system of memory files with small pages

#define LENGTH_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

size_t via__memory_class(size_t bytes, unsigned *index)
{
    unsigned in_class = 0;
    size_t whole = VIA__MEMORY_LEAST;
    if (bytes > VIA__MEMORY_LEAST) {
        unsigned top = 63 - (unsigned)__builtin_clzll((unsigned long long)(bytes - 1));
        unsigned quarter = (unsigned)((bytes - 1) >> (top - 2)); // 4 to 7
        whole = (size_t)(quarter + 1) << (top - 2);
        in_class = (top - 16) * 4 + quarter - 4 + 1;
    }
    if (index)
        *index = in_class;
    return whole_pages(whole);
}

// The system's word for a refusal, in the library's.
static int refusal(int error)
{
    switch (error) {
    case ENOSYS:
    case EPERM:
    case EACCES:
        return VIA_ENOTSUP;
    case EMFILE:
    case ENFILE:
        return VIA_EAGAIN;
    case EFBIG:
    case ENOSPC:
        return VIA_ENOMEM;
    default:
        return -error;
    }
}

static int create(const char *name)
{
#ifdef HAVE_MEMFD_CREATE
    static _Atomic int old_kernel;
    // Relaxed: either value works, one with a system call more.
    if (!atomic_load_explicit(&old_kernel, memory_order_relaxed)) {
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd >= 0 || errno != EINVAL)
            return fd;
        atomic_store_explicit(&old_kernel, 1, memory_order_relaxed);
    }
    return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
#else
    (void)name;
    errno = ENOSYS;
    return -1;
#endif
}

// The limit on the length of files holds for these as well, and a file that meets it costs a signal.
static int is_within_limit(size_t bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur;
}

int via__memory_new(const char *name, size_t bytes, int *fd)
{
    if (!is_within_limit(bytes))
        return VIA_ENOMEM;
    int made = create(name);
    if (made < 0)
        return refusal(errno);
    if (ftruncate(made, (off_t)bytes) < 0) {
        int status = refusal(errno);
        close(made);
        return status;
    }
    *fd = made;
    return 0;
}

int via__memory_map(int fd, size_t bytes, enum via__memory_use use, void **data)
{
    int protection = use == VIA__MEMORY_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return errno == EAGAIN ? VIA_ENOMEM : -errno;
#ifdef MADV_DONTDUMP
    (void)madvise(mapped, bytes, MADV_DONTDUMP);
#endif
    *data = mapped;
    return 0;
}

int via__memory_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, LENGTH_SEALS) < 0 ? -errno : 0;
}

// Before Linux 5.1 others are kept from writing by a descriptor that is for reading only, and by the file's
// permissions.
static int reopen_for_reading(int *fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
    if (fchmod(*fd, S_IRUSR) < 0)
        return -errno;
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0)
        return refusal(errno);
    close(*fd);
    *fd = reader;
    return 0;
}

int via__memory_seal_from_others(int *fd)
{
    if (fcntl(*fd, F_ADD_SEALS, LENGTH_SEALS | F_SEAL_FUTURE_WRITE) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    int status = via__memory_seal(*fd);
    return status < 0 ? status : reopen_for_reading(fd);
}

int via__memory_is_sound(int fd, size_t bytes)
{
    struct stat file;
    struct statfs system;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return 0;
    if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode) || (uint64_t)file.st_size != bytes)
        return 0;
    int mode = fcntl(fd, F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) == O_WRONLY)
        return 0;
    // Huge pages can run out at a read, which then is a bus error.
    return fstatfs(fd, &system) == 0 && system.f_type == TMPFS;
}
