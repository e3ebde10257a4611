/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/sync_fixture.h"
#include <viaduct/lock.h>

/* A task that acquires, says "name+", passes its gate if it has one, says "name-" and releases.  If it cannot
 * acquire it says "name!" and ends with that. */
struct user {
    struct via_lock *lock;
    const char *name;
    via_future *gate;
    int gated; /* what passing the gate gave */
};

static int use_lock(void *arg, void **result)
{
    struct user *user = arg;
    (void)result;
    int status = via_lock_acquire(user->lock);
    if (status < 0) {
        via_test_record(&history, "%s!", user->name);
        return status;
    }
    via_test_record(&history, "%s+", user->name);
    if (user->gate)
        user->gated = pass_gate(user->gate);
    via_test_record(&history, "%s-", user->name);
    ck_assert_int_eq(via_lock_release(user->lock), 0);
    return user->gated;
}

/* A loop with a lock that H has, and A, B and C in line. */
struct line {
    via_loop *loop;
    struct via_lock lock;
    via_future *gate;
    struct user users[4];
    via_future *tasks[4];
};

static void open_line(struct line *line)
{
    static const char *const names[] = {"H", "A", "B", "C"};
    *line = (struct line){.loop = open_loop()};
    ck_assert_int_eq(via_lock_init(line->loop, &line->lock), 0);
    line->gate = open_gate(line->loop);
    for (int i = 0; i < 4; i++) {
        line->users[i] = (struct user){&line->lock, names[i], i == 0 ? line->gate : NULL, 0};
        line->tasks[i] = start(line->loop, use_lock, &line->users[i]);
    }
    settle(line->loop);
    ASSERT_RECORD(&history, "H+");
}

/* Everything is over: the tasks ended with these, and the lock is free. */
static void close_line(struct line *line, const int *statuses)
{
    settle(line->loop);
    for (int i = 0; i < 4; i++)
        expect_end(line->tasks[i], statuses[i]);
    ck_assert_int_eq(via_lock_locked(&line->lock), 0);
    ck_assert_int_eq(via_lock_fini(&line->lock), 0);
    close_loop(line->loop);
}

TEST(tasks_get_the_lock_in_the_order_they_came)
{
    struct line line;
    open_line(&line);
    let_pass(line.gate);
    close_line(&line, (int[]){0, 0, 0, 0});
    ASSERT_RECORD(&history, "H+ H- A+ A- B+ B- C+ C-");
}

static int acquire_free(void *arg, void **result)
{
    struct via_lock lock;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &lock), 0);
    ck_assert_int_eq(via_lock_locked(&lock), 0);
    struct via_loop_stats before = stats_of(via_loop_current());
    ck_assert_int_eq(via_lock_acquire(&lock), 0);
    ck_assert_int_eq(via_lock_locked(&lock), 1);
    ck_assert_int_eq(via_lock_release(&lock), 0);
    ck_assert_int_eq(via_lock_try_acquire(&lock), 0);
    ck_assert_int_eq(via_lock_release(&lock), 0);
    ck_assert_uint_eq(stats_of(via_loop_current()).ticks, before.ticks);
    ck_assert_int_eq(via_lock_fini(&lock), 0);
    return 0;
}

TEST(a_free_lock_is_acquired_at_once)
{
    run_task(acquire_free, NULL);
}

static int release_and_come_again(void *arg, void **result)
{
    struct user *user = arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_lock_acquire(user->lock), 0);
        via_test_record(&history, "%s%d", user->name, i);
        ck_assert_int_eq(via_yield(), 0);
        ck_assert_int_eq(via_lock_release(user->lock), 0);
    }
    return 0;
}

