/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers that processes share, and the cache in which a pool keeps those that were released.
 *
 * Threads.  References are for any thread.  A cache has a lock of its own, after the pool's; nothing is
 * locked inside it, and memory is neither made, copied nor given back with it held.  In a forked child a
 * cache of the parent's is left alone, for its memory is the parent's to use.
 */
#ifndef VIADUCT_PROCESS_BUFFER_H
#define VIADUCT_PROCESS_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <viaduct/buffer.h>
#include <viaduct/executor.h>

#include "base/list.h"
#include "executor/buffer.h"

#define VIA__BUFFER_MOST ((uint64_t)1 << 40)

// The released buffers of one pool, and what it holds in all.
struct via__buffer_cache;

// `cache_bytes` is what is kept at most while nobody uses it.  0 or VIA_ENOMEM.
int via__buffer_cache_new(size_t cache_bytes, struct via__buffer_cache **cache);
// Buffers that are out stay good; they are freed when they come back.
void via__buffer_cache_leave(struct via__buffer_cache *cache);
size_t via__buffer_cache_held(const struct via__buffer_cache *cache); // bytes, used or not

// The cache of a process pool; NULL for other executors.  Good while the caller has a reference on the pool.
struct via__buffer_cache *via__process_pool_cache(via_executor *executor);

// As via_buffer_new(); `cache` may be NULL.
int via__buffer_take(struct via__buffer_cache *cache, size_t bytes, unsigned flags, via_buffer **buffer);

// A read-only buffer with a copy of the bytes, for inputs that are larger than a slot, with a reference of
// the library's: see via__buffer_drop().  The same returns.
int via__buffer_copy(struct via__buffer_cache *cache, const void *in, size_t bytes, via_buffer **buffer);

// What a buffer is made of.  Lives while the buffer does, or is cached, or a worker has to be told that it is
// gone.
struct via__segment {
    struct via_buffer buffer; // first
    _Atomic uint32_t lives;
    _Atomic int is_tainted; // not to be used again
    _Atomic int is_gone;    // unmapped and closed; workers are to forget it
    int fd;
    unsigned flags; // enum via_buffer_flags
    unsigned index; // of its class
    unsigned forks; // whose it is: see via__fork_generation()
    size_t capacity;
    uint64_t number;                   // unique in the process, from 1 on
    struct via__buffer_cache *cache;   // with a life of it, or NULL
    struct via__list in_class, in_age; // guarded by the cache's lock, while nobody uses it
};

static inline struct via__segment *via__buffer_segment(const via_buffer *buffer)
{
    return (struct via__segment *)(uintptr_t)buffer;
}

uint64_t via__buffer_number(const via_buffer *buffer);
unsigned via__buffer_flags(const via_buffer *buffer);

struct via__segment *via__segment_live(struct via__segment *segment);
void via__segment_die(struct via__segment *segment);

// How many segments have gone in this process: when it has changed, workers may have to be told.
uint64_t via__segments_gone(void);

#endif
