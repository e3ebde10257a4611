/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/sync_fixture.h"
#include <viaduct/lock.h>

/* A loop with a lock and a condition on which A, B and C wait. */
struct line {
    via_loop *loop;
    struct via_lock lock;
    struct via_condition condition;
    struct waiter {
        struct line *line;
        const char *name;
    } waiters[3];
    via_future *tasks[3];
};

/* Says its name when the wait is over, with "!" if that failed; it has the lock then. */
static int wait_once(void *arg, void **result)
{
    struct waiter *waiter = arg;
    struct line *line = waiter->line;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    int status = via_condition_wait(&line->condition);
    via_test_record(&history, "%s%s", waiter->name, status < 0 ? "!" : "");
    ck_assert_int_eq(via_lock_release(&line->lock), 0);
    return status;
}

static void open_line(struct line *line)
{
    static const char *const names[] = {"A", "B", "C"};
    line->loop = open_loop();
    ck_assert_int_eq(via_lock_init(line->loop, &line->lock), 0);
    ck_assert_int_eq(via_condition_init(&line->lock, &line->condition), 0);
    for (int i = 0; i < 3; i++) {
        line->waiters[i] = (struct waiter){line, names[i]};
        line->tasks[i] = start(line->loop, wait_once, &line->waiters[i]);
    }
    settle(line->loop);
    ck_assert_int_eq(via_lock_locked(&line->lock), 0);
    ASSERT_RECORD(&history, "");
}

static void close_line(struct line *line, const int *statuses)
{
    settle(line->loop);
    for (int i = 0; i < 3; i++)
        expect_end(line->tasks[i], statuses[i]);
    ck_assert_int_eq(via_condition_fini(&line->condition), 0);
    ck_assert_int_eq(via_lock_fini(&line->lock), 0);
    close_loop(line->loop);
}

/* A task that notifies `count`, says so, keeps the lock until its gate opens, and cancels `victim` before or
 * after it notifies. */
struct notifier {
    struct line *line;
    int count;
    via_future *gate, *cancel_before, *cancel_after;
};

static int notify_some(void *arg, void **result)
{
    struct notifier *notifier = arg;
    struct line *line = notifier->line;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    if (notifier->cancel_before)
        cancel(notifier->cancel_before);
    ck_assert_int_eq(via_condition_notify(&line->condition, notifier->count), 0);
    if (notifier->cancel_after)
        cancel(notifier->cancel_after);
    via_test_record(&history, "n%d", notifier->count);
    if (notifier->gate)
        ck_assert_int_eq(pass_gate(notifier->gate), 0);
    via_test_record(&history, "release");
    ck_assert_int_eq(via_lock_release(&line->lock), 0);
    return 0;
}

static void notify(struct line *line, int count)
{
    struct notifier notifier = {.line = line, .count = count};
    via_future *task = start(line->loop, notify_some, &notifier);
    settle(line->loop);
    expect_end(task, 0);
}

TEST(notifying_wakes_as_many_as_were_asked_for_in_their_order)
{
    struct line line;
    open_line(&line);
    notify(&line, 0);
    ASSERT_RECORD(&history, "n0 release");
    notify(&line, 1);
    ASSERT_RECORD(&history, "n0 release n1 release A");
    notify(&line, 2);
    ASSERT_RECORD(&history, "n0 release n1 release A n2 release B C");
    notify(&line, 1);
    close_line(&line, (int[]){0, 0, 0});
}

TEST(more_may_be_notified_than_wait)
{
    struct line line;
    open_line(&line);
    notify(&line, 2048);
    ASSERT_RECORD(&history, "n2048 release A B C");
    close_line(&line, (int[]){0, 0, 0});
}

static int notify_everybody(void *arg, void **result)
{
    struct line *line = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    ck_assert_int_eq(via_condition_notify_all(&line->condition), 0);
    ck_assert_int_eq(via_lock_release(&line->lock), 0);
    return 0;
}

TEST(all_can_be_notified)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, notify_everybody, &line);
    settle(line.loop);
    expect_end(task, 0);
    ASSERT_RECORD(&history, "A B C");
    close_line(&line, (int[]){0, 0, 0});
}

TEST(who_is_notified_goes_on_when_the_lock_is_released)
{
    struct line line;
    open_line(&line);
    struct notifier notifier = {.line = &line, .count = 2, .gate = open_gate(line.loop)};
    via_future *task = start(line.loop, notify_some, &notifier);
    settle(line.loop);
    ASSERT_RECORD(&history, "n2");
    let_pass(notifier.gate);
    settle(line.loop);
    ASSERT_RECORD(&history, "n2 release A B");
    expect_end(task, 0);
    notify(&line, 1);
    close_line(&line, (int[]){0, 0, 0});
}

