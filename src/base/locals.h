/* SPDX-License-Identifier: BSD-3-Clause */
/* Local values: see locals.c. */
#ifndef VIADUCT_BASE_LOCALS_H
#define VIADUCT_BASE_LOCALS_H

#include "base/role.h"

struct via__locals;

// References on a set of values, of any thread; NULL is the empty set.
struct via__locals *via__locals_ref(struct via__locals *locals);
void via__locals_unref(struct via__locals *locals);

// The values of what runs in this thread, for somebody who begins with them: a reference.
static inline struct via__locals *via__locals_share(void)
{
    return via__role.locals ? via__locals_ref(via__role.locals) : NULL;
}

#endif
