/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_WAKEFD_H
#define VIADUCT_BASE_WAKEFD_H

// A descriptor that any thread can make readable: an eventfd, or a pipe where there is none.
struct via__wakefd {
    int read_fd;
    int write_fd; // the same as read_fd for an eventfd
};

// 0 or a negative errno.
int via__wakefd_open(struct via__wakefd *wake);
void via__wakefd_close(struct via__wakefd *wake);

// Makes it readable.  Cannot fail in a way that matters: a full counter or pipe is readable already.
void via__wakefd_signal(const struct via__wakefd *wake);

// Makes it unreadable again.
void via__wakefd_drain(const struct via__wakefd *wake);

#endif
