/* SPDX-License-Identifier: BSD-3-Clause */
/* The executor interface, seen through a pool and through an executor that a program wrote itself. */
#include "unit/executor/fixture.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An executor of one's own: it keeps its jobs until the test ends them. */
struct shelf {
    via_job *job[8];
    int jobs;
    int refuse;
    int cancelled;
    int shutdowns;
    unsigned flags;
    int64_t deadline_ns;
    int shutdown_rc;
    int freed;
};

static int shelf_submit(void *self, via_job *job)
{
    struct shelf *shelf = self;

    if (shelf->refuse)
        return shelf->refuse;
    shelf->job[shelf->jobs++] = job;
    return 0;
}

static void shelf_cancelled(void *self, via_job *job)
{
    struct shelf *shelf = self;

    ck_assert_ptr_eq(job, shelf->job[shelf->jobs - 1]);
    shelf->cancelled++;
}

static int shelf_shutdown(void *self, unsigned flags, int64_t deadline_ns)
{
    struct shelf *shelf = self;

    shelf->shutdowns++;
    shelf->flags = flags;
    shelf->deadline_ns = deadline_ns;
    return shelf->shutdown_rc;
}

static void shelf_stats(void *self, struct via_executor_stats *stats)
{
    (void)self;
    stats->queued_peak = 77;
}

static void shelf_free(void *self)
{
    ((struct shelf *)self)->freed++;
}

static const struct via_executor_ops shelf_ops = {.kind = "shelf",
                                                  .call_kinds = VIA_CALL_POINTER,
                                                  .submit = shelf_submit,
                                                  .cancelled = shelf_cancelled,
                                                  .shutdown = shelf_shutdown,
                                                  .stats = shelf_stats,
                                                  .free = shelf_free};

/* The least that an executor needs. */
static const struct via_executor_ops bare_ops = {
    .kind = "bare", .call_kinds = VIA_CALL_POINTER, .submit = shelf_submit};

static via_executor *executor_on(const struct via_executor_ops *ops, struct shelf *shelf)
{
    via_executor *executor = NULL;

    ck_assert_int_eq(via_executor_new(ops, shelf, &executor), 0);
    return executor;
}

static int add_one(void *arg, void **result)
{
    int *value = arg;

    (*value)++;
    *result = value;
    return 0;
}

static int bytes_nothing(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)in;
    (void)in_bytes;
    return via_bytes_out(call, 0) ? 0 : VIA_ENOMEM;
}

TEST(a_submitted_call_runs_and_gives_its_result)
{
    int value = 41;
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, add_one, &value);

    ck_assert_ptr_eq(finish(cf), &value);
    ck_assert_int_eq(value, 42);
    close_executor(pool);
}

TEST(without_a_place_for_the_future_the_call_still_runs)
{
    struct via_test_counted payload = {0}, result = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pool = pool_of(1);

    call.destroy = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), 0);
    call = VIA_CALL(echo, &result);
    call.destroy_result = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_submit(pool, &call, NULL), 0);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(via_test_destroyed(&result), 1);
}

TEST(dropping_the_future_does_not_cancel)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    atomic_int calls = 0;
    via_executor *pool = pool_of(1);
    via_cfuture *first = occupy(pool, &gate);

    via_cfuture_unref(submit(pool, count_up, &calls));
    via_cfuture_unref(first);
    via_test_gate_open(&gate);
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&calls), 1);
}

TEST(submitting_needs_executor_call_and_function)
{
    struct via_call call = VIA_CALL(NULL, NULL), bytes = VIA_CALL_BYTES(NULL, NULL, 0);
    via_executor *pool = pool_of(1);
    via_cfuture *untouched = (via_cfuture *)&call, *cf = untouched;

    submit_refused(NULL, VIA_CALL(echo, NULL), VIA_EINVAL);
    submit_refused(pool, call, VIA_EINVAL);
    ck_assert_int_eq(via_executor_submit(pool, NULL, &cf), VIA_EINVAL);
    ck_assert_int_eq(via_executor_submit(pool, &bytes, &cf), VIA_EINVAL);
    bytes = VIA_CALL_BYTES(bytes_nothing, NULL, 1);
    ck_assert_int_eq(via_executor_submit(pool, &bytes, &cf), VIA_EINVAL);
    ck_assert_ptr_eq(cf, untouched);
    close_executor(pool);
}

