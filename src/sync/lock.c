/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "sync/lock.h"

int via_lock_init(via_loop *loop, struct via_lock *lock)
{
    int status = lock ? via__sync_bind(loop, &loop) : VIA_EINVAL;
    if (status == 0)
        *lock = (struct via_lock){.loop = loop};
    return status;
}

int via_lock_fini(struct via_lock *lock)
{
    if (!lock || !lock->loop)
        return VIA_EINVAL;
    if (lock->owner || lock->away)
        return VIA_EBUSY;
    lock->loop = NULL;
    return 0;
}

static int check(const struct via_lock *lock, struct via__task **task)
{
    int status = lock ? via__sync_check(lock->loop) : VIA_EINVAL;
    return status < 0 ? status : via__task_check_here(task);
}

void via__lock_pass_on(struct via_lock *lock)
{
    struct via__waiter *first = lock->waiters.first;
    lock->owner = first ? first->task->id : 0;
    if (first)
        via__waiter_end(first, first->status);
}

int via_lock_try_acquire(struct via_lock *lock)
{
    struct via__task *task;
    int status = check(lock, &task);
    if (status < 0)
        return status;
    if (lock->owner)
        return lock->owner == task->id ? VIA_EDEADLK : VIA_EBUSY;
    lock->owner = task->id;
    return 0;
}

int via_lock_acquire(struct via_lock *lock)
{
    struct via__task *task;
    int status = via_lock_try_acquire(lock);
    if (status != VIA_EBUSY)
        return status;
    status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter = {.status = 0};
    return via__waiters_wait(&lock->waiters, task, "a lock", &waiter);
}

int via_lock_release(struct via_lock *lock)
{
    struct via__task *task;
    int status = check(lock, &task);
    if (status < 0)
        return status;
    if (lock->owner != task->id)
        return VIA_ESTATE;
    via__lock_pass_on(lock);
    return 0;
}

int via_lock_locked(const struct via_lock *lock)
{
    int status = lock ? via__sync_check(lock->loop) : VIA_EINVAL;
    return status < 0 ? status : lock->owner != 0;
}
