/* SPDX-License-Identifier: BSD-3-Clause */
/* How a process that the zygote has forked becomes a worker, here or by starting the program anew. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <viaduct/error.h>

#include "base/thread.h"
#include "process/zygote_parts.h"

#define OOM_FILE  "/proc/self/oom_score_adj"
#define OOM_SCORE 500 // halfway to certain

#define HELLO_TRIES 1000 // of a millisecond

void via__name_process(const char *name, const char *suffix)
{
    char text[16];
    size_t wanted = strlen(suffix) + 1;
    size_t kept = strnlen(name, sizeof text - wanted);
    memcpy(text, name, kept);
    memcpy(text + kept, suffix, wanted);
    via__thread_set_name(text);
}

static void name_worker(const struct via__process_config *config, uint64_t serial)
{
    char suffix[16];
    snprintf(suffix, sizeof suffix, "-%u", (unsigned)(serial & UINT32_MAX));
    via__name_process(config->name, suffix);
}

// Dies with the zygote.  That is the death of the thread that has forked this process, and the zygote has no
// other.  If it is dead already, its death was too early to be told.
static void die_with(pid_t zygote)
{
#ifdef PR_SET_PDEATHSIG
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != zygote)
        _exit(VIA__EXIT_NOT_ENTERED);
}

int via__birth_oom(void)
{
    char text[16] = "";
    int fd = open(OOM_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? (int)strtol(text, NULL, 10) : 0;
}

// Rather a worker than the program.
static void be_killed_first(int score)
{
    char text[16];
    if (score >= OOM_SCORE)
        return;
    int fd = open(OOM_FILE, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    int bytes = snprintf(text, sizeof text, "%d", OOM_SCORE);
    ssize_t written = write(fd, text, (size_t)bytes);
    (void)written; // nothing depends on it
    close(fd);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void via__birth_prepare(const struct via__process_config *config, uint64_t serial, pid_t zygote, int oom)
{
    setpgid(0, 0);
    die_with(zygote);
    name_worker(config, serial);
    be_killed_first(oom);
    reset_signals();
}

// Nothing waits on the socket yet, so what it does not take for want of memory it takes a little later.
int via__hello_send(int control, int status, const char *text)
{
    struct via__hello hello = {.magic = VIA__HELLO_MAGIC, .status = status};
    int sent, tries = 0;
    strncpy(hello.text, text, sizeof hello.text - 1);
    do
        sent = via__fds_send(control, &hello, sizeof hello, NULL, 0);
    while ((sent == VIA_EAGAIN || sent == VIA_ENOMEM || sent == -ENOBUFS) && ++tries < HELLO_TRIES &&
           (poll(NULL, 0, 1) >= 0 || errno == EINTR));
    return sent;
}

_Noreturn void via__copy_refuse(int status, const char *text)
{
    (void)via__hello_send(VIA__FD_CONTROL, status, text);
    _exit(VIA__EXIT_NOT_ENTERED);
}

const struct via__process_config *via__copy_config(void)
{
    errno = 0;
    const struct via__process_config *config = via__config_map(VIA__FD_CONFIG);
    if (!config)
        via__copy_refuse(errno == ENOMEM ? VIA_ENOMEM : VIA_ESETUP,
                         "the configuration of the worker processes is not readable");
    return config;
}

int via__fd_lift(int fd, int least)
{
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, least);
    if (lifted < 0)
        return errno == EINVAL ? -EMFILE : -errno; // the former if even the least is past the limit
    return lifted;
}

// Where the kernel cannot: one by one, and from a list made first, as closing changes what is read.
static void close_listed(int first)
{
    int open_fds[1024], count;
    do {
        DIR *directory = opendir("/proc/self/fd");
        if (!directory)
            return;
        count = 0;
        for (const struct dirent *entry; count < 1024 && (entry = readdir(directory));) {
            int fd = (int)strtol(entry->d_name, NULL, 10);
            if (fd >= first && fd != dirfd(directory))
                open_fds[count++] = fd;
        }
        closedir(directory);
        via__fds_close(open_fds, count);
    } while (count > 0);
}

void via__close_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    close_listed(first);
}

// Puts the descriptors at the numbers of a started copy.  They are lifted first, since one may have the
// number that another is to get.  Configuration and directory are in their places, and only have to stay.
static int place(const int *fds, int count)
{
    int lifted[VIA__BIRTH_FDS_MAX];
    for (int i = 0; i < count; i++) {
        lifted[i] = via__fd_lift(fds[i], VIA__FD_FIRST_CHANNEL + VIA__BIRTH_FDS_MAX);
        if (lifted[i] < 0)
            return lifted[i];
    }
    for (int i = 0; i < count; i++)
        if (dup2(lifted[i], i ? VIA__FD_FIRST_CHANNEL + i - 1 : VIA__FD_CONTROL) < 0)
            return -errno;
    if (fcntl(VIA__FD_CONFIG, F_SETFD, 0) < 0 || fcntl(VIA__FD_DIRECTORY, F_SETFD, 0) < 0)
        return -errno;
    via__close_from(VIA__FD_FIRST_CHANNEL + count - 1);
    return 0;
}

// The environment of a started worker: without setenv(), whose lock another thread of the zygote may have
// held at the fork.
static int make_environment(char *told, char ***environment)
{
    char **marked;
    size_t count = 0, kept = 0;
    int status = via__enter_environment(VIA__COPY_WORKER, VIA__FD_CONTROL, &marked);
    if (status < 0)
        return status;
    while (marked[count])
        count++;
    char **more = malloc((count + 2) * sizeof *more);
    if (!more)
        return VIA_ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (strncmp(marked[i], VIA__BIRTH_VARIABLE "=", sizeof VIA__BIRTH_VARIABLE) != 0)
            more[kept++] = marked[i];
    more[kept++] = told;
    more[kept] = NULL;
    *environment = more;
    return 0;
}

static int exec_program(const char *program, uint64_t serial, int count, pid_t zygote)
{
    char told[96], name[] = "viaduct-worker", *arguments[] = {name, NULL};
    char **environment;
    snprintf(told, sizeof told, VIA__BIRTH_VARIABLE "=%d:%" PRIu64 ":%d", count, serial, (int)zygote);
    int status = make_environment(told, &environment);
    if (status < 0)
        return status;
    execve(program, arguments, environment);
    return -errno;
}

_Noreturn void via__birth_exec(const char *program, uint64_t serial, const int *fds, int count, pid_t zygote)
{
    struct via__why why;
    int control = fds[0];
    int status = place(fds, count);
    if (status == 0) {
        control = VIA__FD_CONTROL;
        status = exec_program(program, serial, count, zygote);
    }
    via__why(&why, status, "a worker process could not start the program anew: %s", via_status_text(status));
    (void)via__hello_send(control, status, why.text);
    _exit(VIA__EXIT_NOT_ENTERED);
}

// Only failures are told here: the control socket of a worker is for its work, and the pool reads them when
// it has ended.  Starting anew has taken the name away; the rest of what via__birth_prepare() did is kept,
// though the parent's death only where the program's file gives no privileges.
_Noreturn void via__fresh_run(via__worker_fn worker)
{
    struct via__birth birth = {.directory_fd = VIA__FD_DIRECTORY, .control = VIA__FD_CONTROL};
    const char *told = getenv(VIA__BIRTH_VARIABLE);
    uint64_t serial;
    int count, zygote;
    birth.config = via__copy_config();
    if (!told || sscanf(told, "%d:%" SCNu64 ":%d", &count, &serial, &zygote) != 3 || count < 1 ||
        count > VIA__BIRTH_FDS_MAX)
        via__copy_refuse(VIA_ESETUP,
                         "a worker process was not told its descriptors: " VIA__BIRTH_VARIABLE " is missing");
    unsetenv(VIA__BIRTH_VARIABLE);
    die_with(zygote);
    close(VIA__FD_CONFIG);
    name_worker(birth.config, serial);
    birth.count = count - 1;
    for (int i = 0; i < birth.count; i++) {
        birth.fds[i] = VIA__FD_FIRST_CHANNEL + i;
        fcntl(birth.fds[i], F_SETFD, FD_CLOEXEC);
    }
    worker(&birth);
    _exit(VIA__EXIT_NOT_ENTERED);
}
