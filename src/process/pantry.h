/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's side of payloads: what it has mapped of the program's, and what it keeps for answers.
 *
 * For one thread.  A function runs between via__pantry_view() and via__pantry_rest(); what may be written to
 * meanwhile is the input, where the program allows that, and the answer.
 */
#ifndef VIADUCT_PROCESS_PANTRY_H
#define VIADUCT_PROCESS_PANTRY_H

#include <stddef.h>
#include <stdint.h>

struct via__pantry;

// Borrows the control socket.  0 or VIA_ENOMEM.
int via__pantry_new(int control, struct via__pantry **pantry);

// Unmaps everything.  For tests: a worker just exits.
void via__pantry_free(struct via__pantry *pantry);

// Takes in what came on the control socket, without waiting; the channel's knock function.
void via__pantry_refresh(void *pantry);

// The memory of a buffer of the program's, waiting for its descriptor if it has not come: 0; a negative
// status if it cannot be mapped, or the program's end is gone.
int via__pantry_view(struct via__pantry *pantry, uint64_t number, uint64_t bytes, int writable, void **data);

// The open file of an object, as via__directory_find() wants it, VIA_EAGAIN if one was lost, or -1.  Stays
// the pantry's, which closes it when it is next refreshed.
int via__pantry_object_fd(void *pantry, uint32_t object);

// Memory for an answer of `bytes`, at least a page, sent to the program if that does not know it: 0;
// VIA_ENOMEM.  `old` is what the last call of it for this order gave, or other memory with the answer so far,
// or NULL: its first `keep` bytes are kept in the new place, which may be the old one.  What the pantry gave
// before is given back.
int via__pantry_take(struct via__pantry *pantry, size_t bytes, const void *old, size_t keep, void **data,
                     uint64_t *number);

// The answer did not need it after all.
void via__pantry_give_back(struct via__pantry *pantry, uint64_t number);

// Called for every order, before it runs: the program has taken so many answers, counted from the worker's
// first and wrapping.  What it has copied can be used again.
void via__pantry_taken(struct via__pantry *pantry, uint16_t taken);

// Called for every order, after it ran and its answer was filled in: nothing of its payloads is written to
// any more.
void via__pantry_rest(struct via__pantry *pantry);

#endif
