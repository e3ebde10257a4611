/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers and writers: two watches for each descriptor. */
#include <config.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "loop/watch.h"

enum { READER, WRITER };

static size_t slot_of(int fd, int direction)
{
    return (size_t)fd * 2 + (size_t)direction;
}

// Finds out what the backend would refuse, because libevent also prints what it refuses.
static int check_fd(const via_loop *loop, int fd)
{
    struct stat info;
    if (fcntl(fd, F_GETFD) < 0 || fstat(fd, &info) < 0)
        return VIA_EBADF;
    int is_plain = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
    return is_plain && strncmp(event_base_get_method(loop->base), "epoll", 5) == 0 ? VIA_EPERM : 0;
}

static int add(via_loop *loop, int fd, int direction, via_callback_fn fn, void *arg)
{
    int status = fd >= 0 && fn ? via__loop_check(loop) : VIA_EINVAL;
    if (status == 0)
        status = check_fd(loop, fd);
    if (status < 0)
        return status;
    short what = direction == READER ? EV_READ : EV_WRITE;
    return via__watch_set(loop, &loop->fds, slot_of(fd, direction), fd, (short)(what | EV_PERSIST), fn, arg);
}

static int remove_watch(via_loop *loop, int fd, int direction)
{
    int status = fd >= 0 ? via__loop_check(loop) : VIA_EINVAL;
    return status < 0 ? status : via__watch_clear(loop, &loop->fds, slot_of(fd, direction));
}

int via_loop_add_reader(via_loop *loop, int fd, via_callback_fn fn, void *arg)
{
    return add(loop, fd, READER, fn, arg);
}

int via_loop_remove_reader(via_loop *loop, int fd)
{
    return remove_watch(loop, fd, READER);
}

int via_loop_add_writer(via_loop *loop, int fd, via_callback_fn fn, void *arg)
{
    return add(loop, fd, WRITER, fn, arg);
}

int via_loop_remove_writer(via_loop *loop, int fd)
{
    return remove_watch(loop, fd, WRITER);
}
