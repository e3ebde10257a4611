/* SPDX-License-Identifier: BSD-3-Clause */
/* Portals: a loop in a thread of its own, for threads that have none. */
#include "unit/task/run_fixture.h"

#include <viaduct/log.h>
#include <viaduct/portal.h>

static via_portal *open_portal(void)
{
    via_portal *portal = NULL;
    ck_assert_int_eq(via_portal_new(NULL, &portal), 0);
    ck_assert_ptr_nonnull(portal);
    return portal;
}

static via_cfuture *submit_task(via_portal *portal, via_task_fn fn, void *arg)
{
    via_cfuture *cf = NULL;
    ck_assert_int_eq(via_portal_submit(portal, fn, arg, NULL, &cf), 0);
    return cf;
}

static int status_of_cf(via_cfuture *cf)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_cfuture_wait(cf, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_cfuture_outcome(cf, &outcome), 0);
    via_cfuture_unref(cf);
    return outcome.status;
}

static int yield_and_give(void *arg, void **result)
{
    int status = via_yield();
    *result = arg;
    return status;
}

static int fail_by_code(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 7;
}

TEST(a_thread_without_a_loop_runs_a_task_and_gets_its_value)
{
    via_portal *portal = open_portal();
    int number = 5;
    void *value = NULL;
    ck_assert_int_eq(via_portal_run(portal, yield_and_give, &number, &value), 0);
    ck_assert_ptr_eq(value, &number);
    value = NULL;
    ck_assert_int_eq(via_portal_run(portal, fail_by_code, NULL, &value), VIA_EFAILED);
    ck_assert_ptr_null(value);
    ck_assert_int_eq(via_portal_run(portal, yield_and_give, NULL, NULL), 0);
    ck_assert_ptr_null(via_portal_free(portal));
}

struct visit {
    pthread_t thread;
    via_loop *loop;
    via_future *task;
    int answer;
};

static int look_around(void *arg)
{
    struct visit *visit = arg;
    visit->thread = pthread_self();
    visit->loop = via_loop_current();
    visit->task = via_current_task();
    return visit->answer;
}

TEST(a_plain_callback_runs_in_the_portals_thread_and_in_no_task)
{
    via_portal *portal = open_portal();
    struct visit visit = {.answer = 3};
    ck_assert_int_eq(via_portal_call(portal, look_around, &visit), 3);
    ck_assert(!pthread_equal(visit.thread, pthread_self()));
    ck_assert_ptr_eq(visit.loop, via_portal_loop(portal));
    ck_assert_ptr_null(visit.task);
    visit.answer = VIA_EBUSY;
    ck_assert_int_eq(via_portal_call(portal, look_around, &visit), VIA_EBUSY);
    ck_assert_ptr_null(via_portal_free(portal));
}

/* A task that waits until a thread has told it to go on. */
static via_future *told;

static int wait_to_be_told(void *arg, void **result)
{
    (void)arg;
    (void)result;
    told = via_future_new(via_loop_current());
    return via_await(via_future_ref(told), NULL);
}

static int tell(void *arg)
{
    int status = via_future_set_result(told, arg, NULL);
    told = via_future_unref(told);
    return status;
}

static int is_told_of(void *arg)
{
    (void)arg;
    return told != NULL;
}

static void await_listener(via_portal *portal)
{
    AWAIT(via_portal_call(portal, is_told_of, NULL) == 1);
}

TEST(what_tasks_wait_for_may_come_from_other_threads)
{
    via_portal *portal = open_portal();
    via_cfuture *cf = submit_task(portal, wait_to_be_told, NULL);
    await_listener(portal);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_RUNNING);
    ck_assert_int_eq(via_portal_call(portal, tell, NULL), 0);
    ck_assert_int_eq(status_of_cf(cf), 0);
    ck_assert_ptr_null(via_portal_free(portal));
}

TEST(a_submitted_task_can_be_cancelled)
{
    via_portal *portal = open_portal();
    via_cfuture *cf = submit_task(portal, sleep_for_ever, "task");
    ck_assert_int_ge(via_cfuture_cancel(cf), 0);
    ck_assert_int_eq(status_of_cf(cf), VIA_ECANCELED);
    ck_assert_ptr_null(via_portal_free(portal));
}

struct user {
    via_portal *portal;
    int number, failures;
    struct via_test_thread thread;
};

static void *use_portal(void *arg)
{
    struct user *user = arg;
    struct visit visit = {.answer = user->number};
    for (int i = 0; i < 50; i++) {
        void *value = NULL;
        user->failures += via_portal_run(user->portal, yield_and_give, &user->number, &value) != 0;
        user->failures += value != &user->number;
        user->failures += via_portal_call(user->portal, look_around, &visit) != user->number;
    }
    return NULL;
}

