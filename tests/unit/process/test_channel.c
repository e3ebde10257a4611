/* SPDX-License-Identifier: BSD-3-Clause */
/* The channel: orders there, answers back, over both transports. */
#include "channel_pair.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "process/port_kind.h"

static void round_trips(struct pair *pair)
{
    static const char text[] = "bytes of an order";
    ck_assert_uint_eq(via__channel_pending(pair->channel), 0);
    for (int i = 0; i < 100; i++) {
        pair_order(pair, DOES_ECHO, text, sizeof(text) - (size_t)i % sizeof(text));
        ck_assert_uint_eq(via__channel_pending(pair->channel), 1);
        pair_expect_echo(pair, text, sizeof(text) - (size_t)i % sizeof(text));
    }
    ck_assert_uint_eq(via__channel_pending(pair->channel), 0);
    ck_assert_int_eq(via__channel_started(pair->channel), 0);
}

TEST(an_order_comes_back_as_its_answer)
{
    pair_each(round_trips);
}

static void largest(struct pair *pair)
{
    unsigned char in[VIA__ORDER_INLINE];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)(i * 7);
    for (size_t bytes = 0; bytes <= VIA__ANSWER_INLINE; bytes++) {
        pair_order(pair, DOES_ECHO, in, bytes);
        pair_expect_echo(pair, in, bytes);
    }
}

TEST(every_length_that_fits_a_slot_crosses_whole)
{
    pair_each(largest);
}

/* Bursts of all sizes, so that either side sleeps at all places. */
static void bursts(struct pair *pair, unsigned orders)
{
    unsigned pushed = 0, taken = 0;
    uint64_t value;
    for (unsigned burst = 1; taken < orders; burst = burst * 5 % 127 + 1) {
        for (unsigned i = 0; i < burst && pushed < orders && via__channel_room(pair->channel) > 0; i++) {
            value = pushed++;
            pair_push(pair, DOES_ECHO, &value, sizeof(value));
        }
        via__channel_flush(pair->channel);
        unsigned until = burst % 3 ? pushed : taken + 1;
        for (; taken < until; taken++) {
            value = taken;
            pair_expect_echo(pair, &value, sizeof(value));
        }
    }
}

static void near_the_wrap(struct pair *pair)
{
    bursts(pair, 2000);
}

TEST(answers_come_in_the_order_of_the_orders)
{
    pair_each(near_the_wrap);
}

TEST(places_wrap_past_the_end_of_their_type)
{
    static const int transports[] = {VIA_TRANSPORT_SHARED, VIA_TRANSPORT_SOCKET};
    for (int i = 0; i < 4; i++) {
        struct pair pair;
        pair_new(&pair, transports[i / 2]);
        ck_assert_int_eq(via__channel_start_at(pair.channel, &pair.fds, (uint32_t)-500), 0);
        ck_assert_int_eq(via__channel_started(pair.channel), 0);
        pair_start(&pair, i % 2 ? IN_THREAD : IN_CHILD);
        bursts(&pair, 1500);
        ck_assert_uint_eq(pair_order(&pair, DOES_ECHO, NULL, 0), 1000);
        pair_expect_echo(&pair, NULL, 0);
        pair_end(&pair);
    }
}

static void full(struct pair *pair)
{
    uint64_t value = 0;
    pair_push(pair, DOES_WAIT, &value, sizeof(value));
    for (value = 1; value < VIA__CHANNEL_SLOTS; value++)
        pair_push(pair, DOES_ECHO, &value, sizeof(value));
    ck_assert_uint_eq(via__channel_room(pair->channel), 0);
    ck_assert_ptr_null(via__channel_next_order(pair->channel));
    via__channel_flush(pair->channel);
    pair_open_gate(pair);
    for (value = 0; value < VIA__CHANNEL_SLOTS; value++) {
        pair_expect_echo(pair, &value, sizeof(value));
        ck_assert_uint_eq(via__channel_room(pair->channel), value + 1);
    }
}

TEST(a_full_ring_gives_no_slot_until_an_answer_is_taken)
{
    pair_each(full);
}

static void texts(struct pair *pair)
{
    struct via__answer answer;
    pair_order(pair, DOES_TEXT, NULL, 0);
    ck_assert_int_eq(pair_take(pair, &answer), 1);
    ck_assert_int_eq(answer.status, VIA_EFAILED);
    ck_assert_int_eq(answer.code, 5);
    ck_assert_uint_eq(answer.flags, VIA__ANSWER_MESSAGE);
    ck_assert_uint_eq(answer.message_bytes, 13);
    ck_assert_mem_eq(answer.out, "it went wrong", 13);
}

