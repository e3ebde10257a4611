/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/thread.h"

#ifdef HAVE_PTHREAD_ATTR_SETAFFINITY_NP
static int set_cpus(pthread_attr_t *attr, const struct via__thread_attr *wanted)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!wanted->cpus) {
        // The process's number is its main thread's: a caller that pinned itself does not pin the workers.
        if (sched_getaffinity(getpid(), sizeof set, &set) < 0)
            return 0;
    }
    for (size_t i = 0; i < wanted->cpu_count; i++) {
        if (wanted->cpus[i] < 0 || wanted->cpus[i] >= CPU_SETSIZE)
            return EINVAL;
        CPU_SET(wanted->cpus[i], &set);
    }
    return pthread_attr_setaffinity_np(attr, sizeof set, &set);
}
#else
static int set_cpus(pthread_attr_t *attr, const struct via__thread_attr *wanted)
{
    (void)attr;
    return wanted->cpus ? ENOTSUP : 0;
}
#endif

static int set_scheduling(pthread_attr_t *attr, const struct via__thread_attr *wanted)
{
    struct sched_param normal = {.sched_priority = 0};
    int error = pthread_attr_setschedpolicy(attr, SCHED_OTHER);
    if (!error)
        error = pthread_attr_setschedparam(attr, &normal);
    if (!error)
        error = pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
    return error ? error : set_cpus(attr, wanted);
}

// 0 or an errno.
static int start(pthread_t *thread, const struct via__thread_attr *wanted, int inherits,
                 void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int error = pthread_attr_init(&attr);
    if (error)
        return error;
    if (wanted->stack_bytes)
        error = pthread_attr_setstacksize(&attr, wanted->stack_bytes);
    if (!error && !inherits)
        error = set_scheduling(&attr, wanted);
    if (!error) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(thread, &attr, fn, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    return error;
}

int via__thread_start(pthread_t *thread, const struct via__thread_attr *wanted, void *(*fn)(void *arg),
                      void *arg)
{
    static const struct via__thread_attr plain;
    if (!wanted)
        wanted = &plain;
    int error = start(thread, wanted, 0, fn, arg);
    // A sandbox may forbid to choose CPUs, and the kernel to leave SCHED_IDLE.
    if (error == EPERM && !wanted->cpus)
        error = start(thread, wanted, 1, fn, arg);
    return -error;
}

void via__thread_set_name(const char *name)
{
#ifdef HAVE_PTHREAD_SETNAME_NP
    char cut[16]; // the kernel's limit, with the terminator
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(pthread_self(), cut);
#else
    (void)name;
#endif
}

long via__thread_id(void)
{
#ifdef SYS_gettid
    return syscall(SYS_gettid);
#else
    return 0;
#endif
}

void via__thread_set_nice(int nice)
{
#ifdef SYS_gettid
    errno = 0;
    int base = getpriority(PRIO_PROCESS, (id_t)getpid());
    if (errno)
        return;
    int wanted = base + nice > 19 ? 19 : base + nice;
    id_t self = (id_t)via__thread_id();
    if (getpriority(PRIO_PROCESS, self) != wanted)
        (void)setpriority(PRIO_PROCESS, self, wanted);
#else
    (void)nice;
#endif
}

// Reads "quota period" of the cgroup this process sees at the root; containers mount theirs there.
static int cgroup_cpus(void)
{
    long long quota = 0, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return INT_MAX;
    int fields = fscanf(file, "%lld %lld", &quota, &period);
    fclose(file);
    if (fields != 2 || quota <= 0 || period <= 0)
        return INT_MAX;
    long long cpus = (quota + period - 1) / period;
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

int via__cpu_count(void)
{
    int count = (int)sysconf(_SC_NPROCESSORS_ONLN);
#ifdef HAVE_SCHED_GETAFFINITY
    cpu_set_t set;
    if (sched_getaffinity(getpid(), sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
#endif
    int quota = cgroup_cpus();
    if (quota < count)
        count = quota;
    return count > 0 ? count : 1;
}
