/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <limits.h>

#include <viaduct/semaphore.h>

#include "sync/waiters.h"

int via_semaphore_init(via_loop *loop, int value, int bound, struct via_semaphore *semaphore)
{
    if (!semaphore || value < 0 || bound < 0 || (bound && value > bound))
        return VIA_EINVAL;
    int status = via__sync_bind(loop, &loop);
    if (status == 0)
        *semaphore = (struct via_semaphore){.loop = loop, .value = value, .bound = bound ? bound : INT_MAX};
    return status;
}

int via_semaphore_fini(struct via_semaphore *semaphore)
{
    if (!semaphore || !semaphore->loop)
        return VIA_EINVAL;
    if (semaphore->waiters.first)
        return VIA_EBUSY;
    semaphore->loop = NULL;
    return 0;
}

static int check(const struct via_semaphore *semaphore)
{
    return semaphore ? via__sync_check(semaphore->loop) : VIA_EINVAL;
}

int via_semaphore_try_acquire(struct via_semaphore *semaphore)
{
    int status = check(semaphore);
    if (status < 0)
        return status;
    if (semaphore->value == 0)
        return VIA_EBUSY;
    semaphore->value--;
    return 0;
}

int via_semaphore_acquire(struct via_semaphore *semaphore)
{
    struct via__task *task;
    int status = check(semaphore);
    if (status == 0)
        status = via__task_check_here(&task);
    if (status == 0)
        status = via_semaphore_try_acquire(semaphore);
    if (status != VIA_EBUSY)
        return status;
    status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter;
    return via__waiters_wait(&semaphore->waiters, task, "a semaphore", &waiter);
}

int via_semaphore_release(struct via_semaphore *semaphore)
{
    int status = check(semaphore);
    if (status < 0)
        return status;
    if (semaphore->value == semaphore->bound)
        return VIA_ESTATE;
    if (semaphore->waiters.first)
        via__waiter_end(semaphore->waiters.first, 0);
    else
        semaphore->value++;
    return 0;
}

int via_semaphore_value(const struct via_semaphore *semaphore)
{
    int status = check(semaphore);
    return status < 0 ? status : semaphore->value;
}
