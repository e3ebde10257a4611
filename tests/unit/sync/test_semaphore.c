/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/sync_fixture.h"
#include <limits.h>
#include <viaduct/semaphore.h>

/* A task that acquires and says its name, "!" if it fails; it does not release. */
struct taker {
    struct via_semaphore *semaphore;
    const char *name;
};

static int take(void *arg, void **result)
{
    struct taker *taker = arg;
    (void)result;
    int status = via_semaphore_acquire(taker->semaphore);
    via_test_record(&history, "%s%s", taker->name, status < 0 ? "!" : "");
    return status;
}

/* A loop with a semaphore of no units for which A, B and C wait. */
struct line {
    via_loop *loop;
    struct via_semaphore semaphore;
    struct taker takers[3];
    via_future *tasks[3];
};

static void open_line(struct line *line)
{
    static const char *const names[] = {"A", "B", "C"};
    line->loop = open_loop();
    ck_assert_int_eq(via_semaphore_init(line->loop, 0, 0, &line->semaphore), 0);
    for (int i = 0; i < 3; i++) {
        line->takers[i] = (struct taker){&line->semaphore, names[i]};
        line->tasks[i] = start(line->loop, take, &line->takers[i]);
    }
    settle(line->loop);
    ASSERT_RECORD(&history, "");
}

static void close_line(struct line *line, const int *statuses)
{
    settle(line->loop);
    for (int i = 0; i < 3; i++)
        expect_end(line->tasks[i], statuses[i]);
    ck_assert_int_eq(via_semaphore_fini(&line->semaphore), 0);
    close_loop(line->loop);
}

static void release(struct line *line)
{
    ck_assert_int_eq(via_semaphore_release(&line->semaphore), 0);
}

TEST(units_are_handed_out_in_the_order_in_which_tasks_came)
{
    struct line line;
    open_line(&line);
    release(&line);
    settle(line.loop);
    ASSERT_RECORD(&history, "A");
    release(&line);
    release(&line);
    ck_assert_int_eq(via_semaphore_value(&line.semaphore), 0); /* they are the waiters' already */
    ck_assert_int_eq(via_semaphore_try_acquire(&line.semaphore), VIA_EBUSY);
    release(&line);
    ck_assert_int_eq(via_semaphore_value(&line.semaphore), 1);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C");
}

static int take_free_ones(void *arg, void **result)
{
    struct via_semaphore semaphore;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_semaphore_init(NULL, 3, 3, &semaphore), 0);
    struct via_loop_stats before = stats_of(via_loop_current());
    for (int value = 3; value > 0; value--) {
        ck_assert_int_eq(via_semaphore_value(&semaphore), value);
        ck_assert_int_eq(
            value % 2 ? via_semaphore_acquire(&semaphore) : via_semaphore_try_acquire(&semaphore), 0);
    }
    ck_assert_uint_eq(stats_of(via_loop_current()).ticks, before.ticks);
    ck_assert_int_eq(via_semaphore_value(&semaphore), 0);
    ck_assert_int_eq(via_semaphore_try_acquire(&semaphore), VIA_EBUSY);
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_semaphore_acquire(&semaphore), VIA_ECANCELED);
    ck_assert_int_eq(via_semaphore_release(&semaphore), 0);
    ck_assert_int_eq(via_semaphore_acquire(&semaphore), 0); /* what is there is had */
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return 0;
}

TEST(free_units_are_taken_at_once)
{
    run_task(take_free_ones, NULL);
}

