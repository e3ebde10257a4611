/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/slab.h"

#define CHUNK_BYTES   ((size_t)32 * 1024) // a power of two: an object finds its chunk by masking its address
#define REGION_CHUNKS 16
#define ALIGN_BYTES   64
#define OWNER_LIVES   (INTPTR_MAX / 2) // more than there can be objects

struct free_object {
    struct free_object *next;
};

struct chunk {
    struct via__slab *slab;
    struct chunk *next; // of the first chunk of a region: the region before it
};

struct via__slab {
    size_t object_bytes;
    struct free_object *free; // the owner's
    struct chunk *unused;     // chunks of the newest region that were not begun
    int unused_count;
    struct chunk *chunks;    // the owner's until it leaves
    char *fresh, *fresh_end; // the part of the newest chunk that was never handed out
    size_t out;              // objects handed out and not seen back by the owner
    _Alignas(ALIGN_BYTES) _Atomic(struct free_object *) returned;
    // OWNER_LIVES while the owner is there, less the foreign frees it has not seen; then the objects that are
    // out.  Whoever takes off the last one destroys the slab.
    _Atomic intptr_t lives;
};

struct via__slab *via__slab_new(size_t object_bytes)
{
    struct via__slab *slab =
        aligned_alloc(ALIGN_BYTES, (sizeof *slab + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1));
    if (!slab)
        return NULL;
    *slab = (struct via__slab){.object_bytes = object_bytes, .lives = OWNER_LIVES};
    return slab;
}

static void free_chunks(struct via__slab *slab)
{
    while (slab->chunks) {
        struct chunk *next = slab->chunks->next;
        free(slab->chunks);
        slab->chunks = next;
    }
    slab->free = NULL;
    slab->unused_count = 0;
    slab->fresh = slab->fresh_end = NULL;
}

static void destroy(struct via__slab *slab)
{
    free_chunks(slab);
    free(slab);
}

// Takes back what foreign threads returned.
static void collect(struct via__slab *slab)
{
    // Acquire: pairs with the release in via__slab_free_foreign(), whose thread is done with the objects.
    struct free_object *object = atomic_exchange_explicit(&slab->returned, NULL, memory_order_acquire);
    intptr_t count = 0;
    while (object) {
        struct free_object *next = object->next;
        object->next = slab->free;
        slab->free = object;
        object = next;
        count++;
    }
    slab->out -= (size_t)count;
    // Relaxed: it cannot reach zero while the owner is there; via__slab_leave() settles the account.
    if (count)
        atomic_fetch_add_explicit(&slab->lives, count, memory_order_relaxed);
}

void via__slab_leave(struct via__slab *slab)
{
    collect(slab);
    intptr_t out = (intptr_t)slab->out - OWNER_LIVES;
    // Release, for the thread that will free the chunks; acquire, for the case that it is this one.
    if (atomic_fetch_add_explicit(&slab->lives, out, memory_order_acq_rel) + out == 0)
        destroy(slab);
}

#if VIA_SLAB

static struct via__slab *slab_of(void *object)
{
    return ((struct chunk *)((uintptr_t)object & ~(uintptr_t)(CHUNK_BYTES - 1)))->slab;
}

// One chunk at first; then many at once, because each allocation wastes up to a chunk for its alignment.
static int add_region(struct via__slab *slab)
{
    int count = slab->chunks ? REGION_CHUNKS : 1;
    struct chunk *region = aligned_alloc(CHUNK_BYTES, (size_t)count * CHUNK_BYTES);
    if (!region)
        return 0;
    region->next = slab->chunks;
    slab->chunks = slab->unused = region;
    slab->unused_count = count;
    return 1;
}

// Has the system give all pages of a chunk at once, which costs two thirds of a fault for each.  A slab that
// needs one chunk only takes them as it goes.
static void populate(const struct via__slab *slab, struct chunk *chunk)
{
#ifdef MADV_POPULATE_WRITE
    // A system that does not know this refuses; without memory the first write fails as it would have.
    if (slab->chunks != chunk || slab->chunks->next)
        (void)madvise(chunk, CHUNK_BYTES, MADV_POPULATE_WRITE);
#else
    (void)slab;
    (void)chunk;
#endif
}

static int add_chunk(struct via__slab *slab)
{
    if (!slab->unused_count && !add_region(slab))
        return 0;
    struct chunk *chunk = slab->unused;
    populate(slab, chunk);
    slab->unused = (struct chunk *)((char *)chunk + CHUNK_BYTES);
    slab->unused_count--;
    chunk->slab = slab;
    slab->fresh = (char *)chunk + ALIGN_BYTES;
    slab->fresh_end = slab->fresh + (CHUNK_BYTES - ALIGN_BYTES) / slab->object_bytes * slab->object_bytes;
    return 1;
}

static void *take_fresh(struct via__slab *slab)
{
    void *object = slab->fresh;
    slab->fresh += slab->object_bytes;
    slab->out++;
    return object;
}

void *via__slab_alloc(struct via__slab *slab)
{
    // Relaxed: only a hint; collect() acquires.
    if (!slab->free && atomic_load_explicit(&slab->returned, memory_order_relaxed))
        collect(slab);
    struct free_object *object = slab->free;
    if (object) {
        slab->free = object->next;
        slab->out++;
        return object;
    }
    if (slab->fresh == slab->fresh_end && !add_chunk(slab))
        return NULL;
    return take_fresh(slab);
}

void via__slab_free(void *object)
{
    struct via__slab *slab = slab_of(object);
    struct free_object *freed = object;
    freed->next = slab->free;
    slab->free = freed;
    slab->out--;
}

void via__slab_free_foreign(void *object)
{
    struct via__slab *slab = slab_of(object);
    struct free_object *freed = object;
    // Relaxed: the exchange below publishes it.
    struct free_object *top = atomic_load_explicit(&slab->returned, memory_order_relaxed);
    do
        freed->next = top;
    // Release: what this thread did with the object comes before collect() takes it.
    while (!atomic_compare_exchange_weak_explicit(&slab->returned, &top, freed, memory_order_release,
                                                  memory_order_relaxed));
    // Release and acquire: every free comes before destroy() by the last one.
    if (atomic_fetch_sub_explicit(&slab->lives, 1, memory_order_acq_rel) == 1)
        destroy(slab);
}

void via__slab_trim(struct via__slab *slab)
{
    collect(slab);
    if (slab->out == 0)
        free_chunks(slab);
}

#else

// Without slabs each object is an allocation of its own, behind a header that names the slab: sanitizers and
// valgrind then see every use after free.
struct plain_object {
    _Alignas(ALIGN_BYTES) struct via__slab *slab;
};

void *via__slab_alloc(struct via__slab *slab)
{
    struct plain_object *plain = aligned_alloc(ALIGN_BYTES, sizeof *plain + slab->object_bytes);
    if (!plain)
        return NULL;
    plain->slab = slab;
    slab->out++;
    return plain + 1;
}

void via__slab_free(void *object)
{
    struct plain_object *plain = (struct plain_object *)object - 1;
    plain->slab->out--;
    free(plain);
}

void via__slab_free_foreign(void *object)
{
    struct plain_object *plain = (struct plain_object *)object - 1;
    struct via__slab *slab = plain->slab;
    free(plain);
    // Release and acquire: as above.
    if (atomic_fetch_sub_explicit(&slab->lives, 1, memory_order_acq_rel) == 1)
        destroy(slab);
}

void via__slab_trim(struct via__slab *slab)
{
    (void)slab;
}

#endif
