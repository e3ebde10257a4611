/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sections of a task that lie on the stack of a generator.
 *
 * A section that a task's own functions have left open is forgotten when the task is over, without a look at
 * it, because its memory is not valid any more.  The stack of a generator may go earlier.  So what is needed
 * to take such a section out of its task's list is kept apart, in a struct via__section, which hangs on the
 * generator and on the task until the section is closed or either of them is over.
 */
#ifndef VIADUCT_TASK_SECTION_H
#define VIADUCT_TASK_SECTION_H

#include "task/task.h"

// The running task has opened this: 0; or VIA_ENOMEM, and it is closed again.
int via__section_keep_apart(struct via__task *task, struct via_scope *scope);

static inline int via__section_keep(struct via__task *task, struct via_scope *scope)
{
    return via__fiber_is_here(&task->fiber) ? 0 : via__section_keep_apart(task, scope);
}

// It is being closed.
void via__section_drop(struct via__task *task, const struct via_scope *scope);

// The task is over.
void via__sections_forget(struct via__task *task);

#endif
