/* SPDX-License-Identifier: BSD-3-Clause */
/* Interruptible calls: a signal ends the system call that a cancelled function blocks in. */
#include "unit/executor/fixture.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

/* A call that reads from a pipe to which nobody may ever write. */
struct reader {
    int fds[2];
    pid_t tid; /* the thread it runs in, once it runs */
    int late;  /* 1: waits for the cancel before it enters the system call */
    int rc;    /* what read() gave */
    int error; /* errno after it */
};

static int read_pipe(void *arg, void **result)
{
    struct reader *reader = arg;
    char byte;

    (void)result;
    __atomic_store_n(&reader->tid, gettid(), __ATOMIC_RELEASE);
    if (reader->late)
        AWAIT(via_call_cancelled());
    reader->rc = (int)read(reader->fds[0], &byte, 1);
    reader->error = errno;
    return reader->rc < 0 ? -reader->error : 0;
}

static struct via_call interruptible(struct reader *reader)
{
    struct via_call call = VIA_CALL(read_pipe, reader);

    ck_assert_int_eq(pipe(reader->fds), 0);
    reader->rc = 99;
    call.flags = VIA_CALL_INTERRUPTIBLE;
    return call;
}

static void close_pipe(struct reader *reader)
{
    close(reader->fds[0]);
    close(reader->fds[1]);
}

/* Waits until the reader's thread sleeps in the kernel. */
static void await_reading(struct reader *reader)
{
    struct via_test_thread thread = {0};

    AWAIT(__atomic_load_n(&reader->tid, __ATOMIC_ACQUIRE) != 0);
    thread.tid = reader->tid;
    via_test_thread_await_blocked(&thread);
}

TEST(cancelling_ends_a_blocking_read_with_eintr)
{
    struct reader reader = {0};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    cf = submit_call(pool, &call);
    await_reading(&reader);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish_with(cf, -EINTR);
    ck_assert_int_eq(reader.rc, -1);
    close_executor(pool);
    close_pipe(&reader);
}

TEST(a_signal_just_before_the_system_call_is_not_lost)
{
    struct reader reader = {.late = 1};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    cf = submit_call(pool, &call);
    AWAIT(__atomic_load_n(&reader.tid, __ATOMIC_ACQUIRE) != 0);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish_with(cf, -EINTR);
    close_executor(pool);
    close_pipe(&reader);
}

/* A function that does not give up at the first EINTR. */
static int read_stubbornly(void *arg, void **result)
{
    struct reader *reader = arg;
    char byte;

    (void)result;
    __atomic_store_n(&reader->tid, gettid(), __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++) {
        reader->rc = (int)read(reader->fds[0], &byte, 1);
        if (reader->rc >= 0 || errno != EINTR)
            return VIA_EPERM;
    }
    return 0;
}

TEST(the_signal_is_repeated_until_the_function_returns)
{
    struct reader reader = {0};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    call.fn = read_stubbornly;
    cf = submit_call(pool, &call);
    await_reading(&reader);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish(cf);
    close_executor(pool);
    close_pipe(&reader);
}

TEST(the_next_call_in_the_thread_is_left_alone)
{
    via_executor *pool = pool_of(1);

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    for (int round = 0; round < 20; round++) {
        struct reader victim = {0}, next = {0};
        struct via_call call = interruptible(&victim);
        via_cfuture *cancelled = submit_call(pool, &call), *cf;

        call = interruptible(&next);
        cf = submit_call(pool, &call);
        await_reading(&victim);
        ck_assert_int_eq(via_cfuture_cancel(cancelled), VIA_CANCEL_REQUESTED);
        finish_with(cancelled, -EINTR);
        await_reading(&next);
        ck_assert_int_eq(write(next.fds[1], "x", 1), 1);
        finish(cf);
        ck_assert_int_eq(next.rc, 1);
        close_pipe(&victim);
        close_pipe(&next);
    }
    close_executor(pool);
}

TEST(a_call_that_is_not_interruptible_is_not_interrupted)
{
    struct reader reader = {0};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    call.flags = 0;
    cf = submit_call(pool, &call);
    await_reading(&reader);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(via_cfuture_wait(cf, 3 * VIA_MS), VIA_ETIMEDOUT);
    ck_assert_int_eq(write(reader.fds[1], "x", 1), 1);
    finish(cf);
    close_executor(pool);
    close_pipe(&reader);
}

