/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker that a test plays by hand, and the program that takes what it says. */
#ifndef VIA_TEST_BY_HAND_H
#define VIA_TEST_BY_HAND_H

#include "unit/process/payload_sides.h"

#include <stdlib.h>

#define LARGE (128 * KIB)

/* ---- the worker's part ---- */

static inline int new_file(size_t bytes, void **data)
{
    int fd = -1;

    ck_assert_int_eq(via__memory_new("test", bytes, &fd), 0);
    if (data)
        ck_assert_int_eq(via__memory_map(fd, bytes, VIA__MEMORY_WRITE, data), 0);
    ck_assert_int_eq(via__memory_seal(fd), 0);
    return fd;
}

static inline void send_offer(int worker, uint64_t number, uint64_t bytes, uint64_t is_last, int fd)
{
    struct via__payload_message message = {
        .kind = VIA__PAYLOAD_OFFER, .count = 3, .numbers = {number, bytes, is_last}};

    ck_assert_int_eq(via__fds_send(worker, &message, via__payload_bytes(&message), &fd, fd >= 0), 0);
}

/* Offers memory as a worker does that behaves; the mapping is the test's. */
static inline char *offer(int worker, uint64_t number, size_t bytes, int is_last)
{
    void *data;
    int fd = new_file(bytes, &data);

    send_offer(worker, number, bytes, (uint64_t)is_last, fd);
    close(fd);
    return data;
}

static inline void send_gone(int worker, uint64_t number)
{
    struct via__payload_message message = {.kind = VIA__PAYLOAD_GONE, .count = 1, .numbers = {number}};

    ck_assert_int_eq(via__fds_send(worker, &message, via__payload_bytes(&message), NULL, 0), 0);
}

/* Reads one message of the program's and closes what came with it: its kind, or 0 if there is none. */
static inline int read_message(int worker, struct via__payload_message *message)
{
    int fds[VIA__FDS_MAX];
    int count = 0;
    int got = via__fds_receive(worker, message, sizeof(*message), fds, &count, VIA__FDS_NOW);

    if (got == VIA_EAGAIN)
        return 0;
    ck_assert_int_gt(got, 0);
    ck_assert(via__payload_is_whole(message, (size_t)got));
    via__fds_close(fds, count);
    ck_assert_int_eq(count, message->kind == VIA__PAYLOAD_BUFFER || message->kind == VIA__PAYLOAD_OBJECT);
    return (int)message->kind;
}

/* The next message is of this kind and has this number alone, or as its first. */
static inline void expect_message(int worker, enum via__payload_kind kind, uint64_t number)
{
    struct via__payload_message message;

    ck_assert_int_eq(read_message(worker, &message), (int)kind);
    ck_assert_uint_eq(message.count, kind == VIA__PAYLOAD_BUFFER ? 3 : 1);
    ck_assert_uint_eq(message.numbers[0], number);
}

static inline void expect_silence(int worker)
{
    struct via__payload_message message;

    ck_assert_int_eq(read_message(worker, &message), 0);
}

/* ---- the program's part ---- */

struct answer {
    char *value;
    void (*destroy)(void *value);
};

static inline struct answer take_answer(struct sides *sides, uint64_t number, uint64_t bytes)
{
    void *value = NULL;
    struct answer answer = {0};

    ck_assert_int_eq(via__acquaintance_answer(sides->acquaintance, number, bytes, &value, &answer.destroy),
                     0);
    answer.value = value;
    return answer;
}

/* The answer is refused with a status, and nothing given. */
static inline void expect_no_answer(struct sides *sides, uint64_t number, uint64_t bytes, int status)
{
    void *value = sides;
    void (*destroy)(void *) = free;

    ck_assert_int_eq(via__acquaintance_answer(sides->acquaintance, number, bytes, &value, &destroy), status);
    ck_assert_ptr_eq(value, sides);
    ck_assert(destroy == free);
}

#endif
