/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's side of payloads, against a worker that the tests play by hand. */
#include "unit/process/payload_sides.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define LARGE (128 * KIB)

/* ---- the worker's part ---- */

static int new_file(size_t bytes, void **data)
{
    int fd = -1;

    ck_assert_int_eq(via__memory_new("test", bytes, &fd), 0);
    if (data)
        ck_assert_int_eq(via__memory_map(fd, bytes, VIA__MEMORY_WRITE, data), 0);
    ck_assert_int_eq(via__memory_seal(fd), 0);
    return fd;
}

static void send_offer(int worker, uint64_t number, uint64_t bytes, uint64_t is_last, int fd)
{
    struct via__payload_message message = {
        .kind = VIA__PAYLOAD_OFFER, .count = 3, .numbers = {number, bytes, is_last}};

    ck_assert_int_eq(via__fds_send(worker, &message, via__payload_bytes(&message), &fd, fd >= 0), 0);
}

/* Offers memory as a worker does that behaves; the mapping is the test's. */
static char *offer(int worker, uint64_t number, size_t bytes, int is_last)
{
    void *data;
    int fd = new_file(bytes, &data);

    send_offer(worker, number, bytes, (uint64_t)is_last, fd);
    close(fd);
    return data;
}

static void send_gone(int worker, uint64_t number)
{
    struct via__payload_message message = {.kind = VIA__PAYLOAD_GONE, .count = 1, .numbers = {number}};

    ck_assert_int_eq(via__fds_send(worker, &message, via__payload_bytes(&message), NULL, 0), 0);
}

/* Reads one message of the program's and closes what came with it: its kind, or 0 if there is none. */
static int read_message(int worker, struct via__payload_message *message)
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
static void expect_message(int worker, enum via__payload_kind kind, uint64_t number)
{
    struct via__payload_message message;

    ck_assert_int_eq(read_message(worker, &message), (int)kind);
    ck_assert_uint_eq(message.count, kind == VIA__PAYLOAD_BUFFER ? 3 : 1);
    ck_assert_uint_eq(message.numbers[0], number);
}

static void expect_silence(int worker)
{
    struct via__payload_message message;

    ck_assert_int_eq(read_message(worker, &message), 0);
}

/* ---- the program's part ---- */

struct answer {
    char *value;
    void (*destroy)(void *value);
};

static struct answer take_answer(struct sides *sides, uint64_t number, uint64_t bytes)
{
    void *value = NULL;
    struct answer answer = {0};

    ck_assert_int_eq(via__acquaintance_answer(sides->acquaintance, number, bytes, &value, &answer.destroy),
                     0);
    answer.value = value;
    return answer;
}

/* The answer is refused with a status, and nothing given. */
static void expect_no_answer(struct sides *sides, uint64_t number, uint64_t bytes, int status)
{
    void *value = sides;
    void (*destroy)(void *) = free;

    ck_assert_int_eq(via__acquaintance_answer(sides->acquaintance, number, bytes, &value, &destroy), status);
    ck_assert_ptr_eq(value, sides);
    ck_assert(destroy == free);
}

/* ---- inputs ---- */

TEST(a_buffer_is_introduced_once)
{
    struct sides sides = open_sides(MIB);
    via_buffer *buffer = new_buffer(1, 0);
    struct via__payload_message message;

    ck_assert_int_eq(introduce(&sides, buffer), 1);
    ck_assert_int_eq(introduce(&sides, buffer), 0);
    ck_assert_int_eq(read_message(sides.worker, &message), VIA__PAYLOAD_BUFFER);
    ck_assert_uint_eq(message.numbers[0], via__buffer_number(buffer));
    ck_assert_uint_eq(message.numbers[1], 64 * KIB);
    ck_assert_uint_eq(message.numbers[2], 0);
    expect_silence(sides.worker);
    via_buffer_unref(buffer);
    close_sides(&sides);
}

