/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slab: objects of one size for one owner, freed by any thread.
 *
 * Invariants.  Only the owner allocates, so its free list needs no lock.  A foreign thread pushes the object
 * on `returned`, a stack that only the owner pops, as a whole: no ABA.  The slab outlives its owner for as
 * long as objects are out: after the owner has left `lives` counts the objects that foreign threads have yet
 * to return, and whoever brings it to zero frees the chunks.
 *
 * Objects are aligned to 64 bytes and come back last in first out, so a busy loop stays in few cache lines.
 * Memory goes back to the system only when the slab ends or is trimmed while nothing is out.
 */
#ifndef VIADUCT_BASE_SLAB_H
#define VIADUCT_BASE_SLAB_H

#include <stddef.h>

struct via__slab;

// `object_bytes` is a multiple of 64.  NULL if memory ran out.
struct via__slab *via__slab_new(size_t object_bytes);

// The owner leaves: nothing is allocated any more.  Objects that are out stay good.
void via__slab_leave(struct via__slab *slab);

// By the owner.  Uninitialised memory, or NULL.
void *via__slab_alloc(struct via__slab *slab);

// By the owner, before via__slab_leave().
void via__slab_free(void *object);

// By any thread, at any time.
void via__slab_free_foreign(void *object);

// By the owner: gives the chunks back if no object is out.
void via__slab_trim(struct via__slab *slab);

#endif
