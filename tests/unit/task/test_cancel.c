/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to stop, for each kind of wait at each moment: before the task begins, while it waits, when what
 * it waited for is there but it has not gone on, and during its clean-up. */
#include "unit/task/task_fixture.h"

/* The kinds of waits.  Each waits for what `wait_over()` brings about, and then for nothing more. */
struct waiting {
    int (*wait)(struct waiting *self);
    int (*over)(struct waiting *self); /* in another task: brings the end of the wait about */
    int status;                        /* that the wait gives when it is cut short */
    via_future *future;
    via_executor *pool;
    struct via_test_gate gate;
    int began, ended; /* the task and its wait */
    int seen;         /* what the wait gave */
    int again;        /* what the next wait gave */
};

static int wait_for_promise(struct waiting *self)
{
    return via_await(via_future_ref(self->future), NULL);
}

static int settle_promise(struct waiting *self)
{
    return via_future_set_result(self->future, NULL, NULL);
}

static int await_inner_promise(void *arg, void **result)
{
    (void)result;
    return wait_for_promise(arg);
}

static int wait_for_task(struct waiting *self)
{
    return via_await(via_create_task(await_inner_promise, self), NULL);
}

static int wait_for_time(struct waiting *self)
{
    (void)self;
    return via_sleep(VIA_S);
}

static int let_time_pass(struct waiting *self)
{
    (void)self;
    return via_sleep(VIA_S);
}

static int wait_for_turn(struct waiting *self)
{
    (void)self;
    return via_yield();
}

static int do_nothing(struct waiting *self)
{
    (void)self;
    return 0;
}

static int wait_for_delay(struct waiting *self)
{
    (void)self;
    return via_await(via_sleep_future(VIA_S, NULL), NULL);
}

static int wait_for_call(struct waiting *self)
{
    struct via_call call = VIA_CALL(via_test_gate_call, &self->gate);
    return via_await_in_executor(self->pool, &call, NULL);
}

static int return_from_call(struct waiting *self)
{
    via_test_gate_open(&self->gate);
    return 0;
}

static void init_waiting(struct waiting *self)
{
    self->gate = (struct via_test_gate)VIA_TEST_GATE_INITIALIZER;
    self->began = self->ended = 0;
    self->seen = self->again = 1;
    self->future = new_promise();
}

static void release_waiting(struct waiting *self)
{
    via_future_cancel(self->future);
    self->future = via_future_unref(self->future);
}

static int run_wait(void *arg, void **result)
{
    struct waiting *self = arg;
    (void)result;
    self->began = 1;
    self->seen = self->wait(self);
    self->ended = 1;
    self->again = via_sleep(VIA_S);
    return self->seen;
}

static struct waiting kinds[] = {
    {.wait = wait_for_promise, .over = settle_promise, .status = VIA_ECANCELED},
    {.wait = wait_for_task, .over = settle_promise, .status = VIA_ECANCELED},
    {.wait = wait_for_time, .over = let_time_pass, .status = VIA_ECANCELED},
    {.wait = wait_for_delay, .over = let_time_pass, .status = VIA_ECANCELED},
    {.wait = wait_for_turn, .over = do_nothing},
    {.wait = wait_for_call, .over = return_from_call},
};

static via_executor *pool;

static int for_each_kind(int (*check)(struct waiting *self))
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        kinds[i].pool = pool;
        init_waiting(&kinds[i]);
        ck_assert_msg(check(&kinds[i]) == 0, "kind %zu", i);
        release_waiting(&kinds[i]);
    }
    return 0;
}

static int before_begin(struct waiting *self)
{
    via_future *task = via_create_task(run_wait, self);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(self->began, 0);
    return 0;
}

/* A turn is given as soon as it is asked for; a call is over when its function has returned. */
static int while_waiting(struct waiting *self)
{
    via_future *task = via_create_task(run_wait, self);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(self->began, 1);
    ck_assert_int_eq(self->ended, 0);
    if (self->wait == wait_for_call)
        via_test_gate_await(&self->gate, 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_task_cancelling(task), 1);
    ck_assert_int_eq(via_future_done(task), 0);
    via_test_gate_open(&self->gate);
    ck_assert_int_eq(via_await(task, NULL), self->status < 0 ? VIA_EABORTED : 0);
    ck_assert_int_eq(self->seen, self->status);
    ck_assert_int_eq(self->again, VIA_ECANCELED);
    return 0;
}

