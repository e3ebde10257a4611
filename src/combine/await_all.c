/* SPDX-License-Identifier: BSD-3-Clause */
/* A gather that a task awaits at once. */
#include <config.h>

#include "combine/outcomes.h"
#include "task/task.h"

// Hands the values over; the texts stay where they are.
static void move_out(via_future *future, struct via_outcome *outcomes)
{
    struct via_outcome all;
    if (via_future_outcome(future, &all) < 0)
        return;
    struct via__outcomes *from = via__outcomes_of(all.value);
    for (size_t i = 0; i < from->count; i++) {
        outcomes[i] = from->at[i];
        from->at[i].destroy = NULL;
    }
}

int via_await_all(via_future *const *futures, size_t count, unsigned flags, struct via_outcome *outcomes)
{
    struct via__task *task;
    int status = via__task_check_here(&task);
    if (status < 0) {
        via__items_refuse(futures, count);
        return status;
    }
    via_future *all = via_future_ref(via_gather(futures, count, flags));
    status = via_await(all, NULL);
    if (status == 0 && outcomes) {
        move_out(all, outcomes);
        via__task_keep(task, all);
    } else {
        via_future_unref(all);
    }
    return status;
}
