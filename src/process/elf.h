/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ELF objects of this process are: where their code is, and what identifies them, loaded or in a
 * file. */
#ifndef VIADUCT_PROCESS_ELF_H
#define VIADUCT_PROCESS_ELF_H

#include <link.h>
#include <stdint.h>

#define VIA__IDENTITY_BYTES 20

enum via__identity_kind { VIA__IDENTITY_BUILD_ID = 1, VIA__IDENTITY_HASH = 2 };

struct via__identity {
    uint8_t kind;
    uint8_t bytes;
    uint8_t id[VIA__IDENTITY_BYTES];
};

int via__identity_equal(const struct via__identity *a, const struct via__identity *b);

// A loaded object, as the loader describes it.  `headers` and `name` are the loader's and good while the
// object is loaded.
struct via__loaded {
    uintptr_t base;
    const ElfW(Phdr) * headers;
    unsigned count;
    int is_program; // the executable itself
    const char *name;
};

// Visits the loaded objects, until one visit returns something other than 0; gives that, or 0.  The loader is
// locked meanwhile.
typedef int (*via__elf_visit_fn)(void *arg, const struct via__loaded *loaded);
int via__elf_each(via__elf_visit_fn visit, void *arg);

// Finds the object whose code holds an address: 1 or 0.
int via__elf_at(const void *address, struct via__loaded *loaded);

// Finds the executable itself: 1, or 0, which is possible where the library is in another namespace.
int via__elf_program(struct via__loaded *loaded);

// Whether an address is in the object, and in code of it.
int via__elf_holds(const struct via__loaded *loaded, const void *address);
int via__elf_has_code(const struct via__loaded *loaded, const void *address);

// What identifies an object: its build-id, or else a hash of its code, as it is in memory or in its file.
void via__elf_identity(const struct via__loaded *loaded, struct via__identity *identity);
// 0; VIA_EINVAL if it is no ELF file of this kind of machine; another negative errno.
int via__elf_file_identity(int fd, struct via__identity *identity);

#endif
