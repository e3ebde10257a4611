/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's end of a channel on a stream socket pair.  channel_socket.c tells who says what, and when.
 *
 * What arrives is put where it belongs as it arrives: orders into slots, requests into the flags beside them.
 * The reading is done by whoever has `reading`: the worker's thread, or one that asks whether the running
 * order was cancelled.  Such a thread only tries to get it, so that a signal handler may ask too: if somebody
 * else reads, that one will find the request.  The worker's thread, which needs what there is, waits for
 * others, who never block while they have it.  A child that a function forks shares the socket, but must
 * leave it alone: it looks at the flag only.
 *
 * `announced` is the place after the last order of which STARTED was put into `out`.
 */
#include <config.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/port_kind.h"

#define IN_BYTES  4096
#define OUT_BYTES (VIA__FRAME_MAX + sizeof(struct via__frame))

struct socket_port {
    struct via__port base;
    int fd;
    pid_t pid; // whose socket this is
    int is_gone;
    int has_begun;      // the first order has come, and told where places begin
    uint32_t announced; // see above
    int knocks;
    atomic_flag reading; // guards `fd`'s way in, `in`, `tail`, `orders` beyond `head`, and what stands above
    uint32_t tail;       // place after the last order that has come
    size_t in_bytes, out_bytes;
    _Atomic uint8_t cancelled[VIA__CHANNEL_SLOTS];
    struct via__answer answer;
    unsigned char out[OUT_BYTES];
    unsigned char in[IN_BYTES];
    struct via__order orders[VIA__CHANNEL_SLOTS];
};

static struct socket_port *socket_of(struct via__port *port)
{
    return (struct socket_port *)port;
}

// ---- reading ----

static void accept_order(struct socket_port *sock, struct via__frame frame, const unsigned char *at)
{
    uint32_t slot = via__slot_of(frame.place);
    if (!sock->has_begun) {
        sock->has_begun = 1;
        sock->base.head = sock->announced = sock->tail = frame.place;
    }
    memcpy(&sock->orders[slot], at, frame.bytes - sizeof frame);
    // Relaxed: what asks about this order comes after it in this thread, or is told of it by this thread.
    atomic_store_explicit(&sock->cancelled[slot], frame.flags & VIA__FRAME_REFUSE, memory_order_relaxed);
    sock->tail = frame.place + 1;
}

static void accept_frame(struct socket_port *sock, struct via__frame frame, const unsigned char *at)
{
    if (frame.kind == VIA__FRAME_ORDER)
        accept_order(sock, frame, at);
    else if (frame.kind == VIA__FRAME_KNOCK)
        sock->knocks++;
    else if (sock->tail - frame.place - 1 < sock->tail - sock->base.head)
        // Release: pairs with the acquire in is_cancelled(), if another thread reads this for it.
        atomic_store_explicit(&sock->cancelled[via__slot_of(frame.place)], frame.flags, memory_order_release);
}

// The program is trusted, so this finds only faults of the library's own.
static int is_possible(struct via__frame frame)
{
    if (frame.kind == VIA__FRAME_ORDER)
        return frame.bytes >= sizeof frame + VIA__ORDER_HEAD && frame.bytes <= VIA__FRAME_MAX;
    return frame.bytes == sizeof frame && (frame.kind == VIA__FRAME_CANCEL || frame.kind == VIA__FRAME_KNOCK);
}

static void accept_frames(struct socket_port *sock)
{
    size_t from = 0;
    struct via__frame frame;
    while (sock->in_bytes - from >= sizeof frame) {
        memcpy(&frame, sock->in + from, sizeof frame);
        if (!is_possible(frame)) {
            sock->is_gone = 1;
            return;
        }
        if (sock->in_bytes - from < frame.bytes)
            break;
        accept_frame(sock, frame, sock->in + from + sizeof frame);
        from += frame.bytes;
    }
    memmove(sock->in, sock->in + from, sock->in_bytes - from);
    sock->in_bytes -= from;
}

