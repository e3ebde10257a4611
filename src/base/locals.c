/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local values.
 *
 * A set of values is shared by all who began with it, in several threads, and is not changed then: whoever
 * changes it makes a copy.  Only a set with a single reference, the one in `via__role.locals`, is changed in
 * place.  Each value is in a box that the sets share in turn; the last one destroys it.
 *
 * Who runs in a thread has its reference in `via__role.locals`; tasks and calls exchange it when they begin
 * and end.  What is there when the thread ends is the thread's own, and goes by a destructor of
 * thread-specific data.
 *
 * A name is a number that is used once, so a value whose name was freed is found by nobody.
 */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>
#include <viaduct/local.h>

#include "base/locals.h"

struct via_local {
    uint64_t id;
    void (*destroy)(void *value);
};

struct box {
    _Atomic uint32_t refs;
    void (*destroy)(void *value);
    void *value;
};

struct entry {
    uint64_t id;
    struct box *box;
};

struct via__locals {
    _Atomic uint32_t refs;
    uint32_t count;
    struct entry entries[];
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_made;
static const char rounds[2]; // of the destructors; only the addresses count
static _Atomic uint64_t names;

static struct box *ref_box(struct box *box)
{
    // Relaxed: the caller has a reference.
    if (box)
        atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
    return box;
}

static void unref_box(struct box *box)
{
    // Release and acquire: what each holder did with the value comes before it is destroyed.
    if (!box || atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (box->destroy)
        box->destroy(box->value);
    free(box);
}

struct via__locals *via__locals_ref(struct via__locals *locals)
{
    // Relaxed: the caller has a reference.
    if (locals)
        atomic_fetch_add_explicit(&locals->refs, 1, memory_order_relaxed);
    return locals;
}

void via__locals_unref(struct via__locals *locals)
{
    // Release and acquire: what each holder did comes before the set goes, or is changed in place.
    if (!locals || atomic_fetch_sub_explicit(&locals->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < locals->count; i++)
        unref_box(locals->entries[i].box);
    free(locals);
}

static struct entry *find(struct via__locals *locals, uint64_t id)
{
    for (uint32_t i = 0; locals && i < locals->count; i++)
        if (locals->entries[i].id == id)
            return &locals->entries[i];
    return NULL;
}

// In the second round: what the end of the thread has broken off, a call or a task, gives the thread's own
// values back in the first.
static void thread_ended(void *round)
{
    if (round == &rounds[0] && pthread_setspecific(key, &rounds[1]) == 0)
        return;
    struct via__locals *locals = via__role.locals;
    via__role.locals = NULL;
    via__locals_unref(locals);
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, thread_ended) == 0;
}

// Has the thread's own values released when it ends.
static int guard_thread(void)
{
    pthread_once(&key_once, make_key);
    if (!key_made)
        return VIA_ENOMEM;
    return pthread_getspecific(key) || pthread_setspecific(key, &rounds[0]) == 0 ? 0 : VIA_ENOMEM;
}

// A set like this one, with room for one more, of which nobody else knows.
static struct via__locals *copy(const struct via__locals *from)
{
    uint32_t count = from ? from->count : 0;
    struct via__locals *made = malloc(sizeof *made + (count + 1) * sizeof made->entries[0]);
    if (!made)
        return NULL;
    atomic_init(&made->refs, 1);
    made->count = count;
    for (uint32_t i = 0; i < count; i++)
        made->entries[i] = (struct entry){from->entries[i].id, ref_box(from->entries[i].box)};
    return made;
}

static int is_shared(const struct via__locals *locals)
{
    // Acquire: pairs with the release in via__locals_unref(), so that others have read what is changed here.
    return atomic_load_explicit(&locals->refs, memory_order_acquire) != 1;
}

// Makes the set of what runs here one that may be changed, with room for another name if `id` is not there.
static struct via__locals *make_own(uint64_t id)
{
    struct via__locals *locals = via__role.locals;
    if (locals && !is_shared(locals) && find(locals, id))
        return locals;
    struct via__locals *own = copy(locals);
    if (!own)
        return NULL;
    via__role.locals = own;
    via__locals_unref(locals);
    return own;
}

// Takes a box in for a name, or takes the name out for NULL; gives what there was.  0 or VIA_ENOMEM.
static int exchange(uint64_t id, struct box *box, struct box **before)
{
    struct via__locals *own = make_own(id);
    if (!own)
        return VIA_ENOMEM;
    struct entry *entry = find(own, id);
    *before = entry ? entry->box : NULL;
    if (!entry && box)
        own->entries[own->count++] = (struct entry){id, box};
    else if (entry && box)
        entry->box = box;
    else if (entry)
        *entry = own->entries[--own->count];
    if (!own->count) {
        via__role.locals = NULL;
        via__locals_unref(own);
    }
    return 0;
}

int via_local_new(void (*destroy)(void *value), via_local **local)
{
    if (!local)
        return VIA_EINVAL;
    via_local *made = malloc(sizeof *made);
    if (!made)
        return VIA_ENOMEM;
    // Relaxed: only that it is another number counts.
    *made =
        (via_local){.id = atomic_fetch_add_explicit(&names, 1, memory_order_relaxed) + 1, .destroy = destroy};
    *local = made;
    return 0;
}

via_local *via_local_free(via_local *local)
{
    free(local);
    return NULL;
}

int via_local_set(const via_local *local, void *value, struct via_local_token *token)
{
    struct box *before;
    if (!local)
        return VIA_EINVAL;
    struct box *box = malloc(sizeof *box);
    if (!box)
        return VIA_ENOMEM;
    *box = (struct box){.destroy = local->destroy, .value = value};
    atomic_init(&box->refs, 1);
    int status = guard_thread();
    if (status == 0)
        status = exchange(local->id, box, &before);
    if (status < 0) {
        free(box);
        return status;
    }
    if (token)
        *token = (struct via_local_token){.id = local->id, .before = before};
    else
        unref_box(before);
    return 0;
}

void *via_local_get(const via_local *local)
{
    struct entry *entry = local ? find(via__role.locals, local->id) : NULL;
    return entry ? entry->box->value : NULL;
}

int via_local_reset(struct via_local_token *token)
{
    struct box *before;
    if (!token)
        return VIA_EINVAL;
    if (!token->id)
        return VIA_ESTATE;
    int status = exchange(token->id, token->before, &before);
    if (status < 0)
        return status;
    *token = (struct via_local_token){.id = 0};
    unref_box(before);
    return 0;
}