static int release_too_often(void *arg, void **result)
{
    struct via_semaphore semaphore;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_semaphore_init(NULL, 1, 1, &semaphore), 0);
    ck_assert_int_eq(via_semaphore_release(&semaphore), VIA_ESTATE);
    ck_assert_int_eq(via_semaphore_value(&semaphore), 1);
    ck_assert_int_eq(via_semaphore_acquire(&semaphore), 0);
    ck_assert_int_eq(via_semaphore_release(&semaphore), 0);
    ck_assert_int_eq(via_semaphore_release(&semaphore), VIA_ESTATE);
    ck_assert_int_eq(via_semaphore_fini(&semaphore), 0);
    ck_assert_int_eq(via_semaphore_init(NULL, INT_MAX, 0, &semaphore), 0);
    ck_assert_int_eq(via_semaphore_release(&semaphore), VIA_ESTATE);
    ck_assert_int_eq(via_semaphore_init(NULL, 0, 0, &semaphore), 0);
    ck_assert_int_eq(via_semaphore_release(&semaphore), 0);
    ck_assert_int_eq(via_semaphore_value(&semaphore), 1);
    return 0;
}

TEST(a_bound_notices_one_release_too_many)
{
    run_task(release_too_often, NULL);
}

TEST(numbers_that_make_no_sense_are_refused)
{
    via_loop *loop = open_loop();
    struct via_semaphore semaphore;
    ck_assert_int_eq(via_semaphore_init(loop, -1, 0, &semaphore), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_init(loop, 0, -1, &semaphore), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_init(loop, 3, 2, &semaphore), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_init(loop, 0, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_init(NULL, 0, 0, &semaphore), VIA_ESTATE);
    ck_assert_int_eq(via_semaphore_acquire(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_try_acquire(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_release(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_value(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_semaphore_fini(NULL), VIA_EINVAL);
    close_loop(loop);
    ck_assert_int_eq(via_semaphore_init(NULL, 0, 0, &semaphore), VIA_ESTATE);
}

TEST(a_task_that_is_cancelled_while_it_waits_leaves_the_line)
{
    struct line line;
    open_line(&line);
    cancel(line.tasks[0]);
    release(&line); /* before it runs: the unit is the next one's */
    settle(line.loop);
    ASSERT_RECORD(&history, "A! B");
    cancel(line.tasks[2]);
    settle(line.loop);
    release(&line);
    ck_assert_int_eq(via_semaphore_value(&line.semaphore), 1);
    close_line(&line, (int[]){VIA_ECANCELED, 0, VIA_ECANCELED});
}

TEST(a_task_that_is_cancelled_before_it_begins_takes_nothing)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, take, &line.takers[0]);
    cancel(task);
    settle(line.loop);
    expect_end(task, VIA_ECANCELED);
    for (int i = 0; i < 4; i++)
        release(&line);
    ck_assert_int_eq(via_semaphore_value(&line.semaphore), 1);
    close_line(&line, (int[]){0, 0, 0});
}

/* CPython takes the unit away again; here what was granted wins, and the task gives it back itself. */
TEST(who_was_given_a_unit_has_it_though_it_is_cancelled)
{
    struct line line;
    open_line(&line);
    release(&line);
    cancel(line.tasks[0]);
    settle(line.loop);
    ASSERT_RECORD(&history, "A");
    release(&line);
    release(&line);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C");
}

static int take_in_clean_up(void *arg, void **result)
{
    struct line *line = arg;
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_semaphore_acquire(&line->semaphore), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_semaphore_acquire(&line->semaphore), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    via_test_record(&history, "cleaned");
    return 0;
}

TEST(clean_up_may_wait_in_a_shielded_section)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, take_in_clean_up, &line);
    settle(line.loop);
    cancel(task);
    settle(line.loop);
    cancel(task);
    settle(line.loop);
    for (int i = 0; i < 4; i++)
        release(&line);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C cleaned");
    expect_end(task, 0);
}

/* ---- CPython's orders ---- */

/* Acquires and releases several times, with a turn for the others in between. */
static int take_in_turns(void *arg, void **result)
{
    struct taker *taker = arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_semaphore_acquire(taker->semaphore), 0);
        via_test_record(&history, "%s%d", taker->name, i);
        ck_assert_int_eq(via_yield(), 0);
        ck_assert_int_eq(via_semaphore_release(taker->semaphore), 0);
        ck_assert_int_eq(via_yield(), 0);
    }
    return 0;
}

