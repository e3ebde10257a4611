/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "sync/waiters.h"

int via__sync_bind(via_loop *loop, via_loop **bound)
{
    if (!loop)
        loop = via__role.loop;
    int status = loop ? via__loop_check_any(loop) : VIA_ESTATE;
    if (status == 0)
        *bound = loop;
    return status;
}

void via__waiters_push(struct via_waiters *line, struct via__waiter *waiter)
{
    waiter->line = line;
    waiter->next = NULL;
    waiter->prev = line->last;
    if (line->last)
        line->last->next = waiter;
    else
        line->first = waiter;
    line->last = waiter;
    line->count++;
}

void via__waiters_remove(struct via__waiter *waiter)
{
    struct via_waiters *line = waiter->line;
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        line->first = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    else
        line->last = waiter->prev;
    waiter->line = NULL;
    line->count--;
}

void via__waiter_end(struct via__waiter *waiter, int status)
{
    via__waiters_remove(waiter);
    waiter->status = status;
    via__task_wake(waiter->task);
}

void via__waiters_end(struct via_waiters *line, int status)
{
    while (line->first)
        via__waiter_end(line->first, status);
}

void via__waiter_cut(struct via__task *task, struct via__wait *wait)
{
    (void)task;
    via__waiter_end((struct via__waiter *)wait, VIA_ECANCELED);
}

int via__waiters_wait(struct via_waiters *line, struct via__task *task, const char *what,
                      struct via__waiter *waiter)
{
    waiter->wait = (struct via__wait){.what = what, .until_ns = VIA_FOREVER, .cancel = via__waiter_cut};
    waiter->task = task;
    via__waiters_push(line, waiter);
    int status = via__task_wait(task, &waiter->wait);
    if (status == 0)
        return waiter->status;
    via__waiters_remove(waiter);
    return status;
}
