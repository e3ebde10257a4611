/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <viaduct/barrier.h>

#include "sync/waiters.h"

int via_barrier_init(via_loop *loop, int parties, struct via_barrier *barrier)
{
    int status = barrier && parties >= 1 ? via__sync_bind(loop, &loop) : VIA_EINVAL;
    if (status == 0)
        *barrier = (struct via_barrier){.loop = loop, .parties = parties};
    return status;
}

int via_barrier_fini(struct via_barrier *barrier)
{
    if (!barrier || !barrier->loop)
        return VIA_EINVAL;
    if (barrier->waiters.first)
        return VIA_EBUSY;
    barrier->loop = NULL;
    return 0;
}

static int check(const struct via_barrier *barrier)
{
    return barrier ? via__sync_check(barrier->loop) : VIA_EINVAL;
}

// Lets all go who wait; each has its number from now on.  Returns how many there were.
static int release(struct via_barrier *barrier, int status)
{
    int count = 0;
    while (barrier->waiters.first) {
        barrier->waiters.first->index = count++;
        via__waiter_end(barrier->waiters.first, status);
    }
    return count;
}

static int wait_for_others(struct via_barrier *barrier, int *index)
{
    struct via__task *task;
    int status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter = {.index = 0};
    status = via__waiters_wait(&barrier->waiters, task, "a barrier", &waiter);
    *index = waiter.index;
    return status;
}

int via_barrier_wait(struct via_barrier *barrier, int *index)
{
    struct via__task *task;
    int mine, status = check(barrier);
    if (status == 0)
        status = via__task_check_here(&task);
    if (status < 0)
        return status;
    if (barrier->broken)
        return VIA_EBROKEN;
    if (barrier->waiters.count + 1 == (size_t)barrier->parties)
        mine = release(barrier, 0);
    else
        status = wait_for_others(barrier, &mine);
    if (status == 0 && index)
        *index = mine;
    return status;
}

int via_barrier_reset(struct via_barrier *barrier)
{
    int status = check(barrier);
    if (status < 0)
        return status;
    barrier->broken = 0;
    (void)release(barrier, VIA_EBROKEN);
    return 0;
}

int via_barrier_abort(struct via_barrier *barrier)
{
    int status = check(barrier);
    if (status < 0)
        return status;
    barrier->broken = 1;
    (void)release(barrier, VIA_EBROKEN);
    return 0;
}

int via_barrier_waiting(const struct via_barrier *barrier)
{
    int status = check(barrier);
    return status < 0 ? status : (int)barrier->waiters.count;
}

int via_barrier_is_broken(const struct via_barrier *barrier)
{
    int status = check(barrier);
    return status < 0 ? status : barrier->broken;
}
