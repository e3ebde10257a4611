/* SPDX-License-Identifier: BSD-3-Clause */
/* How a pool ends: shutdown in all its variants, the last reference, the end of the process. */
#include "unit/executor/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(shutdown_runs_what_is_queued)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    atomic_int calls = 0;
    via_executor *pool = pool_of(2);
    via_cfuture *one = occupy(pool, &gate), *two = occupy(pool, &gate);

    for (int i = 0; i < 50; i++)
        via_cfuture_unref(submit(pool, count_up, &calls));
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    ck_assert_int_eq(atomic_load(&calls), 0);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_int_eq(atomic_load(&calls), 50);
    finish(one);
    finish(two);
    via_executor_unref(pool);
}

TEST(shutdown_ends_every_thread)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int before = via_test_threads();
    via_cfuture *cf[3];
    via_executor *pool = pool_of(3);

    for (int i = 0; i < 3; i++)
        cf[i] = occupy(pool, &gate);
    ck_assert_int_eq(via_test_threads(), before + 3);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    via_test_await_threads(before);
    ck_assert_uint_eq(stats_of(pool).workers, 0);
    for (int i = 0; i < 3; i++)
        finish(cf[i]);
    via_executor_unref(pool);
}

TEST(shutdown_may_be_called_again)
{
    via_executor *pool = pool_of(1);

    finish(submit(pool, echo, NULL));
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), 0);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, VIA_FOREVER), 0);
    via_executor_unref(pool);
}

TEST(a_pool_that_never_had_a_thread_shuts_down)
{
    via_executor *pool = pool_of(1), *dropped = pool_of(1);

    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), 0);
    via_executor_unref(pool);
    via_executor_unref(dropped);
}

TEST(nothing_is_accepted_after_shutdown)
{
    via_executor *pool = pool_of(1);

    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    submit_refused(pool, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    via_executor_unref(pool);
}

TEST(without_waiting_the_results_still_come)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int before = via_test_threads();
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *queued = submit(pool, echo, pool);

    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    submit_refused(pool, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    via_test_gate_open(&gate);
    finish(running);
    ck_assert_ptr_eq(finish(queued), pool);
    via_test_await_threads(before);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    via_executor_unref(pool);
}

TEST(cancel_queued_cancels_what_has_not_started)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_test_counted payload = {0};
    struct via_call call = VIA_CALL(echo, &payload);
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cf[10], *owner;

    for (int i = 0; i < 10; i++)
        cf[i] = submit(pool, echo, NULL);
    call.destroy = via_test_counted_destroy;
    owner = submit_call(pool, &call);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, 0), VIA_ETIMEDOUT);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(via_cfuture_state(cf[i]), VIA_CANCELLED);
        finish_with(cf[i], VIA_ECANCELED);
    }
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    finish_with(owner, VIA_ECANCELED);
    ck_assert_int_eq(via_cfuture_state(running), VIA_RUNNING);
    ck_assert_uint_eq(stats_of(pool).cancelled, 11);
    via_test_gate_open(&gate);
    finish(running);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    via_executor_unref(pool);
}

struct waiter {
    struct via_test_thread thread;
    via_cfuture *cf;
    int rc;
};

static void *wait_in_thread(void *arg)
{
    struct waiter *waiter = arg;

    waiter->rc = via_cfutures_wait(&waiter->cf, 1, VIA_FOREVER, VIA_ALL_COMPLETED);
    return NULL;
}

TEST(cancel_queued_releases_those_who_wait)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate);
    struct waiter waiter = {.cf = submit(pool, echo, NULL)};

    via_test_thread_start(&waiter.thread, wait_in_thread, &waiter);
    via_test_thread_await_blocked(&waiter.thread);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, 0), VIA_ETIMEDOUT);
    via_test_thread_join(&waiter.thread);
    ck_assert_int_eq(waiter.rc, 1);
    finish_with(waiter.cf, VIA_ECANCELED);
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
}

TEST(after_a_shutdown_that_timed_out_one_can_still_cancel)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *queued = submit(pool, echo, NULL);

    ck_assert_int_eq(via_executor_shutdown(pool, 0, VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_cfuture_state(queued), VIA_PENDING);
    ck_assert_int_eq(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, VIA_MS), VIA_ETIMEDOUT);
    finish_with(queued, VIA_ECANCELED);
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
}

TEST(shutdown_with_only_cancelled_calls_returns)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    via_cfuture *running = occupy(pool, &gate), *cancelled = submit(pool, echo, NULL);

    ck_assert_int_eq(via_cfuture_cancel(cancelled), VIA_CANCEL_NEVER_RAN);
    via_test_gate_open(&gate);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
    finish(running);
    via_cfuture_unref(cancelled);
    via_executor_unref(pool);
}