TEST(a_text_crosses)
{
    pair_each(texts);
}

/* ---- waking ---- */

TEST(a_worker_that_sleeps_is_woken_after_any_spurious_wake_up)
{
    struct pair pair;
    pair_new(&pair, VIA_TRANSPORT_SHARED);
    struct via__shared_orders *orders =
        mmap(NULL, sizeof(*orders), PROT_READ, MAP_SHARED, pair.fds.fds[VIA__SHARED_FD_ORDERS], 0);
    ck_assert_ptr_ne(orders, MAP_FAILED);
    pair_start(&pair, IN_THREAD);
    for (uint64_t round = 0; round < 50; round++) {
        for (uint64_t i = 0; i < round % 4; i++) {
            via_test_thread_await_blocked(&pair.thread);
            syscall(SYS_futex, &orders->wake, FUTEX_WAKE, 1, NULL, NULL, 0);
        }
        if (round % 2)
            via_test_thread_await_blocked(&pair.thread);
        pair_order(&pair, DOES_ECHO, &round, sizeof(round));
        pair_expect_echo(&pair, &round, sizeof(round));
    }
    munmap(orders, sizeof(*orders));
    pair_end(&pair);
}

static void arms(struct pair *pair)
{
    struct epoll_event event;
    uint64_t value = 4;
    ck_assert_int_eq(via__channel_arm(pair->channel), 0);
    ck_assert_int_eq(via__channel_has_answer(pair->channel), 0);
    pair_order(pair, DOES_WAIT, &value, sizeof(value));
    AWAIT(pair_runs(pair));
    ck_assert_int_eq(via__channel_has_answer(pair->channel), 0);
    pair_open_gate(pair);
    AWAIT(via__channel_has_answer(pair->channel));
    ck_assert_int_eq(epoll_wait(pair->epoll, &event, 1, (int)(via_test_bound_ns() / 1000000)), 1);
    ck_assert(pair->transport == VIA_TRANSPORT_SOCKET || via__channel_arm(pair->channel) == 1);
    pair_expect_echo(pair, &value, sizeof(value));
    ck_assert_int_eq(via__channel_has_answer(pair->channel), 0);
    ck_assert_int_eq(via__channel_arm(pair->channel), 0);
}

TEST(arming_tells_of_an_answer_that_came_before)
{
    pair_each(arms);
}

TEST(an_answer_rings_once_for_each_time_it_was_armed)
{
    struct pair pair;
    struct via__answer answer;
    int is_level;
    pair_new(&pair, VIA_TRANSPORT_SHARED);
    pair_start(&pair, IN_CHILD);
    ck_assert_int_eq(via__channel_arm(pair.channel), 0);
    for (int i = 0; i < 10; i++)
        pair_order(&pair, DOES_ECHO, NULL, 0);
    for (int i = 0; i < 10; i++) {
        AWAIT(via__channel_has_answer(pair.channel));
        ck_assert_int_eq(pair_try(&pair, &answer), 1);
    }
    uint64_t rings;
    struct pollfd ready = {.fd = via__channel_fd(pair.channel, &is_level), .events = POLLIN};
    ck_assert_int_eq(poll(&ready, 1, (int)(via_test_bound_ns() / 1000000)), 1);
    ck_assert_int_eq(read(ready.fd, &rings, sizeof(rings)), sizeof(rings));
    ck_assert_uint_eq(rings, 1);
    pair_end(&pair);
}

static void knocks(struct pair *pair)
{
    struct via__answer answer;
    for (int i = 1; i <= 20; i++) {
        via__channel_knock(pair->channel);
        if (i % 2)
            pair_hear(pair);
        /* An order that follows is run after the worker has looked. */
        pair_order(pair, DOES_ECHO, NULL, 0);
        ck_assert_int_eq(pair_take(pair, &answer), 1);
        ck_assert_int_eq(answer.code, i);
    }
}

TEST(a_knock_is_heard_before_the_orders_after_it)
{
    pair_each(knocks);
}

/* ---- cancelling ---- */

