/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>

#include "process/why.h"

int via__why(struct via__why *why, int status, const char *format, ...)
{
    if (!why)
        return status;
    va_list values;
    va_start(values, format);
    vsnprintf(why->text, sizeof why->text, format, values);
    va_end(values);
    return status;
}