TEST(a_task_that_is_cancelled_while_it_waits_has_the_lock_again)
{
    struct line line;
    open_line(&line);
    cancel(line.tasks[1]);
    settle(line.loop);
    ASSERT_RECORD(&history, "B!"); /* and it has released it without an error */
    notify(&line, 1);
    notify(&line, 1);
    ASSERT_RECORD(&history, "B! n1 release A n1 release C");
    close_line(&line, (int[]){0, VIA_ECANCELED, 0});
}

TEST(a_task_that_is_cancelled_waits_for_the_lock_first)
{
    struct line line;
    open_line(&line);
    struct notifier notifier = {.line = &line, .gate = open_gate(line.loop), .cancel_after = line.tasks[0]};
    via_future *task = start(line.loop, notify_some, &notifier);
    settle(line.loop);
    cancel(line.tasks[0]);
    settle(line.loop);
    ASSERT_RECORD(&history, "n0");
    let_pass(notifier.gate);
    settle(line.loop);
    ASSERT_RECORD(&history, "n0 release A!");
    expect_end(task, 0);
    notify(&line, 2);
    close_line(&line, (int[]){VIA_ECANCELED, 0, 0});
}

/* CPython gives the notification to the next one; here who got it has it, so it is not lost either. */
TEST(a_task_that_was_notified_succeeds_though_it_is_cancelled)
{
    struct line line;
    open_line(&line);
    struct notifier notifier = {.line = &line, .count = 1, .cancel_after = line.tasks[0]};
    via_future *task = start(line.loop, notify_some, &notifier);
    settle(line.loop);
    ASSERT_RECORD(&history, "n1 release A");
    expect_end(task, 0);
    notify(&line, 2);
    close_line(&line, (int[]){0, 0, 0});
}

TEST(a_task_that_is_cancelled_gets_no_notification)
{
    struct line line;
    open_line(&line);
    struct notifier notifier = {.line = &line, .count = 1, .cancel_before = line.tasks[0]};
    via_future *task = start(line.loop, notify_some, &notifier);
    settle(line.loop);
    ASSERT_RECORD(&history, "n1 release A! B");
    expect_end(task, 0);
    notify(&line, 1);
    close_line(&line, (int[]){VIA_ECANCELED, 0, 0});
}

TEST(a_task_that_is_cancelled_before_it_begins_does_not_wait)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, wait_once, &line.waiters[0]);
    cancel(task);
    settle(line.loop);
    expect_end(task, VIA_ECANCELED);
    notify(&line, 3);
    close_line(&line, (int[]){0, 0, 0});
}

/* Cancelled already it does not give the lock up; in a shielded section it does. */
static int wait_in_clean_up(void *arg, void **result)
{
    struct line *line = arg;
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    ck_assert_int_eq(via_condition_wait(&line->condition), VIA_ECANCELED);
    ck_assert_int_eq(via_condition_wait(&line->condition), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_condition_wait(&line->condition), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    via_test_record(&history, "cleaned");
    ck_assert_int_eq(via_lock_release(&line->lock), 0);
    return 0;
}

TEST(clean_up_may_wait_in_a_shielded_section)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, wait_in_clean_up, &line);
    settle(line.loop);
    cancel(task);
    settle(line.loop);
    cancel(task);
    settle(line.loop);
    ASSERT_RECORD(&history, "");
    notify(&line, 4);
    ASSERT_RECORD(&history, "n4 release A B C cleaned");
    expect_end(task, 0);
    close_line(&line, (int[]){0, 0, 0});
}

static int misuse(void *arg, void **result)
{
    struct line line;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &line.lock), 0);
    ck_assert_int_eq(via_condition_init(&line.lock, &line.condition), 0);
    ck_assert_int_eq(via_condition_wait(&line.condition), VIA_ESTATE);
    ck_assert_int_eq(via_condition_notify(&line.condition, 1), VIA_ESTATE);
    ck_assert_int_eq(via_condition_notify_all(&line.condition), VIA_ESTATE);
    ck_assert_int_eq(via_condition_wait_for(&line.condition, count_up, &line), VIA_ESTATE);
    ck_assert_int_eq(via_lock_acquire(&line.lock), 0);
    ck_assert_int_eq(via_condition_notify(&line.condition, -1), VIA_EINVAL);
    ck_assert_int_eq(via_condition_wait_for(&line.condition, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_lock_release(&line.lock), 0);
    ck_assert_int_eq(via_condition_fini(&line.condition), 0);
    ck_assert_int_eq(via_condition_fini(&line.condition), VIA_EINVAL);
    ck_assert_int_eq(via_condition_wait(&line.condition), VIA_EINVAL);
    return 0;
}

