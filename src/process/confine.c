/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "process/confine.h"
#include "process/confine_parts.h"

#define LEAST_FILES 16

// ---- the program's side ----

static int check_limits(const struct via_process_limits *limits, struct via__why *why)
{
    if (limits->cpu_ns < 0 || limits->call_cpu_ns < 0)
        return via__why(why, VIA_EINVAL, "limits: a CPU time is negative");
    if (limits->files > 0 && limits->files < LEAST_FILES)
        return via__why(why, VIA_EINVAL, "limits: a worker needs at least %d descriptors", LEAST_FILES);
    return 0;
}

static int check_paths(const char *const *paths, const char *name, struct via__why *why)
{
    for (; paths && *paths; paths++) {
        if (!**paths)
            return via__why(why, VIA_EINVAL, "%s: a path is empty", name);
        if (access(*paths, F_OK) < 0)
            return via__why(why, VIA_EINVAL, "%s: %s: %s", name, *paths, via_status_text(-errno));
    }
    return 0;
}

static int check_sandbox(const struct via_process_pool_options *options, struct via__why *why)
{
    if (options->sandbox & ~(unsigned)VIA_SANDBOX_STRICT)
        return via__why(why, VIA_EINVAL, "sandbox: there is no flag 0x%x",
                        options->sandbox & ~(unsigned)VIA_SANDBOX_STRICT);
    if (options->sandbox && !via__confine_can_filter())
        return via__why(why, VIA_ENOTSUP,
                        "sandbox: this system cannot filter system calls (seccomp is missing or refused)");
    if ((options->sandbox & VIA__SANDBOX_FILES) && via__confine_files_version() == 0)
        return via__why(why, VIA_ENOTSUP,
                        "sandbox: this system cannot restrict files (Landlock is missing, off or refused)");
    if (options->readable_paths && !(options->sandbox & VIA_SANDBOX_NO_FILES))
        return via__why(why, VIA_EINVAL,
                        "readable_paths: all files can be read without VIA_SANDBOX_NO_FILES");
    if (options->writable_paths && !(options->sandbox & VIA__SANDBOX_FILES))
        return via__why(
            why, VIA_EINVAL,
            "writable_paths: all files can be written without VIA_SANDBOX_READ_ONLY or VIA_SANDBOX_NO_FILES");
    int status = check_paths(options->readable_paths, "readable_paths", why);
    return status < 0 ? status : check_paths(options->writable_paths, "writable_paths", why);
}

static int make_timer(timer_t *timer)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    return timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, timer) < 0 ? -errno : 0;
}

static int check_timer(const struct via_process_limits *limits, struct via__why *why)
{
    timer_t timer;
    if (limits->call_cpu_ns == 0)
        return 0;
    int status = make_timer(&timer);
    if (status == VIA_EAGAIN || status == VIA_ENOMEM)
        return via__why(why, status, "limits: the system refused a timer");
    if (status < 0)
        return via__why(why, VIA_ENOTSUP, "limits: this system cannot limit the CPU time of a call: %s",
                        via_status_text(status));
    timer_delete(timer);
    return 0;
}

int via__confine_check(const struct via_process_pool_options *options, struct via__why *why)
{
    int status = check_limits(&options->limits, why);
    if (status == 0)
        status = check_sandbox(options, why);
    return status < 0 ? status : check_timer(&options->limits, why);
}

// ---- limits ----

// Both limits, so that the worker cannot lift it again; the hard one is never raised.
static int set_limit(int resource, const char *name, uint64_t value, struct via__why *why)
{
    struct rlimit limit;
    int rc = getrlimit(resource, &limit);
    if (rc == 0) {
        if (limit.rlim_max == RLIM_INFINITY || value < limit.rlim_max)
            limit.rlim_max = value;
        limit.rlim_cur = limit.rlim_max;
        rc = setrlimit(resource, &limit);
    }
    return rc < 0 ? via__why(why, -errno, "a worker's limit of %s: %s", name, via_status_text(-errno)) : 0;
}

// No program that the worker executes gets more rights than the worker has; filters need this too.
static int drop_privileges(struct via__why *why)
{
#ifdef PR_SET_NO_NEW_PRIVS
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return via__why(why, -errno, "a worker cannot give up gaining privileges: %s",
                        via_status_text(-errno));
#else
    (void)why;
#endif
    return 0;
}

static uint64_t whole_seconds(int64_t ns)
{
    return (uint64_t)(ns / VIA_S) + (ns % VIA_S != 0);
}

int via__confine_limits(const struct via__process_config *config, struct via__why *why)
{
    const struct via_process_limits *limits = &config->limits;
    int status = drop_privileges(why);
    if (status == 0)
        status = set_limit(RLIMIT_CORE, "core files", limits->core_bytes, why);
    if (status == 0 && limits->data_bytes)
        status = set_limit(RLIMIT_DATA, "memory", limits->data_bytes, why);
    if (status == 0 && limits->cpu_ns)
        status = set_limit(RLIMIT_CPU, "CPU time", whole_seconds(limits->cpu_ns), why);
    if (status == 0 && limits->files)
        status = set_limit(RLIMIT_NOFILE, "descriptors", limits->files, why);
    return status;
}

// ---- the sandbox ----

int via__confine_has_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    int count = 0;
    if (!directory)
        return 0;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count > 1;
}

// System calls last: afterwards there may be some missing that the others take.  Privileges first: files are
// then shut with no other rights than those that stay.
int via__confine_sandbox(const struct via__process_config *config, struct via__why *why)
{
    if (!config->sandbox)
        return 0;
    int status = config->sandbox & VIA_SANDBOX_NO_PRIVILEGES ? via__confine_rights(why) : 0;
    if (status == 0)
        status = via__confine_files(config, why);
    if (status < 0)
        return status;
    status = via__confine_calls(config->sandbox, via__confine_files_version());
    return status < 0 ? via__why(why, status, "a worker's filter of system calls was refused: %s",
                                 via_status_text(status))
                      : 0;
}

// ---- the CPU time of a call ----

// One timer for the life of the worker, of the thread that runs calls; a forked child has none, and makes its
// own.
int via__confine_call_cpu(int64_t cpu_ns)
{
    static timer_t timer;
    static pid_t owner;
    struct itimerspec when = {.it_value = {.tv_sec = cpu_ns / VIA_S, .tv_nsec = cpu_ns % VIA_S}};
    if (owner != getpid()) {
        if (cpu_ns == 0)
            return 0;
        int status = make_timer(&timer);
        if (status < 0)
            return status;
        owner = getpid();
    }
    return timer_settime(timer, 0, &when, NULL) < 0 ? -errno : 0;
}
