/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fork.h"
#include "base/log.h"

struct hook {
    via_log_fn fn;
    void *arg;
};

// The pair is read and written under the lock, so that a function never meets another's argument.  There are
// two, and the one that is not in use is written: so a child that is forked meanwhile has a whole pair too.
static pthread_mutex_t hook_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hook hooks[2];
static _Atomic(struct hook *) current = &hooks[0];

static struct hook get_hook(void)
{
    pthread_mutex_lock(&hook_lock);
    // Relaxed: the lock orders it with via_set_log_hook().
    struct hook hook = *atomic_load_explicit(&current, memory_order_relaxed);
    pthread_mutex_unlock(&hook_lock);
    return hook;
}

void via_set_log_hook(via_log_fn fn, void *arg)
{
    (void)via__fork_watch();
    pthread_mutex_lock(&hook_lock);
    // Relaxed: the lock orders it with other threads.
    struct hook *used = atomic_load_explicit(&current, memory_order_relaxed);
    struct hook *other = &hooks[used == &hooks[0]];
    *other = (struct hook){fn, arg};
    // Release: a child that is forked from here on, and has no lock to go by, finds the pair behind it.
    atomic_store_explicit(&current, other, memory_order_release);
    pthread_mutex_unlock(&hook_lock);
}

int via__debug_wanted(void)
{
    const char *value = getenv("VIADUCT_DEBUG");
    return value && *value && strcmp(value, "0") != 0;
}

void via__log_reset(void)
{
    pthread_mutex_init(&hook_lock, NULL);
}

void via__log(enum via_log_level level, const char *format, ...)
{
    struct hook hook = get_hook();
    if (!hook.fn)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hook.fn(level, text, hook.arg);
}
