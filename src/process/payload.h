/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads too large for a slot: buffers, which are memfds that both sides map and keep.
 *
 * Program to worker.  A via_buffer is a memfd, sealed against shrinking and growing, and without
 * VIA_BUFFER_WRITABLE against writing by anyone but the program.  Before the first order that names it, its
 * descriptor goes to the worker over the control socket (via__acquaintance_introduce()), which maps it and
 * keeps it mapped; when the program gives the memory up, the worker is told to forget it.  Those that are
 * released go to a cache of the pool's, in classes of size, up to a bound, least recently used first out.
 *
 * Worker to program.  A worker makes memfds of its own for large answers, seals them, and sends the
 * descriptor over its control socket before the answer that names it.  The program checks the seals and the
 * length before it maps them, read-only; without the seals a worker could shrink the file under the program's
 * reads.  When the answer was released the worker is told, and uses the memory again.
 *
 * Trust.  A number in an answer is looked up among the buffers of that worker only; offset and length are
 * checked against the length that fstat() told.  What a worker that has crashed or scribbled could write to
 * is not used again.
 *
 * Threads.  A buffer's references are for any thread; a cache has a lock of its own, after the pool's; an
 * acquaintance is guarded by the pool's lock.
 */
#ifndef VIADUCT_PROCESS_PAYLOAD_H
#define VIADUCT_PROCESS_PAYLOAD_H

#include <stdint.h>

#include <viaduct/buffer.h>

#include "process/channel.h"

// ---- the program's side ----

// The released buffers of one pool, and what it holds in all.
struct via__buffer_cache;

// `cache_bytes` is what is kept at most while nobody uses it.  0 or VIA_ENOMEM.
int via__buffer_cache_new(size_t cache_bytes, struct via__buffer_cache **cache);
// Buffers that are out stay good; they are freed when they come back.
void via__buffer_cache_leave(struct via__buffer_cache *cache);
size_t via__buffer_cache_held(const struct via__buffer_cache *cache); // bytes, used or not

// The cache of a process pool; NULL for other executors.
struct via__buffer_cache *via__process_pool_cache(via_executor *executor);

// As via_buffer_new(); `cache` may be NULL.
int via__buffer_take(struct via__buffer_cache *cache, size_t bytes, unsigned flags, via_buffer **buffer);
uint64_t via__buffer_number(const via_buffer *buffer); // unique in the process, from 1 on
unsigned via__buffer_flags(const via_buffer *buffer);

// Which buffers one worker knows, in both directions.
struct via__acquaintance;

// Borrows the control socket.  0 or VIA_ENOMEM.
int via__acquaintance_new(int control, struct via__acquaintance **acquaintance);

// The worker is gone.  `tainted`: what it could write to is never used again.  Answers that are out stay
// good.
void via__acquaintance_free(struct via__acquaintance *acquaintance, int tainted);

// Makes sure that the worker knows the buffer, and `is_new` whether something was sent, so that a knock is
// due.  0; VIA_EAGAIN if the control socket is full: try again later; another negative status.
int via__acquaintance_introduce(struct via__acquaintance *acquaintance, via_buffer *buffer, int *is_new);

// Sends the open file of an object of the directory, once for each.  The same returns.
int via__acquaintance_send_object(struct via__acquaintance *acquaintance, uint32_t object, int fd,
                                  int *is_new);

// Gives an answer that lies in the worker's memory: its address, and the function that releases it, which any
// thread may call with that address.  0; VIA_ECORRUPT, also if the descriptor never came; VIA_ENOMEM.
int via__acquaintance_answer(struct via__acquaintance *acquaintance, uint64_t number, uint64_t bytes,
                             void **value, void (**destroy)(void *value));

// Tells the worker what it may forget or use again: 1 if something was sent, so that a knock is due; 0.
int via__acquaintance_settle(struct via__acquaintance *acquaintance);

// ---- the worker's side ----

struct via__pantry; // what the worker has mapped

// 0 or VIA_ENOMEM.
int via__pantry_new(int control, struct via__pantry **pantry);

// Takes in what came on the control socket, without waiting; the channel's knock function.
void via__pantry_refresh(void *pantry);

// The memory of a buffer of the program's, waiting for its descriptor if it has not come: 0; a negative
// status if it cannot be mapped, or the program's end is gone.
int via__pantry_view(struct via__pantry *pantry, uint64_t number, uint64_t bytes, int writable, void **data);

// The open file of an object, as via__directory_find() wants it.
int via__pantry_object_fd(void *pantry, uint32_t object);

// Memory for an answer of `bytes`, at least a page, sent to the program if that does not know it: 0;
// VIA_ENOMEM. `keep` bytes of what `data` pointed to before are kept in the new place.
int via__pantry_take(struct via__pantry *pantry, size_t bytes, const void *old, size_t keep, void **data,
                     uint64_t *number);

// The answer did not need it after all.
void via__pantry_give_back(struct via__pantry *pantry, uint64_t number);

#endif
