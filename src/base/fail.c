/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <viaduct/error.h>
#include <viaduct/outcome.h>

#include "base/role.h"

int via_fail(int code, const char *format, ...)
{
    struct via__failure *failure = via__role.failure;
    char *message = NULL;
    if (!failure)
        return VIA_EFAILED;
    if (format) {
        va_list args;
        va_start(args, format);
        if (vasprintf(&message, format, args) < 0)
            message = NULL;
        va_end(args);
    }
    free(failure->message);
    *failure = (struct via__failure){.message = message, .code = code, .given = 1};
    return VIA_EFAILED;
}