// Reads what has come: 1 if there was something, or the end.
static int pull(struct socket_port *sock, int flags)
{
    ssize_t got;
    if (sock->is_gone)
        return 0;
    do
        got = recv(sock->fd, sock->in + sock->in_bytes, IN_BYTES - sock->in_bytes, flags);
    while (got < 0 && errno == EINTR && flags == 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (got <= 0) {
        sock->is_gone = 1;
        return 1;
    }
    sock->in_bytes += (size_t)got;
    accept_frames(sock);
    return 1;
}

static int may_read(struct socket_port *sock)
{
    // Acquire: pairs with the release in done_reading(), for everything that the flag guards.
    return !atomic_flag_test_and_set_explicit(&sock->reading, memory_order_acquire);
}

static void done_reading(struct socket_port *sock)
{
    // Release: see may_read().
    atomic_flag_clear_explicit(&sock->reading, memory_order_release);
}

static void begin_reading(struct socket_port *sock)
{
    while (!may_read(sock))
        sched_yield();
}

// ---- writing ----

static void add_frame(struct socket_port *sock, enum via__frame_kind kind, uint32_t place, const void *data,
                      size_t bytes)
{
    struct via__frame frame = {
        .bytes = (uint16_t)(sizeof frame + bytes), .kind = (uint8_t)kind, .place = place};
    memcpy(sock->out + sock->out_bytes, &frame, sizeof frame);
    if (bytes > 0)
        memcpy(sock->out + sock->out_bytes + sizeof frame, data, bytes);
    sock->out_bytes += frame.bytes;
}

// Blocks while the socket is full: the program reads whenever there is something.
static int flush(struct socket_port *sock)
{
    for (size_t from = 0; from < sock->out_bytes;) {
        ssize_t sent = send(sock->fd, sock->out + from, sock->out_bytes - from, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            sock->out_bytes = 0;
            return -errno;
        }
        from += sent < 0 ? 0 : (size_t)sent;
    }
    sock->out_bytes = 0;
    return 0;
}

// Says that the order at `head` is about to run, if it is there and may.
static void announce(struct socket_port *sock)
{
    uint32_t head = sock->base.head;
    // Relaxed: this thread has read the frames, or taken over from one that did through `reading`.
    if (sock->tail == head || sock->announced != head ||
        atomic_load_explicit(&sock->cancelled[via__slot_of(head)], memory_order_relaxed))
        return;
    sock->announced = head + 1;
    add_frame(sock, VIA__FRAME_STARTED, head, NULL, 0);
}

// ---- the port ----

static const struct via__order *next_order(struct via__port *port)
{
    struct socket_port *sock = socket_of(port);
    const struct via__order *order = NULL;
    port->has_paused = 1; // in system calls
    begin_reading(sock);
    while (!order && !sock->is_gone) {
        if (sock->knocks > 0) {
            sock->knocks = 0;
            port->knocked(port->arg);
        } else if (sock->tail != port->head) {
            announce(sock);
            if (flush(sock) < 0)
                break;
            order = &sock->orders[via__slot_of(port->head)];
        } else {
            pull(sock, 0); // without lingering: each look would be a system call
        }
    }
    done_reading(sock);
    return order;
}

static int begin(struct via__port *port)
{
    // Relaxed: as in announce().
    return !atomic_load_explicit(&socket_of(port)->cancelled[via__slot_of(port->head)], memory_order_relaxed);
}

static int is_cancelled(struct via__port *port, uint32_t place)
{
    struct socket_port *sock = socket_of(port);
    int error = errno;
    if (getpid() == sock->pid && may_read(sock)) {
        pull(sock, MSG_DONTWAIT);
        done_reading(sock);
    }
    errno = error;
    // Acquire: pairs with the release in accept_frame(), if another thread has read the request.
    return atomic_load_explicit(&sock->cancelled[via__slot_of(place)], memory_order_acquire) ==
           VIA__REQUEST_STOP;
}

static struct via__answer *answer_slot(struct via__port *port)
{
    return &socket_of(port)->answer;
}

static int send_answer(struct via__port *port, struct via__answer *answer)
{
    struct socket_port *sock = socket_of(port);
    add_frame(sock, VIA__FRAME_ANSWER, port->head, answer, VIA__ANSWER_HEAD + via__answer_used(answer));
    // The next order may be there already, or a request not to start it.
    begin_reading(sock);
    port->head++;
    sock->announced = port->head;
    pull(sock, MSG_DONTWAIT);
    announce(sock);
    done_reading(sock);
    return flush(sock);
}

static void close_socket(struct via__port *port)
{
    close(socket_of(port)->fd);
    free(port);
}

static const struct via__port_kind socket_kind = {.next = next_order,
                                                  .begin = begin,
                                                  .cancelled = is_cancelled,
                                                  .answer = answer_slot,
                                                  .send = send_answer,
                                                  .close = close_socket};

int via__port_socket_open(const int *fds, int count, struct via__port **port)
{
    struct socket_port *sock = count == 1 ? malloc(sizeof *sock) : NULL;
    if (!sock) {
        for (int i = 0; i < count; i++)
            close(fds[i]);
        return count == 1 ? VIA_ENOMEM : VIA_EINVAL;
    }
    // The rest is not touched before it is needed.
    memset(sock, 0, offsetof(struct socket_port, out));
    atomic_flag_clear(&sock->reading);
    sock->base.kind = &socket_kind;
    sock->fd = fds[0];
    sock->pid = getpid();
    *port = &sock->base;
    return 0;
}
