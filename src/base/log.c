/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

// The pair is read and written under the lock, so that a function never meets another's argument.
static pthread_mutex_t hook_lock = PTHREAD_MUTEX_INITIALIZER;
static via_log_fn hook_fn;
static void *hook_arg;

void via_set_log_hook(via_log_fn fn, void *arg)
{
    pthread_mutex_lock(&hook_lock);
    hook_fn = fn;
    hook_arg = arg;
    pthread_mutex_unlock(&hook_lock);
}

void via__log(enum via_log_level level, const char *format, ...)
{
    pthread_mutex_lock(&hook_lock);
    via_log_fn fn = hook_fn;
    void *arg = hook_arg;
    pthread_mutex_unlock(&hook_lock);
    if (!fn)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fn(level, text, arg);
}
