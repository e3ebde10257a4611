/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's end of a channel in shared memory.  channel.h tells the protocol, layout.h the memory.
 *
 * Segment A is sealed against other writers once this end has mapped it; kernels before 5.1 cannot do that,
 * so this end keeps all that it relies on in memory of its own and reads nothing back from A.  Segment B is
 * mapped read-only here.  Each of its words is read once, atomically, into a variable or the caller's copy,
 * and only that is looked at; so a worker that changes it at the same time gains nothing, and since the file
 * cannot shrink no read can fail.
 *
 * The end of the worker is not seen here: its death comes as a pidfd or from the zygote.
 */
#include <config.h>

#include <viaduct/error.h>

#include "base/cpu.h"
#include "process/channel_kind.h"

#if defined(__linux__) && defined(HAVE_LINUX_FUTEX_H) && defined(HAVE_EVENTFD)

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than some systems' headers.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

// How far ahead cache lines are fetched: about as many slots as are dealt with while one comes over.
#define FETCH_ORDERS  4
#define FETCH_ANSWERS 2

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct shared_channel {
    struct via__channel base;
    struct via__shared_orders *orders;
    const struct via__shared_answers *answers;
    int ring;      // an eventfd
    uint32_t wake; // copies of what A holds
    uint32_t knocks;
    uint32_t arm;
    uint32_t woken; // the generation of B's that was woken last
    uint32_t tail;  // B's, as seen and checked last
    int owes_wake;  // orders were shown without a look whether the worker sleeps
    uint8_t cancelled[VIA__CHANNEL_SLOTS];
};

static struct shared_channel *shared_of(struct via__channel *channel)
{
    return (struct shared_channel *)channel;
}

static int make_memfd(const char *name)
{
    int fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

int via__channel_can_share(void)
{
    int fd = make_memfd("viaduct-probe");
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    int seals = fcntl(fd, F_ADD_SEALS, SEALS);
    close(fd);
    return seals == 0;
}

// Maps a new segment and seals it.  -1 with errno.
static int make_segment(const char *name, size_t bytes, int protection, int seals, void **memory)
{
    int fd = make_memfd(name);
    if (fd < 0)
        return -1;
    void *at = MAP_FAILED;
    if (ftruncate(fd, (off_t)bytes) == 0)
        at = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED && (fcntl(fd, F_ADD_SEALS, seals) == 0 || fcntl(fd, F_ADD_SEALS, SEALS) == 0)) {
        madvise(at, bytes, MADV_DONTDUMP);
        *memory = at;
        return fd;
    }
    int error = errno;
    if (at != MAP_FAILED)
        munmap(at, bytes);
    close(fd);
    errno = error;
    return -1;
}

static int make_segments(struct shared_channel *shared, int *fds)
{
    void *orders, *answers;
    fds[VIA__SHARED_FD_ORDERS] = make_segment("viaduct-orders", sizeof *shared->orders,
                                              PROT_READ | PROT_WRITE, SEALS | F_SEAL_FUTURE_WRITE, &orders);
    if (fds[VIA__SHARED_FD_ORDERS] < 0)
        return -1;
    shared->orders = orders;
    fds[VIA__SHARED_FD_ANSWERS] =
        make_segment("viaduct-answers", sizeof *shared->answers, PROT_READ, SEALS, &answers);
    if (fds[VIA__SHARED_FD_ANSWERS] < 0)
        return -1;
    shared->answers = answers;
    return 0;
}

static int make_ring(struct shared_channel *shared, int *fds)
{
    shared->ring = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (shared->ring < 0)
        return -1;
    fds[VIA__SHARED_FD_RING] = fcntl(shared->ring, F_DUPFD_CLOEXEC, 3);
    return fds[VIA__SHARED_FD_RING] < 0 ? -1 : 0;
}

