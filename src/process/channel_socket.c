/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's end of a channel on a stream socket pair.  layout.h has the frames.
 *
 * Who says what, and when.  The program sends ORDER, CANCEL and KNOCK.  For every order that it will run the
 * worker sends STARTED before it runs, and ANSWER when it is over; one write carries the answer to an order
 * and the STARTED of the next, if that one is there.  So whatever a worker has run before it dies lies in the
 * socket: the answers that it finished, and the word of the one that it died of.  That is one write for each
 * call; holding answers back to write several at once would be faster, and would lose calls that have run
 * when a neighbour crashes.  Orders, and what the program reads, go in batches.
 *
 * So `started` is exact for what take() has read: all of a worker's words, once that has told of the worker's
 * end.  Before that it may be late, until the ring that comes with each STARTED has been followed.
 *
 * Cancelling.  What was not sent yet is marked, and never starts: that is certain.  Behind what was sent goes
 * a CANCEL, and the answer is "may have started": the worker reads whatever has come before it says STARTED
 * of an order, and refuses those whose CANCEL is there; but it may have said so already.  Which it was tells
 * the answer, if it is a refusal, or started(), as soon as it counts the order: then it runs, and sees the
 * request if it looks.
 *
 * Trust.  Frames are judged in memory of the program's own.  Since they come in order, only one place is
 * right for each: that of the oldest order without an answer, which has been sent.  A wrong length, kind,
 * place, number or sum is VIA_ECORRUPT, after the good answers before it.
 */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/channel_kind.h"

#define IN_BYTES 8192

// What may wait to be sent: each order, two requests for each, and a knock.
#define REQUESTS_BYTES (2 * VIA__CHANNEL_SLOTS * sizeof(struct via__frame))
#define OUT_BYTES      (VIA__CHANNEL_SLOTS * VIA__FRAME_MAX + REQUESTS_BYTES + sizeof(struct via__frame))

#define NEVER_STARTS (VIA__REQUEST_STOP + 1)

struct socket_channel {
    struct via__channel base;
    int fd;
    int is_gone;    // the worker's end, and all that it sent was read
    int is_corrupt; // a frame that was read is impossible
    int is_full;    // the socket did not take all that was to be sent
    uint32_t started;
    uint32_t seen; // place after the last answer that is in `in`
    struct via__order next;
    uint8_t cancelled[VIA__CHANNEL_SLOTS]; // enum via__request, or NEVER_STARTS

    // What waits to be sent: out[out_from] up to out[out_to].  Places in the stream count from the first
    // byte.
    size_t out_from, out_to;
    uint64_t sent;                         // place in the stream of out[out_from]
    uint64_t order_at[VIA__CHANNEL_SLOTS]; // of the frame of each pending order
    size_t requests_waiting;               // bytes of CANCEL frames since `out` was empty
    int knock_waits;

    // What was read: answers to be taken from in[in_from] on, frames judged up to in[in_seen].
    size_t in_from, in_seen, in_to;
    unsigned char in[IN_BYTES];
    unsigned char out[OUT_BYTES];
};

static struct socket_channel *socket_of(struct via__channel *channel)
{
    return (struct socket_channel *)channel;
}

static int start_at(struct via__channel *channel, const struct via__channel_fds *worker, uint32_t place)
{
    struct socket_channel *sock = socket_of(channel);
    (void)worker;
    sock->started = sock->seen = place;
    return 0;
}

static void free_socket(struct via__channel *channel)
{
    close(socket_of(channel)->fd);
    free(channel);
}

static int socket_fd(const struct via__channel *channel, int *is_level)
{
    *is_level = 1;
    return ((const struct socket_channel *)channel)->fd;
}

static struct via__order *next_slot(struct via__channel *channel)
{
    return &socket_of(channel)->next;
}

// ---- to the worker ----

// Sends what waits, as far as the socket takes it.
static void send_waiting(struct socket_channel *sock)
{
    while (sock->out_from < sock->out_to) {
        ssize_t sent = send(sock->fd, sock->out + sock->out_from, sock->out_to - sock->out_from,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        sock->is_full = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS);
        if (sock->is_full)
            return;
        // Nobody reads any more: what waits is dropped, and reading will tell that the worker is gone.
        size_t done = sent < 0 ? sock->out_to - sock->out_from : (size_t)sent;
        sock->out_from += done;
        sock->sent += done;
    }
    sock->out_from = sock->out_to = 0;
    sock->requests_waiting = 0;
    sock->knock_waits = 0;
}

