/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger of live blocks: what the library allocated and has not released.
 *
 * It also fills released memory, so that reading it shows.
 */
#ifndef VIADUCT_TESTS_FAULT_LEDGER_H
#define VIADUCT_TESTS_FAULT_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

/* Enters a block; NULL is ignored. */
void ledger_add(void *block, size_t bytes);
/* Whether what this thread enters is left out: it lives as long as the process. */
void ledger_leave_out(bool is_left_out);
/* Strikes a block out before it is released; one that was never entered is ignored. */
void ledger_remove(void *block);
/* The length of a block that is entered; 0 for another. */
size_t ledger_bytes(const void *block);
/* Notes each block that is left and returns how many there are. */
size_t ledger_report(void);

#endif
