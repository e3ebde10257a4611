/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's end of a channel in shared memory.  channel.h tells the protocol, layout.h the memory.
 *
 * An order is read where it lies, in segment A, which the program leaves alone until it has the answer; the
 * answer is built where it is to lie, in segment B.
 */
#include <config.h>

#include <unistd.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "process/port_kind.h"

#if defined(__linux__) && defined(HAVE_LINUX_FUTEX_H) && defined(HAVE_EVENTFD)

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define LOOKS_PER_CLOCK 16 // a look is much cheaper than reading the clock

struct shared_port {
    struct via__port base;
    const struct via__shared_orders *orders;
    struct via__shared_answers *answers;
    int ring;
    uint32_t tail;   // of the orders, as seen last
    uint32_t knocks; // as answered last
    uint32_t arm;    // as rung for last
    uint32_t sleep;  // the generation that B holds
    uint32_t started;
};

static struct shared_port *shared_of(struct via__port *port)
{
    return (struct shared_port *)port;
}

// The program only waits on the futex's address, so a mapping without the right to write is enough.
static void futex_wait(const _Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

// Whether there is anything to do but to wait.
static int has_news(struct shared_port *shared)
{
    const struct via__shared_orders *orders = shared->orders;
    // seq_cst: after the store of the generation in wait_for_program(); the program stores these words, and
    // then looks at the generation (wake_worker() in channel_shared.c).
    return atomic_load_explicit(&orders->tail, memory_order_seq_cst) != shared->base.head ||
           atomic_load_explicit(&orders->knocks, memory_order_seq_cst) != shared->knocks ||
           atomic_load_explicit(&orders->closed, memory_order_seq_cst);
}

// Looks for a while: 1 as soon as there is something.
static int linger(struct shared_port *shared, int64_t until_ns)
{
    do {
        for (int i = 0; i < LOOKS_PER_CLOCK; i++) {
            if (has_news(shared))
                return 1;
            via__cpu_relax();
        }
    } while (via_now_ns() < until_ns);
    return 0;
}

static void sleep_until_news(struct shared_port *shared)
{
    for (;;) {
        // seq_cst: read before the generation is announced, so that a wake-up for it changes the word, and
        // the wait below returns at once if it comes in between.
        uint32_t wake = atomic_load_explicit(&shared->orders->wake, memory_order_seq_cst);
        // A generation of its own for each single wait: one that a wake-up was already spent on, by a late
        // futex_wake() that hit this wait, would never be woken again.
        shared->sleep = (shared->sleep | 1) + 2;
        // seq_cst: before the look in has_news(); pairs with wake_worker() in channel_shared.c.
        atomic_store_explicit(&shared->answers->sleep, shared->sleep, memory_order_seq_cst);
        if (has_news(shared))
            break;
        futex_wait(&shared->orders->wake, wake);
    }
    // Relaxed: it only saves the program a needless wake-up.
    atomic_store_explicit(&shared->answers->sleep, ++shared->sleep, memory_order_relaxed);
}

static void wait_for_program(struct shared_port *shared)
{
    struct via__linger *lingers = &shared->base.linger;
    if (lingers->limit_ns == 0) {
        sleep_until_news(shared);
        return;
    }
    int64_t from_ns = via_now_ns(), linger_ns = via__linger_ns(lingers);
    if (linger_ns > 0) {
        int found = linger(shared, from_ns + linger_ns);
        via__linger_looked(lingers, found);
        if (!found)
            sleep_until_news(shared);
        return;
    }
    sleep_until_news(shared);
    via__linger_slept(lingers, via_now_ns() - from_ns);
}

static const struct via__order *next_order(struct via__port *port)
{
    struct shared_port *shared = shared_of(port);
    const struct via__shared_orders *orders = shared->orders;
    for (;;) {
        // Acquire: pairs with knock() in channel_shared.c, so that what it points at is there.
        uint32_t knocks = atomic_load_explicit(&orders->knocks, memory_order_acquire);
        if (knocks != shared->knocks) {
            shared->knocks = knocks;
            port->has_paused = 1;
            port->knocked(port->arg);
            continue;
        }
        // Relaxed: it is looked at again before every wait.
        if (atomic_load_explicit(&orders->closed, memory_order_relaxed))
            return NULL;
        // Acquire: pairs with flush() in channel_shared.c, so that the orders are complete.
        if (shared->tail == port->head)
            shared->tail = atomic_load_explicit(&orders->tail, memory_order_acquire);
        if (shared->tail != port->head)
            return &orders->orders[via__slot_of(port->head)];
        port->has_paused = 1;
        wait_for_program(shared);
    }
}

static int begin(struct via__port *port)
{
    struct shared_port *shared = shared_of(port);
    const _Atomic uint8_t *cancelled = &shared->orders->cancelled[via__slot_of(port->head)];
    shared->started = port->head + 1;
    // The program has read the slot for the next answer; it is fetched while the function runs.
    via__cpu_fetch_to_write(&shared->answers->answers[via__slot_of(port->head + 1)]);
    // seq_cst, both: cancel() in channel_shared.c stores the flag and then looks at `started`.  If this does
    // not see the flag, the program sees that the order has started.
    atomic_store_explicit(&shared->answers->started, shared->started, memory_order_seq_cst);
    return !atomic_load_explicit(cancelled, memory_order_seq_cst);
}

static int cancelled(struct via__port *port, uint32_t place)
{
    // Acquire: pairs with cancel() in channel_shared.c; the function may look at what was done before it.
    return atomic_load_explicit(&shared_of(port)->orders->cancelled[via__slot_of(place)],
                                memory_order_acquire) == VIA__REQUEST_STOP;
}

static struct via__answer *answer_slot(struct via__port *port)
{
    return &shared_of(port)->answers->answers[via__slot_of(port->head)];
}

static int send_answer(struct via__port *port, struct via__answer *answer)
{
    struct shared_port *shared = shared_of(port);
    static const uint64_t one = 1;
    (void)answer; // it lies in its slot
    port->head++;
    if (shared->started != port->head) {
        shared->started = port->head;
        // Relaxed: the store of `tail` releases it, so that it is never seen behind.
        atomic_store_explicit(&shared->answers->started, shared->started, memory_order_relaxed);
    }
    // seq_cst: releases the answer to take() in channel_shared.c; and comes before the look at `arm`, which
    // the program stores before it looks at this word (arm() there).  One of the two sees the other.
    atomic_store_explicit(&shared->answers->tail, port->head, memory_order_seq_cst);
    uint32_t arm = atomic_load_explicit(&shared->orders->arm, memory_order_seq_cst);
    if (arm != shared->arm) {
        // Once for each value; the eventfd keeps it.
        shared->arm = arm;
        ssize_t written;
        do
            written = write(shared->ring, &one, sizeof one);
        while (written < 0 && errno == EINTR);
        if (written < 0 && errno != EAGAIN)
            return -errno; // a function has closed it: this worker could not be heard any more
    }
    // Relaxed: it is only a matter of time when this is seen.
    return atomic_load_explicit(&shared->orders->closed, memory_order_relaxed) ? -EPIPE : 0;
}

static void unmake(struct shared_port *shared)
{
    if (shared->orders)
        munmap((void *)(uintptr_t)shared->orders, sizeof *shared->orders);
    if (shared->answers)
        munmap(shared->answers, sizeof *shared->answers);
    close(shared->ring);
    free(shared);
}

static void close_shared(struct via__port *port)
{
    unmake(shared_of(port));
}

static const struct via__port_kind shared_kind = {.next = next_order,
                                                  .begin = begin,
                                                  .cancelled = cancelled,
                                                  .answer = answer_slot,
                                                  .send = send_answer,
                                                  .close = close_shared};

// Maps a segment whose descriptor is not needed afterwards.
static int map_segment(int fd, size_t bytes, int protection, void **memory)
{
    void *at = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    int status = at == MAP_FAILED ? -errno : 0;
    close(fd);
    if (status < 0)
        return status;
    madvise(at, bytes, MADV_DONTDUMP);
    *memory = at;
    return 0;
}

static int map_segments(struct shared_port *shared, const int *fds)
{
    void *orders = NULL, *answers = NULL;
    int status = map_segment(fds[VIA__SHARED_FD_ORDERS], sizeof *shared->orders, PROT_READ, &orders);
    shared->orders = orders;
    int second =
        map_segment(fds[VIA__SHARED_FD_ANSWERS], sizeof *shared->answers, PROT_READ | PROT_WRITE, &answers);
    shared->answers = answers;
    if (status == 0 && second == 0 && shared->orders->magic != VIA__SHARED_MAGIC)
        return VIA_EINVAL;
    return status < 0 ? status : second;
}

int via__port_shared_open(const int *fds, int count, struct via__port **port)
{
    struct shared_port *shared = count == VIA__SHARED_FDS ? calloc(1, sizeof *shared) : NULL;
    if (!shared) {
        for (int i = 0; i < count; i++)
            close(fds[i]);
        return count == VIA__SHARED_FDS ? VIA_ENOMEM : VIA_EINVAL;
    }
    shared->ring = fds[VIA__SHARED_FD_RING];
    int status = map_segments(shared, fds);
    if (status < 0) {
        unmake(shared);
        return status;
    }
    shared->base.kind = &shared_kind;
    shared->base.head = shared->tail = shared->started = shared->orders->first;
    *port = &shared->base;
    return 0;
}

#else

int via__port_shared_open(const int *fds, int count, struct via__port **port)
{
    (void)port;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return VIA_ENOTSUP;
}

#endif
