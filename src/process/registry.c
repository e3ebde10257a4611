/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names are given for the life of the process, so entries are never changed or freed.  The lock guards both
 * tables; nothing is locked inside it.
 */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>
#include <viaduct/process_pool.h>

#include "base/fork.h"
#include "process/registry.h"

#define BUCKETS 512 // a power of two

struct entry {
    const char *name;
    void *function;
    struct entry *next_by_name, *next_by_function;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *by_name[BUCKETS], *by_function[BUCKETS];

static struct entry **name_bucket(const char *name)
{
    size_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return &by_name[hash & (BUCKETS - 1)];
}

static struct entry **function_bucket(const void *function)
{
    return &by_function[(uintptr_t)function / 16 & (BUCKETS - 1)];
}

static struct entry *find_name(const char *name)
{
    struct entry *entry = *name_bucket(name);
    while (entry && strcmp(entry->name, name) != 0)
        entry = entry->next_by_name;
    return entry;
}

static struct entry *find_function(const void *function)
{
    struct entry *entry = *function_bucket(function);
    while (entry && entry->function != function)
        entry = entry->next_by_function;
    return entry;
}

static int add(const char *name, void *function)
{
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return VIA_ENOMEM;
    *entry = (struct entry){name, function, *name_bucket(name), *function_bucket(function)};
    *name_bucket(name) = entry;
    *function_bucket(function) = entry;
    return 0;
}

// Another thread of the parent may have held it.
static void reset(void)
{
    pthread_mutex_init(&lock, NULL);
}

int via_process_register(const char *name, via_bytes_fn fn)
{
    if (!name || !*name || !fn || strnlen(name, VIA__REGISTRY_NAME_BYTES + 1) > VIA__REGISTRY_NAME_BYTES)
        return VIA_EINVAL;
    void *function = (void *)fn;
    int rc = via__fork_watch();
    if (rc < 0)
        return rc;
    via__fork_on_child(reset);
    pthread_mutex_lock(&lock);
    struct entry *named = find_name(name), *entry = find_function(function);
    if (named || entry)
        rc = named == entry ? 0 : VIA_EBUSY;
    else
        rc = add(name, function);
    pthread_mutex_unlock(&lock);
    return rc;
}

const char *via__registry_name(const void *function)
{
    pthread_mutex_lock(&lock);
    const struct entry *entry = find_function(function);
    pthread_mutex_unlock(&lock);
    return entry ? entry->name : NULL;
}

void *via__registry_find(const char *name)
{
    pthread_mutex_lock(&lock);
    const struct entry *entry = find_name(name);
    pthread_mutex_unlock(&lock);
    return entry ? entry->function : NULL;
}
