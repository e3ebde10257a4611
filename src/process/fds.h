/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages with descriptors over a local socket that keeps message boundaries (SOCK_SEQPACKET). */
#ifndef VIADUCT_PROCESS_FDS_H
#define VIADUCT_PROCESS_FDS_H

#include <stddef.h>

#define VIA__FDS_MAX 8

// A pair of connected sockets, both close-on-exec.  0 or a negative errno.
int via__fds_pair(int ends[2]);

// Sends one message; never blocks, never raises SIGPIPE.  0, VIA_EAGAIN if the socket is full, or another
// negative errno.
int via__fds_send(int socket, const void *message, size_t bytes, const int *fds, int count);

enum via__fds_wait { VIA__FDS_NOW, VIA__FDS_BLOCK };

// Receives one message: its length, with the descriptors, close-on-exec, that came with it; 0 at the end of
// the connection; VIA_EAGAIN if there is none; another negative errno.  A message that is longer than
// `capacity`, or has more descriptors than VIA__FDS_MAX, is -EMSGSIZE, and its descriptors are closed.
// `fds` has room for VIA__FDS_MAX.
int via__fds_receive(int socket, void *message, size_t capacity, int *fds, int *count,
                     enum via__fds_wait how);

void via__fds_close(const int *fds, int count);

#endif
