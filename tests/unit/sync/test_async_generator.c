/* SPDX-License-Identifier: BSD-3-Clause */
/* Generators that are stepped in a task may await: then the task waits, in the midst of them. */
#include "unit/sync/sync_fixture.h"
#include <viaduct/coro.h>
#include <viaduct/log.h>

static via_coro *make(via_coro_fn fn, void *arg)
{
    via_coro *coro = NULL;
    ck_assert_int_eq(via_coro_new(fn, arg, NULL, &coro), 0);
    return coro;
}

static void drop(via_coro *coro)
{
    ck_assert_ptr_null(via_coro_free(coro));
}

static void expect_next(via_coro *coro, int value)
{
    void *item = NULL;
    ck_assert_int_eq(via_coro_next(coro, &item), 1);
    ck_assert_int_eq(*(int *)item, value);
}

/* Yields 0, 1, 2 with a second before each, says "cleaned" after an await at its end, and returns how the
 * last yield or await went. */
static int count_slowly(void *arg, void **result)
{
    int status = 0;
    (void)arg;
    (void)result;
    for (int i = 0; i < 3 && status == 0; i++) {
        status = via_sleep(VIA_S);
        if (status == 0)
            status = via_coro_yield(&i, NULL);
    }
    int slept = via_sleep(VIA_S);
    via_test_record(&history, slept == 0 ? "cleaned" : "cut");
    return status;
}

static int64_t seconds_since(int64_t begun_ns)
{
    return (via_loop_time_ns(via_loop_current()) - begun_ns) / VIA_S;
}

/* ---- iterating ---- */

static int iterate(void *arg, void **result)
{
    via_coro *coro = make(count_slowly, NULL);
    int64_t begun_ns = via_loop_time_ns(via_loop_current());
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        expect_next(coro, i);
        ck_assert_int_eq(seconds_since(begun_ns), i + 1);
    }
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(seconds_since(begun_ns), 4);
    ASSERT_RECORD(&history, "cleaned");
    drop(coro);
    return 0;
}

TEST(a_generator_awaits_between_its_values)
{
    run_task(iterate, NULL);
}

static int fail_after_a_while(void *arg, void **result)
{
    int status = count_slowly(arg, result);
    return status < 0 ? status : VIA_ENOENT;
}

static int iterate_to_failure(void *arg, void **result)
{
    via_coro *coro = make(fail_after_a_while, NULL);
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++)
        expect_next(coro, i);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_ENOENT);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    drop(coro);
    return 0;
}

TEST(its_failure_comes_once_and_then_it_is_at_its_end)
{
    run_task(iterate_to_failure, NULL);
}

static int stay_at_the_end(void *arg, void **result)
{
    via_coro *coro = make(count_slowly, NULL);
    (void)arg;
    (void)result;
    while (via_coro_next(coro, NULL) == 1)
        ;
    void *value = &coro;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_coro_next(coro, &value), 0);
    ck_assert_ptr_eq(value, &coro); /* so what was there before serves as the default */
    ck_assert_int_eq(via_coro_close(coro), 0);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ASSERT_RECORD(&history, "cleaned");
    drop(coro);
    return 0;
}

TEST(the_end_stays_the_end)
{
    run_task(stay_at_the_end, NULL);
}

/* Yields what it is sent, doubled, after a second of thought. */
static int answer(void *arg, void **result)
{
    void *sent = NULL;
    int value = 0, status;
    (void)arg;
    (void)result;
    while ((status = via_coro_yield(&value, &sent)) == 0 && sent) {
        status = via_sleep(VIA_S);
        if (status < 0)
            return status;
        value = 2 * *(int *)sent;
    }
    return status;
}

static int send_values(void *arg, void **result)
{
    via_coro *coro = make(answer, NULL);
    void *item;
    (void)arg;
    (void)result;
    expect_next(coro, 0);
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(via_coro_send(coro, &i, &item), 1);
        ck_assert_int_eq(*(int *)item, 2 * i);
    }
    ck_assert_int_eq(via_coro_send(coro, NULL, NULL), 0);
    drop(coro);
    return 0;
}

TEST(values_can_be_sent_in)
{
    run_task(send_values, NULL);
}

