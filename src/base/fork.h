/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_FORK_H
#define VIADUCT_BASE_FORK_H

// Counts the forks between the first process and this one.  An object that remembers the number it was made
// under knows whether it belongs to a parent.
unsigned via__fork_generation(void);

// Installs the fork handlers; every constructor of a shared object calls it.  0 or a negative errno.
int via__fork_watch(void);

#endif
