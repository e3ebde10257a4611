/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/config.h"

// Newer than some C libraries' headers; kernels that do not know it say EINVAL.
#define NOEXEC_SEAL 0x0008u

#ifdef MFD_ALLOW_SEALING
static int open_memory(void)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("viaduct-config", flags | NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("viaduct-config", flags);
    return fd < 0 ? -errno : fd;
}

// Copies inherit the description, so without the seals one of them could change what its siblings read.
static int make_read_only(int fd)
{
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}
#else
// A file without a name does as well, but that a copy could write to it.
static int open_memory(void)
{
    char path[] = "/tmp/viaduct-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? close(fd), -errno : fd;
}

static int make_read_only(int fd)
{
    (void)fd;
    return 0;
}
#endif

// The most that a list of paths can take.
static size_t most_bytes(const char *const *paths)
{
    size_t bytes = 1;
    for (; paths && *paths; paths++)
        bytes += strlen(*paths) < PATH_MAX ? PATH_MAX : strlen(*paths) + 1;
    return bytes;
}

// Writes a list; gives its length in bytes.  The paths are those of now: what symbolic links and the working
// directory become later changes nothing.
static size_t put_paths(const char *const *paths, char *to)
{
    char resolved[PATH_MAX];
    size_t bytes = 0;
    for (; paths && *paths; paths++) {
        const char *path = realpath(*paths, resolved) ? resolved : *paths;
        if (!*path)
            continue; // an empty one would end the list
        memcpy(to + bytes, path, strlen(path) + 1);
        bytes += strlen(path) + 1;
    }
    to[bytes] = '\0';
    return bytes + 1;
}

static void fill(struct via__process_config *config, const struct via_process_pool_options *options,
                 int transport)
{
    config->magic = VIA__CONFIG_MAGIC;
    config->version = VIA__CONFIG_VERSION;
    config->transport = transport;
    config->linger_ns = options->linger_ns;
    config->cancel_grace_ns = options->cancel_grace_ns;
    config->max_out_bytes = options->max_out_bytes;
    config->sandbox = options->sandbox;
    config->fresh_exec = options->fresh_exec;
    config->parent_pid = (int32_t)getpid();
    config->limits = options->limits;
    strncpy(config->name, options->name ? options->name : "via", sizeof config->name - 1);
}

static struct via__process_config *build(const struct via_process_pool_options *options, int transport)
{
    size_t room = most_bytes(options->readable_paths) + most_bytes(options->writable_paths);
    struct via__process_config *config = calloc(1, sizeof *config + room);
    if (!config)
        return NULL;
    fill(config, options, transport);
    char *strings = (char *)config;
    config->readable_at = sizeof *config;
    config->writable_at =
        config->readable_at + (uint32_t)put_paths(options->readable_paths, strings + config->readable_at);
    config->bytes =
        config->writable_at + (uint32_t)put_paths(options->writable_paths, strings + config->writable_at);
    return config;
}

static int write_all(int fd, const void *from, size_t bytes)
{
    for (const char *at = from; bytes > 0;) {
        ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            at += written;
            bytes -= (size_t)written;
        }
    }
    return 0;
}

int via__config_new(const struct via_process_pool_options *options, int transport, int *fd)
{
    struct via__process_config *config = build(options, transport);
    if (!config)
        return VIA_ENOMEM;
    int made = open_memory();
    int status = made < 0 ? made : write_all(made, config, config->bytes);
    if (status == 0)
        status = make_read_only(made);
    free(config);
    if (status == 0)
        *fd = made;
    else if (made >= 0)
        close(made);
    return status;
}

// Whether a list of paths begins at `at` and ends inside the memory.
static int is_list(const char *memory, size_t bytes, size_t at)
{
    if (at < sizeof(struct via__process_config))
        return 0;
    while (at < bytes && memory[at])
        at += strnlen(memory + at, bytes - at) + 1;
    return at < bytes;
}

static int is_sound(const struct via__process_config *config, size_t bytes)
{
    const char *memory = (const char *)config;
    return config->magic == VIA__CONFIG_MAGIC && config->version == VIA__CONFIG_VERSION &&
           config->bytes == bytes && !config->name[sizeof config->name - 1] &&
           is_list(memory, bytes, config->readable_at) && is_list(memory, bytes, config->writable_at);
}

const struct via__process_config *via__config_map(int fd)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || file.st_size < (off_t)sizeof(struct via__process_config))
        return NULL;
    size_t bytes = (size_t)file.st_size;
    // Private: sealed memory cannot be mapped shared by some kernels, even for reading.
    void *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (is_sound(memory, bytes))
        return memory;
    munmap(memory, bytes);
    return NULL;
}
