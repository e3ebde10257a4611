/* SPDX-License-Identifier: BSD-3-Clause */
/* The channel takes nothing on trust: what a worker could write, here written by the test itself. */
#include "channel_pair.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "fuzz/channel_bytes.h"

/* ---- shared memory ---- */

/* A channel with pending orders, whose segment B the test writes. */
static struct via__shared_answers *open_shared(struct pair *pair, int orders)
{
    pair_new(pair, VIA_TRANSPORT_SHARED);
    void *memory = mmap(NULL, sizeof(struct via__shared_answers), PROT_READ | PROT_WRITE, MAP_SHARED,
                        pair->fds.fds[VIA__SHARED_FD_ANSWERS], 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    for (int i = 0; i < orders; i++)
        pair_order(pair, DOES_ECHO, NULL, 0);
    return memory;
}

static void close_shared(struct pair *pair, struct via__shared_answers *answers)
{
    munmap(answers, sizeof(*answers));
    pair_drop(pair, 1);
}

/* A good answer with eight bytes. */
static void write_answer(struct via__shared_answers *answers, uint32_t place, uint64_t number)
{
    struct via__answer *answer = &answers->answers[via__slot_of(place)];
    memset(answer, 0, sizeof(*answer));
    answer->number = number;
    answer->out_bytes = 8;
    answer->sum = via__answer_sum(answer);
    atomic_store(&answers->started, place + 1);
    atomic_store(&answers->tail, place + 1);
}

TEST(answers_written_as_they_should_be_are_taken)
{
    struct pair pair;
    struct via__answer answer;
    struct via__shared_answers *answers = open_shared(&pair, 3);
    ck_assert_int_eq(pair_try(&pair, &answer), 0);
    for (uint32_t i = 0; i < 3; i++)
        write_answer(answers, i, 1000 + i);
    ck_assert_int_eq(via__channel_started(pair.channel), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pair_try(&pair, &answer), 1);
    ck_assert_int_eq(pair_try(&pair, &answer), 0);
    close_shared(&pair, answers);
}

TEST(an_index_beyond_what_was_shown_or_behind_what_was_taken_is_corrupt)
{
    static const uint32_t tails[] = {4, 5, 200, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct pair pair;
        struct via__answer answer;
        struct via__shared_answers *answers = open_shared(&pair, 3);
        /* One that is pushed and was not shown counts for nothing. */
        pair_push(&pair, DOES_ECHO, NULL, 0);
        atomic_store(&answers->tail, tails[i]);
        ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
        ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
        close_shared(&pair, answers);
    }
}

TEST(an_index_that_goes_back_is_corrupt)
{
    struct pair pair;
    struct via__answer answer;
    struct via__shared_answers *answers = open_shared(&pair, 3);
    write_answer(answers, 0, 1000);
    write_answer(answers, 1, 1001);
    ck_assert_int_eq(pair_try(&pair, &answer), 1);
    ck_assert_int_eq(pair_try(&pair, &answer), 1);
    atomic_store(&answers->tail, 1);
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    close_shared(&pair, answers);
}

TEST(a_started_count_out_of_range_is_corrupt_and_cancels_nothing_wrongly)
{
    static const uint32_t counts[] = {4, 129, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct pair pair;
        struct via__shared_answers *answers = open_shared(&pair, 3);
        atomic_store(&answers->started, counts[i]);
        ck_assert_int_eq(via__channel_started(pair.channel), VIA_ECORRUPT);
        int certain = via__channel_cancel(pair.channel, 1);
        ck_assert(certain == 0 || certain == 1);
        close_shared(&pair, answers);
    }
}

/* Changes each byte of an answer in turn, by several values. */
TEST(a_change_of_any_byte_of_an_answer_is_found)
{
    static const unsigned char changes[] = {0x01, 0x80, 0xff, 0x5a};
    struct pair pair;
    struct via__answer answer;
    struct via__shared_answers *answers = open_shared(&pair, 1);
    unsigned char *bytes = (unsigned char *)&answers->answers[0];
    write_answer(answers, 0, 1000);
    for (size_t i = 0; i < VIA__ANSWER_HEAD + 8; i++) {
        for (size_t j = 0; j < sizeof(changes); j++) {
            bytes[i] ^= changes[j];
            ck_assert_msg(pair_try(&pair, &answer) == VIA_ECORRUPT, "byte %zu changed by %#x", i, changes[j]);
            bytes[i] ^= changes[j];
        }
    }
    ck_assert_int_eq(pair_try(&pair, &answer), 1);
    close_shared(&pair, answers);
}

/* Scribbles that a sum could be blind to: the same change in several words, words exchanged, another answer.
 */
TEST(a_scribble_over_several_words_is_found)
{
    struct pair pair;
    struct via__answer answer;
    struct via__shared_answers *answers = open_shared(&pair, 2);
    write_answer(answers, 0, 1000);
    write_answer(answers, 1, 1001);
    struct via__answer good = answers->answers[0], *slot = &answers->answers[0];
    for (int bit = 0; bit < 64; bit++) {
        slot->wall_ns ^= (int64_t)(UINT64_C(1) << bit);
        slot->rss_bytes ^= UINT64_C(1) << bit;
        ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
        *slot = good;
    }
    slot->wall_ns = 5;
    slot->rss_bytes = 6;
    slot->sum = via__answer_sum(slot);
    struct via__answer other = *slot;
    slot->wall_ns = 6;
    slot->rss_bytes = 5;
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    *slot = answers->answers[1];
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    memset(slot, 0xff, sizeof(*slot));
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    memset(slot, 0, sizeof(*slot));
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    *slot = other;
    ck_assert_int_eq(pair_try(&pair, &answer), 1);
    close_shared(&pair, answers);
}

/* Values that a good sum stands over, and that are impossible nevertheless. */
TEST(lengths_and_flags_that_cannot_be_are_corrupt)
{
    static const struct {
        uint32_t flags, message_bytes;
        uint64_t out_bytes;
        int taken;
    } cases[] = {{0, 0, VIA__ANSWER_INLINE + 1, 0},
                 {0, 0, UINT64_MAX, 0},
                 {0, 0, UINT64_C(1) << 32, 0},
                 {VIA__ANSWER_MESSAGE, VIA__ANSWER_INLINE + 1, 0, 0},
                 {VIA__ANSWER_NOT_FOUND, UINT32_MAX, 0, 0},
                 {0, VIA__ANSWER_INLINE + 1, 0, 0},
                 {1 << 6, 0, 0, 0},
                 {VIA__ANSWER_MEASURED, 0, VIA__ANSWER_INLINE + 1, 0},
                 {VIA__ANSWER_MEASURED, 0, UINT64_MAX - 8, 0},
                 {UINT32_C(1) << 31, 0, 0, 0},
                 {VIA__ANSWER_OUT_BUFFER, 0, UINT64_MAX, 1},
                 {VIA__ANSWER_MESSAGE, VIA__ANSWER_INLINE, 0, 1},
                 {0, 0, VIA__ANSWER_INLINE, 1},
                 {VIA__ANSWER_MEASURED, 0, VIA__ANSWER_INLINE, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;
        struct via__answer answer;
        struct via__shared_answers *answers = open_shared(&pair, 1);
        struct via__answer *slot = &answers->answers[0];
        write_answer(answers, 0, 1000);
        slot->flags = cases[i].flags;
        slot->message_bytes = cases[i].message_bytes;
        slot->out_bytes = cases[i].out_bytes;
        if (via__answer_used(slot) <= VIA__ANSWER_ROOM)
            slot->sum = via__answer_sum(slot);
        ck_assert_msg(pair_try(&pair, &answer) == (cases[i].taken ? 1 : VIA_ECORRUPT), "case %zu", i);
        close_shared(&pair, answers);
    }
}

TEST(an_answer_when_nothing_is_pending_is_corrupt)
{
    struct pair pair;
    struct via__answer answer;
    struct via__shared_answers *answers = open_shared(&pair, 0);
    write_answer(answers, 0, 1000);
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    close_shared(&pair, answers);
}

/* Kernels before 5.1 have no seal against other writers. */
static int has_future_write(int fd)
{
    return fcntl(fd, F_GET_SEALS) & 0x0010;
}

TEST(a_worker_can_neither_resize_the_segments_nor_write_orders)
{
    struct pair pair;
    pair_new(&pair, VIA_TRANSPORT_SHARED);
    int orders = pair.fds.fds[VIA__SHARED_FD_ORDERS], answers = pair.fds.fds[VIA__SHARED_FD_ANSWERS];
    ck_assert_int_lt(ftruncate(orders, 0), 0);
    ck_assert_int_lt(ftruncate(answers, 0), 0);
    ck_assert_int_lt(ftruncate(answers, 1 << 20), 0);
    ck_assert_int_lt(fcntl(answers, F_ADD_SEALS, F_SEAL_WRITE), 0);
    if (has_future_write(orders)) {
        ck_assert_int_lt(pwrite(orders, "x", 1, 0), 0);
        ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, orders, 0), MAP_FAILED);
        void *readable = mmap(NULL, 4096, PROT_READ, MAP_SHARED, orders, 0);
        ck_assert_ptr_ne(readable, MAP_FAILED);
        ck_assert_int_lt(mprotect(readable, 4096, PROT_READ | PROT_WRITE), 0);
        munmap(readable, 4096);
    }
    pair_drop(&pair, 1);
}

