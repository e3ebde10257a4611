/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's side of a zygote that has been started. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"
#include "process/zygote_parts.h"

// What it takes to kill every worker's group, many times over.
#define END_GRACE_NS (500 * VIA_MS)
// How long a killed process may take to die before it is left alone.
#define DEATH_NS VIA_S

int via__pidfd_open(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

static int send_request(struct via__zygote *zygote, enum via__request_kind kind, uint64_t serial,
                        const int *fds, int count)
{
    struct via__request request = {.kind = kind, .serial = serial};
    if (zygote->control < 0)
        return VIA_ESHUTDOWN;
    int status = via__fds_send(zygote->control, &request, sizeof request, fds, count);
    // Too many descriptors are under way, or the kernel is short of memory: as good as a full socket.
    if (status == -ETOOMANYREFS || status == -ENOBUFS || status == -ENOMEM)
        return VIA_EAGAIN;
    return status;
}

int via__zygote_ask(struct via__zygote *zygote, uint64_t serial, const int *fds, int count)
{
    assert(count >= 1 && count <= VIA__BIRTH_FDS_MAX);
    return send_request(zygote, VIA__REQUEST_BIRTH, serial, fds, count);
}

int via__zygote_kill(struct via__zygote *zygote, uint64_t serial)
{
    return send_request(zygote, VIA__REQUEST_KILL, serial, NULL, 0);
}

static int is_event(const struct via__zygote_event *event)
{
    return event->kind >= VIA__ZYGOTE_BORN && event->kind <= VIA__ZYGOTE_DIED;
}

int via__zygote_next(struct via__zygote *zygote, struct via__zygote_event *event)
{
    struct via__zygote_event got = {.kind = 0};
    int fds[VIA__FDS_MAX], count = 0;
    if (zygote->control < 0)
        return VIA_ESHUTDOWN;
    int bytes = via__fds_receive(zygote->control, &got, sizeof got, fds, &count, VIA__FDS_NOW);
    if (bytes == VIA_EAGAIN)
        return 0;
    if (bytes == 0 || bytes == -ECONNRESET)
        return VIA_ESHUTDOWN;
    // Without room for the descriptor the message came without it.
    int is_whole = bytes == sizeof got || (bytes == -EMSGSIZE && got.kind == VIA__ZYGOTE_BORN);
    if (!is_whole || !is_event(&got) || count > (got.kind == VIA__ZYGOTE_BORN)) {
        via__fds_close(fds, count);
        return bytes == VIA_ENOMEM ? 0 : VIA_ECORRUPT;
    }
    got.pidfd = count ? fds[0] : -1;
    *event = got;
    return 1;
}

// Polling is for kernels without pidfds alone; a zygote that ends is nothing a loop waits for.
static void wait_for_death(const struct via__zygote *zygote, int64_t left_ns)
{
    struct pollfd watched = {.fd = zygote->pidfd, .events = POLLIN};
    if (zygote->pidfd < 0 && left_ns > VIA_MS)
        left_ns = VIA_MS;
    poll(&watched, 1, (int)((left_ns + VIA_MS - 1) / VIA_MS));
}

int via__zygote_reap(const struct via__zygote *zygote, int64_t end_ns, int *wait_status)
{
    for (;;) {
        int64_t left_ns = end_ns - via_now_ns();
        pid_t got = waitpid(zygote->pid, wait_status, WNOHANG);
        if (got > 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (left_ns <= 0)
            return VIA_ETIMEDOUT;
        wait_for_death(zygote, left_ns < VIA_S ? left_ns : VIA_S);
    }
}

// Whether the number is still that of the child, dead or alive.
static int is_child(pid_t pid)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// If the number is no longer the child's, somebody else has reaped it: then there is nothing to signal.
static void send_signal(const struct via__zygote *zygote, int signal)
{
    if (!is_child(zygote->pid))
        return;
    kill(zygote->pid, signal);
    kill(-zygote->pid, signal); // what a copy that is no zygote has started
}

void via__zygote_rouse(const struct via__zygote *zygote)
{
    if (zygote->pid > 0 && is_child(zygote->pid))
        kill(zygote->pid, SIGCONT);
}

void via__zygote_strike(const struct via__zygote *zygote)
{
    if (zygote->pid > 0 && is_child(zygote->pid))
        kill(zygote->pid, SIGKILL);
}

static void end_process(const struct via__zygote *zygote, int64_t grace_ns)
{
    int wait_status;
    if (grace_ns > 0) {
        send_signal(zygote, SIGCONT); // a stopped one could not end its workers
        if (via__zygote_reap(zygote, via__deadline(grace_ns), &wait_status) != VIA_ETIMEDOUT)
            return;
    }
    send_signal(zygote, SIGKILL);
    (void)via__zygote_reap(zygote, via__deadline(DEATH_NS), &wait_status);
}

static void stop(const struct via__zygote *zygote, int64_t grace_ns)
{
    // Not only close(): a forked copy of the program may hold the socket too.
    shutdown(zygote->control, SHUT_RDWR);
    if (zygote->pid > 0)
        end_process(zygote, grace_ns);
}

void via__zygote_finish(struct via__zygote *zygote, int64_t grace_ns)
{
    stop(zygote, grace_ns);
    via__zygote_forget(zygote);
}

void via__zygote_stop(const struct via__zygote *zygote)
{
    if (zygote->control >= 0)
        stop(zygote, END_GRACE_NS);
}

void via__zygote_end(struct via__zygote *zygote)
{
    via__zygote_stop(zygote);
    via__zygote_forget(zygote);
}

// The numbers go first: another thread may fork in between, and its child closes what it finds here, which
// must not be what was opened since under the same number.
void via__zygote_forget(struct via__zygote *zygote)
{
    struct via__zygote left = *zygote;
    *zygote = (struct via__zygote){.control = -1, .pidfd = -1, .pid = -1};
    if (left.control >= 0)
        close(left.control);
    if (left.pidfd >= 0)
        close(left.pidfd);
}
