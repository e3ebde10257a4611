/* SPDX-License-Identifier: BSD-3-Clause */
/* What functions find around them in a worker: standard streams, terminal, signals, directory, environment.
 */
#include "pool_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

/* ---- output ---- */

static int print(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    printf("%.*s", (int)bytes, (const char *)in);
    return 0;
}

static int print_and_die(via_bytes_call *call, const void *in, size_t bytes)
{
    print(call, in, bytes);
    raise(SIGKILL);
    return 0;
}

/* A pool whose workers print into a pipe, and that pipe's other end, which never blocks. */
static via_executor *open_printing(int fresh, int *from)
{
    int ends[2], kept = dup(STDOUT_FILENO);
    struct via_process_pool_options options = pool_options(1);
    options.fresh_exec = fresh;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    fflush(stdout);
    ck_assert_int_eq(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    close(kept);
    close(ends[1]);
    *from = ends[0];
    return pool;
}

static void expect_printed(int from, const char *expected)
{
    char text[64] = "";
    ssize_t got = read(from, text, sizeof text - 1);
    ck_assert_int_ge(got, 0);
    ck_assert_str_eq(text, expected);
}

TEST(what_a_function_has_printed_is_there_when_its_call_is_over)
{
    for (int fresh = 0; fresh <= 1; fresh++) {
        int from;
        via_executor *pool = open_printing(fresh, &from);
        ck_assert_int_eq(finish(submit(pool, print, "half", 4)), 0);
        expect_printed(from, "half");
        ck_assert_int_eq(finish(submit(pool, print, " a line\n", 8)), 0);
        expect_printed(from, " a line\n");
        close(from);
        close_pool(pool);
    }
}

TEST(lines_printed_before_a_crash_are_there)
{
    int from;
    via_executor *pool = open_printing(0, &from);
    ck_assert_int_eq(finish(submit(pool, print_and_die, "the last words\nand", 18)), VIA_ECRASHED);
    expect_printed(from, "the last words\n");
    close(from);
    close_pool(pool);
}

TEST(standard_input_is_at_its_end)
{
    int ends[2], kept = dup(STDIN_FILENO);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(write(ends[1], "for the program", 15), 15);
    ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    close(kept);
    via_cfuture *cf = submit(pool, tell_pid, NULL, 0);
    ck_assert_int_eq(finish(cf), 0);
    char path[64], target[64] = "";
    snprintf(path, sizeof path, "/proc/%ld/fd/0", pid_of_worker(pool));
    ck_assert_int_gt(readlink(path, target, sizeof target - 1), 0);
    ck_assert_str_eq(target, "/dev/null");
    close_pool(pool);
    close(ends[0]);
    close(ends[1]);
}

/* ---- the terminal ---- */

static int complain(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    return write(STDERR_FILENO, in, bytes) == (ssize_t)bytes ? 0 : -errno;
}

/* Takes a terminal of its own as the one that controls it: nobody in the background may write to it. */
static int take_terminal(int *master)
{
    struct termios modes;
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*master < 0 || grantpt(*master) < 0 || unlockpt(*master) < 0 || setsid() < 0)
        return -1;
    int slave = open(ptsname(*master), O_RDWR | O_CLOEXEC);
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 || tcgetattr(slave, &modes) < 0)
        return -1;
    modes.c_lflag |= TOSTOP;
    return tcsetattr(slave, TCSANOW, &modes) < 0 || dup2(slave, STDERR_FILENO) < 0 ? -1 : 0;
}

enum { NO_TERMINAL = 77, STOPPED = 1 };

static int write_in_background(void *arg)
{
    int master, fresh = *(const int *)arg;
    struct via_process_pool_options options = pool_options(1);
    options.fresh_exec = fresh;
    if (take_terminal(&master) < 0)
        return NO_TERMINAL;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, complain, "help", 4);
    int status = via_cfuture_wait(cf, via_test_bound_ns());
    struct via_outcome outcome = {.status = 1};
    if (status == 0)
        (void)via_cfuture_outcome(cf, &outcome);
    via_cfuture_unref(cf);
    (void)via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_RUNNING, via_test_bound_ns());
    via_executor_unref(pool);
    return outcome.status == 0 ? 0 : STOPPED;
}

