/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/sync/resource_fixture.h"

static void enter(struct via_exit_stack *stack, struct thing *thing)
{
    void *value = NULL;
    ck_assert_int_eq(via_exit_stack_enter(stack, thing_resource(thing), &value), 0);
    ck_assert_ptr_eq(value, thing);
}

static void called(void *name)
{
    ck_assert_int_eq(via_sleep(VIA_S), 0); /* it may await too */
    via_test_record(&history, "%s()", (const char *)name);
}

static int unwind(void *arg, void **result)
{
    struct thing a = {.name = "A"}, b = {.name = "B"}, c = {.name = "C"};
    struct via_exit_stack stack;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    ck_assert_int_eq(via_exit_stack_close(&stack, VIA_ENOENT), VIA_ENOENT); /* it is empty */
    enter(&stack, &a);
    ck_assert_int_eq(via_exit_stack_callback(&stack, called, "f"), 0);
    enter(&stack, &b);
    ck_assert_int_eq(via_exit_stack_push(&stack, thing_resource(&c)), 0);
    ASSERT_RECORD(&history, "+A +B");
    ck_assert_int_eq(via_exit_stack_close(&stack, 0), 0);
    ASSERT_RECORD(&history, "+A +B -C(VIA_OK) -B(VIA_OK) f() -A(VIA_OK)");
    ck_assert_int_eq(via_exit_stack_close(&stack, 0), 0);
    return 0;
}

TEST(what_was_entered_last_is_left_first)
{
    run_task(unwind, NULL);
}

static int pass_status(void *arg, void **result)
{
    struct thing a = {.name = "A"}, settler = {.name = "S", .leave_status = 1},
                 breaker = {.name = "X", .leave_status = VIA_EPERM};
    struct via_exit_stack stack;
    struct reported reported;
    (void)arg;
    (void)result;
    count_reports(&reported);
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    enter(&stack, &a);
    enter(&stack, &settler);
    enter(&stack, &a);
    via_test_recorder_clear(&history);
    ck_assert_int_eq(via_exit_stack_close(&stack, VIA_ENOENT), 0);
    ASSERT_RECORD(&history, "-A(VIA_ENOENT) -S(VIA_ENOENT) -A(VIA_OK)");
    ck_assert_int_eq(reported.count, 0);

    enter(&stack, &a);
    enter(&stack, &breaker);
    ck_assert_int_eq(via_exit_stack_callback(&stack, called, "f"), 0);
    enter(&stack, &a);
    via_test_recorder_clear(&history);
    ck_assert_int_eq(via_exit_stack_close(&stack, VIA_ENOENT), VIA_EPERM);
    ASSERT_RECORD(&history, "-A(VIA_ENOENT) f() -X(VIA_ENOENT) -A(VIA_EPERM)");
    ck_assert_int_eq(reported.count, 1);
    ck_assert_int_eq(reported.status, VIA_ENOENT);
    return 0;
}

TEST(each_hears_how_the_one_before_it_has_ended)
{
    run_task(pass_status, NULL);
}

static int fail_in_the_middle(void *arg, void **result)
{
    struct thing a = {.name = "A"}, bad = {.name = "B", .enter_status = VIA_EPERM};
    struct via_exit_stack stack;
    void *value = arg;
    (void)result;
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    enter(&stack, &a);
    int status = via_exit_stack_enter(&stack, thing_resource(&bad), &value);
    ck_assert_int_eq(status, VIA_EPERM);
    ck_assert_ptr_eq(value, arg);
    ck_assert_int_eq(via_exit_stack_close(&stack, status), VIA_EPERM);
    ASSERT_RECORD(&history, "+A !B -A(VIA_EPERM)");
    return 0;
}

TEST(what_was_entered_before_a_failure_is_left)
{
    run_task(fail_in_the_middle, NULL);
}

static int hold_two(void *arg, void **result)
{
    struct thing *things = arg;
    struct via_exit_stack stack;
    (void)result;
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    enter(&stack, &things[0]);
    enter(&stack, &things[1]);
    return via_exit_stack_close(&stack, via_sleep(VIA_FOREVER));
}

