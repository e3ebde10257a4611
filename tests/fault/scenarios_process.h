/* SPDX-License-Identifier: BSD-3-Clause */
/* What the scenarios of process pools share. */
#ifndef VIADUCT_TESTS_FAULT_SCENARIOS_PROCESS_H
#define VIADUCT_TESTS_FAULT_SCENARIOS_PROCESS_H

#include "scenario.h"

enum { SMALL_BYTES = 16, TRIES = 3 };

/* NULL if a fault prevents it. */
via_executor *pool_over(int transport, int workers);
/* A fault that comes once may have cost one call. */
void check_and_shut(via_executor *pool);
/* For workers: answers with its input. */
int give_back(via_bytes_call *call, const void *in, size_t bytes);
/* NULL if a fault prevents it. */
via_cfuture *submit_bytes(via_executor *pool, via_bytes_fn fn, const void *in, size_t bytes);
/* Waits for a call and checks that its answer is so many times a byte; -1 for what the answer is not asked.
 * Returns whether it has worked. */
bool finish(via_cfuture *cf, size_t bytes, int byte);
/* Waits for a call that ends in a certain way unless a fault has it end in another.  Returns whether it has.
 */
bool finish_with(via_cfuture *cf, int status);
/* The pool has to be of use after what has happened: a fault that came once may cost one more call. */
void check_alive(via_executor *pool);

void run_named(void);
void run_plugin_shared(void);
void run_plugin_socket(void);

#endif
