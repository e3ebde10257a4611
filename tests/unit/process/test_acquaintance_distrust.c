/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker out of its mind may say about payloads: it is found out, and nothing is left behind. */
#include "unit/process/payload_by_hand.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

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

TEST_MAIN("process/acquaintance_distrust", nonsense_is_found_out_and_leaves_nothing_behind,
          settling_finds_nonsense_too, an_answer_that_cannot_be_is_corrupt,
          memory_that_is_read_is_not_named_again, a_flood_does_not_keep_the_program,
          a_worker_cannot_take_memory_from_under_a_reader)
