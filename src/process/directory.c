/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's side of a directory.
 *
 * A function's number is looked up in a hash table without a lock: cells are only ever filled, in any order,
 * and a table that is full enough is replaced by a larger copy; earlier ones stay until the end, for readers
 * that are still in them.  They take no more memory together than the last.
 *
 * Naming a function asks the loader, which has a lock of its own and runs code of the program under it; so
 * that is done before the directory's lock is taken, and done in vain if another thread was faster.
 *
 * An object is pinned when its first function is entered.  Without that another object could come to the same
 * addresses while the table still knows the old functions there.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/lock.h"
#include "process/directory_memory.h"
#include "process/name.h"
#include "process/registry.h"

#define FIRST_CELLS 64

struct cell {
    _Atomic(void *) function;
    uint32_t number;
};

struct table {
    struct table *previous;
    uint32_t mask;
    struct cell cells[];
};

// What the program keeps of an object.
struct kept {
    uintptr_t base;
    int fd;
    void *pin;
};

struct via__directory {
    _Atomic(struct table *) table;
    pthread_mutex_t lock; // for adding: guards all that follows
    int fd;
    struct via__directory_memory *memory;
    uint32_t strings; // bytes of them in use
    _Atomic uint32_t objects;
    void **functions; // by number
    struct kept *kept;
};

// ---- the table ----

static uint32_t first_cell(const struct table *table, const void *function)
{
    return (uint32_t)((uintptr_t)function * UINT64_C(0x9e3779b97f4a7c15) >> 32) & table->mask;
}

// The number of a function, or 0.
static inline uint32_t look(const struct table *table, const void *function)
{
    for (uint32_t i = first_cell(table, function);; i = (i + 1) & table->mask) {
        // Acquire: the cell's number, and all that stands under it, was written before; see put().
        void *found = atomic_load_explicit(&table->cells[i].function, memory_order_acquire);
        if (found == function)
            return table->cells[i].number;
        if (!found)
            return 0;
    }
}

static void put(struct table *table, void *function, uint32_t number)
{
    uint32_t i = first_cell(table, function);
    // Relaxed: only holders of the lock fill cells.
    while (atomic_load_explicit(&table->cells[i].function, memory_order_relaxed))
        i = (i + 1) & table->mask;
    table->cells[i].number = number;
    // Release: for look().
    atomic_store_explicit(&table->cells[i].function, function, memory_order_release);
}

static struct table *new_table(uint32_t cells, struct table *previous)
{
    struct table *table = calloc(1, sizeof *table + cells * sizeof table->cells[0]);
    if (table) {
        table->previous = previous;
        table->mask = cells - 1;
    }
    return table;
}

// Makes room for one more than `count`: 0 or VIA_ENOMEM.
static int make_room(struct via__directory *directory, uint32_t count)
{
    // Relaxed: written under the lock, which is held.
    struct table *table = atomic_load_explicit(&directory->table, memory_order_relaxed);
    if (count < table->mask / 2)
        return 0;
    struct table *larger = new_table((table->mask + 1) * 2, table);
    if (!larger)
        return VIA_ENOMEM;
    for (uint32_t number = 1; number <= count; number++)
        put(larger, directory->functions[number], number);
    // Release: the cells were filled before; acquired in via__directory_enter().
    atomic_store_explicit(&directory->table, larger, memory_order_release);
    return 0;
}

// ---- the memory ----