TEST(without_the_lock_nobody_waits_or_notifies)
{
    run_task(misuse, NULL);
}

static int run_elsewhere(void *condition)
{
    ck_assert_int_eq(via_condition_notify(condition, 1), VIA_EFOREIGN);
    return via_condition_wait(condition);
}

TEST(nobody_waits_outside_of_a_task_or_in_another_thread)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_condition_wait(&line.condition), VIA_ESTATE);
    ck_assert_int_eq(in_another_thread(run_elsewhere, &line.condition), VIA_EFOREIGN);
    ck_assert_int_eq(via_condition_fini(&line.condition), VIA_EBUSY);
    ck_assert_int_eq(via_condition_init(NULL, &line.condition), VIA_EINVAL);
    ck_assert_int_eq(via_condition_init(&line.lock, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_condition_wait(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_condition_notify(NULL, 1), VIA_EINVAL);
    ck_assert_int_eq(via_condition_fini(NULL), VIA_EINVAL);
    notify(&line, 3);
    close_line(&line, (int[]){0, 0, 0});
}

static int end_wait_and_lock(void *arg, void **result)
{
    struct line *line = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&line->lock), 0);
    ck_assert_int_eq(via_condition_notify(&line->condition, 3), 0);
    ck_assert_int_eq(via_condition_fini(&line->condition), 0);
    ck_assert_int_eq(via_lock_fini(&line->lock), VIA_EBUSY);
    return via_lock_release(&line->lock);
}

TEST(a_lock_is_in_use_while_a_task_waits_in_a_condition_of_it)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_lock_fini(&line.lock), VIA_EBUSY);
    cancel(line.tasks[0]);
    ck_assert_int_eq(via_lock_fini(&line.lock), VIA_EBUSY);
    settle(line.loop);
    ck_assert_int_eq(via_lock_fini(&line.lock), VIA_EBUSY);
    via_future *task = start(line.loop, end_wait_and_lock, &line);
    settle(line.loop);
    expect_end(task, 0);
    ck_assert_int_eq(via_condition_init(&line.lock, &line.condition), 0);
    close_line(&line, (int[]){VIA_ECANCELED, 0, 0});
}

/* ---- predicates, and two conditions of one lock ---- */

struct counter {
    struct via_lock lock;
    struct via_condition grown, other;
    int value, wanted, asked;
    int said;
};

static int is_enough(void *arg)
{
    struct counter *counter = arg;
    ck_assert_int_eq(via_lock_locked(&counter->lock), 1);
    counter->asked++;
    return counter->value >= counter->wanted ? counter->value : 0;
}

static int wait_until_enough(void *arg, void **result)
{
    struct counter *counter = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&counter->lock), 0);
    counter->said = via_condition_wait_for(&counter->grown, is_enough, counter);
    ck_assert_int_eq(via_lock_release(&counter->lock), 0);
    return 0;
}

static int grow(void *arg, void **result)
{
    struct counter *counter = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&counter->lock), 0);
    counter->value++;
    ck_assert_int_eq(via_condition_notify(&counter->other, 1), 0);
    ck_assert_int_eq(via_condition_notify(&counter->grown, 1), 0);
    ck_assert_int_eq(via_lock_release(&counter->lock), 0);
    return 0;
}

static void let_grow(via_loop *loop, struct counter *counter)
{
    via_future *task = start(loop, grow, counter);
    settle(loop);
    expect_end(task, 0);
}

static via_future *start_counter(via_loop *loop, struct counter *counter)
{
    ck_assert_int_eq(via_lock_init(loop, &counter->lock), 0);
    ck_assert_int_eq(via_condition_init(&counter->lock, &counter->grown), 0);
    ck_assert_int_eq(via_condition_init(&counter->lock, &counter->other), 0);
    via_future *task = start(loop, wait_until_enough, counter);
    settle(loop);
    return task;
}

TEST(a_predicate_is_asked_after_each_notification)
{
    via_loop *loop = open_loop();
    struct counter counter = {.wanted = 3};
    via_future *task = start_counter(loop, &counter);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(counter.asked, i);
        ck_assert_int_eq(via_future_done(task), 0);
        let_grow(loop, &counter);
    }
    expect_end(task, 0);
    ck_assert_int_eq(counter.said, 3);
    ck_assert_int_eq(counter.asked, 4);
    close_loop(loop);
}

