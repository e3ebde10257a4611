/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities: what the kernel lets root do, and others not.
 *
 * A worker of root that has none is still the owner of root's files, and no more than that.  As no worker
 * gains privileges through exec, they do not come back.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/confine_parts.h"

#ifdef __linux__
#include <linux/capability.h>
#include <sys/syscall.h>

static int has_any(const struct __user_cap_data_struct *sets)
{
    uint32_t any = 0;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        any |= sets[i].permitted | sets[i].effective | sets[i].inheritable;
    return any != 0;
}

static int refused(int error, struct via__why *why)
{
    return via__why(why, -error, "a worker cannot give up its privileges: %s", via_status_text(-error));
}

int via__confine_rights(struct via__why *why)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) < 0)
        return refused(errno, why);
    if (!has_any(sets))
        return 0;
    // Each thread has its own.
    if (via__confine_has_threads())
        return via__why(
            why, VIA_ENOTSUP,
            "a worker's privileges cannot be taken from the threads that its initializer has left "
            "running");
    memset(sets, 0, sizeof sets);
    return syscall(SYS_capset, &header, sets) < 0 ? refused(errno, why) : 0;
}

#else

int via__confine_rights(struct via__why *why)
{
    (void)why;
    return 0;
}

#endif
