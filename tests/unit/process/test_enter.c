/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program starts copies of itself with marks, good and bad, and sees what they come to.  The roles that
 * via_process_enter() leads to are defined here: the layer's own are not linked where these are.
 */
#include <config.h>

#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct/error.h>
#include <viaduct/process_pool.h>

#include "process/enter.h"
#include "process/fds.h"

/* How a copy ends that did as it should in its role, or that ran on as a program. */
enum { AS_ZYGOTE = 11, AS_WORKER = 12, AS_PROGRAM = 13, AS_REFUSED = 14, WRONG = 99 };

static struct via__why why;

// ---- in a copy ----

/* Nothing of the mark is left to be inherited: no variable and no descriptor. */
static int inherits_nothing(void)
{
    return !getenv("VIADUCT_PROCESS") &&
           system("test -z \"$VIADUCT_PROCESS\" && ! (: >&3) 2>/dev/null && ! (: >&4) 2>/dev/null && "
                  "! (: >&5) 2>/dev/null") == 0;
}

_Noreturn void via__zygote_main(void)
{
    int can_start = via__enter_check(&why) == 0 || via_test_under_valgrind();
    via_process_enter();
    _exit(inherits_nothing() && can_start && fcntl(VIA__FD_CONTROL, F_GETFD) >= 0 ? AS_ZYGOTE : WRONG);
}

_Noreturn void via__worker_main_fresh(void)
{
    _exit(inherits_nothing() ? AS_WORKER : WRONG);
}

/* What a program does that has not the line: asks whether it may start copies. */
static int without_entering(void)
{
    int rc = via__enter_check(&why);
    return rc == VIA_ESETUP && strstr(why.text, "has not called via_process_enter()") ? AS_REFUSED : WRONG;
}

static int as_program(void)
{
    via_process_enter();
    return getenv("VIADUCT_PROCESS") ? WRONG : AS_PROGRAM;
}

// ---- in the program ----

struct copy {
    pid_t pid;
    int control;
};

static void add(posix_spawn_file_actions_t *actions, int from, int to)
{
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(actions, from, to), 0);
}

