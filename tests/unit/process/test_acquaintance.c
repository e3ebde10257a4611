/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's side of payloads, against a worker that the tests play by hand. */
#include "unit/process/payload_by_hand.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

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

TEST(a_buffer_that_the_worker_could_not_take_in_is_introduced_again)
{
    struct sides sides = open_sides(MIB);
    via_buffer *buffer = new_buffer(1, 0);

    via__acquaintance_estrange(sides.acquaintance, buffer); // it was never introduced: nothing happens
    ck_assert_int_eq(introduce(&sides, buffer), 1);
    via__acquaintance_estrange(sides.acquaintance, buffer);
    ck_assert_int_eq(introduce(&sides, buffer), 1);
    ck_assert_int_eq(introduce(&sides, buffer), 0);
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

TEST(an_object_that_was_not_found_is_sent_again)
{
    struct sides sides = open_sides(MIB);
    int is_new;

    via__acquaintance_estrange_object(sides.acquaintance, 70); // none was sent
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(via__acquaintance_send_object(sides.acquaintance, 70, 0, &is_new), 0);
        ck_assert_int_eq(is_new, 1);
        expect_message(sides.worker, VIA__PAYLOAD_OBJECT, 70);
        via__acquaintance_estrange_object(sides.acquaintance, 70);
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

TEST_MAIN("process/acquaintance", a_buffer_is_introduced_once,
          a_buffer_that_the_worker_could_not_take_in_is_introduced_again,
          a_buffer_that_its_cache_keeps_stays_known, a_buffer_that_is_gone_is_to_be_forgotten,
          many_that_are_gone_are_told_in_few_messages, the_oldest_is_forgotten_when_there_are_too_many,
          a_full_socket_is_for_a_later_try, what_could_not_be_told_is_told_later,
          a_worker_that_is_gone_is_no_later_try, an_object_is_sent_once,
          an_object_that_was_not_found_is_sent_again, what_a_crashed_worker_could_write_to_is_not_used_again,
          a_small_answer_is_the_programs_alone, a_large_answer_is_shown_in_place_until_it_is_released,
          an_answer_without_bytes_has_no_value, an_answer_outlives_its_worker_and_is_released_anywhere,
          releasing_and_leaving_meet_in_any_order, an_offer_for_one_answer_goes_with_it,
          what_the_worker_gives_up_is_unmapped_when_nobody_reads_it, a_number_that_is_given_up_may_come_again,
          a_worker_is_to_look_when_it_was_told_much, what_a_dead_worker_has_offered_is_taken,
          a_program_without_descriptors_fails_the_answer_and_goes_on, a_program_without_room_fails_the_answer,
          answers_are_released_while_the_program_settles)