static void cancels_unsent(struct pair *pair)
{
    uint64_t value = 9;
    struct via__answer answer;
    uint32_t place = pair_push(pair, DOES_ECHO, NULL, 0);
    pair_push(pair, DOES_ECHO, &value, sizeof(value));
    ck_assert_int_eq(via__channel_cancel(pair->channel, place), 1);
    ck_assert_int_eq(via__channel_cancel(pair->channel, place), 1);
    via__channel_flush(pair->channel);
    ck_assert_int_eq(pair_take(pair, &answer), 1);
    ck_assert_uint_eq(answer.flags, VIA__ANSWER_REFUSED);
    pair_expect_echo(pair, &value, sizeof(value));
    ck_assert_int_eq(via__channel_cancel(pair->channel, place), 0);
}

TEST(what_was_not_shown_is_cancelled_for_certain)
{
    pair_each(cancels_unsent);
}

static void cancels_queued(struct pair *pair)
{
    struct via__answer answer;
    uint64_t value = 3;
    for (int round = 0; round < 200; round++) {
        pair_order(pair, DOES_WAIT, &value, sizeof(value));
        uint32_t second = pair_order(pair, DOES_ECHO, NULL, 0);
        pair_order(pair, DOES_ECHO, &value, sizeof(value));
        AWAIT(pair_runs(pair));
        /* A socket may not be certain; that nothing runs is. */
        ck_assert_int_eq(via__channel_cancel(pair->channel, second), pair->transport == VIA_TRANSPORT_SHARED);
        pair_open_gate(pair);
        pair_expect_echo(pair, &value, sizeof(value));
        ck_assert_int_eq(pair_take(pair, &answer), 1);
        ck_assert_uint_eq(answer.flags, VIA__ANSWER_REFUSED);
        pair_expect_echo(pair, &value, sizeof(value));
    }
}

TEST(an_order_cancelled_behind_a_running_one_is_refused)
{
    pair_each(cancels_queued);
}

static void cancels_running(struct pair *pair)
{
    uint64_t value = 8;
    struct via__answer answer;
    for (int round = 0; round < 200; round++) {
        uint32_t place = pair_order(pair, DOES_OBEY, NULL, 0);
        pair_order(pair, DOES_ECHO, &value, sizeof(value));
        /* Not by started(): a cancel that comes between that and the worker's look at it may refuse it. */
        pair_hear(pair);
        ck_assert_int_eq(via__channel_cancel(pair->channel, place), 0);
        ck_assert_int_eq(via__channel_cancel(pair->channel, place), 0);
        ck_assert_int_eq(pair_take(pair, &answer), 1);
        ck_assert_int_eq(answer.code, CODE_OBEYED);
        pair_expect_echo(pair, &value, sizeof(value));
    }
}

TEST(an_order_cancelled_while_it_runs_sees_that)
{
    pair_each(cancels_running);
}

/* Cancels at any moment: what was certain to be refused is refused, and nothing else is lost. */
static void cancels_anywhere(struct pair *pair)
{
    struct via__answer answer;
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t place = pair_order(pair, DOES_ECHO, NULL, 0);
        for (unsigned i = 0; i < round % 64; i++)
            atomic_signal_fence(memory_order_seq_cst);
        int certain = via__channel_cancel(pair->channel, place);
        ck_assert_int_eq(pair_take(pair, &answer), 1);
        ck_assert(answer.flags == 0 || answer.flags == VIA__ANSWER_REFUSED);
        ck_assert(!certain || answer.flags == VIA__ANSWER_REFUSED);
    }
}

TEST(a_cancel_that_was_certain_kept_the_order_from_running)
{
    pair_each(cancels_anywhere);
}

static void not_found(struct pair *pair)
{
    struct via__answer answer;
    uint64_t value = 1;
    pair_order(pair, DOES_NOT_FOUND, NULL, 0);
    pair_order(pair, DOES_ECHO, &value, sizeof(value));
    ck_assert_int_eq(pair_take(pair, &answer), 1);
    ck_assert_uint_eq(answer.flags, VIA__ANSWER_NOT_FOUND);
    ck_assert_int_ge(via__channel_started(pair->channel), 0);
    pair_expect_echo(pair, &value, sizeof(value));
}

TEST(an_order_may_be_answered_without_having_begun)
{
    pair_each(not_found);
}

/* Waits until the worker says that it sleeps, or is about to. */
static void await_sleep(const struct via__shared_answers *answers)
{
    while (!(atomic_load(&answers->sleep) & 1))
        via_test_yield();
}

