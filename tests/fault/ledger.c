/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open-addressing table under one lock.  A struck-out entry keeps its place as a tombstone, so that the
 * entries behind it are still found; the processes that use the table live for one scenario.
 */
#include "ledger.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "inject.h"
#include "support/sanitizers.h"

enum { SLOTS = 1 << 14, FRAMES = 7, RELEASED_BYTE = 0xDD };

struct entry {
    void *block;
    size_t bytes;
    int depth;
    void *frames[FRAMES];
};

static struct entry entries[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char tombstone;
static _Thread_local bool left_out;
/* The start of the program in memory, from the linker: addresses are shown relative to it. */
extern const char __executable_start;

static size_t slot_of(const void *block)
{
    return (size_t)(((uintptr_t)block >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 40) % SLOTS;
}

static struct entry *find(const void *block)
{
    size_t slot = slot_of(block);
    for (size_t seen = 0; seen < SLOTS && entries[slot].block; seen++, slot = (slot + 1) % SLOTS)
        if (entries[slot].block == block)
            return &entries[slot];
    return NULL;
}

static struct entry *claim(const void *block)
{
    size_t slot = slot_of(block);
    for (size_t seen = 0; seen < SLOTS; seen++, slot = (slot + 1) % SLOTS)
        if (!entries[slot].block || entries[slot].block == &tombstone)
            return &entries[slot];
    return NULL;
}

void ledger_leave_out(bool is_left_out)
{
    left_out = is_left_out;
}

void ledger_add(void *block, size_t bytes)
{
    if (!block || left_out)
        return;
    void *frames[FRAMES];
    int depth = backtrace(frames, FRAMES);
    pthread_mutex_lock(&lock);
    struct entry *entry = claim(block);
    if (entry) {
        *entry = (struct entry){.block = block, .bytes = bytes, .depth = depth};
        memcpy(entry->frames, frames, sizeof(frames));
    }
    pthread_mutex_unlock(&lock);
}

void ledger_remove(void *block)
{
    if (!block)
        return;
    pthread_mutex_lock(&lock);
    struct entry *entry = find(block);
    size_t bytes = entry ? entry->bytes : 0;
    if (entry)
        entry->block = &tombstone;
    pthread_mutex_unlock(&lock);
    if (!UNDER_SANITIZER && bytes)
        memset(block, RELEASED_BYTE, bytes);
}

size_t ledger_bytes(const void *block)
{
    pthread_mutex_lock(&lock);
    struct entry *entry = find(block);
    size_t bytes = entry ? entry->bytes : 0;
    pthread_mutex_unlock(&lock);
    return bytes;
}

static void report_entry(const struct entry *entry)
{
    fault_note("leak of %zu bytes, allocated at", entry->bytes);
    for (int i = 2; i < entry->depth; i++)
        fault_note("  +%#lx", (unsigned long)((const char *)entry->frames[i] - &__executable_start));
}

size_t ledger_report(void)
{
    size_t live = 0;
    pthread_mutex_lock(&lock);
    for (size_t slot = 0; slot < SLOTS; slot++)
        if (entries[slot].block && entries[slot].block != &tombstone && ++live <= 3)
            report_entry(&entries[slot]);
    pthread_mutex_unlock(&lock);
    return live;
}
