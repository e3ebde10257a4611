/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker's side of a directory: one thread, and memory that only the program writes. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/directory_memory.h"
#include "process/name.h"
#include "process/registry.h"

#define FIRST_PLACES 16

// What the worker knows of an object.
struct met {
    uintptr_t base;
    int is_found;
    int has_file;
    int fd; // its file, if it has one: until it is found
};

struct via__directory_view {
    const struct via__directory_memory *memory;
    void **functions; // by number; NULL for those that were not found yet
    struct met *objects;
    uint32_t function_places, object_places;
};

int via__directory_map(int fd, struct via__directory_view **result)
{
    struct stat st;
    const struct via__directory_memory *memory;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size != sizeof *memory)
        return VIA_EINVAL;
    memory = mmap(NULL, sizeof *memory, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    struct via__directory_view *view = memory->magic == VIA__DIRECTORY_MAGIC ? calloc(1, sizeof *view) : NULL;
    if (!view) {
        int rc = memory->magic == VIA__DIRECTORY_MAGIC ? VIA_ENOMEM : VIA_EINVAL;
        munmap((void *)memory, sizeof *memory);
        return rc;
    }
    view->memory = memory;
    *result = view;
    return 0;
}

// Makes room for index `last` in an array that grows, with zeros: 0 or VIA_ENOMEM.
static int make_room(void **array, uint32_t *places, uint32_t last, size_t bytes)
{
    uint32_t wanted = *places ? *places : FIRST_PLACES;
    while (wanted <= last)
        wanted *= 2;
    if (wanted == *places)
        return 0;
    char *larger = realloc(*array, wanted * bytes);
    if (!larger)
        return VIA_ENOMEM;
    memset(larger + *places * bytes, 0, (wanted - *places) * bytes);
    *array = larger;
    *places = wanted;
    return 0;
}

// Copies a string out of the memory: 1, or 0 if none is there.
static int copy_string(const struct via__directory_memory *memory, uint32_t place, char copy[PATH_MAX])
{
    if (place == 0 || place >= VIA__DIRECTORY_STRINGS)
        return 0;
    size_t room = VIA__DIRECTORY_STRINGS - place;
    size_t bytes = strnlen(memory->strings + place, room < PATH_MAX ? room : PATH_MAX);
    if (bytes == room || bytes >= PATH_MAX)
        return 0;
    memcpy(copy, memory->strings + place, bytes + 1);
    return 1;
}

static int find_by_name(const struct via__directory_view *view, uint32_t place, void **function,
                        struct via__why *why)
{
    char name[PATH_MAX];
    if (!copy_string(view->memory, place, name))
        return via__why(why, VIA_ENOENT, "the directory of functions is not in order");
    *function = via__registry_find(name);
    return *function
               ? 0
               : via__why(why, VIA_ENOENT,
                          "the worker has no function named %s: via_process_register() has to be called "
                          "before via_process_enter()",
                          name);
}

// Keeps a file that was given, since it may be gone when the object is looked for again: 1; 0 if none was; or
// VIA_EAGAIN.
static int keep_file(struct met *met, uint32_t object, via__directory_object_fn object_fd, void *arg)
{
    int given = object_fd ? object_fd(arg, object) : -1;
    met->fd = given >= 0 ? fcntl(given, F_DUPFD_CLOEXEC, 0) : -1;
    met->has_file = met->fd >= 0;
    if (met->has_file)
        return 1;
    return given >= 0 || given == VIA_EAGAIN ? VIA_EAGAIN : 0;
}

static void keep_base(struct met *met, uintptr_t base)
{
    if (met->has_file)
        close(met->fd);
    met->has_file = 0;
    met->is_found = 1;
    met->base = base;
}

// Finds the first function of an object, and so the object.
static int meet(const struct via__directory_view *view, const struct via__directory_function *record,
                struct met *met, via__directory_object_fn object_fd, void *arg, void **function,
                struct via__why *why)
{
    char path[PATH_MAX] = "";
    struct via__directory_object object = view->memory->object[record->object];
    int is_program = record->object == 0;
    if (!is_program && !copy_string(view->memory, object.path, path))
        return via__why(why, VIA_ENOENT, "the directory of functions is not in order");
    int rc = via__name_find(&object.identity, is_program, path, met->has_file ? met->fd : -1, record->offset,
                            function, why);
    int kept = rc < 0 && !is_program && !met->has_file ? keep_file(met, record->object, object_fd, arg) : 0;
    if (kept > 0)
        rc = via__name_find(&object.identity, 0, path, met->fd, record->offset, function, why);
    else if (kept < 0)
        rc = via__why(why, VIA_EAGAIN, "the worker has no room for the open file of %s", path);
    if (rc == 0)
        keep_base(met, (uintptr_t)*function - (uintptr_t)record->offset);
    return rc;
}

static int find_in_object(struct via__directory_view *view, const struct via__directory_function *record,
                          via__directory_object_fn object_fd, void *arg, void **function,
                          struct via__why *why)
{
    uintptr_t base;
    if (record->object >= VIA__DIRECTORY_OBJECTS)
        return via__why(why, VIA_ENOENT, "the directory of functions is not in order");
    int rc = make_room((void **)&view->objects, &view->object_places, record->object, sizeof *view->objects);
    if (rc < 0)
        return rc;
    struct met *met = &view->objects[record->object];
    if (!met->is_found)
        return meet(view, record, met, object_fd, arg, function, why);
    void *found = (void *)(met->base + (uintptr_t)record->offset);
    if (!via__name_base(found, &base) || base != met->base)
        return via__why(why, VIA_ENOENT, "%p is no code of the object that it should be in", found);
    *function = found;
    return 0;
}

int via__directory_find(struct via__directory_view *view, uint32_t number, via__directory_object_fn object_fd,
                        void *arg, void **function, struct via__why *why)
{
    if (number < view->function_places && view->functions[number]) {
        *function = view->functions[number];
        return 0;
    }
    if (why)
        why->text[0] = '\0';
    // Acquire: with the release in add_function() of directory.c, where the record was completed.
    uint32_t count = atomic_load_explicit(&view->memory->functions, memory_order_acquire);
    if (number == 0 || number > count || number > VIA__DIRECTORY_FUNCTIONS)
        return via__why(why, VIA_ENOENT, "the directory has no function number %u", (unsigned)number);
    int rc = make_room((void **)&view->functions, &view->function_places, number, sizeof *view->functions);
    if (rc < 0)
        return rc;
    void *found = NULL;
    struct via__directory_function record = view->memory->function[number];
    rc = record.name ? find_by_name(view, record.name, &found, why)
                     : find_in_object(view, &record, object_fd, arg, &found, why);
    if (rc == 0)
        *function = view->functions[number] = found;
    return rc;
}

void via__directory_find_all(struct via__directory_view *view)
{
    // Acquire: as above.
    uint32_t count = atomic_load_explicit(&view->memory->functions, memory_order_acquire);
    void *function;
    for (uint32_t number = 1; number <= count && number <= VIA__DIRECTORY_FUNCTIONS; number++)
        via__directory_find(view, number, NULL, NULL, &function, NULL);
}