TEST(who_comes_again_stands_behind_those_who_wait)
{
    via_loop *loop = open_loop();
    struct via_lock lock;
    ck_assert_int_eq(via_lock_init(loop, &lock), 0);
    struct user users[] = {
        {.lock = &lock, .name = "A"}, {.lock = &lock, .name = "B"}, {.lock = &lock, .name = "C"}};
    via_future *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = start(loop, release_and_come_again, &users[i]);
    settle(loop);
    ASSERT_RECORD(&history, "A0 B0 C0 A1 B1 C1 A2 B2 C2");
    for (int i = 0; i < 3; i++)
        expect_end(tasks[i], 0);
    close_loop(loop);
}

/* H, of a line: releases, and looks at once. */
static int release_and_look(void *arg, void **result)
{
    struct user *user = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(user->lock), 0);
    ck_assert_int_eq(pass_gate(user->gate), 0);
    ck_assert_int_eq(via_lock_release(user->lock), 0);
    ck_assert_int_eq(via_lock_locked(user->lock), 1);
    ck_assert_int_eq(via_lock_try_acquire(user->lock), VIA_EBUSY);
    ck_assert_int_eq(via_lock_release(user->lock), VIA_ESTATE);
    return 0;
}

TEST(a_released_lock_is_the_next_ones_before_it_runs)
{
    via_loop *loop = open_loop();
    struct via_lock lock;
    ck_assert_int_eq(via_lock_init(loop, &lock), 0);
    struct user first = {&lock, "H", open_gate(loop), 0}, second = {&lock, "A", NULL, 0};
    via_future *tasks[] = {start(loop, release_and_look, &first), start(loop, use_lock, &second)};
    settle(loop);
    let_pass(first.gate);
    settle(loop);
    expect_end(tasks[0], 0);
    expect_end(tasks[1], 0);
    close_loop(loop);
}

TEST(a_task_that_is_cancelled_before_it_begins_does_not_ask)
{
    struct line line;
    open_line(&line);
    struct user late = {&line.lock, "L", NULL, 0};
    via_future *task = start(line.loop, use_lock, &late);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_NEVER_RAN);
    let_pass(line.gate);
    close_line(&line, (int[]){0, 0, 0, 0});
    ASSERT_RECORD(&history, "H+ H- A+ A- B+ B- C+ C-");
    ck_assert_int_eq(via_future_result(task, NULL), VIA_ECANCELED);
    via_future_unref(task);
}

TEST(a_task_that_is_cancelled_in_the_line_leaves_it)
{
    struct line line;
    open_line(&line);
    cancel(line.tasks[2]);
    settle(line.loop);
    ASSERT_RECORD(&history, "H+ B!");
    let_pass(line.gate);
    close_line(&line, (int[]){0, 0, VIA_ECANCELED, 0});
    ASSERT_RECORD(&history, "H+ B! H- A+ A- C+ C-");
}

TEST(everybody_in_the_line_may_be_cancelled)
{
    struct line line;
    open_line(&line);
    for (int i = 1; i < 4; i++)
        cancel(line.tasks[i]);
    cancel(line.tasks[1]);
    let_pass(line.gate);
    close_line(&line, (int[]){0, VIA_ECANCELED, VIA_ECANCELED, VIA_ECANCELED});
}

/* H releases and cancels A, which has not run yet. */
struct releaser {
    struct line *line;
    int cancel_first;
};

static int release_and_cancel(void *arg, void **result)
{
    struct releaser *releaser = arg;
    struct line *line = releaser->line;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    ck_assert_int_eq(pass_gate(line->gate), 0);
    if (releaser->cancel_first)
        cancel(line->tasks[1]);
    ck_assert_int_eq(via_lock_release(&line->lock), 0);
    if (!releaser->cancel_first)
        cancel(line->tasks[1]);
    return 0;
}