static void unmake(struct shared_channel *shared)
{
    if (shared->orders)
        munmap(shared->orders, sizeof *shared->orders);
    if (shared->answers)
        munmap((void *)(uintptr_t)shared->answers, sizeof *shared->answers);
    if (shared->ring >= 0)
        close(shared->ring);
    free(shared);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

// After something was published: wakes the worker if it sleeps, or is about to.
static void wake_worker(struct shared_channel *shared)
{
    // seq_cst: comes after the store that published, in the one order of all; the worker announces the
    // generation, and then looks for what was published (wait_for_program() in port_shared.c).  One of the
    // two sees the other.
    uint32_t generation = atomic_load_explicit(&shared->answers->sleep, memory_order_seq_cst);
    if (!(generation & 1) || generation == shared->woken)
        return;
    shared->woken = generation;
    // seq_cst: the worker has read `wake` before it announced the generation, so this value is new to it, and
    // a FUTEX_WAIT that comes after this returns at once.
    atomic_store_explicit(&shared->orders->wake, ++shared->wake, memory_order_seq_cst);
    futex_wake(&shared->orders->wake);
}

// Segment B is not writable in memory here.
static int start_at(struct via__channel *channel, const struct via__channel_fds *worker, uint32_t place)
{
    struct via__shared_orders *orders = shared_of(channel)->orders;
    int fd = worker->fds[VIA__SHARED_FD_ANSWERS];
    orders->first = shared_of(channel)->tail = place;
    // Relaxed: the worker has not been born.
    atomic_store_explicit(&orders->tail, place, memory_order_relaxed);
    if (pwrite(fd, &place, sizeof place, offsetof(struct via__shared_answers, tail)) < 0 ||
        pwrite(fd, &place, sizeof place, offsetof(struct via__shared_answers, started)) < 0)
        return -errno;
    return 0;
}

// The worker, if it is still there, is told that there is nobody to answer to.
static void free_shared(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    // seq_cst: before the look at the generation, as every publication.
    atomic_store_explicit(&shared->orders->closed, 1, memory_order_seq_cst);
    wake_worker(shared);
    unmake(shared);
}

static int ring_fd(const struct via__channel *channel, int *is_level)
{
    *is_level = 0;
    return ((const struct shared_channel *)channel)->ring;
}

static struct via__order *next_slot(struct via__channel *channel)
{
    return &shared_of(channel)->orders->orders[via__slot_of(channel->pushed)];
}

static void push(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    uint32_t slot = via__slot_of(channel->pushed);
    // The worker has read the slot of the next order; without this its stores hold up the next locked
    // operation.
    via__cpu_fetch_to_write(&shared->orders->orders[via__slot_of(channel->pushed + 1)]);
    if (!shared->cancelled[slot])
        return;
    shared->cancelled[slot] = 0;
    // Relaxed: the worker looks at it after it has seen the order, and flush() publishes both.
    atomic_store_explicit(&shared->orders->cancelled[slot], 0, memory_order_relaxed);
}

static void flush(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    if (channel->shown == channel->pushed && !shared->owes_wake)
        return;
    channel->shown = channel->pushed;
    shared->owes_wake = 0;
    // seq_cst: releases the orders to next_order() in port_shared.c, and comes before the look at the
    // generation.  What show() has stored is stored once more, for the latter.
    atomic_store_explicit(&shared->orders->tail, channel->pushed, memory_order_seq_cst);
    wake_worker(shared);
}

static void show(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    if (channel->shown == channel->pushed)
        return;
    channel->shown = channel->pushed;
    shared->owes_wake = 1;
    // Release: of the orders, to next_order() in port_shared.c.  A worker that has looked before, and sleeps,
    // is woken by the flush() that follows.
    atomic_store_explicit(&shared->orders->tail, channel->pushed, memory_order_release);
}

// Copies words of B, each read once.
static inline void copy_in(void *to, const void *from, size_t bytes)
{
    typedef uint64_t word_of_any __attribute__((may_alias));
    const word_of_any *at = from;
#pragma GCC unroll 8
    for (size_t done = 0; done < bytes; done += sizeof(uint64_t)) {
        // Relaxed: the acquire in look_for_answers() orders it all; what a rogue worker writes has no order.
        uint64_t word = __atomic_load_n(at++, __ATOMIC_RELAXED);
        memcpy((char *)to + done, &word, sizeof word);
    }
}

// Looks how many answers there are; only when those seen before were taken, since the worker writes the word.
static int look_for_answers(struct shared_channel *shared)
{
    struct via__channel *channel = &shared->base;
    if (shared->tail != channel->taken)
        return 1;
    // Acquire: pairs with the store of `tail` in send_answer() in port_shared.c, so the answers are complete.
    uint32_t tail = atomic_load_explicit(&shared->answers->tail, memory_order_acquire);
    if (tail - channel->taken > channel->shown - channel->taken)
        return VIA_ECORRUPT;
    shared->tail = tail;
    return tail != channel->taken;
}

static int take(struct via__channel *channel, uint64_t number, struct via__answer *answer)
{
    struct shared_channel *shared = shared_of(channel);
    const struct via__answer *slot = &shared->answers->answers[via__slot_of(channel->taken)];
    int there = look_for_answers(shared);
    if (there <= 0)
        return there;
    // The worker's core has later answers, too; they come over while this one is dealt with.
    const struct via__answer *next = &shared->answers->answers[via__slot_of(channel->taken + FETCH_ANSWERS)];
    if (shared->tail - channel->taken > FETCH_ANSWERS)
        via__cpu_fetch_to_read(next);
    copy_in(answer, slot, VIA__ANSWER_HEAD);
    uint64_t used = via__answer_used(answer);
    if (used > VIA__ANSWER_ROOM)
        return VIA_ECORRUPT;
    if (used) {
        via__cpu_fetch_to_read(next->out);
        copy_in(answer->out, slot->out, used);
    }
    if (!via__channel_is_answer(answer, number))
        return VIA_ECORRUPT;
    channel->taken++;
    return 1;
}

static int has_answer(const struct via__channel *channel)
{
    const struct shared_channel *shared = (const struct shared_channel *)channel;
    // seq_cst: for arm(), whose store of `arm` comes before it in the one order of all; send_answer() in
    // port_shared.c stores this word and then looks at `arm`.
    return atomic_load_explicit(&shared->answers->tail, memory_order_seq_cst) != channel->taken;
}

static int arm(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    // seq_cst: before the look at the answers in has_answer().
    atomic_store_explicit(&shared->orders->arm, ++shared->arm, memory_order_seq_cst);
    return has_answer(channel);
}

static int started(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    // Acquire: after the answers that were taken.  A worker stores this word before `tail`, so it is never
    // behind what was taken.
    uint32_t place = atomic_load_explicit(&shared->answers->started, memory_order_acquire);
    if (place - channel->taken > channel->shown - channel->taken)
        return VIA_ECORRUPT;
    return (int)(place - channel->taken);
}

static int cancel(struct via__channel *channel, uint32_t place, enum via__request request)
{
    struct shared_channel *shared = shared_of(channel);
    uint32_t slot = via__slot_of(place);
    if (shared->cancelled[slot] < request)
        shared->cancelled[slot] = (uint8_t)request;
    // seq_cst, both: the worker stores `started` and then looks at the flag (begin() in port_shared.c).  If
    // this does not see the order started, the worker sees the flag.
    atomic_store_explicit(&shared->orders->cancelled[slot], shared->cancelled[slot], memory_order_seq_cst);
    uint32_t start = atomic_load_explicit(&shared->answers->started, memory_order_seq_cst);
    return via__places_from(start, place) >= 0;
}

static void knock(struct via__channel *channel)
{
    struct shared_channel *shared = shared_of(channel);
    // seq_cst: before the look at the generation; releases what was done before to the look in next_order()
    // in port_shared.c.
    atomic_store_explicit(&shared->orders->knocks, ++shared->knocks, memory_order_seq_cst);
    wake_worker(shared);
}

static const struct via__channel_kind shared_kind = {.start_at = start_at,
                                                     .free = free_shared,
                                                     .fd = ring_fd,
                                                     .slot = next_slot,
                                                     .push = push,
                                                     .flush = flush,
                                                     .show = show,
                                                     .take = take,
                                                     .has_answer = has_answer,
                                                     .arm = arm,
                                                     .started = started,
                                                     .cancel = cancel,
                                                     .knock = knock};

int via__channel_shared_new(struct via__channel **channel, struct via__channel_fds *worker)
{
    int fds[VIA__SHARED_FDS] = {-1, -1, -1};
    struct shared_channel *shared = calloc(1, sizeof *shared);
    if (!shared)
        return VIA_ENOMEM;
    shared->base.kind = &shared_kind;
    shared->ring = -1;
    if (make_segments(shared, fds) < 0 || make_ring(shared, fds) < 0) {
        int status = via__channel_status(errno);
        for (int i = 0; i < VIA__SHARED_FDS; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        unmake(shared);
        return status;
    }
    shared->orders->magic = VIA__SHARED_MAGIC;
    memcpy(worker->fds, fds, sizeof fds);
    worker->count = VIA__SHARED_FDS;
    *channel = &shared->base;
    return 0;
}

#else

int via__channel_can_share(void)
{
    return 0;
}

int via__channel_shared_new(struct via__channel **channel, struct via__channel_fds *worker)
{
    (void)channel;
    (void)worker;
    return VIA_ENOTSUP;
}

#endif
