/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What process pools ask of the system: the linker's --wrap sends the library's calls here, and nobody
 * else's.  The names are the linker's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/seccomp.h>

#include "inject.h"

int __real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const *arguments, char *const *environment);
pid_t __real_fork(void);
int __real_execve(const char *path, char *const *arguments, char *const *environment);
long __real_syscall(long number, ...);
int __real_prctl(int option, ...);
int __real_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer);
int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int fd, off_t bytes);
ssize_t __real_pwrite(int fd, const void *from, size_t bytes, off_t at);
int __real_fcntl(int fd, int command, ...);
int __real_open(const char *path, int flags, ...);
DIR *__real_opendir(const char *path);
FILE *__real_fopen(const char *path, const char *mode);
ssize_t __real_send(int fd, const void *from, size_t bytes, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recv(int fd, void *to, size_t bytes, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
int __real_poll(struct pollfd *watched, nfds_t count, int timeout_ms);
int __real_ppoll(struct pollfd *watched, nfds_t count, const struct timespec *timeout, const sigset_t *mask);

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const *arguments, char *const *environment);
pid_t __wrap_fork(void);
int __wrap_execve(const char *path, char *const *arguments, char *const *environment);
long __wrap_syscall(long number, ...);
int __wrap_prctl(int option, ...);
int __wrap_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_ftruncate(int fd, off_t bytes);
ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_open(const char *path, int flags, ...);
DIR *__wrap_opendir(const char *path);
FILE *__wrap_fopen(const char *path, const char *mode);
ssize_t __wrap_send(int fd, const void *from, size_t bytes, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t bytes, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout_ms);
int __wrap_ppoll(struct pollfd *watched, nfds_t count, const struct timespec *timeout, const sigset_t *mask);

/* Says whether this call is to fail, and sets errno if it is. */
static int refused(enum fault_kind kind, int error)
{
    if (!fault_hit(kind))
        return 0;
    errno = error;
    return 1;
}

/* ---- processes ---- */

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const *arguments, char *const *environment)
{
    if (fault_hit(FAULT_PROCESS))
        return EAGAIN;
    return __real_posix_spawn(pid, path, actions, attributes, arguments, environment);
}

pid_t __wrap_fork(void)
{
    return refused(FAULT_PROCESS, EAGAIN) ? -1 : __real_fork();
}

int __wrap_execve(const char *path, char *const *arguments, char *const *environment)
{
    return refused(FAULT_PROCESS, EAGAIN) ? -1 : __real_execve(path, arguments, environment);
}

/* What a raw system call can fail of, if it is one that does: FAULT_KINDS for none.  Questions to the kernel
 * what it can do do not fail. */
static enum fault_kind kind_of(long number, const long *values, int *error)
{
    long operation = values[1] & FUTEX_CMD_MASK;
    *error = ENOMEM;
    switch (number) {
    case SYS_memfd_create:
    case SYS_pidfd_open:
        *error = EMFILE;
        return FAULT_DESCRIPTOR;
    case SYS_futex:
        *error = EINTR;
        return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET ? FAULT_POLL : FAULT_KINDS;
    case SYS_landlock_create_ruleset:
        return values[0] ? FAULT_CONFINE : FAULT_KINDS;
    case SYS_seccomp:
        return values[0] == SECCOMP_SET_MODE_FILTER ? FAULT_CONFINE : FAULT_KINDS;
    case SYS_landlock_add_rule:
    case SYS_landlock_restrict_self:
        return FAULT_CONFINE;
    default:
        return FAULT_KINDS;
    }
}

long __wrap_syscall(long number, ...)
{
    long values[6];
    int error;
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg(list, long);
    va_end(list);
    enum fault_kind kind = kind_of(number, values, &error);
    if (kind != FAULT_KINDS && refused(kind, error))
        return -1;
    long answer = __real_syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
    (void)fault_noticed(answer < 0 ? -1 : 0);
    return answer;
}

int __wrap_prctl(int option, ...)
{
    unsigned long values[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        values[i] = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_SET_NO_NEW_PRIVS && refused(FAULT_CONFINE, ENOMEM))
        return -1;
    return __real_prctl(option, values[0], values[1], values[2], values[3]);
}

int __wrap_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    return refused(FAULT_CONFINE, EAGAIN) ? -1 : __real_timer_create(clock, event, timer);
}

/* ---- files ---- */

int __wrap_memfd_create(const char *name, unsigned flags)
{
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(__real_memfd_create(name, flags));
}

int __wrap_ftruncate(int fd, off_t bytes)
{
    return refused(FAULT_FILE, ENOSPC) ? -1 : __real_ftruncate(fd, bytes);
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at)
{
    return refused(FAULT_FILE, ENOSPC) ? -1 : __real_pwrite(fd, from, bytes, at);
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    long value = va_arg(list, long);
    va_end(list);
    if (command == F_DUPFD_CLOEXEC && refused(FAULT_DESCRIPTOR, EMFILE))
        return -1;
    int answer = __real_fcntl(fd, command, value);
    /* The limit may lie below the least number that was asked for. */
    if (answer < 0 && errno == EINVAL && command == F_DUPFD_CLOEXEC)
        fault_struck(FAULT_DESCRIPTOR);
    return fault_noticed(answer);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(__real_open(path, flags, mode));
}

DIR *__wrap_opendir(const char *path)
{
    DIR *directory = refused(FAULT_DESCRIPTOR, EMFILE) ? NULL : __real_opendir(path);
    (void)fault_noticed(directory ? 0 : -1);
    return directory;
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    FILE *file = refused(FAULT_DESCRIPTOR, EMFILE) ? NULL : __real_fopen(path, mode);
    (void)fault_noticed(file ? 0 : -1);
    return file;
}

/* ---- sockets ---- */

/* A call that waits is never told that there is no room. */
static int may_not_send(int flags)
{
    return refused(FAULT_SEND_EINTR, EINTR) ||
           (flags & MSG_DONTWAIT &&
            (refused(FAULT_SEND_EAGAIN, EAGAIN) || refused(FAULT_SEND_ENOBUFS, ENOBUFS)));
}

ssize_t __wrap_send(int fd, const void *from, size_t bytes, int flags)
{
    return may_not_send(flags) ? -1 : __real_send(fd, from, bytes, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return may_not_send(flags) ? -1 : __real_sendmsg(fd, message, flags);
}

ssize_t __wrap_recv(int fd, void *to, size_t bytes, int flags)
{
    return refused(FAULT_RECEIVE_EINTR, EINTR) ? -1 : __real_recv(fd, to, bytes, flags);
}

/* Closes what came, as the kernel does with descriptors that it finds no room for. */
static void lose_descriptors(struct msghdr *message)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(fd), sizeof(fd));
            close(fd);
        }
    }
    message->msg_controllen = 0;
    message->msg_flags |= MSG_CTRUNC;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (refused(FAULT_RECEIVE_EINTR, EINTR))
        return -1;
    ssize_t got = __real_recvmsg(fd, message, flags);
    if (got >= 0 && message->msg_flags & MSG_CTRUNC)
        fault_struck(FAULT_DESCRIPTOR);
    else if (got >= 0 && CMSG_FIRSTHDR(message) && fault_hit(FAULT_RECEIVE_LOST))
        lose_descriptors(message);
    return got;
}

int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout_ms)
{
    return refused(FAULT_POLL, EINTR) ? -1 : __real_poll(watched, count, timeout_ms);
}

int __wrap_ppoll(struct pollfd *watched, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return refused(FAULT_POLL, EINTR) ? -1 : __real_ppoll(watched, count, timeout, mask);
}
