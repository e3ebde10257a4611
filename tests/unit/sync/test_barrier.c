/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/sync_fixture.h"
#include <viaduct/barrier.h>

enum { PARTIES = 5 };

/* A task that comes to the barrier `rounds` times, and keeps the number it got last. */
struct party {
    struct via_barrier *barrier;
    int rounds;
    int index, passed;
};

static int take_part(void *arg, void **result)
{
    struct party *party = arg;
    (void)result;
    for (int i = 0; i < party->rounds; i++) {
        int status = via_barrier_wait(party->barrier, &party->index);
        if (status < 0)
            return status;
        party->passed++;
    }
    return 0;
}

struct round {
    via_loop *loop;
    struct via_barrier barrier;
    struct party parties[2 * PARTIES];
    via_future *tasks[2 * PARTIES];
    int count;
};

static void open_round(struct round *round)
{
    *round = (struct round){.loop = open_loop()};
    ck_assert_int_eq(via_barrier_init(round->loop, PARTIES, &round->barrier), 0);
}

static void come(struct round *round, int count, int rounds)
{
    for (int i = 0; i < count; i++) {
        round->parties[round->count] = (struct party){&round->barrier, rounds, -1, 0};
        round->tasks[round->count] = start(round->loop, take_part, &round->parties[round->count]);
        round->count++;
    }
    settle(round->loop);
}

/* The tasks that came as number `first` and later ended with this. */
static void expect_ends(struct round *round, int first, int count, int status)
{
    for (int i = first; i < first + count; i++)
        expect_end(round->tasks[i], status);
}

static void close_round(struct round *round)
{
    ck_assert_int_eq(via_barrier_waiting(&round->barrier), 0);
    ck_assert_int_eq(via_barrier_fini(&round->barrier), 0);
    close_loop(round->loop);
}

TEST(they_go_on_when_the_last_one_has_come)
{
    struct round round;
    open_round(&round);
    for (int i = 0; i < PARTIES - 1; i++) {
        come(&round, 1, 1);
        ck_assert_int_eq(via_barrier_waiting(&round.barrier), i + 1);
        ck_assert_int_eq(via_future_done(round.tasks[0]), 0);
    }
    come(&round, 1, 1);
    expect_ends(&round, 0, PARTIES, 0);
    close_round(&round);
}

TEST(each_gets_a_number_of_its_own)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES, 1);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(round.parties[i].index, i);
    expect_ends(&round, 0, PARTIES, 0);
    close_round(&round);
}

TEST(it_serves_round_after_round)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES, 100);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(round.parties[i].passed, 100);
    expect_ends(&round, 0, PARTIES, 0);
    close_round(&round);
}

TEST(twice_as_many_make_two_rounds)
{
    struct round round;
    open_round(&round);
    come(&round, 2 * PARTIES, 1);
    int seen[PARTIES] = {0};
    for (int i = 0; i < 2 * PARTIES; i++)
        seen[round.parties[i].index]++;
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(seen[i], 2);
    expect_ends(&round, 0, 2 * PARTIES, 0);
    close_round(&round);
}

/* The last of a round comes again at once, while the others have yet to run: it waits for the next round. */
static int come_twice(void *arg, void **result)
{
    struct party *party = arg;
    (void)result;
    ck_assert_int_eq(via_barrier_wait(party->barrier, &party->index), 0);
    ck_assert_int_eq(party->index, PARTIES - 1);
    ck_assert_int_eq(via_barrier_waiting(party->barrier), 0);
    ck_assert_int_eq(via_barrier_wait(party->barrier, &party->index), 0);
    return 0;
}

TEST(who_comes_while_others_go_on_belongs_to_the_next_round)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES - 1, 1);
    struct party last = {&round.barrier, 2, -1, 0};
    via_future *task = start(round.loop, come_twice, &last);
    settle(round.loop);
    expect_ends(&round, 0, PARTIES - 1, 0);
    ck_assert_int_eq(via_barrier_waiting(&round.barrier), 1);
    come(&round, PARTIES - 1, 1);
    expect_end(task, 0);
    ck_assert_int_eq(last.index, 0);
    expect_ends(&round, PARTIES - 1, PARTIES - 1, 0);
    close_round(&round);
}