TEST(a_flush_wakes_a_worker_that_slept_when_orders_were_shown)
{
    struct pair pair;
    pair_new(&pair, VIA_TRANSPORT_SHARED);
    int fd = pair.fds.fds[VIA__SHARED_FD_ANSWERS];
    const struct via__shared_answers *answers = mmap(NULL, sizeof(*answers), PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(answers, MAP_FAILED);
    pair_start(&pair, IN_CHILD);
    for (uint64_t value = 0; value < 200; value += 2) {
        uint64_t second = value + 1;
        await_sleep(answers);
        pair_push(&pair, DOES_ECHO, &value, sizeof(value));
        via__channel_show(pair.channel);
        pair_push(&pair, DOES_ECHO, &second, sizeof(second));
        via__channel_show(pair.channel);
        via__channel_show(pair.channel);
        via__channel_flush(pair.channel);
        pair_expect_echo(&pair, &value, sizeof(value));
        pair_expect_echo(&pair, &second, sizeof(second));
    }
    munmap((void *)(uintptr_t)answers, sizeof(*answers));
    pair_end(&pair);
}

static void awake(struct pair *pair)
{
    uint64_t value = 1;
    pair_order(pair, DOES_WAIT, &value, sizeof(value));
    value++;
    pair_push(pair, DOES_ECHO, &value, sizeof(value));
    via__channel_show(pair->channel);
    if (pair->transport == VIA_TRANSPORT_SOCKET)
        via__channel_flush(pair->channel);
    pair_open_gate(pair);
    value = 1;
    pair_expect_echo(pair, &value, sizeof(value));
    value++;
    pair_expect_echo(pair, &value, sizeof(value));
    via__channel_flush(pair->channel);
}

TEST(a_worker_that_is_awake_finds_what_was_shown)
{
    pair_each(awake);
}

/* ---- ends ---- */

/* The worker ends in the second of three orders. */
static void dies(int transport)
{
    struct pair pair;
    struct via__answer answer;
    uint64_t value = 1;
    pair_new(&pair, transport);
    pair_start(&pair, IN_CHILD);
    pair_push(&pair, DOES_ECHO, &value, sizeof(value));
    pair_push(&pair, DOES_DIE, NULL, 0);
    pair_push(&pair, DOES_ECHO, NULL, 0);
    via__channel_flush(pair.channel);
    ck_assert_int_eq(pair_reap(&pair), EXIT_DIED);
    pair_expect_echo(&pair, &value, sizeof(value));
    ck_assert_int_eq(pair_try(&pair, &answer), transport == VIA_TRANSPORT_SHARED ? 0 : VIA_ESHUTDOWN);
    ck_assert_int_eq(via__channel_started(pair.channel), 1);
    ck_assert_uint_eq(via__channel_pending(pair.channel), 2);
    via__channel_knock(pair.channel);
    via__channel_flush(pair.channel);
    via__channel_free(pair.channel);
    pair_close_pipes(&pair);
}

TEST(when_a_worker_dies_its_answers_stay_and_one_order_has_started)
{
    dies(VIA_TRANSPORT_SHARED);
    dies(VIA_TRANSPORT_SOCKET);
}

TEST(a_worker_that_ends_when_it_has_answered_has_no_further_answer)
{
    for (int transport = VIA_TRANSPORT_SHARED; transport <= VIA_TRANSPORT_SOCKET; transport++) {
        struct pair pair;
        struct via__answer answer;
        pair_new(&pair, transport);
        pair_start(&pair, IN_CHILD);
        struct via__order *order = via__channel_next_order(pair.channel);
        memset(order, 0, sizeof *order);
        order->number = pair.first;
        order->kind = VIA__ORDER_END;
        via__channel_push(pair.channel);
        via__channel_flush(pair.channel);
        ck_assert_int_eq(pair_reap(&pair), 0);
        ck_assert_int_eq(pair_try(&pair, &answer), 1);
        ck_assert_int_eq(via__channel_has_answer(pair.channel), 0);
        ck_assert_int_eq(via__channel_started(pair.channel), 0);
        pair_close_pipes(&pair);
        via__channel_free(pair.channel);
    }
}

static void ends(struct pair *pair)
{
    struct via__answer answer;
    struct via__order *order = via__channel_next_order(pair->channel);
    memset(order, 0, sizeof(*order));
    order->kind = VIA__ORDER_END;
    order->number = pair->next++;
    via__channel_push(pair->channel);
    via__channel_flush(pair->channel);
    ck_assert_int_eq(pair_take(pair, &answer), 1);
}

TEST(an_order_to_end_is_answered)
{
    pair_each(ends);
}

static void nothing(struct pair *pair)
{
    if (pair->where == IN_THREAD)
        via_test_thread_await_blocked(&pair->thread);
}

TEST(a_worker_ends_when_the_program_gives_the_channel_up)
{
    pair_each(nothing);
}

TEST(a_socket_that_is_full_takes_the_rest_with_the_answers)
{
    struct pair pair;
    unsigned char in[VIA__ANSWER_INLINE] = {1, 2, 3};
    int is_level, small = 1;
    pair_new(&pair, VIA_TRANSPORT_SOCKET);
    ck_assert_int_eq(
        setsockopt(via__channel_fd(pair.channel, &is_level), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
        0);
    pair_start(&pair, IN_CHILD);
    for (int round = 0; round < 20; round++) {
        pair_push(&pair, DOES_WAIT, in, sizeof(in));
        while (via__channel_room(pair.channel) > 0)
            pair_push(&pair, DOES_ECHO, in, sizeof(in));
        for (int i = 0; i < 5; i++) {
            via__channel_flush(pair.channel);
            via__channel_knock(pair.channel);
        }
        pair_open_gate(&pair);
        while (via__channel_pending(pair.channel) > 0)
            pair_expect_echo(&pair, in, sizeof(in));
    }
    pair_end(&pair);
}

/* ---- lingering ---- */

static unsigned short_sleeps_until_a_look(struct via__linger *linger)
{
    unsigned sleeps = 0;
    for (; via__linger_ns(linger) == 0 && sleeps < 100000; sleeps++)
        via__linger_slept(linger, 10 * VIA_US);
    return sleeps;
}

TEST(lingering_ends_with_failures_and_is_tried_again_ever_more_rarely)
{
    struct via__linger linger;
    via__linger_init(&linger, 20 * VIA_US);
    ck_assert_int_eq(via__linger_ns(&linger), 20 * VIA_US);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via__linger_ns(&linger), 20 * VIA_US);
        via__linger_looked(&linger, 0);
    }
    unsigned before = short_sleeps_until_a_look(&linger);
    ck_assert_uint_gt(before, 0);
    for (int i = 0; i < 20; i++) {
        via__linger_looked(&linger, 0);
        ck_assert_int_eq(via__linger_ns(&linger), 0);
        /* Long sleeps say that it would have been in vain. */
        for (int j = 0; j < 10000; j++)
            via__linger_slept(&linger, 50 * VIA_US);
        ck_assert_int_eq(via__linger_ns(&linger), 0);
        unsigned sleeps = short_sleeps_until_a_look(&linger);
        ck_assert(sleeps == before * 2 || (sleeps == before && sleeps > 1000));
        before = sleeps;
    }
    via__linger_looked(&linger, 1);
    for (int i = 0; i < 3; i++)
        via__linger_looked(&linger, 0);
    ck_assert_uint_lt(short_sleeps_until_a_look(&linger), 10);
    via__linger_init(&linger, 0);
    ck_assert_int_eq(via__linger_ns(&linger), 0);
}

