/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How functions leave a worker other than by returning once: in a copy of the process that they have made, or
 * by ending its thread.
 */
#ifndef VIADUCT_PROCESS_STRAY_H
#define VIADUCT_PROCESS_STRAY_H

// In the zygote, or in a worker that was started anew: `thread_ends` is to be called in a worker's thread
// when that ends, by pthread_exit() or cancelled by another.  0 or VIA_ENOMEM.
int via__stray_prepare(void (*thread_ends)(void));

// In a worker, before its first call.  0 or VIA_ENOMEM.
int via__stray_watch(void);

// Whether this process is a copy of the one that began to watch, however it was made.
int via__stray_is_copy(void);

#endif
