/* SPDX-License-Identifier: BSD-3-Clause */
/* Awaiting what does not end when it is asked to: futures that ignore it, or that ask the asker back. */
#include "unit/task/task_fixture.h"

#include <config.h>

#include "bridge/future.h"

/* A driven future that does not end when it is cancelled, but passes the request on to a task. */
struct stubborn {
    struct via__driven driven;
    via_future *task; /* borrowed, or NULL */
    int asked;
};

static struct stubborn *stubborn_of(via_future *future)
{
    return VIA__CONTAINER_OF(future, struct stubborn, driven.pair.future);
}

static int ask_back(via_future *future)
{
    struct stubborn *stubborn = stubborn_of(future);
    stubborn->asked++;
    if (stubborn->task)
        (void)via__future_cancel(stubborn->task);
    return VIA_CANCEL_REQUESTED;
}

static void close_stubborn(via_future *future)
{
    via_future_unref(future);
}

static via_future *new_stubborn(via_loop *loop)
{
    static const struct via__driven_kind kind = {
        .what = "something stubborn", .cancel = ask_back, .closed = close_stubborn};
    struct stubborn *stubborn = calloc(1, sizeof *stubborn);
    ck_assert_ptr_nonnull(stubborn);
    via__driven_init(&stubborn->driven, via__bridge_of(loop), &kind, 0);
    return via_future_ref(&stubborn->driven.pair.future);
}

static void end_stubborn(via_future *future)
{
    via__promise_finish(future, 0, 0, NULL, NULL);
    via_future_unref(future);
}

static int await_and_say(void *future, void **result)
{
    int status = via_await(via_future_ref(future), result);
    via_test_record(&history, "%s", via_status_name(status));
    return status;
}

TEST(the_wait_goes_on_until_the_future_has_ended)
{
    via_loop *loop = open_task_loop();
    via_future *future = new_stubborn(loop), *task = create(loop, await_and_say, future);
    settle(loop);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
        ck_assert_int_eq(stubborn_of(future)->asked, i);
        settle(loop);
    }
    ASSERT_RECORD(&history, "");
    end_stubborn(future);
    ck_assert_int_eq(run_task(loop, task), 0);
    ASSERT_RECORD(&history, "VIA_OK");
    via_future_unref(future);
    close_loop(loop);
}

TEST(a_request_that_comes_back_to_the_task_ends_there)
{
    via_loop *loop = open_task_loop();
    via_future *future = new_stubborn(loop), *task = create(loop, await_and_say, future);
    stubborn_of(future)->task = task;
    settle(loop);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(stubborn_of(future)->asked, 1);
    ck_assert_int_eq(via_task_cancelling(task), 2);
    end_stubborn(future);
    ck_assert_int_eq(run_task(loop, task), 0);
    via_future_unref(future);
    close_loop(loop);
}

TEST(closing_the_loop_gives_the_wait_up)
{
    via_loop *loop = open_task_loop();
    via_future *future = new_stubborn(loop), *task = create(loop, await_and_say, future);
    via_future *outer = create(loop, await_and_say, task);
    stubborn_of(future)->task = outer;
    settle(loop);
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    ck_assert_int_eq(via_future_state(outer), VIA_CANCELLED);
    ASSERT_RECORD(&history, "VIA_ECANCELED VIA_ECANCELED");
    via_future_unref(task);
    via_future_unref(outer);
    via_future_unref(future);
    via_loop_unref(loop);
}

TEST_MAIN("task/stubborn", the_wait_goes_on_until_the_future_has_ended,
          a_request_that_comes_back_to_the_task_ends_there, closing_the_loop_gives_the_wait_up)