TEST(a_worker_that_lingers_misses_nothing)
{
    struct pair pair;
    pair_new(&pair, VIA_TRANSPORT_SHARED);
    pair.linger_ns = 20 * VIA_US;
    pair_start(&pair, IN_THREAD);
    bursts(&pair, 3000);
    pair_end(&pair);
}

TEST_MAIN("process/channel", an_order_comes_back_as_its_answer, every_length_that_fits_a_slot_crosses_whole,
          answers_come_in_the_order_of_the_orders, places_wrap_past_the_end_of_their_type,
          a_full_ring_gives_no_slot_until_an_answer_is_taken, a_text_crosses,
          a_worker_that_sleeps_is_woken_after_any_spurious_wake_up,
          a_flush_wakes_a_worker_that_slept_when_orders_were_shown,
          a_worker_that_is_awake_finds_what_was_shown, arming_tells_of_an_answer_that_came_before,
          an_answer_rings_once_for_each_time_it_was_armed, a_knock_is_heard_before_the_orders_after_it,
          what_was_not_shown_is_cancelled_for_certain, an_order_cancelled_behind_a_running_one_is_refused,
          an_order_cancelled_while_it_runs_sees_that, a_cancel_that_was_certain_kept_the_order_from_running,
          an_order_may_be_answered_without_having_begun,
          when_a_worker_dies_its_answers_stay_and_one_order_has_started,
          a_worker_that_ends_when_it_has_answered_has_no_further_answer, an_order_to_end_is_answered,
          a_worker_ends_when_the_program_gives_the_channel_up,
          a_socket_that_is_full_takes_the_rest_with_the_answers,
          lingering_ends_with_failures_and_is_tried_again_ever_more_rarely,
          a_worker_that_lingers_misses_nothing)
