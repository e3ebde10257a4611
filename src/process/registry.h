/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry of names: see via_process_register().  A function that has a name is entered in a directory,
 * and found by a worker, by it.
 */
#ifndef VIADUCT_PROCESS_REGISTRY_H
#define VIADUCT_PROCESS_REGISTRY_H

#define VIA__REGISTRY_NAME_BYTES 200

// The name of a function, which stays good, or NULL.
const char *via__registry_name(const void *function);

// The function of a name, or NULL.
void *via__registry_find(const char *name);

#endif
