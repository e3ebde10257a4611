/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The counting heap: the linker's --wrap option leads every allocation of the test's and Viaduct's objects
 * through here, but not those inside libevent and the C library, whose caches are their own business.
 *
 * Live blocks stand in a hash table with their size and the test that made them.  free() of a block that is
 * not in the table (libevent's, getline()'s) is passed on.  Under a sanitizer nothing is counted, because
 * LeakSanitizer knows more.
 */
#include "support/heap.h"
#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void __real_free(void *block);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **block, size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void *__wrap_reallocarray(void *block, size_t count, size_t bytes);
void __wrap_free(void *block);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **block, size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t bytes);
int __wrap_vasprintf(char **text, const char *format, va_list values);
int __wrap_asprintf(char **text, const char *format, ...);

/* A live block, or a free slot where `block` is NULL. */
struct entry {
    void *block;
    void *caller; /* who allocated it */
    size_t bytes;
    unsigned test; /* the test during which it was allocated */
};

/* Guards everything below.  The table never shrinks and lives as long as the process. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

/* A test may fork while another of its threads allocates: the child must find the lock open. */
static void lock_table(void)
{
    pthread_mutex_lock(&table_lock);
}

static void unlock_table(void)
{
    pthread_mutex_unlock(&table_lock);
}

__attribute__((constructor)) static void guard_forks(void)
{
    pthread_atfork(lock_table, unlock_table, unlock_table);
}
static struct entry *table;
static size_t table_slots; /* a power of two, or 0 */
static size_t table_used;
static unsigned current_test;
static size_t allocations;

static size_t slot_of(const void *block, size_t slots)
{
    return (size_t)(((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (slots - 1);
}

static struct entry *find_slot(struct entry *in, size_t slots, const void *block)
{
    size_t i = slot_of(block, slots);

    while (in[i].block && in[i].block != block)
        i = (i + 1) & (slots - 1);
    return &in[i];
}

/* Keeps the table at most half full. */
static void grow_table(void)
{
    size_t slots = table_slots ? table_slots * 2 : 4096;
    struct entry *bigger;

    if (table_used * 2 < table_slots)
        return;
    bigger = __real_calloc(slots, sizeof(*bigger));
    if (!bigger)
        abort();
    for (size_t i = 0; i < table_slots; i++)
        if (table[i].block)
            *find_slot(bigger, slots, table[i].block) = table[i];
    __real_free(table);
    table = bigger;
    table_slots = slots;
}

static void *note_block(void *block, size_t bytes, void *caller)
{
    if (UNDER_SANITIZER || !block)
        return block;
    pthread_mutex_lock(&table_lock);
    grow_table();
    struct entry *entry = find_slot(table, table_slots, block);
    table_used += entry->block == NULL;
    *entry = (struct entry){block, caller, bytes, current_test};
    allocations++;
    pthread_mutex_unlock(&table_lock);
    return block;
}

/* Closes the gap that a removed entry leaves in its chain of collisions. */
static void refill_chain(size_t gap)
{
    size_t mask = table_slots - 1;

    for (size_t i = (gap + 1) & mask; table[i].block; i = (i + 1) & mask) {
        size_t home = slot_of(table[i].block, table_slots);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        table[gap] = table[i];
        table[i].block = NULL;
        gap = i;
    }
}

static void forget_block(void *block)
{
    if (UNDER_SANITIZER || !block)
        return;
    pthread_mutex_lock(&table_lock);
    if (table_slots) {
        struct entry *entry = find_slot(table, table_slots, block);
        if (entry->block) {
            entry->block = NULL;
            table_used--;
            refill_chain((size_t)(entry - table));
        }
    }
    pthread_mutex_unlock(&table_lock);
}

void *__wrap_malloc(size_t bytes)
{
    return note_block(__real_malloc(bytes), bytes, __builtin_return_address(0));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return note_block(__real_calloc(count, bytes), count * bytes, __builtin_return_address(0));
}

/* The old block is forgotten first: once it is freed, another thread may be given the same address. */
static void *resize_block(void *block, size_t bytes, void *caller)
{
    void *bigger;

    forget_block(block);
    bigger = __real_realloc(block, bytes);
    if (!bigger)
        return bytes ? note_block(block, bytes, caller), NULL : NULL;
    return note_block(bigger, bytes, caller);
}

static atomic_int refuses_to_resize;

void via_test_heap_resizes(int can)
{
    atomic_store(&refuses_to_resize, !can);
}

void *__wrap_realloc(void *block, size_t bytes)
{
    if (atomic_load(&refuses_to_resize)) {
        errno = ENOMEM;
        return NULL;
    }
    return resize_block(block, bytes, __builtin_return_address(0));
}

void *__wrap_reallocarray(void *block, size_t count, size_t bytes)
{
    size_t all;

    if (__builtin_mul_overflow(count, bytes, &all))
        return NULL;
    return resize_block(block, all, __builtin_return_address(0));
}

void __wrap_free(void *block)
{
    forget_block(block);
    __real_free(block);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return note_block(__real_aligned_alloc(alignment, bytes), bytes, __builtin_return_address(0));
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t bytes)
{
    int rc = __real_posix_memalign(block, alignment, bytes);

    if (rc == 0)
        note_block(*block, bytes, __builtin_return_address(0));
    return rc;
}

char *__wrap_strndup(const char *text, size_t bytes)
{
    size_t length = strnlen(text, bytes);
    char *copy = note_block(__real_malloc(length + 1), length + 1, __builtin_return_address(0));

    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = note_block(__real_malloc(bytes), bytes, __builtin_return_address(0));

    return copy ? memcpy(copy, text, bytes) : NULL;
}

static int format_text(char **text, const char *format, va_list values, void *caller)
{
    va_list again;
    int length;

    va_copy(again, values);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return -1;
    *text = note_block(__real_malloc((size_t)length + 1), (size_t)length + 1, caller);
    return *text ? vsnprintf(*text, (size_t)length + 1, format, values) : -1;
}

int __wrap_vasprintf(char **text, const char *format, va_list values)
{
    return format_text(text, format, values, __builtin_return_address(0));
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list values;
    int length;

    va_start(values, format);
    length = format_text(text, format, values, __builtin_return_address(0));
    va_end(values);
    return length;
}

int via_test_counts_heap(void)
{
    return !UNDER_SANITIZER;
}

void via_test_heap_begin(void)
{
    pthread_mutex_lock(&table_lock);
    current_test++;
    allocations = 0;
    pthread_mutex_unlock(&table_lock);
}

size_t via_test_heap_left(char *text, size_t bytes)
{
    size_t count = 0, at = 0;

    pthread_mutex_lock(&table_lock);
    for (size_t i = 0; i < table_slots; i++) {
        const struct entry *entry = &table[i];
        if (!entry->block || entry->test != current_test)
            continue;
        count++;
        if (at + 1 < bytes)
            at += (size_t)snprintf(text + at, bytes - at, " %zu bytes at %p from %p;", entry->bytes,
                                   entry->block, entry->caller);
    }
    pthread_mutex_unlock(&table_lock);
    return count;
}

size_t via_test_heap_blocks(void)
{
    return via_test_heap_left(NULL, 0);
}

size_t via_test_heap_allocations(void)
{
    size_t made;

    pthread_mutex_lock(&table_lock);
    made = allocations;
    pthread_mutex_unlock(&table_lock);
    return made;
}
