/* SPDX-License-Identifier: BSD-3-Clause */
/* A small table of things by number.  Numbers are not 0, things are not NULL.  Takes no memory while empty.
 */
#ifndef VIADUCT_PROCESS_NUMBERS_H
#define VIADUCT_PROCESS_NUMBERS_H

#include <stdint.h>

struct via__numbered {
    uint64_t number; // 0 for an empty place
    void *thing;
};

struct via__numbers {
    struct via__numbered *places;
    uint32_t capacity; // 0 or a power of two
    uint32_t count;
};

void *via__numbers_find(const struct via__numbers *numbers, uint64_t number); // or NULL

// The number must not be there.  0 or VIA_ENOMEM.
int via__numbers_add(struct via__numbers *numbers, uint64_t number, void *thing);

// Gives what was there, or NULL.
void *via__numbers_remove(struct via__numbers *numbers, uint64_t number);

// One thing after the other, in no order, from `*at` == 0 on; NULL at the end.  The table must not change
// meanwhile.
void *via__numbers_next(const struct via__numbers *numbers, uint32_t *at);

void via__numbers_free(struct via__numbers *numbers);

#endif
