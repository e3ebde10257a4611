/* SPDX-License-Identifier: BSD-3-Clause */
#include "inject.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include <viaduct/error.h>

#include "support/sanitizers.h"
#include "wrap.h"

enum { FRAMES = 12 };

static const char variable[] = "VIADUCT_FAULT_REPORT"; /* where processes of a pool find the report */

static struct fault_report *report; /* NULL where no run takes place */
static enum fault_place here = FAULT_IN_PROGRAM;
static pid_t helper; /* the process that forks workers; 0 in others */
static _Thread_local int paused;
extern const char __executable_start;

static void drop_event_log(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

struct fault_report *fault_report_new(void)
{
    char path[64];
    int fd = memfd_create("fault-report", 0);
    if (fd < 0 || ftruncate(fd, sizeof(*report)))
        return NULL;
    void *shared = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    if (shared == MAP_FAILED || setenv(variable, path, 1))
        return NULL;
    return report = shared;
}

void fault_setup(void)
{
    event_set_log_callback(drop_event_log);
    event_set_mem_functions(wrap_event_malloc, wrap_event_realloc, wrap_event_free);
}

atomic_int *fault_births(void)
{
    return &report->births;
}

/* Which of the processes this one is.  Workers are forked from the helper, or started anew. */
static enum fault_place place(void)
{
    return helper && helper != getpid() ? FAULT_IN_WORKER : here;
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
    report->descriptors_before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)lowest_free + room;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void restore_descriptors(void)
{
    struct rlimit limit;
    if (!report->descriptors_before || getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = report->descriptors_before;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (here == FAULT_IN_PROGRAM)
        report->descriptors_before = 0;
}

/* A limit is inherited; it is to be that of the one place alone, though workers have their helper's. */
static void limit_copy(void)
{
    const struct fault_plan *plan = &report->plan;
    if (here == FAULT_IN_HELPER && plan->limited && plan->place == here && atomic_load(&report->armed))
        limit_descriptors(plan->nth - 1);
    else if (plan->place == FAULT_IN_PROGRAM)
        restore_descriptors();
}

bool fault_enter(const char *process_name)
{
    void *frames[1];
    const char *path = getenv(variable);
    if (!path || strncmp(process_name, "viaduct-", 8) != 0)
        return false;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *shared =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        return false;
    close(fd);
    (void)backtrace(frames, 1); /* it loads what it needs the first time, which a sandbox would not allow */
    int is_helper = strcmp(process_name, "viaduct-zygote") == 0;
    here = is_helper ? FAULT_IN_HELPER : FAULT_IN_WORKER;
    helper = is_helper ? getpid() : 0;
    report = shared;
    if (!UNDER_SANITIZER && report->plan.place != FAULT_IN_PROGRAM)
        (void)dup3(STDIN_FILENO, STDERR_FILENO, 0); /* workers say there what they cannot tell otherwise */
    limit_copy();
    return true;
}

void fault_arm(const struct fault_plan *wanted)
{
    report->plan = *wanted;
    if (wanted->limited && wanted->place == here)
        limit_descriptors(wanted->nth - 1);
    /* Release: pairs with the acquire in fault_hit(), which then sees the plan. */
    atomic_store_explicit(&report->armed, true, memory_order_release);
}

void fault_disarm(void)
{
    /* Relaxed: nothing is published by it; a wrapper that still sees true injects one fault more. */
    atomic_store_explicit(&report->armed, false, memory_order_relaxed);
    restore_descriptors();
    report->injected = atomic_load(&report->struck);
}

void fault_rearm(void)
{
    report->plan = (struct fault_plan){.nth = 0};
    atomic_store(&report->struck, 0);
    atomic_store(&report->births, 0);
}

bool fault_injected(void)
{
    return atomic_load(&report->struck) > 0;
}

bool fault_lasts(void)
{
    return report->plan.lasting || report->plan.limited;
}

void fault_pause(void)
{
    if (paused++ == 0)
        restore_descriptors();
}

void fault_resume(void)
{
    const struct fault_plan *plan = &report->plan;
    if (--paused == 0 && plan->limited && plan->place == here && atomic_load(&report->armed))
        limit_descriptors(plan->nth - 1);
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
    static const char *const places[] = {"the program", "the helper", "a worker"};
    fault_note("fault of kind %d injected in %s at%s", (int)kind, places[place()], line);
    errno = saved;
}

static void count_injected(enum fault_kind kind)
{
    if (atomic_fetch_add(&report->struck, 1) == 0)
        note_place(kind);
}

bool fault_hit(enum fault_kind kind)
{
    /* Acquire: pairs with the release in fault_arm(). */
    if (!report || !atomic_load_explicit(&report->armed, memory_order_acquire) || paused)
        return false;
    const struct fault_plan *plan = &report->plan;
    enum fault_place at = place();
    atomic_fetch_add(&report->calls[at][kind], 1);
    if (at != plan->place || !(plan->kinds & 1u << kind) || !plan->nth || plan->limited)
        return false;
    unsigned long mine = atomic_fetch_add(&report->counted, 1) + 1;
    if (mine != plan->nth && !(plan->lasting && mine > plan->nth))
        return false;
    count_injected(kind);
    return true;
}

void fault_struck(enum fault_kind kind)
{
    /* Acquire: pairs with the release in fault_arm(). */
    if (!report || !atomic_load_explicit(&report->armed, memory_order_acquire) || !report->plan.limited)
        return;
    enum fault_place at = place(), planned = report->plan.place;
    if (!paused && (at == planned || (planned == FAULT_IN_HELPER && at == FAULT_IN_WORKER)))
        count_injected(kind);
}

int fault_noticed(int answer)
{
    if (answer < 0 && errno == EMFILE)
        fault_struck(FAULT_DESCRIPTOR);
    return answer;
}

/* Processes and threads write at the same time: each gets its part of the text first. */
void fault_note(const char *format, ...)
{
    char line[512];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    size_t bytes = length < (int)sizeof(line) ? (size_t)length : sizeof(line) - 1;
    line[bytes++] = '\n';
    size_t at = atomic_fetch_add(&report->text_length, bytes);
    if (at + bytes < sizeof(report->text))
        memcpy(report->text + at, line, bytes);
}

bool fault_check(bool holds, const char *file, int line, const char *text)
{
    if (!holds) {
        atomic_fetch_add(&report->checks_failed, 1);
        fault_note("%s:%d: %s", file, line, text);
    }
    return holds;
}

/* The errors by which the library may tell of an injected fault.  Only what lasts may break a pool. */
static bool explained(int status)
{
    static const int known[] = {ENOMEM, EAGAIN, EMFILE, ENOSPC};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (status == -known[i])
            return true;
    return fault_lasts() && status == VIA_EBROKEN;
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
