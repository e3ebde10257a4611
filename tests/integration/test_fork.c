/* SPDX-License-Identifier: BSD-3-Clause */
/* fork() in a program with loops and pools: the child is told, and can start afresh. */
#include <event2/event.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/sanitizers.h"
#include "unit/bridge/bridge_fixture.h"

/* What the child inherits.  A child cannot fail a test of its parent, so it returns the number of the line
 * that did not hold, reduced to a byte. */
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return __LINE__ % 250 + 1;                                                                       \
    } while (0)

/* ThreadSanitizer ends a forked child that starts threads of its own. */
enum { CHILDREN_MAY_START_THREADS = !UNDER_THREAD_SANITIZER };

struct parent {
    via_loop *loop;
    via_executor *pool;
    via_future *future;
    via_cfuture *cf;
    int child_status;
};

static int loop_of_parent_is_refused(void *arg)
{
    struct parent *parent = arg;
    EXPECT(via_loop_current() == NULL);
    EXPECT(via_call_soon(parent->loop, never_called, NULL, NULL) == VIA_EFORKED);
    EXPECT(via_call_later(parent->loop, 0, never_called, NULL, NULL) == VIA_EFORKED);
    EXPECT(via_call_at(parent->loop, 0, never_called, NULL, NULL) == VIA_EFORKED);
    EXPECT(via_call_soon_threadsafe(parent->loop, never_called, NULL, NULL) == VIA_EFORKED);
    EXPECT(via_loop_run_forever(parent->loop) == VIA_EFORKED);
    EXPECT(via_loop_step(parent->loop, 0) == VIA_EFORKED);
    EXPECT(via_loop_stop(parent->loop) == VIA_EFORKED);
    EXPECT(via_loop_close(parent->loop) == VIA_EFORKED);
    EXPECT(via_loop_hold(parent->loop) == VIA_EFORKED);
    EXPECT(via_loop_release(parent->loop) == VIA_EFORKED);
    EXPECT(via_loop_add_reader(parent->loop, 0, never_called, NULL) == VIA_EFORKED);
    EXPECT(via_loop_remove_reader(parent->loop, 0) == VIA_EFORKED);
    EXPECT(via_loop_add_signal_handler(parent->loop, SIGUSR1, never_called, NULL) == VIA_EFORKED);
    struct via_loop_stats stats;
    EXPECT(via_loop_stats(parent->loop, &stats) == VIA_EFORKED);
    return 0;
}

static int futures_of_parent_are_refused(void *arg)
{
    struct parent *parent = arg;
    struct via_call call = VIA_CALL(give_back, NULL);
    EXPECT(via_future_cancel(parent->future) == VIA_EFORKED);
    EXPECT(via_loop_run_until_complete(parent->loop, parent->future) == VIA_EFORKED);
    EXPECT(via_executor_submit(parent->pool, &call, NULL) == VIA_EFORKED);
    EXPECT(via_executor_shutdown(parent->pool, 0, VIA_FOREVER) == VIA_EFORKED);
    EXPECT(via_cfuture_wait(parent->cf, VIA_FOREVER) == VIA_EFORKED);
    EXPECT(via_cfuture_cancel(parent->cf) == VIA_EFORKED);
    via_future *future = via_run_in_executor(parent->loop, parent->pool, &call);
    EXPECT(via_future_result(future, NULL) == VIA_EFORKED);
    via_future_unref(future);
    future = via_future_new(parent->loop);
    EXPECT(via_future_result(future, NULL) == VIA_EFORKED);
    via_future_unref(future);
    future = via_loop_shutdown_default_executor(parent->loop, VIA_S);
    EXPECT(via_future_result(future, NULL) == VIA_EFORKED);
    via_future_unref(future);
    return 0;
}

static int child_starts_afresh(void *arg)
{
    (void)arg;
    via_loop *loop = NULL;
    via_executor *pool = NULL;
    int number = 5;
    void *value = NULL;
    struct via_call call = VIA_CALL(give_back, &number);
    EXPECT(via_loop_new(&loop) == 0);
    EXPECT(via_thread_pool_new(NULL, &pool) == 0);
    via_future *explicit_call = via_run_in_executor(loop, pool, &call);
    EXPECT(via_loop_run_until_complete(loop, explicit_call) == 0);
    EXPECT(via_future_result(explicit_call, &value) == 0);
    EXPECT(value == &number);
    via_future_unref(explicit_call);
    via_future *default_call = via_run_in_executor(loop, NULL, &call);
    EXPECT(via_loop_run_until_complete(loop, default_call) == 0);
    EXPECT(via_future_result(default_call, NULL) == 0);
    via_future_unref(default_call);
    EXPECT(via_loop_close(loop) == 0);
    via_loop_unref(loop);
    EXPECT(via_executor_shutdown(pool, 0, via_test_bound_ns()) == 0);
    via_executor_unref(pool);
    return 0;
}

static int child_lets_go(void *arg)
{
    struct parent *parent = arg;
    via_future_unref(parent->future);
    via_cfuture_unref(parent->cf);
    via_executor_unref(parent->pool);
    via_loop_unref(parent->loop);
    return child_starts_afresh(NULL);
}

/* Runs `child` in a child of a process whose loop is running and whose pool is busy. */
static int (*child_of_loop)(void *arg);

static int fork_in_loop(void *arg)
{
    struct parent *parent = arg;
    parent->child_status = via_test_fork(child_of_loop, parent);
    return via_loop_stop(parent->loop);
}

