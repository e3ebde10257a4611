/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The value of a gather: an array of outcomes that owns its parts.
 *
 * The program holds the address of the first outcome; the head is in front of it.  The whole may go in any
 * thread, so texts are kept alive through concurrent futures.
 */
#ifndef VIADUCT_COMBINE_OUTCOMES_H
#define VIADUCT_COMBINE_OUTCOMES_H

#include "combine/combine.h"

struct via__outcomes {
    size_t count;
    via_cfuture **kept; // behind the outcomes: whose text an outcome shows, or NULL
    struct via_outcome at[];
};

// All zero; NULL if memory ran out.
struct via__outcomes *via__outcomes_new(size_t count);

// The array that a value is.
struct via__outcomes *via__outcomes_of(void *value);

// A destructor for the value.
void via__outcomes_destroy(void *value);

// Reads what a done future would give to whoever awaits it: 0 or the error.
int via__outcome_look(via_future *future, struct via_outcome *outcome);

// Moves what a done future gives into the array.
void via__outcomes_take(struct via__outcomes *outcomes, size_t at, via_future *future);

// Shows at one place what another one owns.
void via__outcomes_share(struct via__outcomes *outcomes, size_t at, size_t first);

#endif