TEST(a_buffer_that_its_cache_keeps_stays_known)
{
    struct sides sides = open_sides(MIB);
    struct via__buffer_cache *cache;
    via_buffer *buffer;

    ck_assert_int_eq(via__buffer_cache_new(MIB, &cache), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via__buffer_take(cache, 1, 0, &buffer), 0);
        ck_assert_int_eq(introduce(&sides, buffer), i == 0);
        via_buffer_unref(buffer);
        ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 0);
    }
    via__buffer_cache_leave(cache);
    close_sides(&sides);
}

TEST(a_buffer_that_is_gone_is_to_be_forgotten)
{
    struct sides sides = open_sides(MIB);
    via_buffer *stays = new_buffer(1, 0);
    via_buffer *goes = new_buffer(1, 0);
    uint64_t number = via__buffer_number(goes);

    introduce(&sides, stays);
    introduce(&sides, goes);
    expect_message(sides.worker, VIA__PAYLOAD_BUFFER, via__buffer_number(stays));
    expect_message(sides.worker, VIA__PAYLOAD_BUFFER, number);
    via_buffer_unref(goes);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 1);
    expect_message(sides.worker, VIA__PAYLOAD_FORGET, number);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 0);
    expect_silence(sides.worker);
    via_buffer_unref(stays);
    close_sides(&sides);
}

TEST(many_that_are_gone_are_told_in_few_messages)
{
    struct sides sides = open_sides(MIB);
    struct via__payload_message message;
    via_buffer *buffers[100];
    uint32_t told = 0;

    for (int i = 0; i < 100; i++) {
        buffers[i] = new_buffer(1, 0);
        introduce(&sides, buffers[i]);
        ck_assert_int_eq(read_message(sides.worker, &message), VIA__PAYLOAD_BUFFER);
    }
    for (int i = 0; i < 100; i++)
        via_buffer_unref(buffers[i]);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 1);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(read_message(sides.worker, &message), VIA__PAYLOAD_FORGET);
        told += message.count;
    }
    ck_assert_uint_eq(told, 100);
    expect_silence(sides.worker);
    close_sides(&sides);
}

/* Knowing very many buffers would cost the worker memory; but what a pending order may name stays. */
TEST(the_oldest_is_forgotten_when_there_are_too_many)
{
    struct sides sides = open_sides(MIB);
    struct via__payload_message message;
    via_buffer *buffers[513];

    for (int i = 0; i < 513; i++) {
        buffers[i] = new_buffer(1, 0);
        if (i == 512)
            introduce(&sides, buffers[0]);
        introduce(&sides, buffers[i]);
        ck_assert_int_gt(read_message(sides.worker, &message), 0);
        if (i == 512) {
            ck_assert_int_eq((int)message.kind, VIA__PAYLOAD_FORGET);
            ck_assert_uint_eq(message.numbers[0], via__buffer_number(buffers[1]));
            expect_message(sides.worker, VIA__PAYLOAD_BUFFER, via__buffer_number(buffers[i]));
        }
    }
    ck_assert_int_eq(introduce(&sides, buffers[0]), 0);
    ck_assert_int_eq(introduce(&sides, buffers[1]), 1);
    for (int i = 0; i < 513; i++)
        via_buffer_unref(buffers[i]);
    close_sides(&sides);
}

TEST(a_full_socket_is_for_a_later_try)
{
    struct sides sides = open_sides(MIB);
    via_buffer *buffers[512];
    struct via__payload_message message;
    int is_new, status = 0, sent = 0;

    while (status == 0 && sent < 512) {
        buffers[sent] = new_buffer(1, 0);
        status = via__acquaintance_introduce(sides.acquaintance, buffers[sent++], &is_new);
    }
    ck_assert_int_eq(status, VIA_EAGAIN);
    ck_assert_int_eq(via__acquaintance_introduce(sides.acquaintance, buffers[sent - 1], &is_new), VIA_EAGAIN);
    ck_assert_int_eq(introduce(&sides, buffers[0]), 0);
    for (int i = 0; i < sent - 1; i++)
        ck_assert_int_eq(read_message(sides.worker, &message), VIA__PAYLOAD_BUFFER);
    ck_assert_int_eq(introduce(&sides, buffers[sent - 1]), 1);
    expect_message(sides.worker, VIA__PAYLOAD_BUFFER, via__buffer_number(buffers[sent - 1]));
    for (int i = 0; i < sent; i++)
        via_buffer_unref(buffers[i]);
    close_sides(&sides);
}

