/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list is a hash table of chains.  Whoever has a pointer of the program's looks for it there, under the
 * lock of its chain, which comes last of all locks; a buffer that is found has a reference of the library's
 * for as long as that lock is held.
 */
#include <config.h>

#include <pthread.h>

#include <viaduct/error.h>

#include "executor/buffer.h"

#define LOCKS  16  // a power of two
#define CHAINS 512 // a multiple of it

#define MUTEX_4                                                                                              \
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER
static pthread_mutex_t locks[LOCKS] = {MUTEX_4, MUTEX_4, MUTEX_4, MUTEX_4};
static via_buffer *chains[CHAINS];

static unsigned chain_of(const via_buffer *buffer)
{
    uint64_t hash = ((uint64_t)(uintptr_t)buffer >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned)(hash >> 55); // 9 bits: CHAINS
}

static void lock_chain(unsigned chain)
{
    pthread_mutex_lock(&locks[chain % LOCKS]);
}

static void unlock_chain(unsigned chain)
{
    pthread_mutex_unlock(&locks[chain % LOCKS]);
}

// Where the chain points to the buffer; to NULL at its end if it is not there.  Under the lock.
static via_buffer **find(unsigned chain, const via_buffer *buffer)
{
    via_buffer **at = &chains[chain];
    while (*at && *at != buffer)
        at = &(*at)->next;
    return at;
}

// The buffer, if the program has references of it, else NULL.  Under the lock.
static via_buffer *look_up(unsigned chain, const via_buffer *buffer)
{
    return *find(chain, buffer);
}

void via__buffer_publish(via_buffer *buffer)
{
    unsigned chain = chain_of(buffer);
    lock_chain(chain);
    buffer->users = 1;
    buffer->next = chains[chain];
    chains[chain] = buffer;
    unlock_chain(chain);
}

int via__buffer_hold(via_buffer *buffer, size_t bytes)
{
    unsigned chain = chain_of(buffer);
    lock_chain(chain);
    via_buffer *found = look_up(chain, buffer);
    int is_good = found && bytes <= found->bytes;
    // Relaxed: it is made from the one that the program's references are.
    if (is_good)
        atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
    unlock_chain(chain);
    return is_good ? 0 : VIA_EINVAL;
}

void via__buffer_drop(via_buffer *buffer)
{
    // Release and acquire: what every user did with the memory comes before it is used again.
    if (buffer && atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1)
        buffer->last(buffer);
}

via_buffer *via_buffer_ref(via_buffer *buffer)
{
    unsigned chain = chain_of(buffer);
    lock_chain(chain);
    via_buffer *found = look_up(chain, buffer);
    if (found)
        found->users++;
    unlock_chain(chain);
    return found;
}

via_buffer *via_buffer_unref(via_buffer *buffer)
{
    unsigned chain = chain_of(buffer);
    lock_chain(chain);
    via_buffer **at = find(chain, buffer), *found = *at;
    int is_last = found && --found->users == 0;
    if (is_last)
        *at = found->next;
    unlock_chain(chain);
    if (is_last)
        via__buffer_drop(found);
    return NULL;
}

void *via_buffer_data(const via_buffer *buffer)
{
    unsigned chain = chain_of(buffer);
    lock_chain(chain);
    const via_buffer *found = look_up(chain, buffer);
    void *data = found ? found->data : NULL;
    unlock_chain(chain);
    return data;
}

size_t via_buffer_bytes(const via_buffer *buffer)
{
    unsigned chain = chain_of(buffer);
    lock_chain(chain);
    const via_buffer *found = look_up(chain, buffer);
    size_t bytes = found ? found->bytes : 0;
    unlock_chain(chain);
    return bytes;
}

void via__buffer_reset(void)
{
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&locks[i], NULL);
}
