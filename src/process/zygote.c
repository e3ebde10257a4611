/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The zygote's own life: one thread, one table of workers, one place where it waits.
 *
 * It waits in ppoll(), the only place where SIGCHLD is let in, so no death is missed between a look and the
 * wait.  Nothing else blocks: the control socket is never waited for.
 *
 * An event that the socket does not take stays with the worker it is about.  A worker's entry is made before
 * its birth is tried and goes when its end has been told, so the table is all the memory that events need;
 * while it cannot grow, no further requests are read.
 *
 * The entry and the process.  From fork() to the reaping in bury() the process number is this worker's, which
 * is what makes killing it and its group by number sound; afterwards `pid` is only told.
 *
 * Where a library of the program has started a thread before main(), a fork() would copy its locks in
 * whatever state they are.  Then each worker starts the program anew, as with fresh_exec, and since that
 * thread may be the one that gets SIGCHLD, the handler rings `bell` for the one that waits.
 *
 * The program's end is seen in three ways: its pidfd, the end of the control socket (which a forked copy of
 * the program can keep open), and, where there are no pidfds, a look at the parent now and then.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/wakefd.h"
#include "process/zygote_parts.h"

#define LOOK_AT_PARENT_MS 500 // without a pidfd
#define RETRY_MS          10  // when the system is short of something

enum stage {
    STAGE_BORN,   // to be told of
    STAGE_LIVES,  // told of; its end is still to come
    STAGE_UNBORN, // there is no process; to be told of
    STAGE_ENDED,  // reaped; its end is to be told, and perhaps its birth before
    STAGE_FORGOTTEN
};

struct worker {
    enum stage stage;
    int is_birth_told;
    int pidfd; // until the birth is told
    struct via__zygote_event event;
};

static struct {
    const struct via__process_config *config;
    via__worker_fn worker;
    const char *path; // what starts a copy
    int program;      // a pidfd of it, or -1
    pid_t parent;
    int oom;
    int is_fresh;            // workers start the program anew
    struct via__wakefd bell; // -1 in a process with one thread
    sigset_t quiet;          // the mask while it waits
    struct worker *workers;
    size_t count, capacity, untold;
    int is_full;  // the socket, at the last try
    int is_short; // the system, at the last try
} zygote;

// ---- the table ----

static int make_room(void)
{
    size_t capacity = zygote.capacity ? zygote.capacity * 2 : 32;
    if (zygote.count < zygote.capacity)
        return 1;
    struct worker *workers = realloc(zygote.workers, capacity * sizeof *workers);
    if (!workers)
        return 0;
    zygote.workers = workers;
    zygote.capacity = capacity;
    return 1;
}

static struct worker *find(pid_t pid)
{
    for (size_t i = 0; i < zygote.count; i++) {
        struct worker *worker = &zygote.workers[i];
        if (worker->event.pid == pid && worker->stage <= STAGE_LIVES)
            return worker;
    }
    return NULL;
}

// Its group, and itself should it have left that.
static void kill_process(pid_t pid)
{
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
}

// The program is gone, or has closed the socket: so go all workers with what they have started.
static _Noreturn void end_all(void)
{
    for (size_t i = 0; i < zygote.count; i++)
        if (zygote.workers[i].stage <= STAGE_LIVES)
            kill_process(zygote.workers[i].event.pid);
    _exit(0);
}

// ---- events ----

static int64_t ns_of(struct timeval time)
{
    return time.tv_sec * VIA_S + time.tv_usec * VIA_US;
}

// Sends one event; 1 if it has gone.
static int tell(const struct via__zygote_event *event, int pidfd)
{
    int status = via__fds_send(VIA__FD_CONTROL, event, sizeof *event, &pidfd, pidfd >= 0);
    if (status == -EPIPE || status == -ECONNRESET || status == -ENOTCONN)
        end_all();
    zygote.is_full = status == VIA_EAGAIN;
    zygote.is_short = status < 0 && status != VIA_EAGAIN;
    return status == 0;
}

// The birth comes first, even that of a worker which has died meanwhile.
static int tell_birth(struct worker *worker)
{
    struct via__zygote_event birth = worker->event;
    birth.kind = VIA__ZYGOTE_BORN;
    birth.wait_status = 0;
    birth.user_ns = birth.system_ns = birth.max_rss_bytes = 0;
    if (!tell(&birth, worker->pidfd))
        return 0;
    if (worker->pidfd >= 0)
        close(worker->pidfd);
    worker->pidfd = -1;
    worker->is_birth_told = 1;
    return 1;
}

static int tell_about(struct worker *worker)
{
    if (worker->stage != STAGE_UNBORN && !worker->is_birth_told && !tell_birth(worker))
        return 0;
    if (worker->stage == STAGE_BORN)
        worker->stage = STAGE_LIVES;
    else if (worker->stage != STAGE_LIVES) {
        if (!tell(&worker->event, -1))
            return 0;
        worker->stage = STAGE_FORGOTTEN;
    }
    zygote.untold--;
    return 1;
}