static int be_alone(void *arg, void **result)
{
    struct via_barrier barrier;
    int index = -1;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_barrier_init(NULL, 1, &barrier), 0);
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_barrier_wait(&barrier, i ? &index : NULL), 0);
    ck_assert_int_eq(index, 0);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return 0;
}

TEST(a_barrier_of_one_never_waits)
{
    run_task(be_alone, NULL);
}

TEST(a_task_that_is_cancelled_while_it_waits_does_not_count)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES - 1, 1);
    cancel(round.tasks[1]);
    ck_assert_int_eq(via_barrier_waiting(&round.barrier), PARTIES - 2);
    come(&round, 1, 1);
    ck_assert_int_eq(via_future_done(round.tasks[0]), 0);
    come(&round, 1, 1);
    expect_end(round.tasks[0], 0);
    expect_end(round.tasks[1], VIA_ECANCELED);
    expect_ends(&round, 2, PARTIES - 1, 0);
    for (int i = 0, next = 0; i < round.count; i++)
        ck_assert_int_eq(round.parties[i].index, i == 1 ? -1 : next++);
    close_round(&round);
}

TEST(a_task_that_is_cancelled_before_it_begins_does_not_come)
{
    struct round round;
    open_round(&round);
    struct party late = {&round.barrier, 1, -1, 0};
    via_future *task = start(round.loop, take_part, &late);
    cancel(task);
    come(&round, PARTIES - 1, 1);
    expect_end(task, VIA_ECANCELED);
    ck_assert_int_eq(via_barrier_waiting(&round.barrier), PARTIES - 1);
    come(&round, 1, 1);
    expect_ends(&round, 0, PARTIES, 0);
    close_round(&round);
}

/* The last one to come cancels the first, which has not gone on yet. */
static int come_and_cancel(void *arg, void **result)
{
    struct round *round = arg;
    (void)result;
    ck_assert_int_eq(via_barrier_wait(&round->barrier, NULL), 0);
    cancel(round->tasks[0]);
    return 0;
}

TEST(who_was_let_through_has_passed_though_it_is_cancelled)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES - 1, 1);
    via_future *task = start(round.loop, come_and_cancel, &round);
    settle(round.loop);
    ck_assert_int_eq(round.parties[0].passed, 1);
    expect_ends(&round, 0, PARTIES - 1, 0);
    expect_end(task, 0);
    close_round(&round);
}

static int come_in_clean_up(void *arg, void **result)
{
    struct party *party = arg;
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_barrier_wait(party->barrier, NULL), VIA_ECANCELED);
    ck_assert_int_eq(via_barrier_wait(party->barrier, NULL), VIA_ECANCELED);
    ck_assert_int_eq(via_barrier_waiting(party->barrier), 0);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = via_barrier_wait(party->barrier, &party->index);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
}

TEST(clean_up_may_wait_in_a_shielded_section)
{
    struct round round;
    open_round(&round);
    struct party cleaner = {&round.barrier, 1, -1, 0};
    via_future *task = start(round.loop, come_in_clean_up, &cleaner);
    settle(round.loop);
    cancel(task);
    settle(round.loop);
    cancel(task);
    come(&round, PARTIES - 1, 1);
    expect_end(task, 0);
    ck_assert_int_eq(cleaner.index, 0);
    expect_ends(&round, 0, PARTIES - 1, 0);
    close_round(&round);
}

TEST(a_reset_fails_those_who_wait_and_begins_anew)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES - 1, 1);
    ck_assert_int_eq(via_barrier_reset(&round.barrier), 0);
    ck_assert_int_eq(via_barrier_is_broken(&round.barrier), 0);
    settle(round.loop);
    expect_ends(&round, 0, PARTIES - 1, VIA_EBROKEN);
    come(&round, PARTIES, 1);
    expect_ends(&round, PARTIES - 1, PARTIES, 0);
    ck_assert_int_eq(via_barrier_reset(&round.barrier), 0); /* nobody waits */
    close_round(&round);
}