// Room for a frame behind what waits; there is always enough, by the size of `out`.
static unsigned char *add_frame(struct socket_channel *sock, enum via__frame_kind kind, uint32_t place,
                                size_t bytes)
{
    struct via__frame frame = {
        .bytes = (uint16_t)(sizeof frame + bytes), .kind = (uint8_t)kind, .place = place};
    if (OUT_BYTES - sock->out_to < frame.bytes) {
        memmove(sock->out, sock->out + sock->out_from, sock->out_to - sock->out_from);
        sock->out_to -= sock->out_from;
        sock->out_from = 0;
    }
    unsigned char *at = sock->out + sock->out_to;
    memcpy(at, &frame, sizeof frame);
    sock->out_to += frame.bytes;
    return at + sizeof frame;
}

static uint64_t end_of_stream(const struct socket_channel *sock)
{
    return sock->sent + (sock->out_to - sock->out_from);
}

static void push(struct via__channel *channel)
{
    struct socket_channel *sock = socket_of(channel);
    uint32_t slot = via__slot_of(channel->pushed);
    size_t bytes = VIA__ORDER_HEAD + via__order_used(&sock->next);
    assert(bytes <= sizeof sock->next);
    sock->order_at[slot] = end_of_stream(sock);
    sock->cancelled[slot] = VIA__REQUEST_NONE;
    memcpy(add_frame(sock, VIA__FRAME_ORDER, channel->pushed, bytes), &sock->next, bytes);
}

static void flush(struct via__channel *channel)
{
    channel->shown = channel->pushed;
    send_waiting(socket_of(channel));
}

static void knock(struct via__channel *channel)
{
    struct socket_channel *sock = socket_of(channel);
    // One that still waits will do: it is read after this, and so after what it is to point at was sent.
    if (!sock->knock_waits) {
        add_frame(sock, VIA__FRAME_KNOCK, 0, 0);
        sock->knock_waits = 1;
    }
    send_waiting(sock);
}

// Marks an order of which nothing was sent.
static int withdraw(struct socket_channel *sock, uint32_t slot)
{
    unsigned char *at = sock->out + sock->out_from + (sock->order_at[slot] - sock->sent);
    at[offsetof(struct via__frame, flags)] |= VIA__FRAME_REFUSE;
    sock->cancelled[slot] = NEVER_STARTS;
    return 1;
}

static int cancel(struct via__channel *channel, uint32_t place, enum via__request request)
{
    struct socket_channel *sock = socket_of(channel);
    uint32_t slot = via__slot_of(place);
    if (sock->cancelled[slot] >= request)
        return sock->cancelled[slot] == NEVER_STARTS;
    if (sock->order_at[slot] >= sock->sent)
        return withdraw(sock, slot);
    // More than fit can only wait if a worker answers and does not read; it is not told.
    if (sock->requests_waiting < REQUESTS_BYTES) {
        unsigned char *at = add_frame(sock, VIA__FRAME_CANCEL, place, 0) - sizeof(struct via__frame);
        at[offsetof(struct via__frame, flags)] = (unsigned char)request;
        sock->requests_waiting += sizeof(struct via__frame);
        sock->cancelled[slot] = (uint8_t)request;
        send_waiting(sock);
    }
    return 0;
}

// ---- from the worker ----

static struct via__frame frame_at(const struct socket_channel *sock, size_t at)
{
    struct via__frame frame;
    memcpy(&frame, sock->in + at, sizeof frame);
    return frame;
}

// Whether a frame can be the next one, by its header.
static int is_possible(const struct socket_channel *sock, struct via__frame frame)
{
    size_t least = sizeof frame, most = sizeof frame;
    if (frame.kind == VIA__FRAME_ANSWER) {
        least += VIA__ANSWER_HEAD;
        most += sizeof(struct via__answer);
    }
    if (frame.bytes < least || frame.bytes > most || frame.flags != 0 || frame.place != sock->seen)
        return 0;
    // An order that was sent, at least in part, and has no answer.
    if (sock->seen == sock->base.pushed || sock->order_at[via__slot_of(frame.place)] >= sock->sent)
        return 0;
    return frame.kind == VIA__FRAME_ANSWER ||
           (frame.kind == VIA__FRAME_STARTED && sock->started == frame.place);
}