TEST(what_could_not_be_told_is_told_later)
{
    struct sides sides = open_sides(MIB);
    via_buffer *goes = new_buffer(1, 0);
    struct via__payload_message message;
    int is_new, count = 0;

    introduce(&sides, goes);
    while (via__acquaintance_send_object(sides.acquaintance, (uint32_t)count, 0, &is_new) == 0)
        count++;
    uint64_t number = via__buffer_number(goes);
    via_buffer_unref(goes);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 1);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 1);
    expect_message(sides.worker, VIA__PAYLOAD_BUFFER, number);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(read_message(sides.worker, &message), VIA__PAYLOAD_OBJECT);
    expect_silence(sides.worker);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 1);
    expect_message(sides.worker, VIA__PAYLOAD_FORGET, number);
    close_sides(&sides);
}

TEST(a_worker_that_is_gone_is_no_later_try)
{
    struct sides sides = open_sides(MIB);
    via_buffer *buffer = new_buffer(1, 0);
    int is_new;

    close(sides.worker);
    int status = via__acquaintance_introduce(sides.acquaintance, buffer, &is_new);
    ck_assert_int_lt(status, 0);
    ck_assert_int_ne(status, VIA_EAGAIN);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 0);
    via_buffer_unref(buffer);
    sides.worker = dup(sides.program);
    close_sides(&sides);
}

TEST(an_object_is_sent_once)
{
    struct sides sides = open_sides(MIB);
    const uint32_t objects[] = {1, 70, 64, 65535, 1, 65535};
    int is_new;

    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(via__acquaintance_send_object(sides.acquaintance, objects[i], 0, &is_new), 0);
        ck_assert_int_eq(is_new, i < 4);
        if (is_new)
            expect_message(sides.worker, VIA__PAYLOAD_OBJECT, objects[i]);
    }
    expect_silence(sides.worker);
    close_sides(&sides);
}

static via_buffer *release_and_take(struct via__buffer_cache *cache, via_buffer *buffer, unsigned flags)
{
    via_buffer *again;

    via_buffer_unref(buffer);
    ck_assert_int_eq(via__buffer_take(cache, 1, flags, &again), 0);
    return again;
}

/* A crashed worker may have started something that has the memory mapped still. */
TEST(what_a_crashed_worker_could_write_to_is_not_used_again)
{
    struct via__buffer_cache *cache;

    ck_assert_int_eq(via__buffer_cache_new(MIB, &cache), 0);
    for (int tainted = 0; tainted < 2; tainted++) {
        for (unsigned flags = 0; flags <= VIA_BUFFER_WRITABLE; flags++) {
            struct sides sides = open_sides(MIB);
            via_buffer *buffer;
            ck_assert_int_eq(via__buffer_take(cache, 1, flags, &buffer), 0);
            uint64_t number = via__buffer_number(buffer);
            introduce(&sides, buffer);
            via__acquaintance_free(sides.acquaintance, tainted);
            sides.acquaintance = NULL;
            buffer = release_and_take(cache, buffer, flags);
            if (tainted && flags == VIA_BUFFER_WRITABLE)
                ck_assert_uint_ne(via__buffer_number(buffer), number);
            else
                ck_assert_uint_eq(via__buffer_number(buffer), number);
            via_buffer_unref(buffer);
            close_sides(&sides);
        }
    }
    via__buffer_cache_leave(cache);
}

/* ---- answers ---- */

TEST(a_small_answer_is_the_programs_alone)
{
    struct sides sides = open_sides(MIB);
    char *data = offer(sides.worker, 1, 64 * KIB, 0);

    strcpy(data, "answer");
    struct answer answer = take_answer(&sides, 1, 64 * KIB);
    strcpy(data, "changed");
    ck_assert_str_eq(answer.value, "answer");
    ck_assert(answer.destroy == free);
    answer.destroy(answer.value);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 0);
    expect_silence(sides.worker);
    answer = take_answer(&sides, 1, 8);
    ck_assert_str_eq(answer.value, "changed");
    answer.destroy(answer.value);
    munmap(data, 64 * KIB);
    close_sides(&sides);
}

