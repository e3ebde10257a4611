/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/fds.h"

#define CONTROL_BYTES CMSG_SPACE(sizeof(int) * VIA__FDS_MAX)

int via__fds_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

static void attach(struct msghdr *header, const int *fds, int count)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(control), fds, sizeof(int) * (size_t)count);
}

int via__fds_send(int socket, const void *message, size_t bytes, const int *fds, int count)
{
    alignas(struct cmsghdr) char room[CONTROL_BYTES] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = bytes};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;
    if (count > 0) {
        header.msg_control = room;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        attach(&header, fds, count);
    }
    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EWOULDBLOCK ? VIA_EAGAIN : -errno;
    return 0;
}

void via__fds_close(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

// Takes out whatever descriptors came, so that none is lost.
static int detach(struct msghdr *header, int *fds)
{
    int count = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        size_t found = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < found; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
            if (count < VIA__FDS_MAX)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count;
}

int via__fds_receive(int socket, void *message, size_t capacity, int *fds, int *count, enum via__fds_wait how)
{
    alignas(struct cmsghdr) char room[CONTROL_BYTES];
    struct iovec part = {.iov_base = message, .iov_len = capacity};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    ssize_t got;
    int is_reset = 0;
    // A peer that closes with messages unread resets the connection, and the kernel tells that once, before
    // what the peer had sent.  That comes first all the same; then comes the end.
    do
        got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | (how == VIA__FDS_NOW ? MSG_DONTWAIT : 0));
    while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !is_reset++)));
    if (got < 0)
        return errno == EWOULDBLOCK ? VIA_EAGAIN : -errno;
    *count = detach(&header, fds);
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        via__fds_close(fds, *count);
        *count = 0;
        return -EMSGSIZE;
    }
    return (int)got;
}