TEST(an_unknown_kind_flag_or_priority_is_refused)
{
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = pool_of(1);

    call.kind = 0;
    submit_refused(pool, call, VIA_EINVAL);
    call.kind = VIA_CALL_POINTER | VIA_CALL_BYTES_IN_OUT;
    submit_refused(pool, call, VIA_EINVAL);
    call.kind = -1;
    submit_refused(pool, call, VIA_EINVAL);
    call = VIA_CALL(echo, NULL);
    call.flags = 1U << 31;
    submit_refused(pool, call, VIA_EINVAL);
    call.flags = 0;
    call.priority = VIA_PRIORITY_HIGH + 1;
    submit_refused(pool, call, VIA_EINVAL);
    call.priority = VIA_PRIORITY_LOW - 1;
    submit_refused(pool, call, VIA_EINVAL);
    close_executor(pool);
}

TEST(an_abandonable_call_must_own_what_it_touches)
{
    int value = 0;
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = NULL;

    call.flags = VIA_CALL_ABANDONABLE;
    submit_refused(pool, call, VIA_EINVAL);
    call.arg = &value;
    call.destroy_result = via_test_counted_destroy;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_EINVAL);
    ck_assert_ptr_null(cf);
    call.arg = &payload;
    call.destroy = via_test_counted_destroy;
    call.destroy_result = NULL;
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_EINVAL);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    call = VIA_CALL(echo, NULL);
    call.flags = VIA_CALL_ABANDONABLE;
    call.destroy_result = via_test_counted_destroy;
    finish(submit_call(pool, &call));
    close_executor(pool);
}

TEST(a_deadline_that_has_passed_is_refused)
{
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = pool_of(1);

    call.deadline_ns = 1;
    submit_refused(pool, call, VIA_ETIMEDOUT);
    call.deadline_ns = via_now_ns() - 1;
    submit_refused(pool, call, VIA_ETIMEDOUT);
    close_executor(pool);
}

TEST(an_argument_is_destroyed_exactly_once_after_the_run)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    call.destroy = via_test_counted_destroy;
    cf = submit_call(pool, &call);
    ck_assert_int_eq(status_of(cf), 0);
    AWAIT(via_test_destroyed(&payload) == 1);
    ck_assert(!pthread_equal(payload.destroyed_in, pthread_self()));
    via_cfuture_unref(cf);
    close_executor(pool);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_worker_drops_the_argument_before_it_waits_again)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pool = pool_of(1);

    call.destroy = via_test_counted_destroy;
    finish(submit_call(pool, &call));
    AWAIT(stats_of(pool).workers_idle == 1);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    close_executor(pool);
}

TEST(the_programs_call_struct_is_copied)
{
    int value = 0;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(add_one, &value);
    via_executor *pool = pool_of(1);
    via_cfuture *first = occupy(pool, &gate), *cf = submit_call(pool, &call);

    memset(&call, 0xee, sizeof(call));
    via_test_gate_open(&gate);
    ck_assert_ptr_eq(finish(cf), &value);
    finish(first);
    ck_assert_int_eq(value, 1);
    close_executor(pool);
}

TEST(an_executors_future_cannot_be_settled_by_others)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *queued = submit(pool, echo, NULL);

    ck_assert_int_eq(via_cfuture_state(running), VIA_RUNNING);
    ck_assert_int_eq(via_cfuture_state(queued), VIA_PENDING);
    ck_assert_int_eq(via_cfuture_set_running(queued), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_result(queued, NULL, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_cfuture_set_error(running, VIA_EPERM, 0, NULL), VIA_ESTATE);
    via_test_gate_open(&gate);
    finish(running);
    finish(queued);
    close_executor(pool);
}