TEST(a_large_answer_is_shown_in_place_until_it_is_released)
{
    struct sides sides = open_sides(MIB);
    char *data = offer(sides.worker, 5, LARGE, 0);

    strcpy(data, "answer");
    struct answer answer = take_answer(&sides, 5, LARGE);
    ck_assert_str_eq(answer.value, "answer");
    ck_assert_uint_eq(via__acquaintance_held(sides.acquaintance), LARGE);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 0);
    expect_silence(sides.worker);
    answer.destroy(answer.value);
    ck_assert_int_eq(via__acquaintance_tell(sides.acquaintance), 0);
    expect_message(sides.worker, VIA__PAYLOAD_REUSE, 5);
    strcpy(data, "second");
    answer = take_answer(&sides, 5, 65537);
    ck_assert_str_eq(answer.value, "second");
    answer.destroy(answer.value);
    munmap(data, LARGE);
    close_sides(&sides);
}

TEST(an_answer_without_bytes_has_no_value)
{
    struct sides sides = open_sides(MIB);
    char *data = offer(sides.worker, 1, 64 * KIB, 0);
    struct answer answer = take_answer(&sides, 1, 0);

    ck_assert_ptr_null(answer.value);
    ck_assert(!answer.destroy);
    via__acquaintance_settle(sides.acquaintance);
    expect_silence(sides.worker);
    munmap(data, 64 * KIB);
    close_sides(&sides);
}

static void *release(void *arg)
{
    struct answer *answer = arg;

    answer->destroy(answer->value);
    return NULL;
}

TEST(an_answer_outlives_its_worker_and_is_released_anywhere)
{
    struct sides sides = open_sides(MIB);
    char *data = offer(sides.worker, 1, LARGE, 0);
    struct via_test_thread thread;

    strcpy(data, "kept");
    struct answer answer = take_answer(&sides, 1, LARGE);
    munmap(data, LARGE);
    close_sides(&sides);
    ck_assert_str_eq(answer.value, "kept");
    via_test_thread_start(&thread, release, &answer);
    via_test_thread_join(&thread);
    ck_assert_int_eq(msync(answer.value, LARGE, MS_ASYNC), -1);
}

/* Whatever the order is in which answers are released and the worker goes, each mapping goes once. */
TEST(releasing_and_leaving_meet_in_any_order)
{
    for (int when = 0; when < 8; when++) {
        struct sides sides = open_sides(MIB);
        struct answer answers[3];
        for (uint64_t i = 0; i < 3; i++) {
            munmap(offer(sides.worker, i + 1, LARGE, i == 2), LARGE);
            answers[i] = take_answer(&sides, i + 1, LARGE);
        }
        for (int i = 0; i < 3; i++) {
            if (when & 1 << i)
                answers[i].destroy(answers[i].value);
        }
        if (when & 1)
            via__acquaintance_settle(sides.acquaintance);
        close_sides(&sides);
        for (int i = 0; i < 3; i++) {
            if (!(when & 1 << i))
                answers[i].destroy(answers[i].value);
            ck_assert_int_eq(msync(answers[i].value, LARGE, MS_ASYNC), -1);
        }
    }
}

TEST(an_offer_for_one_answer_goes_with_it)
{
    struct sides sides = open_sides(MIB);

    munmap(offer(sides.worker, 1, LARGE, 1), LARGE);
    munmap(offer(sides.worker, 2, LARGE, 1), LARGE);
    struct answer shown = take_answer(&sides, 1, LARGE);
    struct answer copied = take_answer(&sides, 2, 1);
    ck_assert_uint_eq(via__acquaintance_held(sides.acquaintance), LARGE);
    shown.destroy(shown.value);
    copied.destroy(copied.value);
    ck_assert_uint_eq(via__acquaintance_held(sides.acquaintance), 0);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), 0);
    expect_silence(sides.worker);
    close_sides(&sides);
}

