/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers that processes share.
 *
 * A segment is a buffer with its memory file.  It is *out* while the program has references, then *kept* in
 * its cache, and *gone* when it was neither to be kept nor taken again: unmapped and closed.  The struct
 * stays until the workers that knew it have been told.
 *
 * Taking looks for a kept segment of the same class, the one released last, for its pages are the most likely
 * to be in the processors' caches and to be known to the workers.  What goes when there is too much is what
 * was released first.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/fork.h"
#include "base/lock.h"
#include "executor/executor.h"
#include "process/buffer.h"
#include "process/memory.h"

// Kept segments have a descriptor each.
#define KEPT_MOST 64

#define FLAGS VIA_BUFFER_WRITABLE

struct via__buffer_cache {
    pthread_mutex_t lock;
    _Atomic uint32_t lives; // one of the pool's, one for each segment
    _Atomic size_t held;    // bytes of all segments that are not gone
    unsigned forks;
    size_t most; // bytes to be kept
    // Guarded by the lock.
    size_t kept;
    unsigned kept_count;
    int is_left;
    struct via__list by_age; // the one released last first
    struct via__list by_class[2][VIA__MEMORY_CLASSES];
};

static _Atomic uint64_t last_number;
static _Atomic uint64_t segments_gone;

static int is_foreign(unsigned forks)
{
    return forks != via__fork_generation();
}

