/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_PROCESS_POINTERS_H
#define VIADUCT_PROCESS_POINTERS_H

#include <stddef.h>

// Looks for what might be an address of this process's stack, heap or program among the words of an input:
// its offset in bytes, or -1.  A guess, for debug mode: a number can look like an address, and addresses
// elsewhere are not known.
long via__pointers_find(const void *in, size_t bytes);

#endif
