/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/resource_fixture.h"

static int expect_with(struct thing *thing, int body_status, const char *record)
{
    via_test_recorder_clear(&history);
    int status = via_with(thing_resource(thing), give, &body_status);
    ASSERT_RECORD(&history, record);
    return status;
}

static int use_things(void *arg, void **result)
{
    struct thing thing = {.name = "T"};
    (void)arg;
    (void)result;
    ck_assert_int_eq(expect_with(&thing, 0, "+T body -T(VIA_OK)"), 0);
    ck_assert_int_eq(expect_with(&thing, VIA_ENOENT, "+T body -T(VIA_ENOENT)"), VIA_ENOENT);
    ck_assert_int_eq(expect_with(&thing, 42, "+T body -T(own)"), 42);
    return 0;
}

TEST(it_is_left_when_the_body_ends_and_when_it_fails)
{
    run_task(use_things, NULL);
}

static int fail_to_enter(void *arg, void **result)
{
    struct thing thing = {.name = "T", .enter_status = VIA_EPERM};
    (void)arg;
    (void)result;
    ck_assert_int_eq(expect_with(&thing, 0, "!T"), VIA_EPERM);
    thing.enter_status = 5;
    ck_assert_int_eq(expect_with(&thing, 0, "!T"), VIA_EFAILED);
    return 0;
}

TEST(what_was_not_entered_is_not_left)
{
    run_task(fail_to_enter, NULL);
}

static int settle_and_replace(void *arg, void **result)
{
    struct thing thing = {.name = "T", .leave_status = 1};
    struct reported reported;
    (void)arg;
    (void)result;
    count_reports(&reported);
    ck_assert_int_eq(expect_with(&thing, VIA_ENOENT, "+T body -T(VIA_ENOENT)"), 0);
    ck_assert_int_eq(reported.count, 0); /* it was settled on purpose */
    thing.leave_status = VIA_EPERM;
    ck_assert_int_eq(expect_with(&thing, 0, "+T body -T(VIA_OK)"), VIA_EPERM);
    ck_assert_int_eq(expect_with(&thing, VIA_EPERM, "+T body -T(VIA_EPERM)"), VIA_EPERM);
    ck_assert_int_eq(expect_with(&thing, VIA_EABORTED, "+T body -T(VIA_EABORTED)"), VIA_EPERM);
    ck_assert_int_eq(reported.count, 0); /* nothing was covered up */
    ck_assert_int_eq(expect_with(&thing, VIA_ENOENT, "+T body -T(VIA_ENOENT)"), VIA_EPERM);
    ck_assert_int_eq(reported.count, 1);
    ck_assert_int_eq(reported.status, VIA_ENOENT);
    ck_assert_int_eq(expect_with(&thing, 42, "+T body -T(own)"), VIA_EPERM);
    ck_assert_int_eq(reported.count, 2);
    ck_assert_int_eq(reported.status, VIA_EFAILED);
    return 0;
}

TEST(leaving_may_settle_the_matter_or_replace_the_status)
{
    run_task(settle_and_replace, NULL);
}

/* ---- cancelled at the four moments ---- */

static int with_thing(void *thing, void **result)
{
    (void)result;
    return via_with(thing_resource(thing), wait_for_ever, NULL);
}

/* Cancels the task when the history has so many words, and again when it has one more. */
static void cancel_at(int words, const char *record)
{
    via_loop *loop = open_virtual_loop();
    struct thing thing = {.name = "T"};
    via_future *task = start(loop, with_thing, &thing);
    RUN_UNTIL(loop, via_test_recorded(&history) == words);
    cancel(task);
    RUN_TICKS(loop, 1);
    cancel(task);
    RUN_UNTIL(loop, via_future_done(task) == 1);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, record);
    close_loop(loop);
}

TEST(cancelled_before_it_begins_nothing_is_entered)
{
    cancel_at(0, "");
}

TEST(cancelled_while_it_enters_nothing_is_left)
{
    via_loop *loop = open_loop();
    struct thing thing = {.name = "T"};
    via_future *task = start(loop, with_thing, &thing);
    settle(loop);
    cancel(task);
    settle(loop);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, "!T");
    close_loop(loop);
}

TEST(cancelled_inside_it_is_left_with_awaits)
{
    cancel_at(2, "+T body -T(VIA_ECANCELED)");
}

/* The request comes when the body has ended, while leaving awaits. */
static int with_short_body(void *thing, void **result)
{
    int status = 0;
    (void)result;
    return via_with(thing_resource(thing), give, &status);
}

TEST(cancelled_while_it_leaves_it_is_left_all_the_same)
{
    via_loop *loop = open_virtual_loop();
    struct thing thing = {.name = "T"};
    via_future *task = start(loop, with_short_body, &thing);
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    cancel(task);
    RUN_UNTIL(loop, via_future_done(task) == 1);
    expect_end(task, 0);
    ASSERT_RECORD(&history, "+T body -T(VIA_OK)");
    close_loop(loop);
}

