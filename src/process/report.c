/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of workers and their calls. */
#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "process/pool.h"

struct via_process_report *via__process_report(const struct via__pcall *call,
                                               const struct via__process_worker *worker)
{
    const char *name = call->extra->name;
    size_t bytes = name ? strlen(name) + 1 : 0;
    struct via_process_report *report = malloc(sizeof *report + bytes);
    if (!report)
        return NULL;
    *report = (struct via_process_report){.pid = worker ? (long)worker->pid : 0,
                                          .function = (void *)(uintptr_t)call->extra->bytes_fn,
                                          .exit_status = -1,
                                          .tries = call->tries};
    if (name)
        report->name = memcpy(report + 1, name, bytes);
    return report;
}

// What to call a function: the call's name, the symbol if it has one, or where it stands.
static void describe_function(const struct via__pcall *call, char *text, size_t capacity)
{
    void *function = (void *)(uintptr_t)call->extra->bytes_fn;
    Dl_info info;
    if (call->extra->name)
        snprintf(text, capacity, "%s", call->extra->name);
    else if (dladdr(function, &info) && info.dli_sname && info.dli_saddr == function)
        snprintf(text, capacity, "%s()", info.dli_sname);
    else if (dladdr(function, &info) && info.dli_fname)
        snprintf(text, capacity, "the function at %s+%#lx", info.dli_fname,
                 (unsigned long)((uintptr_t)function - (uintptr_t)info.dli_fbase));
    else
        snprintf(text, capacity, "the function at %p", function);
}

// Whether it was killed at the limit of CPU time for all of its calls.  The kernel counts for the limit by
// ticks, and more exactly for the report: a little less is as good.
static int is_used_up(const struct via__process_worker *worker, const struct via__end_of_worker *end)
{
    int64_t cpu_ns = worker->pool->options.limits.cpu_ns;
    return cpu_ns && end->event && !end->probably_oom && WTERMSIG(end->status) == SIGKILL &&
           end->event->user_ns + end->event->system_ns >= cpu_ns - cpu_ns / 16;
}

static void describe_signal(const struct via__process_worker *worker, const struct via__end_of_worker *end,
                            char *text, size_t capacity)
{
    int number = WTERMSIG(end->status);
    if (number == SIGSYS && worker->pool->options.sandbox)
        snprintf(text, capacity,
                 "was killed by the sandbox: it made a system call that is forbidden there "
                 "(signal %d, %s)",
                 number, strsignal(number));
    else if (end->fate == VIA_ETIMEDOUT)
        snprintf(text, capacity, "was killed at the call's limit of CPU time");
    else if (is_used_up(worker, end))
        snprintf(text, capacity, "was killed at its limit of CPU time");
    else
        snprintf(text, capacity, "was killed by signal %d (%s)%s%s", number, strsignal(number),
                 WCOREDUMP(end->status) ? ", core dumped" : "",
                 end->probably_oom ? ", probably because memory ran out" : "");
}

static void describe_end(const struct via__process_worker *worker, const struct via__end_of_worker *end,
                         char *text, size_t capacity)
{
    switch (worker->killed) {
    case VIA__KILL_TIMEOUT:
        snprintf(text, capacity, "was killed at the call's timeout");
        return;
    case VIA__KILL_CANCELLED:
        snprintf(text, capacity, "was killed because the call was cancelled");
        return;
    case VIA__KILL_CORRUPT:
        snprintf(text, capacity, "was killed because it overwrote what it shares with the program");
        return;
    case VIA__KILL_STALLED:
        snprintf(text, capacity, "was killed because it did not begin what it was given");
        return;
    case VIA__KILL_ASKED:
        snprintf(text, capacity, "was killed by via_process_pool_kill()");
        return;
    case VIA__KILL_ZYGOTE:
        snprintf(text, capacity, "died with the helper process that had started it");
        return;
    default:
        break;
    }
    if (end->status >= 0 && WIFSIGNALED(end->status))
        describe_signal(worker, end, text, capacity);
    else if (end->status >= 0)
        snprintf(text, capacity, "exited with status %d", WEXITSTATUS(end->status));
    else
        snprintf(text, capacity, "is gone, it is not known how");
}

