/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which payloads one worker knows, in both directions: the program's side.
 *
 * Inputs.  `known` has the segments that were sent, each with a life.  A segment that is gone stays there
 * until the worker was told to forget it.
 *
 * Answers.  The worker's memory files are *offers*, mapped once and kept.  An offer is idle, which is to say
 * the worker's to use, until an answer names it.  A small answer is copied, and the worker may use the offer
 * again when the next order says that the answer was taken.  For a larger one the offer is lent to whoever
 * has the answer, then returned, and idle again when the worker was told.  What the program notes of an offer
 * stands in a private page in front of its mapping, where the worker cannot write and an address alone leads.
 *
 * Releasing.  Whoever releases an answer pushes its offer on the stack of `struct returns`, which lives as
 * long as the acquaintance and every lent offer; settling takes the whole stack.  When the acquaintance goes
 * it leaves CLOSED there, and whoever finds that unmaps the offer.  So there is no lock, which a fork could
 * leave taken.
 */
#include <config.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/acquaintance.h"
#include "process/buffer.h"
#include "process/fds.h"
#include "process/memory.h"
#include "process/numbers.h"
#include "process/payload.h"

#define KNOWN_MOST    512 // so many buffers a worker has mapped, if the older ones are not in use
#define IN_USE_MOST   256 // introductions after which a buffer is in no pending order any more
#define IDLE_MOST     512 // a worker that offers more than that without using it is out of its mind
#define MESSAGES_MOST 512 // more than a socket holds

// When a worker has been told of so much, it should look.
#define TOLD_BYTES 8388608
#define TOLD_COUNT 32

struct known {
    struct via__segment *segment;
    uint64_t turn; // of its last introduction
};

enum offer_state { OFFER_IDLE, OFFER_LENT, OFFER_RETURNED };

struct offer {
    uint64_t number;
    size_t bytes; // of the mapping behind
    enum offer_state state;
    _Atomic int is_last; // the worker does not use it again
    struct offer *next;  // on a stack
    struct returns *returns;
};

struct returns {
    _Atomic(struct offer *) top;
    _Atomic uint32_t lives;
    _Atomic size_t held; // bytes mapped
};

static struct offer closed;
#define CLOSED (&closed)