static void cancel_in_the_tick_of_the_release(int cancel_first)
{
    struct line line = {.loop = open_loop()};
    struct releaser releaser = {&line, cancel_first};
    ck_assert_int_eq(via_lock_init(line.loop, &line.lock), 0);
    line.gate = open_gate(line.loop);
    line.tasks[0] = start(line.loop, release_and_cancel, &releaser);
    static const char *const names[] = {"H", "A", "B", "C"};
    for (int i = 1; i < 4; i++) {
        line.users[i] = (struct user){&line.lock, names[i], NULL, 0};
        line.tasks[i] = start(line.loop, use_lock, &line.users[i]);
    }
    settle(line.loop);
    let_pass(line.gate);
    close_line(&line, (int[]){0, cancel_first ? VIA_ECANCELED : 0, 0, 0});
}

TEST(who_is_cancelled_just_before_the_release_is_passed_over)
{
    cancel_in_the_tick_of_the_release(1);
    ASSERT_RECORD(&history, "A! B+ B- C+ C-");
}

/* CPython delivers the request and wakes the next one; here what was granted wins. */
TEST(who_was_given_the_lock_has_it_though_it_is_cancelled)
{
    cancel_in_the_tick_of_the_release(0);
    ASSERT_RECORD(&history, "A+ A- B+ B- C+ C-");
}

/* It was given the lock and cancelled: its next await sees the request, and its clean-up releases. */
TEST(the_request_is_seen_by_the_next_await_under_the_lock)
{
    struct line line;
    open_line(&line);
    via_future *never = open_gate(line.loop);
    line.users[1].gate = never;
    let_pass(line.gate);
    while (via_test_recorded(&history) < 2)
        RUN_TICKS(line.loop, 1);
    cancel(line.tasks[1]);
    close_line(&line, (int[]){0, VIA_ECANCELED, 0, 0});
    ck_assert_int_eq(line.users[1].gated, VIA_ECANCELED);
    ASSERT_RECORD(&history, "H+ H- A+ A- B+ B- C+ C-");
    via_future_unref(never);
}

/* Cancelled already: a free lock is had, one that is not is not waited for, but in a shielded section. */
static int acquire_in_clean_up(void *arg, void **result)
{
    struct line *line = arg;
    struct via_lock free;
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &free), 0);
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_lock_acquire(&free), 0);
    ck_assert_int_eq(via_lock_release(&free), 0);
    ck_assert_int_eq(via_lock_acquire(&line->lock), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    via_test_record(&history, "L+");
    ck_assert_int_eq(via_lock_release(&line->lock), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return VIA_ECANCELED;
}

TEST(clean_up_may_wait_for_the_lock_in_a_shielded_section)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, acquire_in_clean_up, &line);
    settle(line.loop);
    cancel(task);
    settle(line.loop);
    cancel(task); /* during the clean-up */
    let_pass(line.gate);
    close_line(&line, (int[]){0, 0, 0, 0});
    ASSERT_RECORD(&history, "H+ H- A+ A- B+ B- C+ C- L+");
    ck_assert_int_eq(via_future_result(task, NULL), VIA_ECANCELED);
    via_future_unref(task);
}

static int misuse(void *arg, void **result)
{
    struct via_lock lock;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &lock), 0);
    ck_assert_int_eq(via_lock_release(&lock), VIA_ESTATE);
    ck_assert_int_eq(via_lock_acquire(&lock), 0);
    ck_assert_int_eq(via_lock_acquire(&lock), VIA_EDEADLK);
    ck_assert_int_eq(via_lock_try_acquire(&lock), VIA_EDEADLK);
    ck_assert_int_eq(via_lock_fini(&lock), VIA_EBUSY);
    ck_assert_int_eq(via_lock_release(&lock), 0);
    ck_assert_int_eq(via_lock_release(&lock), VIA_ESTATE);
    ck_assert_int_eq(via_lock_acquire(&lock), 0);
    ck_assert_int_eq(via_lock_release(&lock), 0);
    ck_assert_int_eq(via_lock_fini(&lock), 0);
    ck_assert_int_eq(via_lock_fini(&lock), VIA_EINVAL);
    ck_assert_int_eq(via_lock_acquire(&lock), VIA_EINVAL);
    return 0;
}