static int sealed_fd(size_t bytes, int *fd)
{
#if HAVE_MEMFD_CREATE
    unsigned no_exec = 0;
#ifdef MFD_NOEXEC_SEAL
    no_exec = MFD_NOEXEC_SEAL;
#endif
    int made = memfd_create("viaduct-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING | no_exec);
    if (made < 0 && errno == EINVAL)
        made = memfd_create("viaduct-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0)
        return -errno;
    if (ftruncate(made, (off_t)bytes) < 0 || fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        int rc = -errno;
        close(made);
        return rc;
    }
    *fd = made;
    return 0;
#else
    (void)bytes, (void)fd;
    return VIA_ENOTSUP;
#endif
}

// From now on nobody else can map it for writing.  Kernels that do not have that seal get a descriptor that
// can only be read.
static void shut(int *fd)
{
    char path[32];
#ifdef F_SEAL_FUTURE_WRITE
    if (fcntl(*fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0)
        return;
#endif
    snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    if (reading >= 0) {
        close(*fd);
        *fd = reading;
    }
}

static int make_memory(struct via__directory *directory)
{
    size_t bytes = sizeof *directory->memory;
    int rc = sealed_fd(bytes, &directory->fd);
    if (rc < 0)
        return rc;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, directory->fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    directory->memory = memory;
    directory->memory->magic = VIA__DIRECTORY_MAGIC;
    directory->memory->bytes = (uint32_t)bytes;
    directory->strings = 1;
    shut(&directory->fd);
    return 0;
}

// Number 0 is the program; where the library cannot see it, nothing is found there.
static void add_program(struct via__directory *directory)
{
    struct via__loaded program;
    directory->kept[0] = (struct kept){UINTPTR_MAX, -1, NULL};
    atomic_store_explicit(&directory->objects, 1, memory_order_relaxed);
    if (via__elf_program(&program)) {
        directory->kept[0].base = program.base;
        via__elf_identity(&program, &directory->memory->object[0].identity);
    }
}

// ---- life ----

// What was made of it, on failure too.
void via__directory_free(struct via__directory *directory)
{
    if (!directory)
        return;
    // Relaxed: nobody else has the directory any more.
    uint32_t objects = atomic_load_explicit(&directory->objects, memory_order_relaxed);
    for (uint32_t i = 1; i < objects; i++)
        via__name_release(directory->kept[i].fd, directory->kept[i].pin);
    struct table *table = atomic_load_explicit(&directory->table, memory_order_relaxed);
    while (table) {
        struct table *previous = table->previous;
        free(table);
        table = previous;
    }
    if (directory->memory)
        munmap(directory->memory, sizeof *directory->memory);
    if (directory->fd >= 0)
        close(directory->fd);
    free(directory->functions);
    free(directory->kept);
    pthread_mutex_destroy(&directory->lock);
    free(directory);
}

int via__directory_new(struct via__directory **result)
{
    struct via__directory *directory = calloc(1, sizeof *directory);
    if (!directory)
        return VIA_ENOMEM;
    directory->fd = -1;
    via__mutex_init(&directory->lock);
    // Large and seldom used to the end: the system gives memory where it is touched.
    directory->functions = calloc(VIA__DIRECTORY_FUNCTIONS + 1, sizeof *directory->functions);
    directory->kept = calloc(VIA__DIRECTORY_OBJECTS, sizeof *directory->kept);
    struct table *table = new_table(FIRST_CELLS, NULL);
    // Relaxed: handed to other threads with the directory.
    atomic_store_explicit(&directory->table, table, memory_order_relaxed);
    int rc = directory->functions && directory->kept && table ? make_memory(directory) : VIA_ENOMEM;
    if (rc < 0) {
        via__directory_free(directory);
        return rc;
    }
    add_program(directory);
    *result = directory;
    return 0;
}

int via__directory_fd(const struct via__directory *directory)
{
    return directory->fd;
}

// ---- adding; the lock is held ----

static uint32_t count(const struct via__directory *directory)
{
    // Relaxed: written under the lock, which is held.
    return atomic_load_explicit(&directory->memory->functions, memory_order_relaxed);
}

static int is_full(struct via__why *why)
{
    return via__why(why, VIA_ENOTSUP, "a process pool has room for %d functions in %d object files",
                    VIA__DIRECTORY_FUNCTIONS, VIA__DIRECTORY_OBJECTS - 1);
}

// Where the string was put, or 0 if there is no room.
static uint32_t add_string(struct via__directory *directory, const char *string)
{
    size_t bytes = strlen(string) + 1;
    uint32_t place = directory->strings;
    if (bytes > VIA__DIRECTORY_STRINGS - place)
        return 0;
    memcpy(directory->memory->strings + place, string, bytes);
    directory->strings += (uint32_t)bytes;
    return place;
}

// The number of the object with that base: 1 or 0.
static int find_object(const struct via__directory *directory, uintptr_t base, uint32_t *object)
{
    // Relaxed: written under the lock, which is held.
    uint32_t objects = atomic_load_explicit(&directory->objects, memory_order_relaxed);
    for (uint32_t i = 0; i < objects; i++)
        if (directory->kept[i].base == base) {
            *object = i;
            return 1;
        }
    return 0;
}

// Takes over descriptor and pin.  1 or 0.
static int add_object(struct via__directory *directory, struct via__object *object, uint32_t *number)
{
    uint32_t objects = atomic_load_explicit(&directory->objects, memory_order_relaxed);
    uint32_t path = objects < VIA__DIRECTORY_OBJECTS ? add_string(directory, object->path) : 0;
    if (!path)
        return 0;
    directory->memory->object[objects] = (struct via__directory_object){object->identity, path};
    directory->kept[objects] = (struct kept){object->base, object->fd, object->pin};
    object->fd = -1;
    object->pin = NULL;
    // Release: whoever reads the number in via__directory_objects() finds what stands under it.
    atomic_store_explicit(&directory->objects, objects + 1, memory_order_release);
    *number = objects;
    return 1;
}

static int add_function(struct via__directory *directory, void *function,
                        const struct via__directory_function *record, uint32_t *number, struct via__why *why)
{
    uint32_t functions = count(directory);
    if (functions == VIA__DIRECTORY_FUNCTIONS)
        return is_full(why);
    int rc = make_room(directory, functions);
    if (rc < 0)
        return rc;
    functions++;
    directory->memory->function[functions] = *record;
    directory->functions[functions] = function;
    // Release: a worker that reads a number up to this one finds its record; see via__directory_find().
    atomic_store_explicit(&directory->memory->functions, functions, memory_order_release);
    put(atomic_load_explicit(&directory->table, memory_order_relaxed), function, functions);
    *number = functions;
    return 0;
}

// The number, if the function has come in meanwhile: 1 or 0.
static int came_in(const struct via__directory *directory, void *function, uint32_t *number)
{
    // Relaxed: written under the lock, which is held.
    uint32_t found = look(atomic_load_explicit(&directory->table, memory_order_relaxed), function);
    if (found)
        *number = found;
    return found != 0;
}

// Adds a function by its name, or else by its object: 0; 1 if that is not there and `object` is NULL; a
// negative status.
static int add(struct via__directory *directory, void *function, const char *name, uintptr_t base,
               struct via__object *object, uint32_t *number, struct via__why *why)
{
    struct via__directory_function record = {.offset = (uintptr_t)function - base};
    if (came_in(directory, function, number))
        return 0;
    if (name) {
        record = (struct via__directory_function){.name = add_string(directory, name)};
        if (!record.name)
            return is_full(why);
    } else if (!find_object(directory, base, &record.object)) {
        if (!object)
            return 1;
        if (!add_object(directory, object, &record.object))
            return is_full(why);
    }
    return add_function(directory, function, &record, number, why);
}

// ---- entering ----

static int add_locked(struct via__directory *directory, void *function, const char *name, uintptr_t base,
                      struct via__object *object, uint32_t *number, struct via__why *why)
{
    pthread_mutex_lock(&directory->lock);
    int rc = add(directory, function, name, base, object, number, why);
    pthread_mutex_unlock(&directory->lock);
    return rc;
}

static int enter_with_object(struct via__directory *directory, void *function, uint32_t *number,
                             struct via__why *why)
{
    uint64_t offset;
    struct via__object *object = malloc(sizeof *object);
    if (!object)
        return VIA_ENOMEM;
    int rc = via__name_of(function, object, &offset, why);
    if (rc == 0) {
        rc = add_locked(directory, function, NULL, object->base, object, number, why);
        // What the directory has taken over is not there any more.
        via__name_release(object->fd, object->pin);
    }
    free(object);
    return rc;
}

static int enter_new(struct via__directory *directory, void *function, uint32_t *number, struct via__why *why)
{
    const char *name = via__registry_name(function);
    uintptr_t base = 0;
    int rc = 1;
    if (why)
        why->text[0] = '\0';
    if (name || via__name_base(function, &base))
        rc = add_locked(directory, function, name, base, NULL, number, why);
    return rc == 1 ? enter_with_object(directory, function, number, why) : rc;
}

int via__directory_enter(struct via__directory *directory, void *function, uint32_t *number,
                         struct via__why *why)
{
    // Acquire: the cells of the table were filled before it was shown; see make_room().
    uint32_t found = look(atomic_load_explicit(&directory->table, memory_order_acquire), function);
    if (!found)
        return enter_new(directory, function, number, why);
    *number = found;
    return 0;
}

// ---- asking; whoever has a number got it after the record was complete ----

void *via__directory_function(const struct via__directory *directory, uint32_t number)
{
    return directory->functions[number];
}

uint32_t via__directory_object(const struct via__directory *directory, uint32_t number)
{
    return directory->memory->function[number].object;
}

int via__directory_object_fd(const struct via__directory *directory, uint32_t object)
{
    return directory->kept[object].fd;
}

uint32_t via__directory_objects(const struct via__directory *directory)
{
    // Acquire: with the release in add_object().
    return atomic_load_explicit(&directory->objects, memory_order_acquire);
}