/* Awaits after an error was thrown in, and goes on. */
static int recover(void *arg, void **result)
{
    int value = 1;
    (void)arg;
    (void)result;
    while (via_coro_yield(&value, NULL) == VIA_ENOENT) {
        int status = via_sleep(VIA_S);
        if (status < 0)
            return status;
        value++;
    }
    return VIA_EBADF;
}

static int throw_errors(void *arg, void **result)
{
    via_coro *coro = make(recover, NULL);
    void *item;
    (void)arg;
    (void)result;
    expect_next(coro, 1);
    ck_assert_int_eq(via_coro_throw(coro, VIA_ENOENT, &item), 1);
    ck_assert_int_eq(*(int *)item, 2);
    ck_assert_int_eq(via_coro_throw(coro, VIA_EPERM, &item), VIA_EBADF);
    ck_assert_int_eq(via_coro_throw(coro, VIA_EPERM, &item), VIA_EPERM);
    drop(coro);
    coro = make(recover, NULL);
    ck_assert_int_eq(via_coro_throw(coro, VIA_EPERM, &item), VIA_EPERM); /* it had not begun */
    ck_assert_int_eq(via_coro_next(coro, &item), 0);
    drop(coro);
    return 0;
}

TEST(errors_can_be_thrown_in)
{
    run_task(throw_errors, NULL);
}

/* ---- another generator inside ---- */

static int delegate(void *arg, void **result)
{
    int last = 99;
    int status = via_coro_yield_from(arg, result);
    return status < 0 ? status : via_coro_yield(&last, NULL);
}

static int iterate_both(void *arg, void **result)
{
    via_coro *inner = make(count_slowly, NULL), *outer = make(delegate, inner);
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++)
        expect_next(outer, i);
    expect_next(outer, 99);
    ck_assert_int_eq(via_coro_next(outer, NULL), 0);
    drop(outer);
    drop(inner);
    inner = make(count_slowly, NULL);
    outer = make(delegate, inner);
    expect_next(outer, 0);
    via_test_recorder_clear(&history);
    ck_assert_int_eq(via_coro_close(outer), 0);
    ASSERT_RECORD(&history, "cleaned"); /* the inner one's clean-up has awaited */
    ck_assert_int_eq(via_coro_state(inner), VIA_CORO_DONE);
    drop(outer);
    drop(inner);
    return 0;
}

TEST(a_generator_may_delegate_to_another_that_awaits)
{
    run_task(iterate_both, NULL);
}

/* ---- early ends ---- */

