/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting a zygote: a copy of the program with three descriptors at fixed numbers, nothing else that the
 * program has open, and every signal as at the beginning.
 *
 * The copy says hello when it has come to via_process_enter() and is ready.  Until then it may be anything: a
 * program whose main() does not have that line runs on as a second program.  So it has until the deadline and
 * is killed when it has not said hello by then; what it did instead goes into the error's text.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"
#include "process/zygote_parts.h"

#define LINE_ADVICE "via_process_enter() has to be the first thing that main() calls, on every path"

// What the loader exits with.
#define EXIT_NOT_LOADED 127

// How long a copy may take to be gone when it has closed its control socket.
#define GONE_NS VIA_S

static int set_files(posix_spawn_file_actions_t *actions, const int *fds)
{
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; !error && i < VIA__FD_FIRST_CHANNEL - VIA__FD_CONTROL; i++)
        error = posix_spawn_file_actions_adddup2(actions, fds[i], VIA__FD_CONTROL + i);
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, VIA__FD_FIRST_CHANNEL);
#endif
    return -error;
}

// A group of its own, so that the terminal's signals do not reach it; no handler, nothing ignored or blocked.
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    sigemptyset(&none);
    int error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                         POSIX_SPAWN_SETSIGMASK);
    if (!error)
        error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    return -error;
}

static int spawn_with(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const int *fds,
                      char **environment, pid_t *pid)
{
    char name[] = "viaduct-zygote";
    char *arguments[] = {name, NULL};
    errno = ENOENT;
    const char *program = via__enter_program();
    if (!program)
        return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
    int status = set_files(actions, fds);
    if (status == 0)
        status = set_attributes(attributes);
    return status < 0 ? status : -posix_spawn(pid, program, actions, attributes, arguments, environment);
}

