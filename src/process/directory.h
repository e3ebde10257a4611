/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of a pool: its functions, numbered, in memory that the program writes and workers only read.
 *
 * A call carries the number.  A worker finds the function when it meets the number for the first time, and
 * keeps the address.  The memory is a memfd sealed against shrinking, growing and, once the program has
 * mapped it, writing by anyone else; a worker checks what it reads nevertheless, since that costs nothing.
 *
 * Threads.  via__directory_enter() is for any thread of the program: a hit in its cache takes no lock; adding
 * takes the directory's own lock, inside which nothing is locked.  The worker's side has one thread.
 */
#ifndef VIADUCT_PROCESS_DIRECTORY_H
#define VIADUCT_PROCESS_DIRECTORY_H

#include <stdint.h>

#include "process/why.h"

#define VIA__DIRECTORY_FUNCTIONS 65535

struct via__directory;

// 0; VIA_ENOMEM; another negative errno.
int via__directory_new(struct via__directory **directory);
void via__directory_free(struct via__directory *directory);

// The memfd, for workers to map; stays the directory's.
int via__directory_fd(const struct via__directory *directory);

// The number of a function, from 1 on, the same for the same function.  0; VIA_EINVAL if it cannot run apart;
// VIA_ENOTSUP if there are too many; VIA_ENOMEM; VIA_EAGAIN for want of descriptors.
int via__directory_enter(struct via__directory *directory, void *function, uint32_t *number,
                         struct via__why *why);

// What stands under a number: the function's address here, and the number of its object, from 1 on; 0 is the
// program itself, which every worker has.
void *via__directory_function(const struct via__directory *directory, uint32_t number);
uint32_t via__directory_object(const struct via__directory *directory, uint32_t number);

// The open file of an object, to be sent to a worker before the first call that needs it; -1 if there is
// none.
int via__directory_object_fd(const struct via__directory *directory, uint32_t object);

// How many objects there are.
uint32_t via__directory_objects(const struct via__directory *directory);

struct via__directory_view; // the worker's

// 0 or a negative status.  `fd` stays the caller's.
int via__directory_map(int fd, struct via__directory_view **view);

// Gives the open file of an object, VIA_EAGAIN if it was lost for want of descriptors or memory, or -1; it
// stays the giver's, who may close it when the find is over.
typedef int (*via__directory_object_fn)(void *arg, uint32_t object);

// Finds a function.  `object_fd` is asked only for an object that is not at its path as the program has it,
// and no more once it has given a file; NULL for none.  0; VIA_ENOENT, or
// VIA_EAGAIN for want of descriptors or memory, with why; VIA_ENOMEM.
int via__directory_find(struct via__directory_view *view, uint32_t number, via__directory_object_fn object_fd,
                        void *arg, void **function, struct via__why *why);

// Finds, at their paths, all functions that have been entered so far: before a sandbox shuts the files away.
// What is missing is told when it is called.
void via__directory_find_all(struct via__directory_view *view);

#endif
