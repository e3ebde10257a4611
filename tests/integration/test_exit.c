/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of the process: what is queued and running gets its time, what is stuck does not keep it. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/bridge/bridge_fixture.h"

/* Runs `fn` in a child that then leaves with exit(), exit handlers included, and gives its wait status. */
static int status_of_exit(void (*fn)(int fd), int fd)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_THREADS | VIA_TEST_DESCRIPTORS,
                          "the process ends with work under way");
        fn(fd);
        exit(7);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static via_executor *pool_with_exit_timeout(int64_t timeout_ns)
{
    struct via_thread_pool_options options;
    via_executor *pool = NULL;
    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    options.exit_timeout_ns = timeout_ns;
    if (via_thread_pool_new(&options, &pool) < 0)
        _exit(98);
    return pool;
}

static int write_a_byte(void *fd, void **result)
{
    (void)result;
    return write(*(int *)fd, "x", 1) == 1 ? 0 : VIA_EAGAIN;
}

static int never_return(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (;;)
        pause();
    return 0;
}

static void leave_with_work_queued(int fd)
{
    static int kept_fd;
    kept_fd = fd;
    via_executor *pool = pool_with_exit_timeout(via_test_bound_ns());
    struct via_call call = VIA_CALL(write_a_byte, &kept_fd);
    for (int i = 0; i < 3; i++)
        if (via_executor_submit(pool, &call, NULL) < 0)
            _exit(97);
}

TEST(what_is_queued_at_the_end_of_the_process_still_runs)
{
    int fds[2];
    char bytes[8];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(status_of_exit(leave_with_work_queued, fds[1]), 7 << 8);
    close(fds[1]);
    ck_assert_int_eq(read(fds[0], bytes, sizeof bytes), 3);
    close(fds[0]);
}

static void leave_with_a_stuck_call(int fd)
{
    (void)fd;
    via_executor *pool = pool_with_exit_timeout(20 * VIA_MS);
    struct via_call call = VIA_CALL(never_return, NULL);
    if (via_executor_submit(pool, &call, NULL) < 0)
        _exit(97);
}

TEST(a_stuck_call_does_not_keep_the_process)
{
    ck_assert_int_eq(status_of_exit(leave_with_a_stuck_call, -1), 7 << 8);
}

static void leave_with_a_running_loop(int fd)
{
    (void)fd;
    via_loop *loop = NULL;
    via_executor *pool = pool_with_exit_timeout(20 * VIA_MS);
    struct via_call call = VIA_CALL(never_return, NULL);
    if (via_loop_new(&loop) < 0)
        _exit(97);
    via_future *future = via_run_in_executor(loop, pool, &call);
    via_loop_step(loop, 0);
    if (via_future_done(future))
        _exit(96);
}

TEST(a_loop_with_a_stuck_call_does_not_keep_the_process)
{
    ck_assert_int_eq(status_of_exit(leave_with_a_running_loop, -1), 7 << 8);
}

TEST_MAIN("integration/exit", what_is_queued_at_the_end_of_the_process_still_runs,
          a_stuck_call_does_not_keep_the_process, a_loop_with_a_stuck_call_does_not_keep_the_process)
