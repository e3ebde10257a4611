/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference: two processes that play ping-pong over a socket pair with blocking reads and writes, without
 * a pool, futures, or any care for what may go wrong.  PROGRAM WORKLOAD WORKERS PARAM, as process_viaduct. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAME_BYTES = 64, LONG_BYTES = 65536 };

static struct cell cell = {.peer = "socketpair"};
static unsigned char data[LONG_BYTES];

static void all(ssize_t (*move)(int, void *, size_t), int fd, void *bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t moved = move(fd, (char *)bytes + done, count - done);
        if (moved <= 0)
            _exit(1);
        done += (size_t)moved;
    }
}

static ssize_t write_some(int fd, void *bytes, size_t count)
{
    return write(fd, bytes, count);
}

static uint64_t sum_of(const void *in, size_t bytes)
{
    const uint64_t *words = in;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= bytes / sizeof *words; i += 4) {
        a += words[i];
        b += words[i + 1];
        c += words[i + 2];
        d += words[i + 3];
    }
    return a + b + c + d;
}

static void answer_for_ever(int fd, size_t bytes)
{
    for (;;) {
        size_t got = 0;
        while (got < bytes) {
            ssize_t more = read(fd, data + got, bytes - got);
            if (more <= 0)
                _exit(0);
            got += (size_t)more;
        }
        uint64_t frame[FRAME_BYTES / sizeof(uint64_t)] = {sum_of(data, bytes)};
        all(write_some, fd, frame, FRAME_BYTES);
    }
}

static void ping(int fd, size_t bytes, long count)
{
    unsigned char frame[FRAME_BYTES];
    for (long i = 0; i < count; i++) {
        all(write_some, fd, data, bytes);
        all(read, fd, frame, FRAME_BYTES);
    }
}

int main(int argc, char **argv)
{
    int fds[2];
    if (argc != 4 || argv[1][0] != 'p') {
        fprintf(stderr, "usage: %s p1|p2 WORKERS PARAM\n", argv[0]);
        return 2;
    }
    cell = (struct cell){argv[1], "socketpair", argv[2], argv[3]};
    size_t bytes = strcmp(argv[1], "p2") ? FRAME_BYTES : LONG_BYTES;
    long count = strcmp(argv[1], "p2") ? 30000 : 10000;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 1;
    memset(data, 3, sizeof data);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        answer_for_ever(fds[1], bytes);
    }
    close(fds[1]);
    ping(fds[0], bytes, count / 10);
    int64_t from_ns = now_ns();
    ping(fds[0], bytes, count);
    double took_ns = (double)(now_ns() - from_ns);
    close(fds[0]);
    waitpid(pid, NULL, 0);
    print_value(&cell, "ns_per_call", took_ns / (double)count);
    print_value(&cell, "tasks_per_s", (double)count * 1e9 / took_ns);
    return 0;
}
