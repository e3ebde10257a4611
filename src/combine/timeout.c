/* SPDX-License-Identifier: BSD-3-Clause */
/* Time limits: scopes of a task whose awaits fail from a moment on. */
#include <config.h>

#include <viaduct/timeout.h>

#include "base/clock.h"
#include "task/section.h"

static int begin(int64_t when_ns, struct via__task *task, struct via_scope *scope)
{
    if (via__scope_is_open(task, scope))
        return VIA_ESTATE;
    via__scope_open(task, scope, VIA__SCOPE_TIMEOUT, when_ns);
    int status = via__section_keep(task, scope);
    if (status < 0)
        return status;
    // One that is over is seen by the awaits without a timer.
    int is_over = task->deadline_ns <= via_loop_time_ns(task->tasks->loop);
    status = is_over ? 0 : via__task_arm(task, task->deadline_ns);
    if (status < 0)
        via__scope_close(task, scope);
    return status;
}

int via_timeout_begin_at(int64_t when_ns, struct via_scope *scope)
{
    struct via__task *task;
    int status = scope ? via__task_check_here(&task) : VIA_EINVAL;
    return status < 0 ? status : begin(when_ns, task, scope);
}

int via_timeout_begin(int64_t timeout_ns, struct via_scope *scope)
{
    struct via__task *task;
    int status = scope ? via__task_check_here(&task) : VIA_EINVAL;
    if (status < 0)
        return status;
    int64_t now_ns = via_loop_time_ns(task->tasks->loop);
    return begin(timeout_ns == VIA_FOREVER ? VIA_FOREVER : via__deadline_after(now_ns, timeout_ns), task,
                 scope);
}

int via_timeout_end(struct via_scope *scope, int status)
{
    struct via__task *task;
    int checked = scope ? via__task_check_here(&task) : VIA_EINVAL;
    if (checked < 0)
        return checked;
    if (task->scopes != scope || scope->kind != VIA__SCOPE_TIMEOUT)
        return VIA_ESTATE;
    via__scope_close(task, scope);
    via__task_disarm_stale(task);
    // What is outside of the scope comes first: a request to stop, or a limit that is over as well.
    return status == VIA_ECANCELED && scope->cut && via__task_interrupted(task) == 0 ? VIA_ETIMEDOUT : status;
}

int via_timeout_reschedule(struct via_scope *scope, int64_t when_ns)
{
    if (!scope)
        return VIA_EINVAL;
    if (!scope->task || scope->kind != VIA__SCOPE_TIMEOUT || scope->cut)
        return VIA_ESTATE;
    return via__scope_set_when(scope, when_ns);
}

int64_t via_timeout_when(const struct via_scope *scope)
{
    return scope ? scope->when_ns : VIA_FOREVER;
}

int via_timeout_expired(const struct via_scope *scope)
{
    return scope ? scope->cut : VIA_EINVAL;
}

int via_wait_for(via_future *future, int64_t timeout_ns, void **result)
{
    struct via_scope limit;
    int status = future ? via_timeout_begin(timeout_ns, &limit) : VIA_EINVAL;
    if (status < 0) {
        via_future_unref(future);
        return status;
    }
    return via_timeout_end(&limit, via__task_await_end(future, result));
}
