/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory: the linker's --wrap sends the library's calls here, and libevent is told to come here.
 *
 * The names are the linker's: a call of malloc() in an archive becomes one of __wrap_malloc(), and
 * __real_malloc() is the C library's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject.h"
#include "ledger.h"
#include "wrap.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *block);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void *__wrap_reallocarray(void *block, size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **block, size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t bytes);
int __wrap_vasprintf(char **text, const char *format, va_list values);
int __wrap_asprintf(char **text, const char *format, ...);
void __wrap_free(void *block);

enum { FRESH_BYTE = 0xA5 };

/* Says whether memory is to run out at this call, and sets errno if it is. */
static bool out_of_memory(enum fault_kind kind)
{
    bool out = fault_hit(kind);
    if (out)
        errno = ENOMEM;
    return out;
}

/* Enters a block whose contents nobody may rely on. */
static void *enter_fresh(void *block, size_t bytes)
{
    if (block)
        memset(block, FRESH_BYTE, bytes);
    ledger_add(block, bytes);
    return block;
}

/* The old block is struck out by way of a copy: realloc() could give its place away before it is. */
static void *grow(void *block, size_t bytes, size_t old_bytes)
{
    void *grown = enter_fresh(__real_malloc(bytes), bytes);
    if (!grown)
        return NULL;
    memcpy(grown, block, old_bytes < bytes ? old_bytes : bytes);
    ledger_remove(block);
    __real_free(block);
    return grown;
}

void *wrap_realloc(enum fault_kind kind, void *block, size_t bytes)
{
    if (out_of_memory(kind))
        return NULL;
    if (!block)
        return enter_fresh(__real_malloc(bytes), bytes);
    size_t old_bytes = ledger_bytes(block);
    if (old_bytes)
        return grow(block, bytes, old_bytes);
    return __real_realloc(block, bytes);
}

void *wrap_malloc(enum fault_kind kind, size_t bytes)
{
    return out_of_memory(kind) ? NULL : enter_fresh(__real_malloc(bytes), bytes);
}

void *__wrap_malloc(size_t bytes)
{
    return wrap_malloc(FAULT_MEMORY, bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (out_of_memory(FAULT_MEMORY))
        return NULL;
    void *block = __real_calloc(count, bytes);
    ledger_add(block, count * bytes);
    return block;
}

void *__wrap_realloc(void *block, size_t bytes)
{
    return wrap_realloc(FAULT_MEMORY, block, bytes);
}

void *__wrap_reallocarray(void *block, size_t count, size_t bytes)
{
    if (bytes && count > SIZE_MAX / bytes) {
        errno = ENOMEM;
        return NULL;
    }
    return wrap_realloc(FAULT_MEMORY, block, count * bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    if (out_of_memory(FAULT_MEMORY))
        return NULL;
    return enter_fresh(__real_aligned_alloc(alignment, bytes), bytes);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t bytes)
{
    void *made = __wrap_aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!made)
        return ENOMEM;
    *block = made;
    return 0;
}

char *__wrap_strndup(const char *text, size_t bytes)
{
    size_t length = strnlen(text, bytes);
    char *copy = __wrap_malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}

int __wrap_vasprintf(char **text, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *made = length < 0 ? NULL : __wrap_malloc((size_t)length + 1);
    if (!made)
        return -1;
    *text = made;
    return vsnprintf(made, (size_t)length + 1, format, values);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = __wrap_vasprintf(text, format, values);
    va_end(values);
    return length;
}

void __wrap_free(void *block)
{
    ledger_remove(block);
    __real_free(block);
}

void *wrap_event_malloc(size_t bytes)
{
    return wrap_malloc(FAULT_EVENT_MEMORY, bytes);
}

void *wrap_event_realloc(void *block, size_t bytes)
{
    return wrap_realloc(FAULT_EVENT_MEMORY, block, bytes);
}

void wrap_event_free(void *block)
{
    __wrap_free(block);
}