// Tells what the socket takes.
static void tell_all(void)
{
    zygote.is_full = zygote.is_short = 0;
    for (size_t i = 0; i < zygote.count && zygote.untold > 0;) {
        struct worker *worker = &zygote.workers[i];
        if (worker->stage != STAGE_LIVES && !tell_about(worker))
            return;
        if (worker->stage == STAGE_FORGOTTEN)
            *worker = zygote.workers[--zygote.count];
        else
            i++;
    }
}

// ---- births and deaths ----

// The worker's process.  Only what is the zygote's own is closed: a descriptor that some library has opened
// before main() belongs to that library, which finds it where it was.
static _Noreturn void live(uint64_t serial, const int *fds, int count, pid_t parent)
{
    struct via__birth birth = {
        .config = zygote.config, .directory_fd = VIA__FD_DIRECTORY, .control = fds[0], .count = count - 1};
    via__birth_prepare(zygote.config, serial, parent, zygote.oom);
    if (zygote.is_fresh)
        via__birth_exec(zygote.path, serial, fds, count, parent);
    close(VIA__FD_CONTROL);
    close(VIA__FD_CONFIG);
    if (zygote.program >= 0)
        close(zygote.program);
    for (size_t i = 0; i < zygote.count; i++)
        if (zygote.workers[i].pidfd >= 0)
            close(zygote.workers[i].pidfd);
    memcpy(birth.fds, fds + 1, sizeof *fds * (size_t)birth.count);
    zygote.worker(&birth);
    _exit(VIA__EXIT_NOT_ENTERED);
}

// Gives the child's number, or a negative errno.
static pid_t give_birth(uint64_t serial, const int *fds, int count)
{
    pid_t parent = getpid();
    if (count < 1 || count > VIA__BIRTH_FDS_MAX)
        return VIA_EINVAL;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        live(serial, fds, count, parent);
    setpgid(pid, pid); // here too, so that the group is there when it may have to be killed
    return pid;
}

static void add_worker(uint64_t serial, int *fds, int count, int status)
{
    struct worker *worker = &zygote.workers[zygote.count];
    *worker = (struct worker){.stage = STAGE_UNBORN, .pidfd = -1};
    pid_t pid = status < 0 ? status : give_birth(serial, fds, count);
    via__fds_close(fds, count); // before another is opened
    worker->event = (struct via__zygote_event){.kind = VIA__ZYGOTE_UNBORN, .serial = serial, .pidfd = -1};
    if (pid < 0) {
        worker->event.status = pid;
    } else {
        worker->stage = STAGE_BORN;
        worker->event.pid = pid;
        worker->pidfd = via__pidfd_open(pid);
    }
    zygote.count++;
    zygote.untold++;
}

static void bury(pid_t pid)
{
    struct rusage usage = {0};
    int wait_status = 0;
    kill(-pid, SIGKILL);
    if (wait4(pid, &wait_status, WNOHANG, &usage) != pid)
        return;
    struct worker *worker = find(pid);
    if (!worker)
        return; // a child that came with the program's image
    if (worker->stage == STAGE_LIVES)
        zygote.untold++;
    worker->stage = STAGE_ENDED;
    worker->event.kind = VIA__ZYGOTE_DIED;
    worker->event.wait_status = wait_status;
    worker->event.user_ns = ns_of(usage.ru_utime);
    worker->event.system_ns = ns_of(usage.ru_stime);
    worker->event.max_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
}

static void bury_all(void)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        bury(info.si_pid);
    }
}

// ---- requests ----

static void kill_serial(uint64_t serial)
{
    for (size_t i = 0; i < zygote.count; i++) {
        const struct worker *worker = &zygote.workers[i];
        if (worker->event.serial == serial && worker->stage <= STAGE_LIVES)
            kill_process(worker->event.pid);
    }
}

// There is room in the table.
static void serve_request(void)
{
    struct via__request request = {0};
    int fds[VIA__FDS_MAX], count = 0;
    int got = via__fds_receive(VIA__FD_CONTROL, &request, sizeof request, fds, &count, VIA__FDS_NOW);
    if (got == VIA_EAGAIN)
        return;
    // For want of descriptors the message came without them.
    if (got != sizeof request && got != -EMSGSIZE)
        end_all();
    if (request.kind == VIA__REQUEST_BIRTH)
        add_worker(request.serial, fds, count, got < 0 ? -EMFILE : 0);
    else if (request.kind == VIA__REQUEST_KILL)
        kill_serial(request.serial);
}

static int is_program_gone(const struct pollfd *watched)
{
    return (watched[0].revents & (POLLHUP | POLLERR | POLLNVAL)) || watched[1].revents ||
           getppid() != zygote.parent;
}