TEST(a_lock_that_the_task_does_not_have_is_not_released)
{
    run_task(misuse, NULL);
}

TEST(it_is_for_tasks)
{
    via_loop *loop = open_loop();
    struct via_lock lock;
    ck_assert_int_eq(via_lock_init(NULL, &lock), VIA_ESTATE);
    ck_assert_int_eq(via_lock_init(loop, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_lock_init(loop, &lock), 0);
    ck_assert_int_eq(via_lock_acquire(&lock), VIA_ESTATE);
    ck_assert_int_eq(via_lock_try_acquire(&lock), VIA_ESTATE);
    ck_assert_int_eq(via_lock_release(&lock), VIA_ESTATE);
    ck_assert_int_eq(via_lock_acquire(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_lock_try_acquire(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_lock_release(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_lock_locked(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_lock_fini(NULL), VIA_EINVAL);
    close_loop(loop);
}

static int ask_elsewhere(void *lock)
{
    ck_assert_int_eq(via_lock_acquire(lock), VIA_EFOREIGN);
    ck_assert_int_eq(via_lock_try_acquire(lock), VIA_EFOREIGN);
    ck_assert_int_eq(via_lock_release(lock), VIA_EFOREIGN);
    return via_lock_locked(lock);
}

static int ask_of_the_others_lock(void *lock, void **result)
{
    (void)result;
    /* The loops take turns in this thread, so looking is no race; but nobody here could be woken there. */
    return via_lock_acquire(lock);
}

TEST(another_loop_or_thread_is_refused)
{
    via_loop *loop = open_loop(), *other = open_loop();
    struct via_lock lock;
    ck_assert_int_eq(via_lock_init(loop, &lock), 0);
    ck_assert_int_eq(in_another_thread(ask_elsewhere, &lock), VIA_EFOREIGN);
    via_future *task = start(other, ask_of_the_others_lock, &lock);
    settle(other);
    expect_end(task, VIA_EFOREIGN);
    close_loop(other);
    close_loop(loop);
}

static int ask_in_the_child(void *lock)
{
    return -via_lock_locked(lock) & 0xff;
}

TEST(in_a_forked_child_it_is_the_parents)
{
    via_loop *loop = open_loop();
    struct via_lock lock;
    ck_assert_int_eq(via_lock_init(loop, &lock), 0);
    ck_assert_int_eq(via_test_fork(ask_in_the_child, &lock), -VIA_EFORKED & 0xff);
    close_loop(loop);
}

TEST(closing_the_loop_ends_the_waiting)
{
    struct line line;
    open_line(&line);
    close_loop(line.loop);
    ASSERT_RECORD(&history, "H+ H- A! B! C!");
    for (int i = 0; i < 4; i++)
        expect_end(line.tasks[i], VIA_ECANCELED);
    ck_assert_int_eq(via_lock_fini(&line.lock), 0);
    via_future_unref(line.gate);
}

TEST_MAIN("sync/lock", tasks_get_the_lock_in_the_order_they_came, a_free_lock_is_acquired_at_once,
          who_comes_again_stands_behind_those_who_wait, a_released_lock_is_the_next_ones_before_it_runs,
          a_task_that_is_cancelled_before_it_begins_does_not_ask,
          a_task_that_is_cancelled_in_the_line_leaves_it, everybody_in_the_line_may_be_cancelled,
          who_is_cancelled_just_before_the_release_is_passed_over,
          who_was_given_the_lock_has_it_though_it_is_cancelled,
          the_request_is_seen_by_the_next_await_under_the_lock,
          clean_up_may_wait_for_the_lock_in_a_shielded_section,
          a_lock_that_the_task_does_not_have_is_not_released, it_is_for_tasks,
          another_loop_or_thread_is_refused, in_a_forked_child_it_is_the_parents,
          closing_the_loop_ends_the_waiting)
