/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_THREAD_H
#define VIADUCT_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

// How a thread of the library is to be.  All zero gives a plain one.
struct via__thread_attr {
    size_t stack_bytes; // 0 for the system's default
    const int *cpus;    // NULL for the CPUs of the process's main thread
    size_t cpu_count;
};

// Starts a thread with every signal blocked, and with the main thread's scheduling and CPUs whatever those of
// the calling one; where the system does not permit that, with the calling thread's.  0, or a negative errno:
// VIA_EAGAIN for want of resources, VIA_EINVAL for a bad attribute.
int via__thread_start(pthread_t *thread, const struct via__thread_attr *attr, void *(*fn)(void *arg),
                      void *arg);

// Sets this thread's name, cut to what the system takes.
void via__thread_set_name(const char *name);

// Adds `nice` to the main thread's nice value, for this thread alone where the system can; 0 restores that
// value.  Lowering it needs a privilege; without it nothing changes.
void via__thread_set_nice(int nice);

// The kernel's number of this thread, or 0.
long via__thread_id(void);

// How many CPUs the process may use: the least of affinity and the cgroup's quota, and at least 1.
int via__cpu_count(void);

#endif