TEST(a_predicate_that_holds_is_not_waited_for)
{
    via_loop *loop = open_loop();
    struct counter counter = {.value = 7, .wanted = 7};
    via_future *task = start_counter(loop, &counter);
    expect_end(task, 0);
    ck_assert_int_eq(counter.said, 7);
    close_loop(loop);
}

TEST(a_cancelled_wait_for_a_predicate_ends_under_the_lock)
{
    via_loop *loop = open_loop();
    struct counter counter = {.wanted = 3};
    via_future *task = start_counter(loop, &counter);
    cancel(task);
    settle(loop);
    expect_end(task, 0);
    ck_assert_int_eq(counter.said, VIA_ECANCELED);
    ck_assert_int_eq(via_lock_locked(&counter.lock), 0);
    close_loop(loop);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return VIA_ENOENT;
}

static int wait_for_failure(void *arg, void **result)
{
    struct counter *counter = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&counter->lock), 0);
    ck_assert_int_eq(via_condition_wait_for(&counter->grown, fail_at_once, NULL), VIA_ENOENT);
    return via_lock_release(&counter->lock);
}

TEST(a_predicate_may_fail)
{
    via_loop *loop = open_loop();
    struct counter counter = {.wanted = 0};
    via_future *task = start_counter(loop, &counter);
    via_future *other = start(loop, wait_for_failure, &counter);
    settle(loop);
    cancel(task);
    settle(loop);
    expect_end(other, 0);
    via_future_unref(task);
    close_loop(loop);
}

/* ---- closing the loop ---- */

TEST(closing_the_loop_ends_the_waits_under_the_lock)
{
    struct line line;
    open_line(&line);
    close_loop(line.loop);
    ASSERT_RECORD(&history, "A! B! C!");
    for (int i = 0; i < 3; i++)
        expect_end(line.tasks[i], VIA_ECANCELED);
    ck_assert_int_eq(via_lock_fini(&line.lock), 0);
}

static int keep_lock_for_ever(void *arg, void **result)
{
    struct line *line = arg;
    (void)result;
    return via_lock_acquire(&line->lock);
}

static int wait_for_lost_lock(void *arg, void **result)
{
    struct waiter *waiter = arg;
    (void)result;
    ck_assert_int_eq(via_lock_acquire(&waiter->line->lock), 0);
    int status = via_condition_wait(&waiter->line->condition);
    ck_assert_int_eq(via_lock_release(&waiter->line->lock), VIA_ESTATE);
    return status;
}

TEST(closing_the_loop_ends_the_waits_though_nobody_releases_the_lock)
{
    struct line line = {.loop = open_loop()};
    ck_assert_int_eq(via_lock_init(line.loop, &line.lock), 0);
    ck_assert_int_eq(via_condition_init(&line.lock, &line.condition), 0);
    for (int i = 0; i < 3; i++) {
        line.waiters[i] = (struct waiter){&line, "W"};
        line.tasks[i] = start(line.loop, wait_for_lost_lock, &line.waiters[i]);
    }
    via_future *keeper = start(line.loop, keep_lock_for_ever, &line);
    settle(line.loop);
    expect_end(keeper, 0);
    cancel(line.tasks[1]);
    close_loop(line.loop);
    for (int i = 0; i < 3; i++)
        expect_end(line.tasks[i], VIA_EDEADLK);
    ck_assert_int_eq(via_condition_fini(&line.condition), 0);
}

TEST_MAIN("sync/condition", notifying_wakes_as_many_as_were_asked_for_in_their_order,
          more_may_be_notified_than_wait, all_can_be_notified,
          a_lock_is_in_use_while_a_task_waits_in_a_condition_of_it,
          who_is_notified_goes_on_when_the_lock_is_released,
          a_task_that_is_cancelled_while_it_waits_has_the_lock_again,
          a_task_that_is_cancelled_waits_for_the_lock_first,
          a_task_that_was_notified_succeeds_though_it_is_cancelled,
          a_task_that_is_cancelled_gets_no_notification,
          a_task_that_is_cancelled_before_it_begins_does_not_wait, clean_up_may_wait_in_a_shielded_section,
          without_the_lock_nobody_waits_or_notifies, nobody_waits_outside_of_a_task_or_in_another_thread,
          a_predicate_is_asked_after_each_notification, a_predicate_that_holds_is_not_waited_for,
          a_cancelled_wait_for_a_predicate_ends_under_the_lock, a_predicate_may_fail,
          closing_the_loop_ends_the_waits_under_the_lock,
          closing_the_loop_ends_the_waits_though_nobody_releases_the_lock)