struct via__acquaintance {
    int control;
    int is_corrupt;
    int refused; // status: a descriptor came that this process had no room for
    size_t offer_most;
    uint64_t turns;
    uint64_t gone_seen; // via__segments_gone() when `known` was last gone through
    struct via__numbers known;
    struct via__numbers offers;
    uint32_t idle;             // of them, or returned
    struct offer *returned;    // a stack: to be told
    struct returns *returns;   // with a life
    size_t told, told_bytes;   // since it was last said that the worker should look
    uint64_t *objects;         // a bit for each that was sent
    uint32_t objects_capacity; // in words
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

// ---- messages ----

static int corrupt(struct via__acquaintance *acquaintance)
{
    acquaintance->is_corrupt = 1;
    return VIA_ECORRUPT;
}

static int send_message(struct via__acquaintance *acquaintance, const struct via__payload_message *message,
                        int fd)
{
    int status =
        via__fds_send(acquaintance->control, message, via__payload_bytes(message), &fd, fd >= 0 ? 1 : 0);
    // Too much on its way already.
    return status == -ENOBUFS || status == -ETOOMANYREFS || status == VIA_ENOMEM ? VIA_EAGAIN : status;
}

static int send_number(struct via__acquaintance *acquaintance, enum via__payload_kind kind, uint64_t number,
                       int fd)
{
    struct via__payload_message message = {.kind = kind, .count = 1, .numbers = {number}};
    return send_message(acquaintance, &message, fd);
}

// ---- offers ----

static void *data_of(struct offer *offer)
{
    return (char *)offer + page_bytes();
}

static void returns_die(struct returns *returns)
{
    // Release and acquire: whoever frees it comes after all that used it.
    if (atomic_fetch_sub_explicit(&returns->lives, 1, memory_order_acq_rel) == 1)
        free(returns);
}

// Nobody has it any more.
static void unmap(struct offer *offer)
{
    // Relaxed: a figure.
    atomic_fetch_sub_explicit(&offer->returns->held, offer->bytes, memory_order_relaxed);
    munmap(offer, page_bytes() + offer->bytes);
}

// The file behind a private page.  NULL if there is no room.
static struct offer *map_offer(int fd, size_t bytes)
{
    size_t page = page_bytes();
    char *room = mmap(NULL, page + bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    if (mprotect(room, page, PROT_READ | PROT_WRITE) < 0 ||
        mmap(room + page, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        munmap(room, page + bytes);
        return NULL;
    }
#ifdef MADV_DONTDUMP
    (void)madvise(room + page, bytes, MADV_DONTDUMP);
#endif
    return (struct offer *)(void *)room;
}

static int add_offer(struct via__acquaintance *acquaintance, const uint64_t *numbers, int fd)
{
    struct offer *offer = map_offer(fd, (size_t)numbers[1]);
    if (!offer)
        return VIA_ENOMEM;
    offer->number = numbers[0];
    offer->bytes = (size_t)numbers[1];
    offer->state = OFFER_IDLE;
    atomic_init(&offer->is_last, numbers[2] != 0);
    offer->returns = acquaintance->returns;
    // Relaxed: a figure.
    atomic_fetch_add_explicit(&offer->returns->held, offer->bytes, memory_order_relaxed);
    if (via__numbers_add(&acquaintance->offers, offer->number, offer) < 0) {
        unmap(offer);
        return VIA_ENOMEM;
    }
    acquaintance->idle++;
    return 0;
}

// The worker keeps what the program has no room for, unless it is told.
static void refuse(struct via__acquaintance *acquaintance, uint64_t number, int status)
{
    acquaintance->refused = status;
    (void)send_number(acquaintance, VIA__PAYLOAD_DROP, number, -1);
}

static int on_offer(struct via__acquaintance *acquaintance, const struct via__payload_message *message,
                    const int *fds, int count)
{
    const uint64_t *numbers = message->numbers;
    if (message->count != 3 || count != 1 || numbers[0] == 0)
        return corrupt(acquaintance);
    if (numbers[1] == 0 || numbers[1] > acquaintance->offer_most || numbers[1] % page_bytes())
        return corrupt(acquaintance);
    if (via__numbers_find(&acquaintance->offers, numbers[0]) || acquaintance->idle >= IDLE_MOST)
        return corrupt(acquaintance);
    if (!via__memory_is_sound(fds[0], (size_t)numbers[1]))
        return corrupt(acquaintance);
    int status = add_offer(acquaintance, numbers, fds[0]);
    if (status < 0)
        refuse(acquaintance, numbers[0], status);
    return 0;
}

static int on_gone(struct via__acquaintance *acquaintance, const struct via__payload_message *message,
                   int count)
{
    if (count)
        return corrupt(acquaintance);
    for (uint32_t i = 0; i < message->count; i++) {
        struct offer *offer = via__numbers_remove(&acquaintance->offers, message->numbers[i]);
        // One that was for a single answer, or that was refused, is not there any more.
        if (!offer)
            continue;
        enum offer_state state = offer->state;
        if (state != OFFER_LENT)
            acquaintance->idle--;
        // Relaxed: whoever releases it at the same time may find either.  If it finds this it unmaps the
        // offer, so that is not looked at again.
        atomic_store_explicit(&offer->is_last, 1, memory_order_relaxed);
        if (state == OFFER_IDLE)
            unmap(offer);
    }
    return 0;
}

// One message from the worker: 1; 0 if there is none; VIA_ECORRUPT.
static int receive(struct via__acquaintance *acquaintance)
{
    struct via__payload_message message;
    int fds[VIA__FDS_MAX];
    int count = 0;
    int got = via__fds_receive(acquaintance->control, &message, sizeof message, fds, &count, VIA__FDS_NOW);
    // No room for a descriptor looks like a message that is too long.
    if (got == -EMSGSIZE)
        acquaintance->refused = VIA_EAGAIN;
    // A worker that ended without having read everything: what it has sent comes after this.
    if (got == -EMSGSIZE || got == -ECONNRESET)
        return 1;
    if (got <= 0)
        return 0;
    int status;
    if (!via__payload_is_whole(&message, (size_t)got))
        status = corrupt(acquaintance);
    else if (message.kind == VIA__PAYLOAD_OFFER)
        status = on_offer(acquaintance, &message, fds, count);
    else if (message.kind == VIA__PAYLOAD_GONE)
        status = on_gone(acquaintance, &message, count);
    else
        status = corrupt(acquaintance);
    via__fds_close(fds, count);
    return status < 0 ? status : 1;
}

// Takes in what the worker has sent, until the offer is there; all of it for number 0.  What a worker sends
// without end is not waited for.
static int drain(struct via__acquaintance *acquaintance, uint64_t number, struct offer **offer)
{
    for (int i = 0; i < MESSAGES_MOST; i++) {
        int status = receive(acquaintance);
        *offer = number ? via__numbers_find(&acquaintance->offers, number) : NULL;
        if (status <= 0 || *offer)
            return status < 0 ? status : 0;
    }
    return 0;
}

// ---- answers ----

// The answer was copied, and the offer is idle at once: the worker learns of it by the next order.
static void offer_served(struct via__acquaintance *acquaintance, struct offer *offer)
{
    // Relaxed: the lock of the pool orders it.
    if (!atomic_load_explicit(&offer->is_last, memory_order_relaxed))
        return;
    via__numbers_remove(&acquaintance->offers, offer->number);
    acquaintance->idle--;
    unmap(offer);
}

static void release_answer(void *value)
{
    struct offer *offer = (struct offer *)(void *)((char *)value - page_bytes());
    struct returns *returns = offer->returns;
    // Acquire, with the release of the exchange in via__acquaintance_free(); a top that is another offer is
    // not looked into.
    struct offer *top = atomic_load_explicit(&returns->top, memory_order_acquire);
    do {
        // Relaxed: see on_gone().
        if (top == CLOSED || atomic_load_explicit(&offer->is_last, memory_order_relaxed)) {
            unmap(offer);
            break;
        }
        offer->next = top;
        // Release: the reader's reads are over, and `next` is written, before settling finds the offer.
    } while (!atomic_compare_exchange_weak_explicit(&returns->top, &top, offer, memory_order_release,
                                                    memory_order_acquire));
    returns_die(returns);
}

static void *lend(struct via__acquaintance *acquaintance, struct offer *offer)
{
    offer->state = OFFER_LENT;
    acquaintance->idle--;
    // Relaxed: the acquaintance has a life.
    atomic_fetch_add_explicit(&acquaintance->returns->lives, 1, memory_order_relaxed);
    // Relaxed: the lock of the pool orders it.
    if (atomic_load_explicit(&offer->is_last, memory_order_relaxed))
        via__numbers_remove(&acquaintance->offers, offer->number);
    return data_of(offer);
}

// The offer that an answer names.  0 or a status.
static int find_offer(struct via__acquaintance *acquaintance, uint64_t number, struct offer **found)
{
    struct offer *offer = via__numbers_find(&acquaintance->offers, number);
    if (!offer && number && drain(acquaintance, number, &offer) < 0)
        return VIA_ECORRUPT;
    if (!offer && number && acquaintance->refused)
        return acquaintance->refused;
    if (!offer || offer->state != OFFER_IDLE)
        return corrupt(acquaintance);
    *found = offer;
    return 0;
}

int via__acquaintance_answer(struct via__acquaintance *acquaintance, uint64_t number, uint64_t bytes,
                             void **value, void (**destroy)(void *value))
{
    struct offer *offer = NULL;
    int status = acquaintance->is_corrupt ? VIA_ECORRUPT : find_offer(acquaintance, number, &offer);
    if (status == 0 && bytes > offer->bytes)
        status = corrupt(acquaintance);
    if (status == VIA_EAGAIN || status == VIA_ENOMEM)
        refuse(acquaintance, number, status);
    if (status < 0)
        return status;
    if (bytes > VIA__ANSWER_COPIED) {
        *value = lend(acquaintance, offer);
        *destroy = release_answer;
        return 0;
    }
    void *copy = bytes ? malloc((size_t)bytes) : NULL;
    if (copy)
        memcpy(copy, data_of(offer), (size_t)bytes);
    offer_served(acquaintance, offer);
    if (bytes && !copy)
        return VIA_ENOMEM;
    *value = copy;
    *destroy = copy ? free : NULL;
    return 0;
}

size_t via__acquaintance_held(const struct via__acquaintance *acquaintance)
{
    // Relaxed: a figure.
    return atomic_load_explicit(&acquaintance->returns->held, memory_order_relaxed);
}

// ---- inputs ----

static void forget(struct via__acquaintance *acquaintance, uint64_t number)
{
    struct known *known = via__numbers_remove(&acquaintance->known, number);
    via__segment_die(known->segment);
    free(known);
}

// What the worker could write to is not used again.
static void taint(const struct known *known)
{
    // Relaxed: whoever takes the segment out of a cache at this moment looks again when it comes back.
    if (known->segment->flags & VIA_BUFFER_WRITABLE)
        atomic_store_explicit(&known->segment->is_tainted, 1, memory_order_relaxed);
}

// Has the worker forget the buffer that was used least recently, if no pending order can name it.
static void make_room(struct via__acquaintance *acquaintance)
{
    struct known *oldest = NULL;
    struct known *known;
    for (uint32_t at = 0; (known = via__numbers_next(&acquaintance->known, &at));) {
        if (!oldest || known->turn < oldest->turn)
            oldest = known;
    }
    uint64_t number = oldest->segment->number;
    if (acquaintance->turns - oldest->turn < IN_USE_MOST ||
        send_number(acquaintance, VIA__PAYLOAD_FORGET, number, -1) < 0)
        return;
    // Whether it has is not known, should it crash later.
    taint(oldest);
    forget(acquaintance, number);
}

static int add_known(struct via__acquaintance *acquaintance, struct via__segment *segment)
{
    struct known *known = malloc(sizeof *known);
    if (!known)
        return VIA_ENOMEM;
    *known = (struct known){.segment = via__segment_live(segment), .turn = ++acquaintance->turns};
    int status = via__numbers_add(&acquaintance->known, segment->number, known);
    if (status < 0) {
        via__segment_die(segment);
        free(known);
    }
    return status;
}

int via__acquaintance_introduce(struct via__acquaintance *acquaintance, via_buffer *buffer, int *is_new)
{
    struct via__segment *segment = via__buffer_segment(buffer);
    struct known *known = via__numbers_find(&acquaintance->known, segment->number);
    *is_new = !known;
    if (known) {
        known->turn = ++acquaintance->turns;
        return 0;
    }
    if (acquaintance->known.count >= KNOWN_MOST)
        make_room(acquaintance);
    // Noted before it is sent, so that nothing can fail between.
    int status = add_known(acquaintance, segment);
    if (status < 0)
        return status;
    struct via__payload_message message = {.kind = VIA__PAYLOAD_BUFFER,
                                           .count = 3,
                                           .numbers = {segment->number, segment->capacity, segment->flags}};
    status = send_message(acquaintance, &message, segment->fd);
    if (status < 0)
        forget(acquaintance, segment->number);
    return status;
}

void via__acquaintance_estrange(struct via__acquaintance *acquaintance, via_buffer *buffer)
{
    uint64_t number = via__buffer_segment(buffer)->number;
    struct known *known = via__numbers_find(&acquaintance->known, number);
    if (!known)
        return;
    taint(known); // that it has no room for it is what the worker says
    forget(acquaintance, number);
}

static int reserve_object(struct via__acquaintance *acquaintance, uint32_t word)
{
    if (word < acquaintance->objects_capacity)
        return 0;
    uint64_t *objects = realloc(acquaintance->objects, (word + 1) * sizeof *objects);
    if (!objects)
        return VIA_ENOMEM;
    memset(objects + acquaintance->objects_capacity, 0,
           (word + 1 - acquaintance->objects_capacity) * sizeof *objects);
    acquaintance->objects = objects;
    acquaintance->objects_capacity = word + 1;
    return 0;
}

int via__acquaintance_send_object(struct via__acquaintance *acquaintance, uint32_t object, int fd,
                                  int *is_new)
{
    uint64_t bit = UINT64_C(1) << (object % 64);
    int status = reserve_object(acquaintance, object / 64);
    if (status < 0)
        return status;
    *is_new = !(acquaintance->objects[object / 64] & bit);
    if (*is_new)
        status = send_number(acquaintance, VIA__PAYLOAD_OBJECT, object, fd);
    if (status == 0)
        acquaintance->objects[object / 64] |= bit;
    return status;
}

void via__acquaintance_estrange_object(struct via__acquaintance *acquaintance, uint32_t object)
{
    if (object / 64 < acquaintance->objects_capacity)
        acquaintance->objects[object / 64] &= ~(UINT64_C(1) << (object % 64));
}

// ---- settling ----

// The offers that were released since the last time.
static void collect(struct via__acquaintance *acquaintance)
{
    // Acquire, with the release of the exchange in release_answer().
    struct offer *offer = NULL;
    // Relaxed: what comes just now comes the next time.
    if (atomic_load_explicit(&acquaintance->returns->top, memory_order_relaxed))
        offer = atomic_exchange_explicit(&acquaintance->returns->top, NULL, memory_order_acquire);
    while (offer) {
        struct offer *next = offer->next;
        // Relaxed: the lock of the pool orders it.
        if (atomic_load_explicit(&offer->is_last, memory_order_relaxed)) {
            unmap(offer);
        } else {
            acquaintance->idle++;
            offer->state = OFFER_RETURNED;
            offer->next = acquaintance->returned;
            acquaintance->returned = offer;
        }
        offer = next;
    }
}

// A message with the offers on top of the stack; those that the worker has let go of are unmapped.
static void fill_reuse(struct via__acquaintance *acquaintance, struct via__payload_message *message)
{
    struct offer **link = &acquaintance->returned;
    message->count = 0;
    while (*link && message->count < VIA__PAYLOAD_NUMBERS) {
        struct offer *offer = *link;
        // Relaxed: the lock of the pool orders it.
        if (atomic_load_explicit(&offer->is_last, memory_order_relaxed)) {
            *link = offer->next;
            unmap(offer);
        } else {
            message->numbers[message->count++] = offer->number;
            link = &offer->next;
        }
    }
}

static void reuse_sent(struct via__acquaintance *acquaintance, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct offer *offer = acquaintance->returned;
        acquaintance->returned = offer->next;
        offer->state = OFFER_IDLE;
        acquaintance->told_bytes += offer->bytes;
    }
    acquaintance->told += count;
}

// 1 if the worker should look soon.  It looks by itself before it makes new memory, so this is only for one
// that has more than it may keep, or does not read.
static int tell_returned(struct via__acquaintance *acquaintance)
{
    struct via__payload_message message = {.kind = VIA__PAYLOAD_REUSE};
    int is_full = 0;
    for (;;) {
        fill_reuse(acquaintance, &message);
        if (message.count == 0 || (is_full = send_message(acquaintance, &message, -1) < 0))
            break;
        reuse_sent(acquaintance, message.count);
    }
    if (!is_full && acquaintance->told_bytes < TOLD_BYTES && acquaintance->told < TOLD_COUNT)
        return 0;
    acquaintance->told = acquaintance->told_bytes = 0;
    return 1;
}

static void fill_forget(const struct via__acquaintance *acquaintance, struct via__payload_message *message)
{
    const struct known *known;
    message->count = 0;
    for (uint32_t at = 0;
         message->count < VIA__PAYLOAD_NUMBERS && (known = via__numbers_next(&acquaintance->known, &at));) {
        // Relaxed: via__segments_gone() has ordered it.
        if (atomic_load_explicit(&known->segment->is_gone, memory_order_relaxed))
            message->numbers[message->count++] = known->segment->number;
    }
}

// 1 if something was sent, so that the memory is really given up.
static int tell_gone(struct via__acquaintance *acquaintance, uint64_t gone)
{
    struct via__payload_message message = {.kind = VIA__PAYLOAD_FORGET};
    int due = 0;
    while (gone != acquaintance->gone_seen) {
        fill_forget(acquaintance, &message);
        if (message.count == 0) {
            acquaintance->gone_seen = gone;
            break;
        }
        due = 1;
        if (send_message(acquaintance, &message, -1) < 0)
            break;
        for (uint32_t i = 0; i < message.count; i++)
            forget(acquaintance, message.numbers[i]);
    }
    return due;
}

int via__acquaintance_tell(struct via__acquaintance *acquaintance)
{
    collect(acquaintance);
    uint64_t gone = via__segments_gone();
    int due = gone != acquaintance->gone_seen && tell_gone(acquaintance, gone);
    if (acquaintance->returned)
        due |= tell_returned(acquaintance);
    return due;
}

int via__acquaintance_settle(struct via__acquaintance *acquaintance)
{
    struct offer *none;
    collect(acquaintance);
    if (acquaintance->is_corrupt || (acquaintance->offers.count && drain(acquaintance, 0, &none) < 0))
        return VIA_ECORRUPT;
    return via__acquaintance_tell(acquaintance);
}

// ---- life ----

int via__acquaintance_new(int control, size_t out_most, struct via__acquaintance **acquaintance)
{
    struct via__acquaintance *made = calloc(1, sizeof *made);
    struct returns *returns = calloc(1, sizeof *returns);
    if (!made || !returns) {
        free(made);
        free(returns);
        return VIA_ENOMEM;
    }
    atomic_init(&returns->lives, 1);
    made->returns = returns;
    made->control = control;
    made->offer_most = via__memory_class(out_most < VIA__BUFFER_MOST ? out_most : VIA__BUFFER_MOST, NULL);
    made->gone_seen = via__segments_gone();
    *acquaintance = made;
    return 0;
}

static void unmap_stack(struct offer *offer)
{
    while (offer) {
        struct offer *next = offer->next;
        unmap(offer);
        offer = next;
    }
}

// Lent offers are left to those who have them.  They stay mapped until the stack is closed, so the table is
// gone through before.
static void free_offers(struct via__acquaintance *acquaintance)
{
    struct offer *offer;
    for (uint32_t at = 0; (offer = via__numbers_next(&acquaintance->offers, &at));) {
        if (offer->state == OFFER_IDLE)
            unmap(offer);
    }
    via__numbers_free(&acquaintance->offers);
    unmap_stack(acquaintance->returned);
    // Acquire, with the release in release_answer(); release, so that who finds CLOSED sees what was written.
    unmap_stack(atomic_exchange_explicit(&acquaintance->returns->top, CLOSED, memory_order_acq_rel));
    returns_die(acquaintance->returns);
}

void via__acquaintance_taint(struct via__acquaintance *acquaintance)
{
    const struct known *known;
    for (uint32_t at = 0; (known = via__numbers_next(&acquaintance->known, &at));)
        taint(known);
}

void via__acquaintance_free(struct via__acquaintance *acquaintance, int tainted)
{
    struct known *known;
    if (!acquaintance)
        return;
    free_offers(acquaintance);
    if (tainted)
        via__acquaintance_taint(acquaintance);
    for (uint32_t at = 0; (known = via__numbers_next(&acquaintance->known, &at));) {
        via__segment_die(known->segment);
        free(known);
    }
    via__numbers_free(&acquaintance->known);
    free(acquaintance->objects);
    free(acquaintance);
}
