/* SPDX-License-Identifier: BSD-3-Clause */
/* What a condition needs of its lock. */
#ifndef VIADUCT_SYNC_LOCK_H
#define VIADUCT_SYNC_LOCK_H

#include <viaduct/lock.h>

#include "sync/waiters.h"

// Makes the first who waits the owner, or nobody.
void via__lock_pass_on(struct via_lock *lock);

#endif