/* Starts a copy whose descriptors 3 to 5 are open, with `environment`. */
static struct copy start(const char *program, const char *mode, int theirs, char **environment)
{
    struct copy copy;
    posix_spawn_file_actions_t actions;
    char *arguments[] = {"copy", (char *)mode, NULL};
    int high = fcntl(theirs, F_DUPFD_CLOEXEC, 16), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    add(&actions, null, VIA__FD_CONFIG);
    add(&actions, null, VIA__FD_DIRECTORY);
    add(&actions, high, VIA__FD_CONTROL);
    ck_assert_int_eq(posix_spawn(&copy.pid, program, &actions, NULL, arguments, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(high);
    close(null);
    copy.control = -1;
    return copy;
}

static int end(struct copy *copy)
{
    int status = 0;
    ck_assert_int_eq(waitpid(copy->pid, &status, 0), copy->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* How a copy ends that was given a good mark. */
static int run_marked(enum via__copy kind, const char *mode)
{
    int ends[2];
    char **environment = NULL;
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(via__enter_environment(kind, ends[1], &environment), 0);
    struct copy copy = start("/proc/self/exe", mode, ends[1], environment);
    free(environment);
    int status = end(&copy);
    close(ends[0]);
    close(ends[1]);
    return status;
}

/* How it ends with this in its environment instead, and what to find at the control descriptor. */
static int run_with(const char *mark, int theirs)
{
    char *environment[] = {(char *)mark, "PATH=/usr/bin:/bin", NULL};
    struct copy copy = start("/proc/self/exe", "program", theirs, environment);
    return end(&copy);
}

/* Under valgrind the programs that are started are not under it, or are it. */
static int can_start(void)
{
    return !via_test_under_valgrind();
}

TEST(the_program_that_has_entered_may_start_copies)
{
    if (!can_start())
        return;
    ck_assert_msg(via__enter_check(&why) == 0, "%s", why.text);
    ck_assert_int_eq(via__enter_check(NULL), 0);
    ck_assert_str_eq(via__enter_program(), "/proc/self/exe");
}

/* Not mistaken for a program of which copies cannot be started. */
static int check_without_descriptors(void *arg)
{
    struct rlimit limit;
    int first = 3;
    (void)arg;
    while (fcntl(first, F_GETFD) >= 0)
        first++;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1;
    limit.rlim_cur = (rlim_t)first;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 2;
    return via__enter_check(&why) != VIA_EAGAIN || !strstr(why.text, "refused a descriptor");
}

TEST(want_of_descriptors_is_told_as_such)
{
    if (!can_start())
        return;
    ck_assert_int_eq(via_test_fork(check_without_descriptors, NULL), 0);
}

TEST(a_marked_copy_goes_to_its_role_and_passes_nothing_on)
{
    if (!can_start())
        return;
    ck_assert_int_eq(run_marked(VIA__COPY_ZYGOTE, "program"), AS_ZYGOTE);
    ck_assert_int_eq(run_marked(VIA__COPY_WORKER, "program"), AS_WORKER);
}

TEST(a_stale_or_forged_mark_is_taken_away_and_ignored)
{
    char mark[64], other[80];
    int ends[2], pipes[2];
    if (!can_start())
        return;
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    ck_assert_int_eq(via__enter_mark(VIA__COPY_ZYGOTE, ends[0], mark, sizeof mark), 0);
    ck_assert_int_eq(run_with(mark, ends[0]), AS_ZYGOTE);
    ck_assert_int_eq(run_with(mark, ends[1]), AS_PROGRAM);
    ck_assert_int_eq(run_with(mark, pipes[0]), AS_PROGRAM);
    snprintf(other, sizeof other, "%s0", mark);
    ck_assert_int_eq(run_with(other, ends[0]), AS_PROGRAM);
    snprintf(other, sizeof other, "VIADUCT_PROCESS=7%s", strchr(mark, ':'));
    ck_assert_int_eq(run_with(other, ends[0]), AS_PROGRAM);
    ck_assert_int_eq(run_with("VIADUCT_PROCESS=", ends[0]), AS_PROGRAM);
    ck_assert_int_eq(run_with("VIADUCT_PROCESS=1:3:", ends[0]), AS_PROGRAM);
    via__fds_close(ends, 2);
    via__fds_close(pipes, 2);
}

TEST(a_copy_that_walks_past_the_line_says_so_and_ends)
{
    struct via__hello hello;
    int ends[2], fds[VIA__FDS_MAX], count;
    char **environment = NULL;
    if (!can_start())
        return;
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(via__enter_environment(VIA__COPY_ZYGOTE, ends[1], &environment), 0);
    struct copy copy = start("/proc/self/exe", "past", ends[1], environment);
    free(environment);
    ck_assert_int_eq(end(&copy), VIA__EXIT_NOT_ENTERED);
    ck_assert_int_eq(via__fds_receive(ends[0], &hello, sizeof hello, fds, &count, VIA__FDS_NOW),
                     sizeof hello);
    ck_assert_uint_eq(hello.magic, VIA__HELLO_MAGIC);
    ck_assert_int_eq(hello.status, VIA_ESETUP);
    ck_assert_ptr_nonnull(strstr(hello.text, "without passing via_process_enter()"));
    via__fds_close(ends, 2);
}

TEST(a_program_without_the_line_is_told_to_add_it)
{
    static char *none[] = {NULL};
    int ends[2];
    if (!can_start())
        return;
    ck_assert_int_eq(via__fds_pair(ends), 0);
    struct copy copy = start("/proc/self/exe", "past", ends[1], none);
    ck_assert_int_eq(end(&copy), AS_REFUSED);
    via__fds_close(ends, 2);
}

TEST(the_environment_of_a_copy_has_one_mark_and_all_else)
{
    char mark[64], **environment = NULL;
    int ends[2], marks = 0;
    size_t count = 0, had = 0;
    setenv("VIADUCT_PROCESS", "1:3:4", 1);
    setenv("VIADUCT_PROCESS_NOT", "kept", 1);
    while (environ[had])
        had++;
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(via__enter_mark(VIA__COPY_WORKER, ends[0], mark, sizeof mark), 0);
    ck_assert_int_eq(via__enter_environment(VIA__COPY_WORKER, ends[0], &environment), 0);
    for (; environment[count]; count++)
        marks += strncmp(environment[count], "VIADUCT_PROCESS=", 16) == 0;
    ck_assert_uint_eq(count, had);
    ck_assert_int_eq(marks, 1);
    ck_assert_str_eq(environment[count - 1], mark);
    free(environment);
    unsetenv("VIADUCT_PROCESS");
    unsetenv("VIADUCT_PROCESS_NOT");
    via__fds_close(ends, 2);
}

TEST(only_a_socket_can_be_named_in_a_mark)
{
    char mark[64] = "untouched", **environment = NULL;
    int pipes[2], ends[2];
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(via__enter_mark(VIA__COPY_ZYGOTE, pipes[0], mark, sizeof mark), -ENOTSOCK);
    ck_assert_int_eq(via__enter_mark(VIA__COPY_ZYGOTE, -1, mark, sizeof mark), -EBADF);
    ck_assert_int_eq(via__enter_environment(VIA__COPY_ZYGOTE, pipes[0], &environment), -ENOTSOCK);
    ck_assert_ptr_null(environment);
    ck_assert_int_eq(via__enter_mark(VIA__COPY_ZYGOTE, ends[0], mark, 8), -ENAMETOOLONG);
    ck_assert_str_eq(mark, "untouched");
    via__fds_close(ends, 2);
    via__fds_close(pipes, 2);
}

TEST(only_this_program_is_started)
{
    char self[4096];
    if (!can_start())
        return;
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert_int_gt(bytes, 0);
    self[bytes] = '\0';
    ck_assert_str_eq(via__enter_choose("/proc/self/exe", NULL), "/proc/self/exe");
    ck_assert_str_eq(via__enter_choose(self, "/bin/sh"), "/proc/self/exe");
    ck_assert_ptr_null(via__enter_choose("/bin/sh", self));
    ck_assert_ptr_null(via__enter_choose("/dev/null", self));
    ck_assert_ptr_null(via__enter_choose("/nonexistent", "/bin/sh"));
    ck_assert_ptr_null(via__enter_choose("/nonexistent", "/nonexistent"));
    ck_assert_ptr_null(via__enter_choose(NULL, NULL));
    ck_assert_str_eq(via__enter_choose("/nonexistent", self), self);
    ck_assert_str_eq(via__enter_choose(NULL, self), self);
}

int main(int argc, char **argv)
{
    const TTest *const tests[] = {the_program_that_has_entered_may_start_copies,
                                  want_of_descriptors_is_told_as_such,
                                  a_marked_copy_goes_to_its_role_and_passes_nothing_on,
                                  a_stale_or_forged_mark_is_taken_away_and_ignored,
                                  a_copy_that_walks_past_the_line_says_so_and_ends,
                                  a_program_without_the_line_is_told_to_add_it,
                                  the_environment_of_a_copy_has_one_mark_and_all_else,
                                  only_a_socket_can_be_named_in_a_mark,
                                  only_this_program_is_started,
                                  NULL};
    if (argc > 1 && strcmp(argv[1], "past") == 0)
        return without_entering();
    if (argc > 1 && strcmp(argv[1], "program") == 0)
        return as_program();
    via_process_enter();
    return via_test_main("process/enter", tests);
}
