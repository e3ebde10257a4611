/* SPDX-License-Identifier: BSD-3-Clause */
/* What calls do in their workers. */
#include "chaos.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct ledger *ledger;

uint64_t choose(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct ledger *new_ledger(const char *path, uint32_t count)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t bytes = count * sizeof(uint32_t);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return NULL;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

int open_ledger(via_bytes_call *call, const void *in, size_t bytes)
{
    char path[256] = "";
    (void)call;
    if (bytes >= sizeof path)
        return VIA_EINVAL;
    memcpy(path, in, bytes);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    off_t length = lseek(fd, 0, SEEK_END);
    void *map = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    ledger = map == MAP_FAILED ? NULL : map;
    return ledger ? 0 : VIA_ENOMEM;
}

/* Writes random words over a mapping, at random. */
static void scribble(char *from, size_t bytes, uint64_t *seed)
{
    for (int i = 0; i < 3000; i++) {
        uint64_t word = choose(seed);
        size_t at = (size_t)(choose(seed) % (bytes / sizeof word)) * sizeof word;
        memcpy(from + at, &word, sizeof word);
    }
}

/* Every mapping of memory files that this process may write to, but for the ledger, which is a file. */
static void run_wild(uint64_t seed)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' && mode[3] == 's' &&
            strstr(line, "/memfd:"))
            scribble((char *)(uintptr_t)from, to - from, &seed); // NOLINT(performance-no-int-to-ptr)
    }
    if (maps)
        fclose(maps);
}

static int answer(via_bytes_call *call, const struct task *task)
{
    void *out = via_bytes_out(call, sizeof *task);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, task, sizeof *task);
    return 0;
}

static struct task begin(const void *in)
{
    struct task task;
    memcpy(&task, in, sizeof task);
    atomic_fetch_add(&ledger->runs[task.number], 1);
    return task;
}

int do_answer(via_bytes_call *call, const void *in, size_t bytes)
{
    struct task task = begin(in);
    (void)bytes;
    return answer(call, &task);
}

int do_deed(via_bytes_call *call, const void *in, size_t bytes)
{
    struct task task = begin(in);
    (void)bytes;
    switch (task.deed) {
    case DEED_SEGV:
        raise(SIGSEGV);
        break;
    case DEED_EXIT:
        exit(0);
    case DEED_STOP:
        raise(SIGSTOP);
        break;
    case DEED_WILD:
        run_wild(task.seed);
        break;
    default:
        break;
    }
    return answer(call, &task);
}
