/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a process into its role: program, zygote, or worker that was started anew.
 *
 * A started copy is told what it is by one variable in its environment, the *mark*: a descriptor and the
 * inode of the socket it must be.  A constructor of the library takes the mark out of the environment before
 * main(), so nothing that the process starts inherits it, and a stale or forged mark is ignored.
 * via_process_enter() follows the mark.  A copy that comes to via_process_pool_new() with its mark not
 * followed has walked past that line: it says so over the socket and exits with VIA__EXIT_NOT_ENTERED.
 */
#ifndef VIADUCT_PROCESS_ENTER_H
#define VIADUCT_PROCESS_ENTER_H

#include <stddef.h>
#include <stdint.h>

#include "process/why.h"

// The descriptors of a started copy.
enum { VIA__FD_CONTROL = 3, VIA__FD_CONFIG = 4, VIA__FD_DIRECTORY = 5, VIA__FD_FIRST_CHANNEL = 6 };

#define VIA__EXIT_NOT_ENTERED 125

// Which copy it is.
enum via__copy { VIA__COPY_ZYGOTE = 1, VIA__COPY_WORKER = 2 };

// Writes the mark, "VIADUCT_PROCESS=...", for a copy whose control socket will be `control`, by then at
// VIA__FD_CONTROL.  0 or a negative errno.
int via__enter_mark(enum via__copy copy, int control, char *mark, size_t capacity);

// The environment of such a copy: this process's with the mark, in one block for free().  0, VIA_ENOMEM or
// another negative errno.
int via__enter_environment(enum via__copy copy, int control, char ***environment);

// What to execute for a copy of this program: "/proc/self/exe", or the path that the program was started by
// where only that can be read; NULL if what would be started is not this program.
const char *via__enter_program(void);

// The same choice among other paths; either may be NULL.
const char *via__enter_choose(const char *exe, const char *started_by);

// Before anything is started: whether copies of this program can be.  In a copy that has not followed its
// mark it does not return.  0; VIA_ESETUP with what to do: via_process_enter() was not called here, /proc is
// missing, or /proc/self/exe is not this program (ld.so, valgrind, an emulator); VIA_EAGAIN for want of
// descriptors.
int via__enter_check(struct via__why *why);

// What via_process_enter() goes to in a copy; defined by the modules that do it.  Neither returns.
_Noreturn void via__zygote_main(void);
_Noreturn void via__worker_main_fresh(void);

// The first message of a zygote on its control socket; of a worker only if it cannot begin.
struct via__hello {
    uint32_t magic; // VIA__HELLO_MAGIC
    int32_t status; // 0, or a negative status with `text`
    char text[VIA__WHY_BYTES];
};
#define VIA__HELLO_MAGIC 0x76696148u

#endif
