/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which payloads one worker knows, in both directions: the program's side.
 *
 * Threads.  An acquaintance is guarded by the pool's lock.  What releases an answer may be called by any
 * thread, at any time, also after the worker, the acquaintance and the pool are gone; it takes no lock.
 */
#ifndef VIADUCT_PROCESS_ACQUAINTANCE_H
#define VIADUCT_PROCESS_ACQUAINTANCE_H

#include <stddef.h>
#include <stdint.h>

#include <viaduct/buffer.h>

// Answers up to this length are copied: the program then owns memory that no worker can change.  Longer ones
// are shown where the worker has put them.
#define VIA__ANSWER_COPIED 65536

struct via__acquaintance;

// Borrows the control socket.  `out_most` is the length of the longest answer.  0 or VIA_ENOMEM.
int via__acquaintance_new(int control, size_t out_most, struct via__acquaintance **acquaintance);

// The worker should be gone and is not: what it could write to is never used again, from now on.
void via__acquaintance_taint(struct via__acquaintance *acquaintance);

// The worker is gone.  `tainted`: what it could write to is never used again.  Answers that are out stay
// good.
void via__acquaintance_free(struct via__acquaintance *acquaintance, int tainted);

// Makes sure that the worker knows the buffer, and `is_new` whether something was sent, so that a knock is
// due.  Called for each order that names a buffer, just before it is pushed: what the last 256 calls have
// named is not forgotten to make room.  0; VIA_EAGAIN if the control socket is full: try again later; another
// negative status.
int via__acquaintance_introduce(struct via__acquaintance *acquaintance, via_buffer *buffer, int *is_new);

// The worker has no room for the buffer: the next order that names it introduces it once more.
void via__acquaintance_estrange(struct via__acquaintance *acquaintance, via_buffer *buffer);

// Sends the open file of an object of the directory, once for each that was not estranged.  The same returns.
int via__acquaintance_send_object(struct via__acquaintance *acquaintance, uint32_t object, int fd,
                                  int *is_new);

// The worker has not found the object: its file may have been lost, and the next call of it sends it once
// more.
void via__acquaintance_estrange_object(struct via__acquaintance *acquaintance, uint32_t object);

// Gives an answer that lies in the worker's memory: its address, and the function that releases it, which any
// thread may call with that address.  NULL and NULL for an answer without bytes.  0; VIA_ECORRUPT, also if
// the descriptor never came; VIA_EAGAIN or VIA_ENOMEM if this process has no room for it.
int via__acquaintance_answer(struct via__acquaintance *acquaintance, uint64_t number, uint64_t bytes,
                             void **value, void (**destroy)(void *value));

// Tells the worker what it may forget, and which answers shown in place were released, so that it uses their
// memory again: for each order, since new memory costs far more.  1 if it should look at its control socket
// soon, so that a knock is due; or 0.
int via__acquaintance_tell(struct via__acquaintance *acquaintance);

// The same now and then, and takes in what the worker gives up.  Besides, VIA_ECORRUPT if it has sent
// nonsense.
int via__acquaintance_settle(struct via__acquaintance *acquaintance);

// How much of the worker's memory is mapped here for answers, in bytes.
size_t via__acquaintance_held(const struct via__acquaintance *acquaintance);

#endif
