/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of calls that end badly, in a program that is built in many ways. */
#ifndef VIA_TEST_VARIANT_ROWS_H
#define VIA_TEST_VARIANT_ROWS_H

#include <stdatomic.h>

#include <viaduct/call.h>

/* The functions, which are the program's own or a plugin's. */
struct variant_functions {
    via_bytes_fn die, leave, overflow, hang, spin, stay, run_wild, count, fail_to_begin;
};

/* Shared with stay(). */
struct variant_board {
    _Atomic long pid, parent;
    _Atomic int open;
};

/* The input of count(): the file to note the number in, and the signal to die of or 0. */
struct variant_tally {
    char path[64];
    int number, signo;
};

VIA_PUBLIC const struct variant_functions *variant_functions(void);

/* Goes through every row, and prints each with what was wrong; the exit status for main(). */
int variant_rows(const struct variant_functions *functions);

#endif