/* What is there is delivered; the request is seen by the next wait. */
static int cancel_when_over(struct waiting *self, via_future *task)
{
    int status = self->over(self);
    ck_assert_int_eq(self->ended, 0);
    ck_assert_int_eq(via_future_cancel(task), VIA_CANCEL_REQUESTED);
    return status;
}

static int when_it_is_there(struct waiting *self)
{
    if (self->over != settle_promise || self->wait == wait_for_task)
        return 0;
    via_future *task = via_create_task(run_wait, self);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(cancel_when_over(self, task), 0);
    ck_assert_int_eq(via_await(task, NULL), 0);
    ck_assert_int_eq(self->seen, 0);
    ck_assert_int_eq(self->again, VIA_ECANCELED);
    return 0;
}

static int run_clean_up(void *arg, void **result)
{
    struct waiting *self = arg;
    (void)result;
    self->began = 1;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    self->seen = self->wait(self); // without a shield it fails at once
    self->ended = 1;
    return VIA_ECANCELED;
}

static int during_clean_up(struct waiting *self)
{
    via_future *task = via_create_task(run_clean_up, self);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_cancel(task), VIA_CANCEL_REQUESTED);
    int64_t before_ns = via_loop_time_ns(via_loop_current());
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(self->seen, VIA_ECANCELED);
    ck_assert_int_eq(via_test_gate_arrived(&self->gate), 0);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), before_ns);
    return 0;
}

static int check_kinds(void *check, void **result)
{
    (void)result;
    return for_each_kind(*(int (**)(struct waiting *))check);
}

static int run_kinds(int (*check)(struct waiting *self))
{
    pool = open_pool(1);
    int status = run_main(check_kinds, &check);
    close_pool(pool);
    return status;
}

TEST(a_task_that_is_cancelled_before_it_begins_never_runs)
{
    ck_assert_int_eq(run_kinds(before_begin), 0);
}

TEST(a_wait_is_cut_short_and_the_next_one_too)
{
    ck_assert_int_eq(run_kinds(while_waiting), 0);
}

TEST(what_is_there_is_delivered_and_the_next_wait_fails)
{
    ck_assert_int_eq(run_kinds(when_it_is_there), 0);
}

TEST(in_the_clean_up_without_a_shield_every_wait_fails_at_once)
{
    ck_assert_int_eq(run_kinds(during_clean_up), 0);
}

/* Done but not gone on, for those that the loop's thread alone brings about: the request comes from a
 * callback that runs before the task does. */

static int say_status_of_sleep(void *arg, void **result)
{
    (void)arg;
    (void)result;
    int status = via_sleep(VIA_S);
    ck_assert_int_eq(status, VIA_ECANCELED);
    return via_yield();
}

static int cancel_as_time_is_up(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_loop *loop = via_loop_current();
    via_future *task = NULL;
    int64_t when_ns = via_loop_time_ns(loop) + VIA_S;
    // Of the same moment, and set before the task's: it runs in the same tick, before the task goes on.
    task = via_create_task(say_status_of_sleep, NULL);
    ck_assert_int_eq(via_call_at(loop, when_ns, cancel_it, task, NULL), 0);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_request_in_the_moment_that_the_time_is_up_is_seen)
{
    ck_assert_int_eq(run_main(cancel_as_time_is_up, NULL), 0);
}

static int await_and_take(void *future, void **result)
{
    int status = via_await(future, result);
    via_test_record(&history, "%s", via_status_name(status));
    via_test_record(&history, "%s", via_status_name(via_yield()));
    return status;
}

static int give_value(void *value, void **result)
{
    *result = value;
    return via_yield();
}

static int cancel_before_it_goes_on(void *arg, void **result)
{
    int value = 0;
    void *got = NULL;
    (void)arg;
    (void)result;
    via_future *child = via_create_task(give_value, &value);
    via_future *task = via_create_task(await_and_take, child);
    yield_times(2); // the child is done, and its awaiter is about to be told
    ck_assert_int_eq(via_future_done(child), 1);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, &got), 0);
    ck_assert_ptr_eq(got, &value);
    return 0;
}

TEST(a_tasks_value_that_is_there_is_not_lost)
{
    ck_assert_int_eq(run_main(cancel_before_it_goes_on, NULL), 0);
    ASSERT_RECORD(&history, "VIA_OK VIA_ECANCELED");
}

