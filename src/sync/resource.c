/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "sync/resource.h"

int via__resource_enter(const struct via_resource *resource, void **value)
{
    *value = resource->self;
    int status = resource->enter ? resource->enter(resource->self, value) : 0;
    // There is no success but 0, and what failed was not entered.
    return status > 0 ? VIA_EFAILED : status;
}

static int is_cancellation(int status)
{
    return status == VIA_ECANCELED || status == VIA_EABORTED;
}

int via__resource_leave(struct via__task *task, const struct via_resource *resource, int status)
{
    struct via_scope shield;
    if (!resource->leave)
        return status;
    via__scope_open(task, &shield, VIA__SCOPE_SHIELD, VIA_FOREVER);
    int left = resource->leave(resource->self, status);
    via__scope_close(task, &shield);
    if (status != 0 && left != 0 && left != status && !is_cancellation(status))
        via__loop_report(task->tasks->loop, "a failure was covered up by that of leaving a resource",
                         status > 0 ? VIA_EFAILED : status, via__task_future(task), NULL);
    return left;
}

int via_with(struct via_resource resource, via_body_fn body, void *arg)
{
    struct via__task *task;
    void *value;
    int status = body ? via__task_check_here(&task) : VIA_EINVAL;
    if (status == 0)
        status = via__resource_enter(&resource, &value);
    return status < 0 ? status : via__resource_leave(task, &resource, body(value, arg));
}

// ---- resources of the library ----

static int enter_lock(void *self, void **value)
{
    (void)value;
    return via_lock_acquire(self);
}

// A failure of the code inside tells more than one of the release.
static int first_failure(int status, int then)
{
    return status != 0 ? status : then;
}

static int leave_lock(void *self, int status)
{
    return first_failure(status, via_lock_release(self));
}

struct via_resource via_lock_resource(struct via_lock *lock)
{
    return (struct via_resource){.self = lock, .enter = enter_lock, .leave = leave_lock};
}

static int enter_semaphore(void *self, void **value)
{
    (void)value;
    return via_semaphore_acquire(self);
}

static int leave_semaphore(void *self, int status)
{
    return first_failure(status, via_semaphore_release(self));
}

struct via_resource via_semaphore_resource(struct via_semaphore *semaphore)
{
    return (struct via_resource){.self = semaphore, .enter = enter_semaphore, .leave = leave_semaphore};
}

static int enter_coro(void *self, void **value)
{
    int status = via_coro_next(self, value);
    if (status == 1)
        return 0;
    return status == 0 ? VIA_ESTATE : status;
}

static int leave_coro(void *self, int status)
{
    int thrown = status > 0 ? VIA_EFAILED : status;
    int left = thrown < 0 ? via_coro_throw(self, thrown, NULL) : via_coro_next(self, NULL);
    if (left == 1) {
        (void)via_coro_close(self);
        return VIA_ESTATE;
    }
    return status > 0 && left == thrown ? status : left; // the same failure, with its code
}

struct via_resource via_coro_resource(via_coro *coro)
{
    return (struct via_resource){.self = coro, .enter = enter_coro, .leave = leave_coro};
}

static int leave_closing(void *self, int status)
{
    int closed = via_coro_close(self);
    return closed < 0 ? closed : status;
}

struct via_resource via_coro_closing(via_coro *coro)
{
    return (struct via_resource){.self = coro, .leave = leave_closing};
}
