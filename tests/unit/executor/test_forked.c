/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A child that was forked while some thread held one of the layer's own locks can use the library afresh.
 *
 * The thread that holds the lock is where possible the one that forks, so that nothing is left to chance.
 */
#include "unit/executor/fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/role.h"
#include "executor/executor.h"

/* A child that hangs ends by a signal instead. */
#define CHILD_BOUND_S 5

static void bound_child(void)
{
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_BOUND_S);
}

static int enable(void *unused)
{
    (void)unused;
    bound_child();
    return via_thread_interrupt_enable(SIGUSR2) == 0 ? 23 : 1;
}

/* What a child of a process without pools can do, in a thread of its own where that may be. */
static int live(void *arg)
{
    struct via_call call = VIA_CALL(echo, NULL);
    via_executor *pool = NULL;
    via_cfuture *cf = NULL;

    (void)arg;
    bound_child();
    if (!CHILD_MAY_START_THREADS)
        return 23;
    call.deadline_ns = via_now_ns() + VIA_S * 100;
    if (via_thread_pool_new(NULL, &pool) != 0 || via_executor_submit(pool, &call, &cf) != 0 ||
        via_cfuture_wait(cf, VIA_FOREVER) != 0 || via_executor_shutdown(pool, 0, VIA_FOREVER) != 0)
        return 1;
    via_cfuture_unref(cf);
    via_executor_unref(pool);
    return 23;
}

/* A kind of executor that forks when a search for deadlocks asks it. */
static int searched_status;

static int keep(via_executor *executor, via_cfuture *job, enum via__submit how)
{
    (void)executor;
    (void)job;
    (void)how;
    return 0;
}

static int wait_in_child(void *arg)
{
    via_executor *inner = NULL;
    struct via_call call = VIA_CALL(echo, NULL);

    (void)arg;
    bound_child();
    /* The last life of an executor passes through the lock of the searches. */
    if (via_inline_new(&inner) != 0 || via_executor_submit(inner, &call, NULL) != 0)
        return 1;
    via_executor_unref(inner);
    return live(NULL);
}

static int fork_in_search(via_executor *executor, via_cfuture *job)
{
    (void)executor;
    (void)job;
    searched_status = via_test_fork(wait_in_child, NULL);
    return 0;
}

static void forget(via_executor *executor)
{
    free(executor);
}

static const struct via__executor_kind searched_kind = {.name = "searched",
                                                        .call_kinds = VIA_CALL_POINTER,
                                                        .jobs_live = 1,
                                                        .submit = keep,
                                                        .destroy = forget,
                                                        .can_start = fork_in_search};

static int wait_for_searched(void *arg, void **result)
{
    (void)result;
    return via_cfuture_wait(arg, VIA_FOREVER);
}

TEST(forked_inside_a_search_for_deadlocks)
{
    via_executor *searched = malloc(sizeof(*searched)), *here = NULL;
    via_cfuture *cf;

    via__executor_init(searched, &searched_kind);
    ck_assert_int_eq(via_inline_new(&here), 0);
    cf = submit(searched, echo, NULL);
    finish_with(submit(here, wait_for_searched, cf), VIA_EDEADLK);
    ck_assert_int_eq(searched_status, 23);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_NEVER_RAN);
    via__job_let_go(cf);
    via_cfuture_unref(cf);
    via_executor_unref(searched);
    close_executor(here);
}

/* A call that cancels itself is interrupted while it holds the lock of the interrupts. */
static int interrupted_status;

static void fork_in_handler(int signo)
{
    (void)signo;
    if (interrupted_status != 0)
        return;
    pid_t pid = fork();
    if (pid == 0)
        _exit(enable(NULL));
    waitpid(pid, &interrupted_status, 0);
}

static int cancel_itself(void *arg, void **result)
{
    const struct via__frame *frame = via__role.frame;

    (void)arg;
    (void)result;
    return via_cfuture_cancel(frame->cf) == VIA_CANCEL_REQUESTED ? 0 : VIA_EPERM;
}

TEST(forked_inside_an_interrupt)
{
    struct sigaction action = {.sa_handler = fork_in_handler};
    struct via_call call = VIA_CALL(cancel_itself, NULL);
    via_executor *here = NULL;
    int before = via_test_threads();

    sigemptyset(&action.sa_mask);
    ck_assert_int_eq(sigaction(SIGUSR2, &action, NULL), 0);
    ck_assert_int_eq(via_thread_interrupt_enable(SIGUSR2), 0);
    ck_assert_int_eq(via_inline_new(&here), 0);
    call.flags = VIA_CALL_INTERRUPTIBLE;
    finish(submit_call(here, &call));
    ck_assert(WIFEXITED(interrupted_status) && WEXITSTATUS(interrupted_status) == 23);
    close_executor(here);
    via_test_await_threads(before);
}

static void *reserve_without_end(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
        if (via__timekeeper_reserve() == 0)
            via__timekeeper_unreserve();
    }
    return NULL;
}

TEST(forked_beside_a_busy_timekeeper)
{
    struct via_test_thread thread;
    int stop = 0, good = 0, before = via_test_threads();
    via_executor *here = NULL;

    // The sanitizers' heaps do not bear a fork while another thread, as this one at first, is in them.
    if (via_test_under_valgrind() || UNDER_SANITIZER)
        return;
    ck_assert_int_eq(via_inline_new(&here), 0);
    via_test_thread_start(&thread, reserve_without_end, &stop);
    for (int i = 0; i < 50 && good == i; i++)
        good += via_test_fork(live, NULL) == 23;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    via_test_thread_join(&thread);
    ck_assert_int_eq(good, 50);
    close_executor(here);
    via_test_await_threads(before);
}

TEST_MAIN("executor/forked", forked_inside_a_search_for_deadlocks, forked_inside_an_interrupt,
          forked_beside_a_busy_timekeeper)
