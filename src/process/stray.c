/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <pthread.h>
#include <stdalign.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/fork.h"
#include "process/stray.h"

// Aligned so that it is in one page with what the linker puts behind it, the worker's and the zygote's own
// state: each page that is written to is a page of every worker.
static alignas(1024) struct {
    const int *mark; // 0 in a copy
    unsigned generation;
    void (*thread_ends)(void);
    pthread_key_t key;
} self;

static const int lasting_mark = 1;

// The kernel gives a copy zeros instead, also where no handler of a fork is run.
static const int *new_mark(void)
{
#ifdef MADV_WIPEONFORK
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    int *mark = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED)
        return &lasting_mark;
    *mark = 1;
    if (madvise(mark, bytes, MADV_WIPEONFORK) == 0)
        return mark;
    munmap(mark, bytes);
#endif
    return &lasting_mark; // an older kernel: forks are counted
}

static void on_thread_end(void *unused)
{
    (void)unused;
    if (via__stray_is_copy())
        _exit(0);
    self.thread_ends();
}

int via__stray_prepare(void (*thread_ends)(void))
{
    self.thread_ends = thread_ends;
    return pthread_key_create(&self.key, on_thread_end) == 0 ? 0 : VIA_ENOMEM;
}

int via__stray_watch(void)
{
    self.generation = via__fork_generation();
    self.mark = new_mark();
    return pthread_setspecific(self.key, &self) == 0 ? 0 : VIA_ENOMEM;
}

int via__stray_is_copy(void)
{
    return !*self.mark || via__fork_generation() != self.generation;
}
