/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of a channel: the program's in the test, the worker's in a forked child or in a thread.
 *
 * What the worker does with an order stands in `function`: enum does.
 */
#ifndef VIA_TEST_CHANNEL_PAIR_H
#define VIA_TEST_CHANNEL_PAIR_H

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct.h>

#include "process/channel_kind.h"
#include "support/support.h"

enum does {
    DOES_ECHO = 1,  /* the answer is the input, and its code the count of knocks */
    DOES_WAIT,      /* the same, after a byte has come through the pair's pipe */
    DOES_TEXT,      /* a text */
    DOES_OBEY,      /* puts a byte into `knocked`, and runs until it is cancelled; its code is CODE_OBEYED */
    DOES_NOT_FOUND, /* answers without having begun */
    DOES_DIE        /* ends the process */
};

enum { CODE_OBEYED = 77, EXIT_DIED = 7 };

enum where { IN_CHILD, IN_THREAD };

struct pair {
    int transport;
    enum where where;
    struct via__channel *channel;
    struct via__channel_fds fds;
    int epoll;
    int64_t linger_ns;
    uint64_t first, next; /* numbers of the oldest pending order, and of the next one */
    pid_t pid;
    struct via_test_thread thread;
    int gate[2];    /* what DOES_WAIT waits for */
    int knocked[2]; /* a byte for each time that the worker looked, and for each DOES_OBEY that runs */
    int knocks;     /* the worker's */
};

/* ---- the worker ---- */

static inline void pair_on_knock(void *arg)
{
    struct pair *pair = arg;
    pair->knocks++;
    ck_assert_int_eq(write(pair->knocked[1], "k", 1), 1);
}

static inline void pair_echo(struct pair *pair, const struct via__order *order, struct via__answer *answer)
{
    answer->code = pair->knocks;
    answer->out_bytes = order->in_bytes;
    memcpy(answer->out, order->in,
           order->in_bytes < sizeof(answer->out) ? order->in_bytes : sizeof(answer->out));
}

static inline void pair_run(struct pair *pair, struct via__port *port, const struct via__order *order,
                            struct via__answer *answer)
{
    char byte;
    switch ((enum does)order->function) {
    case DOES_WAIT:
        ck_assert_int_eq(read(pair->gate[0], &byte, 1), 1);
        pair_echo(pair, order, answer);
        break;
    case DOES_ECHO:
        pair_echo(pair, order, answer);
        break;
    case DOES_TEXT:
        answer->flags = VIA__ANSWER_MESSAGE;
        answer->status = VIA_EFAILED;
        answer->code = 5;
        answer->message_bytes = (uint32_t)strlen(strcpy((char *)answer->out, "it went wrong"));
        break;
    case DOES_OBEY:
        ck_assert_int_eq(write(pair->knocked[1], "r", 1), 1);
        while (!via__port_cancelled(port))
            via_test_yield();
        answer->code = CODE_OBEYED;
        break;
    case DOES_NOT_FOUND:
        break;
    case DOES_DIE:
        _exit(EXIT_DIED);
    }
}

static inline void pair_clear(struct via__answer *answer)
{
    memset(answer, 0, offsetof(struct via__answer, out));
}

/* Serves until an order to end, or until the program's end is gone. */
static inline void pair_serve(struct pair *pair, struct via__port *port)
{
    const struct via__order *order;
    while ((order = via__port_next(port))) {
        struct via__answer *answer = via__port_answer(port);
        int ends = order->kind == VIA__ORDER_END;
        pair_clear(answer);
        if (order->function == DOES_NOT_FOUND)
            answer->flags = VIA__ANSWER_NOT_FOUND;
        else if (!via__port_begin(port))
            answer->flags = VIA__ANSWER_REFUSED;
        else if (!ends)
            pair_run(pair, port, order, answer);
        if (via__port_send(port) < 0 || ends)
            break;
    }
}

static inline void *pair_worker(void *arg)
{
    struct pair *pair = arg;
    struct via__port *port;
    ck_assert_int_eq(via__port_open(pair->transport, pair->fds.fds, pair->fds.count, pair->linger_ns,
                                    pair_on_knock, pair, &port),
                     0);
    pair_serve(pair, port);
    via__port_close(port);
    return NULL;
}

/* ---- the program ---- */