TEST(many_threads_use_one_portal)
{
    via_portal *portal = open_portal();
    struct user users[8];
    for (int i = 0; i < 8; i++) {
        users[i] = (struct user){.portal = portal, .number = i};
        via_test_thread_start(&users[i].thread, use_portal, &users[i]);
    }
    for (int i = 0; i < 8; i++) {
        via_test_thread_join(&users[i].thread);
        ck_assert_int_eq(users[i].failures, 0);
    }
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_DRAIN, via_test_bound_ns()), 0);
    ck_assert_ptr_null(via_portal_free(portal));
}

static int never_called_back(void *unused)
{
    return never_called(unused);
}

TEST(a_portal_that_stops_takes_no_more)
{
    struct via_test_counted payload = {0};
    struct via_task_options options = {.destroy = via_test_counted_destroy};
    via_cfuture *cf = NULL;
    via_portal *portal = open_portal();
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_CANCEL, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_DRAIN, 0), 0);
    ck_assert_int_eq(via_portal_run(portal, succeed, NULL, NULL), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_portal_call(portal, never_called_back, NULL), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_portal_submit(portal, succeed, &payload, &options, &cf), VIA_ESHUTDOWN);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_ptr_null(cf);
    ck_assert_ptr_null(via_portal_free(portal));
}

TEST(stopping_cancels_the_tasks_that_are_there)
{
    via_portal *portal = open_portal();
    via_cfuture *cf = submit_task(portal, wait_to_be_told, NULL);
    await_listener(portal);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_CANCEL, via_test_bound_ns()), 0);
    ck_assert_int_eq(status_of_cf(cf), VIA_ECANCELED);
    told = via_future_unref(told);
    ck_assert_ptr_null(via_portal_free(portal));
}

static void *tell_later(void *portal)
{
    /* The portal is stopping: only functions of its loop reach it still. */
    ck_assert_int_eq(via_call_soon_threadsafe(via_portal_loop(portal), tell, NULL, NULL), 0);
    return NULL;
}

TEST(draining_lets_the_tasks_run_to_their_ends)
{
    struct via_test_thread thread;
    via_portal *portal = open_portal();
    via_cfuture *cf = submit_task(portal, wait_to_be_told, NULL);
    await_listener(portal);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_DRAIN, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_RUNNING);
    via_test_thread_start(&thread, tell_later, portal);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_DRAIN, via_test_bound_ns()), 0);
    via_test_thread_join(&thread);
    ck_assert_int_eq(status_of_cf(cf), 0);
    ck_assert_ptr_null(via_portal_free(portal));
}

TEST(who_drains_may_lose_patience)
{
    via_portal *portal = open_portal();
    via_cfuture *cf = submit_task(portal, wait_to_be_told, NULL);
    await_listener(portal);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_DRAIN, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_CANCEL, via_test_bound_ns()), 0);
    ck_assert_int_eq(status_of_cf(cf), VIA_ECANCELED);
    told = via_future_unref(told);
    ck_assert_ptr_null(via_portal_free(portal));
}

TEST(freeing_a_portal_cancels_what_is_there)
{
    via_portal *portal = open_portal();
    via_cfuture *cf = submit_task(portal, wait_to_be_told, NULL);
    await_listener(portal);
    ck_assert_ptr_null(via_portal_free(portal));
    ck_assert_int_eq(status_of_cf(cf), VIA_ECANCELED);
    told = via_future_unref(told);
}

static void keep_line(enum via_log_level level, const char *text, void *line)
{
    (void)level;
    strncpy(line, text, 99);
}

static int enter_again(void *arg, void **result)
{
    via_portal *portal = arg;
    struct visit visit = {.answer = 3};
    (void)result;
    ck_assert_int_eq(via_portal_run(portal, succeed, NULL, NULL), VIA_EDEADLK);
    ck_assert_int_eq(via_portal_call(portal, look_around, &visit), VIA_EDEADLK);
    ck_assert_ptr_null(via_portal_free(portal));
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_CANCEL, VIA_FOREVER), VIA_EDEADLK);
    return via_yield();
}

TEST(what_would_block_in_the_portals_own_thread_is_refused)
{
    char line[100] = "";
    via_set_log_hook(keep_line, line);
    via_portal *portal = open_portal();
    (void)status_of_cf(submit_task(portal, enter_again, portal));
    ck_assert_str_eq(line, "via_portal_free() was called in the portal's own thread");
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(via_portal_stop(portal, VIA_PORTAL_CANCEL, via_test_bound_ns()), 0);
    ck_assert_ptr_null(via_portal_free(portal));
}

static via_portal *reporting;