TEST(what_the_worker_gives_up_is_unmapped_when_nobody_reads_it)
{
    struct sides sides = open_sides(MIB);

    for (uint64_t i = 1; i <= 4; i++)
        munmap(offer(sides.worker, i, LARGE, 0), LARGE);
    struct answer lent = take_answer(&sides, 4, LARGE);
    struct answer returned = take_answer(&sides, 3, LARGE);
    returned.destroy(returned.value);
    send_gone(sides.worker, 1);
    send_gone(sides.worker, 3);
    send_gone(sides.worker, 4);
    send_gone(sides.worker, 77);
    via__acquaintance_settle(sides.acquaintance);
    ck_assert_uint_eq(via__acquaintance_held(sides.acquaintance), 2 * LARGE);
    lent.destroy(lent.value);
    via__acquaintance_settle(sides.acquaintance);
    ck_assert_uint_eq(via__acquaintance_held(sides.acquaintance), LARGE);
    expect_silence(sides.worker);
    close_sides(&sides);
}

TEST(a_number_that_is_given_up_may_come_again)
{
    struct sides sides = open_sides(MIB);

    munmap(offer(sides.worker, 1, LARGE, 0), LARGE);
    struct answer lent = take_answer(&sides, 1, LARGE);
    send_gone(sides.worker, 1);
    via__acquaintance_settle(sides.acquaintance);
    munmap(offer(sides.worker, 1, 2 * LARGE, 0), 2 * LARGE);
    struct answer again = take_answer(&sides, 1, 2 * LARGE);
    lent.destroy(lent.value);
    again.destroy(again.value);
    close_sides(&sides);
}

TEST(a_worker_is_to_look_when_it_was_told_much)
{
    struct sides sides = open_sides(64 * MIB);
    int last = 0;

    for (uint64_t i = 1; i <= 40; i++) {
        munmap(offer(sides.worker, i, LARGE, 0), LARGE);
        struct answer answer = take_answer(&sides, i, LARGE);
        answer.destroy(answer.value);
        ck_assert_int_eq(last, 0);
        last = via__acquaintance_tell(sides.acquaintance);
        if (last)
            break;
    }
    ck_assert_int_eq(last, 1);
    munmap(offer(sides.worker, 100, 64 * MIB, 0), 64 * MIB);
    struct answer answer = take_answer(&sides, 100, LARGE);
    answer.destroy(answer.value);
    ck_assert_int_eq(via__acquaintance_tell(sides.acquaintance), 1);
    close_sides(&sides);
}

/* What a worker had finished before it died counts, also if it left messages unread. */
TEST(what_a_dead_worker_has_offered_is_taken)
{
    struct sides sides = open_sides(MIB);
    via_buffer *buffer = new_buffer(1, 0);

    introduce(&sides, buffer);
    char *data = offer(sides.worker, 1, LARGE, 0);
    strcpy(data, "finished");
    munmap(data, LARGE);
    close(sides.worker);
    struct answer answer = take_answer(&sides, 1, LARGE);
    ck_assert_str_eq(answer.value, "finished");
    answer.destroy(answer.value);
    via_buffer_unref(buffer);
    sides.worker = dup(sides.program);
    close_sides(&sides);
}

/* ---- a worker out of its mind ---- */

enum nonsense {
    UNSEALED,
    HALF_SEALED,
    SHORT_FILE,
    LONG_FILE,
    PIPE,
    PLAIN_FILE,
    NO_FILE,
    TWO_FILES,
    SAME_NUMBER,
    NUMBER_0,
    NO_LENGTH,
    ODD_LENGTH,
    ABOVE_THE_LIMIT,
    NO_READING,
    UNKNOWN_KIND,
    PROGRAMS_KIND,
    CUT_OFF,
    TOO_MANY_NUMBERS,
    GONE_WITH_A_FILE,
    TOO_MANY_OFFERS,
    NONSENSES
};

