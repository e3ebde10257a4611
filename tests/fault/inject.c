/* SPDX-License-Identifier: BSD-3-Clause */
#include "inject.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "wrap.h"

enum { FRAMES = 12 };

static struct fault_report *report;
static struct fault_plan plan;
/* Set last when arming and read first by every wrapper: release and acquire make `plan` visible. */
static atomic_bool armed;
static atomic_ulong counted;
static atomic_ulong injected;
static atomic_ulong calls[FAULT_KINDS];
static _Thread_local int paused;
static rlim_t limit_before; /* the limit on descriptors before it was lowered; 0 if it was not */
static pthread_mutex_t text_lock = PTHREAD_MUTEX_INITIALIZER;
extern const char __executable_start;

static void drop_event_log(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

void fault_setup(struct fault_report *shared)
{
    report = shared;
    event_set_log_callback(drop_event_log);
    event_set_mem_functions(wrap_event_malloc, wrap_event_realloc, wrap_event_free);
}

/* Leaves room for `room` descriptors and not one more: the system's own limit does that best, for one that is
 * closed makes room for another. */
static void limit_descriptors(unsigned long room)
{
    struct rlimit limit;
    int lowest_free = dup(STDOUT_FILENO);
    if (lowest_free < 0 || getrlimit(RLIMIT_NOFILE, &limit))
        return;
    close(lowest_free);
    limit_before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)lowest_free + room;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void restore_descriptors(void)
{
    struct rlimit limit;
    if (!limit_before || getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit_before;
    setrlimit(RLIMIT_NOFILE, &limit);
    limit_before = 0;
}

void fault_arm(const struct fault_plan *wanted)
{
    plan = *wanted;
    if (plan.limited)
        limit_descriptors(plan.nth - 1);
    /* Release: pairs with the acquire in fault_hit(), which then sees the plan. */
    atomic_store_explicit(&armed, true, memory_order_release);
}

void fault_disarm(void)
{
    /* Relaxed: nothing is published by it; a wrapper that still sees true injects one fault more. */
    atomic_store_explicit(&armed, false, memory_order_relaxed);
    restore_descriptors();
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        report->calls[kind] = atomic_load(&calls[kind]);
    report->injected = atomic_load(&injected);
}

void fault_rearm(void)
{
    plan = (struct fault_plan){.nth = 0};
    atomic_store(&injected, 0);
}

bool fault_injected(void)
{
    return atomic_load(&injected) > 0;
}

void fault_pause(void)
{
    if (paused++ == 0)
        restore_descriptors();
}

void fault_resume(void)
{
    if (--paused == 0 && plan.limited && atomic_load(&armed))
        limit_descriptors(plan.nth - 1);
}

/* Notes where the first fault came, for whoever has to find out why a check failed. */
static void note_place(enum fault_kind kind)
{
    void *frames[FRAMES];
    int saved = errno;
    int depth = backtrace(frames, FRAMES);
    char line[FRAMES * 12] = "";
    for (int i = 2; i < depth; i++) {
        size_t length = strlen(line);
        snprintf(line + length, sizeof(line) - length, " %#lx",
                 (unsigned long)((const char *)frames[i] - &__executable_start));
    }
    fault_note("fault of kind %d injected at%s", (int)kind, line);
    errno = saved;
}

static void count_injected(enum fault_kind kind)
{
    if (atomic_fetch_add(&injected, 1) == 0)
        note_place(kind);
}

bool fault_hit(enum fault_kind kind)
{
    /* Acquire: pairs with the release in fault_arm(). */
    if (!atomic_load_explicit(&armed, memory_order_acquire) || paused)
        return false;
    atomic_fetch_add(&calls[kind], 1);
    if (!(plan.kinds & 1u << kind) || !plan.nth || plan.limited)
        return false;
    unsigned long mine = atomic_fetch_add(&counted, 1) + 1;
    if (mine != plan.nth && !(plan.lasting && mine > plan.nth))
        return false;
    count_injected(kind);
    return true;
}

void fault_struck(enum fault_kind kind)
{
    /* Acquire: pairs with the release in fault_arm(). */
    if (atomic_load_explicit(&armed, memory_order_acquire) && plan.limited && !paused)
        count_injected(kind);
}

void fault_note(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    pthread_mutex_lock(&text_lock);
    size_t room = sizeof(report->text) - report->text_length;
    int length = vsnprintf(report->text + report->text_length, room, format, values);
    if (length > 0 && (size_t)length + 1 < room) {
        report->text_length += (size_t)length + 1;
        report->text[report->text_length - 1] = '\n';
        report->text[report->text_length] = '\0';
    } else {
        report->text[report->text_length] = '\0';
    }
    pthread_mutex_unlock(&text_lock);
    va_end(values);
}

bool fault_check(bool holds, const char *file, int line, const char *text)
{
    if (!holds) {
        __atomic_add_fetch(&report->checks_failed, 1, __ATOMIC_RELAXED); /* a count; orders nothing */
        fault_note("%s:%d: %s", file, line, text);
    }
    return holds;
}

/* The errors by which the library may tell of an injected fault. */
static bool explained(int status)
{
    static const int known[] = {ENOMEM, EAGAIN, EMFILE, ENOSPC};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (status == -known[i])
            return true;
    return false;
}

bool fault_worked(int status, const char *file, int line)
{
    if (status >= 0)
        return true;
    /* The library may have met the limit in a call that is not watched here. */
    if (status == -EMFILE)
        fault_struck(FAULT_DESCRIPTOR);
    char text[64];
    snprintf(text, sizeof(text), "status %d %s", status,
             fault_injected() ? "is no word for the fault" : "without a fault");
    fault_check(fault_injected() && explained(status), file, line, text);
    return false;
}

pthread_t fault_own_thread(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    fault_pause();
    if (pthread_create(&thread, NULL, run, arg))
        abort();
    fault_resume();
    return thread;
}

void fault_own_pipe(int fds[2])
{
    fault_pause();
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC))
        abort();
    fault_resume();
}
