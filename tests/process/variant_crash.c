/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that end badly, for the program of the variants or for a plugin of it. */
#include "variant_rows.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number_of(const void *in, size_t bytes)
{
    int number = 0;
    memcpy(&number, in, bytes < sizeof number ? bytes : sizeof number);
    return number;
}

static int die(via_bytes_call *call, const void *in, size_t bytes)
{
    int signo = number_of(in, bytes);
    (void)call;
    signal(signo, SIG_DFL);
    raise(signo);
    return 0;
}

static int leave(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    exit(number_of(in, bytes));
}

static int descend(volatile char *above, int depth)
{
    volatile char here[4096];
    here[0] = above[0];
    return depth < 0 ? here[0] : descend(here, depth + 1) + here[0];
}

static int overflow(via_bytes_call *call, const void *in, size_t bytes)
{
    volatile char first = 1;
    (void)call, (void)in, (void)bytes;
    signal(SIGSEGV, SIG_DFL);
    return descend(&first, 1);
}

static int hang(via_bytes_call *call, const void *in, size_t bytes)
{
    sigset_t every;
    (void)call, (void)in, (void)bytes;
    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    for (;;)
        pause();
    return 0;
}

static int spin(via_bytes_call *call, const void *in, size_t bytes)
{
    volatile unsigned turns = 0;
    (void)call, (void)in, (void)bytes;
    do
        turns++;
    while (getpid() > 0);
    return 0;
}

/* The board is written to where it lies, without via_bytes_in_place(): a plugin has no part in the library.
 */
static int stay(via_bytes_call *call, const void *in, size_t bytes)
{
    struct variant_board *board = (struct variant_board *)(uintptr_t)in; // NOLINT(performance-no-int-to-ptr)
    (void)call, (void)bytes;
    atomic_store(&board->parent, (long)getppid());
    atomic_store(&board->pid, (long)getpid());
    while (!atomic_load(&board->open))
        usleep(100);
    return 0;
}

/* Overwrites every memory file that this process may write to. */
static int run_wild(via_bytes_call *call, const void *in, size_t bytes)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' && mode[3] == 's' &&
            strstr(line, "/memfd:"))
            memset((void *)(uintptr_t)from, 0xa5, to - from); // NOLINT(performance-no-int-to-ptr)
    }
    return hang(call, in, bytes);
}

/* Notes its number in a file, and dies if it is the one that is to. */
static int count(via_bytes_call *call, const void *in, size_t bytes)
{
    struct variant_tally tally;
    (void)call;
    if (bytes != sizeof tally)
        return 1;
    memcpy(&tally, in, sizeof tally);
    int fd = open(tally.path, O_WRONLY | O_APPEND | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, &tally.number, sizeof tally.number);
    if (fd >= 0)
        close(fd);
    if (tally.signo)
        return die(call, &tally.signo, sizeof tally.signo);
    return written == sizeof tally.number ? 0 : 2;
}

static int fail_to_begin(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call, (void)in, (void)bytes;
    exit(2);
}

const struct variant_functions *variant_functions(void)
{
    static const struct variant_functions functions = {die,  leave,    overflow, hang,         spin,
                                                       stay, run_wild, count,    fail_to_begin};
    return &functions;
}
