/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocation with faults and ledger, for libraries that can be told where to allocate. */
#ifndef VIADUCT_TESTS_FAULT_WRAP_H
#define VIADUCT_TESTS_FAULT_WRAP_H

#include <stddef.h>

#include "inject.h"

/* Allocation that fails as calls of a kind. */
void *wrap_malloc(enum fault_kind kind, size_t bytes);
void *wrap_realloc(enum fault_kind kind, void *block, size_t bytes);

/* libevent's own. */
void *wrap_event_malloc(size_t bytes);
void *wrap_event_realloc(void *block, size_t bytes);
void wrap_event_free(void *block);

/* Has SQLite allocate here from its first call on; 0 if it does. */
int wrap_sqlite_memory(void);

#endif