TEST(a_worker_refuses_descriptors_that_are_no_channel)
{
    struct pair pair;
    struct via__port *port;
    pair_new(&pair, VIA_TRANSPORT_SHARED);
    /* The segments in the wrong order: A cannot be mapped for writing, and B is no A. */
    int swapped[] = {pair.fds.fds[1], pair.fds.fds[0], pair.fds.fds[2]};
    ck_assert_int_lt(via__port_open(VIA_TRANSPORT_SHARED, swapped, 3, 0, NULL, NULL, &port), 0);
    int one = dup(0);
    ck_assert_int_lt(via__port_open(VIA_TRANSPORT_SHARED, &one, 1, 0, NULL, NULL, &port), 0);
    int two[] = {dup(0), dup(0)};
    ck_assert_int_lt(via__port_open(VIA_TRANSPORT_SOCKET, two, 2, 0, NULL, NULL, &port), 0);
    pair_drop(&pair, 0);
}

/* ---- sockets ---- */

static void open_socket(struct pair *pair, int orders)
{
    pair_new(pair, VIA_TRANSPORT_SOCKET);
    for (int i = 0; i < orders; i++)
        pair_order(pair, DOES_ECHO, NULL, 0);
}

static void write_raw(struct pair *pair, const void *bytes, size_t count)
{
    ck_assert_int_eq(send(pair->fds.fds[0], bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

struct whole {
    struct via__frame frame;
    struct via__answer answer;
};

static struct whole frame_of(uint32_t place, uint64_t number)
{
    struct whole whole;
    memset(&whole, 0, sizeof(whole));
    whole.answer.number = number;
    whole.answer.out_bytes = 8;
    whole.answer.sum = via__answer_sum(&whole.answer);
    whole.frame.bytes = sizeof(whole.frame) + VIA__ANSWER_HEAD + 8;
    whole.frame.kind = VIA__FRAME_ANSWER;
    whole.frame.place = place;
    return whole;
}

TEST(frames_cut_anywhere_are_put_together)
{
    struct pair pair;
    struct via__answer answer;
    struct via__frame started = {.bytes = sizeof(started), .kind = VIA__FRAME_STARTED};
    struct whole whole = frame_of(0, 1000);
    const char *bytes = (const char *)&whole;
    open_socket(&pair, 2);
    for (size_t i = 0; i < sizeof(started); i++) {
        ck_assert_int_eq(via__channel_started(pair.channel), 0);
        write_raw(&pair, (const char *)&started + i, 1);
        ck_assert_int_eq(pair_try(&pair, &answer), 0);
    }
    ck_assert_int_eq(via__channel_started(pair.channel), 1);
    for (size_t i = 0; i < whole.frame.bytes; i++) {
        ck_assert_int_eq(pair_try(&pair, &answer), 0);
        write_raw(&pair, bytes + i, 1);
    }
    ck_assert_int_eq(pair_try(&pair, &answer), 1);
    ck_assert_int_eq(via__channel_started(pair.channel), 0);
    pair_drop(&pair, 1);
}

TEST(a_frame_cut_by_the_end_comes_after_the_whole_ones)
{
    struct pair pair;
    struct via__answer answer;
    struct whole whole = frame_of(0, 1000), cut = frame_of(1, 1001);
    open_socket(&pair, 2);
    write_raw(&pair, &whole, whole.frame.bytes);
    write_raw(&pair, &cut, cut.frame.bytes - 1);
    close(pair.fds.fds[0]);
    ck_assert_int_eq(pair_try(&pair, &answer), 1);
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ESHUTDOWN);
    ck_assert_int_eq(via__channel_arm(pair.channel), 1);
    ck_assert_int_eq(via__channel_started(pair.channel), 0);
    pair_drop(&pair, 0);
}

TEST(a_frame_that_cannot_be_is_corrupt_after_the_good_ones)
{
    static const struct via__frame frames[] = {
        {.bytes = 0, .kind = VIA__FRAME_ANSWER, .place = 1},
        {.bytes = 7, .kind = VIA__FRAME_STARTED, .place = 1},
        {.bytes = 9, .kind = VIA__FRAME_STARTED, .place = 1},
        {.bytes = 265, .kind = VIA__FRAME_ANSWER, .place = 1},
        {.bytes = 0xffff, .kind = VIA__FRAME_ANSWER, .place = 1},
        {.bytes = 8, .kind = VIA__FRAME_KNOCK, .place = 1},
        {.bytes = 8, .kind = 0, .place = 1},
        {.bytes = 8, .kind = 0xff, .place = 1},
        {.bytes = 8, .kind = VIA__FRAME_STARTED, .flags = 1, .place = 1},
        {.bytes = 8, .kind = VIA__FRAME_STARTED, .place = 0},
        {.bytes = 8, .kind = VIA__FRAME_STARTED, .place = 2},
        {.bytes = 8, .kind = VIA__FRAME_STARTED, .place = 0x80000001},
    };
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct pair pair;
        struct via__answer answer;
        struct whole whole = frame_of(0, 1000);
        open_socket(&pair, 3);
        write_raw(&pair, &whole, whole.frame.bytes);
        write_raw(&pair, &frames[i], sizeof(frames[i]));
        ck_assert_int_eq(pair_try(&pair, &answer), 1);
        ck_assert_msg(pair_try(&pair, &answer) == VIA_ECORRUPT, "frame %zu", i);
        ck_assert_int_eq(via__channel_started(pair.channel), VIA_ECORRUPT);
        ck_assert_int_eq(via__channel_arm(pair.channel), 1);
        pair_drop(&pair, 1);
    }
}

TEST(an_order_starts_once_and_none_starts_before_it_was_sent)
{
    struct pair pair;
    struct via__answer answer;
    struct via__frame started = {.bytes = sizeof(started), .kind = VIA__FRAME_STARTED};
    open_socket(&pair, 1);
    write_raw(&pair, &started, sizeof(started));
    write_raw(&pair, &started, sizeof(started));
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    pair_drop(&pair, 1);

    open_socket(&pair, 0);
    pair_push(&pair, DOES_ECHO, NULL, 0);
    write_raw(&pair, &started, sizeof(started));
    ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
    pair_drop(&pair, 1);
}

TEST(an_answer_on_a_socket_is_checked_as_in_memory)
{
    for (int i = 0; i < 4; i++) {
        struct pair pair;
        struct via__answer answer;
        struct whole whole = frame_of(0, 1000);
        whole.answer.number += i == 0;
        whole.answer.sum += i == 1;
        whole.answer.out_bytes += i == 2;
        if (i == 2)
            whole.answer.sum = via__answer_sum(&whole.answer);
        whole.answer.out[7] ^= i == 3;
        open_socket(&pair, 1);
        write_raw(&pair, &whole, whole.frame.bytes);
        ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
        ck_assert_int_eq(pair_try(&pair, &answer), VIA_ECORRUPT);
        pair_drop(&pair, 1);
    }
}

/* ---- anything ---- */

static uint64_t choose(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* The same inputs every time; the fuzzer looks for better ones. */
TEST(arbitrary_bytes_neither_crash_nor_convince)
{
    uint64_t state = 88172645463325252;
    unsigned char input[600];
    for (int round = 0; round < 3000; round++) {
        size_t bytes = choose(&state) % sizeof(input);
        for (size_t i = 0; i < bytes; i++)
            input[i] = (unsigned char)(choose(&state) >> 32);
        ck_assert_msg(channel_bytes(input, bytes), "round %d", round);
    }
}

TEST_MAIN("process/channel_trust", answers_written_as_they_should_be_are_taken,
          an_index_beyond_what_was_shown_or_behind_what_was_taken_is_corrupt,
          an_index_that_goes_back_is_corrupt,
          a_started_count_out_of_range_is_corrupt_and_cancels_nothing_wrongly,
          a_change_of_any_byte_of_an_answer_is_found, a_scribble_over_several_words_is_found,
          lengths_and_flags_that_cannot_be_are_corrupt, an_answer_when_nothing_is_pending_is_corrupt,
          a_worker_can_neither_resize_the_segments_nor_write_orders,
          a_worker_refuses_descriptors_that_are_no_channel, frames_cut_anywhere_are_put_together,
          a_frame_cut_by_the_end_comes_after_the_whole_ones,
          a_frame_that_cannot_be_is_corrupt_after_the_good_ones,
          an_order_starts_once_and_none_starts_before_it_was_sent,
          an_answer_on_a_socket_is_checked_as_in_memory, arbitrary_bytes_neither_crash_nor_convince)