static inline void pair_new(struct pair *pair, int transport)
{
    int is_level;
    struct epoll_event event = {.events = EPOLLIN};
    memset(pair, 0, sizeof(*pair));
    pair->transport = transport;
    pair->first = pair->next = 1000;
    ck_assert_int_eq(via__channel_new(transport, &pair->channel, &pair->fds), 0);
    ck_assert_int_ge(pair->epoll = epoll_create1(EPOLL_CLOEXEC), 0);
    int fd = via__channel_fd(pair->channel, &is_level);
    if (!is_level)
        event.events |= EPOLLET;
    ck_assert_int_eq(epoll_ctl(pair->epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

/* Starts the worker, which takes over the descriptors. */
static inline void pair_start(struct pair *pair, enum where where)
{
    pair->where = where;
    ck_assert_int_eq(pipe(pair->gate), 0);
    ck_assert_int_eq(pipe(pair->knocked), 0);
    if (where == IN_THREAD) {
        via_test_thread_start(&pair->thread, pair_worker, pair);
        return;
    }
    pair->pid = fork();
    ck_assert_int_ge(pair->pid, 0);
    if (pair->pid == 0) {
        int is_level;
        /* A worker that is not a copy of the test would not have it. */
        close(via__channel_fd(pair->channel, &is_level));
        pair_worker(pair);
        _exit(0);
    }
    for (int i = 0; i < pair->fds.count; i++)
        close(pair->fds.fds[i]);
}

/* The worker's end: how it exited, or minus the signal. */
static inline int pair_reap(struct pair *pair)
{
    int status = 0;
    if (pair->where == IN_THREAD) {
        via_test_thread_join(&pair->thread);
        return 0;
    }
    ck_assert_int_eq(waitpid(pair->pid, &status, 0), pair->pid);
    pair->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void pair_close_pipes(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        close(pair->gate[i]);
        close(pair->knocked[i]);
    }
    close(pair->epoll);
}

/* Gives the channel up, at which the worker ends. */
static inline void pair_end(struct pair *pair)
{
    via__channel_free(pair->channel);
    ck_assert_int_eq(pair_reap(pair), 0);
    pair_close_pipes(pair);
}

/* Gives up a pair that was never started, or whose worker was reaped. */
static inline void pair_drop(struct pair *pair, int close_fds)
{
    via__channel_free(pair->channel);
    for (int i = 0; close_fds && i < pair->fds.count; i++)
        close(pair->fds.fds[i]);
    close(pair->epoll);
}

static inline uint32_t pair_push(struct pair *pair, enum does does, const void *in, size_t bytes)
{
    struct via__order *order = via__channel_next_order(pair->channel);
    ck_assert_ptr_nonnull(order);
    memset(order, 0, offsetof(struct via__order, in));
    order->number = pair->next++;
    order->kind = VIA__ORDER_CALL;
    order->function = does;
    order->in_bytes = bytes;
    if (bytes > 0)
        memcpy(order->in, in, bytes);
    return via__channel_push(pair->channel);
}

/* Pushes and shows one. */
static inline uint32_t pair_order(struct pair *pair, enum does does, const void *in, size_t bytes)
{
    uint32_t place = pair_push(pair, does, in, bytes);
    via__channel_flush(pair->channel);
    return place;
}

/* Takes without waiting. */
static inline int pair_try(struct pair *pair, struct via__answer *answer)
{
    int got = via__channel_take(pair->channel, pair->first, answer);
    pair->first += got > 0;
    return got;
}

/* Takes as the engine does: looks, arms, looks again, sleeps until the ring. */
static inline int pair_take(struct pair *pair, struct via__answer *answer)
{
    struct epoll_event event;
    int got;
    while ((got = pair_try(pair, answer)) == 0) {
        if (via__channel_arm(pair->channel))
            continue;
        int rung = epoll_wait(pair->epoll, &event, 1, (int)(via_test_bound_ns() / 1000000));
        ck_assert_msg(rung > 0 || errno == EINTR, "no ring, no answer");
    }
    return got;
}

/* Whether the worker has said that it runs the oldest pending order, which does not end yet. */
static inline int pair_runs(struct pair *pair)
{
    struct via__answer answer;
    ck_assert_int_eq(pair_try(pair, &answer), 0);
    return via__channel_started(pair->channel) == 1;
}

/* Waits for a byte of the worker's. */
static inline void pair_hear(struct pair *pair)
{
    char byte;
    struct pollfd ready = {.fd = pair->knocked[0], .events = POLLIN};
    ck_assert_int_eq(poll(&ready, 1, (int)(via_test_bound_ns() / 1000000)), 1);
    ck_assert_int_eq(read(ready.fd, &byte, 1), 1);
}

static inline void pair_expect_echo(struct pair *pair, const void *in, size_t bytes)
{
    struct via__answer answer;
    ck_assert_int_eq(pair_take(pair, &answer), 1);
    ck_assert_uint_eq(answer.flags, 0);
    ck_assert_uint_eq(answer.out_bytes, bytes);
    if (bytes > 0)
        ck_assert_mem_eq(answer.out, in, bytes);
}

static inline void pair_open_gate(struct pair *pair)
{
    ck_assert_int_eq(write(pair->gate[1], "g", 1), 1);
}

/* Runs a test over both transports, with the worker in a child and in a thread. */
static inline void pair_each(void (*body)(struct pair *pair))
{
    static const int transports[] = {VIA_TRANSPORT_SHARED, VIA_TRANSPORT_SOCKET};
    for (int i = 0; i < 4; i++) {
        struct pair pair;
        if (i < 2 && !via__channel_can_share())
            continue;
        pair_new(&pair, transports[i / 2]);
        pair_start(&pair, i % 2 ? IN_THREAD : IN_CHILD);
        body(&pair);
        pair_end(&pair);
    }
}

#endif