TEST(a_terminal_that_stops_what_writes_in_the_background_stops_no_worker)
{
    for (int fresh = 0; fresh <= 1; fresh++) {
        int how = via_test_fork(write_in_background, &fresh);
        if (how != NO_TERMINAL)
            ck_assert_int_eq(how, 0);
    }
}

/* ---- directory and environment ---- */

/* Tells the directory and a variable. */
static int look_around(via_bytes_call *call, const void *in, size_t bytes)
{
    char directory[256] = "", text[512];
    const char *value = getenv("VIADUCT_TEST_AROUND");
    (void)in;
    (void)bytes;
    if (!getcwd(directory, sizeof directory))
        return -errno;
    int length = snprintf(text, sizeof text, "%s %s", directory, value ? value : "-");
    void *out = via_bytes_out(call, (size_t)length + 1);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, text, (size_t)length + 1);
    return 0;
}

static void expect_around(via_executor *pool, const char *expected)
{
    via_cfuture *cf = submit(pool, look_around, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_str_eq(outcome.value, expected);
    via_cfuture_unref(cf);
}

static void kill_helper(via_executor *pool)
{
    unsigned before = (unsigned)process_stats(pool).helper_restarts;
    via__process_lock(inside(pool));
    kill(inside(pool)->zygote.pid, SIGKILL);
    via__process_unlock(inside(pool));
    AWAIT(process_stats(pool).helper_restarts > before);
}

/* As they are when the helper process starts, which is the pool's beginning, or later if that had died. */
TEST(directory_and_environment_are_those_of_when_the_helper_process_started)
{
    char *home = getcwd(NULL, 0);
    ck_assert_ptr_nonnull(home);
    ck_assert_int_eq(chdir("/usr"), 0);
    setenv("VIADUCT_TEST_AROUND", "early", 1);
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(chdir("/"), 0);
    setenv("VIADUCT_TEST_AROUND", "late", 1);
    expect_around(pool, "/usr early");
    kill_helper(pool);
    expect_around(pool, "/ late");
    close_pool(pool);
    unsetenv("VIADUCT_TEST_AROUND");
    ck_assert_int_eq(chdir(home), 0);
    free(home);
}

/* ---- initializers and finalizers ---- */

/* Answers with so many bytes. */
static int answer(via_bytes_call *call, const void *in, size_t bytes)
{
    size_t wanted = 100000;
    if (bytes == sizeof wanted)
        memcpy(&wanted, in, sizeof wanted);
    void *out = via_bytes_out(call, wanted);
    if (!out)
        return via_fail(1, "no room for the answer");
    memset(out, 'a', wanted);
    return 0;
}

TEST(an_initializer_and_a_finalizer_may_answer_like_any_function)
{
    static const size_t sizes[] = {0, 8, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        EACH_TRANSPORT(transport)
        {
            struct via_process_pool_options options = pool_options(1);
            options.transport = transport;
            options.initializer = options.finalizer = answer;
            options.initializer_in = &sizes[i];
            options.initializer_in_bytes = sizeof sizes[i];
            via_executor *pool = open_with(&options);
            via_cfuture *cf = submit(pool, answer, &sizes[i], sizeof sizes[i]);
            struct via_outcome outcome = wait_outcome(cf);
            ck_assert_int_eq(outcome.status, 0);
            ck_assert_uint_eq(outcome.bytes, sizes[i]);
            via_cfuture_unref(cf);
            ck_assert_int_eq(via_executor_shutdown(pool, 0, via_test_bound_ns()), 0);
            ck_assert_uint_eq(process_stats(pool).corrupt, 0);
            ck_assert_uint_eq(process_stats(pool).started, 1);
            via_executor_unref(pool);
        }
    }
}

PROCESS_TEST_MAIN("process/pool_surroundings", what_a_function_has_printed_is_there_when_its_call_is_over,
                  lines_printed_before_a_crash_are_there, standard_input_is_at_its_end,
                  a_terminal_that_stops_what_writes_in_the_background_stops_no_worker,
                  an_initializer_and_a_finalizer_may_answer_like_any_function,
                  directory_and_environment_are_those_of_when_the_helper_process_started)