/* The state of a task. */

static int check_counts(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_wait_for_ever, NULL);
    ck_assert_int_eq(via_task_cancelling(task), 0);
    ck_assert_int_eq(via_yield(), 0);
    for (int i = 1; i <= 1000; i++) {
        ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
        ck_assert_int_eq(via_task_cancelling(task), i);
    }
    ck_assert_int_eq(via_future_state(task), VIA_PENDING);
    ck_assert_int_eq(via_await(via_future_ref(task), NULL), VIA_EABORTED);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_future_cancel(task), VIA_CANCEL_TOO_LATE);
    ck_assert_int_eq(via_task_cancelling(task), 1000);
    ck_assert_int_eq(via_task_uncancel(task), 1000);
    via_future_unref(task);
    return 0;
}

TEST(a_thousand_requests_are_counted_until_the_task_is_done)
{
    ck_assert_int_eq(run_main(check_counts, NULL), 0);
}

static int take_back_and_go_on(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(10 * VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_sleep(10 * VIA_S), VIA_ECANCELED);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_int_eq(via_sleep(VIA_S), 0);
    ck_assert_int_eq(via_sleep(10 * VIA_S), VIA_ECANCELED);
    return VIA_ECANCELED;
}

static int cancel_twice(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(take_back_and_go_on, NULL);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_sleep(2 * VIA_S), 0);
    ck_assert_int_eq(via_future_state(task), VIA_PENDING);
    ck_assert_int_eq(via_task_cancelling(task), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), 2 * VIA_S);
    return 0;
}

TEST(after_the_request_is_taken_back_awaits_work_and_it_can_be_asked_again)
{
    ck_assert_int_eq(run_main(cancel_twice, NULL), 0);
}

static int take_back_before_it_is_seen(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *self = via_current_task();
    ck_assert_int_eq(via_task_cancel(self, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_task_cancelling(NULL), 1);
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    return via_yield();
}

TEST(a_request_that_was_taken_back_before_it_was_seen_never_was)
{
    ck_assert_int_eq(run_main(take_back_before_it_is_seen, NULL), 0);
}

static int take_back_of_new_task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_say, (void *)"ran");
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_task_uncancel(task), 0);
    return via_await(task, NULL);
}

TEST(a_request_to_a_new_task_can_be_taken_back_before_its_turn)
{
    ck_assert_int_eq(run_main(take_back_of_new_task, NULL), 0);
    ASSERT_RECORD(&history, "ran");
}

/* Reasons. */

static int check_reason(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_ptr_null(via_task_cancel_reason(NULL));
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_str_eq(via_task_cancel_reason(NULL), "bye");
    ck_assert_int_eq(via_task_uncancel(NULL), 1);
    ck_assert_str_eq(via_task_cancel_reason(NULL), "bye");
    ck_assert_int_eq(via_task_uncancel(NULL), 0);
    ck_assert_ptr_null(via_task_cancel_reason(NULL));
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    ck_assert_str_eq(via_task_cancel_reason(NULL), "again");
    return VIA_ECANCELED;
}

static int cancel_with_reasons(void *arg, void **result)
{
    char bye[] = "bye";
    (void)arg;
    (void)result;
    via_future *task = via_create_task(check_reason, NULL);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_cancel(task, bye), VIA_CANCEL_REQUESTED);
    bye[0] = 'x';
    ck_assert_int_eq(via_task_cancel(task, "and bye"), VIA_CANCEL_REQUESTED);
    ck_assert_str_eq(via_task_cancel_reason(task), "bye");
    yield_times(3);
    ck_assert_int_eq(via_task_cancel(task, "again"), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(via_future_ref(task), NULL), VIA_EABORTED);
    ck_assert_ptr_null(via_task_cancel_reason(task));
    via_future_unref(task);
    return 0;
}

TEST(the_first_reason_stays_until_the_requests_are_taken_back)
{
    ck_assert_int_eq(run_main(cancel_with_reasons, NULL), 0);
}

static int cancel_new_with_reason(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_never_runs, NULL);
    ck_assert_int_eq(via_task_cancel(task, "not wanted"), VIA_CANCEL_NEVER_RAN);
    ck_assert_str_eq(via_task_cancel_reason(task), "not wanted");
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_task_that_has_not_begun_has_its_reason_too)
{
    ck_assert_int_eq(run_main(cancel_new_with_reason, NULL), 0);
}

