/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of workers and their calls. */
#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
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

static void describe_end(const struct via__process_worker *worker, int status, int probably_oom, char *text,
                         size_t capacity)
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
    if (status >= 0 && WIFSIGNALED(status))
        snprintf(text, capacity, "was killed by signal %d (%s)%s%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "",
                 probably_oom ? ", probably because memory ran out" : "");
    else if (status >= 0)
        snprintf(text, capacity, "exited with status %d", WEXITSTATUS(status));
    else
        snprintf(text, capacity, "is gone, it is not known how");
}

char *via__process_obituary(struct via__pcall *call, const struct via__process_worker *worker, int status,
                            int probably_oom)
{
    char function[300], end[200], tries[40] = "", *text;
    describe_function(call, function, sizeof function);
    describe_end(worker, status, probably_oom, end, sizeof end);
    if (call->tries > 1)
        snprintf(tries, sizeof tries, ", the last of %d tries", call->tries);
    int written = asprintf(&text, "worker process %ld %s while it ran %s%s%s", (long)worker->pid, end,
                           function, tries, worker->is_unkillable ? "; it was killed and has not died" : "");
    return written < 0 ? NULL : text;
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
