/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's side of naming.
 *
 * In this order: an object that is loaded here from the same path; the file at the path; the program's own
 * open file; an object of the same identity that was loaded from elsewhere.  The same code may be there
 * twice, with state of its own each time, so the path counts first.  A file is looked into before it is
 * loaded: constructors of another version than the program's are not to run.
 */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/name.h"

// Descriptors that stay open are kept out of the way of those that are expected to have low numbers.
#define KEPT_FD_FROM 16

struct sought {
    const struct via__identity *identity;
    const char *path; // NULL for any
    struct via__loaded *found;
};

static int is_at(const char *name, const char *path)
{
    if (strcmp(name, path) == 0)
        return 1;
    char *real = realpath(name, NULL);
    int same = real && strcmp(real, path) == 0;
    free(real);
    return same;
}

static int is_sought(void *arg, const struct via__loaded *loaded)
{
    struct sought *sought = arg;
    struct via__identity identity;
    if (loaded->is_program)
        return 0;
    via__elf_identity(loaded, &identity);
    if (!via__identity_equal(&identity, sought->identity) ||
        (sought->path && !is_at(loaded->name, sought->path)))
        return 0;
    *sought->found = *loaded;
    return 1;
}

static int find_loaded(const struct via__identity *identity, const char *path, struct via__loaded *loaded)
{
    struct sought sought = {identity, path, loaded};
    return via__elf_each(is_sought, &sought);
}

// ---- loading ----

static int has_base(void *arg, const struct via__loaded *loaded)
{
    struct via__loaded *found = arg;
    if (loaded->base != found->base || loaded->is_program)
        return 0;
    *found = *loaded;
    return 1;
}

// Whether what the loader has given is the sought object; it may have given what it had under that name.
static int is_given(void *handle, const struct via__identity *identity, struct via__loaded *loaded)
{
    struct link_map *map = NULL;
    struct via__identity here;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) < 0 || !map)
        return 0;
    loaded->base = map->l_addr;
    if (!via__elf_each(has_base, loaded))
        return 0;
    via__elf_identity(loaded, &here);
    return via__identity_equal(&here, identity);
}

static int load(const char *file, const struct via__identity *identity, struct via__loaded *loaded,
                struct via__why *why)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *text = dlerror();
        via__why(why, VIA_ENOENT, "the worker cannot load %s: %s", file, text ? text : "no reason is known");
        return 0;
    }
    if (is_given(handle, identity, loaded))
        return 1;
    dlclose(handle);
    return 0;
}

// Whether something failed for want of what there may be again.
static int is_want(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

static int load_path(const char *path, const struct via__identity *identity, struct via__loaded *loaded,
                     int *wants, struct via__why *why)
{
    struct via__identity there;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *wants |= is_want(errno);
        via__why(why, VIA_ENOENT, "the worker cannot load %s: %m", path);
        return 0;
    }
    int rc = via__elf_file_identity(fd, &there);
    close(fd);
    *wants |= rc < 0 && is_want(-rc);
    via__why(why, VIA_ENOENT, "%s has changed since the program loaded it: restart the program", path);
    return rc == 0 && via__identity_equal(&there, identity) && load(path, identity, loaded, why);
}

// The loader recognises by its name what it has loaded, so the number in the name must not be used again: the
// descriptor stays open.
static int load_fd(int fd, const struct via__identity *identity, struct via__loaded *loaded, int *wants,
                   struct via__why *why)
{
    struct via__identity there;
    char path[32];
    int rc = fd < 0 ? -EBADF : via__elf_file_identity(fd, &there);
    *wants |= rc < 0 && is_want(-rc);
    if (rc < 0 || !via__identity_equal(&there, identity))
        return 0;
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_FROM);
    if (kept < 0) {
        *wants |= is_want(errno) || errno == EINVAL; // the limit may lie below the number that was asked for
        via__why(why, VIA_ENOENT, "the worker cannot load a replaced file: %m");
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
    if (load(path, identity, loaded, why))
        return 1;
    close(kept);
    return 0;
}

static int find_program(const struct via__identity *identity, struct via__loaded *loaded,
                        struct via__why *why)
{
    struct via__identity here;
    if (via__elf_program(loaded)) {
        via__elf_identity(loaded, &here);
        if (via__identity_equal(&here, identity))
            return 0;
    }
    return via__why(why, VIA_ENOENT, "the worker is not the same build of the program");
}

int via__name_find(const struct via__identity *identity, int is_program, const char *path, int fd,
                   uint64_t offset, void **address, struct via__why *why)
{
    struct via__loaded loaded;
    int wants = 0;
    if (is_program) {
        int rc = find_program(identity, &loaded, why);
        if (rc < 0)
            return rc;
    } else if (!find_loaded(identity, path, &loaded) && !load_path(path, identity, &loaded, &wants, why) &&
               !load_fd(fd, identity, &loaded, &wants, why) && !find_loaded(identity, NULL, &loaded)) {
        return wants ? VIA_EAGAIN : VIA_ENOENT;
    }
    void *found = (void *)(loaded.base + (uintptr_t)offset);
    if (!via__elf_has_code(&loaded, found))
        return via__why(why, VIA_ENOENT, "offset %#llx is outside the code of %s", (unsigned long long)offset,
                        is_program ? "the program" : path);
    *address = found;
    if (why)
        why->text[0] = '\0';
    return 0;
}
