/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls: these definitions come before the C library's, for libviaduct and libevent alike.
 *
 * What really happens is left to the next definition of the same name, which under a sanitizer is the
 * sanitizer's own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "inject.h"

/* The compiler is told to hide what the library does not export; libevent would then never come here. */
#pragma GCC visibility push(default)

/* Finds the next definition of `name` once; dlsym() may be called again by a racing thread, with the same
 * answer. */
static void *next_of(const char *name, _Atomic(void *) *cache)
{
    /* Relaxed: the value is an address of code that has always been there. */
    void *found = atomic_load_explicit(cache, memory_order_relaxed);
    if (!found) {
        found = dlsym(RTLD_NEXT, name);
        if (!found)
            abort();
        atomic_store_explicit(cache, found, memory_order_relaxed); /* as above */
    }
    return found;
}

/* Declares `next`, the next definition of a function. */
#define NEXT(type, name, ...)                                                                                \
    static _Atomic(void *) cache;                                                                            \
    type (*next)(__VA_ARGS__) = __extension__(type(*)(__VA_ARGS__)) next_of(name, &cache)

/* Says whether this call is to fail, and sets errno if it is. */
static int refused(enum fault_kind kind, int error)
{
    if (!fault_hit(kind))
        return 0;
    errno = error;
    return 1;
}

int eventfd(unsigned count, int flags)
{
    NEXT(int, "eventfd", unsigned, int);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(count, flags));
}

int pipe(int fds[2])
{
    NEXT(int, "pipe", int *);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(fds));
}

int pipe2(int fds[2], int flags)
{
    NEXT(int, "pipe2", int *, int);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(fds, flags));
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    NEXT(int, "socketpair", int, int, int, int *);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(domain, type, protocol, fds));
}

int epoll_create(int size)
{
    NEXT(int, "epoll_create", int);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(size));
}

int epoll_create1(int flags)
{
    NEXT(int, "epoll_create1", int);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(flags));
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(fd, address, length, flags));
}

int timerfd_create(clockid_t clock, int flags)
{
    NEXT(int, "timerfd_create", clockid_t, int);
    return refused(FAULT_DESCRIPTOR, EMFILE) ? -1 : fault_noticed(next(clock, flags));
}

/* Only adding can fail for want of room: what is watched already has its place in the kernel. */
int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    NEXT(int, "epoll_ctl", int, int, int, struct epoll_event *);
    if (operation == EPOLL_CTL_ADD && refused(FAULT_WATCH, ENOSPC))
        return -1;
    return next(epoll_fd, operation, fd, event);
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int capacity, int timeout_ms)
{
    NEXT(int, "epoll_wait", int, struct epoll_event *, int, int);
    return refused(FAULT_POLL, EINTR) ? -1 : next(epoll_fd, events, capacity, timeout_ms);
}

ssize_t read(int fd, void *buffer, size_t bytes)
{
    NEXT(ssize_t, "read", int, void *, size_t);
    if (refused(FAULT_READ_EINTR, EINTR) || refused(FAULT_READ_EAGAIN, EAGAIN))
        return -1;
    return next(fd, buffer, bytes);
}

/* EAGAIN means that the eventfd or pipe is full, so its reader will find something.  To keep that true the
 * call is made, and then said to have failed. */
ssize_t write(int fd, const void *buffer, size_t bytes)
{
    NEXT(ssize_t, "write", int, const void *, size_t);
    if (refused(FAULT_WRITE_EINTR, EINTR))
        return -1;
    if (fault_hit(FAULT_WRITE_EAGAIN)) {
        (void)!next(fd, buffer, bytes);
        errno = EAGAIN;
        return -1;
    }
    return next(fd, buffer, bytes);
}

#pragma GCC visibility pop