TEST(an_interruptible_call_that_nobody_cancels_is_left_alone)
{
    struct reader reader = {0};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    cf = submit_call(pool, &call);
    await_reading(&reader);
    ck_assert_int_eq(write(reader.fds[1], "x", 1), 1);
    finish(cf);
    ck_assert_int_eq(reader.rc, 1);
    close_executor(pool);
    close_pipe(&reader);
}

/* An interruptible call that first helps another one, and then reads. */
struct helper {
    struct reader reader;
    via_executor *pool;
};

static int help_then_read(void *arg, void **result)
{
    struct helper *helper = arg;
    struct via_call call = VIA_CALL(echo, NULL);

    call.flags = VIA_CALL_INTERRUPTIBLE;
    finish(submit_call(helper->pool, &call));
    return read_pipe(&helper->reader, result);
}

TEST(having_helped_another_call_a_call_is_still_interruptible)
{
    struct helper helper = {.pool = pool_of(1)};
    struct via_call call = interruptible(&helper.reader);
    via_cfuture *cf;

    ck_assert_int_eq(via_thread_interrupt_enable(0), 0);
    call.fn = help_then_read;
    call.arg = &helper;
    cf = submit_call(helper.pool, &call);
    await_reading(&helper.reader);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish_with(cf, -EINTR);
    close_executor(helper.pool);
    close_pipe(&helper.reader);
}

static volatile sig_atomic_t handled;

static void count_signal(int signo)
{
    (void)signo;
    handled = handled + 1;
}

TEST(a_handler_that_was_there_before_is_called_too)
{
    struct sigaction action = {.sa_handler = count_signal};
    struct reader reader = {0};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf;

    sigemptyset(&action.sa_mask);
    ck_assert_int_eq(sigaction(SIGUSR2, &action, NULL), 0);
    ck_assert_int_eq(via_thread_interrupt_enable(SIGUSR2), 0);
    cf = submit_call(pool, &call);
    await_reading(&reader);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    finish_with(cf, -EINTR);
    close_executor(pool);
    ck_assert_int_ge(handled, 1);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    close_pipe(&reader);
}

TEST(a_signal_that_cannot_be_caught_is_refused)
{
    ck_assert_int_eq(via_thread_interrupt_enable(SIGKILL), VIA_EINVAL);
    ck_assert_int_eq(via_thread_interrupt_enable(SIGSTOP), VIA_EINVAL);
    ck_assert_int_eq(via_thread_interrupt_enable(SIGSEGV), VIA_EINVAL);
    ck_assert_int_eq(via_thread_interrupt_enable(-1), VIA_EINVAL);
    ck_assert_int_eq(via_thread_interrupt_enable(100000), VIA_EINVAL);
    ck_assert_int_eq(via_thread_interrupt_enable(INT_MAX), VIA_EINVAL);
}

TEST(enabling_again_is_fine_but_not_with_another_signal)
{
    ck_assert_int_eq(via_thread_interrupt_enable(SIGUSR1), 0);
    ck_assert_int_eq(via_thread_interrupt_enable(SIGUSR1), 0);
    ck_assert_int_eq(via_thread_interrupt_enable(SIGUSR2), VIA_EBUSY);
    ck_assert_int_eq(via_thread_interrupt_enable(0), VIA_EBUSY);
}

TEST(without_a_handler_the_request_is_only_seen_by_polling)
{
    struct reader reader = {0};
    struct via_call call = interruptible(&reader);
    via_executor *pool = pool_of(1);
    via_cfuture *cf = NULL;
    int rc = via_executor_submit(pool, &call, &cf);

    if (rc == 0) {
        await_reading(&reader);
        ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
        ck_assert_int_eq(write(reader.fds[1], "x", 1), 1);
        finish(cf);
    } else {
        ck_assert_int_eq(rc, VIA_ENOTSUP);
    }
    close_executor(pool);
    close_pipe(&reader);
}

TEST_MAIN("executor/interrupt", cancelling_ends_a_blocking_read_with_eintr,
          a_signal_just_before_the_system_call_is_not_lost, the_signal_is_repeated_until_the_function_returns,
          the_next_call_in_the_thread_is_left_alone, a_call_that_is_not_interruptible_is_not_interrupted,
          an_interruptible_call_that_nobody_cancels_is_left_alone,
          having_helped_another_call_a_call_is_still_interruptible,
          a_handler_that_was_there_before_is_called_too, a_signal_that_cannot_be_caught_is_refused,
          enabling_again_is_fine_but_not_with_another_signal,
          without_a_handler_the_request_is_only_seen_by_polling)
