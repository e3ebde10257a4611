/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools that a loop serves: what the loop's thread may do, and what becomes of the pool when the loop goes.
 */
#include "pool_inside.h"
#include "support/sanitizers.h"

#include <sys/timerfd.h>
#include <sys/wait.h>

struct waiting {
    via_executor *pool;
    int waited, shut;
};

static int wait_inside(void *arg)
{
    struct waiting *waiting = arg;
    via_cfuture *cf = submit(waiting->pool, give_back, "x", 1);
    waiting->waited = via_cfuture_wait(cf, via_test_bound_ns());
    via_cfuture_unref(cf);
    return 0;
}

TEST(waiting_in_a_callback_of_the_loop_that_serves_is_refused)
{
    via_loop *loop = new_loop();
    struct waiting waiting = {open_served(loop, VIA_TRANSPORT_AUTO, 1), 1, 1};
    ck_assert_int_eq(via_call_soon(loop, wait_inside, &waiting, NULL), 0);
    RUN_UNTIL(loop, waiting.waited != 1);
    ck_assert_int_eq(waiting.waited, VIA_EDEADLK);
    close_pool(waiting.pool);
    via_loop_unref(loop);
}

static int shut_inside(void *arg)
{
    struct waiting *waiting = arg;
    waiting->shut = via_executor_shutdown(waiting->pool, 0, via_test_bound_ns());
    return 0;
}

TEST(a_callback_of_the_loop_shuts_the_pool_down_but_does_not_wait)
{
    via_loop *loop = new_loop();
    struct waiting waiting = {open_served(loop, VIA_TRANSPORT_AUTO, 1), 1, 1};
    via_cfuture *cf = submit(waiting.pool, give_back, "x", 1);
    ck_assert_int_eq(via_call_soon(loop, shut_inside, &waiting, NULL), 0);
    RUN_UNTIL(loop, waiting.shut != 1);
    ck_assert_int_eq(waiting.shut, VIA_EDEADLK);
    struct via_call call = VIA_CALL_BYTES(do_nothing, NULL, 0);
    ck_assert_int_eq(via_executor_submit(waiting.pool, &call, NULL), VIA_ESHUTDOWN);
    ck_assert_int_eq(run_to_end(loop, cf), 0);
    RUN_UNTIL(loop, via_executor_shutdown(waiting.pool, 0, 0) == 0);
    via_executor_unref(waiting.pool);
    via_loop_unref(loop);
}

/* ---- the loop goes ---- */

TEST(a_thread_takes_over_when_the_loop_closes)
{
    int threads = via_test_threads();
    EACH_TRANSPORT(transport)
    {
        via_test_await_threads(threads); // the one that saw off the helper process may still be ending
        via_loop *loop = new_loop();
        via_executor *pool = open_served(loop, transport, 1);
        via_buffer *gate = new_gate();
        via_cfuture *running = submit_gate(pool, gate), *queued = submit(pool, give_back, "x", 1);
        RUN_UNTIL(loop, atomic_load(&gate_of(gate)->arrived) == 1);
        ck_assert_int_eq(via_test_threads(), threads + 1); /* which cares for the helper process */
        via_loop_unref(loop);
        ck_assert_int_eq(via_test_threads(), threads + 2);
        open_gate(gate);
        ck_assert_int_eq(finish(running), 0);
        ck_assert_int_eq(finish(queued), 0);
        ck_assert_int_eq(finish(submit(pool, give_back, "y", 1)), 0);
        close_pool(pool);
        via_buffer_unref(gate);
    }
}