static void send_raw(int worker, uint32_t kind, uint32_t count, size_t bytes, const int *fds, int fd_count)
{
    struct via__payload_message message = {.kind = kind, .count = count, .numbers = {1, 64 * KIB, 0}};

    ck_assert_int_eq(via__fds_send(worker, &message, bytes, fds, fd_count), 0);
}

static void send_unsound(int worker, enum nonsense nonsense)
{
    int fd = -1;
    int pipes[2] = {-1, -1};
    size_t bytes = nonsense == SHORT_FILE ? 4096 : nonsense == LONG_FILE ? MIB : 64 * KIB;

    if (nonsense == PIPE) {
        ck_assert_int_eq(pipe(pipes), 0);
        fd = pipes[0];
    } else if (nonsense == PLAIN_FILE) {
        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    } else {
        ck_assert_int_eq(via__memory_new("test", bytes, &fd), 0);
    }
    if (nonsense == HALF_SEALED)
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    if (nonsense == SHORT_FILE || nonsense == LONG_FILE)
        ck_assert_int_eq(via__memory_seal(fd), 0);
    send_offer(worker, 1, 64 * KIB, 0, fd);
    close(fd);
    if (nonsense == PIPE)
        close(pipes[1]);
}

static void send_write_only(int worker, int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(writer, 0);
    send_offer(worker, 1, 64 * KIB, 0, writer);
    close(writer);
}

/* Long: one line for each kind of nonsense. */
static void send_nonsense(struct sides *sides, enum nonsense nonsense)
{
    const size_t whole = offsetof(struct via__payload_message, numbers) + 3 * sizeof(uint64_t);
    int worker = sides->worker;
    int fd = new_file(64 * KIB, NULL);
    int two[2] = {fd, fd};

    switch (nonsense) {
    case UNSEALED:
    case HALF_SEALED:
    case SHORT_FILE:
    case LONG_FILE:
    case PIPE:
    case PLAIN_FILE:
        send_unsound(worker, nonsense);
        break;
    case NO_FILE:
        send_offer(worker, 1, 64 * KIB, 0, -1);
        break;
    case TWO_FILES:
        send_raw(worker, VIA__PAYLOAD_OFFER, 3, whole, two, 2);
        break;
    case SAME_NUMBER:
        send_offer(worker, 2, 64 * KIB, 0, fd);
        send_offer(worker, 2, 64 * KIB, 0, fd);
        break;
    case NUMBER_0:
        send_offer(worker, 0, 64 * KIB, 0, fd);
        break;
    case NO_LENGTH:
        send_offer(worker, 1, 0, 0, fd);
        break;
    case ODD_LENGTH:
        send_offer(worker, 1, 64 * KIB - 1, 0, fd);
        break;
    case ABOVE_THE_LIMIT:
        munmap(offer(worker, 1, 1280 * KIB, 0), 1280 * KIB);
        break;
    case NO_READING:
        send_write_only(worker, fd);
        break;
    case UNKNOWN_KIND:
        send_raw(worker, 99, 3, whole, &fd, 1);
        break;
    case PROGRAMS_KIND:
        send_raw(worker, VIA__PAYLOAD_BUFFER, 3, whole, &fd, 1);
        break;
    case CUT_OFF:
        send_raw(worker, VIA__PAYLOAD_OFFER, 3, 12, &fd, 1);
        break;
    case TOO_MANY_NUMBERS:
        send_raw(worker, VIA__PAYLOAD_GONE, 0xffffffff, whole, NULL, 0);
        break;
    case GONE_WITH_A_FILE:
        send_raw(worker, VIA__PAYLOAD_GONE, 3, whole, &fd, 1);
        break;
    case TOO_MANY_OFFERS:
        /* The program looks at all that comes from a worker of which it has memory. */
        send_offer(worker, 50, 64 * KIB, 0, fd);
        free(take_answer(sides, 50, 1).value);
        for (uint64_t i = 0; i < 513; i++) {
            send_offer(worker, 100 + i, 64 * KIB, 0, fd);
            if (i % 64 == 0)
                via__acquaintance_settle(sides->acquaintance);
        }
        break;
    case NONSENSES:
        break;
    }
    close(fd);
}