static void fork_while_running(int (*child)(void *arg))
{
    struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;
    struct parent parent = {open_loop(), open_pool(1), NULL, NULL, -1};
    parent.cf = occupy(parent.pool, &gate);
    parent.future = submit(parent.loop, parent.pool, give_back, NULL);
    child_of_loop = child;
    ck_assert_int_eq(via_call_soon(parent.loop, fork_in_loop, &parent, NULL), 0);
    run(parent.loop);
    ck_assert_int_eq(parent.child_status, 0);
    via_test_gate_open(&gate);
    finish(parent.loop, parent.future);
    ck_assert_int_eq(status_of(parent.future), 0);
    via_future_unref(parent.future);
    via_cfuture_unref(parent.cf);
    close_loop(parent.loop);
    close_pool(parent.pool);
}

TEST(the_child_is_told_that_the_loop_is_the_parents)
{
    fork_while_running(loop_of_parent_is_refused);
}

TEST(the_child_is_told_that_pools_and_futures_are_the_parents)
{
    fork_while_running(futures_of_parent_are_refused);
}

TEST(the_child_can_make_a_loop_and_a_pool_of_its_own)
{
    if (CHILDREN_MAY_START_THREADS)
        fork_while_running(child_starts_afresh);
}

TEST(the_child_may_drop_what_it_inherited)
{
    if (CHILDREN_MAY_START_THREADS)
        fork_while_running(child_lets_go);
}

static int handle_signal_in_child(void *arg)
{
    (void)arg;
    via_loop *loop = NULL;
    EXPECT(via_loop_new(&loop) == 0);
    EXPECT(via_loop_add_signal_handler(loop, SIGUSR1, stop_loop, loop) == 0);
    EXPECT(raise(SIGUSR1) == 0);
    EXPECT(via_loop_run_forever(loop) == 0);
    EXPECT(via_loop_close(loop) == 0);
    via_loop_unref(loop);
    return 0;
}

TEST(a_signal_to_the_child_does_not_reach_the_parents_loop)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGUSR1, never_called, NULL), 0);
    ck_assert_int_eq(via_test_fork(handle_signal_in_child, NULL), 0);
    RUN_TICKS(loop, 5);
    close_loop(loop);
}

// By default this signal does nothing.
static int get_signal(void *arg)
{
    (void)arg;
    EXPECT(raise(SIGWINCH) == 0);
    return 0;
}

TEST(a_signal_to_a_child_without_a_loop_does_not_reach_the_parents_loop)
{
    via_loop *loop = open_loop();
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGWINCH, never_called, NULL), 0);
    ck_assert_int_eq(via_test_fork(get_signal, NULL), 0);
    RUN_TICKS(loop, 5);
    ck_assert_int_eq(via_loop_add_signal_handler(loop, SIGWINCH, stop_loop, loop), 0);
    ck_assert_int_eq(raise(SIGWINCH), 0);
    ck_assert_int_eq(via_loop_run_forever(loop), 0);
    close_loop(loop);
}

static int run_the_inherited_base(void *arg)
{
    via_loop *loop = arg;
    struct event_base *base = via_loop_base(loop);
    EXPECT(event_reinit(base) == 0);
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    EXPECT(via_test_recorded(&history) == 0);
    return 0;
}

static int read_byte(void *fd)
{
    char byte;
    ck_assert_int_eq(read(*(int *)fd, &byte, 1), 1);
    return say("reader");
}

static void *post_word(void *loop)
{
    ck_assert_int_eq(via_call_soon_threadsafe(loop, say, "post", NULL), 0);
    return NULL;
}

TEST(a_child_that_runs_the_base_takes_nothing_from_its_parent)
{
    struct event_base *base = event_base_new();
    struct via_test_thread thread;
    via_loop *loop = NULL;
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_attach(base, &loop), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], read_byte, &fds[0]), 0);
    via_test_thread_start(&thread, post_word, loop);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_test_fork(run_the_inherited_base, loop), 0);
    for (int i = 0; i < 2; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    ASSERT_RECORD(&history, "reader post");
    close_loop(loop);
    event_base_free(base);
    close(fds[0]);
    close(fds[1]);
}

static int run_a_program(void *arg)
{
    (void)arg;
    via_loop *loop = NULL;
    EXPECT(via_loop_new(&loop) == 0);
    pid_t pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(99);
    }
    int status = -1;
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(status == 0);
    EXPECT(via_loop_close(loop) == 0);
    via_loop_unref(loop);
    return 0;
}

TEST(the_child_can_run_a_program_and_wait_for_it)
{
    fork_while_running(run_a_program);
}

static int fork_again(void *arg)
{
    EXPECT(child_starts_afresh(NULL) == 0);
    return via_test_fork(child_starts_afresh, arg);
}

TEST(the_childs_child_can_start_afresh_too)
{
    if (CHILDREN_MAY_START_THREADS)
        fork_while_running(fork_again);
}

TEST_MAIN("integration/fork", the_child_is_told_that_the_loop_is_the_parents,
          the_child_is_told_that_pools_and_futures_are_the_parents,
          the_child_can_make_a_loop_and_a_pool_of_its_own, the_child_may_drop_what_it_inherited,
          a_signal_to_the_child_does_not_reach_the_parents_loop,
          a_signal_to_a_child_without_a_loop_does_not_reach_the_parents_loop,
          a_child_that_runs_the_base_takes_nothing_from_its_parent,
          the_child_can_run_a_program_and_wait_for_it, the_childs_child_can_start_afresh_too)