TEST(nulls_and_bad_numbers_are_refused)
{
    struct via_executor_stats stats = {.workers = 99};
    struct via_stuck_call stuck;
    via_executor *pool = pool_of(1), *untouched = pool, *executor = pool;
    struct via_executor_ops no_submit = {.kind = "none", .call_kinds = VIA_CALL_POINTER};

    ck_assert_ptr_null(via_executor_ref(NULL));
    ck_assert_ptr_null(via_executor_unref(NULL));
    ck_assert_int_eq(via_executor_shutdown(NULL, 0, 0), VIA_EINVAL);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, -1), VIA_EINVAL);
    ck_assert_int_eq(via_executor_shutdown(pool, 1U << 30, 0), VIA_EINVAL);
    ck_assert_int_eq(via_executor_stats(NULL, &stats), VIA_EINVAL);
    ck_assert_int_eq(via_executor_stats(pool, NULL), VIA_EINVAL);
    ck_assert_uint_eq(stats.workers, 99);
    ck_assert_int_eq(via_executor_stuck(NULL, &stuck, 1), VIA_EINVAL);
    ck_assert_int_eq(via_executor_stuck(pool, NULL, 1), VIA_EINVAL);
    ck_assert_int_eq(via_executor_stuck(pool, NULL, 0), 0);
    ck_assert_int_eq(via_executor_new(NULL, NULL, &executor), VIA_EINVAL);
    ck_assert_int_eq(via_executor_new(&no_submit, NULL, &executor), VIA_EINVAL);
    ck_assert_int_eq(via_executor_new(&bare_ops, NULL, NULL), VIA_EINVAL);
    ck_assert_ptr_eq(executor, untouched);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
}

TEST(an_own_executor_gets_jobs_and_ends_them_later)
{
    int value = 1;
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    via_cfuture *cf = submit(executor, add_one, &value);

    ck_assert_int_eq(shelf.jobs, 1);
    ck_assert_int_eq(via_cfuture_state(cf), VIA_PENDING);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 1);
    ck_assert_ptr_eq(finish(cf), &value);
    ck_assert_int_eq(value, 2);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 1);
}

static int run_now(void *self, via_job *job)
{
    (void)self;
    ck_assert_int_eq(via_job_run(job), 1);
    return 0;
}

TEST(an_own_executor_may_end_a_job_inside_submit)
{
    static const struct via_executor_ops ops = {
        .kind = "now", .call_kinds = VIA_CALL_POINTER, .submit = run_now};
    int value = 1;
    struct via_call call = VIA_CALL(add_one, &value);
    via_executor *executor = NULL;
    via_cfuture *cf;

    ck_assert_int_eq(via_executor_new(&ops, NULL, &executor), 0);
    cf = submit_call(executor, &call);
    ck_assert_int_eq(via_cfuture_done(cf), 1);
    ck_assert_ptr_eq(finish(cf), &value);
    ck_assert_int_eq(via_executor_submit(executor, &call, NULL), 0);
    ck_assert_int_eq(value, 3);
    via_executor_unref(executor);
}

TEST(a_job_that_an_own_executor_refuses_fails_the_submission)
{
    struct shelf shelf = {.refuse = VIA_EBUSY};
    via_executor *executor = executor_on(&shelf_ops, &shelf);

    submit_refused(executor, VIA_CALL(echo, NULL), VIA_EBUSY);
    shelf.refuse = 1;
    submit_refused(executor, VIA_CALL(echo, NULL), VIA_EFAILED);
    ck_assert_int_eq(shelf.jobs, 0);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(an_own_executor_is_told_of_a_cancelled_job)
{
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    via_cfuture *cf;

    call.destroy = via_test_counted_destroy;
    cf = submit_call(executor, &call);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(shelf.cancelled, 1);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 0);
    finish_with(cf, VIA_ECANCELED);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 1);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(an_own_executor_is_freed_when_reference_and_jobs_are_gone)
{
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    via_cfuture *cf = submit(executor, echo, NULL);

    ck_assert_ptr_eq(via_executor_ref(executor), executor);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 0);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 0);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 1);
    ck_assert_int_eq(shelf.freed, 1);
    finish(cf);
}