TEST(nonsense_is_found_out_and_leaves_nothing_behind)
{
    for (enum nonsense nonsense = 0; nonsense < NONSENSES; nonsense++) {
        struct sides sides = open_sides(MIB);
        send_nonsense(&sides, nonsense);
        expect_no_answer(&sides, 1, 1, VIA_ECORRUPT);
        expect_no_answer(&sides, 2, 1, VIA_ECORRUPT);
        ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), VIA_ECORRUPT);
        via__acquaintance_free(sides.acquaintance, 1);
        sides.acquaintance = NULL;
        close_sides(&sides);
    }
}

TEST(settling_finds_nonsense_too)
{
    struct sides sides = open_sides(MIB);

    munmap(offer(sides.worker, 1, 64 * KIB, 0), 64 * KIB);
    struct answer answer = take_answer(&sides, 1, 1);
    answer.destroy(answer.value);
    send_offer(sides.worker, 2, 64 * KIB, 0, -1);
    ck_assert_int_eq(via__acquaintance_settle(sides.acquaintance), VIA_ECORRUPT);
    close_sides(&sides);
}

TEST(an_answer_that_cannot_be_is_corrupt)
{
    const struct {
        uint64_t number, bytes;
    } answers[] = {{2, 1}, {0, 1}, {UINT64_MAX, 0}, {1, LARGE + 1}, {1, UINT64_MAX}};

    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        struct sides sides = open_sides(MIB);
        munmap(offer(sides.worker, 1, LARGE, 0), LARGE);
        expect_no_answer(&sides, answers[i].number, answers[i].bytes, VIA_ECORRUPT);
        close_sides(&sides);
    }
}

TEST(memory_that_is_read_is_not_named_again)
{
    for (int settled = 0; settled < 2; settled++) {
        struct sides sides = open_sides(MIB);
        munmap(offer(sides.worker, 1, LARGE, 0), LARGE);
        struct answer answer = take_answer(&sides, 1, LARGE);
        if (settled)
            via__acquaintance_settle(sides.acquaintance);
        expect_no_answer(&sides, 1, 1, VIA_ECORRUPT);
        answer.destroy(answer.value);
        close_sides(&sides);
    }
}

/* A worker that sends without end is not listened to without end. */
TEST(a_flood_does_not_keep_the_program)
{
    struct sides sides = open_sides(MIB);
    struct via__payload_message message = {.kind = VIA__PAYLOAD_GONE, .count = 1, .numbers = {9}};

    while (via__fds_send(sides.worker, &message, via__payload_bytes(&message), NULL, 0) == 0)
        ;
    expect_no_answer(&sides, 1, 1, VIA_ECORRUPT);
    close_sides(&sides);
}

/* The length is sealed, so that no read is ever beyond the end of the file. */
TEST(a_worker_cannot_take_memory_from_under_a_reader)
{
    struct sides sides = open_sides(MIB);
    void *data;
    int fd = new_file(LARGE, &data);

    memset(data, 1, LARGE);
    send_offer(sides.worker, 1, LARGE, 0, fd);
    struct answer answer = take_answer(&sides, 1, LARGE);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LARGE), 0);
    for (size_t i = 0; i < LARGE; i += 4096)
        ck_assert_int_eq(answer.value[i], 0);
    answer.destroy(answer.value);
    munmap(data, LARGE);
    close(fd);
    close_sides(&sides);
}

/* ---- a program at its limits ---- */

static void limit_descriptors(rlim_t limit)
{
    struct rlimit now;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
    now.rlim_cur = limit;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
}

TEST(a_program_without_descriptors_fails_the_answer_and_goes_on)
{
    struct sides sides = open_sides(MIB);
    struct rlimit before;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    munmap(offer(sides.worker, 1, LARGE, 0), LARGE);
    limit_descriptors(3);
    expect_no_answer(&sides, 1, 1, VIA_EAGAIN);
    limit_descriptors(before.rlim_cur);
    expect_message(sides.worker, VIA__PAYLOAD_DROP, 1);
    munmap(offer(sides.worker, 2, LARGE, 0), LARGE);
    struct answer answer = take_answer(&sides, 2, LARGE);
    answer.destroy(answer.value);
    close_sides(&sides);
}