TEST(answers_that_came_before_the_loop_closed_are_found)
{
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    via_buffer *gate = new_gate();
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    open_gate(gate);
    via_cfuture *cf = submit_gate(pool, gate);
    await_arrivals(gate, 1);
    via_loop_unref(loop);
    ck_assert_int_eq(finish(cf), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(a_pool_released_with_calls_running_ends_with_them_when_the_loop_goes)
{
    int threads = via_test_threads();
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    via_buffer *gate = new_gate();
    via_cfuture *running = submit_gate(pool, gate), *queued = submit(pool, give_back, "x", 1);
    RUN_UNTIL(loop, atomic_load(&gate_of(gate)->arrived) == 1);
    via_executor_unref(pool);
    via_loop_unref(loop); // which was never run again
    open_gate(gate);
    ck_assert_int_eq(finish(running), 0);
    ck_assert_int_eq(finish(queued), 0);
    via_test_await_threads(threads);
    via_buffer_unref(gate);
}

TEST(a_pool_released_before_its_loop_ran_at_all_ends)
{
    int threads = via_test_threads();
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    via_cfuture *cf = submit(pool, give_back, "x", 1);
    via_executor_unref(pool);
    via_loop_unref(loop);
    ck_assert_int_eq(finish(cf), 0);
    via_test_await_threads(threads);
}

TEST(one_loop_serves_several_pools)
{
    via_loop *loop = new_loop();
    via_executor *pools[3];
    via_cfuture *cf[3][20];
    for (int i = 0; i < 3; i++)
        pools[i] = open_served(loop, i % 2 ? VIA_TRANSPORT_SHARED : VIA_TRANSPORT_SOCKET, 1 + i);
    for (int j = 0; j < 20; j++)
        for (int i = 0; i < 3; i++)
            cf[i][j] = submit(pools[i], give_back, &j, sizeof j);
    for (int j = 0; j < 20; j++) {
        for (int i = 0; i < 3; i++) {
            RUN_UNTIL(loop, via_cfuture_done(cf[i][j]));
            ck_assert_mem_eq(wait_outcome(cf[i][j]).value, &j, sizeof j);
            via_cfuture_unref(cf[i][j]);
        }
    }
    for (int i = 0; i < 3; i++)
        close_pool(pools[i]);
    via_loop_unref(loop);
}

TEST(a_closed_loop_is_refused)
{
    via_loop *loop = new_loop();
    struct via_process_pool_options options = pool_options(1);
    via_executor *pool = NULL;
    char why[200] = "";
    options.loop = loop;
    options.why = why;
    options.why_bytes = sizeof why;
    ck_assert_int_eq(via_loop_close(loop), 0);
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_ECLOSED);
    ck_assert_ptr_null(pool);
    ck_assert_str_ne(why, "");
    via_loop_unref(loop);
}

/* ---- done callbacks ---- */

struct dropping {
    via_executor *pool;
    _Atomic int done;
};

static int drop_the_pool(via_cfuture *cf, void *arg)
{
    struct dropping *dropping = arg;
    (void)cf;
    via_executor_unref(dropping->pool);
    atomic_store(&dropping->done, 1);
    return 0;
}

TEST(a_done_callback_may_drop_the_pool)
{
    for (int by_loop = 0; by_loop < 2; by_loop++) {
        int threads = via_test_threads();
        via_loop *loop = by_loop ? new_loop() : NULL;
        struct dropping dropping = {open_served(loop, VIA_TRANSPORT_AUTO, 1), 0};
        via_buffer *gate = new_gate();
        via_cfuture *cf = submit_gate(dropping.pool, gate);
        ck_assert_int_eq(via_cfuture_add_done_callback(cf, drop_the_pool, &dropping), 0);
        open_gate(gate);
        if (loop)
            RUN_UNTIL(loop, atomic_load(&dropping.done));
        else
            AWAIT(atomic_load(&dropping.done));
        ck_assert_int_eq(finish(cf), 0);
        via_loop_unref(loop);
        via_test_await_threads(threads);
        via_buffer_unref(gate);
    }
}

// From now on the pool is told of nothing by its timer, which would find what was not told.
static void stop_timer(via_executor *executor)
{
    struct via__process_pool *pool = inside(executor);
    struct itimerspec never = {.it_value = {0, 0}};
    via__process_lock(pool);
    ck_assert_int_eq(timerfd_settime(pool->timer_fd, 0, &never, NULL), 0);
    pool->armed_ns = 0; // as if it were about to fire
    via__process_unlock(pool);
}

/* The release is told while the loop deals with the answer, and before it hears what else there is. */
TEST(a_pool_dropped_in_a_done_callback_ends_while_its_loop_runs_on)
{
    via_loop *loop = new_loop();
    struct dropping dropping = {open_served(loop, VIA_TRANSPORT_AUTO, 1), 0};
    via_buffer *gate = new_gate();
    via_cfuture *cf = submit_gate(dropping.pool, gate);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, drop_the_pool, &dropping), 0);
    RUN_UNTIL(loop, atomic_load(&gate_of(gate)->arrived) == 1);
    stop_timer(dropping.pool);
    open_gate(gate);
    RUN_UNTIL(loop, atomic_load(&dropping.done));
    ck_assert_int_eq(finish(cf), 0);
    RUN_UNTIL(loop, is_dead(atomic_load(&gate_of(gate)->pid)));
    via_loop_unref(loop);
    via_buffer_unref(gate);
}

struct second {
    via_executor *pool;
    via_buffer *gate;
};