static int close_early(void *arg, void **result)
{
    via_coro *coro = make(count_slowly, NULL);
    int64_t begun_ns = via_loop_time_ns(via_loop_current());
    (void)arg;
    (void)result;
    expect_next(coro, 0);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ck_assert_int_eq(seconds_since(begun_ns), 2);
    ASSERT_RECORD(&history, "cleaned");
    ck_assert_int_eq(via_coro_close(coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    drop(coro);
    return 0;
}

TEST(closed_early_its_clean_up_awaits)
{
    run_task(close_early, NULL);
}

static int free_early(void *arg, void **result)
{
    via_coro *coro = make(count_slowly, NULL);
    (void)arg;
    (void)result;
    expect_next(coro, 0);
    drop(coro);
    ASSERT_RECORD(&history, "cleaned");
    drop(make(count_slowly, NULL)); /* one that has not begun has nothing to clean up */
    ASSERT_RECORD(&history, "cleaned");
    return 0;
}

TEST(freed_early_its_clean_up_awaits)
{
    run_task(free_early, NULL);
}

static int yield_for_ever(void *arg, void **result)
{
    int value = 0;
    (void)arg;
    (void)result;
    for (;;)
        (void)!via_coro_yield(&value, NULL);
    return 0;
}

static void hear_log(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    ++*(int *)arg;
}

static int close_a_deaf_one(void *arg, void **result)
{
    via_coro *coro = make(yield_for_ever, NULL);
    int messages = 0;
    (void)arg;
    (void)result;
    expect_next(coro, 0);
    ck_assert_int_eq(via_coro_close(coro), VIA_ESTATE);
    via_set_log_hook(hear_log, &messages);
    drop(coro);
    ck_assert_int_eq(messages, 1);
    via_set_log_hook(NULL, NULL);
    return 0;
}

TEST(one_that_goes_on_yielding_when_it_is_closed_is_an_error)
{
    run_task(close_a_deaf_one, NULL);
}

static int fail_now(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return VIA_EPERM;
}

/* Its clean-up awaits a task that fails. */
static int clean_up_and_fail(void *arg, void **result)
{
    int value = 0;
    (void)arg;
    (void)result;
    (void)!via_coro_yield(&value, NULL);
    return via_await(via_create_task(fail_now, NULL), NULL);
}

static int close_to_failure(void *arg, void **result)
{
    via_coro *coro = make(clean_up_and_fail, NULL);
    (void)arg;
    (void)result;
    expect_next(coro, 0);
    ck_assert_int_eq(via_coro_close(coro), VIA_EPERM);
    ck_assert_int_eq(via_coro_close(coro), 0);
    drop(coro);
    return 0;
}

TEST(closing_tells_that_the_clean_up_has_failed)
{
    run_task(close_to_failure, NULL);
}

/* ---- cancelled tasks ---- */

/* Iterates until that fails or ends. */
struct iteration {
    via_coro *coro;
    int ended;
};

static int iterate_until_failure(void *arg, void **result)
{
    struct iteration *iteration = arg;
    (void)result;
    while ((iteration->ended = via_coro_next(iteration->coro, NULL)) == 1)
        ;
    drop(iteration->coro);
    return iteration->ended;
}

TEST(a_task_that_is_cancelled_within_a_generator_is_cancelled_there)
{
    via_loop *loop = open_loop();
    struct iteration iteration = {make(count_slowly, NULL), 1};
    via_future *task = start(loop, iterate_until_failure, &iteration);
    settle(loop); /* it sleeps within the generator */
    ck_assert_int_eq(via_coro_state(iteration.coro), VIA_CORO_RUNNING);
    cancel(task);
    settle(loop);
    expect_end(task, VIA_ECANCELED);
    ck_assert_int_eq(iteration.ended, VIA_ECANCELED);
    ASSERT_RECORD(&history, "cut"); /* clean-up that is to await needs a shield */
    close_loop(loop);
}

/* Yields, and at the end cleans up with an await that is shielded by whoever closes it. */
static int yield_then_clean_up(void *arg, void **result)
{
    int value = 0, status = via_coro_yield(&value, NULL);
    (void)result;
    int cleaned = pass_gate(arg);
    via_test_record(&history, cleaned == 0 ? "cleaned" : "cut");
    return status;
}

static int close_in_shield(void *arg, void **result)
{
    struct iteration *iteration = arg;
    struct via_scope shield;
    (void)result;
    expect_next(iteration->coro, 0);
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    drop(iteration->coro);
    ck_assert_int_eq(via_shield_end(&shield), 0);
    return VIA_ECANCELED;
}

TEST(clean_up_of_a_closed_generator_waits_in_a_shielded_section)
{
    via_loop *loop = open_loop();
    via_future *gate = open_gate(loop);
    struct iteration iteration = {make(yield_then_clean_up, gate), 1};
    via_future *task = start(loop, close_in_shield, &iteration);
    settle(loop);
    cancel(task);
    settle(loop);
    cancel(task); /* during the clean-up */
    settle(loop);
    ASSERT_RECORD(&history, "");
    let_pass(gate);
    settle(loop);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, "cleaned");
    close_loop(loop);
}

/* What the generator awaits is done when the request comes: the value is delivered. */
static int yield_after_gate(void *arg, void **result)
{
    int value = 7, status = pass_gate(arg);
    (void)result;
    return status < 0 ? status : via_coro_yield(&value, NULL);
}

static int get_one(void *arg, void **result)
{
    struct iteration *iteration = arg;
    (void)result;
    expect_next(iteration->coro, 7);
    drop(iteration->coro);
    return 0;
}

TEST(a_value_that_is_on_its_way_is_delivered_though_the_task_is_cancelled)
{
    via_loop *loop = open_loop();
    via_future *gate = open_gate(loop);
    struct iteration iteration = {make(yield_after_gate, gate), 1};
    via_future *task = start(loop, get_one, &iteration);
    settle(loop);
    let_pass(gate);
    cancel(task);
    settle(loop);
    expect_end(task, 0);
    close_loop(loop);
}

TEST(a_task_that_is_cancelled_before_it_begins_steps_nothing)
{
    via_loop *loop = open_loop();
    struct iteration iteration = {make(count_slowly, NULL), 1};
    via_future *task = start(loop, iterate_until_failure, &iteration);
    cancel(task);
    settle(loop);
    expect_end(task, VIA_ECANCELED);
    ck_assert_int_eq(via_coro_state(iteration.coro), VIA_CORO_CREATED);
    drop(iteration.coro);
    close_loop(loop);
}

/* ---- several tasks ---- */

static int step_while_busy(void *arg, void **result)
{
    via_coro *coro = arg;
    void *item;
    (void)result;
    ck_assert_int_eq(via_coro_next(coro, &item), VIA_EBUSY);
    ck_assert_int_eq(via_coro_send(coro, NULL, &item), VIA_EBUSY);
    ck_assert_int_eq(via_coro_throw(coro, VIA_EPERM, &item), VIA_EBUSY);
    ck_assert_int_eq(via_coro_close(coro), VIA_EBUSY);
    ck_assert_ptr_eq(via_coro_free(coro), coro);
    return 0;
}

TEST(while_one_task_steps_it_another_cannot)
{
    via_loop *loop = open_loop();
    via_future *gate = open_gate(loop);
    struct iteration iteration = {make(yield_after_gate, gate), 1};
    via_coro *coro = iteration.coro;
    via_future *task = start(loop, get_one, &iteration);
    settle(loop);
    via_future *other = start(loop, step_while_busy, coro);
    settle(loop);
    expect_end(other, 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EBUSY); /* nor who is no task */
    let_pass(gate);
    settle(loop);
    expect_end(task, 0); /* it has noticed nothing */
    close_loop(loop);
}

static int step_once(void *arg, void **result)
{
    void *item;
    (void)result;
    int status = via_coro_next(arg, &item);
    if (status == 1)
        via_test_record(&history, "%s%d", via_task_name(NULL), *(int *)item);
    return status < 0 ? status : 0;
}

TEST(tasks_may_step_it_in_turns)
{
    via_loop *loop = open_virtual_loop();
    via_coro *coro = make(count_slowly, NULL);
    static const char *const names[] = {"A", "B", "A"};
    for (int i = 0; i < 3; i++) {
        struct via_task_options options = {.name = names[i]};
        via_future *task = via_create_task_with(loop, step_once, coro, &options);
        RUN_UNTIL(loop, via_future_done(task) == 1);
        expect_end(task, 0);
    }
    ASSERT_RECORD(&history, "A0 B1 A2");
    ck_assert_int_eq(via_coro_next(coro, NULL), 0); /* outside of tasks its awaits fail */
    ASSERT_RECORD(&history, "A0 B1 A2 cut");
    drop(coro);
    close_loop(loop);
}

TEST(closing_the_loop_ends_the_awaits_within_a_generator)
{
    via_loop *loop = open_loop();
    struct iteration iteration = {make(count_slowly, NULL), 1};
    via_future *task = start(loop, iterate_until_failure, &iteration);
    settle(loop);
    close_loop(loop);
    expect_end(task, VIA_ECANCELED);
    ASSERT_RECORD(&history, "cut");
}

TEST_MAIN("sync/async_generator", a_generator_awaits_between_its_values,
          its_failure_comes_once_and_then_it_is_at_its_end, the_end_stays_the_end, values_can_be_sent_in,
          errors_can_be_thrown_in, a_generator_may_delegate_to_another_that_awaits,
          closed_early_its_clean_up_awaits, freed_early_its_clean_up_awaits,
          one_that_goes_on_yielding_when_it_is_closed_is_an_error, closing_tells_that_the_clean_up_has_failed,
          a_task_that_is_cancelled_within_a_generator_is_cancelled_there,
          clean_up_of_a_closed_generator_waits_in_a_shielded_section,
          a_value_that_is_on_its_way_is_delivered_though_the_task_is_cancelled,
          a_task_that_is_cancelled_before_it_begins_steps_nothing, while_one_task_steps_it_another_cannot,
          tasks_may_step_it_in_turns, closing_the_loop_ends_the_awaits_within_a_generator)