/* A call that waits for another, which its worker runs itself. */
static int wait_for_inner(void *arg, void **result)
{
    const struct via_call *inner = arg;
    via_cfuture *cf = submit_call(inner->cancel_arg, inner);
    int status = status_of(cf);

    (void)result;
    via_cfuture_unref(cf);
    return status;
}

/* The strand's pump is a call of the pool's, as a call that a worker runs for itself is. */
static void expect_the_inner_call(via_executor *on, via_executor *pool)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call inner = VIA_CALL(via_test_gate_call, &gate), outer = VIA_CALL(wait_for_inner, &inner);
    struct via_stuck_call stuck[4];
    via_cfuture *cf;

    inner.name = "inner";
    inner.cancel_arg = on;
    outer.name = "outer";
    cf = submit_call(pool, &outer);
    via_test_gate_await(&gate, 1);
    ck_assert_uint_eq(stats_of(pool).running, 2);
    int count = via_executor_stuck(pool, stuck, 4);
    ck_assert_int_ge(count, 2);
    ck_assert_str_eq(stuck[0].name, "outer");
    ck_assert_str_eq(stuck[count - 1].name, "inner");
    ck_assert_ptr_eq(stuck[count - 1].function, (void *)(uintptr_t)via_test_gate_call);
    ck_assert_int_eq(stuck[count - 1].thread_id, stuck[0].thread_id);
    ck_assert_int_ge(stuck[count - 1].running_ns, 0);
    via_test_gate_open(&gate);
    finish(cf);
}

TEST(a_call_that_runs_within_another_is_listed_as_the_last)
{
    via_executor *pool = pool_of(1);

    expect_the_inner_call(pool, pool);
    close_executor(pool);
}

TEST(a_strands_call_that_runs_within_another_is_listed_as_the_last)
{
    via_executor *pool = pool_of(1), *strand = NULL;

    ck_assert_int_eq(via_serial_new(pool, &strand), 0);
    expect_the_inner_call(strand, pool);
    close_executor(strand);
    close_executor(pool);
}

TEST(the_stuck_calls_are_listed_with_the_longest_first)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct via_call call = VIA_CALL(via_test_gate_call, &gate);
    struct via_stuck_call stuck[4];
    via_executor *pool = pool_of(2);
    via_cfuture *first, *second;

    call.name = "first";
    first = submit_call(pool, &call);
    via_test_gate_await(&gate, 1);
    AWAIT(stats_of(pool).oldest_running_ns > VIA_MS);
    call.name = NULL;
    second = submit_call(pool, &call);
    via_test_gate_await(&gate, 2);
    ck_assert_int_eq(via_executor_shutdown(pool, 0, VIA_MS), VIA_ETIMEDOUT);
    memset(stuck, 0, sizeof(stuck));
    ck_assert_int_eq(via_executor_stuck(pool, stuck, 4), 2);
    ck_assert_str_eq(stuck[0].name, "first");
    ck_assert_ptr_null(stuck[1].name);
    ck_assert_ptr_eq(stuck[0].function, (void *)(uintptr_t)via_test_gate_call);
    ck_assert_ptr_eq(stuck[1].function, (void *)(uintptr_t)via_test_gate_call);
    ck_assert_int_gt(stuck[0].running_ns, stuck[1].running_ns);
    ck_assert_int_ge(stuck[1].running_ns, 0);
    ck_assert_int_gt(stuck[0].thread_id, 0);
    ck_assert_int_ne(stuck[0].thread_id, stuck[1].thread_id);
    ck_assert_int_ne(stuck[0].thread_id, gettid());
    memset(stuck, 0, sizeof(stuck));
    ck_assert_int_eq(via_executor_stuck(pool, stuck, 1), 2);
    ck_assert_str_eq(stuck[0].name, "first");
    ck_assert_ptr_null(stuck[1].function);
    ck_assert_int_eq(via_executor_stuck(pool, NULL, 0), 2);
    via_test_gate_open(&gate);
    finish(first);
    finish(second);
    close_executor(pool);
}

/* A call that shuts its own pool down. */
struct suicide {
    via_executor *pool;
    struct via_test_gate gate;
    int64_t timeout_ns;
};

static int shut_own_pool_down(void *arg, void **result)
{
    struct suicide *suicide = arg;

    (void)result;
    via_test_gate_pass(&suicide->gate);
    return via_executor_shutdown(suicide->pool, 0, suicide->timeout_ns);
}

TEST(a_worker_that_waits_for_its_own_pools_end_is_a_deadlock)
{
    struct suicide suicide = {pool_of(1), VIA_TEST_GATE_INITIALIZER, VIA_FOREVER};
    via_cfuture *cf = submit(suicide.pool, shut_own_pool_down, &suicide), *queued;

    via_test_gate_await(&suicide.gate, 1);
    queued = submit(suicide.pool, echo, NULL);
    via_test_gate_open(&suicide.gate);
    finish_with(cf, VIA_EDEADLK);
    submit_refused(suicide.pool, VIA_CALL(echo, NULL), VIA_ESHUTDOWN);
    finish(queued);
    close_executor(suicide.pool);
}

