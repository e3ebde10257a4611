/* SPDX-License-Identifier: BSD-3-Clause */
/* libevent's own allocation, with faults and ledger. */
#ifndef VIADUCT_TESTS_FAULT_WRAP_H
#define VIADUCT_TESTS_FAULT_WRAP_H

#include <stddef.h>

void *wrap_event_malloc(size_t bytes);
void *wrap_event_realloc(void *block, size_t bytes);
void wrap_event_free(void *block);

#endif
