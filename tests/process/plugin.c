/* SPDX-License-Identifier: BSD-3-Clause */
/* A plugin: functions that are found by their place in it.  Built several times, with and without a build-id.
 */
#include <stddef.h>

#include <viaduct/call.h>

#ifndef VERSION
#define VERSION 1
#endif

VIA_PUBLIC int plugin_shown(via_bytes_call *call, const void *in, size_t in_bytes);
VIA_PUBLIC via_bytes_fn plugin_hidden(void);

/* The answers tell version and function, and count the calls: state that each copy has of its own. */
int plugin_shown(via_bytes_call *call, const void *in, size_t in_bytes)
{
    static int calls;
    (void)call, (void)in, (void)in_bytes;
    return VERSION * 1000 + 100 + ++calls;
}

static int hidden(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return VERSION * 1000 + 200;
}

via_bytes_fn plugin_hidden(void)
{
    return hidden;
}