struct closer {
    struct via_test_thread thread;
    via_executor *pool;
    int rc;
};

static void *shut_down_in_thread(void *arg)
{
    struct closer *closer = arg;

    closer->rc = via_executor_shutdown(closer->pool, 0, VIA_FOREVER);
    return NULL;
}

TEST(two_threads_may_wait_for_the_end_at_once)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    via_executor *pool = pool_of(1);
    struct closer one = {.pool = pool, .rc = 1}, two = {.pool = pool, .rc = 1};
    via_cfuture *running = occupy(pool, &gate);

    via_test_thread_start(&one.thread, shut_down_in_thread, &one);
    via_test_thread_start(&two.thread, shut_down_in_thread, &two);
    via_test_thread_await_blocked(&one.thread);
    via_test_thread_await_blocked(&two.thread);
    via_test_gate_open(&gate);
    via_test_thread_join(&one.thread);
    via_test_thread_join(&two.thread);
    ck_assert_int_eq(one.rc, 0);
    ck_assert_int_eq(two.rc, 0);
    finish(running);
    via_executor_unref(pool);
}

TEST(shutdown_with_a_full_queue_does_not_block)
{
    struct via_thread_pool_options options;
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    atomic_int calls = 0;
    via_cfuture *running;
    via_executor *pool = NULL;

    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.max_queued = 8;
    ck_assert_int_eq(via_thread_pool_new(&options, &pool), 0);
    running = occupy(pool, &gate);
    for (int i = 0; i < 8; i++)
        via_cfuture_unref(submit(pool, count_up, &calls));
    ck_assert_int_eq(via_executor_shutdown(pool, 0, 0), VIA_ETIMEDOUT);
    via_test_gate_open(&gate);
    finish(running);
    close_executor(pool);
    ck_assert_int_eq(atomic_load(&calls), 8);
}

TEST(dropping_the_last_reference_finishes_the_work_and_ends_the_threads)
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    int before = via_test_threads();
    via_executor *pool = pool_of(2);
    via_cfuture *running = occupy(pool, &gate), *second = occupy(pool, &gate);
    via_cfuture *queued = submit(pool, echo, &gate);

    ck_assert_ptr_null(via_executor_unref(pool));
    ck_assert_int_eq(via_cfuture_state(queued), VIA_PENDING);
    via_test_gate_open(&gate);
    finish(running);
    finish(second);
    ck_assert_ptr_eq(finish(queued), &gate);
    via_test_await_threads(before);
}

TEST(a_future_outlives_its_pool)
{
    int before = via_test_threads();
    via_executor *pool = pool_of(1);
    via_cfuture *cf = submit(pool, echo, &before);

    ck_assert_int_eq(status_of(cf), 0);
    via_executor_unref(pool);
    via_test_await_threads(before);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_TOO_LATE);
    ck_assert_ptr_eq(finish(cf), &before);
}

static int drop_own_pool(void *arg, void **result)
{
    struct suicide *suicide = arg;

    via_test_gate_pass(&suicide->gate);
    *result = suicide;
    via_executor_unref(suicide->pool);
    return 0;
}

TEST(a_worker_may_drop_the_last_reference_to_its_own_pool)
{
    int before = via_test_threads();
    struct suicide suicide = {pool_of(1), VIA_TEST_GATE_INITIALIZER, 0};
    via_cfuture *cf = submit(suicide.pool, drop_own_pool, &suicide), *queued;

    via_test_gate_await(&suicide.gate, 1);
    queued = submit(suicide.pool, echo, &before);
    via_test_gate_open(&suicide.gate);
    ck_assert_ptr_eq(finish(cf), &suicide);
    ck_assert_ptr_eq(finish(queued), &before);
    via_test_await_threads(before);
}

/* The end of a process.  Each scenario runs in a child that ends with exit(), not _exit(); the answer is what
 * the parent sees of it. */
static int output;
static via_executor *kept; /* by the child, so that nothing counts as lost */

static int write_byte(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return write(output, "x", 1) == 1 ? 0 : VIA_EPERM;
}

static int block_for_ever(void *arg, void **result)
{
    (void)result;
    via_test_gate_admit(arg, 1);
    for (;;)
        pause();
    return 0;
}

static void keep_pool(int64_t exit_timeout_ns)
{
    struct via_thread_pool_options options;

    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.exit_timeout_ns = exit_timeout_ns;
    ck_assert_int_eq(via_thread_pool_new(&options, &kept), 0);
}

