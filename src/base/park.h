/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A parker: one thread sleeps on it, others wake that thread.
 *
 * A wake that comes first is kept as a token, so it is never lost; several wakes make one token.  What the
 * waker wrote before via__unpark() is visible to the sleeper after via__park() returned 0.
 *
 * The waker's last access to the parker is one atomic exchange.  A sleeper that knows its waker has done that
 * exchange may therefore free the parker, although the waker has still to enter the kernel: a futex wake for
 * an address that is gone wakes nobody.  (Without futexes the exchange is made under a mutex and the sleeper
 * must be told through a lock of the caller's; every user in the library does that.)
 */
#ifndef VIADUCT_BASE_PARK_H
#define VIADUCT_BASE_PARK_H

#include <stdatomic.h>
#include <stdint.h>
#ifndef HAVE_LINUX_FUTEX_H
#include <pthread.h>
#endif

struct via__parker {
    _Atomic uint32_t state;
#ifndef HAVE_LINUX_FUTEX_H
    pthread_mutex_t mutex;
    pthread_cond_t cond;
#endif
};

void via__parker_init(struct via__parker *parker);
void via__parker_fini(struct via__parker *parker);

// Sleeps until there is a token, and takes it: 0; or until `deadline_ns`: VIA_ETIMEDOUT.
int via__park(struct via__parker *parker, int64_t deadline_ns);

// Leaves a token and wakes the sleeper.
void via__unpark(struct via__parker *parker);

#endif