TEST(tasks_that_come_again_take_turns)
{
    via_loop *loop = open_loop();
    struct via_semaphore semaphore;
    ck_assert_int_eq(via_semaphore_init(loop, 1, 0, &semaphore), 0);
    struct taker takers[] = {{&semaphore, "A"}, {&semaphore, "B"}, {&semaphore, "C"}};
    via_future *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = start(loop, take_in_turns, &takers[i]);
    settle(loop);
    ASSERT_RECORD(&history, "A0 B0 C0 A1 B1 C1 A2 B2 C2");
    for (int i = 0; i < 3; i++)
        expect_end(tasks[i], 0);
    close_loop(loop);
}

/* Gives back what it has and asks again, while others wait. */
static int barge(void *arg, void **result)
{
    struct line *line = arg;
    (void)result;
    release(line);
    ck_assert_int_eq(via_semaphore_acquire(&line->semaphore), 0);
    via_test_record(&history, "late");
    release(line);
    return 0;
}

TEST(who_gives_back_and_asks_again_stands_behind_those_who_wait)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, barge, &line);
    settle(line.loop);
    ASSERT_RECORD(&history, "A");
    release(&line);
    settle(line.loop);
    ASSERT_RECORD(&history, "A B");
    release(&line);
    release(&line);
    settle(line.loop);
    ASSERT_RECORD(&history, "A B C late");
    expect_end(task, 0);
    close_line(&line, (int[]){0, 0, 0});
}

/* Two hold units and one of those who wait is cancelled: the other must get the first unit that comes. */
TEST(a_cancelled_task_does_not_leave_the_line_hanging)
{
    struct line line;
    open_line(&line);
    cancel(line.tasks[1]);
    release(&line);
    cancel(line.tasks[0]);
    release(&line);
    close_line(&line, (int[]){0, VIA_ECANCELED, 0});
    ASSERT_RECORD(&history, "B! A C");
}

static int release_it(void *semaphore)
{
    return via_semaphore_release(semaphore);
}

static int run_elsewhere(void *semaphore)
{
    ck_assert_int_eq(via_semaphore_acquire(semaphore), VIA_EFOREIGN);
    ck_assert_int_eq(via_semaphore_try_acquire(semaphore), VIA_EFOREIGN);
    ck_assert_int_eq(via_semaphore_value(semaphore), VIA_EFOREIGN);
    return via_semaphore_release(semaphore);
}

TEST(a_callback_may_release_but_no_other_thread)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(in_another_thread(run_elsewhere, &line.semaphore), VIA_EFOREIGN);
    ck_assert_int_eq(via_semaphore_acquire(&line.semaphore), VIA_ESTATE);
    ck_assert_int_eq(via_semaphore_fini(&line.semaphore), VIA_EBUSY);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_call_soon(line.loop, release_it, &line.semaphore, NULL), 0);
    close_line(&line, (int[]){0, 0, 0});
}

TEST(closing_the_loop_ends_the_waiting)
{
    struct line line;
    open_line(&line);
    release(&line);
    close_loop(line.loop);
    /* One had its unit already. */
    ASSERT_RECORD(&history, "A B! C!");
    expect_end(line.tasks[0], 0);
    expect_end(line.tasks[1], VIA_ECANCELED);
    expect_end(line.tasks[2], VIA_ECANCELED);
    ck_assert_int_eq(via_semaphore_fini(&line.semaphore), 0);
}

TEST_MAIN("sync/semaphore", units_are_handed_out_in_the_order_in_which_tasks_came,
          free_units_are_taken_at_once, a_bound_notices_one_release_too_many,
          numbers_that_make_no_sense_are_refused, a_task_that_is_cancelled_while_it_waits_leaves_the_line,
          a_task_that_is_cancelled_before_it_begins_takes_nothing,
          who_was_given_a_unit_has_it_though_it_is_cancelled, clean_up_may_wait_in_a_shielded_section,
          tasks_that_come_again_take_turns, who_gives_back_and_asks_again_stands_behind_those_who_wait,
          a_cancelled_task_does_not_leave_the_line_hanging, a_callback_may_release_but_no_other_thread,
          closing_the_loop_ends_the_waiting)