static void leave_call(via_call_fn fn, void *arg)
{
    via_cfuture_unref(submit(kept, fn, arg));
}

/* Forks a child that runs `fn` and then exits with 7; gives how many bytes the child's calls wrote. */
static int bytes_from_exiting_child(void (*fn)(void))
{
    int fds[2], status, bytes = 0;
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        output = fds[1];
        fn();
        exit(7);
    }
    close(fds[1]);
    while (read(fds[0], &byte, 1) == 1)
        bytes++;
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the child ended with status %#x", status);
    return bytes;
}

static void leave_work_behind(void)
{
    keep_pool(via_test_bound_ns());

    for (int i = 0; i < 20; i++)
        leave_call(write_byte, NULL);
}

TEST(what_is_queued_at_the_end_of_the_process_is_finished)
{
    ck_assert_int_eq(bytes_from_exiting_child(leave_work_behind), 20);
}

static void leave_work_of_a_dropped_pool_behind(void)
{
    keep_pool(via_test_bound_ns());

    for (int i = 0; i < 20; i++)
        leave_call(write_byte, NULL);
    kept = via_executor_unref(kept);
}

TEST(what_a_dropped_pool_has_queued_is_finished_too)
{
    ck_assert_int_eq(bytes_from_exiting_child(leave_work_of_a_dropped_pool_behind), 20);
}

static void leave_a_shutdown_behind(void)
{
    keep_pool(via_test_bound_ns());

    for (int i = 0; i < 20; i++)
        leave_call(write_byte, NULL);
    via_executor_shutdown(kept, 0, 0);
}

TEST(a_shutdown_without_waiting_does_not_hang_the_exit)
{
    ck_assert_int_eq(bytes_from_exiting_child(leave_a_shutdown_behind), 20);
}

static void leave_a_stuck_worker_behind(void)
{
    static struct via_test_gate started = VIA_TEST_GATE_INITIALIZER;
    keep_pool(10 * VIA_MS);

    leave_call(write_byte, NULL);
    leave_call(block_for_ever, &started);
    leave_call(write_byte, NULL);
    via_test_gate_pass(&started);
}

TEST(a_process_with_a_stuck_worker_exits)
{
    ck_assert_int_eq(bytes_from_exiting_child(leave_a_stuck_worker_behind), 1);
}

static void submit_at_exit(void)
{
    struct via_call call = VIA_CALL(write_byte, NULL);

    if (via_executor_submit(kept, &call, NULL) == VIA_ESHUTDOWN)
        (void)!write(output, "r", 1);
}

static void submit_after_the_pools_end(void)
{
    /* Exit handlers run in reverse order, so this one runs when the pool's end is over. */
    atexit(submit_at_exit);
    keep_pool(via_test_bound_ns());
    leave_call(write_byte, NULL);
}

TEST(submitting_at_the_end_of_the_process_is_refused)
{
    ck_assert_int_eq(bytes_from_exiting_child(submit_after_the_pools_end), 2);
}

static int exit_from_worker(void *arg, void **result)
{
    (void)arg;
    (void)result;
    exit(7);
}

static void let_a_worker_exit(void)
{
    keep_pool(10 * VIA_MS);

    leave_call(exit_from_worker, NULL);
    for (;;)
        pause();
}

TEST(a_worker_may_end_the_process)
{
    ck_assert_int_eq(bytes_from_exiting_child(let_a_worker_exit), 0);
}

TEST_MAIN("executor/pool_shutdown", shutdown_runs_what_is_queued, shutdown_ends_every_thread,
          shutdown_may_be_called_again, a_pool_that_never_had_a_thread_shuts_down,
          nothing_is_accepted_after_shutdown, without_waiting_the_results_still_come,
          cancel_queued_cancels_what_has_not_started, cancel_queued_releases_those_who_wait,
          after_a_shutdown_that_timed_out_one_can_still_cancel, shutdown_with_only_cancelled_calls_returns,
          the_stuck_calls_are_listed_with_the_longest_first,
          a_call_that_runs_within_another_is_listed_as_the_last,
          a_strands_call_that_runs_within_another_is_listed_as_the_last,
          a_worker_that_waits_for_its_own_pools_end_is_a_deadlock, two_threads_may_wait_for_the_end_at_once,
          shutdown_with_a_full_queue_does_not_block,
          dropping_the_last_reference_finishes_the_work_and_ends_the_threads, a_future_outlives_its_pool,
          a_worker_may_drop_the_last_reference_to_its_own_pool,
          what_is_queued_at_the_end_of_the_process_is_finished,
          what_a_dropped_pool_has_queued_is_finished_too, a_shutdown_without_waiting_does_not_hang_the_exit,
          a_process_with_a_stuck_worker_exits, submitting_at_the_end_of_the_process_is_refused,
          a_worker_may_end_the_process)