TEST(everything_is_left_when_the_task_is_cancelled)
{
    via_loop *loop = open_virtual_loop();
    struct thing things[] = {{.name = "A"}, {.name = "B"}};
    via_future *task = start(loop, hold_two, things);
    RUN_UNTIL(loop, via_test_recorded(&history) == 2);
    RUN_TICKS(loop, 2);
    cancel(task);
    RUN_TICKS(loop, 1);
    cancel(task); /* while they are left */
    RUN_UNTIL(loop, via_future_done(task) == 1);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, "+A +B -B(VIA_ECANCELED) -A(VIA_ECANCELED)");
    close_loop(loop);
}

/* Enters two for its caller, who gets them only if all goes well. */
static int open_two(struct thing *things, int fail, struct via_exit_stack *out)
{
    struct via_exit_stack stack;
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    enter(&stack, &things[0]);
    enter(&stack, &things[1]);
    if (fail)
        return via_exit_stack_close(&stack, VIA_ENOENT);
    ck_assert_int_eq(via_exit_stack_move(&stack, out), 0);
    return via_exit_stack_close(&stack, 0);
}

static int hand_over(void *arg, void **result)
{
    struct thing things[] = {{.name = "A"}, {.name = "B"}};
    struct via_exit_stack stack, full;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    ck_assert_int_eq(via_exit_stack_init(&full), 0);
    ck_assert_int_eq(open_two(things, 1, &stack), VIA_ENOENT);
    ASSERT_RECORD(&history, "+A +B -B(VIA_ENOENT) -A(VIA_ENOENT)");
    via_test_recorder_clear(&history);
    ck_assert_int_eq(open_two(things, 0, &stack), 0);
    ASSERT_RECORD(&history, "+A +B");
    enter(&full, &things[0]);
    ck_assert_int_eq(via_exit_stack_move(&stack, &full), VIA_ESTATE);
    ck_assert_int_eq(via_exit_stack_close(&full, 0), 0);
    ck_assert_int_eq(via_exit_stack_move(NULL, &full), VIA_EINVAL);
    ck_assert_int_eq(via_exit_stack_move(&full, NULL), VIA_EINVAL);
    via_test_recorder_clear(&history);
    ck_assert_int_eq(via_exit_stack_close(&stack, 0), 0);
    ASSERT_RECORD(&history, "-B(VIA_OK) -A(VIA_OK)");
    return 0;
}

TEST(what_was_entered_can_be_handed_over)
{
    run_task(hand_over, NULL);
}

static int misuse(void *arg, void **result)
{
    struct via_exit_stack stack;
    struct thing thing = {.name = "A"};
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_exit_stack_init(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    ck_assert_int_eq(via_exit_stack_enter(NULL, thing_resource(&thing), NULL), VIA_EINVAL);
    ck_assert_int_eq(via_exit_stack_push(NULL, thing_resource(&thing)), VIA_EINVAL);
    ck_assert_int_eq(via_exit_stack_callback(NULL, called, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_exit_stack_callback(&stack, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_exit_stack_close(NULL, 0), VIA_EINVAL);
    ASSERT_RECORD(&history, "");
    return 0;
}

TEST(it_is_for_tasks)
{
    struct via_exit_stack stack;
    struct thing thing = {.name = "A"};
    run_task(misuse, NULL);
    ck_assert_int_eq(via_exit_stack_init(&stack), 0);
    ck_assert_int_eq(via_exit_stack_enter(&stack, thing_resource(&thing), NULL), VIA_ESTATE);
    ck_assert_int_eq(via_exit_stack_push(&stack, thing_resource(&thing)), VIA_ESTATE);
    ck_assert_int_eq(via_exit_stack_callback(&stack, called, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_exit_stack_close(&stack, 0), VIA_ESTATE);
    ASSERT_RECORD(&history, "");
}

TEST_MAIN("sync/exit_stack", what_was_entered_last_is_left_first, each_hears_how_the_one_before_it_has_ended,
          what_was_entered_before_a_failure_is_left, everything_is_left_when_the_task_is_cancelled,
          what_was_entered_can_be_handed_over, it_is_for_tasks)