/* What is heard of between two runs of the loop is heard of in the portal's thread all the same. */
static int enter_from_report(const struct via_exception *exception, void *arg)
{
    (void)exception;
    (void)arg;
    ck_assert_ptr_null(via_loop_current());
    ck_assert_ptr_null(via_portal_free(reporting));
    ck_assert_int_eq(via_portal_stop(reporting, VIA_PORTAL_CANCEL, VIA_FOREVER), VIA_EDEADLK);
    return say("reported");
}

static int fail_when_cancelled(void *gate, void **result)
{
    (void)result;
    via_test_gate_open(gate);
    return via_sleep(VIA_FOREVER) == VIA_ECANCELED ? VIA_EBADF : 0;
}

TEST(what_would_block_in_a_report_of_the_portals_is_refused)
{
    char line[100] = "";
    struct via_runner_options options;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_runner_options_init(&options);
    options.exception_fn = enter_from_report;
    via_set_log_hook(keep_line, line);
    ck_assert_int_eq(via_portal_new(&options, &reporting), 0);
    ck_assert_int_eq(via_portal_submit(reporting, fail_when_cancelled, &gate, NULL, NULL), 0);
    via_test_gate_pass(&gate);
    ck_assert_int_eq(via_portal_stop(reporting, VIA_PORTAL_CANCEL, via_test_bound_ns()), 0);
    ck_assert_str_eq(line, "via_portal_free() was called in the portal's own thread");
    via_set_log_hook(NULL, NULL);
    ck_assert_ptr_null(via_portal_free(reporting));
    ASSERT_RECORD(&history, "reported");
}

static int stop_its_loop(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return via_loop_stop(via_loop_current());
}

TEST(a_portal_whose_loop_is_stopped_has_ended)
{
    via_portal *portal = open_portal();
    ck_assert_int_eq(status_of_cf(submit_task(portal, stop_its_loop, NULL)), 0);
    AWAIT(via_portal_call(portal, count_up, &(int){0}) == VIA_ESHUTDOWN);
    ck_assert_ptr_null(via_portal_free(portal));
}

TEST(wrong_arguments_are_refused)
{
    struct via_runner_options options;
    via_portal *other = NULL, *portal = open_portal();
    ck_assert_int_eq(via_portal_new(NULL, NULL), VIA_EINVAL);
    via_runner_options_init(&options);
    options.executor_timeout_ns = -1;
    ck_assert_int_eq(via_portal_new(&options, &other), VIA_EINVAL);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(via_portal_run(NULL, succeed, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_portal_run(portal, NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_portal_call(portal, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_portal_call(NULL, count_up, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_portal_stop(NULL, 0, 0), VIA_EINVAL);
    ck_assert_int_eq(via_portal_stop(portal, 2, 0), VIA_EINVAL);
    ck_assert_int_eq(via_portal_stop(portal, 0, -1), VIA_EINVAL);
    ck_assert_ptr_null(via_portal_loop(NULL));
    ck_assert_ptr_null(via_portal_free(NULL));
    ck_assert_ptr_null(via_portal_free(portal));
}

static int use_in_child(void *arg)
{
    via_portal *portal = arg;
    if (via_portal_run(portal, succeed, NULL, NULL) != VIA_EFORKED ||
        via_portal_call(portal, count_up, NULL) != VIA_EFORKED ||
        via_portal_stop(portal, VIA_PORTAL_CANCEL, VIA_FOREVER) != VIA_EFORKED)
        return 1;
    return via_portal_free(portal) == NULL ? 0 : 2;
}

TEST(a_forked_child_leaves_the_portal_to_its_parent)
{
    via_portal *portal = open_portal();
    ck_assert_int_eq(via_test_fork(use_in_child, portal), 0);
    ck_assert_int_eq(via_portal_run(portal, succeed, NULL, NULL), 0);
    ck_assert_ptr_null(via_portal_free(portal));
}

TEST_MAIN("task/portal", a_thread_without_a_loop_runs_a_task_and_gets_its_value,
          a_plain_callback_runs_in_the_portals_thread_and_in_no_task,
          what_tasks_wait_for_may_come_from_other_threads, a_submitted_task_can_be_cancelled,
          many_threads_use_one_portal, a_portal_that_stops_takes_no_more,
          stopping_cancels_the_tasks_that_are_there, draining_lets_the_tasks_run_to_their_ends,
          who_drains_may_lose_patience, freeing_a_portal_cancels_what_is_there,
          what_would_block_in_the_portals_own_thread_is_refused,
          what_would_block_in_a_report_of_the_portals_is_refused, a_portal_whose_loop_is_stopped_has_ended,
          wrong_arguments_are_refused, a_forked_child_leaves_the_portal_to_its_parent)