/* ---- locks and semaphores ---- */

struct pair {
    struct via_lock lock;
    struct via_semaphore semaphore;
};

static int look_at_lock(void *value, void *arg)
{
    struct pair *pair = arg;
    ck_assert_ptr_eq(value, &pair->lock);
    ck_assert_int_eq(via_lock_locked(&pair->lock), 1);
    return VIA_ENOENT;
}

static int look_at_semaphore(void *value, void *arg)
{
    struct pair *pair = arg;
    ck_assert_ptr_eq(value, &pair->semaphore);
    ck_assert_int_eq(via_semaphore_value(&pair->semaphore), 0);
    return 3;
}

static int release_it(void *value, void *arg)
{
    (void)arg;
    return via_lock_release(value);
}

static int use_both(void *arg, void **result)
{
    struct pair pair;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_lock_init(NULL, &pair.lock), 0);
    ck_assert_int_eq(via_semaphore_init(NULL, 1, 1, &pair.semaphore), 0);
    ck_assert_int_eq(via_with(via_lock_resource(&pair.lock), look_at_lock, &pair), VIA_ENOENT);
    ck_assert_int_eq(via_lock_locked(&pair.lock), 0);
    ck_assert_int_eq(via_with(via_semaphore_resource(&pair.semaphore), look_at_semaphore, &pair), 3);
    ck_assert_int_eq(via_semaphore_value(&pair.semaphore), 1);
    ck_assert_int_eq(via_with(via_lock_resource(&pair.lock), release_it, NULL), VIA_ESTATE);
    return 0;
}

TEST(a_lock_or_a_unit_is_had_inside_and_not_after)
{
    run_task(use_both, NULL);
}

static int hold_lock(void *lock, void **result)
{
    (void)result;
    return via_with(via_lock_resource(lock), wait_for_ever, NULL);
}

TEST(a_lock_is_released_when_its_holder_is_cancelled)
{
    via_loop *loop = open_loop();
    struct via_lock lock;
    ck_assert_int_eq(via_lock_init(loop, &lock), 0);
    via_future *holder = start(loop, hold_lock, &lock), *next = start(loop, hold_lock, &lock);
    settle(loop);
    ASSERT_RECORD(&history, "body");
    cancel(holder);
    settle(loop);
    ASSERT_RECORD(&history, "body body");
    expect_end(holder, VIA_ECANCELED);
    cancel(next);
    settle(loop);
    expect_end(next, VIA_ECANCELED);
    ck_assert_int_eq(via_lock_fini(&lock), 0);
    close_loop(loop);
}

/* ---- coroutines that yield once ---- */

/* Says "acquired", yields its argument, says how that went and "released", awaits, and passes the status on.
 */
static int acquire_and_release(void *arg, void **result)
{
    (void)result;
    int status = via_sleep(VIA_S);
    via_test_record(&history, "acquired");
    if (status == 0)
        status = via_coro_yield(arg, NULL);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    via_test_record(&history, "released(%s)", via_status_name(status));
    return status;
}

static int settle_not_found(void *arg, void **result)
{
    int status = acquire_and_release(arg, result);
    return status == VIA_ENOENT ? 0 : status;
}

static int yield_nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

static int yield_twice(void *arg, void **result)
{
    (void)result;
    int status = via_coro_yield(arg, NULL);
    via_test_record(&history, "again");
    status = via_coro_yield(arg, NULL);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

static int with_coro(via_coro_fn fn, int body_status, const char *record)
{
    via_coro *coro = NULL;
    via_test_recorder_clear(&history);
    ck_assert_int_eq(via_coro_new(fn, &body_status, NULL, &coro), 0);
    int status = via_with(via_coro_resource(coro), give, &body_status);
    ASSERT_RECORD(&history, record);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_DONE);
    ck_assert_ptr_null(via_coro_free(coro));
    return status;
}

static int use_coros(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(with_coro(acquire_and_release, 0, "acquired body released(VIA_OK)"), 0);
    ck_assert_int_eq(with_coro(acquire_and_release, VIA_ENOENT, "acquired body released(VIA_ENOENT)"),
                     VIA_ENOENT);
    ck_assert_int_eq(with_coro(acquire_and_release, 42, "acquired body released(VIA_EFAILED)"), 42);
    ck_assert_int_eq(with_coro(settle_not_found, VIA_ENOENT, "acquired body released(VIA_ENOENT)"), 0);
    ck_assert_int_eq(with_coro(settle_not_found, VIA_EPERM, "acquired body released(VIA_EPERM)"), VIA_EPERM);
    return 0;
}

TEST(a_coroutine_that_yields_once_is_a_resource)
{
    run_task(use_coros, NULL);
}