static void wait_and_serve(void)
{
    int may_read = make_room();
    struct pollfd watched[] = {
        {.fd = VIA__FD_CONTROL, .events = (short)((may_read ? POLLIN : 0) | (zygote.is_full ? POLLOUT : 0))},
        {.fd = zygote.program, .events = POLLIN},
        {.fd = zygote.bell.read_fd, .events = POLLIN}};
    struct timespec look = {.tv_nsec = LOOK_AT_PARENT_MS * VIA_MS}, retry = {.tv_nsec = RETRY_MS * VIA_MS};
    const struct timespec *until = zygote.program < 0 ? &look : NULL;
    if (zygote.is_short || !may_read)
        until = &retry;
    if (ppoll(watched, 3, until, &zygote.quiet) <= 0) {
        if (getppid() != zygote.parent)
            end_all();
        return;
    }
    if (is_program_gone(watched))
        end_all();
    if (watched[2].revents)
        via__wakefd_drain(&zygote.bell); // before the dead are looked for, so that no ring is lost
    if (watched[0].revents & POLLIN)
        serve_request();
}

// ---- beginning ----

// In whatever thread it runs: it is there only to end the wait.
static void on_death(int signal)
{
    int error = errno;
    (void)signal;
    if (zygote.bell.write_fd >= 0)
        via__wakefd_signal(&zygote.bell);
    errno = error;
}

// SIGCHLD is blocked from here on but for the wait.
static void set_signals(void)
{
    struct sigaction action = {.sa_handler = on_death, .sa_flags = SA_RESTART};
    sigset_t deaths;
    sigemptyset(&action.sa_mask);
    sigemptyset(&deaths);
    sigaddset(&deaths, SIGCHLD);
    sigprocmask(SIG_BLOCK, &deaths, &zygote.quiet);
    sigdelset(&zygote.quiet, SIGCHLD);
    sigaction(SIGCHLD, &action, NULL);
}

// Which thread of the program started this process is chance; its CPUs and priority are not to stay.
static void take_scheduling(pid_t program)
{
#ifdef HAVE_SCHED_GETAFFINITY
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (sched_getaffinity(program, sizeof cpus, &cpus) == 0)
        (void)sched_setaffinity(0, sizeof cpus, &cpus);
#endif
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)program);
    if (errno == 0)
        (void)setpriority(PRIO_PROCESS, 0, nice);
}

// A program may have been started without one of the first three; then what is opened next would be taken for
// it.
static void fill_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int count_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    int count = 0;
    if (!directory)
        return 1; // nobody can tell
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

// The program is this process's parent, unless that was quicker to end than this is to look.  From within a
// new process namespace it is not seen, and goes by 0.
static void find_program(void)
{
    zygote.parent = getppid();
    zygote.program = -1;
    if (zygote.parent == 0)
        return;
    if (zygote.parent != zygote.config->parent_pid)
        _exit(0);
    take_scheduling(zygote.parent);
    zygote.program = via__pidfd_open(zygote.parent);
    if (zygote.program >= 0)
        fcntl(zygote.program, F_SETFD, FD_CLOEXEC);
    if (getppid() != zygote.parent)
        _exit(0);
}

// How workers come to be here.
static void choose_birth(int has_threads)
{
    zygote.is_fresh = zygote.config->fresh_exec || has_threads;
    errno = ENOENT;
    zygote.path = zygote.is_fresh ? via__enter_program() : NULL;
    if (zygote.is_fresh && !zygote.path)
        via__copy_refuse(errno == EMFILE || errno == ENFILE ? VIA_EAGAIN : VIA_ESETUP,
                         "a worker process cannot find the program to start it anew");
    zygote.bell = (struct via__wakefd){-1, -1};
    if (has_threads && via__wakefd_open(&zygote.bell) < 0)
        via__copy_refuse(VIA_EAGAIN, "a worker process was refused a descriptor");
}

_Noreturn void via__zygote_run(via__worker_fn worker)
{
#ifndef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
    via__close_from(VIA__FD_FIRST_CHANNEL);
#endif
    fill_standard();
    zygote.worker = worker;
    zygote.config = via__copy_config();
    int has_threads = count_threads() != 1;
    choose_birth(has_threads);
    find_program();
    zygote.oom = via__birth_oom();
    set_signals();
    fflush(NULL); // or every worker would write what is in the buffers once more
    via__name_process(zygote.config->name, "-zygote");
    const char *said = has_threads
                           ? "a library starts a thread before main() calls via_process_enter(): workers "
                             "are started anew each, which takes longer than to copy them"
                           : "";
    if (via__hello_send(VIA__FD_CONTROL, 0, said) < 0)
        _exit(VIA__EXIT_NOT_ENTERED);
    for (;;) {
        wait_and_serve();
        bury_all();
        tell_all();
    }
}
