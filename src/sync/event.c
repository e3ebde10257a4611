/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <viaduct/event.h>

#include "sync/waiters.h"

int via_event_init(via_loop *loop, struct via_event *event)
{
    int status = event ? via__sync_bind(loop, &loop) : VIA_EINVAL;
    if (status == 0)
        *event = (struct via_event){.loop = loop};
    return status;
}

int via_event_fini(struct via_event *event)
{
    if (!event || !event->loop)
        return VIA_EINVAL;
    if (event->waiters.first)
        return VIA_EBUSY;
    event->loop = NULL;
    return 0;
}

static int check(const struct via_event *event)
{
    return event ? via__sync_check(event->loop) : VIA_EINVAL;
}

int via_event_wait(struct via_event *event)
{
    struct via__task *task;
    int status = check(event);
    if (status == 0)
        status = via__task_check_here(&task);
    if (status < 0 || event->set)
        return status;
    status = via__task_check_wait(&task);
    if (status < 0)
        return status;
    struct via__waiter waiter;
    return via__waiters_wait(&event->waiters, task, "an event", &waiter);
}

int via_event_set(struct via_event *event)
{
    int status = check(event);
    if (status < 0)
        return status;
    event->set = 1;
    via__waiters_end(&event->waiters, 0);
    return 0;
}

int via_event_clear(struct via_event *event)
{
    int status = check(event);
    if (status == 0)
        event->set = 0;
    return status;
}

int via_event_is_set(const struct via_event *event)
{
    int status = check(event);
    return status < 0 ? status : event->set;
}