static int use_wrong_coros(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(with_coro(yield_nothing, 0, ""), VIA_ESTATE);
    ck_assert_int_eq(with_coro(yield_twice, 0, "body again VIA_ECANCELED"), VIA_ESTATE);
    ck_assert_int_eq(with_coro(yield_twice, VIA_ENOENT, "body again VIA_ECANCELED"), VIA_ESTATE);
    return 0;
}

TEST(one_that_yields_never_or_twice_is_an_error)
{
    run_task(use_wrong_coros, NULL);
}

static int hold_coro(void *coro, void **result)
{
    (void)result;
    return via_with(via_coro_resource(coro), wait_for_ever, NULL);
}

TEST(a_coroutine_hears_that_the_body_was_cancelled_and_may_await)
{
    via_loop *loop = open_virtual_loop();
    via_coro *coro = NULL;
    ck_assert_int_eq(via_coro_new(acquire_and_release, NULL, NULL, &coro), 0);
    via_future *task = start(loop, hold_coro, coro);
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    cancel(task);
    RUN_UNTIL(loop, via_future_done(task) == 1);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, "acquired body released(VIA_ECANCELED)");
    ck_assert_ptr_null(via_coro_free(coro));
    close_loop(loop);
}

/* ---- generators that are closed ---- */

static int count_up_for_ever(void *arg, void **result)
{
    int status = 0;
    (void)result;
    for (int i = 0; status == 0; i++)
        status = via_coro_yield(&i, NULL);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    via_test_record(&history, "cleaned");
    return *(int *)arg < 0 ? *(int *)arg : status;
}

static int take_two(void *value, void *arg)
{
    void *item;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(via_coro_next(value, &item), 1);
        ck_assert_int_eq(*(int *)item, i);
    }
    return *(int *)arg;
}

static int close_generator(int body_status, int clean_up_status)
{
    via_coro *coro = NULL;
    via_test_recorder_clear(&history);
    ck_assert_int_eq(via_coro_new(count_up_for_ever, &clean_up_status, NULL, &coro), 0);
    int status = via_with(via_coro_closing(coro), take_two, &body_status);
    ASSERT_RECORD(&history, "cleaned");
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_DONE);
    ck_assert_ptr_null(via_coro_free(coro));
    return status;
}

static int close_generators(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(close_generator(0, 0), 0);
    ck_assert_int_eq(close_generator(VIA_ENOENT, 0), VIA_ENOENT);
    ck_assert_int_eq(close_generator(0, VIA_EPERM), VIA_EPERM);
    return 0;
}

TEST(a_generator_that_was_left_early_is_closed)
{
    run_task(close_generators, NULL);
}

static int iterate_and_wait(void *value, void *arg)
{
    (void)arg;
    ck_assert_int_eq(via_coro_next(value, NULL), 1);
    return wait_for_ever(NULL, NULL);
}

static int hold_generator(void *coro, void **result)
{
    (void)result;
    return via_with(via_coro_closing(coro), iterate_and_wait, NULL);
}

TEST(a_generator_is_closed_when_its_task_is_cancelled)
{
    via_loop *loop = open_virtual_loop();
    via_coro *coro = NULL;
    int clean_up_status = 0;
    ck_assert_int_eq(via_coro_new(count_up_for_ever, &clean_up_status, NULL, &coro), 0);
    via_future *task = start(loop, hold_generator, coro);
    RUN_UNTIL(loop, via_test_recorded(&history) == 1);
    cancel(task);
    RUN_UNTIL(loop, via_future_done(task) == 1);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, "body cleaned");
    ck_assert_ptr_null(via_coro_free(coro));
    close_loop(loop);
}

TEST(resources_are_for_tasks)
{
    struct thing thing = {.name = "T"};
    int status = 0;
    ck_assert_int_eq(via_with(thing_resource(&thing), give, &status), VIA_ESTATE);
    ck_assert_int_eq(via_with(thing_resource(&thing), NULL, &status), VIA_EINVAL);
    ASSERT_RECORD(&history, "");
}

TEST_MAIN("sync/resource", it_is_left_when_the_body_ends_and_when_it_fails, what_was_not_entered_is_not_left,
          leaving_may_settle_the_matter_or_replace_the_status, cancelled_before_it_begins_nothing_is_entered,
          cancelled_while_it_enters_nothing_is_left, cancelled_inside_it_is_left_with_awaits,
          cancelled_while_it_leaves_it_is_left_all_the_same, a_lock_or_a_unit_is_had_inside_and_not_after,
          a_lock_is_released_when_its_holder_is_cancelled, a_coroutine_that_yields_once_is_a_resource,
          one_that_yields_never_or_twice_is_an_error,
          a_coroutine_hears_that_the_body_was_cancelled_and_may_await,
          a_generator_that_was_left_early_is_closed, a_generator_is_closed_when_its_task_is_cancelled,
          resources_are_for_tasks)
