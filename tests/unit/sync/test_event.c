/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/sync_fixture.h"
#include <viaduct/event.h>

struct waiter {
    struct via_event *event;
    const char *name;
};

static int wait_for_event(void *arg, void **result)
{
    struct waiter *waiter = arg;
    (void)result;
    int status = via_event_wait(waiter->event);
    via_test_record(&history, "%s%s", waiter->name, status < 0 ? "!" : "");
    return status;
}

/* A loop with an event for which A, B and C wait. */
struct line {
    via_loop *loop;
    struct via_event event;
    struct waiter waiters[3];
    via_future *tasks[3];
};

static void open_line(struct line *line)
{
    static const char *const names[] = {"A", "B", "C"};
    line->loop = open_loop();
    ck_assert_int_eq(via_event_init(line->loop, &line->event), 0);
    for (int i = 0; i < 3; i++) {
        line->waiters[i] = (struct waiter){&line->event, names[i]};
        line->tasks[i] = start(line->loop, wait_for_event, &line->waiters[i]);
    }
    settle(line->loop);
    ASSERT_RECORD(&history, "");
}

static void close_line(struct line *line, const int *statuses)
{
    settle(line->loop);
    for (int i = 0; i < 3; i++)
        expect_end(line->tasks[i], statuses[i]);
    ck_assert_int_eq(via_event_fini(&line->event), 0);
    close_loop(line->loop);
}

TEST(setting_it_releases_everybody_in_their_order)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_event_is_set(&line.event), 0);
    ck_assert_int_eq(via_event_set(&line.event), 0);
    ck_assert_int_eq(via_event_is_set(&line.event), 1);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C");
}

TEST(set_and_cleared_at_once_it_still_releases_those_who_waited)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_event_set(&line.event), 0);
    ck_assert_int_eq(via_event_clear(&line.event), 0);
    struct waiter late = {&line.event, "late"};
    via_future *task = start(line.loop, wait_for_event, &late);
    settle(line.loop);
    ASSERT_RECORD(&history, "A B C");
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_event_set(&line.event), 0);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C late");
    expect_end(task, 0);
}

static int wait_for_set(void *arg, void **result)
{
    struct via_event event;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_event_init(NULL, &event), 0);
    ck_assert_int_eq(via_event_set(&event), 0);
    struct via_loop_stats before = stats_of(via_loop_current());
    ck_assert_int_eq(via_event_wait(&event), 0);
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_event_wait(&event), 0); /* what is there is had */
    ck_assert_uint_eq(stats_of(via_loop_current()).ticks, before.ticks);
    ck_assert_int_eq(via_event_clear(&event), 0);
    ck_assert_int_eq(via_event_is_set(&event), 0);
    ck_assert_int_eq(via_event_wait(&event), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_event_fini(&event), 0);
    return 0;
}

TEST(a_set_event_is_not_waited_for)
{
    run_task(wait_for_set, NULL);
}

TEST(a_task_that_is_cancelled_while_it_waits_leaves_the_line)
{
    struct line line;
    open_line(&line);
    cancel(line.tasks[1]);
    settle(line.loop);
    ASSERT_RECORD(&history, "B!");
    ck_assert_int_eq(via_event_set(&line.event), 0);
    close_line(&line, (int[]){0, VIA_ECANCELED, 0});
    ASSERT_RECORD(&history, "B! A C");
}

TEST(a_task_that_is_cancelled_before_it_begins_does_not_wait)
{
    struct line line;
    open_line(&line);
    via_future *task = start(line.loop, wait_for_event, &line.waiters[0]);
    cancel(task);
    settle(line.loop);
    expect_end(task, VIA_ECANCELED);
    ck_assert_int_eq(via_event_set(&line.event), 0);
    close_line(&line, (int[]){0, 0, 0});
}

TEST(who_was_released_has_waited_though_it_is_cancelled)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_event_set(&line.event), 0);
    cancel(line.tasks[0]);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C");
}

static int wait_in_clean_up(void *arg, void **result)
{
    struct line *line = arg;
    struct via_scope shield;
    (void)result;
    ck_assert_int_eq(via_event_wait(&line->event), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    int status = via_event_wait(&line->event);
    via_test_record(&history, "cleaned");
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return status;
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
    ck_assert_int_eq(via_event_set(&line.event), 0);
    close_line(&line, (int[]){0, 0, 0});
    ASSERT_RECORD(&history, "A B C cleaned");
    expect_end(task, 0);
}

static int set_it(void *event)
{
    return via_event_set(event);
}

static int run_elsewhere(void *event)
{
    ck_assert_int_eq(via_event_clear(event), VIA_EFOREIGN);
    ck_assert_int_eq(via_event_wait(event), VIA_EFOREIGN);
    ck_assert_int_eq(via_event_is_set(event), VIA_EFOREIGN);
    return via_event_set(event);
}

TEST(a_callback_may_set_it_but_no_other_thread)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(in_another_thread(run_elsewhere, &line.event), VIA_EFOREIGN);
    ck_assert_int_eq(via_call_soon_threadsafe(line.loop, set_it, &line.event, NULL), 0);
    close_line(&line, (int[]){0, 0, 0});
}

TEST(nobody_waits_outside_of_a_task)
{
    via_loop *loop = open_loop();
    struct via_event event;
    ck_assert_int_eq(via_event_init(NULL, &event), VIA_ESTATE);
    ck_assert_int_eq(via_event_init(loop, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_event_init(loop, &event), 0);
    ck_assert_int_eq(via_event_wait(&event), VIA_ESTATE);
    ck_assert_int_eq(via_event_set(&event), 0);
    ck_assert_int_eq(via_event_wait(&event), VIA_ESTATE);
    ck_assert_int_eq(via_event_wait(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_event_set(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_event_clear(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_event_is_set(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_event_fini(NULL), VIA_EINVAL);
    close_loop(loop);
    ck_assert_int_eq(via_event_fini(&event), 0);
    ck_assert_int_eq(via_event_fini(&event), VIA_EINVAL);
}

TEST(it_is_not_finished_while_tasks_wait)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_event_fini(&line.event), VIA_EBUSY);
    ck_assert_int_eq(via_event_set(&line.event), 0);
    close_line(&line, (int[]){0, 0, 0});
}

static int describe(void *arg)
{
    struct line *line = arg;
    char text[256];
    ck_assert_int_gt(via_tasks_describe(line->loop, sizeof text, text), 0);
    ck_assert_ptr_nonnull(strstr(text, "an event"));
    return 0;
}

TEST(a_report_says_what_the_tasks_wait_for)
{
    struct line line;
    open_line(&line);
    ck_assert_int_eq(via_call_soon(line.loop, describe, &line, NULL), 0);
    settle(line.loop);
    ck_assert_int_eq(via_loop_close(line.loop), 0);
    ASSERT_RECORD(&history, "A! B! C!");
    for (int i = 0; i < 3; i++)
        expect_end(line.tasks[i], VIA_ECANCELED);
    via_loop_unref(line.loop);
}

TEST_MAIN("sync/event", setting_it_releases_everybody_in_their_order,
          set_and_cleared_at_once_it_still_releases_those_who_waited, a_set_event_is_not_waited_for,
          a_task_that_is_cancelled_while_it_waits_leaves_the_line,
          a_task_that_is_cancelled_before_it_begins_does_not_wait,
          who_was_released_has_waited_though_it_is_cancelled, clean_up_may_wait_in_a_shielded_section,
          a_callback_may_set_it_but_no_other_thread, nobody_waits_outside_of_a_task,
          it_is_not_finished_while_tasks_wait, a_report_says_what_the_tasks_wait_for)