static void cache_die(struct via__buffer_cache *cache)
{
    // Release and acquire: whoever frees it comes after all that used it.
    if (atomic_fetch_sub_explicit(&cache->lives, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

struct via__segment *via__segment_live(struct via__segment *segment)
{
    // Relaxed: it is made from one the caller has.
    atomic_fetch_add_explicit(&segment->lives, 1, memory_order_relaxed);
    return segment;
}

void via__segment_die(struct via__segment *segment)
{
    // Release and acquire: whoever frees it comes after all that used it.
    if (atomic_fetch_sub_explicit(&segment->lives, 1, memory_order_acq_rel) == 1)
        free(segment);
}

uint64_t via__segments_gone(void)
{
    // Acquire, with the release in segment_goes(): who sees the count sees that segment's is_gone.
    return atomic_load_explicit(&segments_gone, memory_order_acquire);
}

// Nobody uses it, and nobody will.
static void segment_goes(struct via__segment *segment)
{
    struct via__buffer_cache *cache = segment->cache;
    munmap(segment->buffer.data, segment->capacity);
    close(segment->fd);
    // Relaxed twice: a worker was told of it for somebody who had a reference, and the last one has gone
    // since; and the counter's release orders the mark.
    if (atomic_load_explicit(&segment->lives, memory_order_relaxed) > 1) {
        atomic_store_explicit(&segment->is_gone, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&segments_gone, 1, memory_order_release);
    }
    if (cache) {
        // Relaxed: a figure.
        atomic_fetch_sub_explicit(&cache->held, segment->capacity, memory_order_relaxed);
        cache_die(cache);
    }
    via__segment_die(segment);
}

static void unlink_kept(struct via__buffer_cache *cache, struct via__segment *segment)
{
    via__list_remove(&segment->in_age);
    via__list_remove(&segment->in_class);
    cache->kept -= segment->capacity;
    cache->kept_count--;
}

// Takes out the segments released first, until both bounds hold.  Under the lock; they go after it.
static void trim(struct via__buffer_cache *cache, size_t most, unsigned count, struct via__list *going)
{
    while (cache->kept > most || cache->kept_count > count) {
        struct via__segment *oldest = VIA__CONTAINER_OF(cache->by_age.prev, struct via__segment, in_age);
        unlink_kept(cache, oldest);
        via__list_push_back(going, &oldest->in_age);
    }
}

static void let_go(struct via__list *going)
{
    while (!via__list_empty(going)) {
        struct via__segment *segment = VIA__CONTAINER_OF(going->next, struct via__segment, in_age);
        via__list_remove(&segment->in_age);
        segment_goes(segment);
    }
}

static struct via__list *class_of(struct via__buffer_cache *cache, unsigned index, unsigned flags)
{
    return &cache->by_class[flags & VIA_BUFFER_WRITABLE ? 1 : 0][index];
}

// Puts a segment into its cache: 1, or 0 if that does not want it.
static int keep(struct via__segment *segment, struct via__list *going)
{
    struct via__buffer_cache *cache = segment->cache;
    // Relaxed: taking looks at it again, for it may come at any time.
    int is_tainted = atomic_load_explicit(&segment->is_tainted, memory_order_relaxed);
    if (!cache || is_tainted || is_foreign(segment->forks))
        return 0;
    pthread_mutex_lock(&cache->lock);
    int is_kept = !cache->is_left && segment->capacity <= cache->most;
    if (is_kept) {
        via__list_push_front(&cache->by_age, &segment->in_age);
        via__list_push_front(class_of(cache, segment->index, segment->flags), &segment->in_class);
        cache->kept += segment->capacity;
        cache->kept_count++;
        trim(cache, cache->most, KEPT_MOST, going);
    }
    pthread_mutex_unlock(&cache->lock);
    return is_kept;
}

static void last_reference(via_buffer *buffer)
{
    struct via__segment *segment = via__buffer_segment(buffer);
    struct via__list going;
    via__list_init(&going);
    if (keep(segment, &going))
        let_go(&going);
    else
        segment_goes(segment);
}

static int map_and_seal(struct via__segment *segment)
{
    void *data;
    int status = via__memory_map(segment->fd, segment->capacity, VIA__MEMORY_WRITE, &data);
    if (status < 0)
        return status;
    status = segment->flags & VIA_BUFFER_WRITABLE ? via__memory_seal(segment->fd)
                                                  : via__memory_seal_from_others(&segment->fd);
    if (status < 0)
        munmap(data, segment->capacity);
    else
        segment->buffer.data = data;
    return status;
}

static int make_memory(struct via__segment *segment)
{
    int status = via__memory_new("via-buffer", segment->capacity, &segment->fd);
    if (status < 0)
        return status;
    status = map_and_seal(segment);
    if (status < 0)
        close(segment->fd);
    return status;
}

// The life of the program's references, or of the cache that keeps it, is one.
static void begin(struct via__segment *segment, struct via__buffer_cache *cache)
{
    segment->buffer.last = last_reference;
    segment->buffer.is_writable = !!(segment->flags & VIA_BUFFER_WRITABLE);
    segment->cache = cache;
    segment->forks = via__fork_generation();
    atomic_init(&segment->lives, 1);
    // Relaxed: numbers have to differ, no more.
    segment->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
    if (!cache)
        return;
    // Relaxed: the caller has a life of the cache, and `held` is a figure.
    atomic_fetch_add_explicit(&cache->lives, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cache->held, segment->capacity, memory_order_relaxed);
}

static int make(struct via__buffer_cache *cache, size_t bytes, unsigned flags, struct via__segment **segment)
{
    struct via__segment *made = via__executor_watch_forks() == 0 ? calloc(1, sizeof *made) : NULL;
    if (!made)
        return VIA_ENOMEM;
    made->flags = flags;
    made->capacity = via__memory_class(bytes, &made->index);
    int status = make_memory(made);
    if (status < 0) {
        free(made);
        return status;
    }
    begin(made, cache);
    *segment = made;
    return 0;
}

// The kept segment of a class that was released last, or NULL.
static struct via__segment *take_kept(struct via__buffer_cache *cache, unsigned index, unsigned flags)
{
    struct via__segment *taken = NULL;
    struct via__list going;
    via__list_init(&going);
    pthread_mutex_lock(&cache->lock);
    const struct via__list *kept = class_of(cache, index, flags);
    while (!taken && !via__list_empty(kept)) {
        struct via__segment *first = VIA__CONTAINER_OF(kept->next, struct via__segment, in_class);
        unlink_kept(cache, first);
        // Relaxed: a taint that comes just now comes as well while the buffer is out.
        if (atomic_load_explicit(&first->is_tainted, memory_order_relaxed))
            via__list_push_back(&going, &first->in_age);
        else
            taken = first;
    }
    pthread_mutex_unlock(&cache->lock);
    let_go(&going);
    return taken;
}

// Gives back all that is kept: 1 if there was something.
static int empty(struct via__buffer_cache *cache)
{
    struct via__list going;
    via__list_init(&going);
    pthread_mutex_lock(&cache->lock);
    trim(cache, 0, 0, &going);
    pthread_mutex_unlock(&cache->lock);
    int had_some = !via__list_empty(&going);
    let_go(&going);
    return had_some;
}

// With a reference of the library's.
static int take(struct via__buffer_cache *cache, size_t bytes, unsigned flags, via_buffer **buffer)
{
    if (cache && is_foreign(cache->forks))
        cache = NULL;
    unsigned index;
    via__memory_class(bytes, &index);
    struct via__segment *segment = cache ? take_kept(cache, index, flags) : NULL;
    int status = segment ? 0 : make(cache, bytes, flags, &segment);
    // What is kept for later stands in the way now.
    if (cache && (status == VIA_EAGAIN || status == VIA_ENOMEM) && empty(cache))
        status = make(cache, bytes, flags, &segment);
    if (status < 0)
        return status;
    segment->buffer.bytes = bytes;
    // Relaxed: the buffer is the caller's alone.
    atomic_store_explicit(&segment->buffer.refs, 1, memory_order_relaxed);
    *buffer = &segment->buffer;
    return 0;
}

int via__buffer_take(struct via__buffer_cache *cache, size_t bytes, unsigned flags, via_buffer **buffer)
{
    if (bytes > VIA__BUFFER_MOST || flags & ~(unsigned)FLAGS || !buffer)
        return VIA_EINVAL;
    int status = take(cache, bytes, flags, buffer);
    if (status == 0)
        via__buffer_publish(*buffer);
    return status;
}

int via__buffer_copy(struct via__buffer_cache *cache, const void *in, size_t bytes, via_buffer **buffer)
{
    int status = bytes <= VIA__BUFFER_MOST ? take(cache, bytes, 0, buffer) : VIA_EINVAL;
    if (status == 0 && bytes)
        memcpy((*buffer)->data, in, bytes);
    return status;
}

uint64_t via__buffer_number(const via_buffer *buffer)
{
    return via__buffer_segment(buffer)->number;
}

unsigned via__buffer_flags(const via_buffer *buffer)
{
    return via__buffer_segment(buffer)->flags;
}

int via__buffer_cache_new(size_t cache_bytes, struct via__buffer_cache **cache)
{
    struct via__buffer_cache *made = via__fork_watch() == 0 ? calloc(1, sizeof *made) : NULL;
    if (!made)
        return VIA_ENOMEM;
    via__mutex_init(&made->lock);
    atomic_init(&made->lives, 1);
    made->forks = via__fork_generation();
    made->most = cache_bytes;
    via__list_init(&made->by_age);
    for (unsigned i = 0; i < VIA__MEMORY_CLASSES; i++) {
        via__list_init(&made->by_class[0][i]);
        via__list_init(&made->by_class[1][i]);
    }
    *cache = made;
    return 0;
}

// In a forked child another thread of the parent may have been in the middle of it: then what it keeps stays.
void via__buffer_cache_leave(struct via__buffer_cache *cache)
{
    struct via__list going;
    if (!cache || is_foreign(cache->forks))
        return;
    via__list_init(&going);
    pthread_mutex_lock(&cache->lock);
    cache->is_left = 1;
    trim(cache, 0, 0, &going);
    pthread_mutex_unlock(&cache->lock);
    let_go(&going);
    cache_die(cache);
}

size_t via__buffer_cache_held(const struct via__buffer_cache *cache)
{
    // Relaxed: a figure.
    return atomic_load_explicit(&cache->held, memory_order_relaxed);
}

int via_buffer_new(via_executor *executor, size_t bytes, unsigned flags, via_buffer **buffer)
{
    return via__buffer_take(executor ? via__process_pool_cache(executor) : NULL, bytes, flags, buffer);
}