static int answer_without_room(void *arg)
{
    struct sides *sides = arg;
    struct rlimit none = {0, 0};
    void *value;
    void (*destroy)(void *);

    if (setrlimit(RLIMIT_AS, &none) < 0)
        return 1;
    return via__acquaintance_answer(sides->acquaintance, 1, LARGE, &value, &destroy) == VIA_ENOMEM ? 0 : 2;
}

TEST(a_program_without_room_fails_the_answer)
{
    struct sides sides = open_sides(MIB);

    munmap(offer(sides.worker, 1, LARGE, 0), LARGE);
    ck_assert_int_eq(via_test_fork(answer_without_room, &sides), 0);
    expect_message(sides.worker, VIA__PAYLOAD_DROP, 1);
    close_sides(&sides);
}

/* ---- releasing in other threads ---- */

#define ROUNDS 3000

struct releaser {
    struct answer answers[ROUNDS];
    _Atomic int filled;
};

static void *release_all(void *arg)
{
    struct releaser *releaser = arg;

    for (int i = 0; i < ROUNDS; i++) {
        while (atomic_load(&releaser->filled) <= i)
            via_test_yield();
        releaser->answers[i].destroy(releaser->answers[i].value);
    }
    return NULL;
}

TEST(answers_are_released_while_the_program_settles)
{
    static struct releaser releaser;
    struct sides sides = open_sides(MIB);
    struct via_test_thread thread;
    struct via__payload_message message;
    uint64_t free_numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int count = 8;

    for (uint64_t i = 1; i <= 8; i++)
        munmap(offer(sides.worker, i, LARGE, 0), LARGE);
    via_test_thread_start(&thread, release_all, &releaser);
    for (int i = 0; i < ROUNDS; i++) {
        while (count == 0) {
            ck_assert_int_ge(via__acquaintance_settle(sides.acquaintance), 0);
            if (read_message(sides.worker, &message) == 0) {
                via_test_yield();
                continue;
            }
            ck_assert_int_eq((int)message.kind, VIA__PAYLOAD_REUSE);
            while (message.count > 0)
                free_numbers[count++] = message.numbers[--message.count];
        }
        releaser.answers[i] = take_answer(&sides, free_numbers[--count], LARGE);
        atomic_store(&releaser.filled, i + 1);
    }
    close_sides(&sides);
    via_test_thread_join(&thread);
}

TEST_MAIN("process/acquaintance", a_buffer_is_introduced_once, a_buffer_that_its_cache_keeps_stays_known,
          a_buffer_that_is_gone_is_to_be_forgotten, many_that_are_gone_are_told_in_few_messages,
          the_oldest_is_forgotten_when_there_are_too_many, a_full_socket_is_for_a_later_try,
          what_could_not_be_told_is_told_later, a_worker_that_is_gone_is_no_later_try, an_object_is_sent_once,
          what_a_crashed_worker_could_write_to_is_not_used_again, a_small_answer_is_the_programs_alone,
          a_large_answer_is_shown_in_place_until_it_is_released, an_answer_without_bytes_has_no_value,
          an_answer_outlives_its_worker_and_is_released_anywhere, releasing_and_leaving_meet_in_any_order,
          an_offer_for_one_answer_goes_with_it, what_the_worker_gives_up_is_unmapped_when_nobody_reads_it,
          a_number_that_is_given_up_may_come_again, a_worker_is_to_look_when_it_was_told_much,
          what_a_dead_worker_has_offered_is_taken, nonsense_is_found_out_and_leaves_nothing_behind,
          settling_finds_nonsense_too, an_answer_that_cannot_be_is_corrupt,
          memory_that_is_read_is_not_named_again, a_flood_does_not_keep_the_program,
          a_worker_cannot_take_memory_from_under_a_reader,
          a_program_without_descriptors_fails_the_answer_and_goes_on, a_program_without_room_fails_the_answer,
          answers_are_released_while_the_program_settles)
