/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <string.h>

#include "base/role.h"

_Thread_local struct via__role via__role __attribute__((tls_model("initial-exec")));

void via__role_reset(void)
{
    struct via__failure *failure = via__role.failure;
    struct via__locals *locals = via__role.locals;
    memset(&via__role, 0, sizeof via__role);
    via__role.failure = failure;
    via__role.locals = locals;
}