TEST(an_own_executor_gets_the_shutdown_and_may_need_longer)
{
    struct shelf shelf = {.shutdown_rc = VIA_ETIMEDOUT};
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    int64_t before_ns = via_now_ns();

    ck_assert_int_eq(via_executor_shutdown(executor, VIA_SHUTDOWN_CANCEL_QUEUED, VIA_S), VIA_ETIMEDOUT);
    ck_assert_int_eq(shelf.shutdowns, 1);
    ck_assert_uint_eq(shelf.flags, VIA_SHUTDOWN_CANCEL_QUEUED);
    ck_assert_int_ge(shelf.deadline_ns, before_ns + VIA_S);
    submit_refused(executor, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    shelf.shutdown_rc = 0;
    ck_assert_int_eq(via_executor_shutdown(executor, 0, 0), 0);
    ck_assert_int_eq(shelf.shutdowns, 2);
    via_executor_unref(executor);
    ck_assert_int_eq(shelf.freed, 1);
}

TEST(an_own_executor_without_hooks_works)
{
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&bare_ops, &shelf);
    via_cfuture *cf = submit(executor, echo, NULL), *second = submit(executor, echo, NULL);

    ck_assert_uint_eq(stats_of(executor).workers, 0);
    ck_assert_int_eq(via_cfuture_cancel(second), VIA_CANCEL_NEVER_RAN);
    ck_assert_int_eq(via_job_run(shelf.job[1]), 0);
    ck_assert_int_eq(via_job_run(shelf.job[0]), 1);
    finish(cf);
    via_cfuture_unref(second);
    ck_assert_int_eq(via_executor_shutdown(executor, 0, via_test_bound_ns()), 0);
    submit_refused(executor, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    via_executor_unref(executor);
}

TEST(an_own_executor_fills_in_its_figures)
{
    struct shelf shelf = {0};
    via_executor *executor = executor_on(&shelf_ops, &shelf);

    ck_assert_uint_eq(stats_of(executor).queued_peak, 77);
    ck_assert_uint_eq(stats_of(executor).running, 0);
    via_executor_unref(executor);
}

TEST(a_kind_of_call_that_an_executor_cannot_run_is_not_supported)
{
    struct shelf shelf = {0};
    struct via_call call = VIA_CALL_BYTES(bytes_nothing, NULL, 0);
    via_executor *executor = executor_on(&shelf_ops, &shelf);
    via_cfuture *cf = NULL;

    ck_assert_int_eq(via_executor_submit(executor, &call, &cf), VIA_ENOTSUP);
    ck_assert_ptr_null(cf);
    ck_assert_int_eq(shelf.jobs, 0);
    via_executor_unref(executor);
}

struct inherited {
    via_executor *pool;
    via_cfuture *queued;
};

/* Everything of the parent's that could hang answers instead; the exit status names the first that did not.
 */
static int use_parents_pool(void *arg)
{
    struct inherited *inherited = arg;
    struct via_call call = VIA_CALL(echo, NULL);
    struct via_executor_stats stats;
    via_cfuture *cf = NULL;
    via_completion *completion = NULL;

    if (via_executor_submit(inherited->pool, &call, &cf) != VIA_EFORKED || cf)
        return 1;
    if (via_executor_shutdown(inherited->pool, 0, VIA_S) != VIA_EFORKED)
        return 2;
    if (via_executor_stats(inherited->pool, &stats) != VIA_EFORKED)
        return 3;
    if (via_executor_stuck(inherited->pool, NULL, 0) != VIA_EFORKED)
        return 4;
    if (via_cfuture_wait(inherited->queued, VIA_S) != VIA_EFORKED)
        return 5;
    if (via_cfuture_cancel(inherited->queued) != VIA_EFORKED)
        return 6;
    if (via_cfutures_wait(&inherited->queued, 1, VIA_S, VIA_ALL_COMPLETED) != VIA_EFORKED)
        return 7;
    if (via_cfutures_as_completed(&inherited->queued, 1, VIA_S, &completion) == 0 &&
        via_completion_next(completion, &cf) != VIA_EFORKED)
        return 8;
    if (via_serial_new(inherited->pool, &inherited->pool) != VIA_EFORKED)
        return 9;
    return 0;
}

TEST(in_a_forked_child_the_parents_pool_answers_forked)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct inherited inherited = {.pool = pool_of(1)};
    via_cfuture *running = occupy(inherited.pool, &gate);

    inherited.queued = submit(inherited.pool, echo, NULL);
    ck_assert_int_eq(via_test_fork(use_parents_pool, &inherited), 0);
    via_test_gate_open(&gate);
    finish(running);
    finish(inherited.queued);
    close_executor(inherited.pool);
}