static int spawn(const int *fds, char **environment, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int status = -posix_spawn_file_actions_init(&actions);
    if (status < 0)
        return status;
    status = -posix_spawnattr_init(&attributes);
    if (status == 0) {
        status = spawn_with(&actions, &attributes, fds, environment, pid);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static int spawn_marked(const int *fds, pid_t *pid)
{
    char **environment;
    int status = via__enter_environment(VIA__COPY_ZYGOTE, fds[0], &environment);
    if (status < 0)
        return status;
    status = spawn(fds, environment, pid);
    free(environment);
    return status;
}

// The descriptors are copied to high numbers first, since one may have the number that another is to get.
static int launch(int control, int config_fd, int directory_fd, pid_t *pid)
{
    int given[] = {control, config_fd, directory_fd};
    int lifted[3], count = 0, status = 0;
    for (; count < 3; count++) {
        status = lifted[count] = via__fd_lift(given[count], VIA__FD_FIRST_CHANNEL);
        if (status < 0)
            break;
    }
    if (status >= 0)
        status = spawn_marked(lifted, pid);
    via__fds_close(lifted, count);
    return status;
}

// Gives the reason why nothing could be started, and the status that the pool's maker is to see.
static int not_started(int status, struct via__why *why)
{
    const char *text = via_status_text(status);
    switch (status) {
    case VIA_ENOMEM:
        return status;
    case -EMFILE:
    case -ENFILE:
    case VIA_EAGAIN:
        return via__why(why, VIA_EAGAIN, "the system refused a process or a descriptor: %s", text);
    case -ENOENT:
    case -EACCES:
    case -ENOEXEC:
        return via__why(why, VIA_ESETUP, "worker processes are copies of the program's file, which fails: %s",
                        text);
    default:
        return via__why(why, status, "a worker process could not be started: %s", text);
    }
}

// The copy has closed its socket or ended: says how.
static int ended_early(struct via__zygote *zygote, int64_t deadline_ns, struct via__why *why)
{
    int64_t end_ns = via__deadline(GONE_NS);
    int wait_status;
    int status = via__zygote_reap(zygote, end_ns < deadline_ns ? end_ns : deadline_ns, &wait_status);
    if (status != VIA_ETIMEDOUT)
        zygote->pid = -1;
    if (status == VIA_ETIMEDOUT)
        return via__why(why, VIA_ESETUP,
                        "a worker process closed its descriptors before the handshake; " LINE_ADVICE);
    if (status < 0)
        return via__why(why, VIA_ESETUP, "a worker process ended before the handshake; " LINE_ADVICE);
    if (WIFSIGNALED(wait_status))
        return via__why(why, VIA_ESETUP,
                        "a worker process was killed by signal %d before the handshake; " LINE_ADVICE,
                        WTERMSIG(wait_status));
    if (WEXITSTATUS(wait_status) == EXIT_NOT_LOADED)
        return via__why(why, VIA_ESETUP,
                        "a worker process exited with status %d before the handshake: most likely the loader "
                        "did not find a library; has the program changed its environment "
                        "(LD_LIBRARY_PATH)?",
                        EXIT_NOT_LOADED);
    return via__why(why, VIA_ESETUP,
                    "a worker process exited with status %d before the handshake; " LINE_ADVICE,
                    WEXITSTATUS(wait_status));
}

// Reads the first message: 1 if it is a good one, 0 if there is none yet, VIA_ESHUTDOWN at the end of the
// connection, or what the copy reports.
static int read_hello(int control, struct via__why *why)
{
    struct via__hello hello;
    int fds[VIA__FDS_MAX], count;
    int got = via__fds_receive(control, &hello, sizeof hello, fds, &count, VIA__FDS_NOW);
    if (got == VIA_EAGAIN)
        return 0;
    if (got == 0 || got == -ECONNRESET)
        return VIA_ESHUTDOWN;
    if (got < 0)
        return via__why(why, got, "the handshake of a worker process failed: %s", via_status_text(got));
    via__fds_close(fds, count);
    if (got != sizeof hello || hello.magic != VIA__HELLO_MAGIC)
        return via__why(why, VIA_ESETUP, "a worker process wrote to its control socket; " LINE_ADVICE);
    hello.text[sizeof hello.text - 1] = '\0';
    return via__why(why, hello.status < 0 ? hello.status : 1, "%s", hello.text);
}

// Waits for something to look at; never past the deadline.
static void wait_for_news(const struct via__zygote *zygote, int64_t deadline_ns)
{
    struct pollfd watched[] = {{.fd = zygote->control, .events = POLLIN},
                               {.fd = zygote->pidfd, .events = POLLIN}};
    int64_t left_ns = deadline_ns == VIA_FOREVER ? VIA_S : deadline_ns - via_now_ns();
    if (left_ns > VIA_S)
        left_ns = VIA_S;
    if (left_ns > 0)
        poll(watched, 2, (int)((left_ns + VIA_MS - 1) / VIA_MS));
}

// Whether it has ended, which the socket does not tell where a forked copy of the program holds its other
// end.
static int has_ended(const struct via__zygote *zygote)
{
    siginfo_t info = {.si_pid = 0};
    int rc = waitid(P_PID, (id_t)zygote->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return rc < 0 || info.si_pid != 0;
}

static int await_hello(struct via__zygote *zygote, int64_t timeout_ns, int64_t deadline_ns,
                       struct via__why *why)
{
    for (;;) {
        int is_late = via_now_ns() >= deadline_ns;
        int is_over = has_ended(zygote); // before the look: what it has said is then there
        int status = read_hello(zygote->control, why);
        if (status > 0)
            return 0;
        if (status == VIA_ESHUTDOWN || (status == 0 && is_over))
            return ended_early(zygote, deadline_ns, why);
        if (status < 0)
            return status;
        if (is_late)
            return via__why(why, VIA_ETIMEDOUT,
                            "a worker process did not reach via_process_enter() in %lld ms; " LINE_ADVICE,
                            (long long)(timeout_ns / VIA_MS));
        wait_for_news(zygote, deadline_ns);
    }
}

int via__zygote_start(int config_fd, int directory_fd, int64_t timeout_ns, struct via__zygote *zygote,
                      struct via__why *why)
{
    int64_t deadline_ns = via__deadline(timeout_ns);
    struct via__zygote started;
    int ends[2];
    int status = via__fds_pair(ends);
    if (status < 0)
        return not_started(status, why);
    status = launch(ends[1], config_fd, directory_fd, &started.pid);
    close(ends[1]);
    if (status < 0) {
        close(ends[0]);
        return not_started(status, why);
    }
    started.control = ends[0];
    started.pidfd = via__pidfd_open(started.pid);
    status = await_hello(&started, timeout_ns, deadline_ns, why);
    if (status < 0)
        via__zygote_finish(&started, 0);
    else
        *zygote = started;
    return status;
}
