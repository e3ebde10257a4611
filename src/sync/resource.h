/* SPDX-License-Identifier: BSD-3-Clause */
/* Entering and leaving one resource. */
#ifndef VIADUCT_SYNC_RESOURCE_H
#define VIADUCT_SYNC_RESOURCE_H

#include <viaduct/scoped.h>

#include "task/task.h"

// 0 with the value; or as entering failed.
int via__resource_enter(const struct via_resource *resource, void **value);

// Leaves it in a shielded section of the running task.  Returns how it goes on.
int via__resource_leave(struct via__task *task, const struct via_resource *resource, int status);

#endif
