/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The counting heap behind the balance check; see heap.c.
 */
#ifndef VIA_TEST_HEAP_H
#define VIA_TEST_HEAP_H

#include <stddef.h>

/* Starts to count: blocks that exist now are none of this test's. */
void via_test_heap_begin(void);
/* Describes the blocks that this test has not freed, for a failure message; returns how many there are. */
size_t via_test_heap_left(char *text, size_t bytes);
/* Whether blocks can be resized, or made so, in this process from now on. */
void via_test_heap_resizes(int can);

#endif
