/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arbitrary bytes as what a worker writes, against the program's end of a channel.
 *
 * The input is a little program: its first byte chooses the transport, and each step is a byte that says what
 * is done, with the bytes after it as its arguments.  Some steps write what a good worker would, so that
 * what comes after them is reached too.
 */
#ifndef VIA_TEST_CHANNEL_BYTES_H
#define VIA_TEST_CHANNEL_BYTES_H

#include <config.h>

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/channel_kind.h"

struct bytes_run {
    const uint8_t *at, *end;
    struct via__channel *channel;
    struct via__channel_fds fds;
    struct via__shared_answers *answers; /* NULL over a socket */
    uint64_t first, next;                /* numbers of the oldest pending order, and of the next */
    int is_over;                         /* the channel said that it is only to be closed */
};

static inline uint64_t bytes_number(struct bytes_run *run, size_t bytes)
{
    uint64_t number = 0;
    if ((size_t)(run->end - run->at) < bytes)
        bytes = (size_t)(run->end - run->at);
    memcpy(&number, run->at, bytes);
    run->at += bytes;
    return number;
}

/* Puts input bytes anywhere into segment B, or on the socket. */
static inline void bytes_scribble(struct bytes_run *run)
{
    size_t offset = (size_t)bytes_number(run, 2), bytes = (size_t)bytes_number(run, 1);
    if ((size_t)(run->end - run->at) < bytes)
        bytes = (size_t)(run->end - run->at);
    if (!run->answers)
        (void)!send(run->fds.fds[0], run->at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if ((offset %= sizeof(*run->answers)) + bytes <= sizeof(*run->answers))
        memcpy((char *)run->answers + offset, run->at, bytes);
    run->at += bytes;
}

/* Writes a good answer to the order after `ahead` others, then spoils one word of it. */
static inline void bytes_answer(struct bytes_run *run)
{
    uint32_t place = run->channel->taken + (uint32_t)bytes_number(run, 1) % 4;
    size_t spoilt = (size_t)bytes_number(run, 1);
    uint64_t with = bytes_number(run, 1);
    struct {
        struct via__frame frame;
        struct via__answer answer;
    } whole;
    memset(&whole, 0, sizeof(whole));
    whole.answer.number = run->first + (place - run->channel->taken);
    whole.answer.out_bytes = bytes_number(run, 1) % (VIA__ANSWER_INLINE + 1);
    whole.answer.sum = via__answer_sum(&whole.answer);
    whole.frame.kind = VIA__FRAME_ANSWER;
    whole.frame.place = place;
    whole.frame.bytes = (uint16_t)(sizeof(whole.frame) + VIA__ANSWER_HEAD + whole.answer.out_bytes);
    size_t length = whole.frame.bytes;
    unsigned char *bytes = run->answers ? (unsigned char *)&whole.answer : (unsigned char *)&whole;
    bytes[spoilt % (VIA__ANSWER_HEAD + sizeof(whole.frame))] ^= (unsigned char)with;
    if (run->answers) {
        run->answers->answers[via__slot_of(place)] = whole.answer;
        atomic_store(&run->answers->tail, place + 1);
        atomic_store(&run->answers->started, place + 1);
    } else {
        (void)!send(run->fds.fds[0], bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static inline void bytes_push(struct bytes_run *run)
{
    for (uint64_t count = bytes_number(run, 1) % 16; count > 0; count--) {
        struct via__order *order = via__channel_next_order(run->channel);
        if (!order)
            break;
        memset(order, 0, offsetof(struct via__order, in));
        order->number = run->next++;
        order->kind = VIA__ORDER_CALL;
        via__channel_push(run->channel);
    }
    via__channel_flush(run->channel);
}

/* What the program does with whatever there is.  0 if it gave something impossible. */
static inline int bytes_take(struct bytes_run *run)
{
    struct via__answer answer;
    for (;;) {
        uint32_t pending = via__channel_pending(run->channel);
        int got = via__channel_take(run->channel, run->first, &answer);
        int started = via__channel_started(run->channel);
        (void)via__channel_arm(run->channel);
        if (started < 0 ? started != VIA_ECORRUPT : (uint32_t)started > pending)
            return 0;
        if (got <= 0) {
            run->is_over = got < 0;
            return got == 0 || got == VIA_ECORRUPT || (got == VIA_ESHUTDOWN && !run->answers);
        }
        if (pending == 0 || answer.number != run->first || via__answer_used(&answer) > VIA__ANSWER_ROOM ||
            via__channel_pending(run->channel) != pending - 1)
            return 0;
        run->first++;
    }
}

static inline int bytes_step(struct bytes_run *run)
{
    switch (bytes_number(run, 1) % 8) {
    case 0:
        bytes_push(run);
        return 1;
    case 1:
    case 2:
        bytes_scribble(run);
        return 1;
    case 3:
    case 4:
        bytes_answer(run);
        return 1;
    case 5: {
        int certain = via__channel_cancel(run->channel, run->channel->taken + (uint32_t)bytes_number(run, 1));
        via__channel_knock(run->channel);
        return certain == 0 || certain == 1;
    }
    case 6:
        if (!run->answers)
            shutdown(run->fds.fds[0], SHUT_WR);
        return 1;
    default:
        return bytes_take(run);
    }
}

static inline void bytes_end(struct bytes_run *run)
{
    if (run->answers)
        munmap(run->answers, sizeof(*run->answers));
    for (int i = 0; i < run->fds.count; i++)
        close(run->fds.fds[i]);
    via__channel_free(run->channel);
}

/* Runs one input; 0 if the channel gave something impossible. */
static inline int channel_bytes(const uint8_t *data, size_t bytes)
{
    struct bytes_run run = {.at = data, .end = data + bytes, .first = 1, .next = 1};
    int is_shared = bytes > 0 && *run.at++ % 2, good = 1;
    if (via__channel_new(is_shared ? VIA_TRANSPORT_SHARED : VIA_TRANSPORT_SOCKET, &run.channel, &run.fds) < 0)
        return 1;
    if (is_shared) {
        void *answers = mmap(NULL, sizeof(*run.answers), PROT_READ | PROT_WRITE, MAP_SHARED,
                             run.fds.fds[VIA__SHARED_FD_ANSWERS], 0);
        run.answers = answers;
        good = answers != MAP_FAILED;
    }
    while (good && !run.is_over && run.at < run.end)
        good = bytes_step(&run);
    if (good && !run.is_over)
        good = bytes_take(&run);
    bytes_end(&run);
    return good;
}

#endif