char *via__process_obituary(struct via__pcall *call, const struct via__process_worker *worker,
                            const struct via__end_of_worker *end)
{
    char function[300], ended[200], tries[40] = "", *text;
    describe_function(call, function, sizeof function);
    describe_end(worker, end, ended, sizeof ended);
    if (call->tries > 1)
        snprintf(tries, sizeof tries, ", the last of %d tries", call->tries);
    int written = asprintf(&text, "worker process %ld %s while it ran %s%s%s", (long)worker->pid, ended,
                           function, tries, worker->is_unkillable ? "; it was killed and has not died" : "");
    return written < 0 ? NULL : text;
}

static int is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

// How many bytes the character there is long if it is none to control a terminal with: 0 if it is.  Bytes
// from 0x80 to 0x9f control some when they are no part of a longer character, and so do the characters of
// those numbers.
static size_t harmless_bytes(const unsigned char *at)
{
    size_t bytes = at[0] < 0xc0 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (at[0] < 0x20 || (at[0] >= 0x7f && at[0] < 0xa0) || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if (!is_continuation(at[i]))
            return 1;
    return bytes;
}

char *via__process_tame(char *text)
{
    unsigned char *at = (unsigned char *)text;
    while (at && *at) {
        size_t bytes = harmless_bytes(at);
        if (bytes == 0)
            *at = '?';
        at += bytes ? bytes : 1;
    }
    return text;
}

// Reads "oom_kill N" out of /proc/vmstat.
uint64_t via__process_oom_kills(void)
{
    char text[16384];
    int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return 0;
    text[got] = 0;
    const char *at = strstr(text, "\noom_kill ");
    return at ? strtoull(at + strlen("\noom_kill "), NULL, 10) : 0;
}

static int64_t running_ns(const struct via__process_worker *worker, int64_t now_ns)
{
    return via__worker_pending(worker) && worker->state == VIA__WORKER_READY ? now_ns - worker->head_ns : 0;
}

void via__process_stats(via_executor *executor, struct via_executor_stats *stats)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    int64_t now_ns = via_now_ns();
    pthread_mutex_lock(&pool->lock);
    stats->workers = pool->present;
    stats->workers_max = (size_t)pool->options.max_workers;
    stats->workers_peak = pool->present_peak;
    for (struct via__list *at = pool->idle_workers.next; at != &pool->idle_workers; at = at->next)
        stats->workers_idle++;
    for (size_t i = 0; i < pool->slots; i++) {
        const struct via__process_worker *worker = pool->table[i];
        int64_t ns = worker ? running_ns(worker, now_ns) : 0;
        stats->running += ns > 0;
        if (ns > stats->oldest_running_ns)
            stats->oldest_running_ns = ns;
    }
    stats->queued =
        pool->queued + pool->given - (stats->running < pool->given ? stats->running : pool->given);
    stats->queued_peak = pool->queued_peak;
    stats->submitted = pool->submitted;
    stats->completed = pool->completed;
    stats->cancelled = pool->cancelled;
    stats->expired = pool->expired;
    stats->rejected = pool->rejected;
    pthread_mutex_unlock(&pool->lock);
}

int via__process_stuck(via_executor *executor, struct via_stuck_call *calls, size_t capacity)
{
    struct via__process_pool *pool = via__process_pool_of(executor);
    int64_t now_ns = via_now_ns();
    size_t count = 0;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->slots; i++) {
        struct via__process_worker *worker = pool->table[i];
        const struct via__pcall *call =
            worker && via__worker_pending(worker) ? via__worker_place(worker, worker->head)->call : NULL;
        if (!call)
            continue;
        if (count < capacity)
            calls[count] = via__job_describe(call->cf, (long)worker->pid, running_ns(worker, now_ns));
        count++;
    }
    pthread_mutex_unlock(&pool->lock);
    return (int)count;
}