static size_t count_answered(via_executor *executor)
{
    struct via__process_pool *pool = inside(executor);
    size_t answered = 0;
    via__process_lock(pool);
    for (size_t i = 0; i < pool->slots; i++)
        answered += pool->table[i] && via__channel_has_answer(pool->table[i]->channel);
    via__process_unlock(pool);
    return answered;
}

static int await_second(via_cfuture *cf, void *arg)
{
    const struct second *second = arg;
    (void)cf;
    open_gate(second->gate);
    AWAIT(count_answered(second->pool) == 1);
    return 0;
}

static int drop_the_loop(via_cfuture *cf, void *arg)
{
    (void)cf;
    via_loop_unref(arg);
    return 0;
}

/* The second answer comes after the loop has looked for answers, and is heard of when it goes to rest. */
TEST(a_done_callback_may_drop_the_loop_when_that_goes_to_rest)
{
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 2);
    via_buffer *gates[2] = {new_gate(), new_gate()};
    struct second second = {pool, gates[1]};
    via_cfuture *cf[2];
    for (int i = 0; i < 2; i++) {
        cf[i] = submit_gate(pool, gates[i]);
        RUN_UNTIL(loop, atomic_load(&gate_of(gates[i])->arrived) == 1);
    }
    ck_assert_int_eq(via_cfuture_add_done_callback(cf[0], await_second, &second), 0);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf[1], drop_the_loop, loop), 0);
    stop_timer(pool);
    ck_assert_int_eq(via_loop_hold(loop), 0);
    open_gate(gates[0]);
    (void)via_loop_run_forever(loop);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(finish(cf[i]), 0);
    close_pool(pool);
    via_buffer_unref(gates[0]);
    via_buffer_unref(gates[1]);
}

struct following {
    via_executor *pool;
    via_cfuture *next;
    int status;
};

static int submit_another(via_cfuture *cf, void *arg)
{
    struct following *following = arg;
    struct via_call call = VIA_CALL_BYTES(give_back, "next", 4);
    (void)cf;
    following->status = via_executor_submit(following->pool, &call, &following->next);
    return 0;
}

TEST(a_done_callback_may_submit)
{
    struct following following = {open_pool(1), NULL, 1};
    via_buffer *gate = new_gate();
    via_cfuture *cf = submit_gate(following.pool, gate);
    ck_assert_int_eq(via_cfuture_add_done_callback(cf, submit_another, &following), 0);
    open_gate(gate);
    ck_assert_int_eq(finish(cf), 0);
    AWAIT(executor_stats(following.pool).completed == 2); // the second was submitted by the callback
    ck_assert_int_eq(following.status, 0);
    ck_assert_int_eq(finish(following.next), 0);
    close_pool(following.pool);
    via_buffer_unref(gate);
}

/* ---- a server that lingers ---- */

struct stream {
    via_executor *pool;
    _Atomic int stops, over;
};

// Each call is followed by another.
static int go_on(via_cfuture *cf, void *arg)
{
    struct stream *stream = arg;
    (void)cf;
    if (atomic_load(&stream->stops)) {
        atomic_store(&stream->over, 1);
        return 0;
    }
    via_cfuture *next = submit(stream->pool, give_back, "x", 1);
    ck_assert_int_eq(via_cfuture_add_done_callback(next, go_on, stream), 0);
    via_cfuture_unref(next);
    return 0;
}

TEST(a_server_that_lingers_over_a_stream_of_answers_keeps_to_the_time)
{
    struct via_process_pool_options options = pool_options(2);
    options.serve_linger_ns = 100 * VIA_S;
    struct stream stream = {.pool = open_with(&options)};
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    call.timeout_ns = 20 * VIA_MS;
    via_cfuture *first = submit(stream.pool, give_back, "x", 1);
    ck_assert_int_eq(via_cfuture_add_done_callback(first, go_on, &stream), 0);
    via_cfuture *hangs = submit_call(stream.pool, &call);
    ck_assert_int_eq(wait_outcome(hangs).status, VIA_ETIMEDOUT);
    atomic_store(&stream.stops, 1);
    AWAIT(atomic_load(&stream.over));
    via_cfuture_unref(hangs);
    via_cfuture_unref(first);
    close_pool(stream.pool);
}

/* ---- the process ends ---- */

static int status_of_exit(void (*fn)(void))
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_THREADS | VIA_TEST_DESCRIPTORS,
                          "the process ends with work under way");
        fn();
        exit(7);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static via_buffer *shared_gate;

