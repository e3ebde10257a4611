/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's side of naming.
 *
 * The loader's name of an object may be relative to a directory that the program has left, so the path is
 * taken from the kernel, and the file there is believed only if it is the mapped one: by device and inode,
 * or, on file systems that show others to fstat() than in the list of mappings, by its identity.
 */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/name.h"

#define MAPS    "/proc/self/maps"
#define DELETED " (deleted)"

int via__name_base(const void *address, uintptr_t *base)
{
    struct via__loaded loaded;
    if (!via__elf_at(address, &loaded))
        return 0;
    *base = loaded.base;
    return 1;
}

// ---- what is no code ----

static int holds(void *address, const struct via__loaded *loaded)
{
    return via__elf_holds(loaded, address);
}

static int no_code(const void *address, struct via__why *why)
{
    Dl_info info;
    if (via__elf_each(holds, (void *)address))
        return via__why(why, VIA_EINVAL, "%p is data, not a function", address);
    if (address && dladdr(address, &info) && info.dli_fname)
        return via__why(why, VIA_EINVAL,
                        "%p is in %s, which was loaded into a namespace of its own (dlmopen): workers cannot "
                        "find it there",
                        address, info.dli_fname);
    return via__why(why, VIA_EINVAL,
                    "%p is in no object file: code that is made at run time, as a JIT's or what leads to a "
                    "nested function, cannot run in another process",
                    address);
}

// ---- the mapped file ----

struct mapping {
    uintptr_t from, to;
    dev_t device;
    unsigned long inode;
};

// Reads one line of the list of mappings: 1 if it is the address's.
static int read_mapping(const char *line, uintptr_t address, struct mapping *mapping, char path[PATH_MAX])
{
    unsigned long from, to, inode;
    unsigned major_number, minor_number;
    int at = 0;
    if (sscanf(line, "%lx-%lx %*s %*x %x:%x %lu %n", &from, &to, &major_number, &minor_number, &inode, &at) <
            5 ||
        at == 0 || address < from || address >= to)
        return 0;
    *mapping = (struct mapping){from, to, makedev(major_number, minor_number), inode};
    snprintf(path, PATH_MAX, "%.*s", (int)strcspn(line + at, "\n"), line + at);
    size_t bytes = strlen(path), suffix = strlen(DELETED);
    if (bytes > suffix && strcmp(path + bytes - suffix, DELETED) == 0)
        path[bytes - suffix] = '\0';
    return 1;
}

// What the kernel has mapped at an address: 1, or 0 if that is not known.
static int find_mapping(const void *address, struct mapping *mapping, char path[PATH_MAX])
{
    char *line = NULL;
    size_t capacity = 0;
    int found = 0;
    FILE *maps = fopen(MAPS, "re");
    if (!maps)
        return 0;
    while (!found && getline(&line, &capacity, maps) > 0)
        found = read_mapping(line, (uintptr_t)address, mapping, path);
    free(line);
    fclose(maps);
    return found;
}

static int is_mapped_file(int fd, const struct mapping *mapping, const struct via__identity *identity)
{
    struct stat st;
    struct via__identity there;
    if (fstat(fd, &st) == 0 && mapping->inode && st.st_ino == mapping->inode && st.st_dev == mapping->device)
        return 1;
    return via__elf_file_identity(fd, &there) == 0 && via__identity_equal(&there, identity);
}

// Whether something could not be opened because the process or the system has too much open.
static int is_exhausted(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

// Opens a path if the mapped file is there; else -1, or VIA_EAGAIN if that cannot be told.
static int open_if_mapped(const char *path, const struct mapping *mapping,
                          const struct via__identity *identity)
{
    if (!*path)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return is_exhausted() ? VIA_EAGAIN : -1;
    if (is_mapped_file(fd, mapping, identity))
        return fd;
    close(fd);
    return -1;
}

// Opens the object's file wherever it can still be had; the last way is for the privileged only.  0, or
// VIA_EAGAIN.
static int open_file(const struct via__loaded *loaded, const void *address, struct via__object *object)
{
    struct mapping mapping = {0};
    char link[64];
    errno = 0;
    if (!find_mapping(address, &mapping, object->path)) {
        if (is_exhausted())
            return VIA_EAGAIN;
        snprintf(object->path, sizeof object->path, "%s", loaded->name);
    }
    snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", (unsigned long)mapping.from,
             (unsigned long)mapping.to);
    const char *const paths[] = {object->path, loaded->name, link};
    int fd = -1;
    for (int i = 0; fd == -1 && i < 3; i++)
        fd = open_if_mapped(paths[i], &mapping, &object->identity);
    if (fd == VIA_EAGAIN)
        return VIA_EAGAIN;
    object->fd = fd;
    return 0;
}

// ---- pins ----

// The loader knows what it has by name, whatever is at that path now.  An object that it does not give by
// its name it never unloads (the kernel's own, one of another C library's).
static void *pin(const void *address, const struct via__loaded *loaded)
{
    struct via__loaded now;
    void *handle = *loaded->name ? dlopen(loaded->name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (handle && via__elf_at(address, &now) && now.headers == loaded->headers)
        return handle;
    if (handle)
        dlclose(handle);
    return NULL;
}

static int is_elsewhere(void *handle)
{
#if HAVE_DLMOPEN
    Lmid_t id;
    return handle && dlinfo(handle, RTLD_DI_LMID, &id) == 0 && id != LM_ID_BASE;
#else
    (void)handle;
    return 0;
#endif
}

void via__name_release(int fd, void *pin)
{
    if (fd >= 0)
        close(fd);
    if (pin)
        dlclose(pin);
}

int via__name_of(const void *address, struct via__object *object, uint64_t *offset, struct via__why *why)
{
    struct via__loaded loaded;
    if (!via__elf_at(address, &loaded))
        return no_code(address, why);
    void *handle = loaded.is_program ? NULL : pin(address, &loaded);
    if (is_elsewhere(handle)) {
        dlclose(handle);
        return via__why(why, VIA_EINVAL,
                        "%p is in %s, which was loaded into a namespace of its own (dlmopen), with this "
                        "library: process pools cannot be used there",
                        address, loaded.name);
    }
    object->is_program = loaded.is_program;
    object->base = loaded.base;
    object->pin = handle;
    object->fd = -1;
    object->path[0] = '\0';
    via__elf_identity(&loaded, &object->identity);
    if (!loaded.is_program && open_file(&loaded, address, object) < 0) {
        via__why(why, VIA_EAGAIN, "the file of %s cannot be opened now: %m", loaded.name);
        via__name_release(-1, handle);
        return VIA_EAGAIN;
    }
    *offset = (uintptr_t)address - loaded.base;
    return 0;
}