TEST(an_aborted_barrier_is_broken_until_it_is_reset)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES - 1, 1);
    ck_assert_int_eq(via_barrier_abort(&round.barrier), 0);
    ck_assert_int_eq(via_barrier_is_broken(&round.barrier), 1);
    settle(round.loop);
    expect_ends(&round, 0, PARTIES - 1, VIA_EBROKEN);
    come(&round, 1, 1);
    expect_ends(&round, PARTIES - 1, 1, VIA_EBROKEN);
    ck_assert_int_eq(via_barrier_reset(&round.barrier), 0);
    ck_assert_int_eq(via_barrier_is_broken(&round.barrier), 0);
    come(&round, PARTIES, 1);
    expect_ends(&round, PARTIES, PARTIES, 0);
    close_round(&round);
}

static int reset_it(void *barrier)
{
    return via_barrier_reset(barrier);
}

static int run_elsewhere(void *barrier)
{
    ck_assert_int_eq(via_barrier_wait(barrier, NULL), VIA_EFOREIGN);
    ck_assert_int_eq(via_barrier_abort(barrier), VIA_EFOREIGN);
    ck_assert_int_eq(via_barrier_waiting(barrier), VIA_EFOREIGN);
    ck_assert_int_eq(via_barrier_is_broken(barrier), VIA_EFOREIGN);
    return via_barrier_reset(barrier);
}

TEST(a_callback_may_reset_it_but_no_other_thread)
{
    struct round round;
    open_round(&round);
    come(&round, 1, 1);
    ck_assert_int_eq(in_another_thread(run_elsewhere, &round.barrier), VIA_EFOREIGN);
    ck_assert_int_eq(via_barrier_wait(&round.barrier, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_barrier_fini(&round.barrier), VIA_EBUSY);
    ck_assert_int_eq(via_call_soon(round.loop, reset_it, &round.barrier, NULL), 0);
    settle(round.loop);
    expect_ends(&round, 0, 1, VIA_EBROKEN);
    close_round(&round);
}

TEST(numbers_that_make_no_sense_are_refused)
{
    via_loop *loop = open_loop();
    struct via_barrier barrier;
    ck_assert_int_eq(via_barrier_init(loop, 0, &barrier), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_init(loop, -1, &barrier), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_init(loop, 1, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_init(NULL, 1, &barrier), VIA_ESTATE);
    ck_assert_int_eq(via_barrier_wait(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_reset(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_abort(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_waiting(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_is_broken(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_barrier_fini(NULL), VIA_EINVAL);
    close_loop(loop);
}

TEST(closing_the_loop_ends_the_waiting)
{
    struct round round;
    open_round(&round);
    come(&round, PARTIES - 1, 1);
    close_loop(round.loop);
    expect_ends(&round, 0, PARTIES - 1, VIA_ECANCELED);
    ck_assert_int_eq(via_barrier_fini(&round.barrier), 0);
}

TEST_MAIN("sync/barrier", they_go_on_when_the_last_one_has_come, each_gets_a_number_of_its_own,
          it_serves_round_after_round, twice_as_many_make_two_rounds,
          who_comes_while_others_go_on_belongs_to_the_next_round, a_barrier_of_one_never_waits,
          a_task_that_is_cancelled_while_it_waits_does_not_count,
          a_task_that_is_cancelled_before_it_begins_does_not_come,
          who_was_let_through_has_passed_though_it_is_cancelled, clean_up_may_wait_in_a_shielded_section,
          a_reset_fails_those_who_wait_and_begins_anew, an_aborted_barrier_is_broken_until_it_is_reset,
          a_callback_may_reset_it_but_no_other_thread, numbers_that_make_no_sense_are_refused,
          closing_the_loop_ends_the_waiting)