// Looks at the frames that have come, as far as they are complete.
static void judge(struct socket_channel *sock)
{
    while (!sock->is_corrupt && sock->in_to - sock->in_seen >= sizeof(struct via__frame)) {
        struct via__frame frame = frame_at(sock, sock->in_seen);
        if (!is_possible(sock, frame)) {
            sock->is_corrupt = 1;
            return;
        }
        if (sock->in_to - sock->in_seen < frame.bytes)
            return;
        sock->in_seen += frame.bytes;
        sock->started = frame.place + 1;
        if (frame.kind == VIA__FRAME_ANSWER)
            sock->seen = frame.place + 1;
    }
}

static void make_room(struct socket_channel *sock)
{
    memmove(sock->in, sock->in + sock->in_from, sock->in_to - sock->in_from);
    sock->in_seen -= sock->in_from;
    sock->in_to -= sock->in_from;
    sock->in_from = 0;
}

// Reads what has come: 1 if there was something, or the end.
static int pull(struct socket_channel *sock)
{
    ssize_t got;
    if (sock->is_gone || sock->is_corrupt)
        return 0;
    if (sock->in_from > 0)
        make_room(sock);
    if (sock->in_to == IN_BYTES)
        return 0;
    do
        got = recv(sock->fd, sock->in + sock->in_to, IN_BYTES - sock->in_to, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (got <= 0) {
        sock->is_gone = 1;
        return 1;
    }
    sock->in_to += (size_t)got;
    judge(sock);
    return 1;
}

// Takes the first answer in `in`, which is complete.
static int deliver(struct socket_channel *sock, uint64_t number, struct via__answer *answer)
{
    struct via__frame frame = frame_at(sock, sock->in_from);
    if (frame.kind == VIA__FRAME_STARTED) {
        sock->in_from += frame.bytes;
        frame = frame_at(sock, sock->in_from);
    }
    size_t bytes = frame.bytes - sizeof frame;
    memcpy(answer, sock->in + sock->in_from + sizeof frame, bytes);
    // The length is looked at first, since the sum is over what is used.
    if (via__answer_used(answer) != bytes - VIA__ANSWER_HEAD || !via__channel_is_answer(answer, number)) {
        sock->is_corrupt = 1;
        sock->seen = sock->base.taken;
        return VIA_ECORRUPT;
    }
    sock->in_from += frame.bytes;
    sock->base.taken++;
    return 1;
}

static int take(struct via__channel *channel, uint64_t number, struct via__answer *answer)
{
    struct socket_channel *sock = socket_of(channel);
    if (sock->is_full)
        send_waiting(sock);
    do {
        if (sock->seen != channel->taken)
            return deliver(sock, number, answer);
        if (sock->is_corrupt)
            return VIA_ECORRUPT;
        if (sock->is_gone)
            return VIA_ESHUTDOWN;
    } while (pull(sock));
    return 0;
}

static int has_answer(const struct via__channel *channel)
{
    const struct socket_channel *sock = (const struct socket_channel *)channel;
    char byte;
    // Its end is none: a worker may end when it has answered.
    return sock->seen != channel->taken || sock->is_corrupt ||
           recv(sock->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// The socket rings by itself; only what was read already would not.
static int arm(struct via__channel *channel)
{
    const struct socket_channel *sock = socket_of(channel);
    return sock->seen != channel->taken || sock->is_corrupt || sock->is_gone;
}

// Reads nothing: what this read, the socket would not ring for any more.
static int started(struct via__channel *channel)
{
    const struct socket_channel *sock = socket_of(channel);
    if (sock->is_corrupt)
        return VIA_ECORRUPT;
    return (int)(sock->started - channel->taken);
}

static const struct via__channel_kind socket_kind = {.start_at = start_at,
                                                     .free = free_socket,
                                                     .fd = socket_fd,
                                                     .slot = next_slot,
                                                     .push = push,
                                                     .flush = flush,
                                                     .take = take,
                                                     .has_answer = has_answer,
                                                     .arm = arm,
                                                     .started = started,
                                                     .cancel = cancel,
                                                     .knock = knock};

int via__channel_socket_new(struct via__channel **channel, struct via__channel_fds *worker)
{
    int ends[2];
    struct socket_channel *sock = malloc(sizeof *sock);
    if (!sock)
        return VIA_ENOMEM;
    memset(sock, 0, offsetof(struct socket_channel, in));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        int status = via__channel_status(errno);
        free(sock);
        return status;
    }
    sock->base.kind = &socket_kind;
    sock->fd = ends[0];
    worker->fds[0] = ends[1];
    worker->count = 1;
    *channel = &sock->base;
    return 0;
}