/* What the body makes of it. */

static int ignore_and_return(void *arg, void **result)
{
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    *result = arg;
    return 0;
}

static int fail_instead(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_sleep(VIA_FOREVER), VIA_ECANCELED);
    return VIA_EBUSY;
}

static int cancel_and_await(via_task_fn fn, void *arg)
{
    via_future *task = via_create_task(fn, arg);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_cancel(task), VIA_CANCEL_REQUESTED);
    return via_await(task, NULL);
}

static int catch_requests(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(cancel_and_await(ignore_and_return, NULL), 0);
    ck_assert_int_eq(cancel_and_await(fail_instead, NULL), VIA_EBUSY);
    return 0;
}

TEST(a_task_ends_as_its_function_says_whatever_was_asked)
{
    ck_assert_int_eq(run_main(catch_requests, NULL), 0);
}

static int cancel_self_and_yield(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    return via_sleep(VIA_S);
}

static int cancel_self_and_return(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    return 0;
}

static int cancel_self_and_await_task(void *arg, void **result)
{
    (void)result;
    ck_assert_int_eq(via_task_cancel(via_current_task(), NULL), VIA_CANCEL_REQUESTED);
    int status = via_await(via_future_ref(arg), NULL);
    ck_assert_int_eq(via_future_done(arg), 0); // it was asked, and is not waited for
    return status;
}

TEST(a_task_that_cancels_itself_is_told_by_its_next_wait)
{
    ck_assert_int_eq(run_main(cancel_self_and_yield, NULL), VIA_ECANCELED);
}

/* asyncio has it end cancelled; here what the function returns counts. */
TEST(a_task_that_cancels_itself_and_returns_has_returned)
{
    ck_assert_int_eq(run_main(cancel_self_and_return, NULL), 0);
}

TEST(what_a_cancelled_task_awaits_is_cancelled)
{
    via_loop *loop = open_task_loop();
    via_future *awaited = create(loop, task_wait_for_ever, NULL);
    via_future *task = create(loop, cancel_self_and_await_task, awaited);
    ck_assert_int_eq(run_task(loop, task), VIA_ECANCELED);
    ck_assert_int_eq(run_task(loop, awaited), VIA_ECANCELED);
    close_loop(loop);
}

/* What is awaited. */

struct inner_future {
    via_future *future;
    int seen;
};

static int await_inner(void *arg, void **result)
{
    struct inner_future *inner = arg;
    (void)result;
    inner->seen = via_await(via_future_ref(inner->future), NULL);
    return inner->seen;
}

static int cancel_inner(void *arg, void **result)
{
    struct inner_future inner = {.future = new_promise()};
    (void)arg;
    (void)result;
    via_future *task = via_create_task(await_inner, &inner);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_cancel(inner.future), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(inner.seen, VIA_EABORTED);
    via_future_unref(inner.future);
    return 0;
}

TEST(a_task_whose_future_was_cancelled_ends_cancelled)
{
    ck_assert_int_eq(run_main(cancel_inner, NULL), 0);
}

static int cancel_both(void *arg, void **result)
{
    struct inner_future inner = {.future = new_promise()};
    (void)arg;
    (void)result;
    via_future *task = via_create_task(await_inner, &inner);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_future_cancel(inner.future), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_future_cancel(task), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(inner.seen, VIA_ECANCELED);
    via_future_unref(inner.future);
    return 0;
}

TEST(a_task_that_was_cancelled_too_hears_of_its_own_request)
{
    ck_assert_int_eq(run_main(cancel_both, NULL), 0);
}

static int await_task_awaiting(void *arg, void **result)
{
    (void)result;
    return via_await(via_create_task(await_inner, arg), NULL);
}

static int cancel_outermost(void *arg, void **result)
{
    struct inner_future inner = {.future = new_promise()};
    (void)arg;
    (void)result;
    via_future *task = via_create_task(await_task_awaiting, &inner);
    yield_times(2);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_future_state(inner.future), VIA_CANCELLED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    ck_assert_int_eq(inner.seen, VIA_ECANCELED);
    via_future_unref(inner.future);
    return 0;
}

