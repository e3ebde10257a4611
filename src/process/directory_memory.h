/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands in a directory's memory.  The program only ever adds; a record is complete before its number
 * is given to anyone.  Most of the memory is never touched, and so takes no room.
 */
#ifndef VIADUCT_PROCESS_DIRECTORY_MEMORY_H
#define VIADUCT_PROCESS_DIRECTORY_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>

#include "process/directory.h"
#include "process/elf.h"

#define VIA__DIRECTORY_MAGIC   0x76696144u
#define VIA__DIRECTORY_OBJECTS 4096
#define VIA__DIRECTORY_STRINGS (4 << 20)

struct via__directory_function {
    uint64_t offset;
    uint32_t object;
    uint32_t name; // where the registered name begins in the strings; 0 for none
};

struct via__directory_object {
    struct via__identity identity;
    uint32_t path; // where it begins in the strings
};

struct via__directory_memory {
    uint32_t magic;
    uint32_t bytes;
    _Atomic uint32_t functions;                                            // how many there are
    struct via__directory_function function[VIA__DIRECTORY_FUNCTIONS + 1]; // from number 1 on
    struct via__directory_object object[VIA__DIRECTORY_OBJECTS];           // number 0 is the program
    char strings[VIA__DIRECTORY_STRINGS];                                  // the first is empty
};

#endif
