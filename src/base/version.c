/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <viaduct/version.h>

const char *via_version(void)
{
    return VIA_VERSION;
}
