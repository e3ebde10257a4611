/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#ifdef HAVE_EVENTFD
#include <sys/eventfd.h>
#endif

#include "base/wakefd.h"

int via__wakefd_open(struct via__wakefd *wake)
{
#ifdef HAVE_EVENTFD
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    wake->read_fd = wake->write_fd = fd;
#else
    int fds[2];
    if (pipe(fds) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    wake->read_fd = fds[0];
    wake->write_fd = fds[1];
#endif
    return 0;
}

void via__wakefd_close(struct via__wakefd *wake)
{
    close(wake->read_fd);
    if (wake->write_fd != wake->read_fd)
        close(wake->write_fd);
    wake->read_fd = wake->write_fd = -1;
}

void via__wakefd_signal(const struct via__wakefd *wake)
{
    uint64_t one = 1;
    ssize_t written;
    do
        written = write(wake->write_fd, &one, wake->write_fd == wake->read_fd ? sizeof one : 1);
    while (written < 0 && errno == EINTR);
}

void via__wakefd_drain(const struct via__wakefd *wake)
{
    uint64_t buffer[8];
    ssize_t got;
    do
        got = read(wake->read_fd, buffer, sizeof buffer);
    while ((got < 0 && errno == EINTR) || (got > 0 && wake->write_fd != wake->read_fd));
}