TEST(a_request_goes_down_to_what_the_innermost_awaits)
{
    ck_assert_int_eq(run_main(cancel_outermost, NULL), 0);
}

static int cancel_from_callback(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(task_wait_for_ever, NULL);
    call_later(3 * VIA_S, cancel_it, task);
    ck_assert_int_eq(via_await(via_future_ref(task), NULL), VIA_EABORTED);
    ck_assert_int_eq(via_loop_time_ns(via_loop_current()), 3 * VIA_S);
    via_future_unref(task);
    return 0;
}

TEST(a_timer_can_cancel_a_task_that_sleeps)
{
    ck_assert_int_eq(run_main(cancel_from_callback, NULL), 0);
}

static void *cancel_in_thread(void *cf)
{
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    return NULL;
}

TEST(another_thread_can_cancel_a_task)
{
    via_loop *loop = open_task_loop();
    struct via_test_thread thread;
    via_cfuture *cf = NULL;
    via_future *task = create(loop, task_wait_for_ever, NULL);
    settle(loop);
    ck_assert_int_eq(via_future_cfuture(task, &cf), 0);
    via_test_thread_start(&thread, cancel_in_thread, cf);
    RUN_UNTIL(loop, via_future_done(task) == 1);
    ck_assert_int_eq(via_future_state(task), VIA_CANCELLED);
    via_test_thread_join(&thread);
    via_cfuture_unref(cf);
    via_future_unref(task);
    close_loop(loop);
}

/* A task that does not listen. */

static int be_deaf(void *heard, void **result)
{
    (void)result;
    while (!*(int *)heard)
        (void)!via_sleep(VIA_S);
    return 0;
}

static int open_ears(void *heard)
{
    *(int *)heard = 1;
    return 0;
}

TEST(a_task_that_does_not_listen_leaves_the_loop_its_turns)
{
    via_loop *loop = open_task_loop();
    int heard = 0;
    via_future *task = create(loop, be_deaf, &heard);
    settle(loop);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    for (int i = 0; i < 10; i++)
        run_one_tick(loop);
    ck_assert_int_eq(via_future_done(task), 0);
    ck_assert_int_eq(via_call_soon(loop, open_ears, &heard, NULL), 0);
    ck_assert_int_eq(run_task(loop, task), 0);
    close_loop(loop);
}

static int yield_twice(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_yield(), 0);
    int status = via_yield();
    say((void *)"second");
    return status;
}

static int cancel_between_yields(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *task = via_create_task(yield_twice, NULL);
    ck_assert_int_eq(via_yield(), 0);
    ck_assert_int_eq(via_task_cancel(task, NULL), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
    return 0;
}

TEST(a_request_between_two_yields_is_seen_by_the_second)
{
    ck_assert_int_eq(run_main(cancel_between_yields, NULL), 0);
    ASSERT_RECORD(&history, "second");
}

TEST_MAIN("task/cancel", a_task_that_is_cancelled_before_it_begins_never_runs,
          a_wait_is_cut_short_and_the_next_one_too, what_is_there_is_delivered_and_the_next_wait_fails,
          in_the_clean_up_without_a_shield_every_wait_fails_at_once,
          a_request_in_the_moment_that_the_time_is_up_is_seen, a_tasks_value_that_is_there_is_not_lost,
          a_thousand_requests_are_counted_until_the_task_is_done,
          after_the_request_is_taken_back_awaits_work_and_it_can_be_asked_again,
          a_request_that_was_taken_back_before_it_was_seen_never_was,
          a_request_to_a_new_task_can_be_taken_back_before_its_turn,
          the_first_reason_stays_until_the_requests_are_taken_back,
          a_task_that_has_not_begun_has_its_reason_too, a_task_ends_as_its_function_says_whatever_was_asked,
          a_task_that_cancels_itself_is_told_by_its_next_wait,
          a_task_that_cancels_itself_and_returns_has_returned, what_a_cancelled_task_awaits_is_cancelled,
          a_task_whose_future_was_cancelled_ends_cancelled,
          a_task_that_was_cancelled_too_hears_of_its_own_request,
          a_request_goes_down_to_what_the_innermost_awaits, a_timer_can_cancel_a_task_that_sleeps,
          another_thread_can_cancel_a_task, a_task_that_does_not_listen_leaves_the_loop_its_turns,
          a_request_between_two_yields_is_seen_by_the_second)
