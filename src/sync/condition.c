/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A condition's waiter is in two lines, one after the other: it waits to be notified, and then for the lock.
 * The task is woken once, when it has both.  A notification moves the waiter, and so does an interrupt, so
 * that in the second line it has a status already; nothing takes it out of there but the lock.
 *
 * One thing may: when the loop is being closed, and nothing else is left that could happen, nobody will ever
 * release the lock.
 */
#include <config.h>

#include <limits.h>

#include "sync/lock.h"

struct condition_wait {
    struct via__waiter waiter; // first
    struct via_lock *lock;
};

static void keep_waiting(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    (void)wait;
}

static void give_up(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    via__waiter_end((struct via__waiter *)wait, VIA_EDEADLK);
}

// The wait is over with this, as soon as the task has the lock.
static void relock(struct condition_wait *wait, int status)
{
    struct via__waiter *waiter = &wait->waiter;
    struct via_lock *lock = wait->lock;
    via__waiters_remove(waiter);
    waiter->status = status;
    waiter->wait.what = "the lock of a condition";
    waiter->wait.cancel = keep_waiting;
    waiter->wait.give_up = give_up;
    via__waiters_push(&lock->waiters, waiter);
    if (!lock->owner)
        via__lock_pass_on(lock);
}

static void cut(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    relock((struct condition_wait *)wait, VIA_ECANCELED);
}

int via_condition_init(struct via_lock *lock, struct via_condition *condition)
{
    if (!lock || !lock->loop || !condition)
        return VIA_EINVAL;
    *condition = (struct via_condition){.lock = lock};
    return 0;
}

int via_condition_fini(struct via_condition *condition)
{
    if (!condition || !condition->lock)
        return VIA_EINVAL;
    if (condition->waiters.first)
        return VIA_EBUSY;
    condition->lock = NULL;
    return 0;
}

// Whether the task that runs has the lock: 0 with the task.
static int check(const struct via_condition *condition, struct via__task **task)
{
    if (!condition || !condition->lock)
        return VIA_EINVAL;
    int status = via__sync_check(condition->lock->loop);
    if (status == 0)
        status = via__task_check_here(task);
    if (status == 0 && condition->lock->owner != (*task)->id)
        status = VIA_ESTATE;
    return status;
}

int via_condition_wait(struct via_condition *condition)
{
    struct via__task *task;
    int status = check(condition, &task);
    if (status == 0)
        status = via__task_check_wait(&task);
    // The one thing that may fail comes before the lock is given up.
    if (status == 0 && task->deadline_ns != VIA_FOREVER)
        status = via__task_arm(task, task->deadline_ns);
    if (status < 0)
        return status;
    struct condition_wait wait = {
        .waiter = {.wait = {.what = "a condition", .until_ns = VIA_FOREVER, .must = 1, .cancel = cut},
                   .task = task},
        .lock = condition->lock};
    via__waiters_push(&condition->waiters, &wait.waiter);
    wait.lock->away++;
    via__lock_pass_on(wait.lock);
    (void)via__task_wait(task, &wait.waiter.wait);
    wait.lock->away--;
    return wait.waiter.status;
}

int via_condition_wait_for(struct via_condition *condition, int (*predicate)(void *arg), void *arg)
{
    struct via__task *task;
    int status = predicate ? check(condition, &task) : VIA_EINVAL;
    if (status < 0)
        return status;
    // The last time when it has been interrupted: what has come about by then counts.
    int said = predicate(arg);
    while (said == 0 && status == 0) {
        status = via_condition_wait(condition);
        if (status == 0 || status == VIA_ECANCELED)
            said = predicate(arg);
    }
    return said != 0 ? said : status;
}

int via_condition_notify(struct via_condition *condition, int count)
{
    struct via__task *task;
    int status = count >= 0 ? check(condition, &task) : VIA_EINVAL;
    if (status < 0)
        return status;
    for (; count > 0 && condition->waiters.first; count--)
        relock((struct condition_wait *)condition->waiters.first, 0);
    return 0;
}

int via_condition_notify_all(struct via_condition *condition)
{
    return via_condition_notify(condition, INT_MAX);
}
