/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles: cancelling, dropping, outliving. */
#include "unit/loop/loop_fixture.h"

TEST(a_cancelled_callback_never_runs)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, &handle), 0);
    ck_assert_int_eq(via_handle_cancelled(handle), 0);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    ck_assert_int_eq(via_handle_cancelled(handle), 1);
    ck_assert_int_eq(via_loop_step(loop, 0), 0);
    via_handle_unref(handle);
    close_loop(loop);
}

TEST(cancelling_again_changes_nothing)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_later(loop, 0, never_called, NULL, &handle), 0);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    via_handle_unref(handle);
    close_loop(loop);
}

TEST(a_cancelled_callback_is_skipped)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, &handle), 0);
    soon(loop, "other");
    ck_assert_int_eq(via_handle_cancel(handle), 1);
    ck_assert_int_eq(via_loop_step(loop, 0), 1);
    ASSERT_RECORD(&history, "other");
    ck_assert_uint_eq(stats_of(loop).ready, 0);
    via_handle_unref(handle);
    close_loop(loop);
}

struct canceller {
    via_handle *victim;
    int result;
    int victim_runs;
};

static int cancel_victim(void *arg)
{
    struct canceller *canceller = arg;
    canceller->result = via_handle_cancel(canceller->victim);
    return 0;
}

TEST(a_callback_cancelled_by_an_earlier_one_of_its_tick_never_runs)
{
    via_loop *loop = open_loop();
    struct canceller canceller = {NULL, -1, 0};
    ck_assert_int_eq(via_call_soon(loop, cancel_victim, &canceller, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, &canceller.victim), 0);
    run_one_tick(loop);
    ck_assert_int_eq(canceller.result, 1);
    via_handle_unref(canceller.victim);
    close_loop(loop);
}

TEST(cancelling_after_the_run_is_too_late)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    int runs = 0;
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, &handle), 0);
    run_one_tick(loop);
    ck_assert_int_eq(via_handle_cancel(handle), 0);
    ck_assert_int_eq(via_handle_cancelled(handle), 0);
    ck_assert_int_eq(runs, 1);
    via_handle_unref(handle);
    close_loop(loop);
}

static int cancel_self(void *arg)
{
    struct canceller *canceller = arg;
    canceller->victim_runs++;
    canceller->result = via_handle_cancel(canceller->victim);
    return 0;
}

TEST(cancelling_itself_has_no_effect_on_a_callback)
{
    via_loop *loop = open_loop();
    struct canceller canceller = {NULL, -1, 0};
    ck_assert_int_eq(via_call_soon(loop, cancel_self, &canceller, &canceller.victim), 0);
    run_one_tick(loop);
    ck_assert_int_eq(canceller.victim_runs, 1);
    ck_assert_int_eq(canceller.result, 0);
    ck_assert_int_eq(via_handle_cancelled(canceller.victim), 0);
    via_handle_unref(canceller.victim);
    close_loop(loop);
}

TEST(cancelling_itself_has_no_effect_on_a_timer)
{
    via_loop *loop = open_loop();
    struct canceller canceller = {NULL, -1, 0};
    ck_assert_int_eq(via_call_later(loop, -1, cancel_self, &canceller, &canceller.victim), 0);
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(canceller.victim_runs, 1);
    ck_assert_int_eq(canceller.result, 0);
    via_handle_unref(canceller.victim);
    close_loop(loop);
}

TEST(dropping_a_handle_does_not_cancel_its_callback)
{
    via_loop *loop = open_loop();
    via_handle *handle = NULL;
    int runs = 0;
    ck_assert_int_eq(via_call_soon(loop, count_up, &runs, &handle), 0);
    ck_assert_ptr_null(via_handle_unref(handle));
    ck_assert_int_eq(via_call_later(loop, -1, count_up, &runs, &handle), 0);
    ck_assert_ptr_null(via_handle_unref(handle));
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(runs, 2);
    close_loop(loop);
}

TEST(a_callback_may_drop_its_own_handle)
{
    via_loop *loop = open_loop();
    struct canceller canceller = {NULL, -1, 0};
    ck_assert_int_eq(via_call_soon(loop, cancel_self, &canceller, &canceller.victim), 0);
    RUN_UNTIL(loop, canceller.victim_runs == 1);
    canceller.victim = via_handle_unref(canceller.victim);
    ck_assert_ptr_null(canceller.victim);
    RUN_TICKS(loop, 2);
    close_loop(loop);
}

TEST(cancelling_gives_the_argument_back_at_once)
{
    via_loop *loop = open_loop();
    via_handle *handles[2];
    int *argument = malloc(sizeof *argument);
    ck_assert_int_eq(via_call_soon(loop, count_up, argument, &handles[0]), 0);
    ck_assert_int_eq(via_call_later(loop, 0, count_up, argument, &handles[1]), 0);
    ck_assert_int_eq(via_handle_cancel(handles[0]), 1);
    ck_assert_int_eq(via_handle_cancel(handles[1]), 1);
    free(argument);
    ck_assert_int_eq(via_loop_step(loop, 0), 0);
    via_handle_unref(handles[0]);
    via_handle_unref(handles[1]);
    close_loop(loop);
}

TEST(handles_stay_valid_when_the_loop_is_gone)
{
    via_loop *loop = open_loop();
    via_handle *handles[3];
    ck_assert_int_eq(via_call_soon(loop, never_called, NULL, &handles[0]), 0);
    ck_assert_int_eq(via_call_later(loop, VIA_S, never_called, NULL, &handles[1]), 0);
    ck_assert_int_eq(via_call_soon_threadsafe(loop, never_called, NULL, &handles[2]), 0);
    close_loop(loop);
    for (int i = 0; i < 3; i++) {
        int rc = via_handle_cancel(handles[i]);
        ck_assert_msg(rc == 0 || rc == 1 || rc == VIA_ECLOSED, "cancel says %d", rc);
        ck_assert_ptr_null(via_handle_unref(handles[i]));
    }
}

TEST(a_missing_handle_is_refused)
{
    ck_assert_int_eq(via_handle_cancel(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_handle_cancelled(NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_handle_unref(NULL));
}

TEST_MAIN("loop/handle", a_cancelled_callback_never_runs, cancelling_again_changes_nothing,
          a_cancelled_callback_is_skipped, a_callback_cancelled_by_an_earlier_one_of_its_tick_never_runs,
          cancelling_after_the_run_is_too_late, cancelling_itself_has_no_effect_on_a_callback,
          cancelling_itself_has_no_effect_on_a_timer, dropping_a_handle_does_not_cancel_its_callback,
          a_callback_may_drop_its_own_handle, cancelling_gives_the_argument_back_at_once,
          handles_stay_valid_when_the_loop_is_gone, a_missing_handle_is_refused)