static void leave_with_a_call_that_hangs(void)
{
    struct via_process_pool_options options = pool_options(1);
    options.exit_timeout_ns = 10 * VIA_MS;
    via_executor *pool = open_with(&options);
    struct via_call call = VIA_CALL_BUFFER(pass_gate, shared_gate);
    (void)submit_call(pool, &call);
    await_arrivals(shared_gate, 1);
}

TEST(a_process_that_exits_takes_its_workers_with_it)
{
    shared_gate = new_gate();
    ck_assert_int_eq(status_of_exit(leave_with_a_call_that_hangs), 7 << 8);
    long pid = atomic_load(&gate_of(shared_gate)->pid);
    ck_assert_int_gt(pid, 0);
    AWAIT(is_dead(pid));
    via_buffer_unref(shared_gate);
}

static void leave_with_queued_calls(void)
{
    struct via_process_pool_options options = pool_options(1);
    options.exit_timeout_ns = via_test_bound_ns();
    via_executor *pool = open_with(&options);
    struct via_call call = VIA_CALL_BUFFER(pass_gate, shared_gate);
    static via_cfuture *kept[5]; // for a leak checker, which runs at the exit
    for (int i = 0; i < 5; i++)
        kept[i] = submit_call(pool, &call);
    ck_assert_ptr_nonnull(kept[4]);
}

TEST(what_is_queued_at_the_end_of_the_process_still_runs)
{
    shared_gate = new_gate();
    open_gate(shared_gate);
    ck_assert_int_eq(status_of_exit(leave_with_queued_calls), 7 << 8);
    ck_assert_int_eq(atomic_load(&gate_of(shared_gate)->arrived), 5);
    via_buffer_unref(shared_gate);
}

static void be_killed(void)
{
    leave_with_a_call_that_hangs();
    raise(SIGKILL);
}

TEST(a_process_that_is_killed_takes_its_workers_with_it)
{
    shared_gate = new_gate();
    ck_assert_int_eq(status_of_exit(be_killed), SIGKILL);
    long pid = atomic_load(&gate_of(shared_gate)->pid);
    ck_assert_int_gt(pid, 0);
    AWAIT(is_dead(pid));
    via_buffer_unref(shared_gate);
}

/* ---- forks ---- */

static int use_another(void *arg)
{
    via_executor *of_parent = arg;
    via_executor_unref(of_parent);
    via_executor *pool = open_pool(1);
    if (finish(submit(pool, give_back, "x", 1)) != 0)
        return 1;
    close_pool(pool);
    return 0;
}

TEST(a_forked_child_may_have_a_pool_of_its_own)
{
    // ThreadSanitizer cannot start threads in a forked child.
    if (UNDER_THREAD_SANITIZER)
        return;
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    ck_assert_int_eq(via_test_fork(use_another, pool), 0);
    ck_assert_int_eq(via_cfuture_done(cf), 0);
    open_gate(gate);
    ck_assert_int_eq(finish(cf), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

static int wait_in_child(void *arg)
{
    return via_cfuture_wait(arg, via_test_bound_ns()) == VIA_EFORKED ? 0 : 1;
}

TEST(a_forked_child_does_not_wait_for_the_parents_calls)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    ck_assert_int_eq(via_test_fork(wait_in_child, cf), 0);
    open_gate(gate);
    ck_assert_int_eq(finish(cf), 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

PROCESS_TEST_MAIN(
    "process/pool_served", waiting_in_a_callback_of_the_loop_that_serves_is_refused,
    a_callback_of_the_loop_shuts_the_pool_down_but_does_not_wait, a_thread_takes_over_when_the_loop_closes,
    answers_that_came_before_the_loop_closed_are_found,
    a_pool_released_with_calls_running_ends_with_them_when_the_loop_goes,
    a_pool_released_before_its_loop_ran_at_all_ends, one_loop_serves_several_pools, a_closed_loop_is_refused,
    a_done_callback_may_drop_the_pool, a_pool_dropped_in_a_done_callback_ends_while_its_loop_runs_on,
    a_done_callback_may_drop_the_loop_when_that_goes_to_rest, a_done_callback_may_submit,
    a_server_that_lingers_over_a_stream_of_answers_keeps_to_the_time,
    a_process_that_exits_takes_its_workers_with_it, what_is_queued_at_the_end_of_the_process_still_runs,
    a_process_that_is_killed_takes_its_workers_with_it, a_forked_child_may_have_a_pool_of_its_own,
    a_forked_child_does_not_wait_for_the_parents_calls)