/* A child that makes a pool of its own and drops what it inherited. */
static int use_own_pool(void *arg)
{
    struct inherited *inherited = arg;
    via_executor *pool = pool_of(2);

    via_executor_unref(inherited->pool);
    finish(submit(pool, echo, NULL));
    close_executor(pool);
    return 23;
}

TEST(a_forked_child_can_have_a_pool_of_its_own)
{
    struct inherited inherited = {.pool = pool_of(1)};

    finish(submit(inherited.pool, echo, NULL));
    if (CHILD_MAY_START_THREADS)
        ck_assert_int_eq(via_test_fork(use_own_pool, &inherited), 23);
    finish(submit(inherited.pool, echo, NULL));
    close_executor(inherited.pool);
}

/* One call on a pool, without a check: Check's lock may be held by another thread at a fork. */
static int run_one_call(via_executor *pool)
{
    struct via_call call = VIA_CALL(echo, NULL);
    via_cfuture *cf = NULL;
    int rc = via_executor_submit(pool, &call, &cf);

    if (rc == 0)
        rc = via_cfuture_wait(cf, via_test_bound_ns());
    via_cfuture_unref(cf);
    return rc;
}

struct busy {
    struct via_test_thread thread;
    via_executor *pool;
    atomic_int stop;
    int rc;
};

static void *submit_until_told(void *arg)
{
    struct busy *busy = arg;

    while (!atomic_load(&busy->stop) && busy->rc == 0)
        busy->rc = run_one_call(busy->pool);
    return NULL;
}

/* A child that makes a pool while its parent was in the midst of using one.  The sanitizers' own heaps do not
 * bear a fork while another thread is in them. */
static void live_in_child(void)
{
    via_executor *pool = NULL;

    if (!UNDER_SANITIZER && (via_thread_pool_new(NULL, &pool) != 0 || run_one_call(pool) != 0 ||
                             via_executor_shutdown(pool, 0, via_test_bound_ns()) != 0))
        _exit(1);
    _exit(23);
}

TEST(forking_while_another_thread_submits_does_not_hang_the_child)
{
    struct busy busy = {.pool = NULL};

    if (via_test_under_valgrind())
        return;
    busy.pool = pool_of(2);
    via_test_thread_start(&busy.thread, submit_until_told, &busy);
    for (int i = 0; i < 10; i++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
            live_in_child();
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 23);
    }
    atomic_store(&busy.stop, 1);
    via_test_thread_join(&busy.thread);
    ck_assert_int_eq(busy.rc, 0);
    close_executor(busy.pool);
}

TEST_MAIN("executor/executor", a_submitted_call_runs_and_gives_its_result,
          without_a_place_for_the_future_the_call_still_runs, dropping_the_future_does_not_cancel,
          submitting_needs_executor_call_and_function, an_unknown_kind_flag_or_priority_is_refused,
          an_abandonable_call_must_own_what_it_touches, a_deadline_that_has_passed_is_refused,
          an_argument_is_destroyed_exactly_once_after_the_run,
          a_worker_drops_the_argument_before_it_waits_again, the_programs_call_struct_is_copied,
          an_executors_future_cannot_be_settled_by_others, nulls_and_bad_numbers_are_refused,
          an_own_executor_gets_jobs_and_ends_them_later, an_own_executor_may_end_a_job_inside_submit,
          a_job_that_an_own_executor_refuses_fails_the_submission, an_own_executor_is_told_of_a_cancelled_job,
          an_own_executor_is_freed_when_reference_and_jobs_are_gone,
          an_own_executor_gets_the_shutdown_and_may_need_longer, an_own_executor_without_hooks_works,
          an_own_executor_fills_in_its_figures, a_kind_of_call_that_an_executor_cannot_run_is_not_supported,
          in_a_forked_child_the_parents_pool_answers_forked, a_forked_child_can_have_a_pool_of_its_own,
          forking_while_another_thread_submits_does_not_hang_the_child)
